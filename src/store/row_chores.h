/*
 * row_chores: what is done to row tables while the writer has nothing else to do.
 *
 * In this order, in slices: events that were recorded before their table was configured are caught up, stream by
 * stream; tables that are complete then take the place of those that they were filled for; and the tables that
 * have lost their place are emptied and dropped. How far it has come is in the file, so that any slice may be the last.
 */
#ifndef TAPEDECK_STORE_ROW_CHORES_H
#define TAPEDECK_STORE_ROW_CHORES_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/row_set.h"

#include <stdbool.h>
#include <stdint.h>

struct row_chores;

/* `set` must outlive it. */
bool row_chores_new(struct row_chores **out, struct row_set *set, struct err *e) MUST_CHECK;
void row_chores_free(struct row_chores *c);

/* Works until about `until_us` (monotonic). `*more`: there is more to do. */
bool row_chores_run(struct row_chores *c, int64_t until_us, bool *more, struct err *e) MUST_CHECK;

#endif
