/*
 * http_conn: one connection of an http_server.
 *
 *   head --> body --> asked --> replying --> lingering --> closed
 *    ^  `--------------^ |         |
 *    `-------------------`---------`  (the connection is kept)
 *
 * For the files of http_server only.
 */
#ifndef TAPEDECK_NET_HTTP_CONN_H
#define TAPEDECK_NET_HTTP_CONN_H

#include "net/acceptor.h"
#include "net/http_server.h"
#include "net/sendq.h"
#include "proto/http_chunked.h"

#include <sys/types.h>

struct event;

struct http_server {
	struct loop_reap reap;
	struct loop *loop;
	struct acceptor *acceptor;
	struct http_server_options options;
	void (*request)(void *arg, struct http_exchange *x);
	void *arg;
	struct http_conn *conns; /* those that are not taken */
	size_t count;            /* taken ones too */
	size_t taken;
	int64_t warned_us; /* when the limit of connections was last spoken of; 0: never */
};

/* The request that a connection is busy with. */
struct http_exchange {
	struct buf head;
	struct buf body;
	struct http_request request; /* borrows from the head */
	void (*gone)(void *arg);
	void *arg;
};

enum http_conn_state {
	HTTP_CONN_HEAD, /* reading, or waiting for a request */
	HTTP_CONN_BODY,
	HTTP_CONN_ASKED,     /* the owner has the exchange */
	HTTP_CONN_REPLYING,  /* the answer is not written whole; nothing is read */
	HTTP_CONN_LINGERING, /* we have ended our side; waits for the client's end */
	HTTP_CONN_CLOSED,    /* to be destroyed after the turn */
};

struct http_conn {
	struct http_exchange exchange; /* first: exchanges are cast back */
	struct loop_reap reap;
	struct http_server *server;
	struct http_conn *prev, *next;
	enum http_conn_state state;
	int fd;
	struct event *readable;
	struct event *writable;
	struct timer *timeout;
	struct buf in; /* bytes that came, handed out up to `in_at` */
	size_t in_at;
	size_t head_seen; /* see http_head_end */
	struct http_chunked chunked;
	struct sendq out;             /* what is left of an answer */
	struct http_receipt *receipt; /* of the last answer; NULL: nobody asks */
	bool has_begun;               /* a byte of the request has come */
	bool is_processing;           /* requests are being handed out, further up the stack */
	bool closes;                  /* after this answer */
};

/* A connection that was accepted; false, and nothing is changed, when out of memory. */
bool http_conn_new(struct http_server *s, int fd) MUST_CHECK;

/* A connection whose owner is done with it: nothing is left but to close it politely. */
bool http_conn_new_lingering(struct http_server *s, int fd) MUST_CHECK;

/* Closes the connection and ends its exchange. */
void http_conn_close(struct http_conn *c);

/* Lets go of the connection without closing its descriptor, which is returned. */
int http_conn_release(struct http_conn *c);

/* True if the last answer has not arrived; `got` is what recv says now: bytes, an end (0) or an
 * error (-1). */
bool http_conn_lost_answer(const struct http_conn *c, ssize_t got);

/* Writes an answer and goes on with the next request, or closes. */
void http_conn_answer(struct http_conn *c, struct slice head, struct slice body);

/* Answers a request that is refused before anyone is asked. */
void http_conn_refuse(struct http_conn *c, const struct http_fault *fault);

#endif
