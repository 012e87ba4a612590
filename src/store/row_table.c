#include "store/row_table.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "store/db.h"
#include "store/row_value.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_KEEP ((size_t)1 << 20)
/* Names that differ only in case share a column, and would else be remembered without end. */
#define ALIASES_MAX (2 * ROW_COLUMNS_MAX)

enum origin { OURS, PARAM, MEMBER, ORIGINS };
enum { ROW_COLUMN, EVENT_COLUMN, TIMESTAMP_COLUMN, OUR_COLUMNS };

static const char *const origin_name[ORIGINS] = { [PARAM] = "param", [MEMBER] = "member" };
static const char more_name[] = "_more";

struct column {
	char *name;
	char *member; /* the name that it was made for */
	enum origin origin;
	uint64_t stamp; /* the row that it was last bound for */
};

/* A member's name, as it stands in the JSON, and its column. */
struct alias {
	struct slice key; /* behind the alias */
	enum origin origin;
	size_t column;
};

struct member {
	size_t column; /* NO_COLUMN: goes to _more */
	struct slice key;
	struct slice value;
};

#define NO_COLUMN SIZE_MAX

/* The members of an object, with their columns. */
struct members {
	struct member *all;
	size_t count;
	size_t capacity;
	uint64_t stamp; /* that their columns carry */
	bool has_rest;  /* one of them goes to _more */
};

struct row_table {
	struct sqlite3 *db;
	int64_t table_id;
	char *name; /* as configured */
	char *sql_name;
	char *indexes;
	struct column *columns;
	size_t n_columns;
	size_t more; /* the place of _more; NO_COLUMN: not yet */
	struct map aliases;
	struct sqlite3_stmt *insert; /* NULL: the columns have changed */
	bool is_bound;               /* it knows the params of the event in work */
	struct members params;
	struct members row;
	struct buf scratch;
	struct buf rest; /* the text for _more */
	uint64_t stamp;
};

/* ---- SQL with names in it ---- */

static bool run_sql(struct row_table *t, char *sql, struct err *e)
{
	bool ok = sql != NULL ? db_exec(t->db, sql, e) : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok;
}

/* The columns have changed. */
static void forget_insert(struct row_table *t)
{
	(void)sqlite3_finalize(t->insert);
	t->insert = NULL;
}

static bool prepare_insert(struct row_table *t, struct err *e)
{
	sqlite3_str *sql = sqlite3_str_new(t->db);
	char *text;
	bool ok;

	sqlite3_str_appendf(sql, "INSERT OR REPLACE INTO \"%w\" (", t->sql_name);
	for (size_t i = 0; i < t->n_columns; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i != 0 ? "," : "", t->columns[i].name);
	sqlite3_str_appendall(sql, ") VALUES (");
	for (size_t i = 0; i < t->n_columns; i++)
		sqlite3_str_appendall(sql, i != 0 ? ",?" : "?");
	sqlite3_str_appendchar(sql, 1, ')');
	text = sqlite3_str_finish(sql);
	ok = text != NULL ? db_prepare(t->db, &t->insert, text, e)
			  : err_set(e, ERR_NOMEM, "out of memory");
	sqlite3_free(text);
	t->is_bound = false;
	return ok;
}

/* ---- columns ---- */

static size_t find_column(const struct row_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (sqlite3_stricmp(t->columns[i].name, name) == 0)
			return i;
	return NO_COLUMN;
}

