/*
 * arena: memory that is given back all at once.
 *
 * A configuration, or what was read of a recording, is built up in many small pieces and freed as a whole,
 * also when it turns out to be wrong half way; with one owner for all pieces no path can forget one. Pieces
 * are zeroed. They may hold header values and a proxy's password, so everything is wiped before it is freed.
 */
#ifndef TAPEDECK_BASE_ARENA_H
#define TAPEDECK_BASE_ARENA_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the one being filled first; a zeroed arena is empty */
};

/* `count` zeroed items of `size` bytes, aligned for any type; NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t count, size_t size) MUST_CHECK;

/* A copy with a NUL behind it; NULL when out of memory. */
char *arena_copy(struct arena *a, struct slice text) MUST_CHECK;

void arena_release(struct arena *a);

#endif
