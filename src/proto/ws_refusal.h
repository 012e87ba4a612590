/*
 * ws_refusal: a status line where a WebSocket's frames should begin.
 *
 * Socket.IO 4 accepts the WebSocket and then writes its refusal as plain HTTP. An 'H' can begin no frame
 * that we accept: it would be a fragmented close frame with a reserved bit. Limit: WS_REFUSAL_MAX bytes of
 * the line.
 */
#ifndef TAPEDECK_PROTO_WS_REFUSAL_H
#define TAPEDECK_PROTO_WS_REFUSAL_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define WS_REFUSAL_MAX 160

/* Zeroed by its owner. */
struct ws_refusal {
	size_t len;
	char line[WS_REFUSAL_MAX];
};

/* True if a stream that begins with this byte must be read as a refusal. */
static inline bool ws_refusal_begins(char first)
{
	return first == 'H';
}

/* Takes bytes from the front of `in`. True when it is known what they are: `e` quotes the line (ERR_DENIED),
 * or says that it is none, but a bad frame (ERR_PROTOCOL). False: more bytes are needed. */
bool ws_refusal_read(struct ws_refusal *r, struct slice *in, struct err *e) MUST_CHECK;

#endif
