/*
 * session: one connection to a feed, from the first byte to its close reason.
 *
 * Speaks Engine.IO 3 or 4 and Socket.IO over a WebSocket, subscribes the feed's endpoints and hands every
 * event to ingest. Which generation the server speaks it finds out without an extra round trip: EIO=4 is
 * asked for, and a server that joins the namespace unasked is of generation 3.
 *
 *   connecting --101--> opening --open packet--> greeting --who joins?--> joining --joined--> live
 *                                                    |  (known at once) ------^                |
 *        any state --- failure, refusal, silence ---> closed <-- closing <-- leaving <---------+
 */
#ifndef TAPEDECK_RECORD_SESSION_H
#define TAPEDECK_RECORD_SESSION_H

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/transfers.h"
#include "record/ingest.h"
#include "record/session_end.h"

#include <stdbool.h>
#include <stdint.h>

/* What sessions share. */
struct session_context {
	struct loop *loop;
	struct transfers *transfers;
	struct writer *writer;
	struct clock *clock;
	/* The writer is full: the owner stops reading all sockets. */
	void (*full)(void *arg);
	void *full_arg;
};

struct session_events {
	/* The namespace is joined; subscribing starts. */
	void (*live)(void *arg);
	/* Once, and nothing after it; the owner frees the session. `lived_us` is 0 if it was never live. */
	void (*ended)(void *arg, enum session_end why, int64_t lived_us);
};

struct session;

/* Starts to connect. `token` may be NULL and is only used during the call. */
bool session_new(struct session **out, const struct session_context *context, struct ingest *ingest,
	const struct secret *token, const struct session_events *events, void *arg,
	struct err *e) MUST_CHECK;

/* Ends without a further event; accepts NULL. */
void session_free(struct session *s);

/* Unsubscribes, waits for the acks, says goodbye and closes; `ended` comes within about 3 s. */
void session_stop(struct session *s);

/* Stops or goes on reading; silence does not count meanwhile. */
void session_pause(struct session *s, bool pause);

/* Notes in the open batch when bytes last came, if that has changed. */
void session_note_alive(struct session *s);

#endif
