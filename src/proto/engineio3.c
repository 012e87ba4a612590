#include "proto/engineio3.h"

#include <assert.h>

#include "base/utf8.h"
#include "proto/generation.h"
#include "proto/payload.h"

/* The binary framing: a kind, the digits of the length as numbers, an end of them, the packet. */
#define KIND_TEXT '\0'
#define KIND_BINARY '\1'
#define LENGTH_END '\xff'

/* In the text framing a binary packet begins so; then its type as a digit, then base64. */
#define BINARY 'b'

/* ---- bodies ---- */

bool eio3_text_undo(struct slice text, struct buf *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];

		/* U+0080 to U+00FF are C2 or C3 and the six low bits. */
		if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.len &&
			((unsigned char)text.ptr[i + 1] & 0xc0) == 0x80)
			byte = (unsigned char)((byte & 0x03) << 6 |
				((unsigned char)text.ptr[++i] & 0x3f));
		else if (byte >= 0x80)
			goto fail;
		if (!buf_append_char(out, (char)byte))
			goto fail;
	}
	if (out->len == before ||
		utf8_valid((struct slice){ out->data + before, out->len - before }))
		return true;
fail:
	out->len = before;
	return false;
}

/* "b4" and base64: the same packet as bytes begins with the number 4. */
bool eio3_base64_undo(struct slice text, struct buf *out)
{
	size_t before = out->len;

	if (text.len >= 2 && *text.ptr == BINARY && text.ptr[1] >= '0' && text.ptr[1] <= '9' &&
		buf_append_char(out, (char)(text.ptr[1] - '0')) &&
		payload_base64_decode((struct slice){ text.ptr + 2, text.len - 2 }, out))
		return true;
	out->len = before;
	return false;
}

/* "<length>:<packet>" */
static enum payload_result next_of_text(
	struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e)
{
	struct slice rest = r->rest;
	struct slice text;
	size_t length;

	if (!payload_length_take(&rest, &length) || length == 0 || rest.len == 0 ||
		*rest.ptr != ':')
		return payload_bad(r->rest, "does not say how long a packet is", e);
	rest = (struct slice){ rest.ptr + 1, rest.len - 1 };
	if (!payload_units_take(&rest, length, &text))
		return payload_bad(
			r->rest, "has a packet that is shorter than its length, or not UTF-8", e);
	*is_binary = *text.ptr == BINARY;
	*message = text;
	if (*is_binary && !eio3_base64_undo(text, &r->scratch))
		return payload_bad(r->rest, "has a binary packet that is not base64", e);
	if (*is_binary || (r->is_double && eio3_text_undo(text, &r->scratch)))
		*message = buf_slice(&r->scratch);
	r->rest = rest;
	return PAYLOAD_MESSAGE;
}

/* Reads the digits of the binary framing and the byte that ends them. */
static bool take_binary_length(struct slice *rest, size_t *length)
{
	size_t n = 0;

	*length = 0;
	while (n < rest->len && n < PAYLOAD_DIGITS_MAX && (unsigned char)rest->ptr[n] <= 9)
		*length = *length * 10 + (unsigned char)rest->ptr[n++];
	if (n == 0 || n == rest->len || rest->ptr[n] != LENGTH_END)
		return false;
	*rest = (struct slice){ rest->ptr + n + 1, rest->len - n - 1 };
	return true;
}

static enum payload_result next_of_binary(
	struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e)
{
	struct slice rest = { r->rest.ptr + 1, r->rest.len - 1 };
	size_t length;

	if (!take_binary_length(&rest, &length) || length == 0)
		return payload_bad(r->rest, "does not say how long a packet is", e);
	if (length > rest.len)
		return payload_bad(r->rest, "has a packet that is shorter than its length", e);
	*is_binary = *r->rest.ptr == KIND_BINARY;
	*message = (struct slice){ rest.ptr, length };
	if (!*is_binary && !utf8_valid(*message))
		return payload_bad(r->rest, "has a packet that is not UTF-8", e);
	r->rest = (struct slice){ rest.ptr + length, rest.len - length };
	return PAYLOAD_MESSAGE;
}

