#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/secret.h"
#include "proto/ws_handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* the RFC's sample, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define HEADERS "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n"
#define FRAME_BYTES "\x81\x05Hello"

static const struct ws_request plain_request = {
	.target = SLICE_LITERAL("/socket.io/?EIO=4&transport=websocket"),
	.host = SLICE_LITERAL("feed.example:8443"),
	.key = KEY,
};

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)1 << 20);
	return b;
}

/* Whatever the whole text gives, a part of it gives the same or MORE, and an error has a text. */
static enum ws_handshake_result parse_response(
	struct slice in, size_t *used, struct ws_response *out, struct err *e)
{
	enum ws_handshake_result whole = ws_response_parse(in, used, &plain_request, out, e), part;
	struct ws_response ignored;
	struct err cut_error;
	size_t cut_used;

	for (size_t cut = 0; cut < in.len; cut++) {
		part = ws_response_parse((struct slice){ in.ptr, cut }, &cut_used, &plain_request,
			&ignored, &cut_error);
		assert_true(part == whole || part == WS_HS_MORE);
		assert_true(part != WS_HS_DONE || cut >= *used);
	}
	return whole;
}

static enum ws_handshake_result parse_request(
	struct slice in, size_t *used, struct ws_upgrade *out, struct err *e)
{
	enum ws_handshake_result whole = ws_request_parse(in, used, out, e), part;
	struct ws_upgrade ignored;
	struct err cut_error;
	size_t cut_used;

	for (size_t cut = 0; cut < in.len; cut++) {
		part = ws_request_parse(
			(struct slice){ in.ptr, cut }, &cut_used, &ignored, &cut_error);
		assert_true(part == whole || part == WS_HS_MORE);
		assert_true(part != WS_HS_DONE || cut >= *used);
	}
	return whole;
}

static void the_sample_key_of_the_rfc_is_accepted(void **state)
{
	char accept[WS_ACCEPT_SIZE];

	(void)state;
	assert_true(ws_accept_key(KEY, accept));
	assert_string_equal(accept, ACCEPT);
	assert_false(ws_accept_key("", accept));
	assert_false(ws_accept_key("dGhlIHNhbXBsZSBub25jZQ=", accept));
	assert_false(ws_accept_key("dGhlIHNhbXBsZSBub25jZQAA", accept));
	assert_false(ws_accept_key("dGhlIHNhb\r\nsZSBub25jZQ==", accept));
	assert_false(ws_accept_key(KEY KEY KEY, accept));
}

static void keys_are_random(void **state)
{
	char a[WS_KEY_SIZE], b[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE];

	(void)state;
	assert_true(ws_key_new(a) && ws_key_new(b));
	assert_int_equal(strlen(a), WS_KEY_SIZE - 1);
	assert_string_not_equal(a, b);
	assert_true(ws_accept_key(a, accept));
}

static void client_and_server_agree(void **state)
{
	const struct ws_header extra[] = { { SLICE_LITERAL("X-One"), SLICE_LITERAL("1") },
		{ SLICE_LITERAL("User-Agent"), SLICE_LITERAL("tapedeck test") } };
	struct ws_request request = plain_request;
	struct buf up = new_buf(), down = new_buf();
	struct ws_upgrade upgrade;
	struct ws_response response;
	struct slice headers, value;
	char key[WS_KEY_SIZE];
	struct err e;
	size_t used;

	(void)state;
	assert_true(ws_key_new(key));
	request.key = key;
	request.cookie = slice_of("io=abc; route=1");
	request.headers = extra;
	request.header_count = 2;
	assert_true(ws_request(&up, &request, &e));
	assert_int_equal(parse_request(buf_slice(&up), &used, &upgrade, &e), WS_HS_DONE);
	assert_int_equal(used, up.len);
	assert_string_equal(upgrade.key, key);
	assert_int_equal(upgrade.version, 13);
	assert_true(slice_equal(upgrade.target, request.target));
	headers = upgrade.headers;
	assert_true(
		ws_header_find(&headers, "host", &value) && slice_is(value, "feed.example:8443"));
	headers = upgrade.headers;
	assert_true(
		ws_header_find(&headers, "cookie", &value) && slice_is(value, "io=abc; route=1"));
	assert_true(ws_header_find(&headers, "x-ONE", &value) && slice_is(value, "1"));

	assert_true(ws_response(&down, upgrade.key, (struct slice){ 0 }));
	assert_true(buf_append_str(&down, FRAME_BYTES));
	assert_int_equal(
		ws_response_parse(buf_slice(&down), &used, &request, &response, &e), WS_HS_DONE);
	assert_int_equal(used, down.len - strlen(FRAME_BYTES));
	assert_int_equal(ws_response_parse(buf_slice(&down), &used, &plain_request, &response, &e),
		WS_HS_BAD);
	assert_non_null(strstr(e.text, "does not fit our key"));
	buf_release(&up);
	buf_release(&down);
}

