/*
 * coverage: when a stream is being recorded, by up to two connections at once.
 *
 * Each side (a connection) covers a stream from the confirmation of its subscription to the last byte received
 * on it, or to the unsubscribe. The rows of the table `coverage` are the union: a row goes on while the sides
 * hand over, and a row that was open when a side is found to have died earlier is cut at that instant. Pure:
 * the caller writes the rows. Times are time stamps in microseconds, never 0.
 */
#ifndef TAPEDECK_RECORD_COVERAGE_H
#define TAPEDECK_RECORD_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COVERAGE_SIDES = 2, COVERAGE_ROWS = 2 };

/* Zeroed: nobody covers it. */
struct coverage {
	int64_t since_us[COVERAGE_SIDES]; /* 0: this side does not */
	int64_t row_us;                   /* where the open row began; 0: none is open */
	int64_t known_us;                 /* the open row reaches so far, whatever comes */
	int bearer;                       /* ... and to this side's end */
};

/* A row to write: see batch_add_covered. */
struct coverage_row {
	int64_t started_us;
	int64_t ended_us; /* 0: open */
};

/* Each returns how many rows of `out` are to be written. A side begins only if it does not cover yet, and ends
 * only if it does; `at_us` may lie before its own beginning, in which case it covered nothing. */
size_t coverage_begin(
	struct coverage *c, int side, int64_t at_us, struct coverage_row out[COVERAGE_ROWS]);
size_t coverage_end(
	struct coverage *c, int side, int64_t at_us, struct coverage_row out[COVERAGE_ROWS]);

static inline bool coverage_has(const struct coverage *c, int side)
{
	return c->since_us[side] != 0;
}

#endif
