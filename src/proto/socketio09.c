#include "proto/socketio09.h"

#include <assert.h>

#include "base/log.h"
#include "base/utf8.h"
#include "proto/generation.h"
#include "proto/payload.h"
#include "proto/socketio09_packet.h"

#define PEER_TEXT_SIZE 64
#define SECONDS_DIGITS_MAX 5

#define MARK "\xef\xbf\xbd" /* U+FFFD */
#define MARK_LEN (sizeof(MARK) - 1)

/* The packets of the engine; all others are Socket.IO's. */
#define DISCONNECT "0::"
#define HEARTBEAT "2::"
#define NOOP "8::"

static struct slice skipped(struct slice s, size_t n)
{
	return (struct slice){ s.ptr + n, s.len - n };
}

static bool begins_with(struct slice s, const char *text)
{
	return s.len >= strlen(text) && memcmp(s.ptr, text, strlen(text)) == 0;
}

/* ---- bodies ---- */

/* A body that does not begin with a frame is one packet. */
static enum payload_result next_bare(struct payload_reader *r, struct slice *message, struct err *e)
{
	if (r->has_begun)
		return payload_bad(r->rest, "goes on without a frame", e);
	if (!utf8_valid(r->rest))
		return payload_bad(r->rest, "has a packet that is not UTF-8", e);
	*message = r->rest;
	r->rest.len = 0;
	return PAYLOAD_MESSAGE;
}

/* U+FFFD, the length in UTF-16 units, U+FFFD, the packet. */
static enum payload_result next_framed(
	struct payload_reader *r, struct slice *message, struct err *e)
{
	struct slice rest = skipped(r->rest, MARK_LEN);
	size_t length;

	if (!payload_length_take(&rest, &length) || length == 0 || !begins_with(rest, MARK))
		return payload_bad(r->rest, "does not say how long a packet is", e);
	rest = skipped(rest, MARK_LEN);
	if (!payload_units_take(&rest, length, message))
		return payload_bad(
			r->rest, "has a packet that is shorter than its length, or not UTF-8", e);
	r->rest = rest;
	return PAYLOAD_MESSAGE;
}

static enum payload_result payload_next(
	struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e)
{
	enum payload_result result;

	*is_binary = false;
	if (r->rest.len == 0)
		return PAYLOAD_END;
	result = begins_with(r->rest, MARK) ? next_framed(r, message, e) : next_bare(r, message, e);
	r->has_begun = result == PAYLOAD_MESSAGE || r->has_begun;
	return result;
}

/* Always framed, as decoders take a single packet in a frame, too. */
static bool payload_append(struct buf *body, bool is_binary, struct slice message)
{
	size_t before = body->len;

	assert(!is_binary && message.len != 0);
	if (buf_printf(body, MARK "%zu" MARK, payload_units(message)) &&
		buf_append_slice(body, message))
		return true;
	body->len = before;
	return false;
}

/* ---- packets ---- */

/* The server beats and the client answers alike, so the role tells which it is. */
static bool packet_decode(enum generation_role role, bool is_binary, struct slice message,
	struct eio_packet *out, struct err *e)
{
	if (is_binary)
		return err_set(
			e, ERR_PROTOCOL, "a binary message came, but Socket.IO 0.9 has none");
	*out = (struct eio_packet){ .type = EIO_MESSAGE, .data = message };
	if (begins_with(message, HEARTBEAT))
		out->type = role == GENERATION_CLIENT ? EIO_PING : EIO_PONG;
	else if (begins_with(message, NOOP))
		out->type = EIO_NOOP;
	if (out->type != EIO_MESSAGE)
		out->data.len = 0;
	return true;
}

static bool packet_encode(enum generation_role role, const struct eio_packet *packet,
	struct buf *out, bool *is_binary)
{
	assert(!packet->is_binary);
	*is_binary = false;
	switch (packet->type) {
	case EIO_MESSAGE:
		return buf_append_slice(out, packet->data);
	case EIO_PING:
	case EIO_PONG:
		assert(packet->type == (role == GENERATION_CLIENT ? EIO_PONG : EIO_PING));
		return buf_append_str(out, HEARTBEAT);
	case EIO_CLOSE:
		return buf_append_str(out, DISCONNECT);
	case EIO_NOOP:
		return buf_append_str(out, NOOP);
	case EIO_OPEN: /* the handshake stands for it */
	case EIO_UPGRADE:
		break;
	}
	assert(packet->type != EIO_OPEN && packet->type != EIO_UPGRADE);
	return false;
}

