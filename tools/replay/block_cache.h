/*
 * block_cache: the blocks of a tape that are in memory, and the cursors that read more.
 *
 * Whoever plays the tape asks for the events behind a mark and gets the block that holds them, read if need be.
 * Clients that are near each other share blocks; how many there are is bounded (beside the one in use), the least used go
 * first: a little for each client, as what fits into the processor's caches is fastest, and BLOCK_CACHE_MOST in all. A
 * few cursors read; one that stands at the right place already goes on there.
 */
#ifndef TAPEDECK_REPLAY_BLOCK_CACHE_H
#define TAPEDECK_REPLAY_BLOCK_CACHE_H

#include "block.h"

#define BLOCK_CACHE_LEAST ((size_t)2 << 20)
#define BLOCK_CACHE_CLIENT ((size_t)1 << 20)
#define BLOCK_CACHE_MOST ((size_t)64 << 20)
#define BLOCK_CACHE_CURSORS 8

struct block_cache;

/* Where one who plays the tape was last: makes the next look-up a comparison. Zeroed: nowhere. */
struct block_place {
	uint64_t serial; /* of the block */
	uint32_t slot;
	size_t index; /* of the next event in it */
};

/* The tape must outlive it. */
bool block_cache_new(struct block_cache **out, struct tape *tape, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void block_cache_free(struct block_cache *c);

/* So many clients play the tape. */
void block_cache_set_clients(struct block_cache *c, size_t clients);

/* Finds the first event behind `mark`, whose lap does not matter. TAPE_EVENT: it is at place->index of `*out`, which is
 * borrowed until the next call. */
enum tape_result block_cache_find(struct block_cache *c, const struct mark *mark,
	struct block_place *place, struct block **out, struct err *e) MUST_CHECK;

#endif
