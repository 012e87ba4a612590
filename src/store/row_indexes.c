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

/* The texts of an index, for sqlite3_free: its name, and the list of its columns in SQL; NULL: it has none. */
static bool index_texts(struct row_columns *c, struct slice columns, const char *table, char **name,
	char **list, struct err *e)
{
	sqlite3_str *names = sqlite3_str_new(c->db);
	sqlite3_str *quoted = sqlite3_str_new(c->db);
	struct json_iter it;
	struct slice token;
	struct buf scratch;
	const char *column;
	bool ok = true;

	buf_init(&scratch, SIZE_MAX);
	sqlite3_str_appendf(names, "%s:%lld:", table, (long long)c->table_id);
	json_iter_init(&it, columns);
	while (ok && json_iter_next(&it, NULL, &token)) {
		ok = column_of(c, token, &scratch, &column, e);
		if (ok && column != NULL) {
			const char *comma = sqlite3_str_length(quoted) != 0 ? "," : "";

			sqlite3_str_appendf(names, "%s%s", comma, column);
			sqlite3_str_appendf(quoted, "%s\"%w\"", comma, column);
		}
	}
	buf_release(&scratch);
	if (ok &&
		(sqlite3_str_errcode(names) != SQLITE_OK ||
			sqlite3_str_errcode(quoted) != SQLITE_OK))
		ok = err_set(e, ERR_NOMEM, "out of memory");
	*name = sqlite3_str_finish(names);
	*list = sqlite3_str_finish(quoted);
	return ok;
}

/* `*has`: the table has an index of ours of these columns, whatever its name. */
static bool has_index(struct row_columns *c, const char *list, bool *has, struct err *e)
{
	int64_t count = 0;
	bool ok = db_number_made(c->db,
		sqlite3_mprintf(
			"SELECT count(*) FROM pragma_index_list(%Q) l WHERE l.name LIKE '%%:%%' "
			"AND (SELECT group_concat('\"' || replace(name, '\"', '\"\"') || '\"') "
			"FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) = %Q "
			"COLLATE NOCASE",
			c->sql_name, list),
		&count, e);

	*has = count != 0;
	return ok;
}

/* Gives an index another name, if the schema has one of its name: two lists of columns may read the same, "a,b"; and who
 * renames a table of ours to keep it takes the indexes along. */
static bool free_index_name(struct row_columns *c, char **name, struct err *e)
{
	int64_t taken;

	while (*name != NULL) {
		if (!db_number_made(c->db,
			    sqlite3_mprintf("SELECT count(*) FROM sqlite_schema WHERE name = %Q "
					    "COLLATE NOCASE",
				    *name),
			    &taken, e))
			return false;
		if (taken == 0)
			return true;
		*name = sqlite3_mprintf("%z_", *name); /* frees it */
	}
	return err_set(e, ERR_NOMEM, "out of memory");
}

static bool make_index(
	struct row_columns *c, struct slice columns, const char *table, struct err *e)
{
	bool has = false;
	char *name;
	char *list;
	bool ok = index_texts(c, columns, table, &name, &list, e) &&
		(list == NULL || has_index(c, list, &has, e));

	if (ok && list != NULL && !has)
		ok = free_index_name(c, &name, e) &&
			db_exec_made(c->db,
				sqlite3_mprintf("CREATE INDEX \"%w\" ON \"%w\" (%s)", name,
					c->sql_name, list),
				e);
	sqlite3_free(name);
	sqlite3_free(list);
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
