#include "proto/generation.h"

#include <assert.h>

#include "base/utf8.h"
#include "proto/payload.h"

#define SEPARATOR '\x1e' /* between the messages of a body; JSON cannot hold it */
#define BINARY 'b'       /* begins a binary message, which goes on in base64 */

static bool read_message(
	struct payload_reader *r, struct slice text, bool *is_binary, struct slice *message)
{
	*is_binary = *text.ptr == BINARY;
	*message = text;
	if (!*is_binary)
		return utf8_valid(text);
	r->scratch.len = 0;
	if (!payload_base64_decode((struct slice){ text.ptr + 1, text.len - 1 }, &r->scratch))
		return false;
	*message = buf_slice(&r->scratch);
	return true;
}

/* The separator stays in `rest` until the message behind it is taken, so that a body which ends with one is
 * seen to lack a message. */
static enum payload_result payload_next(
	struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e)
{
	struct slice text = r->rest;
	const char *end;

	if (r->has_begun && text.len == 0)
		return PAYLOAD_END;
	if (r->has_begun)
		text = (struct slice){ text.ptr + 1, text.len - 1 };
	end = text.len != 0 ? memchr(text.ptr, SEPARATOR, text.len) : NULL;
	if (end != NULL)
		text.len = (size_t)(end - text.ptr);
	if (text.len == 0)
		return payload_bad(r->rest, "has an empty packet", e);
	if (!read_message(r, text, is_binary, message))
		return payload_bad(r->rest,
			*is_binary ? "has a binary packet that is not base64"
				   : "has a packet that is not UTF-8",
			e);
	r->rest.len -= (size_t)(text.ptr + text.len - r->rest.ptr);
	r->rest.ptr = text.ptr + text.len;
	r->has_begun = true;
	return PAYLOAD_MESSAGE;
}

static bool payload_append(struct buf *body, bool is_binary, struct slice message)
{
	size_t before = body->len;
	bool ok = before == 0 || buf_append_char(body, SEPARATOR);

	assert(is_binary || message.len != 0);
	if (is_binary)
		ok = ok && buf_append_char(body, BINARY) && payload_base64_encode(message, body);
	else
		ok = ok && buf_append_slice(body, message);
	if (!ok)
		body->len = before;
	return ok;
}

#include "base/utf8.h"
#include "proto/payload.h"

/* A binary message is a packet's bare data; only messages can be binary. */
static bool packet_decode(enum generation_role role, bool is_binary, struct slice message,
	struct eio_packet *out, struct err *e)
{
	(void)role;
	if (!is_binary)
		return eio_text_decode(message, out, e);
	*out = (struct eio_packet){ EIO_MESSAGE, true, message };
	return true;
}

static bool packet_encode(enum generation_role role, const struct eio_packet *packet,
	struct buf *out, bool *is_binary)
{
	(void)role;
	*is_binary = packet->is_binary;
	if (!packet->is_binary)
		return eio_text_encode(packet, out);
	assert(packet->type == EIO_MESSAGE);
	return buf_append_slice(out, packet->data);
}

static bool join_encode(struct slice nsp, struct slice auth, struct buf *out)
{
	return sio_encode(
		&(struct sio_packet){ .type = SIO_CONNECT, .nsp = nsp, .data = auth }, out);
}

const struct generation generation_eio4 = {
	.name = "eio4",
	.versions = "3 or 4",
	.eio = 4,
	.has_open = true,
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
