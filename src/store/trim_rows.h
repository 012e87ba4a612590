/*
 * trim_rows: deletes the rows of events from all row tables that hold any.
 *
 * For one slice: opened, used and closed within a transaction.
 */
#ifndef TAPEDECK_STORE_TRIM_ROWS_H
#define TAPEDECK_STORE_TRIM_ROWS_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

struct trim_rows {
	struct sqlite3_stmt **statements; /* one a table */
	size_t count;
};

/* The caller closes, also after a failure. A table that somebody has dropped is left out. */
bool trim_rows_open(struct trim_rows *r, struct sqlite3 *db, struct err *e) MUST_CHECK;
void trim_rows_close(struct trim_rows *r);

bool trim_rows_delete(struct trim_rows *r, int64_t event_id, struct err *e) MUST_CHECK;

#endif
