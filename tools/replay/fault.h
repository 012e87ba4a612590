/*
 * fault: the faults that a replay acts out on purpose, and when.
 *
 *   drop:every=1000  drop:every=30s     the connection is cut after so many events, or so much played time
 *   delay:50ms..200ms                   each event comes later; the order stays
 *   duplicate:rate=0.01                 events come twice
 *   reorder:window=5                    events change places with the next ones
 *   refuse:rate=0.2                     connections are refused
 *   jwt:status=401,rate=0.5  jwt:delay=35s   how POST /jwt answers
 *
 * Chance is a number stream of its own for each rule and each client (or request), drawn from the seed: the
 * same seed and the same order of clients give the same faults, however fast everything goes. Pure.
 */
#ifndef TAPEDECK_REPLAY_FAULT_H
#define TAPEDECK_REPLAY_FAULT_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_RULES_MAX 32
#define FAULT_WINDOW_MAX 100
#define FAULT_COUNT_MAX INT64_C(1000000000)

enum fault_kind {
	FAULT_DROP,
	FAULT_DELAY,
	FAULT_DUPLICATE,
	FAULT_REORDER,
	FAULT_REFUSE,
	FAULT_JWT,
};

struct fault_rule {
	enum fault_kind kind;
	int64_t every;    /* DROP: events; 0: `every_us` counts */
	int64_t every_us; /* DROP: played time */
	int64_t least_us; /* DELAY; JWT: 0: no delay */
	int64_t most_us;
	double rate;   /* DUPLICATE, REFUSE, JWT */
	size_t window; /* REORDER */
	int status;    /* JWT; 0: answered as ever */
};

struct faults {
	struct fault_rule rules[FAULT_RULES_MAX];
	size_t count;
	uint64_t seed;
};

/* Reads a rule and adds it. False: `e` names the rule and what is allowed (ERR_CONFIG). */
bool fault_add(struct faults *f, const char *rule, struct err *e) MUST_CHECK;

/* True if there is a rule of that kind. */
bool fault_has(const struct faults *f, enum fault_kind kind);

/* After how many events, or how much played time, a connection is cut; 0: never. */
int64_t fault_drop_events(const struct faults *f);
int64_t fault_drop_us(const struct faults *f);

/* How many events change places; 0: none do. */
size_t fault_window(const struct faults *f);

/* The number streams of one client. */
struct fault_streams {
	uint64_t state[FAULT_RULES_MAX];
};

void fault_streams_init(struct fault_streams *s, const struct faults *f, uint64_t client);

/* For the client's next event, each once: how much later it comes, how often it comes, and, for each that leaves
 * the window, which of the `n` in it does. */
int64_t fault_delay_us(struct fault_streams *s, const struct faults *f);
unsigned fault_copies(struct fault_streams *s, const struct faults *f);
size_t fault_pick(struct fault_streams *s, const struct faults *f, size_t n);

/* Is connection attempt `number` refused? */
bool fault_refuses(const struct faults *f, uint64_t number);

/* How request `number` for a token is answered: with which status (0: as ever), how much later. */
int fault_jwt(const struct faults *f, uint64_t number, int64_t *delay_us);

#endif
