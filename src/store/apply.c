#include "store/apply.h"

#include "store/events.h"
#include "store/intervals.h"
#include "store/row_tables.h"
#include "store/streams.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BEGIN,
	COMMIT,
	ROLLBACK,
	INSERT_REJECTED,
	INSERT_CONNECTION,
	SET_ESTABLISHED,
	SET_TRANSPORT,
	SET_ALIVE,
	SET_CLOSED,
	COUNT_EVENTS,
	INSERT_CLOCK_STEP,
	SET_OFFSET,
	SET_FEED,
	MARK_RUN,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[INSERT_REJECTED] = "INSERT INTO rejected (connection_id, received, reason, bytes) "
			    "VALUES (?1, ?2, ?3, ?4)",
	[INSERT_CONNECTION] =
		"INSERT INTO connection (connection_id, feed_id, opened, pid) VALUES (?1, ?2, ?3, ?4)",
	[SET_ESTABLISHED] =
		"UPDATE connection SET established = ?2, recovered_events = ?3, protocol = ?4, "
		"transport = ?5, sid = ?6, pid = ?7 WHERE connection_id = ?1",
	[SET_TRANSPORT] = "UPDATE connection SET transport = ?2 WHERE connection_id = ?1",
	[SET_ALIVE] = "UPDATE connection SET last_received = ?2 WHERE connection_id = ?1",
	[SET_CLOSED] = "UPDATE connection SET closed = ?2, last_received = ?3, close_reason = ?4, "
		       "close_detail = ?5 WHERE connection_id = ?1",
	[COUNT_EVENTS] =
		"UPDATE connection SET received_events = received_events + ?2 + ?3 + ?4, "
		"stored_events = stored_events + ?2, duplicate_events = duplicate_events + ?3, "
		"rejected_events = rejected_events + ?4 WHERE connection_id = ?1",
	[INSERT_CLOCK_STEP] = "INSERT INTO clock_step (at, by) VALUES (?1, ?2)",
	[SET_OFFSET] = "UPDATE connection SET resume_offset = ?2 WHERE connection_id = ?1",
	[SET_FEED] = "INSERT INTO feed (feed_id, name, url, namespace, io_path, dialect) "
		     "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (feed_id) DO UPDATE SET "
		     "name = ?2, url = ?3, namespace = ?4, io_path = ?5, dialect = ?6",
	[MARK_RUN] = "UPDATE run SET batch = ?2, last_alive = ?3 WHERE run_id = ?1",
};

/* What one connection brought in one batch. */
struct tally {
	int64_t connection_id;
	int64_t stored;
	int64_t duplicate;
	int64_t rejected;
};

struct applier {
	struct sqlite3 *db;
	struct streams *streams;
	struct duplicates *duplicates; /* the owner's */
	struct row_tables *rows;
	struct events *events;
	struct intervals *intervals;
	struct trim *trim;
	struct earlier *earlier; /* may be NULL */
	struct sqlite3_stmt *statement[STATEMENTS];
	struct tally *tally;
	size_t tallies;
	size_t tally_capacity;
};

bool applier_open(struct applier **out, const struct db_options *options,
	struct duplicates *duplicates, struct err *e)
{
	struct applier *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "cannot open '%s': out of memory", options->path);
	a->duplicates = duplicates;
	if (!db_open(&a->db, options, e) || !streams_new(&a->streams, a->db, e) ||
		!row_tables_new(&a->rows, a->db, a->streams, e) ||
		!events_new(&a->events, a->db, a->streams, duplicates, a->rows, e) ||
		!intervals_new(&a->intervals, a->db, a->streams, e) ||
		!trim_new(&a->trim, a->db, a->streams, a->intervals, e) ||
		!db_prepare_all(a->db, a->statement, statement_sql, STATEMENTS, e)) {
		applier_close(a);
		return false;
	}
	*out = a;
	return true;
}

