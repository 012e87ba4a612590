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

/* Steps a statement that returns no rows, and resets it. */
bool db_step(struct sqlite3_stmt *statement, struct err *e) MUST_CHECK;

/* Fills `e` with SQLite's last error; returns false. */
bool db_error(struct sqlite3 *db, struct err *e);

#endif
