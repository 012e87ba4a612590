#include "store/row_review.h"

#include "base/log.h"
#include "base/map.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIND_TABLE,
	ADD_TABLE,
	SOURCES_OF,
	FIND_SOURCE,
	ADD_SOURCE,
	LEAVE_SOURCE,
	REJOIN_SOURCE,
	COPY_LEFT,
	LEAVE_UNPLANNED,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[FIND_TABLE] = "SELECT table_id, indexes, state = 'broken' FROM row_table WHERE name = ?1 "
		       "AND CASE WHEN ?2 THEN state = 'filling' ELSE " ROW_CURRENT " END",
	[ADD_TABLE] = "INSERT INTO row_table (name, indexes, state) VALUES (?1, ?2, ?3)",
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
};

/* A configuration that is being taken over. */
struct review {
	struct row_set *set;
	struct streams *all_streams;
	struct sqlite3_stmt *statement[STATEMENTS];
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
	return db_number(v->set->db, "SELECT max(event_id) FROM event", &v->last_id, e);
}

/* Looks at the streams of a table: marks those that are not configured any more. `*rebuild`: the table holds what
 * does not belong there now, or a hole that cannot be told. */
static bool review_sources(
	struct review *v, size_t table, int64_t table_id, bool *rebuild, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[SOURCES_OF];
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
			ok = db_step_numbers(v->statement[LEAVE_SOURCE],
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
	struct sqlite3_stmt *st = v->statement[FIND_TABLE];
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

static bool add_row(struct review *v, const struct row_plan_table *p, enum row_state state,
	int64_t *table_id, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[ADD_TABLE];

	(void)sqlite3_bind_text(st, 1, p->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, p->indexes, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 3, row_set_state_name(state), -1, SQLITE_STATIC);
	if (!db_step(st, e))
		return false;
	*table_id = sqlite3_last_insert_rowid(v->set->db);
	return true;
}

static bool open_part(struct review *v, const struct row_plan_table *p, int64_t table_id,
	bool filling, struct row_part *part, struct err *e)
{
	char *aside = row_set_aside(p->name, table_id);
	const struct row_table_name name = { .table_id = table_id,
		.name = p->name,
		.sql_name = filling ? aside : p->name,
		.indexes = p->indexes };
	bool ok = aside != NULL ? row_table_open(&part->rows, v->set->db, &name, e)
				: err_set(e, ERR_NOMEM, "out of memory");

	part->table_id = table_id;
	sqlite3_free(aside);
	return ok;
}

static bool create_part(struct review *v, const struct row_plan_table *p, bool filling,
	struct row_part *part, struct err *e)
{
	int64_t table_id;
	char *aside = NULL;
	bool taken = false;
	bool ok;

	if (!row_set_is_taken(v->set, p->name, &taken, e))
		return false;
	if (taken && !filling) {
		log_line(LOG_ERROR,
			"the recording has a table or view of this name that is not tapedeck's: there "
			"will be no row table; configure another name, or drop it",
			log_text("table", p->name));
		return true;
	}
	if (!add_row(v, p, filling ? ROW_FILLING : ROW_LIVE, &table_id, e))
		return false;
	aside = row_set_aside(p->name, table_id);
	ok = aside != NULL || err_set(e, ERR_NOMEM, "out of memory");
	ok = ok &&
		row_table_create(&part->rows, v->set->db,
			&(struct row_table_name){ .table_id = table_id,
				.name = p->name,
				.sql_name = filling ? aside : p->name,
				.indexes = p->indexes },
			v->params, v->n_params, e);
	part->table_id = table_id;
	sqlite3_free(aside);
	return ok;
}

/* The table that is filled anew takes nothing from one that was being filled for an older configuration. */
static bool refill(struct review *v, const struct row_plan_table *p, struct row_named *t,
	int64_t live_id, int64_t filling_id, struct err *e)
{
	row_table_free(t->filling.rows);
	t->filling = (struct row_part){ 0 };
	log_line(LOG_INFO, "a row table is filled anew", log_text("table", p->name));
	return (filling_id == 0 || row_set_state(v->set, filling_id, ROW_LEAVING, e)) &&
		create_part(v, p, true, &t->filling, e) &&
		db_step_numbers(
			v->statement[COPY_LEFT], (int64_t[]){ live_id, t->filling.table_id }, 2, e);
}

/* Opens, makes or replaces the table that `p` asks for. */
static bool take_table(struct review *v, size_t table, const struct row_plan_table *p,
	struct row_named *t, struct err *e)
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

		if (!row_set_is_taken(v->set, p->name, &taken, e))
			return false;
		/* Dropped by hand: it comes again, whole. */
		if (!taken && !row_set_erase(v->set, live.table_id, e))
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
	struct sqlite3_stmt *st = v->statement[FIND_SOURCE];
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
		return !has_left || db_step_numbers(v->statement[REJOIN_SOURCE], numbers, 3, e);
	(void)sqlite3_bind_null(v->statement[ADD_SOURCE], 3);
	return db_step_numbers(v->statement[ADD_SOURCE], numbers, stream->has_events ? 3 : 2, e);
}

static bool take_source(
	struct review *v, struct row_named *t, const struct row_plan_source *s, struct err *e)
{
	struct stream *stream;

	return streams_get(v->all_streams, s->feed_id, s->path, s->params, &stream, e) &&
		join(v, t->live.table_id, stream, e) && join(v, t->filling.table_id, stream, e) &&
		row_set_add_source(v->set, stream->stream_id, t, e);
}

static bool take_sources(struct review *v, size_t table, struct row_named *t, struct err *e)
{
	for (size_t i = 0; i < v->plan->n_sources; i++)
		if (v->plan->sources[i].table == table &&
			!take_source(v, t, &v->plan->sources[i], e))
			return false;
	return true;
}

/* What is left of a table that cannot be taken over as it is configured: it is as it was, and gets no more rows. */
static bool leave_out(struct row_set *set, struct row_named *t, struct err *e)
{
	const int64_t live_id = t->live.table_id;
	const int64_t filling_id = t->filling.table_id;

	if (!row_set_is_its_own(set, e))
		return false;
	log_line(LOG_ERROR,
		"cannot fill a row table as it is configured; it is tried again after the next start or "
		"SIGHUP",
		log_text("table", t->name), log_err(e));
	row_table_free(t->live.rows);
	row_table_free(t->filling.rows);
	t->live = (struct row_part){ 0 };
	t->filling = (struct row_part){ 0 };
	return db_exec(set->db, "ROLLBACK TO row_table", e) && row_set_break(set, live_id, e) &&
		row_set_break(set, filling_id, e);
}

static bool take_planned(struct review *v, size_t table, struct err *e)
{
	const struct row_plan_table *p = &v->plan->tables[table];
	struct row_named *t = row_set_add_table(v->set, p->name);

	v->n_params = 0;
	for (size_t i = 0; i < v->plan->n_sources; i++)
		if (v->plan->sources[i].table == table)
			v->params[v->n_params++] = v->plan->sources[i].params;
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!db_exec(v->set->db, "SAVEPOINT row_table", e) ||
		(!take_table(v, table, p, t, e) && !leave_out(v->set, t, e)) ||
		!db_exec(v->set->db, "RELEASE row_table", e))
		return false;
	return take_sources(v, table, t, e);
}

