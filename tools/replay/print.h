/*
 * print: what the parts of the command `print` share.
 */
#ifndef TAPEDECK_REPLAY_PRINT_H
#define TAPEDECK_REPLAY_PRINT_H

#include "base/compiler.h"
#include "base/err.h"
#include "out.h"
#include "tape.h"

#include <stdbool.h>

/* Prints the tape as NDJSON, an event a line; `with_meta`: with what else is known of each, and with the gaps. False: it
 * failed, or nobody reads it; out_end tells. */
bool print_lines(struct tape *t, bool with_meta, struct out *o, struct err *e) MUST_CHECK;

/* Prints the rows of a row table as CSV, those of the tape's events in their order. */
bool print_table(struct tape *t, const char *name, struct out *o, struct err *e) MUST_CHECK;

#endif
