#include "store/verify_notes.h"

#include "store/db.h"

#include <sqlite3.h>

static const char tables_sql[] =
	"CREATE TABLE told (stream_id, note, events, first_id, last_id, is_trimmed, "
	"PRIMARY KEY (stream_id, note)); "
	"CREATE TABLE counted (stream_id, note, events, first_id, last_id, "
	"PRIMARY KEY (stream_id, note))";

static const char count_sql[] =
	"INSERT INTO counted VALUES (?1, ?2, 1, ?3, ?3) ON CONFLICT (stream_id, note) DO UPDATE SET "
	"events = events + 1, first_id = min(first_id, ?3), last_id = max(last_id, ?3)";

static const char compare_sql[] =
	"WITH pair AS (SELECT stream_id, note FROM told UNION SELECT stream_id, note FROM counted) "
	"SELECT 'row table \"' || ?1 || '\", stream ' || stream_id || ': row_note tells of ' || "
	"CASE WHEN t.events IS NULL THEN 'no events' ELSE t.events || ' events from ' || t.first_id || "
	"' to ' || t.last_id END || ', there are ' || "
	"CASE WHEN c.events IS NULL THEN 'none' ELSE c.events || ' from ' || c.first_id || ' to ' || "
	"c.last_id END || ': ' || note "
	"FROM pair LEFT JOIN told t USING (stream_id, note) LEFT JOIN counted c USING (stream_id, note) "
	"WHERE CASE WHEN t.is_trimmed THEN t.events < c.events OR t.first_id > c.first_id "
	"	OR t.last_id <> c.last_id OR t.first_id > t.last_id "
	"ELSE (t.events, t.first_id, t.last_id) IS NOT (c.events, c.first_id, c.last_id) END";

static bool copy_told(struct sqlite3 *db, int64_t table_id, struct sqlite3 *memory, struct err *e)
{
	struct sqlite3_stmt *from = NULL;
	struct sqlite3_stmt *to = NULL;
	bool found = true;
	bool ok = db_prepare(memory, &to, "INSERT INTO told VALUES (?1, ?2, ?3, ?4, ?5, ?6)", e) &&
		db_prepare(db, &from,
			"SELECT n.stream_id, note, n.events, first_id, last_id, "
			"coalesce(s.retained_from IS NOT NULL, 0) FROM row_note n "
			"LEFT JOIN stream s USING (stream_id) WHERE table_id = ?1",
			e);

	if (ok)
		(void)sqlite3_bind_int64(from, 1, table_id);
	while (ok && found) {
		ok = db_first(from, &found, e);
		for (int i = 0; ok && found && i < 6; i++)
			(void)sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
		ok = ok && (!found || db_step(to, e));
	}
	(void)sqlite3_finalize(from);
	(void)sqlite3_finalize(to);
	return ok;
}

bool verify_notes_open(struct verify_notes *n, struct sqlite3 *db, int64_t table_id,
	struct sqlite3 *memory, struct err *e)
{
	*n = (struct verify_notes){ .memory = memory };
	return db_exec(memory, tables_sql, e) && copy_told(db, table_id, memory, e) &&
		db_prepare(memory, &n->count, count_sql, e);
}

void verify_notes_close(struct verify_notes *n)
{
	(void)sqlite3_finalize(n->count);
}

bool verify_notes_add(struct verify_notes *n, int64_t stream_id, const char *note, int64_t event_id,
	struct err *e)
{
	(void)sqlite3_bind_int64(n->count, 1, stream_id);
	(void)sqlite3_bind_text(n->count, 2, note, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(n->count, 3, event_id);
	return db_step(n->count, e);
}

bool verify_notes_compare(struct verify_notes *n, const char *name,
	void (*find)(void *arg, const char *finding), void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(n->memory, &st, compare_sql, e);

	if (ok)
		(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			find(arg, (const char *)sqlite3_column_text(st, 0));
	}
	(void)sqlite3_finalize(st);
	return ok;
}