/* Nothing can be said along with the name here. */
static bool join_encode(struct slice nsp, struct slice auth, struct buf *out)
{
	(void)auth;
	return sio09_encode(&(struct sio_packet){ .type = SIO_CONNECT, .nsp = nsp }, out);
}

const struct generation generation_09 = {
	.name = "0.9",
	.versions = "0.9",
	.joins_unasked = true,
	.post_type = "text/plain;charset=UTF-8",
	.post_answer = "1",
	.payload_next = payload_next,
	.payload_append = payload_append,
	.packet_decode = packet_decode,
	.packet_encode = packet_encode,
	.sio_decode = sio09_decode,
	.sio_encode = sio09_encode,
	.join_encode = join_encode,
};

/* ---- the handshake ---- */

/* Takes what stands before the next colon, and the colon; false if there is none. */
static bool take_field(struct slice *rest, struct slice *field)
{
	const char *colon = rest->len != 0 ? memchr(rest->ptr, ':', rest->len) : NULL;

	if (colon == NULL)
		return false;
	*field = (struct slice){ rest->ptr, (size_t)(colon - rest->ptr) };
	*rest = skipped(*rest, field->len + 1);
	return true;
}

static bool read_sid(struct slice text, char sid[EIO_SID_MAX + 1])
{
	if (text.len == 0 || text.len > EIO_SID_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f ||
			strchr("/?#", text.ptr[i]) != NULL)
			return false;
	}
	memcpy(sid, text.ptr, text.len);
	sid[text.len] = '\0';
	return true;
}

/* Reads whole seconds, or nothing, which stands for 0. */
static bool read_seconds(struct slice text, uint32_t *ms)
{
	uint32_t seconds = 0;

	if (text.len > SECONDS_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		seconds = seconds * 10 + (uint32_t)(text.ptr[i] - '0');
	}
	*ms = seconds * 1000;
	return seconds <= EIO_INTERVAL_MAX_MS / 1000;
}

static void read_transports(struct slice list, struct sio09_handshake *out)
{
	while (list.len != 0) {
		const char *comma = memchr(list.ptr, ',', list.len);
		struct slice name = list;

		if (comma != NULL)
			name.len = (size_t)(comma - list.ptr);
		out->has_websocket = out->has_websocket || slice_is(name, "websocket");
		out->has_polling = out->has_polling || slice_is(name, "xhr-polling");
		list = skipped(list, comma != NULL ? name.len + 1 : name.len);
	}
}

/* Some packets look alike, such as the error "7:::1+0": a type stands where the sid should, and then nothing. */
static bool is_packet(struct slice sid, struct slice heartbeat)
{
	return sid.len == 1 && *sid.ptr >= '0' && *sid.ptr <= '9' && heartbeat.len == 0;
}

/* A heartbeat of 0 is refused where it is said: it would be a loss at once. */
bool sio09_handshake_decode(struct slice body, struct sio09_handshake *out, struct err *e)
{
	struct slice rest = body;
	struct slice sid, heartbeat, close;
	char quoted[PEER_TEXT_SIZE];

	*out = (struct sio09_handshake){ 0 };
	if (!take_field(&rest, &sid) || !take_field(&rest, &heartbeat) ||
		!take_field(&rest, &close) || is_packet(sid, heartbeat) ||
		!read_sid(sid, out->sid) || !read_seconds(heartbeat, &out->heartbeat_ms) ||
		(heartbeat.len != 0 && out->heartbeat_ms == 0) ||
		!read_seconds(close, &out->close_ms))
		return err_set(e, ERR_PROTOCOL, "no handshake of Socket.IO 0.9: \"%s\"",
			log_peer_text(quoted, sizeof(quoted), body));
	while (rest.len != 0 && (rest.ptr[rest.len - 1] == '\n' || rest.ptr[rest.len - 1] == '\r'))
		rest.len--;
	read_transports(rest, out);
	return true;
}

/* A part of a second counts as a whole one. */
static bool append_seconds(uint32_t ms, struct buf *out)
{
	return (ms == 0 || buf_printf(out, "%u", ms / 1000 + (ms % 1000 != 0))) &&
		buf_append_char(out, ':');
}

bool sio09_handshake_encode(const struct sio09_handshake *h, struct buf *out)
{
	size_t before = out->len;

	if (buf_append_str(out, h->sid) && buf_append_char(out, ':') &&
		append_seconds(h->heartbeat_ms, out) && append_seconds(h->close_ms, out) &&
		buf_append_str(out, h->has_websocket ? "websocket" : "") &&
		buf_append_str(out, h->has_websocket && h->has_polling ? "," : "") &&
		buf_append_str(out, h->has_polling ? "xhr-polling" : ""))
		return true;
	out->len = before;
	return false;
}
