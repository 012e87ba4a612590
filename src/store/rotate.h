/*
 * rotate: begins the next file of a series.
 *
 * A new file goes on where the old one ends: it has the same feeds, streams and open connections with the same ids, and
 * what was wanted, covered or wrong at that instant goes on there; in the old file all that ends there. The steps are
 * ordered so that a crash between any two of them leaves either the old file in use, or the new one complete:
 *
 *   1. the new file is filled under another name, made last, and renamed
 *   2. the old file notes that everything ends, and which file is next: from here on the new one counts
 *   3. the configured path is made a link to the new file
 */
#ifndef TAPEDECK_STORE_ROTATE_H
#define TAPEDECK_STORE_ROTATE_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/db.h"

#include <stdbool.h>
#include <stdint.h>

/* Step 1: makes the file at `next`, which must not exist, for what comes after `at_us`. `old` is the writing connection
 * to the file at `old_path`, outside of a transaction; `connection_id` is the last one given. */
bool rotate_prepare(struct sqlite3 *old, const char *old_path, const struct db_options *next,
	int64_t at_us, int64_t connection_id, struct err *e) MUST_CHECK;

/* Step 2, in a transaction of its own; done twice it is done once. */
bool rotate_end(struct sqlite3 *old, int64_t at_us, const char *next, struct err *e) MUST_CHECK;

/* Readies the configured path before its recording is opened. With `rotates` a plain file becomes the first of a
 * series; a step that a crash has left out is made up for. `live` gets the path of the file to write. */
bool rotate_settle(const char *configured, const struct db_options *options, bool rotates,
	int64_t now_us, char *live, struct err *e) MUST_CHECK;

#endif
