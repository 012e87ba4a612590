#include "store/row_columns.h"

#include "base/json.h"
#include "store/db.h"
#include "store/row_added.h"
#include "store/row_table.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static const char *const origin_name[ROW_ORIGINS] = {
	[ROW_PARAM] = "param", [ROW_MEMBER] = "member"
};
static const char more_name[] = "_more";

bool row_columns_init(
	struct row_columns *c, struct sqlite3 *db, int64_t table_id, const char *sql_name)
{
	*c = (struct row_columns){ .db = db, .table_id = table_id, .more = ROW_NO_COLUMN };
	buf_init(&c->name, SIZE_MAX);
	c->sql_name = strdup(sql_name);
	c->all = calloc(ROW_COLUMNS_MAX + 1, sizeof(*c->all));
	return c->sql_name != NULL && c->all != NULL;
}

void row_columns_release(struct row_columns *c)
{
	row_aliases_release(&c->aliases);
	for (size_t i = 0; i < c->count; i++) {
		free(c->all[i].name);
		free(c->all[i].member);
	}
	free(c->all);
	free(c->sql_name);
	buf_release(&c->name);
}

bool row_columns_table_renamed(struct row_columns *c, const char *sql_name)
{
	char *copy = strdup(sql_name);

	if (copy == NULL)
		return false;
	free(c->sql_name);
	c->sql_name = copy;
	c->version++;
	return true;
}

size_t row_columns_find(const struct row_columns *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (sqlite3_stricmp(c->all[i].name, name) == 0)
			return i;
	return ROW_NO_COLUMN;
}