static bool keep_column(struct row_table *t, const char *name, enum origin origin,
	const char *member, struct err *e)
{
	struct column *c;

	if (t->columns == NULL)
		t->columns = calloc(ROW_COLUMNS_MAX + 1, sizeof(*t->columns));
	if (t->columns == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	c = &t->columns[t->n_columns];
	*c = (struct column){ .name = strdup(name), .member = strdup(member), .origin = origin };
	if (c->name == NULL || c->member == NULL) {
		free(c->name);
		free(c->member);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	if (strcmp(name, more_name) == 0)
		t->more = t->n_columns;
	t->n_columns++;
	forget_insert(t);
	return true;
}

static bool note_column(struct row_table *t, enum origin origin, const char *member,
	const char *column, struct err *e)
{
	return run_sql(t,
		sqlite3_mprintf("INSERT OR REPLACE INTO row_column (table_id, source, member, "
				"column) VALUES (%lld, %Q, %Q, %Q)",
			(long long)t->table_id, origin_name[origin], member, column),
		e);
}

static bool add_column(struct row_table *t, const char *name, enum origin origin,
	const char *member, struct err *e)
{
	return run_sql(t,
		       sqlite3_mprintf("ALTER TABLE \"%w\" ADD COLUMN \"%w\"", t->sql_name, name),
		       e) &&
		(origin == OURS || note_column(t, origin, member, name, e)) &&
		keep_column(t, name, origin, member, e);
}

/* A name that no column has yet: `prefix` and `name`, if need be with a number; NULL: out of memory. */
static char *free_name(const struct row_table *t, const char *prefix, const char *name)
{
	char *text = sqlite3_mprintf("%s%s", prefix, name);

	for (int n = 2; text != NULL && find_column(t, text) != NO_COLUMN; n++) {
		sqlite3_free(text);
		text = sqlite3_mprintf("%s%s_%d", prefix, name, n);
	}
	return text;
}

static bool is_ours(const char *name)
{
	static const char *const ours[] = { "_row", "event_id", "timestamp", more_name };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (sqlite3_stricmp(ours[i], name) == 0)
			return true;
	return false;
}

static bool drop_indexes(struct row_table *t, struct err *e);
static bool make_indexes(struct row_table *t, struct err *e);

/* A row's member has the name of a param's column, which makes room for it. */
static bool rename_param(struct row_table *t, size_t column, struct err *e)
{
	struct column *c = &t->columns[column];
	char *name = free_name(t, "param_", c->member);
	char *copy = name != NULL ? strdup(name) : NULL;
	bool ok = copy != NULL || err_set(e, ERR_NOMEM, "out of memory");

	ok = ok && drop_indexes(t, e) &&
		run_sql(t,
			sqlite3_mprintf("ALTER TABLE \"%w\" RENAME COLUMN \"%w\" TO \"%w\"",
				t->sql_name, c->name, name),
			e) &&
		run_sql(t,
			sqlite3_mprintf("UPDATE row_column SET column = %Q WHERE table_id = %lld "
					"AND source = 'param' AND column = %Q",
				name, (long long)t->table_id, c->name),
			e);
	sqlite3_free(name);
	if (!ok) {
		free(copy);
		return false;
	}
	free(c->name);
	c->name = copy;
	forget_insert(t);
	return true;
}

/* The column for a member's name, which is made if it is new; NO_COLUMN: it has to go into _more. */
static bool column_for(
	struct row_table *t, enum origin origin, const char *member, size_t *column, struct err *e)
{
	size_t found = find_column(t, member);
	const char *prefix = "";
	bool is_renamed = false;
	char *name;
	bool ok;

	/* A column that was made for this name may have got another one. */
	for (size_t i = 0; i < t->n_columns; i++)
		if (t->columns[i].origin == origin &&
			sqlite3_stricmp(t->columns[i].member, member) == 0) {
			*column = i;
			return note_column(t, origin, member, t->columns[i].name, e);
		}
	*column = NO_COLUMN;
	if (t->n_columns - (t->more != NO_COLUMN) >= ROW_COLUMNS_MAX)
		return true;
	if (origin == PARAM && (found != NO_COLUMN || is_ours(member)))
		prefix = "param_";
	else if (origin == MEMBER && is_ours(member))
		prefix = "row_";
	else if (found != NO_COLUMN && t->columns[found].origin == PARAM)
		is_renamed = true;
	if (is_renamed && !rename_param(t, found, e))
		return false;
	name = free_name(t, prefix, member);
	ok = name != NULL ? add_column(t, name, origin, member, e)
			  : err_set(e, ERR_NOMEM, "out of memory");
	sqlite3_free(name);
	*column = t->n_columns - 1;
	return ok && (!is_renamed || make_indexes(t, e));
}

/* ---- indexes ---- */

static bool drop_indexes(struct row_table *t, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	struct buf sql;
	bool found = true;
	bool ok = db_prepare(t->db, &st,
		"SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 COLLATE NOCASE "
		"AND sql IS NOT NULL AND name LIKE '%:%'",
		e);

	buf_init(&sql, SIZE_MAX);
	if (ok)
		(void)sqlite3_bind_text(st, 1, t->sql_name, -1, SQLITE_STATIC);
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
		db_exec(t->db, sql.data, e);
	buf_release(&sql);
	return ok;
}

/* Finds the column that an index names, or makes it: the configuration knows columns before they come. */
static bool index_column(struct row_table *t, const char *name, size_t *column, struct err *e)
{
	*column = find_column(t, name);
	if (*column != NO_COLUMN)
		return true;
	if (sqlite3_strnicmp(name, "row_", 4) == 0 && is_ours(name + 4))
		return column_for(t, MEMBER, name + 4, column, e);
	if (sqlite3_strnicmp(name, "param_", 6) == 0) {
		size_t param = find_column(t, name + 6);

		if (param != NO_COLUMN && t->columns[param].origin == PARAM) {
			*column = param;
			return rename_param(t, param, e);
		}
	}
	return column_for(t, MEMBER, name, column, e);
}

static bool make_index(struct row_table *t, struct slice columns, struct err *e)
{
	sqlite3_str *name = sqlite3_str_new(t->db);
	sqlite3_str *list = sqlite3_str_new(t->db);
	struct json_iter it;
	struct slice token;
	char *texts[2];
	size_t column;
	bool ok = true;

	sqlite3_str_appendf(name, "%s:%lld:", t->name, (long long)t->table_id);
	json_iter_init(&it, columns);
	for (int i = 0; ok && json_iter_next(&it, NULL, &token); i++) {
		t->scratch.len = 0;
		ok = json_string_decode(token, &t->scratch, e) &&
			(buf_append_char(&t->scratch, '\0') ||
				err_set(e, ERR_NOMEM, "out of memory"));
		ok = ok && index_column(t, t->scratch.data, &column, e);
		if (ok && column != NO_COLUMN) {
			sqlite3_str_appendf(
				name, "%s%s", i != 0 ? "," : "", t->columns[column].name);
			sqlite3_str_appendf(
				list, "%s\"%w\"", i != 0 ? "," : "", t->columns[column].name);
		}
	}
	texts[0] = sqlite3_str_finish(name);
	texts[1] = sqlite3_str_finish(list);
	if (ok && (texts[0] == NULL || texts[1] == NULL))
		ok = err_set(e, ERR_NOMEM, "out of memory");
	if (ok && *texts[1] != '\0')
		ok = run_sql(t,
			sqlite3_mprintf("CREATE INDEX IF NOT EXISTS \"%w\" ON \"%w\" (%s)",
				texts[0], t->sql_name, texts[1]),
			e);
	sqlite3_free(texts[0]);
	sqlite3_free(texts[1]);
	return ok;
}

static bool make_indexes(struct row_table *t, struct err *e)
{
	struct json_iter it;
	struct slice columns;

	json_iter_init(&it, slice_of(t->indexes));
	while (json_iter_next(&it, NULL, &columns))
		if (!make_index(t, columns, e))
			return false;
	return true;
}

/* ---- names of members ---- */

struct alias_key {
	struct slice key;
	enum origin origin;
};

static bool same_alias(const void *item, const void *key)
{
	const struct alias *alias = item;
	const struct alias_key *k = key;

	return alias->origin == k->origin && slice_equal(alias->key, k->key);
}

static bool keep_alias(struct row_table *t, uint64_t hash, const struct alias_key *k, size_t column)
{
	struct alias *alias = malloc(sizeof(*alias) + k->key.len);

	if (alias == NULL)
		return false;
	memcpy(alias + 1, k->key.ptr, k->key.len);
	*alias = (struct alias){ .key = { (const char *)(alias + 1), k->key.len },
		.origin = k->origin,
		.column = column };
	if (map_add(&t->aliases, hash, alias))
		return true;
	free(alias);
	return false;
}

/* The column of a member by its name's token. */
static bool resolve(
	struct row_table *t, enum origin origin, struct slice token, size_t *column, struct err *e)
{
	struct alias_key k = { token, origin };
	uint64_t hash = map_hash((uint64_t)origin, token);
	const struct alias *alias = map_find(&t->aliases, hash, same_alias, &k);
	char member[ROW_COLUMN_NAME_MAX + 1];
	struct err ignored;

	if (alias != NULL) {
		*column = alias->column;
		return true;
	}
	*column = NO_COLUMN;
	t->scratch.len = 0;
	if (t->aliases.count >= ALIASES_MAX || token.len <= 2 ||
		token.len > 6 * ROW_COLUMN_NAME_MAX || /* an escape has 6 bytes at most */
		!json_string_decode(token, &t->scratch, &ignored) ||
		t->scratch.len > ROW_COLUMN_NAME_MAX ||
		memchr(t->scratch.data, '\0', t->scratch.len) != NULL)
		return true;
	memcpy(member, t->scratch.data, t->scratch.len);
	member[t->scratch.len] = '\0';
	if (!column_for(t, origin, member, column, e))
		return false;
	return *column == NO_COLUMN || keep_alias(t, hash, &k, *column) ||
		err_set(e, ERR_NOMEM, "out of memory");
}

/* ---- rows ---- */

static bool add_member(struct members *list, const struct member *m)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity != 0 ? list->capacity * 2 : 32;
		struct member *grown = realloc(list->all, capacity * sizeof(*grown));

		if (grown == NULL)
			return false;
		list->all = grown;
		list->capacity = capacity;
	}
	list->all[list->count++] = *m;
	return true;
}

