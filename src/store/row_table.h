/*
 * row_table: one SQLite table that holds the elements of `results` as rows.
 *
 * Columns: _row (event_id * 2^24 + place in `results`), event_id, timestamp, then the members of the stream's
 * params and of the rows, as they are first seen. Names compare without case, as SQLite's do. Where a member of the
 * rows and one of the params have the same name the row's wins and the param's column is called param_NAME; a row's
 * member that is called like a column of ours becomes row_NAME; a name that is then taken gets _2, _3, ... What
 * cannot have a column (no room, a name that is too long or none, a second value for a column of the same row) goes
 * into `_more`, a JSON object. Which column holds what is kept in `row_column`. A column that a user has added by
 * hand takes the member of its name if it can hold its values unchanged (row_added); else its name is taken. Belongs
 * to an applier, and to its transaction; after a failure it is freed and opened again.
 */
#ifndef TAPEDECK_STORE_ROW_TABLE_H
#define TAPEDECK_STORE_ROW_TABLE_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;
struct row_table;

#define ROW_COLUMNS_MAX 1900   /* SQLite's limit is 2,000 */
#define ROW_COLUMN_NAME_MAX 96 /* bytes: so many names fit into one statement */
#define ROW_PLACE_BITS 24      /* of _row; results have at most 16 MiB */

/* An event whose rows are to be stored. */
struct row_event {
	int64_t event_id;
	int64_t timestamp_us;
	struct slice params;
	struct slice results; /* checked JSON */
};

/* A table as `row_table` has it. Texts are borrowed for the call. */
struct row_table_name {
	int64_t table_id;
	const char *name;     /* as configured */
	const char *sql_name; /* what SQLite calls it */
	const char *indexes;  /* JSON: a list of lists of columns */
};

/* Makes the table, with columns for what `indexes` names and for the members of each of `params`. */
bool row_table_create(struct row_table **out, struct sqlite3 *db, const struct row_table_name *name,
	const struct slice *params, size_t n_params, struct err *e) MUST_CHECK;

/* `*whole`: the file has the table, with every column that `row_column` tells of. */
bool row_table_is_whole(struct sqlite3 *db, const struct row_table_name *name, bool *whole,
	struct err *e) MUST_CHECK;

/* Opens one that was made before. `*out` is NULL if it is not there any more, or not with those columns. */
bool row_table_open(struct row_table **out, struct sqlite3 *db, const struct row_table_name *name,
	struct err *e) MUST_CHECK;
void row_table_free(struct row_table *t);

/* Stores the rows of an event; those that were there already are replaced. `*note`: why something has no row, a
 * constant; else NULL. */
bool row_table_put(struct row_table *t, const struct row_event *event, const char **note,
	struct err *e) MUST_CHECK;

/* SQLite now calls it so; false: out of memory. */
bool row_table_renamed(struct row_table *t, const char *sql_name) MUST_CHECK;

#endif
