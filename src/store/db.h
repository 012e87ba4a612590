/*
 * db: opens the SQLite file of a recording, safely.
 *
 * Before SQLite sees a file its 100-byte header is read (SQLite file format, section 1.3): a file of
 * another program, of a newer tapedeck, or that is no database is refused and never touched. A file of
 * 0 bytes, or none, is a new recording. The -wal and -shm files stay on close, so that a reader who may
 * not write in the directory can open the recording at any time.
 */
#ifndef TAPEDECK_STORE_DB_H
#define TAPEDECK_STORE_DB_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sqlite3;
struct sqlite3_stmt;

#define DB_APPLICATION_ID 0x54415045 /* "TAPE" */

struct db_options {
	const char *path;
	bool may_create; /* else a missing file is an error */
	mode_t mode;     /* of a new file */
	bool sync_full;  /* synchronous=FULL, else NORMAL */
	int cache_kib;   /* SQLite's page cache */
	int busy_ms;     /* how long a statement waits for another writer */
};

/* Opens for writing; creates and migrates as needed. The caller closes. */
bool db_open(struct sqlite3 **out, const struct db_options *options, struct err *e) MUST_CHECK;

/* Opens for writing a file that is sealed, or is to be: its journal mode stays as it is. */
bool db_open_as_it_is(
	struct sqlite3 **out, const struct db_options *options, struct err *e) MUST_CHECK;

/* Whether an earlier version of this program has written the recording last: it must be opened to write before it can
 * be read. */
bool db_is_older(const char *path, bool *older, struct err *e) MUST_CHECK;

/* Opens a recording for reading alone: a missing file, an empty one, and one of an older schema are errors, too.
 * The caller closes. */
bool db_open_reader(struct sqlite3 **out, const char *path, struct err *e) MUST_CHECK;

/* Closes; accepts NULL. */
void db_close(struct sqlite3 *db);

/* Only the header check: true if the file is ours, or empty, or does not exist. */
bool db_check_header(const char *path, struct err *e) MUST_CHECK;

/* Runs SQL that returns no rows. */
bool db_exec(struct sqlite3 *db, const char *sql, struct err *e) MUST_CHECK;

/* The first column of the first row as a number; 0 if there is no row or it is NULL. */
bool db_number(struct sqlite3 *db, const char *sql, int64_t *out, struct err *e) MUST_CHECK;

bool db_prepare(
	struct sqlite3 *db, struct sqlite3_stmt **out, const char *sql, struct err *e) MUST_CHECK;

/* The same with SQL made by sqlite3_mprintf, which they free; NULL: out of memory. */
bool db_exec_made(struct sqlite3 *db, char *sql, struct err *e) MUST_CHECK;
bool db_number_made(struct sqlite3 *db, char *sql, int64_t *out, struct err *e) MUST_CHECK;
bool db_prepare_made(
	struct sqlite3 *db, struct sqlite3_stmt **out, char *sql, struct err *e) MUST_CHECK;

/* Prepares `count` statements; the caller finalizes those that are not NULL, also after a failure. */
bool db_prepare_all(struct sqlite3 *db, struct sqlite3_stmt **out, const char *const *sql,
	int count, struct err *e) MUST_CHECK;
void db_finalize_all(struct sqlite3_stmt **statements, int count);

/* Binds text or NULL (ptr NULL); it must stay until the statement is stepped. */
void db_bind_text(struct sqlite3_stmt *statement, int i, struct slice text);

/* Steps a statement that returns at most one row; `*found` says whether there is one. The caller reads it and
 * resets. */
bool db_first(struct sqlite3_stmt *statement, bool *found, struct err *e) MUST_CHECK;

/* A column as text, valid until the next step; ptr NULL if it is NULL. */
struct slice db_column(struct sqlite3_stmt *statement, int i);

/* How safe commits are: synchronous=FULL or NORMAL. */
bool db_set_sync(struct sqlite3 *db, bool full, struct err *e) MUST_CHECK;

/* Steps a statement that returns no rows, and resets it. */
bool db_step(struct sqlite3_stmt *statement, struct err *e) MUST_CHECK;

/* The same, with numbers for its first parameters. */
bool db_step_numbers(struct sqlite3_stmt *statement, const int64_t *numbers, int count,
	struct err *e) MUST_CHECK;

/* Fills `e` with SQLite's last error; returns false. */
bool db_error(struct sqlite3 *db, struct err *e);

#endif
