/*
 * ws: WebSocket messages out of bytes, and frames out of messages (RFC 6455, both roles).
 *
 * The decoder stands on wslay's frame level, which is some thirty times cheaper than its event level, and
 * puts messages together itself. It does no I/O: the owner of a connection feeds what arrived and sends
 * what the encoder appended. Memory grows with the bytes received, never with a declared length; a
 * message above `message_max` is drained and reported, and the connection lives. Compressed messages
 * (permessage-deflate) are inflated as they arrive, and all limits hold for what comes out.
 */
#ifndef TAPEDECK_PROTO_WS_H
#define TAPEDECK_PROTO_WS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/ws_deflate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_MESSAGE_MAX ((size_t)16 << 20) /* the default of `message_max` */
#define WS_KEEP_MAX ((size_t)64 << 10)    /* bytes kept of a message that is too large */
#define WS_DRAIN_MAX ((uint64_t)1 << 30)  /* a message above it is not even drained */
#define WS_INFLATE_FACTOR 4 /* nor a compressed one above this many times `message_max` */
#define WS_CONTROL_MAX 125  /* payload of ping, pong and close */
#define WS_HEAD_MAX 10      /* header of a frame that is not masked */

/* Which side of the connection we are: a client masks what it sends, and a server's frames are bare. */
enum ws_role { WS_CLIENT, WS_SERVER };

enum ws_opcode {
	WS_OP_TEXT = 0x1,
	WS_OP_BINARY = 0x2,
	WS_OP_CLOSE = 0x8,
	WS_OP_PING = 0x9,
	WS_OP_PONG = 0xa,
};

/* Close codes (RFC 6455, 7.4.1). WS_CLOSE_NONE never travels: it says that a close frame had no code. */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_NONE = 1005,
	WS_CLOSE_UTF8 = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
};

enum ws_result {
	WS_MORE,      /* all input is consumed; call again with more bytes */
	WS_TEXT,      /* a message, checked to be UTF-8 */
	WS_BINARY,    /* a message */
	WS_PING,      /* to be answered with a pong of the same payload */
	WS_PONG,      /* nothing to do */
	WS_CLOSE,     /* the peer's close frame; what follows it is ignored */
	WS_TOO_LARGE, /* the end of a message above `message_max`; the connection lives */
	WS_BAD,       /* `e` says why; close with `close_code`, the stream is lost */
};

struct ws_message {
	enum ws_opcode opcode;
	struct slice payload; /* TOO_LARGE: the first WS_KEEP_MAX bytes; CLOSE: the reason;
	                       * BAD: the text that is not UTF-8, else empty */
	uint64_t total;      /* the message's length; differs from payload.len for TOO_LARGE only */
	uint16_t close_code; /* CLOSE: the peer's, or WS_CLOSE_NONE; BAD: the one to send; else 0 */
};

struct ws_decoder;

/* A decoder for one connection; `message_max` 0 stands for WS_MESSAGE_MAX. NULL when out of memory. */
struct ws_decoder *ws_decoder_new(enum ws_role role, size_t message_max) MUST_CHECK;

/* Accepts NULL. */
void ws_decoder_free(struct ws_decoder *d);

/* Accepts compressed messages from now on; to be called before the first byte, with terms agreed on. False
 * when out of memory. */
bool ws_decoder_inflate(struct ws_decoder *d, const struct ws_deflate_terms *terms) MUST_CHECK;

/* True if the stream stands between two messages and no byte of the next one has come: a server may go on with a
 * fresh decoder then, or free this one until more comes (if nothing may be compressed). */
bool ws_decoder_is_idle(const struct ws_decoder *d);

/* True if the message that is arriving is above `message_max` already. */
bool ws_decoder_is_draining(const struct ws_decoder *d);

/* Takes bytes from the front of `in` until there is one thing to report. Some input may wait inside the
 * decoder afterwards, so call until WS_MORE, even with an empty `in`. The payload is borrowed until the
 * next call. After WS_BAD every further call is WS_BAD and consumes nothing. */
enum ws_result ws_decode(
	struct ws_decoder *d, struct slice *in, struct ws_message *out, struct err *e) MUST_CHECK;

/* Appends one unfragmented frame; a client's is masked with a fresh random key. False, with `out` as it
 * was, when `out` is full, memory is out or the kernel has no randomness. A control payload above
 * WS_CONTROL_MAX is the caller's error. */
bool ws_encode(
	struct buf *out, enum ws_role role, enum ws_opcode opcode, struct slice payload) MUST_CHECK;

/* For who puts the payload behind it himself: writes the header of an unfragmented frame of a server, at most
 * WS_HEAD_MAX bytes; the place behind it. */
char *ws_encode_head(char *out, enum ws_opcode opcode, uint64_t payload_len);

/* True if a close frame may carry the code (RFC 6455, 7.4; 1012 to 1014 were registered later). */
bool ws_close_code_valid(unsigned code);

/* Appends a close frame. WS_CLOSE_NONE: without code and reason. A reason is cut to what fits, at the
 * border of a character. */
bool ws_encode_close(
	struct buf *out, enum ws_role role, uint16_t code, struct slice reason) MUST_CHECK;

#endif
