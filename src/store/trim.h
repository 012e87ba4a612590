/*
 * trim: deletes what is not to be kept any more, a slice at a time.
 *
 * An event goes with its attachments and its rows in row tables, the oldest first (in the order of arrival), and its
 * stream's counters, coverage, wanted intervals and outages are cut to the same instant, `stream.retained_from`: what
 * was received from then on is all there. Nothing goes that is younger than the window in which another connection
 * may still deliver it again, and never the newest event: SQLite would give its id to the next one. Space that has become free is used again; only if it is more than a quarter of the file
 * is the file made smaller.
 *
 * A round begins every TRIM_EVERY_US, looks at the counters of all streams, and then deletes in slices. Each limit
 * remembers how far it has come, so that what it spares is looked at once, not in each round. Belongs to an applier,
 * and to its transaction; after any failure it is freed with it.
 */
#ifndef TAPEDECK_STORE_TRIM_H
#define TAPEDECK_STORE_TRIM_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/intervals.h"
#include "store/retention.h"
#include "store/streams.h"

#include <stdbool.h>
#include <stdint.h>

#define TRIM_EVERY_US 10000000

struct sqlite3;
struct trim;

/* All of these must outlive it. */
bool trim_new(struct trim **out, struct sqlite3 *db, struct streams *streams,
	struct intervals *intervals, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void trim_free(struct trim *t);

/* What is to be kept from now on; `retention` must outlive the next call. NULL: everything. */
void trim_configure(struct trim *t, const struct retention *retention);

/* True if a round is under way, or due at this time stamp. */
bool trim_is_due(const struct trim *t, int64_t now_us);

struct trim_clock {
	int64_t now_us;    /* time stamp: up to which everything is committed */
	int64_t window_us; /* what is younger stays */
	int64_t until_us;  /* monotonic: about when to stop */
};

/* Does a slice. `*more`: there is more to do. */
bool trim_chore(
	struct trim *t, const struct trim_clock *clock, bool *more, struct err *e) MUST_CHECK;

#endif
