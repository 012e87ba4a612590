/*
 * migrate: brings a recording's schema up to the newest version.
 *
 * The steps are the numbered files of schema/sqlite, embedded at build. PRAGMA user_version holds how
 * many have been applied; each runs in one transaction together with its number.
 */
#ifndef TAPEDECK_STORE_MIGRATE_H
#define TAPEDECK_STORE_MIGRATE_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>

struct sqlite3;

extern const char *const migrations[]; /* SQL text of step 1, 2, ... */
extern const int migrations_count;

/* Applies what is missing. A version above `migrations_count` is refused and nothing is changed. */
bool migrate(struct sqlite3 *db, struct err *e) MUST_CHECK;

#endif
