/*
 * ws_server: one WebSocket connection on the side of a server.
 *
 * RFC 6455 (version 13), the draft that browsers called version 8, whose frames are the same, and
 * hixie-76 (proto/ws_hixie), which old clients still speak. The socket is read and written in large
 * pieces; what is queued in one turn of the loop is written at once, after the callbacks of that
 * turn. An idle connection has no buffers and no decoder. Loop thread only.
 *
 *   handshake --> open --> closing --> ended     handshake: the eight bytes of hixie-76 are due
 *                   |         |         ^        closing: ours is queued, their close frame is due
 *                   `-----> leaving ----'        leaving: the last frame is to be written
 */
#ifndef TAPEDECK_NET_WS_SERVER_H
#define TAPEDECK_NET_WS_SERVER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "proto/ws.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_server;

enum ws_server_end {
	WS_SERVER_CLOSED, /* a close frame, from either side */
	WS_SERVER_LOST,   /* the stream ended or broke without one */
	WS_SERVER_BROKEN, /* the client breaks the protocol, or its message is too large */
	WS_SERVER_STUCK,  /* it does not read: out_max bytes wait, or none was taken in stuck_us */
};

/* Each of them may free the connection. */
struct ws_server_events {
	/* WS_OP_TEXT or WS_OP_BINARY; borrowed for the call. */
	void (*message)(void *arg, enum ws_opcode opcode, struct slice payload);
	/* What waited to be sent has fallen below WS_SERVER_LOW after it was above WS_SERVER_HIGH.
	 * May be NULL. */
	void (*drained)(void *arg);
	/* Once, and nothing after it; not when the connection is freed before. */
	void (*ended)(void *arg, enum ws_server_end end, const struct err *e);
};

#define WS_SERVER_HIGH ((size_t)256 << 10)
#define WS_SERVER_LOW ((size_t)64 << 10)

struct ws_server_options {
	size_t message_max; /* of the client's messages */
	size_t out_max;     /* where so many bytes wait to be sent, no further message is queued */
	int64_t stuck_us;   /* 0: for ever */
};

/* True if the request asks for a WebSocket of any of the three kinds. */
bool ws_server_is_upgrade(const struct http_exchange *x);

/* Answers the upgrade and takes the connection. False: it is no acceptable one and has been
 * answered with the HTTP status that says so; the exchange is over in either case. Messages that
 * came with the handshake are handed out from the loop later, not inside this call. */
bool ws_server_accept(struct ws_server **out, struct loop *l, struct http_exchange *x,
	const struct ws_server_options *options, const struct ws_server_events *events, void *arg,
	struct err *e) MUST_CHECK;

/* From now on the events go to another owner. */
void ws_server_set_events(struct ws_server *c, const struct ws_server_events *events, void *arg);

/* Closes the connection: at once, as a crash would, if it has not ended; else so that the last
 * frame still arrives. No event comes any more. Accepts NULL. */
void ws_server_free(struct ws_server *c);

/* Queues a message. False: the connection is closing, or out_max bytes wait, and then `ended`
 * follows. A binary message over hixie-76, which has none, is refused, too, and nothing follows. */
bool ws_server_send(struct ws_server *c, enum ws_opcode opcode, struct slice payload) MUST_CHECK;

/* True if frames of RFC 6455 can be queued as they are (false for hixie-76). */
bool ws_server_takes_frames(const struct ws_server *c);

/* Queues whole frames that ws_encode(WS_SERVER) made; any number of them. Else like ws_server_send.
 * Many at a time are written without being copied, where nothing waits. */
bool ws_server_send_frames(struct ws_server *c, struct slice frames) MUST_CHECK;

/* Bytes that wait to be sent. */
size_t ws_server_pending(const struct ws_server *c);

/* Sends what waits, then a close frame, and waits a moment for the client's; then `ended` comes. */
void ws_server_close(struct ws_server *c, uint16_t code);

/* Stops or goes on reading. What was read already may still bring messages. */
void ws_server_pause(struct ws_server *c, bool pause);

#endif
