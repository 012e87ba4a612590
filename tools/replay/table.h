/*
 * table: rows of text in columns that line up in a terminal.
 *
 * Cells may hold anything: a feed's server chooses its paths. What would move the cursor or is no UTF-8 is
 * shown escaped (\x1b), and a text wider than CELL_WIDTH_MAX loses its middle: texts that begin alike often end
 * differently. The widths need LC_CTYPE to be of UTF-8. All cells are in memory until the table is printed.
 */
#ifndef TAPEDECK_REPLAY_TABLE_H
#define TAPEDECK_REPLAY_TABLE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16
#define CELL_WIDTH_MAX 60

struct table_column {
	const char *name;
	bool is_number; /* stands on the right */
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	size_t widths[TABLE_COLUMNS_MAX];
	size_t next;      /* the column of the next cell */
	struct buf cells; /* what is shown, a NUL behind each */
	bool failed;      /* out of memory: cells are missing */
};

/* Begins with the row of the columns' names. They are borrowed until the release. */
void table_init(struct table *t, const struct table_column *columns, size_t count);

/* Adds the next cell, row by row. */
void table_cell(struct table *t, struct slice text);
void table_printf(struct table *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* Prints whole rows. False when out of memory, now or before. */
bool table_print(const struct table *t, FILE *out) MUST_CHECK;
void table_release(struct table *t);

/* Appends `text` as a cell shows it, but all of it. */
bool table_escape(struct slice text, struct buf *out) MUST_CHECK;

#endif
