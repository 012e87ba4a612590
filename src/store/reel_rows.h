/*
 * reel_rows: the rows of a row table, event by event.
 *
 * The columns are those that the table had when it was opened.
 */
#ifndef TAPEDECK_STORE_REEL_ROWS_H
#define TAPEDECK_STORE_REEL_ROWS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/reel.h"
#include "store/row_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reel_rows;

/* `*out` NULL: the recording has no such table. Names compare without case. `r` must outlive it. */
bool reel_rows_open(
	struct reel_rows **out, struct reel *r, const char *name, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void reel_rows_close(struct reel_rows *x);

const struct slice *reel_rows_columns(const struct reel_rows *x, size_t *count);

/* True while rows of what was recorded before the table was configured are still to come. */
bool reel_rows_is_behind(const struct reel_rows *x);

/* False: events of the stream at this place have no rows in the table. */
bool reel_rows_has(const struct reel_rows *x, size_t place);

/* The next row of the event, from the first on when another one was asked for before; a value for each column, borrowed
 * until the next call. `*found` false: there are no more. */
bool reel_rows_next(struct reel_rows *x, int64_t event_id, const struct row_value **out,
	bool *found, struct err *e) MUST_CHECK;

/* Tells the names of the row tables of a recording. */
typedef bool reel_rows_name_fn(void *arg, struct slice name, struct err *e);

bool reel_rows_names(struct reel *r, reel_rows_name_fn *fn, void *arg, struct err *e) MUST_CHECK;

#endif
