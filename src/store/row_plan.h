/*
 * row_plan: which row tables the configuration asks for.
 *
 * Made by the loop thread from a configuration, then handed to the writer, who owns and frees it. It never
 * changes after that. All texts are copied.
 */
#ifndef TAPEDECK_STORE_ROW_PLAN_H
#define TAPEDECK_STORE_ROW_PLAN_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROW_PLAN_NO_TABLE SIZE_MAX

struct row_plan_table {
	char *name;
	char *indexes; /* JSON: a list of lists of columns */
};

/* A configured stream and the table that its events go into. Those without one are listed, too: they tell an
 * endpoint that has moved out of a table from one that is not recorded any more. */
struct row_plan_source {
	char *text; /* path and params */
	int64_t feed_id;
	struct slice path;
	struct slice params; /* canonical */
	size_t table;        /* its place in `tables`, or ROW_PLAN_NO_TABLE */
};

struct row_plan {
	struct row_plan_table *tables;
	size_t n_tables;
	struct row_plan_source *sources;
	size_t n_sources;
};

/* NULL when out of memory, as the functions below return false. */
struct row_plan *row_plan_new(void) MUST_CHECK;
void row_plan_free(struct row_plan *plan);

/* The place of the table with this name (without case), which is added if it is not there yet. */
bool row_plan_table(struct row_plan *plan, const char *name, size_t *table) MUST_CHECK;

/* Asks for an index; the same one twice is one. */
bool row_plan_index(struct row_plan *plan, size_t table, const char *const *columns,
	size_t n_columns) MUST_CHECK;

bool row_plan_source(struct row_plan *plan, int64_t feed_id, struct slice path, struct slice params,
	size_t table) MUST_CHECK;

#endif
