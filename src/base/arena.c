#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)16 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) char bytes[];
};

/* A piece that is larger than the rest of a chunk gets a new chunk, a very large one a chunk of its own
 * behind the first, so that the first is filled up. */
static struct arena_chunk *add_chunk(struct arena *a, size_t needed)
{
	size_t size = needed > CHUNK_BYTES ? needed : CHUNK_BYTES;
	struct arena_chunk *c = calloc(1, sizeof(*c) + size);

	if (c == NULL)
		return NULL;
	c->size = size;
	if (a->chunks != NULL && needed > CHUNK_BYTES) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = a->chunks;
		a->chunks = c;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
	struct arena_chunk *c = a->chunks;
	size_t bytes;
	void *piece;

	if (size != 0 && count > (SIZE_MAX / 2) / size)
		return NULL;
	bytes = (count * size + alignof(max_align_t) - 1) / alignof(max_align_t) *
		alignof(max_align_t);
	if (c == NULL || c->size - c->used < bytes)
		c = add_chunk(a, bytes);
	if (c == NULL)
		return NULL;
	piece = c->bytes + c->used;
	c->used += bytes;
	return piece;
}

char *arena_copy(struct arena *a, struct slice text)
{
	char *copy = arena_alloc(a, text.len + 1, 1);

	if (copy != NULL && text.len != 0)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

void arena_release(struct arena *a)
{
	while (a->chunks != NULL) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		explicit_bzero(c->bytes, c->used);
		free(c);
	}
}