static void good_answers_of_odd_looks_are_accepted(void **state)
{
	static const char *const answers[] = {
		SWITCH HEADERS "\r\n",
		SWITCH HEADERS "\r\n" FRAME_BYTES,
		"HTTP/1.1 101\r\n" HEADERS "\r\n",
		"http/1.1 101 \r\n" HEADERS "\r\n",
		SWITCH "UPGRADE:WebSocket\r\nconnection:\t keep-alive , UPGRADE \r\n"
		       "sec-websocket-accept:" ACCEPT "  \r\n\r\n",
		SWITCH "upgrade : foo, websocket\nconnection: Upgrade\n"
		       "Sec-WebSocket-Accept: " ACCEPT "\n\n",
		SWITCH HEADERS "Set-Cookie: a=b\r\nEmpty:\r\nSec-WebSocket-Extensions: \r\n\r\n",
		SWITCH "Connection: keep-alive\r\n" HEADERS "\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct slice in = slice_of(answers[i]);
		struct ws_response response;
		struct err e;
		size_t used;

		assert_int_equal(parse_response(in, &used, &response, &e), WS_HS_DONE);
		assert_int_equal(response.status, 101);
		assert_int_equal(used, in.len - (i == 1 ? strlen(FRAME_BYTES) : 0));
	}
}

