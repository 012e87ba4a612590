/*
 * reel_gaps: the rows of the view `gap` for the chosen streams, in the order in which they begin.
 *
 * The view is worked out once, into a temporary table, and read from there: there may be millions of rows, and a
 * transaction that lasts as long as its reader takes would pin the WAL. One at a time for each reel.
 */
#ifndef TAPEDECK_STORE_REEL_GAPS_H
#define TAPEDECK_STORE_REEL_GAPS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/reel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reel_gap {
	size_t place; /* of the stream */
	int64_t started_us;
	int64_t ended_us; /* REEL_NONE: it is open */
	int64_t duration_us;
	struct slice cause;
	struct slice detail; /* ptr NULL: there is none */
};

struct reel_gaps;

/* `r` must outlive it. */
bool reel_gaps_open(struct reel_gaps **out, struct reel *r, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void reel_gaps_close(struct reel_gaps *g);

/* The next one, borrowed until the next call; `*found` false: there are no more. */
bool reel_gaps_next(
	struct reel_gaps *g, struct reel_gap *out, bool *found, struct err *e) MUST_CHECK;

#endif
