/*
 * retention: how much of the recording is to be kept.
 *
 * A limit belongs to a part of the recording: all of it, a feed, or what one element of `endpoints` asks for. Parts
 * lie within each other and do not inherit: an event stays while every part that it belongs to lets it stay. Made by
 * the loop thread from a configuration, then handed to the writer, who owns and frees it. It never changes after
 * that. All texts are copied.
 */
#ifndef TAPEDECK_STORE_RETENTION_H
#define TAPEDECK_STORE_RETENTION_H

#include "base/compiler.h"
#include "base/map.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETENTION_ALL ((size_t)0) /* the part that is the whole recording */
#define RETENTION_NO_PART SIZE_MAX
#define RETENTION_LEVELS 3 /* a stream belongs to so many parts at the most */

/* 0: no limit. */
struct retention_part {
	int64_t feed_id; /* 0: not a feed's */
	int64_t age_us;  /* since it was received */
	uint64_t bytes;  /* of `results`, all streams of the part together */
};

struct retention_stream {
	char *text; /* path and params */
	int64_t feed_id;
	struct slice path;
	struct slice params; /* canonical */
	size_t part;
};

struct retention {
	struct retention_part *parts; /* RETENTION_ALL first */
	size_t n_parts;
	struct map streams; /* those that belong to a part below their feed's */
};

/* Limits for the whole. NULL when out of memory, as the functions below return false. */
struct retention *retention_new(int64_t age_us, uint64_t bytes) MUST_CHECK;

/* Accepts NULL. */
void retention_free(struct retention *r);

/* Adds a part: of a feed as a whole, or (feed_id 0) of streams that are then named. */
bool retention_add(struct retention *r, const struct retention_part *part, size_t *out) MUST_CHECK;

/* Says that a stream belongs to a part. */
bool retention_add_stream(struct retention *r, size_t part, int64_t feed_id, struct slice path,
	struct slice params) MUST_CHECK;

/* True if anything is limited. */
bool retention_limits(const struct retention *r);

/* How long anything at all is to be kept; 0: something for ever. Each feed must have its part. */
int64_t retention_longest(const struct retention *r);

/* The parts that a stream belongs to, RETENTION_NO_PART where there is none. */
void retention_parts_of(const struct retention *r, int64_t feed_id, struct slice path,
	struct slice params, size_t out[RETENTION_LEVELS]);

#endif
