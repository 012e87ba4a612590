/*
 * endpoints: the endpoints of a feed while it runs.
 *
 * Each knows what its connections know of it. At most two connections hold an endpoint at once, the one that
 * records and, in a handover, its successor: the sides 0 and 1 of the endpoint's link. A feed with several
 * connections spreads its endpoints over as many links; an endpoint keeps its link. Texts are copied, so that
 * a configuration can go while its endpoints stay. The loop thread owns everything.
 */
#ifndef TAPEDECK_RECORD_ENDPOINTS_H
#define TAPEDECK_RECORD_ENDPOINTS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"
#include "config/config.h"
#include "record/coverage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIDES = COVERAGE_SIDES };

enum subscription_state {
	SUBSCRIPTION_NONE,
	SUBSCRIPTION_WAITING,   /* to be asked for */
	SUBSCRIPTION_ASKED,     /* sent, not answered */
	SUBSCRIPTION_CONFIRMED, /* granted */
	SUBSCRIPTION_REFUSED,   /* or not answered; asked for again at due_us */
	SUBSCRIPTION_TO_LEAVE,  /* to be unsubscribed */
	SUBSCRIPTION_LEAVING,   /* unsubscribe sent, not answered */
};

/* An endpoint on one connection; record/subscriptions owns it. */
struct subscription {
	int64_t due_us; /* monotonic */
	uint8_t state;
	uint8_t failures;
	bool is_awaited; /* its first answer counts for "settled" */
	bool is_again;   /* it is left in order to be asked for again */
};

/* What has been done about an endpoint that says nothing; see record/silence.h. */
enum silence { SILENCE_NONE, SILENCE_ASKED_AGAIN, SILENCE_SPENT };

struct endpoint {
	uint64_t hash;
	struct slice path;
	struct slice params;
	int64_t expect_every_us;
	unsigned link;
	bool is_removed;           /* from the configuration; freed when no connection holds it */
	bool is_kept;              /* scratch of endpoints_update */
	bool is_wanted;            /* the recording was told so */
	bool is_outage;            /* an outage of its own is open */
	bool is_unproven;          /* its session was resumed, and nothing has come since */
	bool was_confirmed[SIDES]; /* when the last connection of that side ended */
	enum silence silence;
	int64_t waiting_us;  /* monotonic; since its last event or confirmation */
	int64_t heard_at_us; /* time stamp of its last event; 0: none yet */
	int64_t overlap_us; /* time stamp; since when two connections may deliver the same event; 0: only one does */
	struct coverage coverage;
	struct subscription subscription[SIDES];
};

struct endpoints {
	struct map map;
	struct endpoint **all;
	size_t count;
	uint64_t changes; /* grows whenever an index into `all` may mean another endpoint */
	bool has_cadence; /* one of them says how often it speaks */
	bool has_doubt;   /* one of them may be unproven */
	unsigned links;
	size_t on_link[CONFIG_CONNECTIONS_MAX]; /* endpoints of each link that are not removed */
};

/* An empty set that spreads over `links` links. */
void endpoints_init(struct endpoints *s, unsigned links);
void endpoints_release(struct endpoints *s);

/* Makes the set that of `feed`: adds what is new, marks what is gone as removed. False when out of memory; the
 * set is then as before. */
bool endpoints_update(
	struct endpoints *s, const struct config_feed *feed, struct err *e) MUST_CHECK;

/* Frees the removed ones that no connection holds. */
void endpoints_purge(struct endpoints *s);

/* Also one that is removed, as long as it is held. NULL if there is none. */
struct endpoint *endpoints_find(const struct endpoints *s, struct slice path, struct slice params);

#endif