static void bad_answers_are_refused_with_their_reason(void **state)
{
	static const struct {
		const char *answer;
		int status;
		enum err_code code;
		const char *text;
	} cases[] = {
		{ "HTTP/1.1 401 Unauthorized\r\n\r\n", 401, ERR_DENIED, "HTTP 401 Unauthorized" },
		{ "HTTP/1.1 403\r\nX: y\r\n\r\n", 403, ERR_DENIED, "HTTP 403" },
		{ "HTTP/1.0 502 Bad Gateway\r\nno header\r\n\r\n<html>", 502, ERR_PROTOCOL,
			"HTTP 502 Bad Gateway" },
		{ "HTTP/1.1 200 OK\r\n" HEADERS "\r\n", 200, ERR_PROTOCOL, "HTTP 200 OK" },
		{ "HTTP/2 101 x\r\n"
		  "Upgrade: h2\r\n\r\n",
			101, ERR_PROTOCOL, "Upgrade: websocket" },
		{ SWITCH "\r\n", 101, ERR_PROTOCOL, "lacks 'Upgrade: websocket'" },
		{ SWITCH "Upgrade: websockets\r\n\r\n", 101, ERR_PROTOCOL,
			"lacks 'Upgrade: websocket'" },
		{ SWITCH "Upgrade: websocket\r\nConnection: close\r\n\r\n", 101, ERR_PROTOCOL,
			"lacks 'Connection: Upgrade'" },
		{ SWITCH "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n", 101, ERR_PROTOCOL,
			"Sec-WebSocket-Accept" },
		{ SWITCH HEADERS "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", 101, ERR_PROTOCOL,
			"a single" },
		{ SWITCH
			"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
			101, ERR_PROTOCOL, "does not fit our key" },
		{ SWITCH HEADERS "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 101,
			ERR_PROTOCOL, "\"permessage-deflate\"" },
		{ SWITCH HEADERS "no colon\r\n\r\n", 101, ERR_PROTOCOL, "\"no colon\"" },
		{ SWITCH HEADERS "A: b\r\n folded\r\n\r\n", 101, ERR_PROTOCOL, "malformed header" },
		{ SWITCH HEADERS "A: b\x01\r\n\r\n", 101, ERR_PROTOCOL, "malformed header" },
		{ "HTTP/1.1\r\n\r\n", 0, ERR_PROTOCOL, "status line is malformed" },
		{ "HTTP/1.1 1O1 x\r\n\r\n", 0, ERR_PROTOCOL, "status line is malformed" },
		{ "HTTP/1.1 1011 x\r\n\r\n", 0, ERR_PROTOCOL, "status line is malformed" },
		{ "HTTP/1.1 099 x\r\n\r\n", 0, ERR_PROTOCOL, "status line is malformed" },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 0, ERR_PROTOCOL, "not HTTP: \"SSH-2.0" },
		{ "\x15\x03\x01", 0, ERR_PROTOCOL, "not HTTP: \"\\x15" },
		{ "\r\nHTTP/1.1 101 x\r\n\r\n", 0, ERR_PROTOCOL, "not HTTP" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ws_response response;
		struct err e = { 0 };
		size_t used;

		assert_int_equal(
			parse_response(slice_of(cases[i].answer), &used, &response, &e), WS_HS_BAD);
		assert_int_equal(response.status, cases[i].status >= 100 ? cases[i].status : 0);
		assert_int_equal(e.code, cases[i].code);
		if (strstr(e.text, cases[i].text) == NULL)
			fail_msg("'%s' is not in '%s'", cases[i].text, e.text);
	}
}

static void another_answer_shows_its_head_and_where_its_body_begins(void **state)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n"
				     "Set-Cookie: a=1; Path=/\r\nX: y\r\nset-cookie:  b=2 \r\n\r\n"
				     "{\"code\":5,\"m\":\"\"}";
	struct ws_response response;
	struct slice headers, value;
	struct err e;
	size_t used;

	(void)state;
	assert_int_equal(parse_response(slice_of(answer), &used, &response, &e), WS_HS_BAD);
	assert_int_equal(response.content_length, 17);
	assert_true(slice_is(response.reason, "Bad Request"));
	assert_string_equal(answer + used, "{\"code\":5,\"m\":\"\"}");
	headers = response.headers;
	assert_true(
		ws_header_find(&headers, "Set-Cookie", &value) && slice_is(value, "a=1; Path=/"));
	assert_true(ws_header_find(&headers, "Set-Cookie", &value) && slice_is(value, "b=2"));
	assert_false(ws_header_find(&headers, "Set-Cookie", &value));
}

static void a_content_length_that_is_none_is_absent(void **state)
{
	static const char *const lengths[] = { "-1", "1x", "", "9999999999999999999",
		"1\r\nContent-Length: 2" };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct ws_response response;
		struct err e;
		char answer[200];
		size_t used;

		(void)snprintf(answer, sizeof(answer),
			"HTTP/1.1 400 x\r\nContent-Length: %s\r\n\r\n", lengths[i]);
		assert_int_equal(parse_response(slice_of(answer), &used, &response, &e), WS_HS_BAD);
		assert_int_equal(response.status, 400);
		assert_int_equal(response.content_length, -1);
	}
}

/* A head of exactly `size` bytes: a good answer with padding. */
static struct buf padded_answer(size_t size)
{
	struct buf b = new_buf();

	assert_true(buf_append_str(&b, SWITCH HEADERS "Pad: "));
	while (b.len < size - 4)
		assert_true(buf_append_char(&b, 'x'));
	assert_true(buf_append_str(&b, "\r\n\r\n"));
	return b;
}

