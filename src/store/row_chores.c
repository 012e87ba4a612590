#include "store/row_chores.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdlib.h>

#define LEAVE_ROWS "500" /* deleted at a time */

enum { NEXT_BEHIND, NEXT_EVENTS, ADVANCE, COMPLETE, NEXT_SWAP, NEXT_LEAVING, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
	[NEXT_BEHIND] = "SELECT r.table_id, r.stream_id, r.after_id, r.until_id, r.at_timestamp, "
			"r.at_seq, s.params FROM row_table t JOIN row_source r USING (table_id) "
			"JOIN stream s USING (stream_id) "
			"WHERE t.state IN ('live', 'filling') AND r.until_id IS NOT NULL LIMIT 1",
	[NEXT_EVENTS] = "SELECT event_id, timestamp, seq, results FROM event WHERE stream_id = ?1 "
			"AND (timestamp, seq) > (?2, ?3) AND event_id > ?4 AND event_id <= ?5 "
			"ORDER BY timestamp, seq",
	[ADVANCE] = "UPDATE row_source SET at_timestamp = ?3, at_seq = ?4 WHERE table_id = ?1 "
		    "AND stream_id = ?2",
	[COMPLETE] = "UPDATE row_source SET until_id = NULL, after_id = 0, at_timestamp = NULL, "
		     "at_seq = NULL WHERE table_id = ?1 AND stream_id = ?2",
	[NEXT_SWAP] =
		"SELECT name, table_id FROM row_table t WHERE state = 'filling' AND NOT EXISTS "
		"(SELECT 1 FROM row_source r WHERE r.table_id = t.table_id "
		"AND r.until_id IS NOT NULL) LIMIT 1",
	[NEXT_LEAVING] = "SELECT name, table_id FROM row_table WHERE state = 'leaving' LIMIT 1",
};

struct row_chores {
	struct row_set *set;
	struct sqlite3_stmt *statement[STATEMENTS];
};

bool row_chores_new(struct row_chores **out, struct row_set *set, struct err *e)
{
	struct row_chores *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	c->set = set;
	if (!db_prepare_all(set->db, c->statement, statement_sql, STATEMENTS, e)) {
		row_chores_free(c);
		return false;
	}
	*out = c;
	return true;
}

void row_chores_free(struct row_chores *c)
{
	if (c == NULL)
		return;
	db_finalize_all(c->statement, STATEMENTS);
	free(c);
}

