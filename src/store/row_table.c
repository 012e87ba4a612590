#include "store/row_table.h"

#include "base/buf.h"
#include "base/json.h"
#include "store/db.h"
#include "store/row_columns.h"
#include "store/row_indexes.h"
#include "store/row_value.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_KEEP ((size_t)1 << 20)

struct member {
	size_t column; /* ROW_NO_COLUMN: goes to _more */
	struct slice key;
	struct slice value;
};

/* The members of an object, with their columns. */
struct members {
	struct member *all;
	size_t count;
	size_t capacity;
	uint64_t stamp; /* that their columns carry */
	bool has_rest;  /* one of them goes to _more */
};

struct row_table {
	char *name; /* as configured */
	char *indexes;
	struct row_columns columns;
	struct sqlite3_stmt *insert;
	uint64_t version; /* of the columns that it was prepared for */
	bool is_bound;    /* it knows the params of the event in work */
	struct members params;
	struct members row;
	struct buf scratch;
	struct buf rest; /* the text for _more */
	uint64_t stamp;
};

/* ---- rows ---- */

static bool prepare_insert(struct row_table *t, struct err *e)
{
	const struct row_columns *c = &t->columns;
	sqlite3_str *sql = sqlite3_str_new(c->db);

	(void)sqlite3_finalize(t->insert);
	t->insert = NULL;
	t->is_bound = false;
	sqlite3_str_appendf(sql, "INSERT OR REPLACE INTO \"%w\" (", c->sql_name);
	for (size_t i = 0; i < c->count; i++)
		sqlite3_str_appendf(sql, "%s\"%w\"", i != 0 ? "," : "", c->all[i].name);
	sqlite3_str_appendall(sql, ") VALUES (");
	for (size_t i = 0; i < c->count; i++)
		sqlite3_str_appendall(sql, i != 0 ? ",?" : "?");
	sqlite3_str_appendchar(sql, 1, ')');
	t->version = c->version;
	return db_prepare_made(c->db, &t->insert, sqlite3_str_finish(sql), e);
}

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

static bool make_indexes(struct row_table *t, struct err *e)
{
	return row_indexes_make(&t->columns, t->name, t->indexes, e);
}

/* Finds the columns of all members of an object, before the first is bound: a new column needs another statement. */
static bool resolve_all(struct row_table *t, enum row_origin origin, struct slice object,
	struct members *list, struct err *e)
{
	struct json_iter it;
	struct member m;

	list->count = 0;
	list->has_rest = false;
	list->stamp = ++t->stamp;
	json_iter_init(&it, object);
	while (json_iter_next(&it, &m.key, &m.value)) {
		if (!row_columns_resolve(&t->columns, origin, m.key, &m.column, e))
			return false;
		if (m.column != ROW_NO_COLUMN && t->columns.all[m.column].stamp == list->stamp)
			m.column = ROW_NO_COLUMN; /* the second value for this column */
		if (m.column == ROW_NO_COLUMN)
			list->has_rest = true;
		else
			t->columns.all[m.column].stamp = list->stamp;
		if (!add_member(list, &m))
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	return !t->columns.has_renamed || make_indexes(t, e);
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
static void bind_all(struct row_table *t, enum row_origin origin, const struct members *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].column != ROW_NO_COLUMN)
			bind(t, list->all[i].column, list->all[i].value);
	for (size_t i = ROW_OUR_COLUMNS; i < t->columns.count; i++)
		if (t->columns.all[i].origin == origin && t->columns.all[i].stamp != list->stamp)
			(void)sqlite3_bind_null(t->insert, (int)i + 1);
}

static bool put_rest(struct row_table *t, const struct members *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct member *m = &list->all[i];

		if (m->column == ROW_NO_COLUMN &&
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
	if (t->columns.more == ROW_NO_COLUMN)
		return true;
	t->rest.len = 0;
	if (!put_rest(t, &t->params) || !put_rest(t, &t->row) ||
		(t->rest.len != 0 && !buf_append_char(&t->rest, '}')))
		return err_set(e, ERR_NOMEM, "out of memory");
	if (t->rest.len != 0)
		(void)sqlite3_bind_text64(t->insert, (int)t->columns.more + 1, t->rest.data,
			t->rest.len, SQLITE_STATIC, SQLITE_UTF8);
	else
		(void)sqlite3_bind_null(t->insert, (int)t->columns.more + 1);
	return true;
}

static bool put_row(struct row_table *t, const struct row_event *event, struct slice object,
	int64_t place, struct err *e)
{
	if (!resolve_all(t, ROW_MEMBER, object, &t->row, e))
		return false;
	if ((t->row.has_rest || t->params.has_rest) && t->columns.more == ROW_NO_COLUMN &&
		!row_columns_add_more(&t->columns, e))
		return false;
	if ((t->insert == NULL || t->version != t->columns.version) && !prepare_insert(t, e))
		return false;
	if (!t->is_bound)
		bind_all(t, ROW_PARAM, &t->params);
	t->is_bound = true;
	bind_all(t, ROW_MEMBER, &t->row);
	(void)sqlite3_bind_int64(
		t->insert, ROW_COLUMN + 1, event->event_id << ROW_PLACE_BITS | place);
	(void)sqlite3_bind_int64(t->insert, ROW_EVENT_COLUMN + 1, event->event_id);
	(void)sqlite3_bind_int64(t->insert, ROW_TIMESTAMP_COLUMN + 1, event->timestamp_us);
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
	if (!resolve_all(t, ROW_PARAM, event->params, &t->params, e))
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
	buf_init(&t->scratch, SIZE_MAX);
	buf_init(&t->rest, SIZE_MAX);
	t->name = strdup(name->name);
	t->indexes = strdup(name->indexes);
	if (row_columns_init(&t->columns, db, name->table_id, name->sql_name) && t->name != NULL &&
		t->indexes != NULL)
		return t;
	row_table_free(t);
	return NULL;
}

void row_table_free(struct row_table *t)
{
	if (t == NULL)
		return;
	(void)sqlite3_finalize(t->insert);
	row_columns_release(&t->columns);
	free(t->params.all);
	free(t->row.all);
	buf_release(&t->scratch);
	buf_release(&t->rest);
	free(t->name);
	free(t->indexes);
	free(t);
}

static bool make_table(
	struct row_table *t, const struct slice *params, size_t n_params, struct err *e)
{
	if (!row_columns_create(&t->columns, e))
		return false;
	for (size_t i = 0; i < n_params; i++)
		if (!resolve_all(t, ROW_PARAM, params[i], &t->params, e))
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

bool row_table_is_whole(
	struct sqlite3 *db, const struct row_table_name *name, bool *whole, struct err *e)
{
	int64_t answer = 0;
	bool ok = db_number_made(db,
		sqlite3_mprintf(
			"SELECT (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = %Q COLLATE NOCASE) "
			"= 1 AND (SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info(%Q) LIMIT 3)) "
			"= '_row,event_id,timestamp' AND NOT EXISTS (SELECT 1 FROM row_column WHERE table_id = %lld "
			"AND column COLLATE NOCASE NOT IN (SELECT name FROM pragma_table_info(%Q)))",
			name->sql_name, name->sql_name, (long long)name->table_id, name->sql_name),
		&answer, e);

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
		(whole && (!row_columns_load(&t->columns, e) || !make_indexes(t, e)))) {
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
	return row_columns_table_renamed(&t->columns, sql_name);
}
