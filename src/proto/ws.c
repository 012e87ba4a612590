#include "proto/ws.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <wslay/wslay.h>

#include "base/utf8.h"
#include "proto/ws_refusal.h"

enum stream_state {
	STREAM_START,   /* no byte has come yet */
	STREAM_REFUSAL, /* the stream began like a status line */
	STREAM_OPEN,
	STREAM_CLOSED, /* the peer's close frame was handed out */
	STREAM_FAILED,
};

struct ws_decoder {
	struct wslay_frame_context *frames;
	enum ws_role role;
	enum stream_state state;
	size_t message_max;
	struct slice *in; /* the caller's, during a call */
	uint64_t ahead;   /* bytes that wslay has taken and not handed out as frames yet */

	bool in_frame; /* a part of a frame is due */
	uint64_t frame_left;

	bool in_message; /* a fragment is due, or a part of one */
	bool is_draining;
	enum ws_opcode opcode; /* of the message, the next five too */
	bool is_compressed;
	uint64_t declared;            /* by its frames so far */
	uint64_t total;               /* its length so far: as declared, or inflated */
	struct buf message;           /* what was received of it */
	struct ws_inflater *inflater; /* NULL: no message may be compressed */

	size_t control_len;
	char control[WS_CONTROL_MAX];
	struct ws_refusal refusal;
	uint16_t fail_code;
};

/* Hands wslay what the caller has; an error where that is nothing makes wslay say WANT_READ. */
static ssize_t feed_wslay(uint8_t *to, size_t size, int flags, void *arg)
{
	struct ws_decoder *d = arg;
	size_t n = d->in->len < size ? d->in->len : size;

	(void)flags;
	if (n == 0)
		return -1;
	memcpy(to, d->in->ptr, n);
	d->in->ptr += n;
	d->in->len -= n;
	d->ahead += n;
	return (ssize_t)n;
}

struct ws_decoder *ws_decoder_new(enum ws_role role, size_t message_max)
{
	static const struct wslay_frame_callbacks callbacks = { .recv_callback = feed_wslay };
	struct ws_decoder *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->role = role;
	d->state = role == WS_CLIENT ? STREAM_START : STREAM_OPEN;
	d->message_max = message_max != 0 ? message_max : WS_MESSAGE_MAX;
	buf_init(&d->message, d->message_max > WS_KEEP_MAX ? d->message_max : WS_KEEP_MAX);
	if (wslay_frame_context_init(&d->frames, &callbacks, d) != 0) {
		free(d);
		return NULL;
	}
	return d;
}

void ws_decoder_free(struct ws_decoder *d)
{
	if (d == NULL)
		return;
	wslay_frame_context_free(d->frames);
	ws_inflater_free(d->inflater);
	buf_release(&d->message);
	free(d);
}

bool ws_decoder_inflate(struct ws_decoder *d, const struct ws_deflate_terms *terms)
{
	assert(d->inflater == NULL && (d->state == STREAM_START || d->role == WS_SERVER));
	d->inflater = ws_inflater_new(terms);
	return d->inflater != NULL;
}

bool ws_decoder_is_idle(const struct ws_decoder *d)
{
	return d->state == STREAM_OPEN && d->ahead == 0 && !d->in_frame && !d->in_message;
}

bool ws_decoder_is_draining(const struct ws_decoder *d)
{
	return d->in_message && d->is_draining;
}

/* The one way into STREAM_FAILED; the caller has set `e`. */
static enum ws_result fail_with(struct ws_decoder *d, struct ws_message *out, uint16_t close_code)
{
	d->state = STREAM_FAILED;
	d->fail_code = close_code;
	out->close_code = close_code;
	return WS_BAD;
}

static enum ws_result fail(
	struct ws_decoder *d, struct ws_message *out, const char *what, struct err *e)
{
	err_set(e, ERR_PROTOCOL, "the peer broke the WebSocket protocol: %s", what);
	return fail_with(d, out, WS_CLOSE_PROTOCOL);
}

static enum ws_result fail_no_memory(struct ws_decoder *d, struct ws_message *out, struct err *e)
{
	err_set(e, ERR_NOMEM, "cannot receive a WebSocket message: out of memory");
	return fail_with(d, out, WS_CLOSE_INTERNAL);
}

/* What is wrong with a frame's header, or NULL. wslay has refused long and fragmented control frames and
 * lengths that are not minimal. */
static const char *frame_fault(const struct ws_decoder *d, const struct wslay_frame_iocb *part)
{
	/* RSV1 on a message's first frame says that it is compressed (RFC 7692, 6). */
	bool may_have_rsv1 = d->inflater != NULL &&
		(part->opcode == WSLAY_TEXT_FRAME || part->opcode == WSLAY_BINARY_FRAME);

	if (part->rsv != WSLAY_RSV_NONE && !(may_have_rsv1 && part->rsv == WSLAY_RSV1_BIT))
		return "reserved bits are set";
	if (part->mask != 0 && d->role == WS_CLIENT)
		return "a server's frame is masked";
	if (part->mask == 0 && d->role == WS_SERVER)
		return "a client's frame is not masked";
	switch (part->opcode) {
	case WSLAY_CONTINUATION_FRAME:
		return d->in_message ? NULL : "a continuation without a message";
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		return d->in_message ? "a message inside a fragmented message" : NULL;
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		return NULL;
	default:
		return "a reserved opcode";
	}
}

