/*
 * Compressed messages of a hostile server, and answers to our offer. What is asserted: a stream gives the
 * same results whole and byte by byte, what is inflated keeps the limits, and text is UTF-8.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/ws.h"

#define MESSAGE_MAX 200 /* small, so that limits are met */
#define RESULTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	enum ws_result result;
	uint64_t total;
};

/* Feeds the bytes in pieces of `step`; returns how many results came. */
static size_t decode(struct slice all, size_t step, bool is_fresh, struct seen seen[RESULTS_MAX])
{
	const struct ws_deflate_terms terms = { true, is_fresh, 15 };
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, MESSAGE_MAX);
	size_t count = 0;
	bool is_over = false;

	if (d == NULL || !ws_decoder_inflate(d, &terms))
		abort();
	for (size_t at = 0; at < all.len && !is_over; at += step) {
		struct slice in = { all.ptr + at, all.len - at < step ? all.len - at : step };
		struct ws_message m;
		enum ws_result result;
		struct err e;

		while (!is_over && (result = ws_decode(d, &in, &m, &e)) != WS_MORE) {
			assert(result == WS_TOO_LARGE || result == WS_BAD ||
				m.payload.len <= MESSAGE_MAX);
			assert(result != WS_TEXT || utf8_valid(m.payload));
			is_over = result == WS_BAD || result == WS_CLOSE ||
				count == RESULTS_MAX - 1;
			seen[count++] = (struct seen){ result, result == WS_BAD ? 0 : m.total };
		}
	}
	ws_decoder_free(d);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = { (const char *)data, size };
	struct ws_deflate_terms terms = { 0 };
	struct seen whole[RESULTS_MAX];
	struct seen bytes[RESULTS_MAX];
	struct err e;
	size_t count;

	if (ws_deflate_agree(&terms, all, &e) && terms.is_agreed)
		assert(terms.window_bits >= 8 && terms.window_bits <= 15);
	count = decode(all, size != 0 ? size : 1, size % 2 != 0, whole);
	assert(decode(all, 1, size % 2 != 0, bytes) == count);
	for (size_t i = 0; i < count; i++)
		assert(whole[i].result == bytes[i].result && whole[i].total == bytes[i].total);
	return 0;
}
