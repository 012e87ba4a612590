#include "store/verify_rows.h"

#include "base/json.h"
#include "store/db.h"
#include "store/row_table.h"
#include "store/verify_notes.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define FINDING_MAX 400

/* The events of `r` (row_source) whose rows must be there, see the schema. */
#define IN_TABLE \
	"(r.left_id IS NULL OR e.event_id <= r.left_id) AND (r.until_id IS NULL " \
	"OR e.event_id <= r.after_id OR e.event_id > r.until_id " \
	"OR (r.at_timestamp IS NOT NULL AND (e.timestamp, e.seq) <= (r.at_timestamp, r.at_seq)))"

/* A table that is checked. */
struct check {
	struct sqlite3 *db;
	void (*find)(void *arg, const char *finding);
	void *arg;
	int64_t table_id;
	const char *name;
	struct sqlite3 *memory;
	struct row_table *rows;       /* in memory: what should be there */
	struct sqlite3_stmt *wanted;  /* all of it */
	struct sqlite3_stmt *present; /* the rows of one event */
	struct sqlite3_stmt *clear;
	struct verify_notes notes;
	int columns;
};

static void tell(const struct check *c, int64_t event_id, const char *what)
{
	char text[FINDING_MAX];

	(void)snprintf(text, sizeof(text), "row table \"%s\", event %lld: %s", c->name,
		(long long)event_id, what);
	c->find(c->arg, text);
}

/* Makes the table in memory, with the columns that are ours, and the statement that reads them in the recording. */
static bool copy_columns(struct check *c, struct err *e)
{
	sqlite3_str *names = sqlite3_str_new(c->db);
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	char *list;
	char *create;
	bool ok = db_prepare_made(c->db, &st,
		sqlite3_mprintf(
			"SELECT name FROM pragma_table_info(%Q) i WHERE cid >= 3 AND (name = '_more' COLLATE NOCASE OR EXISTS "
			"(SELECT 1 FROM row_column WHERE table_id = %lld AND column = i.name COLLATE NOCASE)) "
			"ORDER BY cid",
			c->name, (long long)c->table_id),
		e);

	c->columns = 3;
	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found) {
			sqlite3_str_appendf(
				names, ",\"%w\"", (const char *)sqlite3_column_text(st, 0));
			c->columns++;
		}
	}
	(void)sqlite3_finalize(st);
	sqlite3_str_appendall(names, " ");
	list = sqlite3_str_finish(names);
	create = sqlite3_mprintf("CREATE TABLE t (_row INTEGER PRIMARY KEY, event_id, timestamp%s)",
		list != NULL ? list : "");
	ok = ok && ((list != NULL && create != NULL) || err_set(e, ERR_NOMEM, "out of memory")) &&
		db_exec(c->memory, create, e) &&
		db_prepare_made(c->db, &c->present,
			sqlite3_mprintf(
				"SELECT _row, event_id, timestamp%sFROM \"%w\" WHERE _row >= ?1 "
				"AND _row < ?2 ORDER BY _row",
				list, c->name),
			e);
	sqlite3_free(list);
	sqlite3_free(create);
	return ok;
}

static bool copy_names(struct check *c, struct err *e)
{
	struct sqlite3_stmt *from = NULL;
	struct sqlite3_stmt *to = NULL;
	bool found = true;
	bool ok = db_exec(c->memory,
			  "CREATE TABLE row_column (table_id, source, member, column, "
			  "PRIMARY KEY (table_id, source, member))",
			  e) &&
		db_prepare(c->memory, &to, "INSERT INTO row_column VALUES (?1, ?2, ?3, ?4)", e) &&
		db_prepare(c->db, &from,
			"SELECT table_id, source, member, column FROM row_column WHERE table_id = ?1 "
			"ORDER BY rowid",
			e);

	if (ok)
		(void)sqlite3_bind_int64(from, 1, c->table_id);
	while (ok && found) {
		ok = db_first(from, &found, e);
		for (int i = 0; ok && found && i < 4; i++)
			(void)sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
		ok = ok && (!found || db_step(to, e));
	}
	(void)sqlite3_finalize(from);
	(void)sqlite3_finalize(to);
	return ok;
}

static bool open_memory(struct check *c, struct err *e)
{
	const struct row_table_name name = {
		.table_id = c->table_id, .name = c->name, .sql_name = "t", .indexes = "[]"
	};

	if (sqlite3_open(":memory:", &c->memory) != SQLITE_OK)
		return err_set(e, ERR_NOMEM, "out of memory");
	return copy_columns(c, e) && copy_names(c, e) &&
		row_table_open(&c->rows, c->memory, &name, e) &&
		verify_notes_open(&c->notes, c->db, c->table_id, c->memory, e) &&
		db_prepare(c->memory, &c->wanted, "SELECT * FROM t ORDER BY _row", e) &&
		db_prepare(c->memory, &c->clear, "DELETE FROM t", e);
}

static bool is_same(struct sqlite3_stmt *a, struct sqlite3_stmt *b, int i)
{
	int type = sqlite3_column_type(a, i);
	int bytes;

	if (type != sqlite3_column_type(b, i))
		return false;
	if (type == SQLITE_INTEGER)
		return sqlite3_column_int64(a, i) == sqlite3_column_int64(b, i);
	if (type == SQLITE_FLOAT)
		return !(sqlite3_column_double(a, i) < sqlite3_column_double(b, i)) &&
			!(sqlite3_column_double(a, i) > sqlite3_column_double(b, i));
	bytes = sqlite3_column_bytes(a, i);
	return bytes == sqlite3_column_bytes(b, i) &&
		(bytes == 0 ||
			memcmp(sqlite3_column_blob(a, i), sqlite3_column_blob(b, i),
				(size_t)bytes) == 0);
}

