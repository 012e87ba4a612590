/*
 * timeline: the time of a tape, as it is counted while it is played.
 *
 * Tape time is what events carry, microseconds since 1970. Played time counts from the first event and leaves
 * out the holes that are jumped; played again and again, laps follow each other on it without end:
 *
 *   tape     first ......|##hole##|...... last
 *   played   0 ..........|............... length (and a moment before the next lap)
 *
 * Both are mapped into each other by search, never by adding up, so nothing drifts. Read-only once made; all
 * clocks of a program share it. Pure.
 */
#ifndef TAPEDECK_REPLAY_TIMELINE_H
#define TAPEDECK_REPLAY_TIMELINE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between the last event of a lap and the first of the next, so that a tape of one event is no endless loop in
 * one instant. */
#define TIMELINE_LAP_PAUSE_US 1000

enum timeline_holes {
	TIMELINE_WAIT, /* holes are time like any other */
	TIMELINE_JUMP, /* they are left out of played time */
};

struct timeline_hole {
	int64_t from_us;
	int64_t to_us;
	int64_t played_us; /* played time at `from_us` */
};

struct timeline {
	int64_t first_us;
	int64_t last_us;
	int64_t length_us; /* played time at the last event */
	int64_t lap_us;    /* played time from one lap to the next */
	enum timeline_holes mode;
	struct timeline_hole *holes; /* ascending, apart, within first and last */
	size_t n_holes;
};

/* `from_us` and `to_us` of the holes are read, ascending and apart; what lies beyond the events is cut off. False
 * when out of memory. */
bool timeline_init(struct timeline *t, int64_t first_us, int64_t last_us,
	const struct timeline_hole *holes, size_t count, enum timeline_holes mode) MUST_CHECK;
void timeline_release(struct timeline *t);

/* Played time of a tape time; before the first event it is negative. */
int64_t timeline_played(const struct timeline *t, int64_t time_us);

/* The latest tape time with that played time: behind a hole that is jumped. */
int64_t timeline_time(const struct timeline *t, int64_t played_us);

/* The time, or the end of the tape that it lies beyond. */
int64_t timeline_clamp(const struct timeline *t, int64_t time_us);

/* The first hole that begins at or behind `time_us`; `n_holes` if there is none. */
size_t timeline_hole_behind(const struct timeline *t, int64_t time_us);

/* True if `time_us` lies in a hole: from its beginning to before its end. */
bool timeline_in_hole(const struct timeline *t, int64_t time_us, size_t *hole);

#endif
