/*
 * approach: finds the way to a feed's server: which generation it speaks, and on which transport.
 *
 * With a generation configured, or known from the last time, that way is tried first. Otherwise Engine.IO 4
 * is asked for, on the transport that stands first: no version answers that with silence or with a broken
 * stream, and what it answers tells what it is.
 *
 *   WebSocket --open packet--> found           polling --open packet of 3 or 4--> found
 *       | refused, mute, silent                   | "Welcome to socket.io"
 *       +--> polling, if configured               +--> 0.9: its handshake --> WebSocket or polling
 *       +--> 0.9, if mute and it may be one
 *
 * Each step has a time limit. A WebSocket that is refused where long-polling then works is remembered.
 */
#ifndef TAPEDECK_RECORD_APPROACH_H
#define TAPEDECK_RECORD_APPROACH_H

#include "base/compiler.h"
#include "base/err.h"
#include "proto/generation.h"
#include "record/handshake.h"
#include "record/session_end.h"

#include <stdbool.h>

/* What a feed's earlier connections have taught; its owner is the feed. */
struct approach_memory {
	const struct generation *generation; /* tried first; NULL: not known */
	bool no_websocket; /* it was refused last time: begin with polling, and try to upgrade from there */
};

struct approach_found {
	const struct generation *generation; /* NULL: Engine.IO 3 or 4; what comes next tells */
	struct eio_open open; /* 0.9: made of its handshake; a heartbeat of 0 is none */
	struct ws_client *ws; /* the receiver's now, which sets its events; NULL: polling */
	struct slice body;    /* polling: the answer, from the open packet on; may be empty */
	bool may_upgrade;     /* the WebSocket is configured and was not refused just now */
};

struct approach;

/* Exactly one of the last two comes, once; it may free the approach. */
struct approach_events {
	/* Bytes have arrived. */
	void (*arrived)(void *arg);
	void (*found)(void *arg, const struct approach_found *found);
	void (*failed)(void *arg, enum session_end why, const char *detail);
};

/* Starts. `access` and `memory` must outlive it. */
bool approach_new(struct approach **out, const struct access *access,
	struct approach_memory *memory, const struct approach_events *events, void *arg,
	struct err *e) MUST_CHECK;

/* Accepts NULL. */
void approach_free(struct approach *a);

#endif