/* Finds the columns of all members of an object, before the first is bound: a new column needs another statement. */
static bool resolve_all(struct row_table *t, enum origin origin, struct slice object,
	struct members *list, struct err *e)
{
	struct json_iter it;
	struct member m;

	list->count = 0;
	list->has_rest = false;
	list->stamp = ++t->stamp;
	json_iter_init(&it, object);
	while (json_iter_next(&it, &m.key, &m.value)) {
		if (!resolve(t, origin, m.key, &m.column, e))
			return false;
		if (m.column != NO_COLUMN && t->columns[m.column].stamp == list->stamp)
			m.column = NO_COLUMN; /* the second value for this column */
		if (m.column == NO_COLUMN)
			list->has_rest = true;
		else
			t->columns[m.column].stamp = list->stamp;
		if (!add_member(list, &m))
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	return true;
}

static void bind(struct row_table *t, size_t column, struct slice json)
{
	struct row_value v = row_value_of(json, &t->scratch);
	int i = (int)column + 1;

	switch (v.kind) {
	case ROW_NULL:
		(void)sqlite3_bind_null(t->insert, i);
		break;
	case ROW_INTEGER:
		(void)sqlite3_bind_int64(t->insert, i, v.integer);
		break;
	case ROW_REAL:
		(void)sqlite3_bind_double(t->insert, i, v.real);
		break;
	case ROW_TEXT:
		(void)sqlite3_bind_text64(t->insert, i, v.text.len != 0 ? v.text.ptr : "",
			v.text.len,
			v.text.ptr == t->scratch.data ? SQLITE_TRANSIENT : SQLITE_STATIC,
			SQLITE_UTF8);
		break;
	}
}

/* Binds the members, and NULL to the columns of their kind that have no value this time. */
static void bind_all(struct row_table *t, enum origin origin, const struct members *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].column != NO_COLUMN)
			bind(t, list->all[i].column, list->all[i].value);
	for (size_t i = OUR_COLUMNS; i < t->n_columns; i++)
		if (t->columns[i].origin == origin && t->columns[i].stamp != list->stamp)
			(void)sqlite3_bind_null(t->insert, (int)i + 1);
}

