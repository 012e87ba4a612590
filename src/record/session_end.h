/*
 * session_end: why a connection to a feed ended, and what follows from it.
 *
 * Each reason has a name of its own, in the log and in `connection.close_reason`, and its own reaction in
 * record/feed.
 */
#ifndef TAPEDECK_RECORD_SESSION_END_H
#define TAPEDECK_RECORD_SESSION_END_H

#include "base/err.h"
#include "net/ws_client.h"
#include "record/pause.h"

#include <stdbool.h>

enum session_end {
	SESSION_UNREACHABLE,     /* name look-up, TCP or a proxy failed */
	SESSION_TCP_REFUSED,     /* the address refuses TCP */
	SESSION_CONNECT_TIMEOUT, /* TCP, proxy, TLS or the answer to the handshake took too long */
	SESSION_TLS,             /* the certificate or the TLS handshake is bad */
	SESSION_REFUSED, /* an HTTP status, or an error of Socket.IO that is not about the token */
	SESSION_TOKEN,   /* the server refuses the token */
	SESSION_NAMESPACE,    /* the server does not have the namespace */
	SESSION_NOT_SOCKETIO, /* it answers, and is no Socket.IO server */
	SESSION_PROTOCOL, /* it speaks another generation than configured, or breaks the protocol */
	SESSION_GUESSED,  /* it was greeted as a later generation than it is, and may be confused */
	SESSION_NO_OPEN,  /* it accepted the connection and sent no open packet */
	SESSION_NO_JOIN,  /* it did not answer the request to join the namespace */
	SESSION_HEARTBEAT,     /* silent for longer than its own heartbeat allows */
	SESSION_DISCONNECTED,  /* it sent us away: a disconnect packet of Socket.IO */
	SESSION_ENGINE_CLOSED, /* it ended the session: a close packet of Engine.IO */
	SESSION_SERVER_CLOSED, /* it closed the WebSocket with a close frame */
	SESSION_UNKNOWN_SID, /* it has forgotten the session, or another process of it was reached */
	SESSION_NETWORK,     /* the connection broke or ended without a close */
	SESSION_OVERLOAD,    /* out of memory, or the server does not read */
	SESSION_HANDOVER,    /* we ended it: another connection has taken over */
	SESSION_STOPPED,     /* we ended it */
	SESSION_ENDS
};

/* What to do next, beside trying again. */
enum session_reaction {
	REACTION_AGAIN,     /* connect again at once: it is known now what the server is */
	REACTION_RETRY,     /* at once after a loss, with backoff after a failure */
	REACTION_KNOCK,     /* the same with short pauses: the server is restarting */
	REACTION_NEW_TOKEN, /* fetch a token first */
	REACTION_RELEARN,   /* and forget which generation it spoke */
};

/* The names are `connection.close_reason`. */
const char *session_end_name(enum session_end end);
enum session_reaction session_end_reaction(enum session_end end);

/* The cause of the gap that it leaves: `outage.cause`. If we were `behind` with reading
 * when a server dropped us, or when we stopped, the pause is the cause. */
const char *session_end_cause(enum session_end end, enum pause_reason behind);

/* What the end of a WebSocket means. With a token, HTTP 401 and 403 are about the token. */
enum session_end session_end_of(const struct ws_end *end, bool has_token);

/* What a transfer that brought no answer means. */
enum session_end session_end_of_error(enum err_code code);

#endif