/* From here on the message is too large: keeps its first bytes and gives the other memory back. */
static void start_draining(struct ws_decoder *d)
{
	struct buf kept;

	d->is_draining = true;
	if (d->message.len <= WS_KEEP_MAX)
		return;
	buf_init(&kept, d->message.max);
	if (buf_append(&kept, d->message.data, WS_KEEP_MAX)) {
		buf_release(&d->message);
		d->message = kept;
	} else {
		d->message.len = WS_KEEP_MAX; /* given back when the message has ended */
	}
}

/* Counts bytes of the message before they are kept. */
static void grow(struct ws_decoder *d, uint64_t more)
{
	d->total += more;
	if (d->total > d->message_max && !d->is_draining)
		start_draining(d);
}

/* Keeps what comes of the message, as far as it is to be kept; false when out of memory. */
static bool keep(struct ws_decoder *d, struct slice piece)
{
	if (d->is_draining && piece.len > WS_KEEP_MAX - d->message.len)
		piece.len = WS_KEEP_MAX - d->message.len;
	return buf_append_slice(&d->message, piece);
}

/* The size of a frame's header; wslay has checked that the length is written in the shortest way. */
static size_t header_size(const struct wslay_frame_iocb *part)
{
	size_t length_size = part->payload_length < 126 ? 0
		: part->payload_length <= UINT16_MAX    ? 2
							: 8;

	return 2 + length_size + (part->mask != 0 ? 4 : 0);
}

/* Looks at a frame's header when its first part is here. */
static enum ws_result begin_frame(struct ws_decoder *d, const struct wslay_frame_iocb *part,
	struct ws_message *out, struct err *e)
{
	const char *fault = frame_fault(d, part);

	if (fault != NULL)
		return fail(d, out, fault, e);
	d->frame_left = part->payload_length;
	if (wslay_is_ctrl_frame(part->opcode)) {
		d->control_len = 0;
		return WS_MORE;
	}
	if (!d->in_message) {
		d->in_message = true;
		d->is_draining = false;
		d->opcode = (enum ws_opcode)part->opcode;
		d->is_compressed = part->rsv != WSLAY_RSV_NONE;
		d->declared = 0;
		d->total = 0;
	}
	if (part->payload_length > WS_DRAIN_MAX - d->declared) {
		err_set(e, ERR_LIMIT,
			"the peer announced a WebSocket message of more than %llu bytes",
			(unsigned long long)WS_DRAIN_MAX);
		return fail_with(d, out, WS_CLOSE_TOO_BIG);
	}
	d->declared += part->payload_length;
	if (!d->is_compressed)
		grow(d, part->payload_length);
	return WS_MORE;
}

static enum ws_result take_close(
	struct ws_decoder *d, struct slice payload, struct ws_message *out, struct err *e)
{
	unsigned code = WS_CLOSE_NONE;
	char text[64];

	if (payload.len == 1)
		return fail(d, out, "a close frame with half a code", e);
	if (payload.len >= 2) {
		code = (unsigned)(unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1];
		payload.ptr += 2;
		payload.len -= 2;
		if (!ws_close_code_valid(code)) {
			(void)snprintf(
				text, sizeof(text), "the close code %u is not allowed", code);
			return fail(d, out, text, e);
		}
	}
	if (!utf8_valid(payload)) {
		err_set(e, ERR_PROTOCOL, "the reason in the peer's close frame is not UTF-8");
		return fail_with(d, out, WS_CLOSE_UTF8);
	}
	d->state = STREAM_CLOSED;
	out->payload = payload;
	out->close_code = (uint16_t)code;
	return WS_CLOSE;
}

/* Takes a part of a control frame. Its payload has its own memory, so that it may come between the
 * fragments of a message. */
static enum ws_result take_control(struct ws_decoder *d, const struct wslay_frame_iocb *part,
	struct ws_message *out, struct err *e)
{
	struct slice payload = { d->control, 0 };

	assert(part->data_length <= WS_CONTROL_MAX - d->control_len);
	if (part->data_length != 0)
		memcpy(d->control + d->control_len, part->data, part->data_length);
	d->control_len += part->data_length;
	if (d->in_frame)
		return WS_MORE;
	payload.len = d->control_len;
	out->opcode = (enum ws_opcode)part->opcode;
	out->total = payload.len;
	if (out->opcode == WS_OP_CLOSE)
		return take_close(d, payload, out, e);
	out->payload = payload;
	return out->opcode == WS_OP_PING ? WS_PING : WS_PONG;
}

