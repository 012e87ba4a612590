#include "store/row_tables.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAVE_ROWS "500" /* deleted at a time */

enum {
	FIND_TABLE,
	ADD_TABLE,
	SET_STATE,
	BREAK,
	LAST_EVENT,
	SOURCES_OF,
	FIND_SOURCE,
	ADD_SOURCE,
	LEAVE_SOURCE,
	REJOIN_SOURCE,
	COPY_LEFT,
	LEAVE_UNPLANNED,
	NEXT_BEHIND,
	NEXT_EVENTS,
	ADVANCE,
	COMPLETE,
	NEXT_SWAP,
	NEXT_LEAVING,
	NOTE,
	STATEMENTS
};

/* A table that is being read, or filled, under its own name. */
#define CURRENT "state IN ('live', 'broken')"

static const char *const statement_sql[STATEMENTS] = {
	[FIND_TABLE] = "SELECT table_id, indexes, state = 'broken' FROM row_table WHERE name = ?1 "
		       "AND CASE WHEN ?2 THEN state = 'filling' ELSE " CURRENT " END",
	[ADD_TABLE] = "INSERT INTO row_table (name, indexes, state) VALUES (?1, ?2, ?3)",
	[SET_STATE] = "UPDATE row_table SET state = ?2 WHERE table_id = ?1",
	[BREAK] = "UPDATE row_table SET state = CASE state WHEN 'filling' THEN 'leaving' "
		  "ELSE 'broken' END WHERE table_id = ?1",
	[LAST_EVENT] = "SELECT max(event_id) FROM event",
	[SOURCES_OF] =
		"SELECT r.stream_id, r.left_id IS NOT NULL, r.until_id IS NOT NULL, s.feed_id, "
		"s.path, s.params FROM row_source r JOIN stream s USING (stream_id) "
		"WHERE r.table_id = ?1",
	[FIND_SOURCE] = "SELECT left_id FROM row_source WHERE table_id = ?1 AND stream_id = ?2",
	[ADD_SOURCE] = "INSERT INTO row_source (table_id, stream_id, until_id) VALUES (?1, ?2, ?3)",
	[LEAVE_SOURCE] =
		"UPDATE row_source SET left_id = ?3 WHERE table_id = ?1 AND stream_id = ?2",
	[REJOIN_SOURCE] =
		"UPDATE row_source SET after_id = left_id, until_id = ?3, left_id = NULL, "
		"at_timestamp = NULL, at_seq = NULL WHERE table_id = ?1 AND stream_id = ?2",
	/* What was recorded of streams that have gone stays in the table that is filled anew. */
	[COPY_LEFT] = "INSERT INTO row_source (table_id, stream_id, left_id, until_id) "
		      "SELECT ?2, stream_id, left_id, left_id FROM row_source "
		      "WHERE table_id = ?1 AND left_id IS NOT NULL",
	[LEAVE_UNPLANNED] =
		"UPDATE row_source SET left_id = ?2 WHERE table_id = ?1 AND left_id IS NULL",
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
	[NOTE] = "INSERT INTO row_note (table_id, stream_id, note, events, first_id, last_id) "
		 "VALUES (?1, ?2, ?3, 1, ?4, ?4) ON CONFLICT (table_id, stream_id, note) "
		 "DO UPDATE SET events = events + 1, last_id = ?4",
};

enum state { LIVE, FILLING, LEAVING, STATES };

static const char *const state_name[STATES] = { "live", "filling", "leaving" };

/* One SQLite table; `rows` NULL: it is not filled. */
struct part {
	int64_t table_id;
	struct row_table *rows;
	bool is_told; /* the first of its notes was logged */
};

/* A table by its configured name. */
struct table {
	struct table *next;
	char *name;
	struct part live;
	struct part filling; /* takes its place */
};

/* A stream whose events go into a table. */
struct source {
	int64_t stream_id;
	struct table *table;
};

struct row_tables {
	struct sqlite3 *db;
	struct streams *streams;
	struct sqlite3_stmt *statement[STATEMENTS];
	struct table *tables;
	struct map sources;
};

bool row_tables_new(
	struct row_tables **out, struct sqlite3 *db, struct streams *streams, struct err *e)
{
	struct row_tables *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->db = db;
	r->streams = streams;
	if (!db_prepare_all(db, r->statement, statement_sql, STATEMENTS, e)) {
		row_tables_free(r);
		return false;
	}
	*out = r;
	return true;
}

