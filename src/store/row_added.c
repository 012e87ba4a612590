#include "store/row_added.h"

#include "store/db.h"

#include <sqlite3.h>
#include <string.h>

/* A CHECK is part of the table's text alone; in doubt there is one. */
static const char look_sql[] =
	"SELECT name, hidden = 0 AND \"notnull\" = 0 AND dflt_value IS NULL AND (type = '' OR "
	"	(type LIKE '%BLOB%' AND type NOT LIKE '%INT%' AND type NOT LIKE '%CHAR%' "
	"	AND type NOT LIKE '%CLOB%' AND type NOT LIKE '%TEXT%')) "
	"AND NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list(?1) WHERE \"from\" = ?2 COLLATE NOCASE) "
	"AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) l JOIN pragma_index_info(l.name) i "
	"	WHERE l.\"unique\" AND i.name = ?2 COLLATE NOCASE) "
	"AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' "
	"	AND name = ?1 COLLATE NOCASE AND lower(substr(sql, instr(sql, '('))) GLOB '*check*(*') "
	"FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE";

static bool is_empty(
	struct sqlite3 *db, const char *table, const char *name, bool *empty, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	bool ok = db_prepare_made(db, &st,
			  sqlite3_mprintf("SELECT 1 FROM (SELECT \"%w\" AS value FROM \"%w\" "
					  "ORDER BY _row DESC LIMIT %d) WHERE value IS NOT NULL",
				  name, table, ROW_ADDED_LOOK),
			  e) &&
		db_first(st, &found, e);

	(void)sqlite3_finalize(st);
	*empty = !found;
	return ok;
}

static bool look(
	struct sqlite3 *db, const char *table, char *name, enum row_added *out, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool empty = false;
	bool found;
	bool ok = db_prepare(db, &st, look_sql, e);

	if (ok) {
		(void)sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(st, 2, name, -1, SQLITE_TRANSIENT);
		ok = db_first(st, &found, e);
	}
	if (ok && found) {
		*out = sqlite3_column_int(st, 1) != 0 ? ROW_ADDED_USABLE : ROW_ADDED_TAKEN;
		/* Case alone differs, so it has the same length. */
		memcpy(name, sqlite3_column_text(st, 0), strlen(name));
	}
	(void)sqlite3_finalize(st);
	if (ok && *out == ROW_ADDED_USABLE) {
		ok = is_empty(db, table, name, &empty, e);
		*out = empty ? ROW_ADDED_USABLE : ROW_ADDED_TAKEN;
	}
	return ok;
}

/* Nearly always there is none, which is told without a query. A rowid has a name, too, and is no column. */
static bool may_be_there(struct sqlite3 *db, const char *table, const char *name)
{
	return sqlite3_table_column_metadata(
		       db, "main", table, name, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

bool row_added_find(
	struct sqlite3 *db, const char *table, char *name, enum row_added *out, struct err *e)
{
	*out = ROW_ADDED_NONE;
	return !may_be_there(db, table, name) || look(db, table, name, out, e);
}

bool row_added_is_there(
	struct sqlite3 *db, const char *table, const char *name, bool *there, struct err *e)
{
	int64_t count = 0;
	bool ok = !may_be_there(db, table, name) ||
		db_number_made(db,
			sqlite3_mprintf("SELECT count(*) FROM pragma_table_xinfo(%Q) "
					"WHERE name = %Q COLLATE NOCASE",
				table, name),
			&count, e);

	*there = count != 0;
	return ok;
}
