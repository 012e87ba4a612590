/*
 * reel_merge: reads a recording in the order of the feeds' timestamps. Part of store/reel_cursor.
 *
 * Each chosen stream is read by its key index, some keys ahead; a heap says which stream is next. Events are fetched by
 * event_id when they are due.
 */
#ifndef TAPEDECK_STORE_REEL_MERGE_H
#define TAPEDECK_STORE_REEL_MERGE_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/reel_cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reel_merge;

/* Begins behind `position`; looks into each chosen stream. `max_bytes` is for the keys that are read ahead, but some of
 * each stream always are. */
bool reel_merge_new(struct reel_merge **out, struct reel *r, const struct reel_position *position,
	int64_t to_us, size_t max_bytes, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void reel_merge_free(struct reel_merge *m);

/* The greatest timestamp of a chosen event from `from_us` to `to_us`; REEL_NONE if there is none. */
bool reel_merge_last(struct reel *r, int64_t from_us, int64_t to_us, int64_t *timestamp_us,
	struct err *e) MUST_CHECK;

/* As reel_cursor_read. */
bool reel_merge_read(struct reel_merge *m, struct event_slice *out, size_t max_bytes, bool *ended,
	struct err *e) MUST_CHECK;

#endif
