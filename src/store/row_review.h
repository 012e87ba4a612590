/*
 * row_review: takes a configuration over into the set of row tables.
 *
 * Opens the tables that it asks for, or makes them; begins to fill those anew that hold what does not belong there
 * now, or whose indexes have changed; and notes in the file which streams are to be caught up, and which have left.
 */
#ifndef TAPEDECK_STORE_ROW_REVIEW_H
#define TAPEDECK_STORE_ROW_REVIEW_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/row_plan.h"
#include "store/row_set.h"
#include "store/streams.h"

#include <stdbool.h>

/* What was open is closed first. After a failure nothing may be put any more. */
bool row_review(struct row_set *set, struct streams *streams, const struct row_plan *plan,
	struct err *e) MUST_CHECK;

#endif
