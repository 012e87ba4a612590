/*
 * Handshakes of a hostile peer, both roles. What is asserted: the answer for a part of the bytes is MORE
 * or the answer for all of them; what is found lies inside the input; a good request can be answered.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/ws_handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct slice part, struct slice whole)
{
	return part.len == 0 ||
		(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_headers(struct slice headers, struct slice whole)
{
	struct slice rest = headers;
	struct ws_header header;

	assert(is_inside(headers, whole));
	while (ws_header_next(&rest, &header))
		assert(header.name.len != 0 && is_inside(header.name, whole) &&
			is_inside(header.value, whole));
}

static enum ws_handshake_result respond(struct slice in, bool offers_deflate, size_t *used)
{
	const struct ws_request asked = { .key = KEY, .offers_deflate = offers_deflate };
	struct ws_response response;
	struct err e = { 0 };
	enum ws_handshake_result result = ws_response_parse(in, used, &asked, &response, &e);

	assert(*used <= in.len);
	if (result == WS_HS_MORE)
		return result;
	assert((result == WS_HS_BAD) == (e.text[0] != '\0'));
	assert(result == WS_HS_BAD || (response.status == 101 && *used != 0));
	assert(response.content_length >= -1 && is_inside(response.reason, in));
	check_headers(response.headers, in);
	return result;
}

static enum ws_handshake_result request(struct slice in, size_t *used)
{
	struct ws_upgrade upgrade;
	struct err e = { 0 };
	enum ws_handshake_result result = ws_request_parse(in, used, &upgrade, &e);
	struct buf answer;

	assert(*used <= in.len);
	if (result == WS_HS_MORE)
		return result;
	assert((result == WS_HS_BAD) == (upgrade.refuse_status != 0));
	assert(is_inside(upgrade.method, in) && is_inside(upgrade.target, in));
	if (result == WS_HS_BAD)
		return result;
	check_headers(upgrade.headers, in);
	buf_init(&answer, 1000);
	assert(*used != 0 && ws_response(&answer, upgrade.key, (struct slice){ 0 }));
	buf_release(&answer);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	size_t step = 1 + size / 300, used, cut_used;
	enum ws_handshake_result whole, part;
	bool offers = size % 2 != 0;

	whole = respond(in, offers, &used);
	for (size_t cut = 0; cut < size; cut += step) {
		part = respond((struct slice){ in.ptr, cut }, offers, &cut_used);
		assert(part == whole || part == WS_HS_MORE);
		assert(part != WS_HS_DONE || cut_used == used);
	}
	whole = request(in, &used);
	for (size_t cut = 0; cut < size; cut += step) {
		part = request((struct slice){ in.ptr, cut }, &cut_used);
		assert(part == whole || part == WS_HS_MORE);
		assert(part != WS_HS_DONE || cut_used == used);
	}
	return 0;
}
