/*
 * verify: is a recording what it claims to be.
 *
 * Reads all of it, in one snapshot, and writes nothing: the file's integrity, keys and references, the counters
 * against the rows they count, the intervals against each other, what was received against the grammar, the row
 * tables against the events. A daemon may write meanwhile. One finding is one line of text; of one kind at most VERIFY_SHOWN are told one by one.
 */
#ifndef TAPEDECK_STORE_VERIFY_H
#define TAPEDECK_STORE_VERIFY_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define VERIFY_SHOWN 10

/* Calls `tell` for each finding; its text is borrowed. False if the file could not be read to its end. */
bool verify(const char *path, void (*tell)(void *arg, const char *finding), void *arg,
	struct err *e) MUST_CHECK;

#endif