static bool put_rest(struct row_table *t, const struct members *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct member *m = &list->all[i];

		if (m->column == NO_COLUMN &&
			!(buf_append_char(&t->rest, t->rest.len == 0 ? '{' : ',') &&
				buf_append_slice(&t->rest, m->key) &&
				buf_append_char(&t->rest, ':') &&
				buf_append_slice(&t->rest, m->value)))
			return false;
	}
	return true;
}

static bool bind_rest(struct row_table *t, struct err *e)
{
	if (t->more == NO_COLUMN)
		return true;
	t->rest.len = 0;
	if (!put_rest(t, &t->params) || !put_rest(t, &t->row) ||
		(t->rest.len != 0 && !buf_append_char(&t->rest, '}')))
		return err_set(e, ERR_NOMEM, "out of memory");
	if (t->rest.len != 0)
		(void)sqlite3_bind_text64(t->insert, (int)t->more + 1, t->rest.data, t->rest.len,
			SQLITE_STATIC, SQLITE_UTF8);
	else
		(void)sqlite3_bind_null(t->insert, (int)t->more + 1);
	return true;
}

static bool put_row(struct row_table *t, const struct row_event *event, struct slice object,
	int64_t place, struct err *e)
{
	if (!resolve_all(t, MEMBER, object, &t->row, e))
		return false;
	if ((t->row.has_rest || t->params.has_rest) && t->more == NO_COLUMN &&
		!add_column(t, more_name, OURS, more_name, e))
		return false;
	if (t->insert == NULL && !prepare_insert(t, e))
		return false;
	if (!t->is_bound)
		bind_all(t, PARAM, &t->params);
	t->is_bound = true;
	bind_all(t, MEMBER, &t->row);
	(void)sqlite3_bind_int64(
		t->insert, ROW_COLUMN + 1, event->event_id << ROW_PLACE_BITS | place);
	(void)sqlite3_bind_int64(t->insert, EVENT_COLUMN + 1, event->event_id);
	(void)sqlite3_bind_int64(t->insert, TIMESTAMP_COLUMN + 1, event->timestamp_us);
	return bind_rest(t, e) && db_step(t->insert, e);
}

