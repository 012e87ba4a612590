/*
 * eio_session: what the files of eio_server share: the server, its sessions, and how a session
 * ends.
 *
 * A session is in the server's table as long as requests may find it, and in its list until it is
 * destroyed. When it ends its owner is told at the end of the turn; what still has to reach the
 * client (a close frame, the last bodies of a polling client) is sent meanwhile, and the object
 * goes when both are done.
 */
#ifndef TAPEDECK_NET_EIO_SESSION_H
#define TAPEDECK_NET_EIO_SESSION_H

#include "net/eio_queue.h"
#include "net/eio_request.h"
#include "net/eio_server.h"
#include "net/ws_server.h"

#include <sys/queue.h>

#define EIO_SID_BYTES 15 /* of randomness */
#define EIO_SID_SIZE (EIO_SID_BYTES / 3 * 4 + 1)

LIST_HEAD(eio_session_list, eio_session);

struct eio_server {
	struct loop *loop;
	struct eio_server_options options;
	const struct eio_server_events *events;
	void *arg;
	struct eio_session_list *table; /* buckets by the hash of the sid */
	size_t table_mask;
	struct eio_session_list all;
	size_t count;                  /* sessions in `all` */
	size_t live_count;             /* those that have not ended */
	struct eio_session_list dirty; /* polling sessions for which something was queued */
	struct timer *flush;           /* runs when `dirty` is not empty */
	struct buf scratch;            /* a packet on its way to a WebSocket */
};

/* How much of a farewell there is. */
enum eio_leave {
	EIO_LEAVE_ABRUPTLY,
	EIO_LEAVE_NOW,    /* the request that is held is answered, a WebSocket gets a close frame */
	EIO_LEAVE_WAITED, /* a polling client is given time to fetch what waits */
};

struct eio_session {
	struct loop_reap reap;
	struct eio_server *server; /* NULL once that is freed */
	LIST_ENTRY(eio_session) in_table;
	LIST_ENTRY(eio_session) in_all;
	LIST_ENTRY(eio_session) in_dirty;
	const struct generation *generation;
	void *arg;
	struct err *why; /* of the end; NULL: it has none yet, or memory is short */
	enum eio_end end;
	char sid[EIO_SID_SIZE];
	bool is_listed; /* in the table */
	bool is_dirty;
	bool is_opened; /* the owner knows it */
	bool is_told;   /* of the end */
	bool has_ended;
	bool is_reaping; /* `reap` is in use */
	bool is_full;
	bool is_pinged;    /* nothing has come since the last ping */
	bool is_probed;    /* the probe was answered */
	bool poll_is_text; /* the held poll does not take binary framing */
	bool poll_takes_few;
	bool owes_close; /* after the end: the next poll but what waits is answered with a close packet */
	bool is_single;   /* Engine.IO 3: its texts are not encoded twice */
	int64_t heard_us; /* when the last packet or poll came */
	int64_t pinged_us;
	struct timer *heartbeat;    /* after the end: bounds the farewell */
	struct timer *upgrade;      /* runs while there is a probe */
	struct http_exchange *poll; /* held; NULL: none */
	struct ws_server *ws;       /* NULL: polling */
	struct ws_server *probe;    /* a WebSocket that wants to take over */
	struct eio_queue queue;     /* what waits while there is no WebSocket */
	size_t in_doubt; /* of the queue, from the front: sent, but perhaps to who had left; 0.9 only */
	struct http_receipt receipt; /* says so, if `in_doubt` is not 0 */
};

/* ---- eio_session.c ---- */

/* Writes a new sid: random, so that nobody guesses another's, and fit for a path. False: the kernel
 * has no randomness, or memory is short. */
bool eio_sid_make(char out[EIO_SID_SIZE]) MUST_CHECK;

/* A session that is not yet known to its owner; NULL when memory is short. */
struct eio_session *eio_session_new(
	struct eio_server *server, const struct generation *generation) MUST_CHECK;

struct eio_session *eio_session_find(struct eio_server *server, const char *sid);

/* Calls the owner's `opened`; false, and the session ends, if that fails. */
bool eio_session_open(struct eio_session *s, const struct http_exchange *x) MUST_CHECK;

/* Ends the session, once; later calls do nothing. */
void eio_session_end(
	struct eio_session *s, enum eio_end end, enum eio_leave leave, const struct err *why);

/* The same, with the reason in words. */
void eio_session_fail(struct eio_session *s, enum eio_end end, enum eio_leave leave,
	enum err_code code, const char *why);

/* The last words of an ended session over its WebSocket; in 0.9 there is a packet for it. */
void eio_session_leave_websocket(struct eio_session *s);

/* Ends a session, tells its owner at once, and takes it out of the server, which is being freed. */
void eio_session_abandon(struct eio_session *s);

/* Lets go of everything that belongs to an ended session, and of itself when its owner knows. */
void eio_session_release(struct eio_session *s);

/* Queues a packet; false if the session has ended or ends with this. */
bool eio_session_put(struct eio_session *s, const struct eio_packet *packet);

/* Something has come from the client. */
void eio_session_heard(struct eio_session *s);

/* Handles a message of the client's. */
void eio_session_take(struct eio_session *s, bool is_binary, struct slice message);

/* `is_full` may have changed: what waits has become less. */
void eio_session_lightened(struct eio_session *s);

/* ---- eio_polling.c ---- */

/* Answers or holds a GET, answers a POST. */
void eio_polling_get(struct eio_session *s, struct http_exchange *x, const struct eio_request *r);
void eio_polling_post(struct eio_session *s, struct http_exchange *x);

/* Drops of what waits what is known to have arrived. */
void eio_polling_settle(struct eio_session *s);

/* Answers the held poll with what waits. */
void eio_polling_flush(struct eio_session *s);

/* The same at the end of the turn, with what else comes in it. */
void eio_polling_flush_soon(struct eio_session *s);

/* Answers the held poll, if there is one, with an empty packet. */
void eio_polling_release(struct eio_session *s);

/* ---- eio_socket.c ---- */

/* Accepts a WebSocket as the session's transport, and sends what waits. False: the request was
 * answered with an error. */
bool eio_socket_accept(struct eio_session *s, struct http_exchange *x, struct err *e) MUST_CHECK;

/* Accepts a WebSocket that is to take over from polling. */
void eio_socket_probe(struct eio_session *s, struct http_exchange *x);

/* Accepts a WebSocket only to close it, with words (may be empty) before: clients of old take an
 * answer over HTTP for a broken server. */
void eio_socket_turn_away(struct eio_server *server, const struct generation *generation,
	struct http_exchange *x, struct slice words);

/* Closes the probe, if there is one. */
void eio_socket_drop_probe(struct eio_session *s);

#endif
