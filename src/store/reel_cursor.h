/*
 * reel_cursor: a position among the chosen events of one recording, in one order.
 *
 *   received    by event_id: `received` never decreases with it, so a time is found by search. Streams that are left out
 *               are passed over.
 *   timestamp   a merge over the streams, each by its key index (timestamp, seq); equal timestamps by event_id. A
 *               stream costs about 100 bytes, of some keys that are read ahead; the events are fetched when they are due.
 *
 * Many cursors may share a reel; each costs nothing but its position until it is first read from.
 */
#ifndef TAPEDECK_STORE_REEL_CURSOR_H
#define TAPEDECK_STORE_REEL_CURSOR_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/event_slice.h"
#include "store/reel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reel_order { REEL_RECEIVED, REEL_TIMESTAMP };

struct reel_cursor;

/* Behind it come the events with (time, event_id) greater than this. */
struct reel_position {
	int64_t time_us;
	int64_t event_id; /* INT64_MIN: all of that time; INT64_MAX: none of it */
};

/* At the first event with time >= `from_us`; ends behind the last with time <= `to_us`. `r` must outlive it. */
bool reel_cursor_new(struct reel_cursor **out, struct reel *r, enum reel_order order,
	int64_t from_us, int64_t to_us, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void reel_cursor_free(struct reel_cursor *c);

/* Goes anywhere, but not before `from_us`. Takes effect when it is read from. */
void reel_cursor_seek(struct reel_cursor *c, const struct reel_position *position);

/* No event that comes has an earlier time; INT64_MAX: none comes. Found without reading events. */
int64_t reel_cursor_bound(const struct reel_cursor *c);

/* Adds the next events to the slice, until that has `max_bytes`. `*ended`: none is left. May add none though more will
 * come. After a failure it is where it was, or at the damage. */
bool reel_cursor_read(struct reel_cursor *c, struct event_slice *out, size_t max_bytes, bool *ended,
	struct err *e) MUST_CHECK;

/* The time of the last chosen event in the range, wherever the cursor is; REEL_NONE if there is none. */
bool reel_cursor_last(struct reel_cursor *c, int64_t *time_us, struct err *e) MUST_CHECK;

/* Finds a chosen event within the range by its id: its position. */
bool reel_cursor_find(struct reel_cursor *c, int64_t event_id, struct reel_position *out,
	bool *found, struct err *e) MUST_CHECK;

#endif
