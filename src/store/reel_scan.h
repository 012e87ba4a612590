/*
 * reel_scan: reads a recording in the order of arrival. Part of store/reel_cursor.
 */
#ifndef TAPEDECK_STORE_REEL_SCAN_H
#define TAPEDECK_STORE_REEL_SCAN_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/reel_cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reel_scan {
	struct reel *reel;
	int64_t next_id;
	int64_t end_id; /* the last one of the range */
	bool is_placed; /* next_id and end_id are known */
	bool uses_ids;  /* of store/reel_ids */
};

/* Gives back what it uses. */
void reel_scan_release(struct reel_scan *s);

/* Looks for the range and the position, if that has not been done. */
bool reel_scan_place(struct reel_scan *s, int64_t to_us, const struct reel_position *position,
	struct err *e) MUST_CHECK;

/* When the last chosen event from `from_us` to `to_us` was received; REEL_NONE if there is none. */
bool reel_scan_last(struct reel_scan *s, int64_t from_us, int64_t to_us, int64_t *received_us,
	struct err *e) MUST_CHECK;

/* As reel_cursor_read. */
bool reel_scan_read(struct reel_scan *s, struct event_slice *out, size_t max_bytes, bool *ended,
	struct err *e) MUST_CHECK;

#endif
