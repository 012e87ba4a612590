/*
 * overview_make: reads from recordings what overview.h shows, and writes it as JSON. May take long.
 */
#ifndef TAPEDECK_REPLAY_OVERVIEW_MAKE_H
#define TAPEDECK_REPLAY_OVERVIEW_MAKE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "tape.h"

#include <stdbool.h>
#include <stddef.h>

struct overview_source {
	const char *const *paths;
	size_t n_paths;
	const struct tape_choice *choice;
	bool needs_token;
};

/* Appends the object; false with the reason. Any thread: it opens a tape of its own. */
bool overview_make(const struct overview_source *source, struct buf *out, struct err *e) MUST_CHECK;

#endif
