/*
 * row_tables: keeps the row tables in step with the events and with the configuration.
 *
 * A new event's rows are stored with it, in its own transaction. What was recorded before its table was configured
 * is caught up in slices, stream by stream, while the writer has nothing else to do. A table whose indexes have
 * changed, or that a configured stream has left for another one, is filled anew beside the old one, which goes on
 * serving and being filled; when it is complete the two are swapped, and the old one is emptied in slices. A table
 * that is not configured any more stays as it is, and so do the rows of a stream that is not recorded any more.
 *
 * A table that cannot be filled (somebody has dropped or changed it) is reported and left alone until the next
 * start or reload, which fills it anew: it never holds up the recording. Belongs to an applier; after any failure it
 * is freed with it. Plain functions run inside the caller's transaction.
 */
#ifndef TAPEDECK_STORE_ROW_TABLES_H
#define TAPEDECK_STORE_ROW_TABLES_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/row_plan.h"
#include "store/row_table.h"
#include "store/streams.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;
struct row_tables;

/* `db` and `streams` must outlive it. */
bool row_tables_new(struct row_tables **out, struct sqlite3 *db, struct streams *streams,
	struct err *e) MUST_CHECK;
void row_tables_free(struct row_tables *r);

/* Makes, changes and leaves tables as `plan` asks; without it no table is filled. */
bool row_tables_configure(
	struct row_tables *r, const struct row_plan *plan, struct err *e) MUST_CHECK;

/* Stores the rows of an event of this stream. */
bool row_tables_put(struct row_tables *r, int64_t stream_id, const struct row_event *event,
	struct err *e) MUST_CHECK;

/* Does some of what is to be caught up, swapped and emptied, until about `until_us` (monotonic). `*more`: there is
 * more to do. */
bool row_tables_chore(struct row_tables *r, int64_t until_us, bool *more, struct err *e) MUST_CHECK;

#endif
