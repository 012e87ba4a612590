/*
 * http_server: HTTP/1 requests from clients of any age.
 *
 * One exchange is one request and its answer. The owner answers at once or later (a long poll), or
 * takes the connection over (a WebSocket). What a hostile client can do is bounded: head, body,
 * connections, requests a turn of the loop, the time for a whole request and the time without
 * reading an answer. A client that leaves a held request is noticed; accepting pauses when
 * descriptors run out. The listener is libevent's; the requests are read by proto/http_request,
 * because libevent's own HTTP server answers a HEAD with a body, gives a large head the wrong
 * status and cannot count its connections. Loop thread only.
 */
#ifndef TAPEDECK_NET_HTTP_SERVER_H
#define TAPEDECK_NET_HTTP_SERVER_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "net/loop.h"
#include "proto/http_request.h"
#include "proto/ws_header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_SERVER_HEAD_MAX ((size_t)32 << 10) /* request line and headers */

struct http_server_options {
	const char *host; /* an address without brackets, or a name; "" or "::": all addresses */
	uint16_t port;    /* 0: any free one */
	size_t connections_max; /* those beyond it are closed at once; taken ones count, too */
	size_t body_max;        /* of a request; beyond it 413 */
	int64_t request_us;     /* for a whole request to arrive, from its first byte; the first
	                         * request of a connection: from its beginning */
	int64_t idle_us; /* between requests of a kept connection, and for one that does not read */
};

struct http_server;
struct http_exchange;

/* `request` is called for every GET, POST, OPTIONS, HEAD, PUT and DELETE; other methods get 501. It
 * must reply, hold, drop or take. */
bool http_server_new(struct http_server **out, struct loop *l,
	const struct http_server_options *options,
	void (*request)(void *arg, struct http_exchange *x), void *arg, struct err *e) MUST_CHECK;

/* Closes the listener and all connections; their exchanges end (`gone` is not called). Taken ones
 * must have been given back. Accepts NULL. */
void http_server_free(struct http_server *s);

uint16_t http_server_port(const struct http_server *s);

/* Connections at this moment, taken ones too. */
size_t http_server_connections(const struct http_server *s);

/* What was asked for; borrowed until the exchange ends. */
struct slice http_exchange_method(const struct http_exchange *x);
struct slice http_exchange_path(const struct http_exchange *x);  /* as sent, without the query */
struct slice http_exchange_query(const struct http_exchange *x); /* without '?'; may be empty */
struct slice http_exchange_body(const struct http_exchange *x);
struct slice http_exchange_head(
	const struct http_exchange *x); /* request line and headers, as sent */
struct slice http_exchange_target(const struct http_exchange *x);  /* path and query */
struct slice http_exchange_headers(const struct http_exchange *x); /* for ws_header_find */
bool http_exchange_header(const struct http_exchange *x, const char *name, struct slice *value);

/* The exchange stays open without an answer. `gone(arg)` is called once if the client leaves before
 * one; the exchange is over then. */
void http_exchange_hold(struct http_exchange *x, void (*gone)(void *arg), void *arg);

/* False if the client has left: asked of the socket itself, as that news may be waiting behind what
 * is being handled. What is answered now is lost, and `gone` is still to come. */
bool http_exchange_is_live(const struct http_exchange *x);

/* Whether an answer has arrived, as far as that can be known: it is lost if the connection broke,
 * or the client left it before it had taken all of it. Embedded in its owner. */
struct http_receipt {
	struct http_conn *conn; /* NULL: it is settled */
	bool is_lost;
};

/* To be called before the reply. The receipt must stay until http_receipt_end. */
void http_exchange_watch(struct http_exchange *x, struct http_receipt *receipt);

/* Ends the watching, at any time after the reply; false if the answer is lost. One that is still on
 * its way is given up. */
bool http_receipt_end(struct http_receipt *receipt);

/* Answers, whole (Content-Length, one write where it can), and ends the exchange. The headers are
 * ours beside `headers`: Content-Length, Connection, Date. A HEAD gets no body. */
void http_exchange_reply(struct http_exchange *x, int status, const struct ws_header *headers,
	size_t header_count, struct slice body);

/* Closes the connection without an answer; ends the exchange. */
void http_exchange_drop(struct http_exchange *x);

/* A connection that left HTTP. */
struct http_taken {
	int fd; /* non-blocking, close-on-exec, TCP_NODELAY */
	struct buf
		early; /* bytes behind the request that have come already; the taker releases it */
	struct http_server *server; /* for http_server_give_back */
};

/* Takes the connection out of the server; ends the exchange. Its events on the descriptor are
 * gone. */
void http_exchange_take(struct http_exchange *x, struct http_taken *out);

/* Takes a connection back, to be closed: politely, so that what was written last still arrives
 * though the client is sending; or, `abruptly`, at once. The taker has freed its events. */
void http_server_give_back(struct http_server *s, int fd, bool abruptly);

#endif