void applier_look_back(struct applier *a, struct earlier *earlier)
{
	a->earlier = earlier;
	streams_look_back(a->streams, earlier);
	events_look_back(a->events, earlier);
	intervals_look_back(a->intervals, earlier);
}

bool applier_file_bytes(struct applier *a, uint64_t *out)
{
	int64_t pages = 0;
	int64_t page = 0;
	struct err e;

	if (!db_number(a->db, "PRAGMA page_count", &pages, &e) ||
		!db_number(a->db, "PRAGMA page_size", &page, &e))
		return false;
	*out = (uint64_t)pages * (uint64_t)page;
	return true;
}

bool applier_result_bytes(struct applier *a, uint64_t *out, struct err *e)
{
	int64_t bytes = 0;

	if (!db_number(a->db, "SELECT sum(bytes) FROM stream", &bytes, e))
		return false;
	*out = (uint64_t)bytes;
	return true;
}

void applier_close(struct applier *a)
{
	if (a == NULL)
		return;
	db_finalize_all(a->statement, STATEMENTS);
	trim_free(a->trim);
	intervals_free(a->intervals);
	events_free(a->events);
	row_tables_free(a->rows);
	streams_free(a->streams);
	db_close(a->db);
	free(a->tally);
	free(a);
}

static void bind_blob(struct sqlite3_stmt *st, int i, struct slice s)
{
	/* A NULL pointer would bind NULL, not an empty blob. */
	(void)sqlite3_bind_blob64(st, i, s.len != 0 ? s.ptr : "", s.len, SQLITE_STATIC);
}

/* The tally of a connection; most batches come from one or two, so the last one is looked at first. */
static struct tally *tally_of(struct applier *a, int64_t connection_id)
{
	struct tally *grown;

