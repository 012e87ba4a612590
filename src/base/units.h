/*
 * units: durations ("200ms", "1.5h") and sizes ("64MiB") as people write them.
 *
 * A number, at most three fraction digits, and a unit without a space: ms s m h d, or B KiB MiB GiB. A
 * unit is always asked for: a bare number is an error, never a guess. Limits: UNITS_DURATION_MAX_US,
 * UNITS_SIZE_MAX.
 */
#ifndef TAPEDECK_BASE_UNITS_H
#define TAPEDECK_BASE_UNITS_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define UNITS_MS ((int64_t)1000)
#define UNITS_S (1000 * UNITS_MS)
#define UNITS_M (60 * UNITS_S)
#define UNITS_H (60 * UNITS_M)
#define UNITS_D (24 * UNITS_H)
#define UNITS_KIB ((uint64_t)1024)
#define UNITS_MIB (1024 * UNITS_KIB)
#define UNITS_GIB (1024 * UNITS_MIB)

#define UNITS_DURATION_MAX_US (36500 * UNITS_D)  /* a hundred years */
#define UNITS_SIZE_MAX (1024 * 1024 * UNITS_GIB) /* a pebibyte */
#define UNITS_TEXT_MAX 48

/* What the grammar asks for, to be put into a message. */
#define UNITS_DURATION_HELP "a number and one of ms s m h d, such as \"1m\""
#define UNITS_SIZE_HELP "a number and one of B KiB MiB GiB, such as \"64MiB\""

enum units_result {
	UNITS_OK,
	UNITS_SYNTAX, /* not of the form above */
	UNITS_LARGE,  /* of the form, and beyond the limit */
};

/* Microseconds. `*us` is set only on success. */
enum units_result units_duration(struct slice text, int64_t *us) MUST_CHECK;

/* Bytes; parts of a byte are cut. `*bytes` is set only on success. */
enum units_result units_size(struct slice text, uint64_t *bytes) MUST_CHECK;

/* Writes a text that reads back as the same value, in the largest unit that divides it (parts of a
 * millisecond as a fraction of one). Returns `out`. */
const char *units_duration_text(char out[UNITS_TEXT_MAX], int64_t us);
const char *units_size_text(char out[UNITS_TEXT_MAX], uint64_t bytes);

#endif
