/*
 * info_print: a summary as tables for people, or as JSON for programs.
 *
 * Errors of the stream are the caller's to look for; false means out of memory. A total has no name.
 */
#ifndef TAPEDECK_REPLAY_INFO_PRINT_H
#define TAPEDECK_REPLAY_INFO_PRINT_H

#include "base/compiler.h"
#include "store/summary.h"

#include <stdbool.h>
#include <stdio.h>

/* Of the time in which a stream was wanted, the part that is covered; rounded down to millionths, so that it is 1
 * only where nothing is missing. -1 if it was never wanted. */
double info_covered(const struct summary_stream *stream);

/* `path` NULL: the total of `count` recordings. */
bool info_text(FILE *out, const char *path, const struct summary *s, size_t count) MUST_CHECK;

/* One object: begin, a recording each, the total if there is one, end. */
void info_json_begin(FILE *out);
bool info_json_recording(
	FILE *out, const char *path, const struct summary *s, size_t number) MUST_CHECK;
bool info_json_total(FILE *out, const struct summary *s) MUST_CHECK;
void info_json_end(FILE *out, bool has_total);

#endif
