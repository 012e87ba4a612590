/*
 * session: one connection to a feed, from the first byte to its close reason.
 *
 * Speaks Socket.IO over record/engine: joins the namespace, subscribes the endpoints of its link, hands every
 * event to ingest, and writes into the recording how the connection went and what it covered. A server with
 * connection state recovery (Socket.IO 4.6) is offered the session before: if it takes it, what was missed
 * comes first, and nothing is subscribed again.
 *
 *   connecting --opened--> joining --joined--> live --stop, retire--> leaving
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
#include "record/endpoints.h"
#include "record/ingest.h"
#include "record/journal.h"
#include "record/pause.h"
#include "record/recovery.h"
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
	/* Hands the open batch to the writer, with what all sessions have to add to it. */
	void (*submit)(void *arg);
	void *submit_arg;
};

struct session_events {
	/* The namespace is joined; subscribing starts. */
	void (*live)(void *arg);
	/* Every endpoint has been granted or refused. */
	void (*settled)(void *arg);
	/* Once, and nothing after it; the owner frees the session. `lived_us` is 0 if it was never live. */
	void (*ended)(void *arg, enum session_end why, int64_t lived_us);
};

struct session;

/* What the sessions of one feed have in common; outlives them. */
struct session_feed {
	const struct config_feed *config;
	struct ingest *ingest;
	struct endpoints *endpoints;
	struct journal *journal;
	struct cookies *cookies;
	struct approach_memory *memory;
};

struct session_options {
	unsigned link;
	int side;
	const struct secret *token;          /* NULL: none */
	const struct session_resume *resume; /* NULL: a new session */
};

/* Starts to connect. What `options` names is only used during the call. */
bool session_new(struct session **out, const struct session_context *context,
	const struct session_feed *feed, const struct session_options *options,
	const struct session_events *events, void *arg, struct err *e) MUST_CHECK;

/* Ends without a further event; accepts NULL. */
void session_free(struct session *s);

/* Unsubscribes, waits for the acks, says goodbye and closes; `ended` comes within about 3 s. */
void session_stop(struct session *s);

/* The same, in favour of another connection: it is read on until every ack has come, or for the configured
 * overlap where there are none. */
void session_retire(struct session *s);

/* Valid from `live` on. */
bool session_is_live(const struct session *s);
bool session_was_resumed(const struct session *s);

/* What it takes to go on with this session; false if the server cannot. Borrowed until session_free. */
bool session_resume_state(const struct session *s, struct session_resume *out);

/* Time stamp of the last byte received; 0: none. Once it has ended: until when nothing was missed, which is less
 * if reading had stopped and not caught up (record/pause). */
int64_t session_last_received_us(const struct session *s);

/* The cause of what is missed after it; once it has ended, with the reason that `ended` gave. */
const char *session_cause(const struct session *s, enum session_end why);

/* It has ended before it had caught up with reading. */
bool session_was_behind(const struct session *s);

/* Asks again for an endpoint that is confirmed on it. */
void session_ask_again(struct session *s, struct endpoint *endpoint);

/* The set of endpoints has changed. */
void session_update(struct session *s);

/* Doubts a resumed subscription that stays silent: its coverage ends where it was resumed, and it is asked for
 * again. */
void session_doubt(struct session *s, struct endpoint *endpoint);

/* Stops reading, or says more of the reason; PAUSE_NONE: goes on. Silence does not count meanwhile. */
void session_pause(struct session *s, enum pause_reason reason);

/* Notes in the open batch when bytes last came, and the offset to resume from, if they have changed. */
void session_note_alive(struct session *s);

#endif
