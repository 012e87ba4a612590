/*
 * choice: the options with which the commands choose what is played or shown.
 *
 *   --from T, --to T   ISO 8601, or a bare number: microseconds since 1970; both ends included
 *   --feed NAME, --path P, --params JSON   each may be given several times; what is of one kind adds up
 *   --order received|timestamp
 *
 * `info` knows only those that choose streams: it reads counters, not events.
 *
 * The command puts CHOICE_OPTIONS into its table of long options and hands what getopt_long returns for them to choice_take.
 * Texts are borrowed from the command line, or belong to the choice.
 */
#ifndef TAPEDECK_REPLAY_CHOICE_H
#define TAPEDECK_REPLAY_CHOICE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "tape.h"

#include <stdbool.h>

/* Values of getopt_long; a command's own are below CHOICE_FIRST. */
enum {
	CHOICE_FIRST = 1000,
	CHOICE_FROM = CHOICE_FIRST,
	CHOICE_TO,
	CHOICE_FEED,
	CHOICE_PATH,
	CHOICE_PARAMS,
	CHOICE_ORDER,
};

/* Those that choose streams, and all. */
#define CHOICE_STREAM_OPTIONS \
	{ "feed", required_argument, NULL, CHOICE_FEED }, \
		{ "path", required_argument, NULL, CHOICE_PATH }, \
	{ \
		"params", required_argument, NULL, CHOICE_PARAMS \
	}

#define CHOICE_OPTIONS \
	CHOICE_STREAM_OPTIONS, { "from", required_argument, NULL, CHOICE_FROM }, \
		{ "to", required_argument, NULL, CHOICE_TO }, \
	{ \
		"order", required_argument, NULL, CHOICE_ORDER \
	}

/* Values in the order in which they were given. */
struct choice_list {
	struct slice *values;
	size_t count;
};

struct choice {
	int64_t from_us; /* TAPE_NONE: not given */
	int64_t to_us;
	struct choice_list feeds;
	struct choice_list paths;
	struct choice_list params; /* canonical */
	enum tape_order order;
	struct arena arena;
};

void choice_init(struct choice *c);
void choice_release(struct choice *c);

/* Takes one option. False: the value is wrong, and `e` says why (or out of memory). */
bool choice_take(struct choice *c, int option, const char *value, struct err *e) MUST_CHECK;

/* False if the options contradict each other. */
bool choice_check(const struct choice *c, struct err *e) MUST_CHECK;

/* What to open a tape with; borrows from the choice. */
struct tape_choice choice_of(const struct choice *c);

#endif
