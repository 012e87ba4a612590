/*
 * subscriptions: asks for every endpoint of a link on one connection, and knows which were granted.
 *
 * At most SUBSCRIPTIONS_IN_FLIGHT requests wait for their ack, so that any number of endpoints needs
 * bounded memory here and at the server. A refused endpoint, or one that got no answer, is tried again
 * with backoff and does not hold up the others. A dialect without acks counts a request as granted when
 * it has been written. Endpoints may come and go meanwhile.
 *
 *   none --> waiting --sent--> asked --ack null--> confirmed --> to leave --sent--> leaving --ack--> none
 *               ^                | error, no answer    |                               | asked again
 *               +--- backoff --- refused               +---> ...                       +--> waiting
 */
#ifndef TAPEDECK_RECORD_SUBSCRIPTIONS_H
#define TAPEDECK_RECORD_SUBSCRIPTIONS_H

#include "base/compiler.h"
#include "base/slice.h"
#include "config/config.h"
#include "net/loop.h"
#include "record/endpoints.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUBSCRIPTIONS_IN_FLIGHT 256
#define SUBSCRIPTIONS_ACK_TIMEOUT_US 30000000
#define SUBSCRIPTIONS_RETRY_MAX_US 60000000

struct subscriptions;

/* What the owner does for it. */
struct subscriptions_events {
	/* Sends an event; with an ack id if `has_id`. False: the connection is of no use any more. */
	bool (*send)(void *arg, const char *event, struct slice args, bool has_id, uint64_t id);
	/* Bytes that wait in the connection; a dialect without acks is slowed by it. */
	size_t (*pending)(void *arg);
	/* A subscribe goes out. */
	void (*asking)(void *arg, struct endpoint *endpoint);
	void (*granted)(void *arg, struct endpoint *endpoint);
	void (*refused)(void *arg, struct endpoint *endpoint, const char *why);
	/* An unsubscribe goes out. */
	void (*leaving)(void *arg, struct endpoint *endpoint);
	/* Every endpoint that was there at begin has been answered once; or there was none. */
	void (*settled)(void *arg, size_t confirmed, size_t refused);
	/* After subscriptions_leave: every unsubscribe has been answered. */
	void (*left)(void *arg);
};

/* Which endpoints, and as which of their sides. */
struct subscriptions_scope {
	struct endpoints *endpoints;
	unsigned link;
	int side;
};

/* NULL when out of memory. The feed's configuration and the endpoints must outlive it. */
struct subscriptions *subscriptions_new(struct loop *l, const struct config_feed *feed,
	const struct subscriptions_scope *scope, const struct subscriptions_events *events,
	void *arg) MUST_CHECK;

/* Lets go of every endpoint; accepts NULL. */
void subscriptions_free(struct subscriptions *s);

/* The connection is ready: start asking. With a `resumed` side (else -1), the server still knows what was
 * confirmed on that side when it was lost: these endpoints are granted without being asked for. */
void subscriptions_begin(struct subscriptions *s, int resumed);

/* Takes an ack: `args` is the JSON array that the server sent back. Unknown ids are ignored. */
void subscriptions_ack(struct subscriptions *s, uint64_t id, struct slice args);

/* Unsubscribes an endpoint and, after the answer, asks for it again: some servers add a listener for every
 * subscribe. */
void subscriptions_again(struct subscriptions *s, struct endpoint *endpoint);

/* The set of endpoints has changed: asks for what is new, leaves what was removed. */
void subscriptions_update(struct subscriptions *s);

/* Answers are not read for a while, or are again: no time runs out meanwhile, and nothing is asked for. */
void subscriptions_pause(struct subscriptions *s, bool pause);

/* Unsubscribes whatever is confirmed; no subscribe is sent any more. */
void subscriptions_leave(struct subscriptions *s);

#endif
