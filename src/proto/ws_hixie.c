#include "proto/ws_hixie.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/utf8.h"
#include "proto/ws_header.h"

#define FRAME_TEXT 0x00
#define FRAME_END 0xff
#define FRAME_CLOSE 0xff
#define LENGTH_MAX ((uint64_t)1 << 40)

/* ---- handshake ---- */

bool ws_hixie_is_asked(struct slice headers)
{
	struct slice value;

	return ws_header_find_single(headers, "Sec-WebSocket-Key1", &value) &&
		!ws_header_find_single(headers, "Sec-WebSocket-Key", &value);
}

/* The digits of a key, as a number, over the count of its spaces. */
static bool read_key(struct slice headers, const char *name, uint32_t *out)
{
	struct slice value;
	uint64_t number = 0;
	uint32_t spaces = 0;

	if (!ws_header_find_single(headers, name, &value))
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == ' ')
			spaces++;
		if (value.ptr[i] >= '0' && value.ptr[i] <= '9')
			number = number * 10 + (uint64_t)(value.ptr[i] - '0');
		if (number > UINT32_MAX)
			return false;
	}
	if (spaces == 0 || number % spaces != 0)
		return false;
	*out = (uint32_t)(number / spaces);
	return true;
}

static struct slice find_or_empty(struct slice headers, const char *name)
{
	struct slice value;

	return ws_header_find(&headers, name, &value) ? value : (struct slice){ "", 0 };
}

bool ws_hixie_request_read(
	struct slice headers, struct slice target, struct ws_hixie_request *out, struct err *e)
{
	*out = (struct ws_hixie_request){ .target = target };
	if (!read_key(headers, "Sec-WebSocket-Key1", &out->numbers[0]) ||
		!read_key(headers, "Sec-WebSocket-Key2", &out->numbers[1]))
		return err_set(e, ERR_PROTOCOL,
			"no WebSocket request: its Sec-WebSocket-Key1 or 2 is malformed");
	out->host = find_or_empty(headers, "Host");
	out->origin = find_or_empty(headers, "Origin");
	out->protocol = find_or_empty(headers, "Sec-WebSocket-Protocol");
	return true;
}

static void put_number(unsigned char out[4], uint32_t number)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(number >> 8 * (3 - i));
}

bool ws_hixie_answer(struct buf *out, const uint32_t numbers[2], const char body[WS_HIXIE_BODY])
{
	unsigned char challenge[8 + WS_HIXIE_BODY], digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	put_number(challenge, numbers[0]);
	put_number(challenge + 4, numbers[1]);
	memcpy(challenge + 8, body, WS_HIXIE_BODY);
	return EVP_Digest(challenge, sizeof(challenge), digest, &len, EVP_md5(), NULL) == 1 &&
		len == WS_HIXIE_ANSWER && buf_append(out, digest, len);
}

static bool append_header(struct buf *out, const char *name, struct slice value)
{
	return buf_append_str(out, name) && buf_append_slice(out, value) &&
		buf_append_str(out, "\r\n");
}

bool ws_hixie_response(struct buf *out, const struct ws_hixie_request *request)
{
	size_t before = out->len;
	bool ok = buf_append_str(out,
			  "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\n"
			  "Connection: Upgrade\r\n") &&
		append_header(out, "Sec-WebSocket-Origin: ",
			request->origin.len != 0 ? request->origin : slice_of("null")) &&
		buf_append_str(out, "Sec-WebSocket-Location: ws://") &&
		buf_append_slice(out, request->host) && append_header(out, "", request->target) &&
		(request->protocol.len == 0 ||
			append_header(out, "Sec-WebSocket-Protocol: ", request->protocol)) &&
		buf_append_str(out, "\r\n");

	if (!ok)
		out->len = before;
	return ok;
}

/* ---- frames ---- */

bool ws_hixie_encode(struct buf *out, struct slice text)
{
	if (text.len > SIZE_MAX - 2 || !buf_reserve(out, text.len + 2))
		return false;
	out->data[out->len++] = (char)FRAME_TEXT;
	if (text.len != 0)
		memcpy(out->data + out->len, text.ptr, text.len);
	out->len += text.len;
	out->data[out->len++] = (char)FRAME_END;
	return true;
}

bool ws_hixie_encode_close(struct buf *out)
{
	static const char frame[2] = { (char)FRAME_CLOSE, 0 };

	return buf_append(out, frame, sizeof(frame));
}

void ws_hixie_decoder_init(struct ws_hixie_decoder *d, size_t message_max)
{
	*d = (struct ws_hixie_decoder){ .state = WS_HIXIE_TYPE };
	buf_init(&d->message, message_max != 0 ? message_max : WS_MESSAGE_MAX);
}

void ws_hixie_decoder_release(struct ws_hixie_decoder *d)
{
	buf_release(&d->message);
}

static enum ws_result fail(struct ws_hixie_decoder *d, struct ws_message *out, uint16_t code)
{
	d->state = WS_HIXIE_FAILED;
	d->fail_code = code;
	out->close_code = code;
	return WS_BAD;
}

static enum ws_result fail_large(
	struct ws_hixie_decoder *d, struct ws_message *out, const char *what, struct err *e)
{
	(void)err_set(e, ERR_LIMIT, "%s", what);
	return fail(d, out, WS_CLOSE_TOO_BIG);
}

