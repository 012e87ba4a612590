/*
 * engine: one connection to a feed's server below Socket.IO: generation, transport, heartbeat.
 *
 * It finds its way in (record/approach), moves from long-polling to a WebSocket where both are configured
 * (record/upgrade), keeps the heartbeat of its generation, and hands out messages. Which generation the
 * server speaks is settled before `opened`.
 *
 *   approaching --found--> greeting --first packet, or none--> open --> closing --> over
 *        |                    (settled at once unless a WebSocket may be of 3 or 4) |       ^
 *        +---------------------- failure, loss, silence ---------------------------+-------+
 */
#ifndef TAPEDECK_RECORD_ENGINE_H
#define TAPEDECK_RECORD_ENGINE_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/generation.h"
#include "record/approach.h"
#include "record/handshake.h"
#include "record/session_end.h"

#include <stdbool.h>
#include <stddef.h>

struct engine;

/* Any of them may free the engine. */
struct engine_events {
	/* Messages can be sent. */
	void (*opened)(void *arg);
	/* The session has moved from polling to a WebSocket. */
	void (*upgraded)(void *arg);
	/* Bytes have arrived; comes before what is in them. */
	void (*arrived)(void *arg);
	/* The data of an EIO_MESSAGE; `whole` is the message that it came in. */
	void (*message)(void *arg, bool is_binary, struct slice data, struct slice whole);
	/* Bytes that cannot be read. The connection may go on, or `ended` follows. */
	void (*rejected)(void *arg, const char *reason, struct slice bytes);
	/* Once, and nothing after it. */
	void (*ended)(void *arg, enum session_end why, const char *detail);
};

/* Starts to connect. `access` and `memory` must outlive the engine; the token in `access` only the call. */
bool engine_new(struct engine **out, const struct access *access, struct approach_memory *memory,
	const struct engine_events *events, void *arg, struct err *e) MUST_CHECK;

/* Closes at once, without a word; accepts NULL. */
void engine_free(struct engine *e);

/* Queues an EIO_MESSAGE of text. False: not open, or too much waits; the connection is of no use then. */
bool engine_send(struct engine *e, struct slice text) MUST_CHECK;

/* Bytes that wait to be sent. */
size_t engine_pending(const struct engine *e);

/* Says goodbye where that makes sense; `ended` comes with this reason, never inside this call. */
void engine_close(struct engine *e, enum session_end why, const char *detail);

/* Stops or goes on reading; silence does not count meanwhile. */
void engine_pause(struct engine *e, bool pause);

/* The server turns out to speak another generation of Engine.IO than it seemed, before anything but the
 * request to join was sent. */
void engine_revise(struct engine *e, const struct generation *g);

/* Valid from `opened` on. */
const struct generation *engine_generation(const struct engine *e);
const char *engine_transport(const struct engine *e);
const char *engine_sid(const struct engine *e);

#endif
