/*
 * info_choose: takes out of a summary what was not chosen.
 *
 * Feeds, streams, events, first and last are then those of what is chosen; size, rejected, connections and the times of
 * arrival stay those of the whole file: its counters do not tell them apart.
 */
#ifndef TAPEDECK_REPLAY_INFO_CHOOSE_H
#define TAPEDECK_REPLAY_INFO_CHOOSE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "choice.h"
#include "store/summary.h"

#include <stdbool.h>
#include <stddef.h>

/* What was chosen of one kind. */
struct info_wish {
	const char *option;
	const struct choice_list *list;
	bool *is_met; /* by value: a stream has it */
	struct slice
		*nearest; /* by value: of what is there and not it; ptr NULL: nothing is there */
};

enum { INFO_FEED, INFO_PATH, INFO_PARAMS, INFO_WISHES };

struct info_wishes {
	struct info_wish all[INFO_WISHES];
	struct arena arena;
};

/* `choice` must outlive it. */
bool info_wishes_init(struct info_wishes *w, const struct choice *choice, struct err *e) MUST_CHECK;
void info_wishes_release(struct info_wishes *w);

bool info_choose(struct info_wishes *w, struct summary *s, struct err *e) MUST_CHECK;

/* False, with `e` filled, if something that was asked for is in none of the summaries. */
bool info_wishes_are_met(const struct info_wishes *w, struct err *e) MUST_CHECK;

#endif