static enum payload_result payload_next(
	struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e)
{
	enum payload_result result;

	if (r->rest.len == 0)
		return r->has_begun ? PAYLOAD_END : payload_bad(r->rest, "is empty", e);
	r->scratch.len = 0;
	if (*r->rest.ptr == KIND_TEXT || *r->rest.ptr == KIND_BINARY)
		result = next_of_binary(r, is_binary, message, e);
	else
		result = next_of_text(r, is_binary, message, e);
	r->has_begun = result == PAYLOAD_MESSAGE || r->has_begun;
	return result;
}

/* A binary packet's type is a byte on a WebSocket and in the binary framing, a digit here. */
static bool append_base64(struct buf *body, struct slice message)
{
	struct slice data = { message.ptr + 1, message.len - 1 };

	assert(*message.ptr >= 0 && *message.ptr <= EIO_NOOP);
	return buf_printf(
		       body, "%zu:%c%d", 2 + payload_base64_size(data.len), BINARY, *message.ptr) &&
		payload_base64_encode(data, body);
}

static bool payload_append(struct buf *body, bool is_binary, struct slice message)
{
	size_t before = body->len;

	assert(message.len != 0);
	if (is_binary ? append_base64(body, message)
		      : buf_printf(body, "%zu:", payload_units(message)) &&
				buf_append_slice(body, message))
		return true;
	body->len = before;
	return false;
}

bool eio3_binary_append(struct buf *body, bool is_binary, struct slice message)
{
	size_t before = body->len;
	bool ok = buf_append_char(body, is_binary ? KIND_BINARY : KIND_TEXT);
	size_t digits = body->len;

	assert(message.len != 0);
	ok = ok && buf_printf(body, "%zu", message.len);
	for (size_t i = digits; ok && i < body->len; i++)
		body->data[i] = (char)(body->data[i] - '0');
	if (ok && buf_append_char(body, LENGTH_END) && buf_append_slice(body, message))
		return true;
	body->len = before;
	return false;
}

/* ---- packets ---- */
#include "proto/payload.h"

/* The first byte of a binary packet is its type as a number. */
static bool packet_decode(enum generation_role role, bool is_binary, struct slice message,
	struct eio_packet *out, struct err *e)
{
	unsigned type;

	(void)role;
	if (!is_binary)
		return eio_text_decode(message, out, e);
	if (message.len == 0)
		return err_set(e, ERR_PROTOCOL, "an empty binary Engine.IO packet");
	type = (unsigned char)*message.ptr;
	if (type > EIO_NOOP)
		return err_set(
			e, ERR_PROTOCOL, "a binary Engine.IO packet of the unknown type %u", type);
	*out = (struct eio_packet){ (enum eio_type)type, true,
		{ message.ptr + 1, message.len - 1 } };
	return true;
}

static bool packet_encode(enum generation_role role, const struct eio_packet *packet,
	struct buf *out, bool *is_binary)
{
	size_t before = out->len;

	(void)role;
	*is_binary = packet->is_binary;
	if (!packet->is_binary)
		return eio_text_encode(packet, out);
	if (buf_append_char(out, (char)packet->type) && buf_append_slice(out, packet->data))
		return true;
	out->len = before;
	return false;
}

/* Nothing can be said along with the name here. */
static bool join_encode(struct slice nsp, struct slice auth, struct buf *out)
{
	(void)auth;
	return sio_encode(&(struct sio_packet){ .type = SIO_CONNECT, .nsp = nsp }, out);
}

const struct generation generation_eio3 = {
	.name = "eio3",
	.versions = "1 or 2",
	.eio = 3,
	.has_open = true,
	.joins_unasked = true,
	.client_pings = true,
	.can_upgrade = true,
	.has_binary = true,
	.post_type = "text/plain;charset=UTF-8",
	.post_answer = "ok",
	.payload_next = payload_next,
	.payload_append = payload_append,
	.packet_decode = packet_decode,
	.packet_encode = packet_encode,
	.sio_decode = sio_decode,
	.sio_encode = sio_encode,
	.join_encode = join_encode,
};
