/*
 * ws_client: a WebSocket to a server (RFC 6455) over a connection that libcurl makes.
 *
 * libcurl resolves the name, tries the addresses, speaks to proxies and does TLS (CURLOPT_CONNECT_ONLY);
 * the handshake and the frames are proto/ws's. The owner gets whole messages. One connection may use
 * READ_BUDGET bytes a turn of the loop, and DEFLATE_BUDGET where they may be compressed, so that neither a
 * firehose nor a bomb starves the others. We never compress what we send: a client says little.
 *
 *   connecting --TCP, TLS--> upgrading --101--> open --close--> closing --> ended
 *        any state ---------- failure, timeout, end of the stream ---------^
 */
#ifndef TAPEDECK_NET_WS_CLIENT_H
#define TAPEDECK_NET_WS_CLIENT_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/url.h"
#include "net/transfers.h"
#include "proto/ws.h"
#include "proto/ws_handshake.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that may wait to be sent, the largest message that we take among them; more is a failure of the connection. */
#define WS_CLIENT_OUT_MAX (WS_MESSAGE_MAX + ((size_t)64 << 10))

enum ws_end_kind {
	WS_END_UNREACHED, /* name, TCP, proxy or TLS failed */
	WS_END_REFUSED,   /* the server answered the handshake with something else than 101 */
	WS_END_CLOSED,    /* a close frame, from either side */
	WS_END_LOST,      /* the stream ended or broke without one */
	WS_END_PROTOCOL,  /* the peer breaks RFC 6455 */
};

struct ws_end {
	enum ws_end_kind kind;
	int http_status;  /* REFUSED: 0 if it was no HTTP */
	bool is_mute;     /* REFUSED: the server ended the connection without sending one byte */
	int proxy_status; /* UNREACHED: the proxy's answer to CONNECT if it was not 2xx, else 0 */
	uint16_t close_code; /* CLOSED: the peer's, or WS_CLOSE_NONE */
	struct err e; /* why, for a person; ERR_DENIED: a refusal inside the stream, after a 101 */
};

/* `opened`, `arrived` and `message` come only while open or closing. Any of them may free the client. */
struct ws_client_events {
	void (*opened)(void *arg);
	/* Bytes have arrived; comes before the messages in them. */
	void (*arrived)(void *arg);
	/* WS_TEXT, WS_BINARY or WS_TOO_LARGE; or WS_BAD with a payload that is not UTF-8, and then
	 * `ended` follows. */
	void (*message)(void *arg, enum ws_result kind, const struct ws_message *message);
	/* Once, and nothing after it; not when the client is freed before. */
	void (*ended)(void *arg, const struct ws_end *end);
	/* May be NULL. Once for each Set-Cookie header of the answer to the handshake, be it accepted or
	 * refused, and before `opened` or `ended`. The value may be as good as a password. */
	void (*set_cookie)(void *arg, struct slice value);
};

/* Borrowed for the call, but `target`, whose bytes the client takes over and wipes. */
struct ws_client_options {
	const struct url *url;
	struct buf *target; /* path and query; may hold a token */
	const struct ws_header *headers;
	size_t header_count;
	struct slice cookie; /* value of the Cookie header; empty: none */
	bool compression;    /* offer permessage-deflate */
	const char *ca_file;
	const char *proxy;
	int64_t connect_timeout_ms; /* for TCP, proxy and TLS, and again for the handshake */
};

struct ws_client;

bool ws_client_new(struct ws_client **out, struct loop *l, struct transfers *ts,
	const struct ws_client_options *options, const struct ws_client_events *events, void *arg,
	struct err *e) MUST_CHECK;

/* From now on the events go to another owner: both arguments replace those of ws_client_new. */
void ws_client_set_events(struct ws_client *c, const struct ws_client_events *events, void *arg);

/* Closes the socket at once; no event comes any more. Accepts NULL. */
void ws_client_free(struct ws_client *c);

/* Queues a message. False: not open, or WS_CLIENT_OUT_MAX bytes wait; the connection is of no use then. */
bool ws_client_send(struct ws_client *c, enum ws_opcode opcode, struct slice payload) MUST_CHECK;

/* True if the server may compress its messages; known once open. */
bool ws_client_is_compressed(const struct ws_client *c);

/* Bytes that wait to be sent. */
size_t ws_client_pending(const struct ws_client *c);

/* Sends a close frame and waits a moment for the peer's; then `ended` comes. */
void ws_client_close(struct ws_client *c, uint16_t code);

/* Stops or goes on reading the socket. What was read already may still bring messages. */
void ws_client_pause(struct ws_client *c, bool pause);

#endif
