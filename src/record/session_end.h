/*
 * session_end: why a connection to a feed ended.
 *
 * Each reason has a name of its own, in the log and in `connection.close_reason`, and its own reaction in
 * record/feed.
 */
#ifndef TAPEDECK_RECORD_SESSION_END_H
#define TAPEDECK_RECORD_SESSION_END_H

#include "net/ws_client.h"

#include <stdbool.h>

/* Why a session ended; their names are `connection.close_reason`. */
enum session_end {
	SESSION_UNREACHABLE, /* name look-up, TCP or proxy failed */
	SESSION_TCP_REFUSED, /* the address refuses TCP */
	SESSION_TLS,         /* the certificate or the TLS handshake is bad */
	SESSION_REFUSED,     /* an HTTP status, or a Socket.IO error that is not about the token */
	SESSION_TOKEN,       /* the server refuses the token */
	SESSION_PROTOCOL,    /* it does not speak Socket.IO, or breaks it */
	SESSION_TIMEOUT,     /* connected, and then nothing came in time */
	SESSION_HEARTBEAT,   /* silent for longer than its own heartbeat allows */
	SESSION_SERVER_CLOSED, /* a close frame, a disconnect packet, an engine close */
	SESSION_NETWORK,       /* the connection broke or ended without a close */
	SESSION_OVERLOAD,      /* out of memory, or the server does not read */
	SESSION_STOPPED,       /* we ended it */
	SESSION_ENDS
};

extern const char *const session_end_names[SESSION_ENDS];

/* What the end of the WebSocket means. With a token, HTTP 401 and 403 are about the token. */
enum session_end session_end_of(const struct ws_end *end, bool has_token);

#endif