static void forget(struct row_tables *r)
{
	for (size_t i = 0; i < r->sources.capacity; i++)
		free(r->sources.slots[i].item);
	map_release(&r->sources);
	while (r->tables != NULL) {
		struct table *t = r->tables;

		r->tables = t->next;
		row_table_free(t->live.rows);
		row_table_free(t->filling.rows);
		free(t->name);
		free(t);
	}
}

void row_tables_free(struct row_tables *r)
{
	if (r == NULL)
		return;
	forget(r);
	db_finalize_all(r->statement, STATEMENTS);
	free(r);
}

/* ---- small steps ---- */

static bool last_event(struct row_tables *r, int64_t *event_id, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[LAST_EVENT];
	bool found;

	if (!db_first(st, &found, e))
		return false;
	*event_id = found ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	return true;
}

static bool set_state(struct row_tables *r, int64_t table_id, enum state state, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[SET_STATE];

	(void)sqlite3_bind_int64(st, 1, table_id);
	(void)sqlite3_bind_text(st, 2, state_name[state], -1, SQLITE_STATIC);
	return db_step(st, e);
}

/* Runs a statement whose parameters are numbers. */
static bool run(
	struct row_tables *r, int statement, const int64_t *numbers, int count, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[statement];

	for (int i = 0; i < count; i++)
		(void)sqlite3_bind_int64(st, i + 1, numbers[i]);
	return db_step(st, e);
}

/* What SQLite calls a table that does not serve under its own name. No configured name holds a colon. */
static char *aside_name(const char *name, int64_t table_id)
{
	return sqlite3_mprintf("%s:%lld", name, (long long)table_id);
}

/* True for a failure of this table alone: anything else will be over, or stops the recording as a whole. */
static bool is_its_own(struct row_tables *r)
{
	switch (sqlite3_errcode(r->db) & 0xff) {
	case SQLITE_ERROR:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
	case SQLITE_TOOBIG:
		return true;
	default:
		return false;
	}
}

/* Gives up a table that somebody else has changed; true unless that could not be noted. */
static bool give_up(struct row_tables *r, const struct table *t, struct part *part, struct err *e)
{
	if (e->code == ERR_NOMEM || !is_its_own(r))
		return false;
	log_line(LOG_ERROR,
		"cannot fill a row table; it is filled anew after the next start or SIGHUP",
		log_text("table", t->name), log_err(e));
	row_table_free(part->rows);
	part->rows = NULL;
	return run(r, BREAK, (int64_t[]){ part->table_id }, 1, e);
}

/* ---- events ---- */

static bool note(struct row_tables *r, struct table *t, struct part *part, int64_t stream_id,
	int64_t event_id, const char *text, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[NOTE];

	if (!part->is_told)
		log_line(LOG_WARN, "not everything can become a row; see the table row_note",
			log_text("table", t->name), log_int("event_id", event_id),
			log_text("why", text));
	part->is_told = true;
	(void)sqlite3_bind_int64(st, 1, part->table_id);
	(void)sqlite3_bind_int64(st, 2, stream_id);
	(void)sqlite3_bind_text(st, 3, text, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 4, event_id);
	return db_step(st, e);
}

static bool put(struct row_tables *r, struct table *t, struct part *part, int64_t stream_id,
	const struct row_event *event, struct err *e)
{
	const char *text;

	if (part->rows == NULL)
		return true;
	if (!row_table_put(part->rows, event, &text, e))
		return give_up(r, t, part, e);
	return text == NULL || note(r, t, part, stream_id, event->event_id, text, e);
}

static uint64_t hash_of(int64_t stream_id)
{
	return map_hash(0, (struct slice){ (const char *)&stream_id, sizeof(stream_id) });
}

static bool same_source(const void *item, const void *key)
{
	return ((const struct source *)item)->stream_id == *(const int64_t *)key;
}

bool row_tables_put(
	struct row_tables *r, int64_t stream_id, const struct row_event *event, struct err *e)
{
	const struct source *s;

	if (r->sources.count == 0)
		return true;
	s = map_find(&r->sources, hash_of(stream_id), same_source, &stream_id);
	return s == NULL ||
		(put(r, s->table, &s->table->live, stream_id, event, e) &&
			put(r, s->table, &s->table->filling, stream_id, event, e));
}