static void heads_end_at_the_limit(void **state)
{
	struct buf in = padded_answer(WS_HEADERS_MAX);
	struct ws_response response;
	struct ws_upgrade upgrade;
	struct err e;
	size_t used;

	(void)state;
	assert_int_equal(ws_response_parse(buf_slice(&in), &used, &plain_request, &response, &e),
		WS_HS_DONE);
	assert_int_equal(used, WS_HEADERS_MAX);
	buf_release(&in);
	in = padded_answer(WS_HEADERS_MAX + 1);
	assert_int_equal(
		ws_response_parse(buf_slice(&in), &used, &plain_request, &response, &e), WS_HS_BAD);
	assert_int_equal(e.code, ERR_LIMIT);
	in.len = WS_HEADERS_MAX;
	assert_int_equal(
		ws_response_parse(buf_slice(&in), &used, &plain_request, &response, &e), WS_HS_BAD);
	in.len--;
	assert_int_equal(ws_response_parse(buf_slice(&in), &used, &plain_request, &response, &e),
		WS_HS_MORE);
	in.len = 0;
	assert_true(buf_append_str(&in, "GET / HTTP/1.1\r\n"));
	for (int i = 0; i < WS_HEADER_LINES_MAX + 1; i++)
		assert_true(buf_append_str(&in, "a: b\r\n"));
	assert_int_equal(ws_request_parse(buf_slice(&in), &used, &upgrade, &e), WS_HS_BAD);
	assert_int_equal(upgrade.refuse_status, 431);
	buf_release(&in);
}