static enum ws_result finish_message(
	struct ws_decoder *d, struct slice payload, struct ws_message *out, struct err *e)
{
	d->in_message = false;
	out->opcode = d->opcode;
	out->payload = payload;
	out->total = d->total;
	if (d->is_draining)
		return WS_TOO_LARGE;
	if (d->opcode == WS_OP_BINARY)
		return WS_BINARY;
	if (!utf8_valid(payload)) {
		err_set(e, ERR_PROTOCOL, "a text message of the peer is not UTF-8");
		return fail_with(d, out, WS_CLOSE_UTF8);
	}
	return WS_TEXT;
}

/* Takes a part of a data frame; a message that is here in one piece is handed out without a copy. */
static enum ws_result take_data(struct ws_decoder *d, const struct wslay_frame_iocb *part,
	struct ws_message *out, struct err *e)
{
	struct slice piece = { (const char *)part->data, part->data_length };
	bool is_end = part->fin != 0 && !d->in_frame;

	if (is_end && piece.len == d->total && !d->is_draining)
		return finish_message(d, piece, out, e);
	if (!keep(d, piece))
		return fail_no_memory(d, out, e);
	if (!is_end)
		return WS_MORE;
	return finish_message(d, buf_slice(&d->message), out, e);
}

/* Takes a part of a data frame of a compressed message. What cannot be inflated gets the code for data that
 * does not fit its type (RFC 6455, 7.4.1; RFC 7692 names none). */
static enum ws_result take_compressed(struct ws_decoder *d, const struct wslay_frame_iocb *part,
	struct ws_message *out, struct err *e)
{
	struct slice in = { (const char *)part->data, part->data_length }, piece;
	bool is_end = part->fin != 0 && !d->in_frame;
	uint64_t max = WS_INFLATE_FACTOR * (uint64_t)d->message_max;
	enum ws_inflate_result result;

	while ((result = ws_inflate(d->inflater, &in, is_end, &piece, e)) == WS_INFLATE_PIECE) {
		grow(d, piece.len);
		if (d->total > max) {
			err_set(e, ERR_LIMIT,
				"a compressed WebSocket message of the peer is larger than %llu "
				"bytes",
				(unsigned long long)max);
			return fail_with(d, out, WS_CLOSE_TOO_BIG);
		}
		if (!keep(d, piece))
			return fail_no_memory(d, out, e);
	}
	if (result == WS_INFLATE_BAD)
		return fail_with(d, out, e->code == ERR_NOMEM ? WS_CLOSE_INTERNAL : WS_CLOSE_UTF8);
	return is_end ? finish_message(d, buf_slice(&d->message), out, e) : WS_MORE;
}

static enum ws_result take_part(struct ws_decoder *d, const struct wslay_frame_iocb *part,
	struct ws_message *out, struct err *e)
{
	if (!d->in_frame) {
		d->ahead -= header_size(part);
		if (begin_frame(d, part, out, e) == WS_BAD)
			return WS_BAD;
	}
	d->ahead -= part->data_length;
	d->frame_left -= part->data_length;
	d->in_frame = d->frame_left != 0;
	if (wslay_is_ctrl_frame(part->opcode))
		return take_control(d, part, out, e);
	return d->is_compressed ? take_compressed(d, part, out, e) : take_data(d, part, out, e);
}

static enum ws_result read_frames(
	struct ws_decoder *d, struct slice *in, struct ws_message *out, struct err *e)
{
	struct wslay_frame_iocb part;
	enum ws_result result;
	ssize_t n;

	if (!d->in_message)
		buf_reset(&d->message, WS_KEEP_MAX);
	d->in = in;
	do {
		n = wslay_frame_recv(d->frames, &part);
		if (n == WSLAY_ERR_WANT_READ) {
			assert(in->len == 0);
			return WS_MORE;
		}
		if (n < 0)
			return fail(d, out,
				"a control frame is long or fragmented, or a length is not minimal",
				e);
		result = take_part(d, &part, out, e);
	} while (result == WS_MORE);
	return result;
}

enum ws_result ws_decode(
	struct ws_decoder *d, struct slice *in, struct ws_message *out, struct err *e)
{
	*out = (struct ws_message){ .payload = { "", 0 } };
	if (d->state == STREAM_START && in->len != 0)
		d->state = ws_refusal_begins(*in->ptr) ? STREAM_REFUSAL : STREAM_OPEN;
	switch (d->state) {
	case STREAM_REFUSAL:
		if (!ws_refusal_read(&d->refusal, in, e))
			return WS_MORE;
		return fail_with(d, out, WS_CLOSE_PROTOCOL);
	case STREAM_CLOSED:
		in->ptr += in->len;
		in->len = 0;
		return WS_MORE;
	case STREAM_FAILED:
		err_set(e, ERR_PROTOCOL, "the WebSocket stream has already failed");
		return fail_with(d, out, d->fail_code);
	case STREAM_START:
	case STREAM_OPEN:
		break;
	}
	return read_frames(d, in, out, e);
}
