/*
 * ws_deflate: what a WebSocket client needs of permessage-deflate (RFC 7692).
 *
 * The offer, the server's answer to it, and the inflater of the server's messages. What we send is never
 * compressed, which the RFC allows (6.1): a recorder's messages are few and small. Pure: no I/O. Memory is
 * one inflater a connection, some 25 KB and the window of at most 32 KB; what comes out of a message is
 * handed on in pieces of at most WS_INFLATE_PIECE_MAX bytes, and its sum is for the caller to limit.
 */
#ifndef TAPEDECK_PROTO_WS_DEFLATE_H
#define TAPEDECK_PROTO_WS_DEFLATE_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

/* Of the four parameters only those that cost us nothing. As we compress nothing, we keep no context and
 * any window of ours is fine: a server may drop its inflater's memory, or set a window for us, without
 * which some refuse the offer. Nothing is asked about the server's own side: a context that lives on is
 * what makes small events small, and a server that wants to save it says so unasked (7.1.1.1, 7.1.2.1). */
#define WS_DEFLATE_OFFER "permessage-deflate; client_no_context_takeover; client_max_window_bits"

#define WS_INFLATE_PIECE_MAX ((size_t)16 << 10)

/* What was agreed on about the messages that the server sends. */
struct ws_deflate_terms {
	bool is_agreed;
	bool is_fresh;   /* no context is taken over: each message stands alone */
	int window_bits; /* 8 to 15 */
};

/* Reads the value of one Sec-WebSocket-Extensions header in an answer to WS_DEFLATE_OFFER and adds it to
 * `terms`, which begin zeroed; a server may send several such headers. False: it agrees to what was not
 * offered, twice, or with a parameter that is unknown, repeated or out of range (RFC 7692, 7.1). */
bool ws_deflate_agree(struct ws_deflate_terms *terms, struct slice value, struct err *e) MUST_CHECK;

struct ws_inflater;

/* For terms that are agreed on. NULL when out of memory. */
struct ws_inflater *ws_inflater_new(const struct ws_deflate_terms *terms) MUST_CHECK;

/* Accepts NULL. */
void ws_inflater_free(struct ws_inflater *f);

enum ws_inflate_result {
	WS_INFLATE_PIECE, /* `out` holds some of the message; call again */
	WS_INFLATE_END,   /* all input is used; where it was the last, the message is complete */
	WS_INFLATE_BAD,   /* `e` says why: ERR_PROTOCOL, ERR_NOMEM; the connection is lost */
};

/* Inflates bytes from the front of `in`, the next part of a message's payload; `is_last` says that `in` ends
 * the message. The piece is borrowed until the next call and is empty unless the result is PIECE. */
enum ws_inflate_result ws_inflate(struct ws_inflater *f, struct slice *in, bool is_last,
	struct slice *out, struct err *e) MUST_CHECK;

#endif
