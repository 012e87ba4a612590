/*
 * ws_hixie: the WebSocket of browsers of 2010 (draft-ietf-hybi-thewebsocketprotocol-00,
 * "hixie-76").
 *
 * Old Socket.IO clients speak nothing else. The client sends two numbers hidden in headers and
 * eight bytes behind its head; the MD5 of all three proves that the server understood. Messages are
 * text only, between a byte 00 and a byte FF; FF 00 closes. There are no pings and no fragments.
 * Frames of other types are drained, as the draft demands. Pure: no I/O. Limits: the decoder's
 * `message_max`, and WS_DRAIN_MAX for what is drained.
 */
#ifndef TAPEDECK_PROTO_WS_HIXIE_H
#define TAPEDECK_PROTO_WS_HIXIE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/ws.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HIXIE_BODY 8    /* bytes behind the client's head */
#define WS_HIXIE_ANSWER 16 /* bytes behind the server's head */

/* What a client asks for; borrowed from its head. */
struct ws_hixie_request {
	uint32_t numbers[2]; /* out of Sec-WebSocket-Key1 and 2 */
	struct slice host;
	struct slice target;
	struct slice origin;   /* may be empty */
	struct slice protocol; /* may be empty */
};

/* True if the headers are those of this draft rather than of a later one. */
bool ws_hixie_is_asked(struct slice headers);

/* Reads the headers of a request for `target`. */
bool ws_hixie_request_read(struct slice headers, struct slice target, struct ws_hixie_request *out,
	struct err *e) MUST_CHECK;

/* Appends the head of the answer; false, with `out` as it was, when it is full. */
bool ws_hixie_response(struct buf *out, const struct ws_hixie_request *request) MUST_CHECK;

/* Appends what follows the head: the proof that the numbers and the bytes behind the client's head
 * were read. */
bool ws_hixie_answer(
	struct buf *out, const uint32_t numbers[2], const char body[WS_HIXIE_BODY]) MUST_CHECK;

/* Frames; both sides send the same. False when `out` is full. The text must be UTF-8, which has no
 * byte FF. */
bool ws_hixie_encode(struct buf *out, struct slice text) MUST_CHECK;
bool ws_hixie_encode_close(struct buf *out) MUST_CHECK;

enum ws_hixie_state {
	WS_HIXIE_TYPE, /* between frames */
	WS_HIXIE_TEXT,
	WS_HIXIE_LENGTH,
	WS_HIXIE_SKIP_LENGTH, /* drains a frame with a length */
	WS_HIXIE_SKIP_TEXT,   /* drains a frame that ends with FF */
	WS_HIXIE_CLOSED,
	WS_HIXIE_FAILED,
};

struct ws_hixie_decoder {
	enum ws_hixie_state state;
	unsigned char type;
	uint64_t left; /* the length while it is read, then what is left to drain */
	uint64_t drained;
	struct buf message;
	uint16_t fail_code;
	bool is_handed_out; /* the message, in the call before */
};

void ws_hixie_decoder_init(struct ws_hixie_decoder *d, size_t message_max);
void ws_hixie_decoder_release(struct ws_hixie_decoder *d);

/* Like ws_decode, with WS_MORE, WS_TEXT, WS_CLOSE and WS_BAD only: a message above `message_max` is
 * WS_BAD. */
enum ws_result ws_hixie_decode(struct ws_hixie_decoder *d, struct slice *in, struct ws_message *out,
	struct err *e) MUST_CHECK;

#endif