static void a_request_with_a_line_break_is_not_written(void **state)
{
	const struct ws_header bad_headers[] = {
		{ SLICE_LITERAL("X"), SLICE_LITERAL("a\r\nEvil: b") },
		{ SLICE_LITERAL("X:"), SLICE_LITERAL("a") },
		{ SLICE_LITERAL(""), SLICE_LITERAL("a") },
		{ SLICE_LITERAL("X"), SLICE_LITERAL("a\0b") },
	};
	struct ws_request request = plain_request;
	struct buf out = new_buf();
	struct err e;

	(void)state;
	request.target = slice_of("/?token=secret\r\nEvil: b");
	assert_false(ws_request(&out, &request, &e));
	assert_null(strstr(e.text, "secret"));
	request.target = slice_of("/ HTTP/1.1");
	assert_false(ws_request(&out, &request, &e));
	request.target = slice_of("");
	assert_false(ws_request(&out, &request, &e));
	request = plain_request;
	request.host = slice_of("a\nb");
	assert_false(ws_request(&out, &request, &e));
	request = plain_request;
	request.cookie = slice_of("a\rb");
	assert_false(ws_request(&out, &request, &e));
	request = plain_request;
	request.header_count = 1;
	for (size_t i = 0; i < sizeof(bad_headers) / sizeof(*bad_headers); i++) {
		request.headers = &bad_headers[i];
		assert_false(ws_request(&out, &request, &e));
	}
	assert_int_equal(out.len, 0);
	buf_release(&out);
	buf_init(&out, 100);
	assert_false(ws_request(&out, &plain_request, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

#define GET "GET /x?y=z HTTP/1.1\r\nHost: h\r\n"
#define ASKS "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEYED "Sec-WebSocket-Key: " KEY "\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"

static void good_requests_of_odd_looks_are_accepted(void **state)
{
	static const char *const requests[] = {
		GET ASKS KEYED V13 "\r\n",
		GET ASKS KEYED "Sec-WebSocket-Version: 8\r\n\r\n",
		"GET  /x?y=z  HTTP/1.1\nupgrade:WEBSOCKET\nconnection:keep-alive, Upgrade\n" KEYED
			V13 "\n",
		GET ASKS KEYED V13 "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct ws_upgrade upgrade;
		struct err e;
		size_t used;

		assert_int_equal(
			parse_request(slice_of(requests[i]), &used, &upgrade, &e), WS_HS_DONE);
		assert_int_equal(used, strlen(requests[i]));
		assert_string_equal(upgrade.key, KEY);
		assert_int_equal(upgrade.version, i == 1 ? 8 : 13);
		assert_true(slice_is(upgrade.target, "/x?y=z"));
		assert_true(slice_is(upgrade.method, "GET"));
	}
}

static void bad_requests_are_refused_with_their_status(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{ "\x16\x03\x01", 400 },
		{ "\r\n", 400 },
		{ "GET\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ "GET HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\n\r\n", 400 },
		{ "GET /a b HTTP/1.1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\n\r\n", 405 },
		{ GET "\r\n", 426 },
		{ GET "bad\r\n\r\n", 400 },
		{ GET "Upgrade: websocket\r\n" KEYED V13 "\r\n", 400 },
		{ GET ASKS KEYED "\r\n", 426 },
		{ GET ASKS KEYED "Sec-WebSocket-Version: 7\r\n\r\n", 426 },
		{ GET ASKS V13 "\r\n", 400 },
		{ GET ASKS V13 KEYED KEYED "\r\n", 400 },
		{ GET ASKS V13 "Sec-WebSocket-Key: short\r\n\r\n", 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ws_upgrade upgrade;
		struct err e = { 0 };
		size_t used;

		assert_int_equal(
			parse_request(slice_of(cases[i].request), &used, &upgrade, &e), WS_HS_BAD);
		assert_int_equal(upgrade.refuse_status, cases[i].status);
		assert_true(strlen(e.text) > 0);
	}
}

static void a_secret_in_a_reason_is_withheld(void **state)
{
	struct secret *s = secret_new(slice_of("canary-token-0123456789"));
	struct ws_response response;
	struct err e;
	size_t used;

	(void)state;
	assert_non_null(s);
	assert_int_equal(
		ws_response_parse(slice_of("HTTP/1.1 401 bad canary-token-0123456789\r\n\r\n"),
			&used, &plain_request, &response, &e),
		WS_HS_BAD);
	assert_null(strstr(e.text, "canary"));
	secret_free(s);
}

static void the_first_subprotocol_is_taken(void **state)
{
	static const struct {
		const char *asked;
		const char *answer; /* NULL: no such header */
	} cases[] = { { "", NULL }, { "chat", "chat" }, { " soap , chat", "soap" },
		{ "a b, chat", NULL }, { ",chat", NULL } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ws_response response;
		struct buf out = new_buf();
		struct slice value;
		struct err e;
		size_t used;

		assert_true(ws_response(&out, KEY, slice_of(cases[i].asked)));
		assert_int_equal(
			ws_response_parse(buf_slice(&out), &used, &plain_request, &response, &e),
			WS_HS_DONE);
		if (cases[i].answer == NULL)
			assert_false(ws_header_find(
				&response.headers, "Sec-WebSocket-Protocol", &value));
		else
			assert_true(ws_header_find(
					    &response.headers, "Sec-WebSocket-Protocol", &value) &&
				slice_is(value, cases[i].answer));
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_key_of_the_rfc_is_accepted),
		cmocka_unit_test(keys_are_random),
		cmocka_unit_test(client_and_server_agree),
		cmocka_unit_test(good_answers_of_odd_looks_are_accepted),
		cmocka_unit_test(bad_answers_are_refused_with_their_reason),
		cmocka_unit_test(another_answer_shows_its_head_and_where_its_body_begins),
		cmocka_unit_test(a_content_length_that_is_none_is_absent),
		cmocka_unit_test(heads_end_at_the_limit),
		cmocka_unit_test(a_request_with_a_line_break_is_not_written),
		cmocka_unit_test(good_requests_of_odd_looks_are_accepted),
		cmocka_unit_test(bad_requests_are_refused_with_their_status),
		cmocka_unit_test(a_secret_in_a_reason_is_withheld),
		cmocka_unit_test(the_first_subprotocol_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