	for (size_t i = a->tallies; i-- > 0;)
		if (a->tally[i].connection_id == connection_id)
			return &a->tally[i];
	if (a->tallies == a->tally_capacity) {
		size_t capacity = a->tally_capacity != 0 ? a->tally_capacity * 2 : 16;

		grown = realloc(a->tally, capacity * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		a->tally = grown;
		a->tally_capacity = capacity;
	}
	a->tally[a->tallies] = (struct tally){ .connection_id = connection_id };
	return &a->tally[a->tallies++];
}

static bool take_event(struct applier *a, const struct batch_record *r, const struct batch *batch,
	const struct batch_cursor *rest, struct err *e)
{
	struct tally *tally = tally_of(a, r->number[BATCH_EVENT_CONNECTION]);
	enum event_fate fate;

	if (tally == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!events_take(a->events, r, batch, rest, &fate, e))
		return false;
	if (fate == EVENT_STORED)
		tally->stored++;
	else
		tally->duplicate++;
	return true;
}

static bool insert_rejected(struct applier *a, const struct batch_record *r, struct err *e)
{
	struct sqlite3_stmt *st = a->statement[INSERT_REJECTED];
	struct tally *tally = tally_of(a, r->number[0]);

	if (tally == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	(void)sqlite3_bind_int64(st, 1, r->number[0]);
	(void)sqlite3_bind_int64(st, 2, r->number[1]);
	db_bind_text(st, 3, r->text[0]);
	bind_blob(st, 4, r->text[1]);
	tally->rejected++;
	return db_step(st, e);
}

/* The kinds whose numbers and texts are bound as they stand: a statement, and how many of each. */
static const struct {
	int statement;
	int numbers;
	int texts;
} plain[] = {
	[BATCH_OPENED] = { INSERT_CONNECTION, 3, 1 },
	[BATCH_ESTABLISHED] = { SET_ESTABLISHED, 3, 4 },
	[BATCH_UPGRADED] = { SET_TRANSPORT, 1, 1 },
	[BATCH_ALIVE] = { SET_ALIVE, 2, 0 },
	[BATCH_CLOSED] = { SET_CLOSED, 3, 2 },
	[BATCH_CLOCK_STEP] = { INSERT_CLOCK_STEP, 2, 0 },
	[BATCH_OFFSET] = { SET_OFFSET, 1, 1 },
	[BATCH_FEED] = { SET_FEED, 1, 5 },
};

static bool run_plain(struct applier *a, const struct batch_record *r, struct err *e)
{
	struct sqlite3_stmt *st = a->statement[plain[r->kind].statement];
	int numbers = plain[r->kind].numbers;

	for (int i = 0; i < numbers; i++)
		(void)sqlite3_bind_int64(st, i + 1, r->number[i]);
	for (int i = 0; i < plain[r->kind].texts; i++)
		db_bind_text(st, numbers + i + 1, r->text[i]);
	if (r->kind == BATCH_CLOSED && r->number[2] == 0)
		(void)sqlite3_bind_null(st, 3);
	return db_step(st, e);
}

static bool apply_record(struct applier *a, const struct batch_record *r, const struct batch *batch,
	const struct batch_cursor *rest, struct err *e)
{
	switch (r->kind) {
	case BATCH_EVENT:
		return take_event(a, r, batch, rest, e);
	case BATCH_ATTACHMENT:
		return true; /* went with its event */
	case BATCH_REJECTED:
		return insert_rejected(a, r, e);
	case BATCH_WANTED:
	case BATCH_UNWANTED:
	case BATCH_COVERED:
	case BATCH_OUTAGE:
		return intervals_take(a->intervals, r, e);
	case BATCH_OPENED:
	case BATCH_ESTABLISHED:
		events_forget_sessions(a->events);
		return run_plain(a, r, e);
	case BATCH_UPGRADED:
	case BATCH_ALIVE:
	case BATCH_CLOSED:
	case BATCH_CLOCK_STEP:
	case BATCH_OFFSET:
	case BATCH_FEED:
		return run_plain(a, r, e);
	}
	abort(); /* a kind of record that nobody writes */
}

static bool count_events(struct applier *a, struct err *e)
{
	struct sqlite3_stmt *st = a->statement[COUNT_EVENTS];

	for (size_t i = 0; i < a->tallies; i++) {
		(void)sqlite3_bind_int64(st, 1, a->tally[i].connection_id);
		(void)sqlite3_bind_int64(st, 2, a->tally[i].stored);
		(void)sqlite3_bind_int64(st, 3, a->tally[i].duplicate);
		(void)sqlite3_bind_int64(st, 4, a->tally[i].rejected);
		if (!db_step(st, e))
			return false;
	}
	return true;
}

static bool mark_run(struct applier *a, const struct apply_mark *mark, struct err *e)
{
	struct sqlite3_stmt *st = a->statement[MARK_RUN];

	(void)sqlite3_bind_int64(st, 1, mark->run_id);
	(void)sqlite3_bind_int64(st, 2, mark->batch);
	(void)sqlite3_bind_int64(st, 3, mark->watermark_us);
	return db_step(st, e);
}

static bool apply_records(struct applier *a, const struct batch *batch, struct err *e)
{
	struct batch_cursor cursor = { 0 };
	struct batch_record r;

	while (batch_next(batch, &cursor, &r))
		if (!apply_record(a, &r, batch, &cursor, e))
			return false;
	return true;
}

/* Begins a transaction. */
static enum apply_result begin(struct applier *a, struct err *e)
{
	if (db_step(a->statement[BEGIN], e))
		return APPLY_STORED;
	return (sqlite3_errcode(a->db) & 0xff) == SQLITE_BUSY ? APPLY_BUSY : APPLY_FAILED;
}

static void roll_back(struct applier *a)
{
	if (sqlite3_get_autocommit(a->db) == 0)
		(void)sqlite3_step(a->statement[ROLLBACK]);
}

enum apply_result applier_apply(
	struct applier *a, const struct batch *batch, const struct apply_mark *mark, struct err *e)
{
	enum apply_result result = begin(a, e);

	if (result != APPLY_STORED)
		return result;
	a->tallies = 0;
	duplicates_drop(a->duplicates);
	if (apply_records(a, batch, e) && streams_flush(a->streams, e) && count_events(a, e) &&
		mark_run(a, mark, e) && earlier_flush(a->earlier, e) &&
		db_step(a->statement[COMMIT], e)) {
		streams_trim(a->streams);
		duplicates_keep(a->duplicates);
		return APPLY_STORED;
	}
	roll_back(a);
	return APPLY_FAILED;
}

enum apply_result applier_plan(struct applier *a, const struct apply_plan *plan, struct err *e)
{
	enum apply_result result = begin(a, e);

	if (result != APPLY_STORED)
		return result;
	trim_configure(a->trim, plan->retention);
	if (row_tables_configure(a->rows, plan->rows, e) && db_step(a->statement[COMMIT], e))
		return APPLY_STORED;
	roll_back(a);
	return APPLY_FAILED;
}

enum apply_result applier_chore(
	struct applier *a, const struct trim_clock *clock, bool *more, struct err *e)
{
	enum apply_result result = begin(a, e);

	if (result != APPLY_STORED)
		return result;
	if (row_tables_chore(a->rows, clock->until_us, more, e) &&
		(*more || trim_chore(a->trim, clock, more, e)) && streams_flush(a->streams, e) &&
		db_step(a->statement[COMMIT], e)) {
		streams_trim(a->streams);
		return APPLY_STORED;
	}
	roll_back(a);
	return APPLY_FAILED;
}

bool applier_is_due(const struct applier *a, int64_t now_us)
{
	return trim_is_due(a->trim, now_us);
}

bool applier_last_batch(struct applier *a, int64_t run_id, int64_t *batch, struct err *e)
{
	char sql[96];

	(void)sqlite3_snprintf(
		sizeof(sql), sql, "SELECT batch FROM run WHERE run_id = %lld", run_id);
	return db_number(a->db, sql, batch, e);
}

static bool insert_run(struct applier *a, int64_t now_us, int64_t *run_id, struct err *e)
{
	char host[256] = "";
	struct sqlite3_stmt *st = NULL;
	bool ok;

	(void)gethostname(host, sizeof(host) - 1);
	if (!db_prepare(a->db, &st,
		    "INSERT INTO run (started, last_alive, batch, version, host) "
		    "VALUES (?1, ?1, 0, '" TAPEDECK_VERSION "', ?2)",
		    e))
		return false;
	(void)sqlite3_bind_int64(st, 1, now_us);
	(void)sqlite3_bind_text(st, 2, host, -1, SQLITE_STATIC);
	ok = db_step(st, e);
	(void)sqlite3_finalize(st);
	*run_id = sqlite3_last_insert_rowid(a->db);
	return ok;
}

bool applier_start_run(struct applier *a, int64_t now_us, int64_t *run_id, struct err *e)
{
	if (!db_step(a->statement[BEGIN], e))
		return false;
	if (intervals_recover(a->db, a->earlier, e) && insert_run(a, now_us, run_id, e) &&
		db_step(a->statement[COMMIT], e))
		return true;
	roll_back(a);
	return false;
}

bool applier_end_run(struct applier *a, int64_t run_id, int64_t now_us, struct err *e)
{
	char sql[160];

	(void)sqlite3_snprintf(sizeof(sql), sql,
		"UPDATE run SET ended = %lld, last_alive = %lld WHERE run_id = %lld", now_us,
		now_us, run_id);
	return db_exec(a->db, sql, e);
}

struct sqlite3 *applier_db(struct applier *a)
{
	return a->db;
}

uint64_t applier_duplicates(const struct applier *a)
{
	uint64_t n = 0;

	for (size_t i = 0; i < a->tallies; i++)
		n += (uint64_t)a->tally[i].duplicate;
	return n;
}

bool applier_number(struct applier *a, const char *sql, int64_t *out, struct err *e)
{
	return db_number(a->db, sql, out, e);
}

int64_t applier_streams(const struct applier *a)
{
	return streams_count(a->streams);
}