/* Says how a row differs from what it should be; NULL: it does not. */
static const char *compare_row(const struct check *c)
{
	if (sqlite3_column_int64(c->wanted, 0) < sqlite3_column_int64(c->present, 0))
		return "a row is missing";
	if (sqlite3_column_int64(c->wanted, 0) > sqlite3_column_int64(c->present, 0))
		return "it has a row that its results do not have";
	if (sqlite3_column_count(c->wanted) > c->columns)
		return "a member of its rows has no column";
	for (int i = 1; i < c->columns; i++)
		if (!is_same(c->wanted, c->present, i))
			return "a row differs from its results";
	return NULL;
}

/* Compares the rows of one event; one finding is enough. */
static bool compare(struct check *c, int64_t event_id, struct err *e)
{
	const char *wrong = NULL;
	bool is_wanted = true;
	bool is_present = true;
	bool ok = true;

	(void)sqlite3_bind_int64(c->present, 1, event_id << ROW_PLACE_BITS);
	(void)sqlite3_bind_int64(c->present, 2, (event_id + 1) << ROW_PLACE_BITS);
	while (ok && wrong == NULL && is_wanted && is_present) {
		ok = db_first(c->wanted, &is_wanted, e) && db_first(c->present, &is_present, e);
		if (ok && is_wanted && is_present)
			wrong = compare_row(c);
		else if (ok && is_wanted != is_present)
			wrong = is_wanted ? "a row is missing"
					  : "it has a row that its results do not have";
	}
	(void)sqlite3_reset(c->wanted);
	(void)sqlite3_reset(c->present);
	if (wrong != NULL)
		tell(c, event_id, wrong);
	return ok && db_step(c->clear, e);
}

/* Puts every event that the table should hold into memory, and compares. */
static bool check_events(struct check *c, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(c->db, &st,
		"SELECT e.event_id, e.timestamp, s.params, e.results, s.stream_id FROM row_source r "
		"JOIN stream s USING (stream_id) JOIN event e ON e.stream_id = r.stream_id "
		"WHERE r.table_id = ?1 AND " IN_TABLE,
		e);

	if (ok)
		(void)sqlite3_bind_int64(st, 1, c->table_id);
	while (ok && found) {
		struct row_event event;
		const char *note;

		ok = db_first(st, &found, e);
		if (!ok || !found)
			break;
		event = (struct row_event){ .event_id = sqlite3_column_int64(st, 0),
			.timestamp_us = sqlite3_column_int64(st, 1),
			.params = db_column(st, 2),
			.results = db_column(st, 3) };
		/* What is no JSON has its own finding. */
		if (!json_validate(event.results, NULL, e) || !json_validate(event.params, NULL, e))
			continue;
		ok = row_table_put(c->rows, &event, &note, e) &&
			(note == NULL ||
				verify_notes_add(&c->notes, sqlite3_column_int64(st, 4), note,
					event.event_id, e)) &&
			compare(c, event.event_id, e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool check_strays(struct check *c, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare_made(c->db, &st,
		sqlite3_mprintf(
			"SELECT _row >> %d FROM \"%w\" x WHERE NOT EXISTS (SELECT 1 FROM event e "
			"JOIN row_source r ON r.stream_id = e.stream_id AND r.table_id = %lld "
			"WHERE e.event_id = x._row >> %d AND " IN_TABLE ")",
			ROW_PLACE_BITS, c->name, (long long)c->table_id, ROW_PLACE_BITS),
		e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			tell(c, sqlite3_column_int64(st, 0), "it has a row, and should have none");
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool check_table(struct check *c, bool is_broken, struct err *e)
{
	const struct row_table_name name = {
		.table_id = c->table_id, .name = c->name, .sql_name = c->name, .indexes = "[]"
	};
	char text[FINDING_MAX];
	bool whole = false;
	bool ok = row_table_is_whole(c->db, &name, &whole, e);

	if (ok && (is_broken || !whole)) {
		(void)snprintf(text, sizeof(text), "row table \"%s\": %s", c->name,
			whole ? "it was given up, and is filled anew after the next start or SIGHUP"
			      : "it, or a column of it, has gone");
		c->find(c->arg, text);
	} else if (ok) {
		ok = open_memory(c, e) && check_events(c, e) && check_strays(c, e) &&
			verify_notes_compare(&c->notes, c->name, c->find, c->arg, e);
	}
	(void)sqlite3_finalize(c->wanted);
	(void)sqlite3_finalize(c->present);
	(void)sqlite3_finalize(c->clear);
	verify_notes_close(&c->notes);
	row_table_free(c->rows);
	db_close(c->memory);
	return ok;
}

bool verify_rows(
	struct sqlite3 *db, void (*find)(void *arg, const char *finding), void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st,
		"SELECT table_id, name, state = 'broken' FROM row_table WHERE state IN ('live', 'broken')",
		e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found) {
			struct check c = { .db = db,
				.find = find,
				.arg = arg,
				.table_id = sqlite3_column_int64(st, 0),
				.name = (const char *)sqlite3_column_text(st, 1) };

			ok = check_table(&c, sqlite3_column_int(st, 2) != 0, e);
		}
	}
	(void)sqlite3_finalize(st);
	return ok;
}