/* Opens a table that the configuration does not name any more, but that is not complete. */
static bool open_unplanned(
	struct row_chores *c, int64_t table_id, struct row_opened *out, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	bool ok = db_prepare(c->set->db, &st,
		"SELECT name, indexes, state = 'filling' FROM row_table WHERE table_id = ?1", e);

	if (ok) {
		(void)sqlite3_bind_int64(st, 1, table_id);
		ok = db_first(st, &found, e);
	}
	if (ok && found) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		char *aside = row_set_aside(name, table_id);
		struct row_named *t = row_set_add_table(c->set, name);

		ok = (aside != NULL && t != NULL) || err_set(e, ERR_NOMEM, "out of memory");
		ok = ok &&
			row_table_open(&t->live.rows, c->set->db,
				&(struct row_table_name){ .table_id = table_id,
					.name = name,
					.sql_name = sqlite3_column_int(st, 2) != 0 ? aside : name,
					.indexes = (const char *)sqlite3_column_text(st, 1) },
				e);
		if (ok)
			t->live.table_id = table_id;
		*out = (struct row_opened){ &t->live, t };
		sqlite3_free(aside);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

/* A stream whose events are being caught up. */
struct behind {
	int64_t table_id;
	int64_t stream_id;
	int64_t after_id;
	int64_t until_id;
	int64_t at_timestamp;
	int64_t at_seq;
	struct buf params;
};

static bool next_behind(struct row_chores *c, struct behind *b, bool *found, struct err *e)
{
	struct sqlite3_stmt *st = c->statement[NEXT_BEHIND];

	if (!db_first(st, found, e))
		return false;
	if (!*found)
		return true;
	b->table_id = sqlite3_column_int64(st, 0);
	b->stream_id = sqlite3_column_int64(st, 1);
	b->after_id = sqlite3_column_int64(st, 2);
	b->until_id = sqlite3_column_int64(st, 3);
	b->at_timestamp = INT64_MIN;
	b->at_seq = -1;
	if (sqlite3_column_type(st, 4) != SQLITE_NULL) {
		b->at_timestamp = sqlite3_column_int64(st, 4);
		b->at_seq = sqlite3_column_int64(st, 5);
	}
	b->params.len = 0;
	if (!buf_append_slice(&b->params, db_column(st, 6))) {
		(void)sqlite3_reset(st);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	(void)sqlite3_reset(st);
	return true;
}

/* Puts events of one stream until the time is over; `*done`: all of them are there. */
static bool catch_up_events(struct row_chores *c, const struct row_opened *o, struct behind *b,
	int64_t until_us, bool *done, struct err *e)
{
	struct sqlite3_stmt *st = c->statement[NEXT_EVENTS];
	const int64_t numbers[] = { b->stream_id, b->at_timestamp, b->at_seq, b->after_id,
		b->until_id };
	bool found = true;
	bool ok = true;

	for (int i = 0; i < 5; i++)
		(void)sqlite3_bind_int64(st, i + 1, numbers[i]);
	do {
		struct row_event event;

		ok = db_first(st, &found, e);
		if (!ok || !found)
			break;
		event = (struct row_event){ .event_id = sqlite3_column_int64(st, 0),
			.timestamp_us = sqlite3_column_int64(st, 1),
			.params = buf_slice(&b->params),
			.results = db_column(st, 3) };
		b->at_timestamp = event.timestamp_us;
		b->at_seq = sqlite3_column_int64(st, 2);
		ok = row_set_put(c->set, o->table, o->part, b->stream_id, &event, e);
	} while (ok && o->part->rows != NULL && clock_mono_us() < until_us);
	(void)sqlite3_reset(st);
	*done = !found;
	return ok;
}

static bool catch_up_stream(struct row_chores *c, struct behind *b, int64_t until_us, struct err *e)
{
	struct row_opened o = row_set_find(c->set, b->table_id);
	bool done = false;

	if (o.part == NULL && !open_unplanned(c, b->table_id, &o, e))
		return false;
	/* It is not there any more as it was. */
	if (o.part->rows == NULL)
		return row_set_break(c->set, b->table_id, e);
	if (!catch_up_events(c, &o, b, until_us, &done, e))
		return false;
	if (done)
		return db_step_numbers(
			c->statement[COMPLETE], (int64_t[]){ b->table_id, b->stream_id }, 2, e);
	return db_step_numbers(c->statement[ADVANCE],
		(int64_t[]){ b->table_id, b->stream_id, b->at_timestamp, b->at_seq }, 4, e);
}

static bool catch_up(struct row_chores *c, int64_t until_us, bool *more, struct err *e)
{
	struct behind b = { 0 };
	bool ok = true;

	buf_init(&b.params, SIZE_MAX);
	do
		ok = next_behind(c, &b, more, e) && (!*more || catch_up_stream(c, &b, until_us, e));
	while (ok && *more && clock_mono_us() < until_us);
	buf_release(&b.params);
	return ok;
}

/* Reads the name and the id of a table. */
static bool next_named(
	struct row_chores *c, int statement, char **name, int64_t *table_id, struct err *e)
{
	struct sqlite3_stmt *st = c->statement[statement];
	bool found;

	*name = NULL;
	if (!db_first(st, &found, e))
		return false;
	if (found) {
		*name = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(st, 0));
		*table_id = sqlite3_column_int64(st, 1);
	}
	(void)sqlite3_reset(st);
	return !found || *name != NULL || err_set(e, ERR_NOMEM, "out of memory");
}

static bool rename_table(
	struct row_chores *c, const char *from, const char *to, bool if_exists, struct err *e)
{
	bool there = true;
	char *sql;
	bool ok;

	if (if_exists && !row_set_is_taken(c->set, from, &there, e))
		return false;
	if (!there)
		return true;
	sql = sqlite3_mprintf("ALTER TABLE \"%w\" RENAME TO \"%w\"", from, to);
	ok = sql != NULL ? db_exec(c->set->db, sql, e) : err_set(e, ERR_NOMEM, "out of memory");
	sqlite3_free(sql);
	return ok;
}

/* The table that is complete takes its name from the one that served. */
static bool swap(struct row_chores *c, const char *name, int64_t filled_id, struct err *e)
{
	char *filled = row_set_aside(name, filled_id);
	char *sql = sqlite3_mprintf(
		"SELECT table_id FROM row_table WHERE name = %Q AND " ROW_CURRENT, name);
	char *old = NULL;
	int64_t old_id = 0;
	bool ok = (filled != NULL && sql != NULL) || err_set(e, ERR_NOMEM, "out of memory");

	ok = ok && db_number(c->set->db, sql, &old_id, e);
	if (ok && old_id != 0) {
		old = row_set_aside(name, old_id);
		ok = (old != NULL || err_set(e, ERR_NOMEM, "out of memory")) &&
			rename_table(c, name, old, true, e) &&
			row_set_state(c->set, old_id, ROW_LEAVING, e);
	}
	ok = ok && rename_table(c, filled, name, false, e) &&
		row_set_state(c->set, filled_id, ROW_LIVE, e);
	if (ok)
		log_line(LOG_INFO, "a row table is complete", log_text("table", name));
	sqlite3_free(filled);
	sqlite3_free(sql);
	sqlite3_free(old);
	return ok;
}

/* What is in memory follows; the tables are opened again where they are needed. */
static bool swap_parts(struct row_chores *c, const char *name, int64_t filled_id, struct err *e)
{
	struct row_opened o = row_set_find(c->set, filled_id);

	if (o.part == NULL)
		return true;
	if (o.part == &o.table->filling) {
		row_table_free(o.table->live.rows);
		o.table->live = o.table->filling;
		o.table->filling = (struct row_part){ 0 };
	}
	return o.table->live.rows == NULL || row_table_renamed(o.table->live.rows, name) ||
		err_set(e, ERR_NOMEM, "out of memory");
}

static bool swap_complete(struct row_chores *c, bool *more, struct err *e)
{
	int64_t table_id = 0;
	char *name;
	bool ok = next_named(c, NEXT_SWAP, &name, &table_id, e);

	*more = ok && name != NULL;
	ok = ok && (!*more || (swap(c, name, table_id, e) && swap_parts(c, name, table_id, e)));
	sqlite3_free(name);
	return ok;
}

/* Deletes some rows of a table that is to go; `*done`: it had no more. */
static bool empty(
	struct row_chores *c, const char *sql_name, int64_t until_us, bool *done, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	char *sql = sqlite3_mprintf("DELETE FROM \"%w\" WHERE _row IN (SELECT _row FROM \"%w\" "
				    "ORDER BY _row LIMIT " LEAVE_ROWS ")",
		sql_name, sql_name);
	bool ok = sql != NULL ? db_prepare(c->set->db, &st, sql, e)
			      : err_set(e, ERR_NOMEM, "out of memory");

	*done = false;
	do {
		ok = ok && db_step(st, e);
		*done = ok && sqlite3_changes(c->set->db) == 0;
	} while (ok && !*done && clock_mono_us() < until_us);
	(void)sqlite3_finalize(st);
	sqlite3_free(sql);
	return ok;
}

static bool drop(struct row_chores *c, const char *sql_name, struct err *e)
{
	char *sql = sqlite3_mprintf("DROP TABLE IF EXISTS \"%w\"", sql_name);
	bool ok = sql != NULL ? db_exec(c->set->db, sql, e)
			      : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok;
}

static bool leave(struct row_chores *c, int64_t until_us, bool *more, struct err *e)
{
	int64_t table_id = 0;
	char *name;
	char *aside = NULL;
	bool there = false;
	bool done = true;
	bool ok = next_named(c, NEXT_LEAVING, &name, &table_id, e);

	*more = ok && name != NULL;
	if (*more) {
		aside = row_set_aside(name, table_id);
		ok = (aside != NULL || err_set(e, ERR_NOMEM, "out of memory")) &&
			row_set_is_taken(c->set, aside, &there, e) &&
			(!there || empty(c, aside, until_us, &done, e)) &&
			(!done || (drop(c, aside, e) && row_set_erase(c->set, table_id, e)));
	}
	sqlite3_free(name);
	sqlite3_free(aside);
	return ok;
}

bool row_chores_run(struct row_chores *c, int64_t until_us, bool *more, struct err *e)
{
	if (!catch_up(c, until_us, more, e))
		return false;
	if (*more)
		return true;
	return swap_complete(c, more, e) && (*more || leave(c, until_us, more, e));
}
