/*
 * eio_server: Engine.IO sessions of every generation on the side of a server.
 *
 * A session is one client, over long-polling, over a WebSocket, or over the one and then the other.
 * Everything between HTTP and messages is here: handshake, transports, upgrade, heartbeat, framing,
 * limits. 0.9, which has no engine of its own, is a session, too: its handshake is at <path>1/, its
 * transports at <path>1/<transport>/<sid>.
 *
 *   open --(2probe)--> upgrading --(5)--> open, over a WebSocket --> ended
 *
 * Loop thread only. See proto/generation.h for what differs between generations.
 */
#ifndef TAPEDECK_NET_EIO_SERVER_H
#define TAPEDECK_NET_EIO_SERVER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "proto/generation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eio_server;
struct eio_session;

struct eio_server_options {
	const char *path; /* "/socket.io/": begins and ends with a slash; must outlive the server */
	uint32_t ping_interval_ms;
	uint32_t ping_timeout_ms;
	size_t max_payload; /* of a client's message or POST */
	size_t out_max;     /* bytes that may wait for one client; beyond it the session ends */
	size_t sessions_max;
	bool allows_eio3; /* Engine.IO 3 is understood, too */
	bool allows_09;
	/* Text messages are Socket.IO packets: where a client of Engine.IO 3 polls, which may be
	 * 1.x or 2.x, they are escaped to ASCII, which both read alike. */
	bool escapes_text;
};

struct eio_refusal {
	int status;       /* HTTP */
	const char *body; /* text/plain, or JSON where it begins with '{' */
};

enum eio_end {
	EIO_END_SERVER,    /* eio_session_close */
	EIO_END_CLIENT,    /* the client closed it: close packet, close frame */
	EIO_END_LOST,      /* the connection broke */
	EIO_END_HEARTBEAT, /* silence beyond the heartbeat */
	EIO_END_BROKEN,    /* the client breaks the protocol */
	EIO_END_STUCK,     /* it does not read */
};

struct eio_server_events {
	/* A handshake. False: refused; `refusal` (preset: 403, Engine.IO's "Forbidden" or 0.9's
	 * "handshake unauthorized") says how. The exchange shows query and headers. May be NULL. */
	bool (*admit)(void *arg, const struct generation *generation, const struct http_exchange *x,
		struct eio_refusal *refusal);
	/* A session has begun; what is returned is given to the other callbacks. The exchange is
	 * that of the handshake, and gone afterwards. NULL: out of memory, the session is ended. */
	void *(*opened)(void *arg, struct eio_session *s, const struct http_exchange *x);
	/* The data of an EIO_MESSAGE; borrowed. The session may be closed inside. */
	void (*message)(void *session_arg, bool is_binary, struct slice data);
	/* eio_session_is_full has become false. */
	void (*drained)(void *session_arg);
	/* Once, at the end of the loop's turn, for every session that was opened; it is gone then.
	 * Inside eio_server_free it comes at once. */
	void (*closed)(void *session_arg, enum eio_end end, const struct err *e);
};

/* `events` must outlive the server. */
bool eio_server_new(struct eio_server **out, struct loop *l,
	const struct eio_server_options *options, const struct eio_server_events *events, void *arg,
	struct err *e) MUST_CHECK;

/* Ends all sessions abruptly. To be called before the http_server is freed, and not from inside a
 * callback of the server's or of a request. Accepts NULL. */
void eio_server_free(struct eio_server *s);

/* Handles the request if its path is ours; false: it is not, and nothing was done. */
bool eio_server_take(struct eio_server *s, struct http_exchange *x) MUST_CHECK;

/* Sessions that have not ended. */
size_t eio_server_sessions(const struct eio_server *s);

const struct generation *eio_session_generation(const struct eio_session *s);
const char *eio_session_sid(const struct eio_session *s);
const char *eio_session_transport(const struct eio_session *s); /* "websocket" or "polling" */

/* Queues the data of an EIO_MESSAGE. False: the session has ended, or ends with this: out_max bytes
 * wait. */
bool eio_session_send(struct eio_session *s, bool is_binary, struct slice data) MUST_CHECK;

/* For many clients with the same messages: true if the session takes WebSocket frames as they are
 * at this moment (RFC 6455, not upgrading); the frames then hold engine packets, "4" and the
 * data. */
bool eio_session_takes_frames(const struct eio_session *s);
bool eio_session_send_frames(struct eio_session *s, struct slice frames) MUST_CHECK;

/* So much waits that the caller should stop until `drained`. */
bool eio_session_is_full(const struct eio_session *s);
size_t eio_session_pending(const struct eio_session *s);

/* Ends the session: what waits is still sent, then a close packet or frame; or, `abruptly`, by
 * cutting the connection as a crash would. Does nothing if it has ended. */
void eio_session_close(struct eio_session *s, bool abruptly);

#endif
