/*
 * tape_parts: what the parts of a tape share.
 */
#ifndef TAPEDECK_REPLAY_TAPE_PARTS_H
#define TAPEDECK_REPLAY_TAPE_PARTS_H

#include "tape.h"

#include "base/arena.h"
#include "base/map.h"
#include "store/reel.h"
#include "store/reel_cursor.h"

struct tape {
	struct arena arena;
	struct reel **reels; /* the oldest first */
	size_t n_reels;
	enum reel_order order;
	int64_t from_us; /* INT64_MIN and INT64_MAX: no limit */
	int64_t to_us;
	struct tape_feed *feeds;
	size_t n_feeds;
	struct tape_stream *streams;
	size_t n_streams;
	struct tape_hole *holes;
	size_t n_holes;
	int64_t first_us;
	int64_t last_us;
	size_t n_cursors; /* share the memory for reading ahead */
};

/* Fills feeds and streams, and tells the reels which are chosen. */
bool tape_choose(struct tape *t, const struct tape_choice *choice, struct err *e) MUST_CHECK;

/* Fills holes; the span is known. */
bool tape_find_holes(struct tape *t, struct err *e) MUST_CHECK;

/* An instant of ours on the feed's clock, as it went when the last event before it came, or the first after it. */
bool tape_clock(struct tape *t, int64_t us, int64_t *out, struct err *e) MUST_CHECK;

#endif
