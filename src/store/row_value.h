/*
 * row_value: what a JSON value becomes in a column of a row table.
 *
 * A number, or a string that says one, becomes INTEGER or REAL only if SQLite would give back the very same
 * text: `1.10`, `-0`, `1e5`, "005930" and integers of 20 digits stay TEXT, so that no digit ever changes. true and
 * false become 1 and 0; an array or an object its own bytes as TEXT. Pure: no I/O.
 */
#ifndef TAPEDECK_STORE_ROW_VALUE_H
#define TAPEDECK_STORE_ROW_VALUE_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum row_kind { ROW_NULL, ROW_INTEGER, ROW_REAL, ROW_TEXT };

struct row_value {
	enum row_kind kind;
	int64_t integer;   /* ROW_INTEGER */
	double real;       /* ROW_REAL */
	struct slice text; /* ROW_TEXT: of the JSON, or of `scratch` until the next call */
};

/* `json` is one checked value (base/json). A string that UTF-8 cannot express (a lone surrogate), or for which
 * `scratch` has no room, keeps its token, quotes and all. */
struct row_value row_value_of(struct slice json, struct buf *scratch);

#define ROW_REAL_TEXT_MAX 400

/* The text that became this ROW_REAL: plain notation with the fewest digits that mean it, and at least one of them behind
 * the point. */
void row_real_text(double real, char out[ROW_REAL_TEXT_MAX]);

#endif
