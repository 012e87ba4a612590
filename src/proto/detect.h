/*
 * detect: which server answers, read from the first HTTP answer.
 *
 * GET <path>?EIO=4&transport=polling tells every generation apart in one round trip: EIO=4 is the one value
 * that no version answers with silence or a broken stream. Pure; for the client role.
 */
#ifndef TAPEDECK_PROTO_DETECT_H
#define TAPEDECK_PROTO_DETECT_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum detect_kind {
	DETECT_EIO3,      /* an open packet of Engine.IO 3, in either framing */
	DETECT_EIO4,      /* an open packet of Engine.IO 4 */
	DETECT_09,        /* Socket.IO 0.9 greets: its handshake lies at <path>1/ */
	DETECT_TRANSPORT, /* a Socket.IO server that does not have this transport (code 0) */
	DETECT_SID,       /* it does not know the session (code 1) */
	DETECT_REVISION,  /* it does not speak the EIO that was asked for (code 5) */
	DETECT_DENIED,    /* HTTP 401 or 403, or code 4 */
	DETECT_PROXY,     /* HTTP 407: a proxy before it */
	DETECT_HEADERS, /* HTTP 431 or 414: the request, with its token, is too long for the server */
	DETECT_BUSY, /* HTTP 408, 429, 500, 502, 503 or 504: the server, or what stands before it, cannot now */
	DETECT_OTHER, /* no Socket.IO server, or none of these */
};

/* Judges an answer. `why` (size > 0) gets the server's own words for a message: the member "message" of an
 * Engine.IO error, or the beginning of the body; escaped, cut, withheld where it quotes a secret. It is empty
 * where there are none, and for the three generations. */
enum detect_kind detect_answer(int status, struct slice body, char *why, size_t size);

#endif