bool row_table_put(
	struct row_table *t, const struct row_event *event, const char **note, struct err *e)
{
	enum json_type type = json_type_of(event->results);
	struct json_iter it;
	struct slice element;

	*note = NULL;
	if (type != JSON_ARRAY) {
		if (type != JSON_NULL)
			*note = "results is no array of objects";
		return true;
	}
	if (!resolve_all(t, PARAM, event->params, &t->params, e))
		return false;
	t->is_bound = false;
	json_iter_init(&it, event->results);
	for (int64_t place = 0; json_iter_next(&it, NULL, &element); place++) {
		if (json_type_of(element) != JSON_OBJECT)
			*note = "an element of results is no object";
		else if (!put_row(t, event, element, place, e))
			return false;
	}
	if (t->insert != NULL)
		(void)sqlite3_clear_bindings(t->insert); /* what they borrow ends here */
	buf_reset(&t->scratch, SCRATCH_KEEP);
	buf_reset(&t->rest, SCRATCH_KEEP);
	return true;
}

/* ---- life ---- */

static struct row_table *new_table(struct sqlite3 *db, const struct row_table_name *name)
{
	struct row_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	*t = (struct row_table){ .db = db, .table_id = name->table_id, .more = NO_COLUMN };
	buf_init(&t->scratch, SIZE_MAX);
	buf_init(&t->rest, SIZE_MAX);
	t->name = strdup(name->name);
	t->sql_name = strdup(name->sql_name);
	t->indexes = strdup(name->indexes);
	if (t->name != NULL && t->sql_name != NULL && t->indexes != NULL)
		return t;
	row_table_free(t);
	return NULL;
}

void row_table_free(struct row_table *t)
{
	if (t == NULL)
		return;
	forget_insert(t);
	for (size_t i = 0; i < t->aliases.capacity; i++)
		free(t->aliases.slots[i].item);
	map_release(&t->aliases);
	for (size_t i = 0; i < t->n_columns; i++) {
		free(t->columns[i].name);
		free(t->columns[i].member);
	}
	free(t->columns);
	free(t->params.all);
	free(t->row.all);
	buf_release(&t->scratch);
	buf_release(&t->rest);
	free(t->name);
	free(t->sql_name);
	free(t->indexes);
	free(t);
}

static bool keep_ours(struct row_table *t, struct err *e)
{
	return keep_column(t, "_row", OURS, "_row", e) &&
		keep_column(t, "event_id", OURS, "event_id", e) &&
		keep_column(t, "timestamp", OURS, "timestamp", e);
}

