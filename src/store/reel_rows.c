#include "store/reel_rows.h"

#include "base/arena.h"
#include "store/db.h"
#include "store/reel_file.h"
#include "store/row_table.h"

#include <sqlite3.h>
#include <stdlib.h>

struct reel_rows {
	struct reel *reel;
	struct sqlite3_stmt *rows; /* from _row ?1 to ?2 */
	struct arena arena;
	struct slice *columns;
	size_t n_columns;
	struct row_value *values;
	bool *has; /* by place */
	size_t n_places;
	bool is_behind;
	bool is_begun; /* `rows` stands in the rows of `event_id` */
	int64_t event_id;
};

static const char find_sql[] =
	"SELECT table_id, name FROM row_table WHERE name = ?1 AND state = 'live'";

static const char sources_sql[] =
	"SELECT stream_id, until_id IS NOT NULL FROM row_source WHERE table_id = ?1";

static const char names_sql[] = "SELECT name FROM row_table WHERE state = 'live' ORDER BY name";

static bool no_memory(const struct reel *r, struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
}

static bool failed(const struct reel *r, struct err *e)
{
	return err_prefix(e, "cannot read '%s'", r->path);
}

/* Which streams have rows in the table. */
static bool read_sources(struct reel_rows *x, int64_t table_id, struct err *e)
{
	const struct reel *r = x->reel;
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	size_t place;
	bool ok;

	for (size_t i = 0; i < r->n_chosen; i++)
		if (r->chosen[i].place >= x->n_places)
			x->n_places = r->chosen[i].place + 1;
	x->has = arena_alloc(&x->arena, x->n_places, sizeof(*x->has));
	ok = (x->has != NULL || no_memory(r, e)) && db_prepare(r->db, &st, sources_sql, e);
	if (ok)
		(void)sqlite3_bind_int64(st, 1, table_id);
	while (ok && (ok = db_first(st, &found, e)) && found)
		if (reel_place(r, sqlite3_column_int64(st, 0), &place)) {
			x->has[place] = true;
			x->is_behind = x->is_behind || sqlite3_column_int(st, 1) != 0;
		}
	(void)sqlite3_finalize(st);
	return ok;
}

/* The columns as they are now, and the text that asks for them: with "*" a column that is added later would change the
 * number of values. */
static bool read_columns(struct reel_rows *x, const char *name, char **sql, struct err *e)
{
	struct sqlite3_str *text = sqlite3_str_new(x->reel->db);
	char *all = sqlite3_mprintf("SELECT * FROM \"%w\" LIMIT 0", name);
	struct sqlite3_stmt *st = NULL;
	bool ok = all != NULL ? db_prepare(x->reel->db, &st, all, e) : no_memory(x->reel, e);

	if (ok) {
		x->n_columns = (size_t)sqlite3_column_count(st);
		x->columns = arena_alloc(&x->arena, x->n_columns, sizeof(*x->columns));
		x->values = arena_alloc(&x->arena, x->n_columns, sizeof(*x->values));
		ok = (x->columns != NULL && x->values != NULL) || no_memory(x->reel, e);
	}
	sqlite3_str_appendall(text, "SELECT ");
	for (size_t i = 0; i < x->n_columns && ok; i++) {
		struct slice column = slice_of(sqlite3_column_name(st, (int)i));

		x->columns[i] = (struct slice){ arena_copy(&x->arena, column), column.len };
		ok = x->columns[i].ptr != NULL || no_memory(x->reel, e);
		if (ok)
			sqlite3_str_appendf(
				text, "%s\"%w\"", i != 0 ? ", " : "", x->columns[i].ptr);
	}
	sqlite3_str_appendf(text, " FROM \"%w\" WHERE _row BETWEEN ?1 AND ?2 ORDER BY _row", name);
	*sql = sqlite3_str_finish(text);
	(void)sqlite3_finalize(st);
	sqlite3_free(all);
	return ok && (*sql != NULL || no_memory(x->reel, e));
}

