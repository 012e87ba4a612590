/*
 * earlier: the files of a series before the one that is being written.
 *
 * What a file does not know stands in the one before it: whether an event that a second connection delivers was stored
 * before the rotation, and which seq a key had. And what is learned late belongs there: a connection that broke may have
 * brought its last byte before the rotation, so that coverage ends in an earlier file. A file that was rotated out is
 * first completed (rows of row tables that were still to be caught up), then sealed: without a WAL, so that it is
 * complete in itself, and read-only. Sealing waits until no reader has it open.
 *
 * Belongs to the writer thread and outlives its appliers. A file that its owner has taken away is forgotten.
 */
#ifndef TAPEDECK_STORE_EARLIER_H
#define TAPEDECK_STORE_EARLIER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/db.h"
#include "store/retention.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct earlier;
struct sqlite3_stmt;

/* Finds the files before `live`, the file that the configured path leads to; NULL: there are none. */
bool earlier_open(struct earlier **out, const char *configured, const char *live,
	const struct db_options *options, struct err *e) MUST_CHECK;

/* Accepts NULL, as all functions do: then there are no earlier files. */
void earlier_free(struct earlier *x);

/* A file was rotated out; it recorded until `ended_us`. */
bool earlier_add(struct earlier *x, const char *path, int64_t started_us, int64_t ended_us,
	struct err *e) MUST_CHECK;

/* ---- looking back ---- */

/* From now on only files that recorded after `since_us` are looked at. */
void earlier_look_since(struct earlier *x, int64_t since_us);

/* How many files there are to look at, the newest first. */
size_t earlier_count(const struct earlier *x);

enum earlier_query {
	EARLIER_EQUAL,
	EARLIER_ATTACHMENTS,
	EARLIER_NEWEST,
	EARLIER_NEXT_SEQ,
	EARLIER_QUERIES
};

/* The same query (store/events, store/streams) in file number `i`; NULL if the file is gone. The caller resets it. */
struct sqlite3_stmt *earlier_query(struct earlier *x, size_t i, enum earlier_query query);

/* ---- what is learned late ---- */

/* A row of `coverage`, which may begin in one file and end in another; `ended_us` 0: open. */
bool earlier_cover(struct earlier *x, int64_t stream_id, int64_t started_us, int64_t ended_us,
	struct err *e) MUST_CHECK;

/* An outage of a stream, or of a feed (stream_id 0), that began at `started_us`. */
struct earlier_outage {
	int64_t feed_id;
	int64_t stream_id;
	int64_t started_us;
	struct slice cause;
	struct slice detail;
};

bool earlier_outage(struct earlier *x, const struct earlier_outage *o, struct err *e) MUST_CHECK;

/* The same after a crash: nothing of a feed is known to have been recorded after `at_us`. */
bool earlier_crashed(struct earlier *x, int64_t feed_id, int64_t at_us, struct err *e) MUST_CHECK;

/* Writes it; before the commit of what it belongs to. */
bool earlier_flush(struct earlier *x, struct err *e) MUST_CHECK;

/* ---- chores ---- */

/* The oldest file that is still to be completed, NULL if there is none; and that it is. */
const char *earlier_behind(const struct earlier *x);
void earlier_complete(struct earlier *x, const char *path);

/* True if something is to be completed or sealed now (monotonic). */
bool earlier_is_due(const struct earlier *x, int64_t mono_us);

/* Seals what is complete; tries again later where it is being read. */
void earlier_seal(struct earlier *x);

/* Deletes the oldest sealed files that nothing asks to keep; `live_bytes`: of `results` in the file that is being
 * written. */
void earlier_expire(
	struct earlier *x, const struct retention *retention, int64_t now_us, uint64_t live_bytes);

#endif
