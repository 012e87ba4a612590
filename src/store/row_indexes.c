#include "store/row_indexes.h"

#include "base/buf.h"
#include "base/json.h"
#include "store/db.h"
#include "store/row_added.h"

#include <sqlite3.h>
#include <string.h>

static bool drop_indexes(struct row_columns *c, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	struct buf sql;
	bool found = true;
	bool ok = db_prepare(c->db, &st,
		"SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 COLLATE NOCASE "
		"AND sql IS NOT NULL AND name LIKE '%:%'",
		e);

	buf_init(&sql, SIZE_MAX);
	if (ok)
		(void)sqlite3_bind_text(st, 1, c->sql_name, -1, SQLITE_STATIC);
	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found) {
			char *drop = sqlite3_mprintf(
				"DROP INDEX \"%w\";", (const char *)sqlite3_column_text(st, 0));

			ok = (drop != NULL && buf_append_str(&sql, drop)) ||
				err_set(e, ERR_NOMEM, "out of memory");
			sqlite3_free(drop);
		}
	}
	(void)sqlite3_finalize(st);
	ok = ok && (buf_append_char(&sql, '\0') || err_set(e, ERR_NOMEM, "out of memory")) &&
		db_exec(c->db, sql.data, e);
	buf_release(&sql);
	return ok;
}

/* Makes the column that an index names: the configuration knows columns before they come. */
static bool make_column(struct row_columns *c, const char *name, size_t *column, struct err *e)
{
	if (sqlite3_strnicmp(name, "row_", 4) == 0 && row_columns_is_ours(name + 4))
		return row_columns_for(c, ROW_MEMBER, name + 4, column, e);
	if (sqlite3_strnicmp(name, "param_", 6) == 0) {
		size_t param = row_columns_find(c, name + 6);

		if (param != ROW_NO_COLUMN && c->all[param].origin == ROW_PARAM) {
			*column = param;
			return row_columns_rename_param(c, param, e);
		}
	}
	return row_columns_for(c, ROW_MEMBER, name, column, e);
}

/* Calls `one` for each index's list of columns. */
static bool each_index(struct row_columns *c, const char *indexes,
	bool (*one)(struct row_columns *c, struct slice columns, const char *name, struct err *e),
	const char *name, struct err *e)
{
	struct json_iter it;
	struct slice columns;

	json_iter_init(&it, slice_of(indexes));
	while (json_iter_next(&it, NULL, &columns))
		if (!one(c, columns, name, e))
			return false;
	return true;
}

/* The name of the column that an index is to have for `name`, which may be one that a user has added; NULL: none.
 * Valid until a column is renamed. */
static bool find_or_make(
	struct row_columns *c, const char *name, const char **column, struct err *e)
{
	size_t found = row_columns_find(c, name);
	bool is_his = false;

	*column = name;
	if (found == ROW_NO_COLUMN && !row_added_is_there(c->db, c->sql_name, name, &is_his, e))
		return false;
	if (is_his)
		return true;
	if (found == ROW_NO_COLUMN && !make_column(c, name, &found, e))
		return false;
	*column = found != ROW_NO_COLUMN ? c->all[found].name : NULL;
	return true;
}

/* The same for an element of an index's list; `name` is scratch, and keeps a name that is not ours. */
static bool column_of(struct row_columns *c, struct slice token, struct buf *name,
	const char **column, struct err *e)
{
	name->len = 0;
	return json_string_decode(token, name, e) &&
		(buf_append_char(name, '\0') || err_set(e, ERR_NOMEM, "out of memory")) &&
		find_or_make(c, name->data, column, e);
}

static bool make_columns(
	struct row_columns *c, struct slice columns, const char *table, struct err *e)
{
	struct json_iter it;
	struct slice token;
	struct buf name;
	const char *column;
	bool ok = true;

	(void)table;
	buf_init(&name, SIZE_MAX);
	json_iter_init(&it, columns);
	while (ok && json_iter_next(&it, NULL, &token))
		ok = column_of(c, token, &name, &column, e);
	buf_release(&name);
	return ok;
}

static bool make_index(
	struct row_columns *c, struct slice columns, const char *table, struct err *e)
{
	sqlite3_str *name = sqlite3_str_new(c->db);
	sqlite3_str *list = sqlite3_str_new(c->db);
	struct json_iter it;
	struct slice token;
	struct buf scratch;
	char *texts[2];
	const char *column;
	bool ok = true;

	buf_init(&scratch, SIZE_MAX);
	sqlite3_str_appendf(name, "%s:%lld:", table, (long long)c->table_id);
	json_iter_init(&it, columns);
	for (int i = 0; ok && json_iter_next(&it, NULL, &token); i++) {
		ok = column_of(c, token, &scratch, &column, e);
		if (ok && column != NULL) {
			sqlite3_str_appendf(name, "%s%s", i != 0 ? "," : "", column);
			sqlite3_str_appendf(list, "%s\"%w\"", i != 0 ? "," : "", column);
		}
	}
	buf_release(&scratch);
	texts[0] = sqlite3_str_finish(name);
	texts[1] = sqlite3_str_finish(list);
	if (ok && (texts[0] == NULL || texts[1] == NULL))
		ok = err_set(e, ERR_NOMEM, "out of memory");
	if (ok && *texts[1] != '\0')
		ok = db_exec_made(c->db,
			sqlite3_mprintf("CREATE INDEX IF NOT EXISTS \"%w\" ON \"%w\" (%s)",
				texts[0], c->sql_name, texts[1]),
			e);
	sqlite3_free(texts[0]);
	sqlite3_free(texts[1]);
	return ok;
}

/* To make a column for one index may rename what another one names: only when nothing moves any more they are made. */
bool row_indexes_make(struct row_columns *c, const char *name, const char *indexes, struct err *e)
{
	do {
		if (c->has_renamed && !drop_indexes(c, e))
			return false;
		c->has_renamed = false;
		if (!each_index(c, indexes, make_columns, name, e))
			return false;
	} while (c->has_renamed);
	return each_index(c, indexes, make_index, name, e);
}