static bool open_table(struct reel_rows *x, struct sqlite3_stmt *found, struct err *e)
{
	char *sql = NULL;
	bool ok = read_sources(x, sqlite3_column_int64(found, 0), e) &&
		read_columns(x, (const char *)sqlite3_column_text(found, 1), &sql, e) &&
		db_prepare(x->reel->db, &x->rows, sql, e);

	sqlite3_free(sql);
	return ok;
}

bool reel_rows_open(struct reel_rows **out, struct reel *r, const char *name, struct err *e)
{
	struct reel_rows *x = calloc(1, sizeof(*x));
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	bool ok;

	if (x == NULL)
		return no_memory(r, e);
	x->reel = r;
	ok = db_prepare(r->db, &st, find_sql, e);
	if (ok) {
		db_bind_text(st, 1, slice_of(name));
		ok = db_first(st, &found, e) && (!found || open_table(x, st, e));
	}
	(void)sqlite3_finalize(st);
	if (ok && found) {
		*out = x;
		return true;
	}
	*out = NULL;
	reel_rows_close(x);
	return ok || failed(r, e);
}

void reel_rows_close(struct reel_rows *x)
{
	if (x == NULL)
		return;
	(void)sqlite3_finalize(x->rows);
	arena_release(&x->arena);
	free(x);
}

const struct slice *reel_rows_columns(const struct reel_rows *x, size_t *count)
{
	*count = x->n_columns;
	return x->columns;
}

bool reel_rows_is_behind(const struct reel_rows *x)
{
	return x->is_behind;
}

bool reel_rows_has(const struct reel_rows *x, size_t place)
{
	return place < x->n_places && x->has[place];
}

static struct row_value value_of(struct sqlite3_stmt *st, int i)
{
	switch (sqlite3_column_type(st, i)) {
	case SQLITE_INTEGER:
		return (struct row_value){ .kind = ROW_INTEGER,
			.integer = sqlite3_column_int64(st, i) };
	case SQLITE_FLOAT:
		return (struct row_value){ .kind = ROW_REAL, .real = sqlite3_column_double(st, i) };
	case SQLITE_NULL:
		return (struct row_value){ .kind = ROW_NULL };
	default:
		return (struct row_value){ .kind = ROW_TEXT, .text = db_column(st, i) };
	}
}

/* False: such an event cannot have rows. */
static bool begin(struct reel_rows *x, int64_t event_id)
{
	int64_t first = event_id << ROW_PLACE_BITS;

	if (event_id < 0 || event_id > INT64_MAX >> ROW_PLACE_BITS)
		return false;
	(void)sqlite3_bind_int64(x->rows, 1, first);
	(void)sqlite3_bind_int64(x->rows, 2, first + (1 << ROW_PLACE_BITS) - 1);
	x->event_id = event_id;
	x->is_begun = true;
	return true;
}

bool reel_rows_next(struct reel_rows *x, int64_t event_id, const struct row_value **out,
	bool *found, struct err *e)
{
	if (x->is_begun && x->event_id != event_id) {
		(void)sqlite3_reset(x->rows);
		x->is_begun = false;
	}
	*found = false;
	if (!x->is_begun && !begin(x, event_id))
		return true;
	if (!db_first(x->rows, found, e)) {
		x->is_begun = false;
		return failed(x->reel, e);
	}
	if (!*found) {
		(void)sqlite3_reset(x->rows);
		x->is_begun = false;
		return true;
	}
	for (size_t i = 0; i < x->n_columns; i++)
		x->values[i] = value_of(x->rows, (int)i);
	*out = x->values;
	return true;
}

bool reel_rows_names(struct reel *r, reel_rows_name_fn *fn, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(r->db, &st, names_sql, e) || failed(r, e);

	while (ok) {
		ok = db_first(st, &found, e) || failed(r, e);
		if (!ok || !found)
			break;
		ok = fn(arg, db_column(st, 0), e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}
