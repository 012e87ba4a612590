/*
 * row_aliases: the columns of the members' names that have been seen, by the names' tokens in the JSON.
 *
 * A name is looked up for every member of every row, so it is not decoded again. Names that differ only in case or
 * in their escapes share a column, and would else be remembered without end: limit ROW_ALIASES_MAX.
 */
#ifndef TAPEDECK_STORE_ROW_ALIASES_H
#define TAPEDECK_STORE_ROW_ALIASES_H

#include "base/compiler.h"
#include "base/map.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define ROW_ALIASES_MAX 3800

/* Whose member a name is. */
enum row_origin { ROW_OURS, ROW_PARAM, ROW_MEMBER, ROW_ORIGINS };

struct row_aliases {
	struct map map;
};

void row_aliases_release(struct row_aliases *a);

/* False if the name has not been kept. */
bool row_aliases_find(const struct row_aliases *a, enum row_origin origin, struct slice token,
	size_t *column) MUST_CHECK;

/* Keeps one that is new; the token is copied. False: out of memory. */
bool row_aliases_keep(struct row_aliases *a, enum row_origin origin, struct slice token,
	size_t column) MUST_CHECK;

bool row_aliases_are_full(const struct row_aliases *a);

#endif
