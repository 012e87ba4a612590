/*
 * row_indexes: the indexes that the configuration asks for on a row table.
 *
 * Their names are NAME:TABLE_ID:COLUMNS, and more where that is taken; no user's own has such a name by accident. The
 * columns that they name are made before the first member comes, unless a user has added one of that name; an index
 * follows the member that it names when columns are renamed.
 */
#ifndef TAPEDECK_STORE_ROW_INDEXES_H
#define TAPEDECK_STORE_ROW_INDEXES_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/row_columns.h"

#include <stdbool.h>

/* Makes those that are not there; all of them anew if a column was renamed. `name`: of the table, as configured;
 * `indexes`: JSON, a list of lists of columns. */
bool row_indexes_make(
	struct row_columns *c, const char *name, const char *indexes, struct err *e) MUST_CHECK;

#endif
