/*
 * tape_gaps: when the chosen streams of a tape were wanted and not recorded, and why, in the order in which that began.
 */
#ifndef TAPEDECK_REPLAY_TAPE_GAPS_H
#define TAPEDECK_REPLAY_TAPE_GAPS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "tape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row of the view `gap`; slices are borrowed until the next call. */
struct tape_gap {
	int64_t time_us; /* when it began, on the axis of the tape's order */
	size_t stream;
	int64_t started_us;
	int64_t ended_us; /* TAPE_NONE: it is open */
	int64_t duration_us;
	struct slice cause;
	struct slice detail; /* ptr NULL: there is none */
};

struct tape_gaps;

/* Those that overlap the tape's range. One at a time for each tape, which must outlive it. */
bool tape_gaps_open(struct tape_gaps **out, struct tape *t, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void tape_gaps_close(struct tape_gaps *g);

enum tape_result tape_gaps_next(
	struct tape_gaps *g, struct tape_gap *out, struct err *e) MUST_CHECK;

#endif
