/*
 * row_added: columns that a user has added to a row table by hand.
 *
 * They are his. But one that has the name of a member that comes later can hold that member's values, if it gives
 * every value back as it was given: it has no type, no default and no constraint, and nothing is in it yet. Of a
 * table of more than ROW_ADDED_LOOK rows only the newest so many are looked at: the recording does not wait for more.
 */
#ifndef TAPEDECK_STORE_ROW_ADDED_H
#define TAPEDECK_STORE_ROW_ADDED_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>

struct sqlite3;

#define ROW_ADDED_LOOK 1000000

enum row_added {
	ROW_ADDED_NONE,   /* the table has no column of this name */
	ROW_ADDED_USABLE, /* it can hold a member's values */
	ROW_ADDED_TAKEN   /* it cannot */
};

/* Looks for a column that the caller has not made. Names compare without case; `name` becomes the table's own
 * spelling of a column that is there. */
bool row_added_find(struct sqlite3 *db, const char *table, char *name, enum row_added *out,
	struct err *e) MUST_CHECK;

/* `*there`: the table has a column of this name. */
bool row_added_is_there(struct sqlite3 *db, const char *table, const char *name, bool *there,
	struct err *e) MUST_CHECK;

#endif
