/*
 * reel_coverage: when the chosen streams were being recorded, and by how much the feed's clock differed from ours.
 */
#ifndef TAPEDECK_STORE_REEL_COVERAGE_H
#define TAPEDECK_STORE_REEL_COVERAGE_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/reel.h"

#include <stdbool.h>
#include <stdint.h>

/* An interval in which a stream was covered. What is open goes on for ever (INT64_MAX) while a daemon is alive, and
 * ends with its last sign of life when none is, as in the view `gap`. */
typedef bool reel_coverage_fn(void *arg, int64_t from_us, int64_t to_us, struct err *e);

/* Those of the chosen streams, in the order in which they begin. */
bool reel_coverage(struct reel *r, reel_coverage_fn *fn, void *arg, struct err *e) MUST_CHECK;

/* What the clocks said when an event came. */
struct reel_clock {
	int64_t received_us;
	int64_t timestamp_us;
};

/* Of the last chosen event with `received` <= `us`, or of the first one >= `us`. Not found is also what lies behind
 * very many events of streams that are left out. */
bool reel_clock_before(
	struct reel *r, int64_t us, struct reel_clock *out, bool *found, struct err *e) MUST_CHECK;
bool reel_clock_after(
	struct reel *r, int64_t us, struct reel_clock *out, bool *found, struct err *e) MUST_CHECK;

#endif