/* ---- configuring ---- */

/* A configuration that is being taken over. */
struct review {
	struct row_tables *r;
	const struct row_plan *plan;
	struct map streams;   /* of the plan's sources, by key */
	int64_t last_id;      /* of the events so far */
	struct slice *params; /* of the streams of the table in work */
	size_t n_params;
};

struct stream_key {
	int64_t feed_id;
	struct slice path;
	struct slice params;
};

static uint64_t hash_of_key(const struct stream_key *k)
{
	return map_hash(map_hash((uint64_t)k->feed_id, k->path), k->params);
}

static bool same_key(const void *item, const void *key)
{
	const struct row_plan_source *s = item;
	const struct stream_key *k = key;

	return s->feed_id == k->feed_id && slice_equal(s->path, k->path) &&
		slice_equal(s->params, k->params);
}

static bool begin_review(struct review *v, struct err *e)
{
	for (size_t i = 0; i < v->plan->n_sources; i++) {
		struct row_plan_source *s = &v->plan->sources[i];
		const struct stream_key k = { s->feed_id, s->path, s->params };
		uint64_t hash = hash_of_key(&k);

		if (map_find(&v->streams, hash, same_key, &k) == NULL &&
			!map_add(&v->streams, hash, s))
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	return last_event(v->r, &v->last_id, e);
}

/* Looks at the streams of a table: marks those that are not configured any more. `*rebuild`: the table holds what
 * does not belong there now, or a hole that cannot be told. */
static bool review_sources(
	struct review *v, size_t table, int64_t table_id, bool *rebuild, struct err *e)
{
	struct sqlite3_stmt *st = v->r->statement[SOURCES_OF];
	bool found = true;
	bool ok = true;

	(void)sqlite3_bind_int64(st, 1, table_id);
	while (ok && found) {
		struct stream_key k;
		const struct row_plan_source *s;
		bool has_left;

		ok = db_first(st, &found, e);
		if (!ok || !found)
			break;
		k = (struct stream_key){ sqlite3_column_int64(st, 3), db_column(st, 4),
			db_column(st, 5) };
		has_left = sqlite3_column_int(st, 1) != 0;
		s = map_find(&v->streams, hash_of_key(&k), same_key, &k);
		if (s == NULL && !has_left)
			ok = run(v->r, LEAVE_SOURCE,
				(int64_t[]){ table_id, sqlite3_column_int64(st, 0), v->last_id }, 3,
				e);
		else if (s != NULL && s->table != table)
			*rebuild = true;
		else if (s != NULL && has_left && sqlite3_column_int(st, 2) != 0)
			*rebuild = true;
	}
	(void)sqlite3_reset(st);
	return ok;
}

struct found_table {
	int64_t table_id; /* 0: there is none */
	bool is_broken;
	bool has_same_indexes;
};

static bool find_table(struct review *v, const struct row_plan_table *p, bool filling,
	struct found_table *out, struct err *e)
{
	struct sqlite3_stmt *st = v->r->statement[FIND_TABLE];
	bool found;

	*out = (struct found_table){ 0 };
	(void)sqlite3_bind_text(st, 1, p->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(st, 2, filling);
	if (!db_first(st, &found, e))
		return false;
	if (found) {
		out->table_id = sqlite3_column_int64(st, 0);
		out->has_same_indexes = slice_is(db_column(st, 1), p->indexes);
		out->is_broken = sqlite3_column_int(st, 2) != 0;
	}
	(void)sqlite3_reset(st);
	return true;
}

static bool add_row(struct review *v, const struct row_plan_table *p, enum state state,
	int64_t *table_id, struct err *e)
{
	struct sqlite3_stmt *st = v->r->statement[ADD_TABLE];

	(void)sqlite3_bind_text(st, 1, p->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, p->indexes, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 3, state_name[state], -1, SQLITE_STATIC);
	if (!db_step(st, e))
		return false;
	*table_id = sqlite3_last_insert_rowid(v->r->db);
	return true;
}

static bool open_part(struct review *v, const struct row_plan_table *p, int64_t table_id,
	bool filling, struct part *part, struct err *e)
{
	char *aside = aside_name(p->name, table_id);
	const struct row_table_name name = { .table_id = table_id,
		.name = p->name,
		.sql_name = filling ? aside : p->name,
		.indexes = p->indexes };
	bool ok = aside != NULL ? row_table_open(&part->rows, v->r->db, &name, e)
				: err_set(e, ERR_NOMEM, "out of memory");

	part->table_id = table_id;
	sqlite3_free(aside);
	return ok;
}

/* A name of SQLite's schema that is not ours to use. */
static bool is_taken(struct row_tables *r, const char *name, bool *taken, struct err *e)
{
	char *sql = sqlite3_mprintf(
		"SELECT count(*) FROM sqlite_schema WHERE name = %Q COLLATE NOCASE", name);
	int64_t count = 0;
	bool ok = sql != NULL ? db_number(r->db, sql, &count, e)
			      : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	*taken = count != 0;
	return ok;
}

static bool create_part(struct review *v, const struct row_plan_table *p, bool filling,
	struct part *part, struct err *e)
{
	int64_t table_id;
	char *aside = NULL;
	bool taken = false;
	bool ok;

	if (!is_taken(v->r, p->name, &taken, e))
		return false;
	if (taken && !filling) {
		log_line(LOG_ERROR,
			"the recording has a table or view of this name that is not tapedeck's: there "
			"will be no row table; configure another name, or drop it",
			log_text("table", p->name));
		return true;
	}
	if (!add_row(v, p, filling ? FILLING : LIVE, &table_id, e))
		return false;
	aside = aside_name(p->name, table_id);
	ok = aside != NULL || err_set(e, ERR_NOMEM, "out of memory");
	ok = ok &&
		row_table_create(&part->rows, v->r->db,
			&(struct row_table_name){ .table_id = table_id,
				.name = p->name,
				.sql_name = filling ? aside : p->name,
				.indexes = p->indexes },
			v->params, v->n_params, e);
	part->table_id = table_id;
	sqlite3_free(aside);
	return ok;
}

/* Forgets a table that is not in the file any more. */
static bool forget_table(struct row_tables *r, int64_t table_id, struct err *e)
{
	char sql[320];

	(void)snprintf(sql, sizeof(sql),
		"DELETE FROM row_note WHERE table_id = %lld; DELETE FROM row_source WHERE table_id = "
		"%lld; DELETE FROM row_column WHERE table_id = %lld; DELETE FROM row_table WHERE "
		"table_id = %lld",
		(long long)table_id, (long long)table_id, (long long)table_id, (long long)table_id);
	return db_exec(r->db, sql, e);
}

/* The table that is filled anew takes nothing from one that was being filled for an older configuration. */
static bool refill(struct review *v, const struct row_plan_table *p, struct table *t,
	int64_t live_id, int64_t filling_id, struct err *e)
{
	row_table_free(t->filling.rows);
	t->filling = (struct part){ 0 };
	log_line(LOG_INFO, "a row table is filled anew", log_text("table", p->name));
	return (filling_id == 0 || set_state(v->r, filling_id, LEAVING, e)) &&
		create_part(v, p, true, &t->filling, e) &&
		run(v->r, COPY_LEFT, (int64_t[]){ live_id, t->filling.table_id }, 2, e);
}

/* Opens, makes or replaces the table that `p` asks for. */
static bool take_table(struct review *v, size_t table, const struct row_plan_table *p,
	struct table *t, struct err *e)
{
	struct found_table live;
	struct found_table filling;
	bool rebuild = false;

	if (!find_table(v, p, false, &live, e) || !find_table(v, p, true, &filling, e))
		return false;
	if (live.table_id != 0 && !open_part(v, p, live.table_id, false, &t->live, e))
		return false;
	if (filling.table_id != 0 && !open_part(v, p, filling.table_id, true, &t->filling, e))
		return false;
	if (live.table_id != 0 && t->live.rows == NULL && filling.table_id == 0) {
		bool taken;

		if (!is_taken(v->r, p->name, &taken, e))
			return false;
		/* Dropped by hand: it comes again, whole. */
		if (!taken && !forget_table(v->r, live.table_id, e))
			return false;
		if (!taken)
			live.table_id = 0;
	}
	if (live.table_id == 0)
		return create_part(v, p, false, &t->live, e);
	rebuild = filling.table_id != 0 ? t->filling.rows == NULL || !filling.has_same_indexes
					: t->live.rows == NULL || !live.has_same_indexes;
	if (!review_sources(v, table, live.table_id, &rebuild, e))
		return false;
	if (filling.table_id != 0) {
		rebuild = t->filling.rows == NULL || !filling.has_same_indexes;
		if (!review_sources(v, table, filling.table_id, &rebuild, e))
			return false;
	}
	if (live.is_broken) {
		row_table_free(t->live.rows);
		t->live.rows = NULL;
		rebuild = rebuild || filling.table_id == 0;
	}
	return !rebuild || refill(v, p, t, live.table_id, filling.table_id, e);
}

static bool join(struct review *v, int64_t table_id, const struct stream *stream, struct err *e)
{
	struct sqlite3_stmt *st = v->r->statement[FIND_SOURCE];
	int64_t numbers[] = { table_id, stream->stream_id, v->last_id };
	bool has_left;
	bool found;

	if (table_id == 0)
		return true;
	(void)sqlite3_bind_int64(st, 1, table_id);
	(void)sqlite3_bind_int64(st, 2, stream->stream_id);
	if (!db_first(st, &found, e))
		return false;
	has_left = found && sqlite3_column_type(st, 0) != SQLITE_NULL;
	(void)sqlite3_reset(st);
	if (found)
		return !has_left || run(v->r, REJOIN_SOURCE, numbers, 3, e);
	(void)sqlite3_bind_null(v->r->statement[ADD_SOURCE], 3);
	return run(v->r, ADD_SOURCE, numbers, stream->has_events ? 3 : 2, e);
}

static bool take_source(
	struct review *v, struct table *t, const struct row_plan_source *s, struct err *e)
{
	struct stream *stream;
	struct source *source;

	if (!streams_get(v->r->streams, s->feed_id, s->path, s->params, &stream, e) ||
		!join(v, t->live.table_id, stream, e) || !join(v, t->filling.table_id, stream, e))
		return false;
	source = malloc(sizeof(*source));
	if (source == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	*source = (struct source){ stream->stream_id, t };
	if (map_find(&v->r->sources, hash_of(stream->stream_id), same_source, &stream->stream_id) !=
		NULL) {
		free(source);
		return true;
	}
	if (map_add(&v->r->sources, hash_of(stream->stream_id), source))
		return true;
	free(source);
	return err_set(e, ERR_NOMEM, "out of memory");
}

static struct table *add_table(struct row_tables *r, const char *name)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->name = strdup(name);
	if (t->name == NULL) {
		free(t);
		return NULL;
	}
	t->next = r->tables;
	r->tables = t;
	return t;
}

static bool take_planned(struct review *v, size_t table, struct err *e)
{
	const struct row_plan_table *p = &v->plan->tables[table];
	struct table *t = add_table(v->r, p->name);

	v->n_params = 0;
	for (size_t i = 0; i < v->plan->n_sources; i++)
		if (v->plan->sources[i].table == table)
			v->params[v->n_params++] = v->plan->sources[i].params;
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!take_table(v, table, p, t, e))
		return false;
	for (size_t i = 0; i < v->plan->n_sources; i++)
		if (v->plan->sources[i].table == table &&
			!take_source(v, t, &v->plan->sources[i], e))
			return false;
	return true;
}

static bool is_planned(const struct row_plan *plan, const char *name)
{
	for (size_t i = 0; plan != NULL && i < plan->n_tables; i++)
		if (sqlite3_stricmp(plan->tables[i].name, name) == 0)
			return true;
	return false;
}

/* Tables that are not configured any more: what comes from now on is not in them. */
static bool leave_others(struct review *v, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(
		v->r->db, &st, "SELECT table_id, name FROM row_table WHERE state <> 'leaving'", e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found && !is_planned(v->plan, (const char *)sqlite3_column_text(st, 1)))
			ok = run(v->r, LEAVE_UNPLANNED,
				(int64_t[]){ sqlite3_column_int64(st, 0), v->last_id }, 2, e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

bool row_tables_configure(struct row_tables *r, const struct row_plan *plan, struct err *e)
{
	static const struct row_plan nothing = { 0 };
	struct review v = { .r = r, .plan = plan != NULL ? plan : &nothing };
	bool ok;

	forget(r);
	v.params = calloc(v.plan->n_sources + 1, sizeof(*v.params));
	ok = v.params != NULL ? begin_review(&v, e) : err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; ok && i < v.plan->n_tables; i++)
		ok = take_planned(&v, i, e);
	ok = ok && leave_others(&v, e);
	map_release(&v.streams);
	free(v.params);
	return ok;
}

/* ---- chores ---- */

/* A table by its id, opened for this purpose if it is not configured any more. */
struct opened {
	struct part *part;
	struct table *table;
};

static struct opened find_open(struct row_tables *r, int64_t table_id)
{
	for (struct table *t = r->tables; t != NULL; t = t->next) {
		if (t->live.table_id == table_id)
			return (struct opened){ &t->live, t };
		if (t->filling.table_id == table_id)
			return (struct opened){ &t->filling, t };
	}
	return (struct opened){ NULL, NULL };
}

/* Opens a table that the configuration does not name any more, but that is not complete. */
static bool open_unplanned(
	struct row_tables *r, int64_t table_id, struct opened *out, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	bool ok = db_prepare(r->db, &st,
		"SELECT name, indexes, state = 'filling' FROM row_table WHERE table_id = ?1", e);

	if (ok) {
		(void)sqlite3_bind_int64(st, 1, table_id);
		ok = db_first(st, &found, e);
	}
	if (ok && found) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		char *aside = aside_name(name, table_id);
		struct table *t = add_table(r, name);

		ok = (aside != NULL && t != NULL) || err_set(e, ERR_NOMEM, "out of memory");
		ok = ok &&
			row_table_open(&t->live.rows, r->db,
				&(struct row_table_name){ .table_id = table_id,
					.name = name,
					.sql_name = sqlite3_column_int(st, 2) != 0 ? aside : name,
					.indexes = (const char *)sqlite3_column_text(st, 1) },
				e);
		if (ok)
			t->live.table_id = table_id;
		*out = (struct opened){ &t->live, t };
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

static bool next_behind(struct row_tables *r, struct behind *b, bool *found, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[NEXT_BEHIND];

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
static bool catch_up_events(struct row_tables *r, const struct opened *o, struct behind *b,
	int64_t until_us, bool *done, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[NEXT_EVENTS];
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
		ok = put(r, o->table, o->part, b->stream_id, &event, e);
	} while (ok && o->part->rows != NULL && clock_mono_us() < until_us);
	(void)sqlite3_reset(st);
	*done = !found;
	return ok;
}

static bool catch_up_stream(struct row_tables *r, struct behind *b, int64_t until_us, struct err *e)
{
	struct opened o = find_open(r, b->table_id);
	bool done = false;

	if (o.part == NULL && !open_unplanned(r, b->table_id, &o, e))
		return false;
	/* It is not there any more as it was. */
	if (o.part->rows == NULL)
		return run(r, BREAK, (int64_t[]){ b->table_id }, 1, e);
	if (!catch_up_events(r, &o, b, until_us, &done, e))
		return false;
	if (done)
		return run(r, COMPLETE, (int64_t[]){ b->table_id, b->stream_id }, 2, e);
	return run(r, ADVANCE, (int64_t[]){ b->table_id, b->stream_id, b->at_timestamp, b->at_seq },
		4, e);
}

static bool catch_up(struct row_tables *r, int64_t until_us, bool *more, struct err *e)
{
	struct behind b = { 0 };
	bool ok = true;

	buf_init(&b.params, SIZE_MAX);
	do
		ok = next_behind(r, &b, more, e) && (!*more || catch_up_stream(r, &b, until_us, e));
	while (ok && *more && clock_mono_us() < until_us);
	buf_release(&b.params);
	return ok;
}

/* Reads the name and the id of a table. */
static bool next_named(
	struct row_tables *r, int statement, char **name, int64_t *table_id, struct err *e)
{
	struct sqlite3_stmt *st = r->statement[statement];
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
	struct row_tables *r, const char *from, const char *to, bool if_exists, struct err *e)
{
	bool there = true;
	char *sql;
	bool ok;

	if (if_exists && !is_taken(r, from, &there, e))
		return false;
	if (!there)
		return true;
	sql = sqlite3_mprintf("ALTER TABLE \"%w\" RENAME TO \"%w\"", from, to);
	ok = sql != NULL ? db_exec(r->db, sql, e) : err_set(e, ERR_NOMEM, "out of memory");
	sqlite3_free(sql);
	return ok;
}

/* The table that is complete takes its name from the one that served. */
static bool swap(struct row_tables *r, const char *name, int64_t filled_id, struct err *e)
{
	char *filled = aside_name(name, filled_id);
	char *sql = sqlite3_mprintf(
		"SELECT table_id FROM row_table WHERE name = %Q AND " CURRENT, name);
	char *old = NULL;
	int64_t old_id = 0;
	bool ok = (filled != NULL && sql != NULL) || err_set(e, ERR_NOMEM, "out of memory");

	ok = ok && db_number(r->db, sql, &old_id, e);
	if (ok && old_id != 0) {
		old = aside_name(name, old_id);
		ok = (old != NULL || err_set(e, ERR_NOMEM, "out of memory")) &&
			rename_table(r, name, old, true, e) && set_state(r, old_id, LEAVING, e);
	}
	ok = ok && rename_table(r, filled, name, false, e) && set_state(r, filled_id, LIVE, e);
	if (ok)
		log_line(LOG_INFO, "a row table is complete", log_text("table", name));
	sqlite3_free(filled);
	sqlite3_free(sql);
	sqlite3_free(old);
	return ok;
}

/* What is in memory follows; the tables are opened again where they are needed. */
static bool swap_parts(struct row_tables *r, const char *name, int64_t filled_id, struct err *e)
{
	struct opened o = find_open(r, filled_id);

	if (o.part == NULL)
		return true;
	if (o.part == &o.table->filling) {
		row_table_free(o.table->live.rows);
		o.table->live = o.table->filling;
		o.table->filling = (struct part){ 0 };
	}
	return o.table->live.rows == NULL || row_table_renamed(o.table->live.rows, name) ||
		err_set(e, ERR_NOMEM, "out of memory");
}

static bool swap_complete(struct row_tables *r, bool *more, struct err *e)
{
	int64_t table_id = 0;
	char *name;
	bool ok = next_named(r, NEXT_SWAP, &name, &table_id, e);

	*more = ok && name != NULL;
	ok = ok && (!*more || (swap(r, name, table_id, e) && swap_parts(r, name, table_id, e)));
	sqlite3_free(name);
	return ok;
}

/* Deletes some rows of a table that is to go; `*done`: it had no more. */
static bool empty(
	struct row_tables *r, const char *sql_name, int64_t until_us, bool *done, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	char *sql = sqlite3_mprintf("DELETE FROM \"%w\" WHERE _row IN (SELECT _row FROM \"%w\" "
				    "ORDER BY _row LIMIT " LEAVE_ROWS ")",
		sql_name, sql_name);
	bool ok = sql != NULL ? db_prepare(r->db, &st, sql, e)
			      : err_set(e, ERR_NOMEM, "out of memory");

	*done = false;
	do {
		ok = ok && db_step(st, e);
		*done = ok && sqlite3_changes(r->db) == 0;
	} while (ok && !*done && clock_mono_us() < until_us);
	(void)sqlite3_finalize(st);
	sqlite3_free(sql);
	return ok;
}

static bool drop(struct row_tables *r, const char *sql_name, struct err *e)
{
	char *sql = sqlite3_mprintf("DROP TABLE IF EXISTS \"%w\"", sql_name);
	bool ok = sql != NULL ? db_exec(r->db, sql, e) : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok;
}

static bool leave(struct row_tables *r, int64_t until_us, bool *more, struct err *e)
{
	int64_t table_id = 0;
	char *name;
	char *aside = NULL;
	bool there = false;
	bool done = true;
	bool ok = next_named(r, NEXT_LEAVING, &name, &table_id, e);

	*more = ok && name != NULL;
	if (*more) {
		aside = aside_name(name, table_id);
		ok = (aside != NULL || err_set(e, ERR_NOMEM, "out of memory")) &&
			is_taken(r, aside, &there, e) &&
			(!there || empty(r, aside, until_us, &done, e)) &&
			(!done || (drop(r, aside, e) && forget_table(r, table_id, e)));
	}
	sqlite3_free(name);
	sqlite3_free(aside);
	return ok;
}

bool row_tables_chore(struct row_tables *r, int64_t until_us, bool *more, struct err *e)
{
	if (!catch_up(r, until_us, more, e))
		return false;
	if (*more)
		return true;
	return swap_complete(r, more, e) && (*more || leave(r, until_us, more, e));
}
