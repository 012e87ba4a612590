#include "store/trim_rows.h"

#include "store/db.h"
#include "store/row_table.h"

#include <sqlite3.h>
#include <stdlib.h>

/* As SQLite names them: one that is being filled has its number behind it. */
static const char tables_sql[] =
	"SELECT m.name FROM row_table t JOIN sqlite_schema m ON m.type = 'table' AND m.name = "
	"CASE WHEN t.state = 'filling' THEN t.name || ':' || t.table_id ELSE t.name END "
	"COLLATE NOCASE WHERE t.state <> 'leaving'";

static bool add(struct trim_rows *r, struct sqlite3 *db, const char *table, struct err *e)
{
	struct sqlite3_stmt **grown = realloc(r->statements, (r->count + 1) * sizeof(*grown));
	char *sql = sqlite3_mprintf("DELETE FROM \"%w\" WHERE _row >= ?1 AND _row < ?2", table);
	bool ok = true;

	if (grown != NULL)
		r->statements = grown;
	if (grown == NULL || sql == NULL) {
		sqlite3_free(sql);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	grown[r->count] = NULL;
	if (db_prepare(db, &grown[r->count], sql, e))
		r->count++;
	else /* a table that somebody has changed has no rows of ours to delete */
		ok = sqlite3_errcode(db) == SQLITE_ERROR;
	sqlite3_free(sql);
	return ok;
}

bool trim_rows_open(struct trim_rows *r, struct sqlite3 *db, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st, tables_sql, e);

	*r = (struct trim_rows){ 0 };
	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			ok = add(r, db, (const char *)sqlite3_column_text(st, 0), e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

void trim_rows_close(struct trim_rows *r)
{
	db_finalize_all(r->statements, (int)r->count);
	free(r->statements);
}

bool trim_rows_delete(struct trim_rows *r, int64_t event_id, struct err *e)
{
	for (size_t i = 0; i < r->count; i++) {
		(void)sqlite3_bind_int64(r->statements[i], 1, event_id << ROW_PLACE_BITS);
		(void)sqlite3_bind_int64(r->statements[i], 2, (event_id + 1) << ROW_PLACE_BITS);
		if (!db_step(r->statements[i], e))
			return false;
	}
	return true;
}
