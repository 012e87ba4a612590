/*
 * timestamp: what feeds write for an instant, and microseconds since 1970-01-01 UTC.
 *
 * Read are ISO 8601 (date; date and time, extended or basic; no zone means UTC) and numbers or digit
 * strings, whose unit follows from their size:
 *
 *   below 1e11 seconds   below 1e14 milliseconds   below 1e17 microseconds   from 1e17 nanoseconds
 *
 * Digits finer than a microsecond are cut, never rounded, and no floating point is involved. Leap seconds
 * do not exist in this count: second 60 is the instant after second 59. Limit: the years 0000 to 9999.
 */
#ifndef TAPEDECK_BASE_TIMESTAMP_H
#define TAPEDECK_BASE_TIMESTAMP_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMESTAMP_MIN_US INT64_C(-62167219200000000) /* 0000-01-01T00:00:00Z */
#define TIMESTAMP_MAX_US INT64_C(253402300799999999) /* the last microsecond of 9999 */

#define TIMESTAMP_TEXT_MAX 40 /* bytes of a canonical text with its NUL */

/* Reads a JSON string or number token. False: `e` says what is wrong with it (ERR_INPUT). */
bool timestamp_parse(struct slice json_token, int64_t *us, struct err *e) MUST_CHECK;

/* The same for plain text without quotes, such as a command line's. */
bool timestamp_parse_text(struct slice text, int64_t *us, struct err *e) MUST_CHECK;

/* Writes the canonical text: 2014-09-15T09:04:00.000Z, with six fraction digits where three do not do. An
 * instant outside the years 0000 to 9999 is written with a longer or a negative year. */
void timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_MAX]);

/* True if the token is a string that says exactly the canonical text of `us`. */
bool timestamp_is_canonical(struct slice json_token, int64_t us);

#endif
