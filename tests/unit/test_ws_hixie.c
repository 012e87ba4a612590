/*
 * ws_hixie: the handshake and the frames of hixie-76.
 */
#include "unit.h"

#include <stdlib.h>

#include "proto/ws_hixie.h"

#define CHAT "Host: example.com\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
#define KEYS(one, two) "Sec-WebSocket-Key1: " one "\r\nSec-WebSocket-Key2: " two "\r\n"

/* The draft's first example (1.1) and the one of its explanation (5.2). */
#define DRAFT_1 KEYS("4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00")
#define DRAFT_2 KEYS("18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0")

static void the_examples_of_the_draft_are_answered(void **state)
{
	static const struct {
		struct slice headers;
		const char *body, *head, *answer;
	} cases[] = {
		{ SLICE_LITERAL(CHAT DRAFT_1 "Sec-WebSocket-Protocol: sample\r\n"
					     "Origin: http://example.com\r\n"),
			"^n:ds[4U",
			"HTTP/1.1 101 WebSocket Protocol Handshake\r\n"
			"Upgrade: WebSocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Origin: http://example.com\r\n"
			"Sec-WebSocket-Location: ws://example.com/demo?a=b\r\n"
			"Sec-WebSocket-Protocol: sample\r\n\r\n",
			"8jKS'y:G*Co,Wxa-" },
		{ SLICE_LITERAL(CHAT DRAFT_2), "Tm[K T2u",
			"HTTP/1.1 101 WebSocket Protocol Handshake\r\n"
			"Upgrade: WebSocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Origin: null\r\n"
			"Sec-WebSocket-Location: ws://example.com/demo?a=b\r\n\r\n",
			"fQJ,fN/4F4!~K~MH" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ws_hixie_request r;
		struct buf out;
		struct err e;

		buf_init(&out, 1000);
		assert_true(ws_hixie_is_asked(cases[i].headers));
		assert_true(ws_hixie_request_read(cases[i].headers, slice_of("/demo?a=b"), &r, &e));
		assert_true(ws_hixie_response(&out, &r));
		assert_slice(buf_slice(&out), cases[i].head);
		out.len = 0;
		assert_true(ws_hixie_answer(&out, r.numbers, cases[i].body));
		assert_slice(buf_slice(&out), cases[i].answer);
		buf_release(&out);
	}
}

static void keys_that_hide_no_number_are_refused(void **state)
{
	static const char *const headers[] = {
		KEYS("4 @1  46546xW%0l 1 5", ""),
		KEYS("4 @1  46546xW%0l 1 5", "12345"),       /* no space */
		KEYS("4 @1  46546xW%0l 1 5", "1 2 4"),       /* 124 / 2 is whole, but */
		KEYS("4 @1  46546xW%0l 1 5", "1 2 5"),       /* 125 / 2 is not */
		KEYS("4 @1  46546xW%0l 1 5", "4294967 296"), /* above 32 bits */
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n",
		DRAFT_1 "Sec-WebSocket-Key2: 1 1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct ws_hixie_request r;
		struct err e = { 0 };

		assert_true(ws_hixie_is_asked(slice_of(headers[i])));
		assert_int_equal(
			ws_hixie_request_read(slice_of(headers[i]), slice_of("/"), &r, &e), i == 2);
		assert_int_equal(e.text[0] != '\0', i != 2);
	}
	assert_false(ws_hixie_is_asked(slice_of(CHAT)));
	assert_false(ws_hixie_is_asked(slice_of(DRAFT_1 "Sec-WebSocket-Key: x\r\n")));
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	struct ws_hixie_request r;
	struct buf out;
	struct err e;

	(void)state;
	assert_true(ws_hixie_request_read(slice_of(CHAT DRAFT_1), slice_of("/"), &r, &e));
	buf_init(&out, 100);
	assert_false(ws_hixie_response(&out, &r));
	assert_int_equal(out.len, 0);
	out.max = 6;
	assert_false(ws_hixie_encode(&out, slice_of("Hello")));
	assert_int_equal(out.len, 0);
	assert_true(ws_hixie_encode(&out, slice_of("Hell")));
	assert_memory_equal(out.data, "\0Hell\xff", 6);
	assert_false(ws_hixie_encode_close(&out));
	buf_release(&out);
}

/* Decodes in pieces: up to `cut`, then `step` bytes at a time, from memory that ends with each
 * piece, and writes the results as text. */
static struct buf transcribe(struct slice in, size_t max, size_t cut, size_t step)
{
	static const char *const names[] = {
		[WS_TEXT] = "text", [WS_CLOSE] = "close", [WS_BAD] = "bad"
	};
	struct ws_hixie_decoder d;
	enum ws_result result = WS_MORE;
	struct ws_message m;
	struct err e = { 0 };
	struct buf to;

	buf_init(&to, 100000);
	ws_hixie_decoder_init(&d, max);
	for (size_t at = 0, n = cut; at < in.len && result != WS_BAD; at += n, n = step) {
		char *copy;
		struct slice piece;

		n = n < in.len - at ? n : in.len - at;
		copy = malloc(n != 0 ? n : 1);
		assert_non_null(copy);
		memcpy(copy, in.ptr + at, n);
		piece = (struct slice){ copy, n };
		while ((result = ws_hixie_decode(&d, &piece, &m, &e)) != WS_MORE) {
			assert_true(buf_printf(&to, "%s %u ", names[result], m.close_code) &&
				buf_append_slice(&to, m.payload) && buf_append_char(&to, ';'));
			if (result == WS_BAD)
				break;
		}
		assert_true(result == WS_BAD || piece.len == 0);
		free(copy);
	}
	if (result == WS_BAD) {
		struct slice more = SLICE_LITERAL("\0ok\xff");

		assert_true(strlen(e.text) > 0);
		assert_int_equal(ws_hixie_decode(&d, &more, &m, &e), WS_BAD);
	}
	ws_hixie_decoder_release(&d);
	return to;
}

static void expect(struct slice in, size_t max, const char *want)
{
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct buf got = transcribe(in, max, cut, in.len);

		assert_slice(buf_slice(&got), want);
		buf_release(&got);
		got = transcribe(in, max, cut, 1);
		assert_slice(buf_slice(&got), want);
		buf_release(&got);
	}
}

