/*
 * polling: the long-polling transport of one session.
 *
 * One GET at a time waits for what the server has to say, one POST at a time carries what has gathered
 * since the last. While reading is paused no GET is sent: the server keeps its events, TCP need not hold
 * them. A session that moves to a WebSocket is drained first: the last answers are taken in, and what
 * still waits to be sent is handed back.
 */
#ifndef TAPEDECK_RECORD_POLLING_H
#define TAPEDECK_RECORD_POLLING_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/generation.h"
#include "record/handshake.h"
#include "record/session_end.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that may wait to be sent. */
#define POLLING_OUT_MAX ((size_t)16 << 20)

struct polling;

/* Any of them may free the polling. */
struct polling_events {
	/* Bytes of an answer have come. */
	void (*stirred)(void *arg);
	/* An answer has come; comes before the messages in it. */
	void (*arrived)(void *arg);
	void (*message)(void *arg, bool is_binary, struct slice message);
	/* A body that is not what the generation sends: kept before `ended` follows. */
	void (*bad)(void *arg, const char *why, struct slice body);
	/* After polling_drain: no request is under way any more. */
	void (*drained)(void *arg);
	/* Once, and nothing after it. */
	void (*ended)(void *arg, enum session_end why, const char *detail);
};

struct polling_options {
	const struct access *access;
	const struct generation *generation;
	const char *sid;    /* copied */
	size_t body_max;    /* of a POST, as the server wants it; 0: not said */
	int64_t timeout_ms; /* after which a GET without an answer is given up; 0: never */
	struct slice
		pending; /* the rest of the handshake's answer, handed out from the loop; copied */
};

/* Starts to poll in the next turn of the loop. */
bool polling_new(struct polling **out, const struct polling_options *options,
	const struct polling_events *events, void *arg, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void polling_free(struct polling *p);

/* Queues a text message; false: POLLING_OUT_MAX bytes wait. */
bool polling_send(struct polling *p, struct slice message) MUST_CHECK;

/* Bytes that wait to be sent. */
size_t polling_pending(const struct polling *p);

/* Stops, also between two messages of one answer, or goes on. */
void polling_pause(struct polling *p, bool pause);

/* Sends no request any more and says when the last one is over; or goes on as before. */
void polling_drain(struct polling *p, bool drain);

/* True if nothing waits to be sent and no POST is under way. */
bool polling_is_idle(const struct polling *p);

/* Hands out what waits to be sent, in order, and forgets it; false as soon as `send` returns false. */
bool polling_take(struct polling *p, bool (*send)(void *arg, struct slice message), void *arg);

#endif
