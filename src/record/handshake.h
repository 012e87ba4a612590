/*
 * handshake: the requests with which a connection introduces itself to a feed's server.
 *
 * One place knows how the addresses of each generation and transport look, what the query holds, and which
 * headers, cookies, certificates and proxies go along. The addresses hold the token and are wiped.
 */
#ifndef TAPEDECK_RECORD_HANDSHAKE_H
#define TAPEDECK_RECORD_HANDSHAKE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/secret.h"
#include "config/config.h"
#include "net/cookies.h"
#include "net/http_client.h"
#include "net/ws_client.h"
#include "proto/generation.h"

#include <stdbool.h>
#include <stdint.h>

/* What it takes to reach a feed's server; borrowed, must outlive whatever is opened with it. */
struct access {
	struct loop *loop;
	struct transfers *transfers;
	struct cookies *cookies;
	const struct config_feed *feed;
	const struct secret *token; /* NULL: none */
};

/* What is asked for. */
struct handshake_target {
	const struct generation *generation; /* NULL: not known yet; asked for as Engine.IO 4 */
	bool is_websocket;
	const char *sid; /* NULL: a new session; 0.9: its handshake, whatever the transport */
	uint64_t nonce;  /* makes the address of a poll its own, against caches; 0: none */
};

/* Appends the CONNECT payload of generation 4 with "$token" replaced; nothing if none is configured. The
 * caller wipes it. */
bool handshake_auth(
	const struct config_feed *feed, const struct secret *token, struct buf *out) MUST_CHECK;

/* Opens a WebSocket; see ws_client_new. `events` should hand Set-Cookie headers to handshake_cookie. */
bool handshake_websocket(struct ws_client **out, const struct access *a,
	const struct handshake_target *target, int64_t timeout_ms,
	const struct ws_client_events *events, void *arg, struct err *e) MUST_CHECK;

/* Keeps a cookie that came with a WebSocket's handshake. */
void handshake_cookie(const struct access *a, struct slice header);

/* A request of the handshake or of a poll. */
struct handshake_http {
	struct handshake_target target;
	enum http_method method;
	struct slice body;
	const char *content_type;
	int64_t timeout_ms;
	void (*arrived)(void *arg); /* as in struct http_request */
};

/* Sends it; see http_send. */
bool handshake_send(struct http_call **out, const struct access *a,
	const struct handshake_http *request,
	void (*done)(void *arg, const struct http_answer *answer), void *arg,
	struct err *e) MUST_CHECK;

#endif