static enum ws_result begin_frame(struct ws_hixie_decoder *d, char first)
{
	d->type = (unsigned char)first;
	d->left = 0;
	if (d->type == FRAME_TEXT)
		d->state = WS_HIXIE_TEXT;
	else
		d->state = d->type >= 0x80 ? WS_HIXIE_LENGTH : WS_HIXIE_SKIP_TEXT;
	return WS_MORE;
}

/* Counts what is drained between two messages. */
static bool may_drain(struct ws_hixie_decoder *d, uint64_t more)
{
	if (more > WS_DRAIN_MAX - d->drained)
		return false;
	d->drained += more;
	return true;
}

/* A byte of a length: seven bits, and a mark if there are more. */
static enum ws_result take_length(
	struct ws_hixie_decoder *d, char byte, struct ws_message *out, struct err *e)
{
	d->left = d->left * 128 + ((unsigned char)byte & 0x7f);
	if (d->left > LENGTH_MAX || !may_drain(d, 1))
		return fail_large(d, out, "a WebSocket frame of the peer is too long", e);
	if (((unsigned char)byte & 0x80) != 0)
		return WS_MORE;
	if (d->type == FRAME_CLOSE && d->left == 0) {
		d->state = WS_HIXIE_CLOSED;
		out->opcode = WS_OP_CLOSE;
		out->close_code = WS_CLOSE_NONE;
		return WS_CLOSE;
	}
	if (!may_drain(d, d->left))
		return fail_large(d, out, "a WebSocket frame of the peer is too long", e);
	d->state = d->left != 0 ? WS_HIXIE_SKIP_LENGTH : WS_HIXIE_TYPE;
	return WS_MORE;
}

static void advance(struct slice *in, size_t n)
{
	in->ptr += n;
	in->len -= n;
}

static enum ws_result finish_text(
	struct ws_hixie_decoder *d, struct slice text, struct ws_message *out, struct err *e)
{
	d->state = WS_HIXIE_TYPE;
	d->drained = 0;
	d->is_handed_out = true;
	if (!utf8_valid(text)) {
		(void)err_set(e, ERR_PROTOCOL, "a text message of the peer is not UTF-8");
		out->payload = text;
		return fail(d, out, WS_CLOSE_UTF8);
	}
	out->opcode = WS_OP_TEXT;
	out->payload = text;
	out->total = text.len;
	return WS_TEXT;
}

/* Takes text up to its end; a message that is here in one piece is handed out without a copy. */
static enum ws_result take_text(
	struct ws_hixie_decoder *d, struct slice *in, struct ws_message *out, struct err *e)
{
	const char *end = memchr(in->ptr, FRAME_END, in->len);
	struct slice piece = { in->ptr, end != NULL ? (size_t)(end - in->ptr) : in->len };

	if (piece.len > d->message.max - d->message.len)
		return fail_large(d, out, "a WebSocket message of the peer is too large", e);
	advance(in, piece.len + (end != NULL));
	if (end != NULL && d->message.len == 0)
		return finish_text(d, piece, out, e);
	if (!buf_append_slice(&d->message, piece)) {
		(void)err_set(e, ERR_NOMEM, "cannot receive a WebSocket message: out of memory");
		return fail(d, out, WS_CLOSE_INTERNAL);
	}
	return end != NULL ? finish_text(d, buf_slice(&d->message), out, e) : WS_MORE;
}

static enum ws_result skip_text(
	struct ws_hixie_decoder *d, struct slice *in, struct ws_message *out, struct err *e)
{
	const char *end = memchr(in->ptr, FRAME_END, in->len);
	size_t n = end != NULL ? (size_t)(end - in->ptr) + 1 : in->len;

	if (!may_drain(d, n))
		return fail_large(d, out, "a WebSocket frame of the peer is too long", e);
	advance(in, n);
	if (end != NULL)
		d->state = WS_HIXIE_TYPE;
	return WS_MORE;
}

static void skip_length(struct ws_hixie_decoder *d, struct slice *in)
{
	size_t n = in->len < d->left ? in->len : (size_t)d->left;

	advance(in, n);
	d->left -= n;
	if (d->left == 0)
		d->state = WS_HIXIE_TYPE;
}

static enum ws_result step(
	struct ws_hixie_decoder *d, struct slice *in, struct ws_message *out, struct err *e)
{
	char byte = *in->ptr;

	switch (d->state) {
	case WS_HIXIE_TYPE:
		advance(in, 1);
		return begin_frame(d, byte);
	case WS_HIXIE_LENGTH:
		advance(in, 1);
		return take_length(d, byte, out, e);
	case WS_HIXIE_TEXT:
		return take_text(d, in, out, e);
	case WS_HIXIE_SKIP_TEXT:
		return skip_text(d, in, out, e);
	case WS_HIXIE_SKIP_LENGTH:
		skip_length(d, in);
		return WS_MORE;
	case WS_HIXIE_CLOSED:
	case WS_HIXIE_FAILED:
		break;
	}
	advance(in, in->len);
	return WS_MORE;
}

enum ws_result ws_hixie_decode(
	struct ws_hixie_decoder *d, struct slice *in, struct ws_message *out, struct err *e)
{
	enum ws_result result = WS_MORE;

	*out = (struct ws_message){ .payload = { "", 0 } };
	if (d->is_handed_out) {
		buf_release(&d->message);
		d->is_handed_out = false;
	}
	if (d->state == WS_HIXIE_FAILED) {
		(void)err_set(e, ERR_PROTOCOL, "the WebSocket stream has already failed");
		return fail(d, out, d->fail_code);
	}
	while (result == WS_MORE && in->len != 0)
		result = step(d, in, out, e);
	return result;
}