static void frames_are_read_however_they_come(void **state)
{
	static const struct {
		struct slice in;
		const char *want;
	} cases[] = {
		{ SLICE_LITERAL("\0Hello\xff"), "text 0 Hello;" },
		{ SLICE_LITERAL("\0\xff"), "text 0 ;" },
		{ SLICE_LITERAL("\0a\xff\0\xff\0\xe2\x82\xac\xff"),
			"text 0 a;text 0 ;text 0 \xe2\x82\xac;" },
		{ SLICE_LITERAL("\0open"), "" },
		{ SLICE_LITERAL("\0a\xff\xff\0\0ignored\xff"), "text 0 a;close 1005 ;" },
		/* Frames of other types are drained. */
		{ SLICE_LITERAL("\x01skipped\xff\0a\xff"), "text 0 a;" },
		{ SLICE_LITERAL("\x7f\xff\0a\xff"), "text 0 a;" },
		{ SLICE_LITERAL("\x80\0\0a\xff"), "text 0 a;" },
		{ SLICE_LITERAL("\x80\x03\0\xff\0\0a\xff"), "text 0 a;" },
		{ SLICE_LITERAL("\xff\x02xy\0a\xff"), "text 0 a;" },
		{ SLICE_LITERAL("\x80\x80\x80\x02xy\0a\xff"), "text 0 a;" },
		{ SLICE_LITERAL("\xff\x80\0\0a\xff"), "close 1005 ;" },
		{ SLICE_LITERAL("\0\xc3\x28\xff"), "bad 1007 \xc3\x28;" },
		{ SLICE_LITERAL("\0\xed\xa0\x80\xff"), "bad 1007 \xed\xa0\x80;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i].in, 0, cases[i].want);
}

static void limits_hold(void **state)
{
	(void)state;
	expect((struct slice)SLICE_LITERAL("\0abcd\xff\0abcd\xff"), 4, "text 0 abcd;text 0 abcd;");
	/* The length of the payload does not matter: the fifth byte is one too many. */
	expect((struct slice)SLICE_LITERAL("\0abcde"), 4, "bad 1009 ;");
	/* 2^30 and a bit, 2^69 */
	expect((struct slice)SLICE_LITERAL("\x80\x84\x80\x80\x80\x01"), 4, "bad 1009 ;");
	expect((struct slice)SLICE_LITERAL("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 4,
		"bad 1009 ;");
}

static void a_length_of_endless_zeros_is_refused(void **state)
{
	enum ws_result result = WS_MORE;
	struct ws_hixie_decoder d;
	uint64_t total = 0;
	char zeros[65536];
	struct ws_message m;
	struct err e;

	(void)state;
	memset(zeros, 0x80, sizeof(zeros));
	ws_hixie_decoder_init(&d, 0);
	while (result == WS_MORE && total <= WS_DRAIN_MAX + sizeof(zeros)) {
		struct slice in = { zeros, sizeof(zeros) };

		result = ws_hixie_decode(&d, &in, &m, &e);
		total += sizeof(zeros);
	}
	assert_int_equal(result, WS_BAD);
	assert_int_equal(d.message.cap, 0);
	ws_hixie_decoder_release(&d);
}

static void memory_is_given_back_between_messages(void **state)
{
	struct ws_hixie_decoder d;
	struct slice in = SLICE_LITERAL("\0abc"), end = SLICE_LITERAL("def\xff");
	struct ws_message m;
	struct err e;

	(void)state;
	ws_hixie_decoder_init(&d, 0);
	assert_int_equal(ws_hixie_decode(&d, &in, &m, &e), WS_MORE);
	assert_int_equal(ws_hixie_decode(&d, &end, &m, &e), WS_TEXT);
	assert_slice(m.payload, "abcdef");
	assert_int_equal(ws_hixie_decode(&d, &end, &m, &e), WS_MORE);
	assert_int_equal(d.message.cap, 0);
	ws_hixie_decoder_release(&d);
}

static void what_is_encoded_can_be_decoded(void **state)
{
	struct buf wire;

	(void)state;
	buf_init(&wire, 1000);
	assert_true(ws_hixie_encode(&wire, slice_of("5:::{\"a\":1}")) &&
		ws_hixie_encode(&wire, slice_of("")) && ws_hixie_encode_close(&wire));
	expect(buf_slice(&wire), 0, "text 0 5:::{\"a\":1};text 0 ;close 1005 ;");
	buf_release(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_draft_are_answered),
		cmocka_unit_test(keys_that_hide_no_number_are_refused),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
		cmocka_unit_test(frames_are_read_however_they_come),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_length_of_endless_zeros_is_refused),
		cmocka_unit_test(memory_is_given_back_between_messages),
		cmocka_unit_test(what_is_encoded_can_be_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
