/*
 * feeds: what the recording knows of a feed when it is opened.
 *
 * Read once, before the first batch; the rows are written by batches (BATCH_FEED).
 */
#ifndef TAPEDECK_STORE_FEEDS_H
#define TAPEDECK_STORE_FEEDS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;

#define STORE_PROTOCOL_SIZE 8

/* What the feed's connections have left behind. */
struct store_known {
	char protocol
		[STORE_PROTOCOL_SIZE]; /* of the last one that was established; empty if there is none */
	char *pid;                     /* of the session that may be resumed; NULL: none */
	char *offset;                  /* of its last event that was settled */
	int64_t resume_us;             /* until when what that session covered was covered */
};

/* What a query finds; borrowed for the call. */
typedef void feeds_stream_fn(void *arg, struct slice path, struct slice params);

bool feeds_known(
	struct sqlite3 *db, int64_t feed_id, struct store_known *out, struct err *e) MUST_CHECK;
void store_known_release(struct store_known *known);

/* Calls `take` for each feed; false ends it, out of memory. */
typedef bool feeds_name_fn(void *arg, const char *name, int64_t feed_id);

bool feeds_names(struct sqlite3 *db, feeds_name_fn *take, void *arg, struct err *e) MUST_CHECK;

/* Calls `take` for each stream whose coverage reached `at_us`, or that is wanted. */
bool feeds_covered_at(struct sqlite3 *db, int64_t feed_id, int64_t at_us, feeds_stream_fn *take,
	void *arg, struct err *e) MUST_CHECK;
bool feeds_wanted(struct sqlite3 *db, int64_t feed_id, feeds_stream_fn *take, void *arg,
	struct err *e) MUST_CHECK;

#endif
