/*
 * hixie-76 of a hostile peer. What is asserted: a stream gives the same whole, byte by byte and in
 * pieces; payloads keep the limit and are UTF-8; what is handed out survives encoding and decoding;
 * headers that are taken can be answered.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/ws_hixie.h"

#define MESSAGE_MAX 100 /* small, so that it is met */
#define LOG_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(struct buf *to, const void *bytes, size_t len)
{
	if (!buf_append(to, bytes, len))
		abort();
}

static void check(enum ws_result result, const struct ws_message *m)
{
	struct ws_hixie_decoder d;
	struct ws_message again;
	struct buf wire;
	struct slice in;
	struct err e;

	if (result == WS_CLOSE) {
		assert(m->payload.len == 0 && m->close_code == WS_CLOSE_NONE);
		return;
	}
	assert(m->payload.len <= MESSAGE_MAX);
	if (result == WS_BAD) {
		assert(m->close_code == WS_CLOSE_UTF8 ? !utf8_valid(m->payload)
						      : m->close_code == WS_CLOSE_TOO_BIG);
		return;
	}
	assert(result == WS_TEXT && utf8_valid(m->payload) && m->total == m->payload.len);
	buf_init(&wire, LOG_MAX);
	ws_hixie_decoder_init(&d, 0);
	if (!ws_hixie_encode(&wire, m->payload))
		abort();
	in = buf_slice(&wire);
	assert(ws_hixie_decode(&d, &in, &again, &e) == WS_TEXT);
	assert(slice_equal(again.payload, m->payload) && in.len == 0);
	ws_hixie_decoder_release(&d);
	buf_release(&wire);
}

/* Feeds `in` in pieces of `step` bytes and logs all that comes of it. */
static void run(struct slice in, size_t step, bool is_checked, struct buf *log)
{
	enum ws_result result = WS_MORE;
	struct ws_hixie_decoder d;
	struct ws_message m;
	struct err e;

	ws_hixie_decoder_init(&d, MESSAGE_MAX);
	for (size_t at = 0; at < in.len && result != WS_BAD; at += step) {
		struct slice piece = { in.ptr + at, in.len - at < step ? in.len - at : step };

		while ((result = ws_hixie_decode(&d, &piece, &m, &e)) != WS_MORE) {
			append(log, &result, sizeof(result));
			append(log, &m.close_code, sizeof(m.close_code));
			append(log, m.payload.ptr, m.payload.len);
			if (is_checked)
				check(result, &m);
			if (result == WS_BAD)
				break;
		}
		assert(result == WS_BAD || piece.len == 0);
	}
	ws_hixie_decoder_release(&d);
}

static void check_handshake(struct slice headers)
{
	struct ws_hixie_request request;
	struct buf out;
	struct err e = { 0 };

	if (!ws_hixie_request_read(headers, slice_of("/"), &request, &e)) {
		assert(e.text[0] != '\0');
		return;
	}
	buf_init(&out, headers.len + 1000);
	if (!ws_hixie_response(&out, &request) ||
		!ws_hixie_answer(&out, request.numbers, "12345678"))
		abort();
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	struct buf whole, bytes, pieces;

	buf_init(&whole, LOG_MAX);
	buf_init(&bytes, LOG_MAX);
	buf_init(&pieces, LOG_MAX);
	run(in, size != 0 ? size : 1, true, &whole);
	run(in, 1, false, &bytes);
	run(in, 2 + size % 7, false, &pieces);
	assert(slice_equal(buf_slice(&whole), buf_slice(&bytes)));
	assert(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
	buf_release(&whole);
	buf_release(&bytes);
	buf_release(&pieces);
	check_handshake(in);
	return 0;
}
