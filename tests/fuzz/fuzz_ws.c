/*
 * Bytes of a hostile peer. What is asserted: a stream gives the same messages whole, byte by byte and in
 * pieces, and with a fresh decoder wherever one may go on; payloads keep the limits; text is UTF-8; and what is handed out survives encoding for the other
 * side and decoding there.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/ws.h"

#define MESSAGE_MAX 200 /* small, so that limits are met */
#define LOG_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(struct buf *to, const void *bytes, size_t len)
{
	if (!buf_append(to, bytes, len))
		abort();
}

static void check(enum ws_role role, enum ws_result result, const struct ws_message *m)
{
	static const enum ws_result results[] = { [WS_OP_TEXT] = WS_TEXT,
		[WS_OP_BINARY] = WS_BINARY,
		[WS_OP_PING] = WS_PING,
		[WS_OP_PONG] = WS_PONG };
	enum ws_role peer = role == WS_CLIENT ? WS_SERVER : WS_CLIENT;
	struct ws_decoder *d;
	struct ws_message again;
	struct buf wire;
	struct slice in;
	struct err e;

	switch (result) {
	case WS_TOO_LARGE:
		assert(m->total > MESSAGE_MAX && m->total <= WS_DRAIN_MAX);
		assert(m->payload.len == (m->total < WS_KEEP_MAX ? m->total : WS_KEEP_MAX));
		return;
	case WS_BAD:
		assert(m->close_code == WS_CLOSE_PROTOCOL || m->close_code == WS_CLOSE_UTF8 ||
			m->close_code == WS_CLOSE_TOO_BIG);
		assert(m->payload.len == 0 || !utf8_valid(m->payload));
		return;
	case WS_CLOSE:
		assert(m->close_code == WS_CLOSE_NONE || ws_close_code_valid(m->close_code));
		assert(utf8_valid(m->payload) && m->payload.len <= WS_CONTROL_MAX - 2);
		return;
	default:
		break;
	}
	assert(m->payload.len == m->total && m->total <= MESSAGE_MAX);
	assert(result != WS_TEXT || utf8_valid(m->payload));
	buf_init(&wire, LOG_MAX);
	d = ws_decoder_new(role, 0);
	if (d == NULL || !ws_encode(&wire, peer, m->opcode, m->payload))
		abort();
	in = buf_slice(&wire);
	assert(ws_decode(d, &in, &again, &e) == results[m->opcode]);
	assert(slice_equal(again.payload, m->payload));
	assert(ws_decode(d, &in, &again, &e) == WS_MORE);
	ws_decoder_free(d);
	buf_release(&wire);
}

/* Feeds `in` in pieces of `step` bytes and logs all that comes of it. */
static void run(enum ws_role role, struct slice in, size_t step, bool is_checked, struct buf *log)
{
	struct ws_decoder *d = ws_decoder_new(role, MESSAGE_MAX);
	bool is_renewed = role == WS_SERVER && !is_checked;
	enum ws_result result = WS_MORE;
	struct ws_message m;
	struct err e;

	if (d == NULL)
		abort();
	for (size_t at = 0; at < in.len && result != WS_BAD; at += step) {
		struct slice piece = { in.ptr + at, in.len - at < step ? in.len - at : step };

		while ((result = ws_decode(d, &piece, &m, &e)) != WS_MORE) {
			append(log, &result, sizeof(result));
			append(log, &m.opcode, sizeof(m.opcode));
			append(log, &m.total, sizeof(m.total));
			append(log, &m.close_code, sizeof(m.close_code));
			append(log, m.payload.ptr, m.payload.len);
			if (is_checked)
				check(role, result, &m);
			if (result == WS_BAD)
				break;
		}
		assert(result == WS_BAD || piece.len == 0);
		if (is_renewed && ws_decoder_is_idle(d)) {
			ws_decoder_free(d);
			d = ws_decoder_new(role, MESSAGE_MAX);
			if (d == NULL)
				abort();
		}
	}
	ws_decoder_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data + 1, size - 1 };
	struct buf whole, bytes, pieces;
	enum ws_role role;

	if (size == 0)
		return 0;
	role = data[0] & 1 ? WS_SERVER : WS_CLIENT;
	buf_init(&whole, LOG_MAX);
	buf_init(&bytes, LOG_MAX);
	buf_init(&pieces, LOG_MAX);
	run(role, in, in.len != 0 ? in.len : 1, true, &whole);
	run(role, in, 1, false, &bytes);
	run(role, in, 2 + data[0] / 2, false, &pieces);
	assert(slice_equal(buf_slice(&whole), buf_slice(&bytes)));
	assert(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
	buf_release(&whole);
	buf_release(&bytes);
	buf_release(&pieces);
	return 0;
}
