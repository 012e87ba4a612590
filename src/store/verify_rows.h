/*
 * verify_rows: do the row tables hold what the events say.
 *
 * Each event of a live table is put, by the code that records, into a table in memory with the same columns; what
 * comes out there is what the recording must hold, and what is left out there is what `row_note` must tell of. Events
 * that are still to be caught up need no rows yet. Reads inside the caller's transaction, one event at a time.
 * Columns that a user has added are his.
 */
#ifndef TAPEDECK_STORE_VERIFY_ROWS_H
#define TAPEDECK_STORE_VERIFY_ROWS_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>

struct sqlite3;

/* Calls `find` for each finding; its text is borrowed. False if something could not be read. */
bool verify_rows(struct sqlite3 *db, void (*find)(void *arg, const char *finding), void *arg,
	struct err *e) MUST_CHECK;

#endif
