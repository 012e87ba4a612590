/*
 * row_columns: the columns of one row table, and which member of the rows or of the params each of them holds.
 *
 * How names become columns is told in row_table.h; what they hold is kept in `row_column`. Embedded in a row_table,
 * which alone frees it; runs in the caller's transaction. A column may be renamed to make room for another: its
 * place stays, `version` changes, and the indexes have to follow (`has_renamed`, see row_indexes).
 */
#ifndef TAPEDECK_STORE_ROW_COLUMNS_H
#define TAPEDECK_STORE_ROW_COLUMNS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/row_aliases.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

#define ROW_NO_COLUMN SIZE_MAX

/* The first columns of every table. */
enum { ROW_COLUMN, ROW_EVENT_COLUMN, ROW_TIMESTAMP_COLUMN, ROW_OUR_COLUMNS };

struct row_column {
	char *name;
	char *member; /* the name that it was made for */
	enum row_origin origin;
	uint64_t stamp; /* of row_table: the object that it last had a value from */
};

struct row_columns {
	struct sqlite3 *db;
	int64_t table_id;
	char *sql_name;         /* what SQLite calls the table */
	struct row_column *all; /* room for ROW_COLUMNS_MAX and `_more` */
	size_t count;
	size_t more;      /* the place of _more; ROW_NO_COLUMN: not yet */
	uint64_t version; /* changes with every name */
	bool has_renamed; /* since the indexes were made */
	struct row_aliases aliases;
	struct buf name; /* scratch: a member's name */
};

/* False: out of memory; release it then, too. */
bool row_columns_init(struct row_columns *c, struct sqlite3 *db, int64_t table_id,
	const char *sql_name) MUST_CHECK;
void row_columns_release(struct row_columns *c);

/* Makes the table, with the columns that are ours. */
bool row_columns_create(struct row_columns *c, struct err *e) MUST_CHECK;

/* Reads the columns of a table that is there. */
bool row_columns_load(struct row_columns *c, struct err *e) MUST_CHECK;

/* The place of a column by its name; ROW_NO_COLUMN: there is none. */
size_t row_columns_find(const struct row_columns *c, const char *name);

/* True for the name of a column that every table has, or may need. */
bool row_columns_is_ours(const char *name);

/* The column for a member's name, which is made if it is new; ROW_NO_COLUMN: it has to go into _more. */
bool row_columns_for(struct row_columns *c, enum row_origin origin, const char *member,
	size_t *column, struct err *e) MUST_CHECK;

/* The same for a member's name as its token in the JSON. */
bool row_columns_resolve(struct row_columns *c, enum row_origin origin, struct slice token,
	size_t *column, struct err *e) MUST_CHECK;

/* Makes room for a column with the name of this param's. */
bool row_columns_rename_param(struct row_columns *c, size_t column, struct err *e) MUST_CHECK;

/* Makes `_more`. */
bool row_columns_add_more(struct row_columns *c, struct err *e) MUST_CHECK;

/* SQLite now calls the table so; false: out of memory. */
bool row_columns_table_renamed(struct row_columns *c, const char *sql_name) MUST_CHECK;

#endif
