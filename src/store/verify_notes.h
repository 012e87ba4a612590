/*
 * verify_notes: does `row_note` say what the events of a row table say.
 *
 * What each event leaves out is counted in memory, as the recorder counts it in the file, and then compared. Of a
 * stream whose oldest events have been deleted the file may count more, and earlier ones. Embedded in the check of
 * one table; reads inside the caller's transaction.
 */
#ifndef TAPEDECK_STORE_VERIFY_NOTES_H
#define TAPEDECK_STORE_VERIFY_NOTES_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

struct verify_notes {
	struct sqlite3 *memory;
	struct sqlite3_stmt *count;
};

/* Reads what the file has for this table. Tables of its own in `memory`, which must outlive it. */
bool verify_notes_open(struct verify_notes *n, struct sqlite3 *db, int64_t table_id,
	struct sqlite3 *memory, struct err *e) MUST_CHECK;
void verify_notes_close(struct verify_notes *n);

/* An event of which something has no row. */
bool verify_notes_add(struct verify_notes *n, int64_t stream_id, const char *note, int64_t event_id,
	struct err *e) MUST_CHECK;

/* Calls `find` for each difference; its text, and `name` (of the table), are borrowed. */
bool verify_notes_compare(struct verify_notes *n, const char *name,
	void (*find)(void *arg, const char *finding), void *arg, struct err *e) MUST_CHECK;

#endif