static bool is_planned(const struct row_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_tables; i++)
		if (sqlite3_stricmp(plan->tables[i].name, name) == 0)
			return true;
	return false;
}

/* Tables that are not configured any more: what comes from now on is not in them. */
static bool leave_others(struct review *v, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(v->set->db, &st,
		"SELECT table_id, name FROM row_table WHERE state <> 'leaving'", e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found && !is_planned(v->plan, (const char *)sqlite3_column_text(st, 1)))
			ok = db_step_numbers(v->statement[LEAVE_UNPLANNED],
				(int64_t[]){ sqlite3_column_int64(st, 0), v->last_id }, 2, e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

bool row_review(
	struct row_set *set, struct streams *streams, const struct row_plan *plan, struct err *e)
{
	struct review v = { .set = set, .all_streams = streams, .plan = plan };
	bool ok;

	row_set_forget(set);
	v.params = calloc(plan->n_sources + 1, sizeof(*v.params));
	ok = (v.params != NULL || err_set(e, ERR_NOMEM, "out of memory")) &&
		db_prepare_all(set->db, v.statement, statement_sql, STATEMENTS, e) &&
		begin_review(&v, e);
	for (size_t i = 0; ok && i < plan->n_tables; i++)
		ok = take_planned(&v, i, e);
	ok = ok && leave_others(&v, e);
	db_finalize_all(v.statement, STATEMENTS);
	map_release(&v.streams);
	free(v.params);
	return ok;
}
