/*
 * session: one connection to a feed, from the first byte to its close reason.
 *
 * Speaks Socket.IO over record/engine: joins the namespace, subscribes the feed's endpoints, hands every
 * event to ingest, and writes into the recording how the connection went.
 *
 *   connecting --opened--> joining --joined--> live --stop--> leaving
 *       |                     |                  |               |
 *       +---------------------+----- failure, refusal, loss -----+---> closing --> closed
 */
#ifndef TAPEDECK_RECORD_SESSION_H
#define TAPEDECK_RECORD_SESSION_H

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/cookies.h"
#include "net/transfers.h"
#include "record/approach.h"
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

/* What the sessions of one feed have in common; outlives them. */
struct session_feed {
	struct ingest *ingest;
	struct cookies *cookies;
	struct approach_memory *memory;
};

/* Starts to connect. `token` may be NULL and is only used during the call. */
bool session_new(struct session **out, const struct session_context *context,
	const struct session_feed *feed, const struct secret *token,
	const struct session_events *events, void *arg, struct err *e) MUST_CHECK;

/* Ends without a further event; accepts NULL. */
void session_free(struct session *s);

/* Unsubscribes, waits for the acks, says goodbye and closes; `ended` comes within about 3 s. */
void session_stop(struct session *s);

/* Stops or goes on reading; silence does not count meanwhile. */
void session_pause(struct session *s, bool pause);

/* Notes in the open batch when bytes last came, if that has changed. */
void session_note_alive(struct session *s);

#endif
