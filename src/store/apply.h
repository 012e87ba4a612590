/*
 * apply: puts one batch into the recording, in one transaction.
 *
 * An applier is one SQLite connection with its prepared statements and the memory of the streams. After
 * any failure but APPLY_BUSY its owner closes it and opens a new one: a COMMIT that reported an error may
 * have reached the file or not, and only a fresh connection can tell (apply_last_batch).
 */
#ifndef TAPEDECK_STORE_APPLY_H
#define TAPEDECK_STORE_APPLY_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/batch.h"
#include "store/db.h"
#include "store/duplicates.h"
#include "store/retention.h"
#include "store/row_plan.h"
#include "store/trim.h"

#include <stdbool.h>
#include <stdint.h>

struct applier;

/* Which commit this is: the row of `run` and the number that it gets there. */
struct apply_mark {
	int64_t run_id;
	int64_t batch;        /* increases with every commit of a run */
	int64_t watermark_us; /* everything received before it is in this batch or an earlier one */
};

enum apply_result {
	APPLY_STORED,
	APPLY_BUSY,  /* another process holds the write lock; nothing was done, try again */
	APPLY_FAILED /* close the applier */
};

/* `duplicates` must outlive it; what the last batch of another applier marked in it is kept or dropped before. */
bool applier_open(struct applier **out, const struct db_options *options,
	struct duplicates *duplicates, struct err *e) MUST_CHECK;

/* The files before this one, which must outlive it. */
void applier_look_back(struct applier *a, struct earlier *earlier);

/* Size of the file, its WAL included. */
bool applier_file_bytes(struct applier *a, uint64_t *out) MUST_CHECK;

/* Bytes of all `results` in it. */
bool applier_result_bytes(struct applier *a, uint64_t *out, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void applier_close(struct applier *a);

enum apply_result applier_apply(struct applier *a, const struct batch *batch,
	const struct apply_mark *mark, struct err *e) MUST_CHECK;

/* What is wanted of the writer besides the batches; NULL: nothing. Must outlive the applier. */
struct apply_plan {
	const struct row_plan *rows;
	const struct retention *retention;
};

/* Takes it over, in a transaction of its own. */
enum apply_result applier_plan(
	struct applier *a, const struct apply_plan *plan, struct err *e) MUST_CHECK;

/* Does some of what can wait (store/row_tables, store/trim), in a transaction of its own. `*more`: there is more to
 * do. What cannot be done for its own sake is reported and left. */
enum apply_result applier_chore(
	struct applier *a, const struct trim_clock *clock, bool *more, struct err *e) MUST_CHECK;

/* True if by now (time stamp) something to do has come up by the passing of time. */
bool applier_is_due(const struct applier *a, int64_t now_us);

/* The number of the last batch of this run that is in the file. */
bool applier_last_batch(
	struct applier *a, int64_t run_id, int64_t *batch, struct err *e) MUST_CHECK;

/* Mends what a crash has left behind and starts a run: a row of `run`. */
bool applier_start_run(
	struct applier *a, int64_t now_us, int64_t *run_id, struct err *e) MUST_CHECK;

/* Ends it, cleanly. */
bool applier_end_run(struct applier *a, int64_t run_id, int64_t now_us, struct err *e) MUST_CHECK;

/* The connection, for what is read and mended before the first batch (store/feeds, store/intervals). */
struct sqlite3 *applier_db(struct applier *a);

/* Events of the last batch that was stored that were stored before. */
uint64_t applier_duplicates(const struct applier *a);

/* Rows of `stream`. */
int64_t applier_streams(const struct applier *a);

/* A number by SQL, see db_number. */
bool applier_number(struct applier *a, const char *sql, int64_t *out, struct err *e) MUST_CHECK;

#endif