static bool make_table(
	struct row_table *t, const struct slice *params, size_t n_params, struct err *e)
{
	if (!run_sql(t,
		    sqlite3_mprintf("CREATE TABLE \"%w\" (_row INTEGER PRIMARY KEY, "
				    "event_id INTEGER NOT NULL, timestamp INTEGER NOT NULL)",
			    t->sql_name),
		    e) ||
		!keep_ours(t, e))
		return false;
	for (size_t i = 0; i < n_params; i++)
		if (!resolve_all(t, PARAM, params[i], &t->params, e))
			return false;
	return make_indexes(t, e);
}

bool row_table_create(struct row_table **out, struct sqlite3 *db, const struct row_table_name *name,
	const struct slice *params, size_t n_params, struct err *e)
{
	struct row_table *t = new_table(db, name);

	if (t == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!make_table(t, params, n_params, e)) {
		row_table_free(t);
		return false;
	}
	*out = t;
	return true;
}

/* A column that the table has; one that a user has added himself is not ours to fill. */
static bool load_column(struct row_table *t, const char *name, const char *source,
	const char *member, struct err *e)
{
	if (strcmp(name, more_name) == 0)
		return keep_column(t, name, OURS, name, e);
	if (member == NULL)
		return true;
	return keep_column(
		t, name, strcmp(source, origin_name[PARAM]) == 0 ? PARAM : MEMBER, member, e);
}

static bool load_columns(struct row_table *t, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(t->db, &st,
		"SELECT i.name, c.source, c.member FROM pragma_table_info(?1) i LEFT JOIN row_column c "
		"ON c.table_id = ?2 AND c.column = i.name COLLATE NOCASE AND c.rowid = "
		"	(SELECT min(o.rowid) FROM row_column o WHERE o.table_id = ?2 AND o.column = c.column) "
		"WHERE i.cid >= 3 ORDER BY i.cid",
		e);

	if (ok) {
		(void)sqlite3_bind_text(st, 1, t->sql_name, -1, SQLITE_STATIC);
		(void)sqlite3_bind_int64(st, 2, t->table_id);
	}
	while (ok && found && t->n_columns <= ROW_COLUMNS_MAX) {
		ok = db_first(st, &found, e);
		if (ok && found)
			ok = load_column(t, (const char *)sqlite3_column_text(st, 0),
				(const char *)sqlite3_column_text(st, 1),
				(const char *)sqlite3_column_text(st, 2), e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

bool row_table_is_whole(
	struct sqlite3 *db, const struct row_table_name *name, bool *whole, struct err *e)
{
	char *sql = sqlite3_mprintf(
		"SELECT (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = %Q COLLATE NOCASE) "
		"= 1 AND (SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info(%Q) LIMIT 3)) "
		"= '_row,event_id,timestamp' AND NOT EXISTS (SELECT 1 FROM row_column WHERE table_id = %lld "
		"AND column COLLATE NOCASE NOT IN (SELECT name FROM pragma_table_info(%Q)))",
		name->sql_name, name->sql_name, (long long)name->table_id, name->sql_name);
	int64_t answer = 0;
	bool ok = sql != NULL ? db_number(db, sql, &answer, e)
			      : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	*whole = answer != 0;
	return ok;
}

bool row_table_open(struct row_table **out, struct sqlite3 *db, const struct row_table_name *name,
	struct err *e)
{
	struct row_table *t = new_table(db, name);
	bool whole = false;

	*out = NULL;
	if (t == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!row_table_is_whole(db, name, &whole, e) ||
		(whole && (!keep_ours(t, e) || !load_columns(t, e) || !make_indexes(t, e)))) {
		row_table_free(t);
		return false;
	}
	if (whole)
		*out = t;
	else
		row_table_free(t);
	return true;
}

bool row_table_renamed(struct row_table *t, const char *sql_name)
{
	char *copy = strdup(sql_name);

	if (copy == NULL)
		return false;
	free(t->sql_name);
	t->sql_name = copy;
	forget_insert(t);
	return true;
}