static bool keep_column(struct row_columns *c, const char *name, enum row_origin origin,
	const char *member, struct err *e)
{
	struct row_column *column;

	column = &c->all[c->count];
	*column = (struct row_column){
		.name = strdup(name), .member = strdup(member), .origin = origin
	};
	if (column->name == NULL || column->member == NULL) {
		free(column->name);
		free(column->member);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	if (sqlite3_stricmp(name, more_name) == 0)
		c->more = c->count;
	c->count++;
	c->version++;
	return true;
}

static bool note_column(struct row_columns *c, enum row_origin origin, const char *member,
	const char *column, struct err *e)
{
	return db_exec_made(c->db,
		sqlite3_mprintf("INSERT OR REPLACE INTO row_column (table_id, source, member, "
				"column) VALUES (%lld, %Q, %Q, %Q)",
			(long long)c->table_id, origin_name[origin], member, column),
		e);
}

/* Makes a column, or takes one that `is_there`. */
static bool add_column(struct row_columns *c, const char *name, bool is_there,
	enum row_origin origin, const char *member, struct err *e)
{
	return (is_there ||
		       db_exec_made(c->db,
			       sqlite3_mprintf(
				       "ALTER TABLE \"%w\" ADD COLUMN \"%w\"", c->sql_name, name),
			       e)) &&
		(origin == ROW_OURS || note_column(c, origin, member, name, e)) &&
		keep_column(c, name, origin, member, e);
}

/* A name for a column: `prefix` and `name`, if need be with a number. `*is_there`: a user has added a column of
 * this name, which can be used; NULL: there must be none. The caller frees the name with sqlite3_free. */
static bool free_name(struct row_columns *c, const char *prefix, const char *name, bool *is_there,
	char **out, struct err *e)
{
	enum row_added added = ROW_ADDED_NONE;
	char *text = sqlite3_mprintf("%s%s", prefix, name);

	for (int n = 2; text != NULL; n++) {
		bool is_taken = row_columns_find(c, text) != ROW_NO_COLUMN;

		if (!is_taken && !row_added_find(c->db, c->sql_name, text, &added, e)) {
			sqlite3_free(text);
			return false;
		}
		if (!is_taken && added == ROW_ADDED_NONE)
			break;
		if (!is_taken && added == ROW_ADDED_USABLE && is_there != NULL && n == 2)
			break;
		sqlite3_free(text);
		text = sqlite3_mprintf("%s%s_%d", prefix, name, n);
	}
	if (is_there != NULL)
		*is_there = added == ROW_ADDED_USABLE;
	*out = text;
	return text != NULL || err_set(e, ERR_NOMEM, "out of memory");
}

bool row_columns_is_ours(const char *name)
{
	static const char *const ours[] = { "_row", "event_id", "timestamp", more_name };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (sqlite3_stricmp(ours[i], name) == 0)
			return true;
	return false;
}

/* SQLite looks through all views and triggers for the column. One of a user's that has an error, because he dropped what
 * it reads, would keep it from that, but not while the schema is writable. */
static bool rename_column(struct row_columns *c, const char *from, const char *to, struct err *e)
{
	bool ok;

	(void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
	ok = db_exec_made(c->db,
		sqlite3_mprintf(
			"ALTER TABLE \"%w\" RENAME COLUMN \"%w\" TO \"%w\"", c->sql_name, from, to),
		e);
	(void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, NULL);
	return ok;
}

bool row_columns_rename_param(struct row_columns *c, size_t column, struct err *e)
{
	struct row_column *param = &c->all[column];
	char *name;
	char *copy;
	bool ok;

	if (!free_name(c, "param_", param->member, NULL, &name, e))
		return false;
	copy = strdup(name);
	ok = (copy != NULL || err_set(e, ERR_NOMEM, "out of memory")) &&
		rename_column(c, param->name, name, e) &&
		db_exec_made(c->db,
			sqlite3_mprintf("UPDATE row_column SET column = %Q WHERE table_id = %lld "
					"AND source = 'param' AND column = %Q",
				name, (long long)c->table_id, param->name),
			e);
	sqlite3_free(name);
	if (!ok) {
		free(copy);
		return false;
	}
	free(param->name);
	param->name = copy;
	c->version++;
	c->has_renamed = true;
	return true;
}

bool row_columns_for(struct row_columns *c, enum row_origin origin, const char *member,
	size_t *column, struct err *e)
{
	size_t found = row_columns_find(c, member);
	const char *prefix = "";
	bool is_there;
	char *name;
	bool ok;

	/* A column that was made for this name may have got another one. */
	for (size_t i = 0; i < c->count; i++)
		if (c->all[i].origin == origin && sqlite3_stricmp(c->all[i].member, member) == 0) {
			*column = i;
			return note_column(c, origin, member, c->all[i].name, e);
		}
	*column = ROW_NO_COLUMN;
	if (c->count - (c->more != ROW_NO_COLUMN) >= ROW_COLUMNS_MAX)
		return true;
	if (origin == ROW_PARAM && (found != ROW_NO_COLUMN || row_columns_is_ours(member)))
		prefix = "param_";
	else if (origin == ROW_MEMBER && row_columns_is_ours(member))
		prefix = "row_";
	else if (found != ROW_NO_COLUMN && c->all[found].origin == ROW_PARAM &&
		!row_columns_rename_param(c, found, e))
		return false;
	if (!free_name(c, prefix, member, &is_there, &name, e))
		return false;
	ok = add_column(c, name, is_there, origin, member, e);
	sqlite3_free(name);
	*column = c->count - 1;
	return ok;
}

/* ---- names in the JSON ---- */

bool row_columns_resolve(struct row_columns *c, enum row_origin origin, struct slice token,
	size_t *column, struct err *e)
{
	char member[ROW_COLUMN_NAME_MAX + 1];
	struct err ignored;

	if (row_aliases_find(&c->aliases, origin, token, column))
		return true;
	*column = ROW_NO_COLUMN;
	c->name.len = 0;
	if (row_aliases_are_full(&c->aliases) || token.len <= 2 ||
		token.len > 6 * ROW_COLUMN_NAME_MAX || /* an escape has 6 bytes at most */
		!json_string_decode(token, &c->name, &ignored) ||
		c->name.len > ROW_COLUMN_NAME_MAX ||
		memchr(c->name.data, '\0', c->name.len) != NULL)
		return true;
	memcpy(member, c->name.data, c->name.len);
	member[c->name.len] = '\0';
	if (!row_columns_for(c, origin, member, column, e))
		return false;
	return *column == ROW_NO_COLUMN || row_aliases_keep(&c->aliases, origin, token, *column) ||
		err_set(e, ERR_NOMEM, "out of memory");
}

/* ---- tables ---- */

static bool keep_ours(struct row_columns *c, struct err *e)
{
	return keep_column(c, "_row", ROW_OURS, "_row", e) &&
		keep_column(c, "event_id", ROW_OURS, "event_id", e) &&
		keep_column(c, "timestamp", ROW_OURS, "timestamp", e);
}

bool row_columns_create(struct row_columns *c, struct err *e)
{
	return db_exec_made(c->db,
		       sqlite3_mprintf("CREATE TABLE \"%w\" (_row INTEGER PRIMARY KEY, "
				       "event_id INTEGER NOT NULL, timestamp INTEGER NOT NULL)",
			       c->sql_name),
		       e) &&
		keep_ours(c, e);
}

bool row_columns_add_more(struct row_columns *c, struct err *e)
{
	char name[] = "_more";
	enum row_added added;

	return row_added_find(c->db, c->sql_name, name, &added, e) &&
		add_column(c, name, added != ROW_ADDED_NONE, ROW_OURS, more_name, e);
}

/* A column that the table has; one that a user has added himself is not ours to fill. */
static bool load_column(struct row_columns *c, const char *name, const char *source,
	const char *member, struct err *e)
{
	if (sqlite3_stricmp(name, more_name) == 0)
		return keep_column(c, name, ROW_OURS, name, e);
	if (member == NULL)
		return true;
	return keep_column(c, name,
		strcmp(source, origin_name[ROW_PARAM]) == 0 ? ROW_PARAM : ROW_MEMBER, member, e);
}

bool row_columns_load(struct row_columns *c, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = keep_ours(c, e) &&
		db_prepare(c->db, &st,
			"SELECT i.name, c.source, c.member FROM pragma_table_info(?1) i LEFT JOIN row_column c "
			"ON c.table_id = ?2 AND c.column = i.name COLLATE NOCASE AND c.rowid = "
			"	(SELECT min(o.rowid) FROM row_column o WHERE o.table_id = ?2 AND o.column = c.column) "
			"WHERE i.cid >= 3 ORDER BY i.cid",
			e);

	if (ok) {
		(void)sqlite3_bind_text(st, 1, c->sql_name, -1, SQLITE_STATIC);
		(void)sqlite3_bind_int64(st, 2, c->table_id);
	}
	while (ok && found && c->count <= ROW_COLUMNS_MAX) {
		ok = db_first(st, &found, e);
		if (ok && found)
			ok = load_column(c, (const char *)sqlite3_column_text(st, 0),
				(const char *)sqlite3_column_text(st, 1),
				(const char *)sqlite3_column_text(st, 2), e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}
