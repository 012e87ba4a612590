#include "store/row_set.h"

#include "base/log.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SET_STATE, BREAK, NOTE };

static const char *const statement_sql[ROW_SET_STATEMENTS] = {
	[SET_STATE] = "UPDATE row_table SET state = ?2 WHERE table_id = ?1",
	[BREAK] = "UPDATE row_table SET state = CASE state WHEN 'filling' THEN 'leaving' "
		  "ELSE 'broken' END WHERE table_id = ?1",
	[NOTE] = "INSERT INTO row_note (table_id, stream_id, note, events, first_id, last_id) "
		 "VALUES (?1, ?2, ?3, 1, ?4, ?4) ON CONFLICT (table_id, stream_id, note) "
		 "DO UPDATE SET events = events + 1, first_id = min(first_id, ?4), "
		 "last_id = max(last_id, ?4)",
};

static const char *const state_name[ROW_STATES] = { "live", "filling", "leaving" };

/* A stream whose events go into a table. */
struct source {
	int64_t stream_id;
	struct row_named *table;
};

bool row_set_init(struct row_set *set, struct sqlite3 *db, struct err *e)
{
	*set = (struct row_set){ .db = db };
	return db_prepare_all(db, set->statement, statement_sql, ROW_SET_STATEMENTS, e);
}

void row_set_release(struct row_set *set)
{
	row_set_forget(set);
	db_finalize_all(set->statement, ROW_SET_STATEMENTS);
}

void row_set_forget(struct row_set *set)
{
	for (size_t i = 0; i < set->sources.capacity; i++)
		free(set->sources.slots[i].item);
	map_release(&set->sources);
	while (set->tables != NULL) {
		struct row_named *t = set->tables;

		set->tables = t->next;
		row_table_free(t->live.rows);
		row_table_free(t->filling.rows);
		free(t->name);
		free(t);
	}
}

struct row_named *row_set_add_table(struct row_set *set, const char *name)
{
	struct row_named *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->name = strdup(name);
	if (t->name == NULL) {
		free(t);
		return NULL;
	}
	t->next = set->tables;
	set->tables = t;
	return t;
}

struct row_opened row_set_find(struct row_set *set, int64_t table_id)
{
	for (struct row_named *t = set->tables; t != NULL; t = t->next) {
		if (t->live.table_id == table_id)
			return (struct row_opened){ &t->live, t };
		if (t->filling.table_id == table_id)
			return (struct row_opened){ &t->filling, t };
	}
	return (struct row_opened){ NULL, NULL };
}

/* ---- in the file ---- */

bool row_set_state(struct row_set *set, int64_t table_id, enum row_state state, struct err *e)
{
	struct sqlite3_stmt *st = set->statement[SET_STATE];

	(void)sqlite3_bind_int64(st, 1, table_id);
	(void)sqlite3_bind_text(st, 2, state_name[state], -1, SQLITE_STATIC);
	return db_step(st, e);
}

bool row_set_break(struct row_set *set, int64_t table_id, struct err *e)
{
	return db_step_numbers(set->statement[BREAK], &table_id, 1, e);
}

const char *row_set_state_name(enum row_state state)
{
	return state_name[state];
}

char *row_set_aside(const char *name, int64_t table_id)
{
	return sqlite3_mprintf("%s:%lld", name, (long long)table_id);
}

bool row_set_is_taken(struct row_set *set, const char *name, bool *taken, struct err *e)
{
	int64_t count = 0;
	bool ok = db_number_made(set->db,
		sqlite3_mprintf(
			"SELECT count(*) FROM sqlite_schema WHERE name = %Q COLLATE NOCASE", name),
		&count, e);

	*taken = count != 0;
	return ok;
}

bool row_set_erase(struct row_set *set, int64_t table_id, struct err *e)
{
	char sql[320];

	(void)snprintf(sql, sizeof(sql),
		"DELETE FROM row_note WHERE table_id = %lld; DELETE FROM row_source WHERE table_id = "
		"%lld; DELETE FROM row_column WHERE table_id = %lld; DELETE FROM row_table WHERE "
		"table_id = %lld",
		(long long)table_id, (long long)table_id, (long long)table_id, (long long)table_id);
	return db_exec(set->db, sql, e);
}

bool row_set_is_its_own(struct row_set *set, const struct err *e)
{
	if (e->code == ERR_NOMEM)
		return false;
	switch (sqlite3_errcode(set->db) & 0xff) {
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

/* Gives up a table that somebody else has changed. False if that could not be noted; or if it is noted, but what stands
 * in the same transaction is lost and to be done again: a user's trigger, or constraint, has rolled it back. */
static bool give_up(
	struct row_set *set, const struct row_named *t, struct row_part *part, struct err *e)
{
	bool is_rolled_back;

	if (!row_set_is_its_own(set, e))
		return false;
	log_line(LOG_ERROR,
		"cannot fill a row table; it is filled anew after the next start or SIGHUP",
		log_text("table", t->name), log_err(e));
	row_table_free(part->rows);
	part->rows = NULL;
	is_rolled_back = sqlite3_get_autocommit(set->db) != 0;
	return row_set_break(set, part->table_id, e) && !is_rolled_back;
}

/* ---- events ---- */

static bool note(struct row_set *set, struct row_named *t, struct row_part *part, int64_t stream_id,
	int64_t event_id, const char *text, struct err *e)
{
	struct sqlite3_stmt *st = set->statement[NOTE];

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

bool row_set_put(struct row_set *set, struct row_named *t, struct row_part *part, int64_t stream_id,
	const struct row_event *event, struct err *e)
{
	const char *text;

	if (part->rows == NULL)
		return true;
	if (!row_table_put(part->rows, event, &text, e))
		return give_up(set, t, part, e);
	return text == NULL || note(set, t, part, stream_id, event->event_id, text, e);
}

static uint64_t hash_of(int64_t stream_id)
{
	return map_hash(0, (struct slice){ (const char *)&stream_id, sizeof(stream_id) });
}

static bool same_source(const void *item, const void *key)
{
	return ((const struct source *)item)->stream_id == *(const int64_t *)key;
}

bool row_set_add_source(
	struct row_set *set, int64_t stream_id, struct row_named *table, struct err *e)
{
	struct source *source;

	if (map_find(&set->sources, hash_of(stream_id), same_source, &stream_id) != NULL)
		return true;
	source = malloc(sizeof(*source));
	if (source == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	*source = (struct source){ stream_id, table };
	if (map_add(&set->sources, hash_of(stream_id), source))
		return true;
	free(source);
	return err_set(e, ERR_NOMEM, "out of memory");
}

bool row_set_put_event(
	struct row_set *set, int64_t stream_id, const struct row_event *event, struct err *e)
{
	const struct source *s;

	if (set->sources.count == 0)
		return true;
	s = map_find(&set->sources, hash_of(stream_id), same_source, &stream_id);
	return s == NULL ||
		(row_set_put(set, s->table, &s->table->live, stream_id, event, e) &&
			row_set_put(set, s->table, &s->table->filling, stream_id, event, e));
}
