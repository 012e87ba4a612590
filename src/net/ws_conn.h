/*
 * ws_conn: the inside of a ws_server: its state, and what its files call of each other.
 *
 * ws_server.c begins and ends connections, ws_conn_in.c reads, ws_conn_out.c writes. For these
 * files only.
 */
#ifndef TAPEDECK_NET_WS_CONN_H
#define TAPEDECK_NET_WS_CONN_H

#include "net/sendq.h"
#include "net/ws_server.h"
#include "proto/ws_hixie.h"

struct event;

#define WS_CONN_CLOSE_US \
	1000000 /* for the client's close frame, and for a move while ours is written */

/* See ws_server.h for the picture. */
enum ws_conn_state {
	WS_CONN_HANDSHAKE,
	WS_CONN_OPEN,
	WS_CONN_CLOSING,
	WS_CONN_LEAVING,
	WS_CONN_ENDED,
};

/* A connection of hixie-76. */
struct ws_conn_hixie {
	struct ws_hixie_decoder decoder;
	struct buf head; /* of our answer, until the handshake is complete */
	uint32_t numbers[2];
	char body[WS_HIXIE_BODY]; /* what follows the client's head */
	size_t body_len;
};

/* Why a connection ends, where that cannot be said at once. */
struct ws_conn_ending {
	enum ws_server_end how;
	struct err e;
};

struct ws_server {
	struct loop_reap reap;
	struct loop *loop;
	struct http_server *http;
	const struct ws_server_events *events;
	void *arg;
	struct ws_server_options options;
	enum ws_conn_state state;
	int fd;
	struct event *readable;
	struct event *writable;
	struct timer *timeout;       /* HANDSHAKE, CLOSING; else NULL */
	struct ws_decoder *decoder;  /* NULL: none is needed before the next byte */
	struct ws_conn_hixie *hixie; /* NULL: RFC 6455 */
	struct buf early;            /* what came with the handshake */
	struct sendq out;
	struct buf pong; /* the payload of the latest ping while nothing can be written */
	struct ws_conn_ending *ending; /* of LEAVING, or `is_doomed` */
	bool is_doomed;                /* it ends when the loop comes round */
	bool has_pong;
	bool is_blocked; /* the socket takes nothing; `writable` waits for it */
	bool is_paused;
	bool was_high;
	bool is_freed;
};

/* ---- ws_server.c ---- */

/* Lets go of the socket and tells the owner. */
void ws_conn_end(struct ws_server *c, enum ws_server_end how, const struct err *e);
void ws_conn_end_with(
	struct ws_server *c, enum ws_server_end how, enum err_code code, const char *why);

/* Ends the connection when the loop comes round: the caller may not be called back now. */
void ws_conn_end_soon(
	struct ws_server *c, enum ws_server_end how, enum err_code code, const char *why);

/* Keeps why the connection ends, unless it is known, and ends it so. */
void ws_conn_set_ending(struct ws_server *c, enum ws_server_end how, const struct err *e);
void ws_conn_end_as_set(struct ws_server *c);

/* ---- ws_conn_in.c ---- */

void ws_conn_readable(int fd, short what, void *arg);

/* ---- ws_conn_out.c ---- */

void ws_conn_writable(int fd, short what, void *arg);

/* What is queued goes out at the end of this turn, together with what else is queued in it. */
void ws_conn_flush_soon(struct ws_server *c);

/* Queues a close frame; false when out of memory. */
bool ws_conn_queue_close(struct ws_server *c, uint16_t code) MUST_CHECK;

/* While nothing can be written, waits with the patience that the state has now; else writes at
 * once. */
void ws_conn_flush(struct ws_server *c);

void ws_conn_answer_ping(struct ws_server *c, struct slice payload);

#endif
