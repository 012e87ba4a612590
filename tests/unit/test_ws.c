#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/ws.h"

#define FRAME(s) SLICE_LITERAL(s)

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)256 << 20);
	return b;
}

static uint32_t checksum(struct slice s)
{
	uint32_t sum = 2166136261U;

	for (size_t i = 0; i < s.len; i++)
		sum = (sum ^ (unsigned char)s.ptr[i]) * 16777619U;
	return sum;
}

/* Writes a result as text: "text 5 Hello;", with a checksum in place of a long payload. */
static void describe(struct buf *to, enum ws_result result, const struct ws_message *m)
{
	static const char *const names[] = { "more", "text", "binary", "ping", "pong", "close",
		"large", "bad" };

	assert_true(buf_printf(to, "%s %llu ", names[result], (unsigned long long)m->total));
	if (m->close_code != 0)
		assert_true(buf_printf(to, "code %u ", m->close_code));
	if (m->payload.len <= 64)
		assert_true(buf_append_slice(to, m->payload));
	else
		assert_true(buf_printf(to, "%zu#%08x", m->payload.len, checksum(m->payload)));
	assert_true(buf_append_char(to, ';'));
}

/* Feeds one piece and describes all that comes of it; false once the stream is bad. */
static bool feed(struct ws_decoder *d, struct slice in, struct buf *to)
{
	enum ws_result result;
	struct ws_message m;
	struct err e = { 0 };

	for (;;) {
		result = ws_decode(d, &in, &m, &e);
		if (result == WS_MORE) {
			assert_int_equal(in.len, 0);
			return true;
		}
		describe(to, result, &m);
		if (result == WS_BAD) {
			assert_true(strlen(e.text) > 0);
			return false;
		}
	}
}

/* Decodes a stream in pieces: up to `cut`, then `step` bytes at a time. NUL-terminated. */
static struct buf transcribe(
	enum ws_role role, size_t max, struct slice in, size_t cut, size_t step)
{
	struct ws_decoder *d = ws_decoder_new(role, max);
	struct buf to = new_buf();
	bool is_alive = true;

	assert_non_null(d);
	for (size_t at = 0, n = cut; is_alive && at < in.len; at += n, n = step) {
		if (n > in.len - at)
			n = in.len - at;
		is_alive = feed(d, (struct slice){ in.ptr + at, n }, &to);
		if (n == 0 && step == 0)
			break;
	}
	ws_decoder_free(d);
	assert_true(buf_append_char(&to, '\0'));
	return to;
}

static void expect(enum ws_role role, size_t max, struct slice in, const char *want)
{
	struct buf got = transcribe(role, max, in, in.len, 1);

	assert_string_equal(got.data, want);
	buf_release(&got);
	got = transcribe(role, max, in, 1, 1);
	assert_string_equal(got.data, want);
	buf_release(&got);
	for (size_t cut = 0; cut <= in.len && cut < 4096; cut++) {
		got = transcribe(role, max, in, cut, in.len);
		assert_string_equal(got.data, want);
		buf_release(&got);
	}
}

struct stream_case {
	enum ws_role role;
	struct slice in;
	const char *want;
};

static void expect_all(const struct stream_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect(cases[i].role, 0, cases[i].in, cases[i].want);
}

static void decodes_the_examples_of_the_rfc(void **state)
{
	static const struct stream_case cases[] = {
		{ WS_CLIENT, FRAME("\x81\x05Hello"), "text 5 Hello;" },
		{ WS_SERVER, FRAME("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
			"text 5 Hello;" },
		{ WS_CLIENT, FRAME("\x01\x03Hel\x80\x02lo"), "text 5 Hello;" },
		{ WS_CLIENT, FRAME("\x89\x05Hello"), "ping 5 Hello;" },
		{ WS_SERVER, FRAME("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
			"pong 5 Hello;" },
	};
	static const unsigned sizes[] = { 256, 65536 };

	(void)state;
	expect_all(cases, sizeof(cases) / sizeof(*cases));
	for (size_t i = 0; i < 2; i++) {
		struct buf in = new_buf(), want = new_buf();
		struct slice payload;
		struct ws_message m = { .opcode = WS_OP_BINARY, .total = sizes[i] };

		assert_true(i == 0 ? buf_append(&in, "\x82\x7e\x01\x00", 4)
				   : buf_append(&in, "\x82\x7f\0\0\0\0\0\x01\0\0", 10));
		payload.len = sizes[i];
		for (size_t j = 0; j < sizes[i]; j++)
			assert_true(buf_append_char(&in, (char)random_below(256)));
		payload.ptr = in.data + in.len - sizes[i];
		m.payload = payload;
		describe(&want, WS_BINARY, &m);
		assert_true(buf_append_char(&want, '\0'));
		if (i == 0) {
			expect(WS_CLIENT, 0, buf_slice(&in), want.data);
		} else {
			struct buf got = transcribe(WS_CLIENT, 0, buf_slice(&in), 7, 1000);

			assert_string_equal(got.data, want.data);
			buf_release(&got);
		}
		buf_release(&in);
		buf_release(&want);
	}
}

static void hands_out_messages_of_every_kind(void **state)
{
	static const struct stream_case cases[] = {
		{ WS_CLIENT, FRAME("\x81\x00\x82\x00\x89\x00\x8a\x00"),
			"text 0 ;binary 0 ;ping 0 ;pong 0 ;" },
		{ WS_CLIENT, FRAME("\x81\x02hi\x81\x02ho"), "text 2 hi;text 2 ho;" },
		{ WS_CLIENT,
			FRAME("\x02\x01"
			      "a\x00\x00\x00\x01"
			      "b\x80\x00"),
			"binary 2 ab;" },
		{ WS_CLIENT, FRAME("\x01\x00\x80\x02hi"), "text 2 hi;" },
		{ WS_CLIENT, FRAME("\x01\x02hi\x80\x00"), "text 2 hi;" },
		/* A euro sign that is cut by a fragment's end. */
		{ WS_CLIENT, FRAME("\x01\x01\xe2\x00\x01\x82\x80\x01\xac"),
			"text 3 \xe2\x82\xac;" },
		/* Text may hold a NUL, binary anything. */
		{ WS_CLIENT, FRAME("\x82\x02\xff\xfe"), "binary 2 \xff\xfe;" },
	};

	(void)state;
	expect_all(cases, sizeof(cases) / sizeof(*cases));
}

static void control_frames_come_between_fragments(void **state)
{
	static const struct stream_case cases[] = {
		{ WS_CLIENT, FRAME("\x01\x03Hel\x89\x02ok\x80\x02lo"), "ping 2 ok;text 5 Hello;" },
		{ WS_CLIENT,
			FRAME("\x02\x01"
			      "a\x89\x00\x8a\x01p\x00\x01"
			      "b\x89\x01q\x80\x01"
			      "c\x81\x01z"),
			"ping 0 ;pong 1 p;ping 1 q;binary 3 abc;text 1 z;" },
		{ WS_CLIENT, FRAME("\x01\x03Hel\x88\x02\x03\xe8\x80\x02lo"),
			"close 2 code 1000 ;" },
	};

	(void)state;
	expect_all(cases, sizeof(cases) / sizeof(*cases));
}

static void reads_close_frames_and_ignores_what_follows(void **state)
{
	static const struct stream_case cases[] = {
		{ WS_CLIENT, FRAME("\x88\x00"), "close 0 code 1005 ;" },
		{ WS_CLIENT, FRAME("\x88\x02\x03\xe8"), "close 2 code 1000 ;" },
		{ WS_CLIENT,
			FRAME("\x88\x05\x03\xe9"
			      "bye"),
			"close 5 code 1001 bye;" },
		{ WS_CLIENT, FRAME("\x88\x02\x0f\xa0\x81\x01x\xff\xff\xff"),
			"close 2 code 4000 ;" },
	};

	(void)state;
	expect_all(cases, sizeof(cases) / sizeof(*cases));
}

static void refuses_bad_frames_with_the_right_code(void **state)
{
	static const struct stream_case cases[] = {
		/* reserved bits */
		{ WS_CLIENT, FRAME("\xc1\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\xa1\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x91\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x81\x01x\xc9\x00"), "text 1 x;bad 0 code 1002 ;" },
		/* reserved opcodes */
		{ WS_CLIENT, FRAME("\x83\x00"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x87\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x8b\x00"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x8f\x00"), "bad 0 code 1002 ;" },
		/* order of fragments */
		{ WS_CLIENT, FRAME("\x80\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x00\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x81\x01x\x80\x01x"), "text 1 x;bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x01\x01x\x81\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x01\x01x\x02\x01x"), "bad 0 code 1002 ;" },
		/* long and fragmented control frames */
		{ WS_CLIENT, FRAME("\x89\x7e\x00\x7e"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x09\x01x"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x08\x00"), "bad 0 code 1002 ;" },
		/* lengths that are not minimal, or negative */
		{ WS_CLIENT, FRAME("\x82\x7e\x00\x7d"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x82\x7f\0\0\0\0\0\0\xff\xff"), "bad 0 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x82\x7f\x80\0\0\0\0\0\0\0x"), "bad 0 code 1002 ;" },
		/* masks */
		{ WS_CLIENT, FRAME("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
			"bad 0 code 1002 ;" },
		{ WS_SERVER, FRAME("\x81\x05Hello"), "bad 0 code 1002 ;" },
		{ WS_SERVER, FRAME("\x89\x00"), "bad 0 code 1002 ;" },
		/* close frames */
		{ WS_CLIENT, FRAME("\x88\x01\x03"), "bad 1 code 1002 ;" },
		{ WS_CLIENT, FRAME("\x88\x03\x03\xe8\xff"), "bad 3 code 1007 ;" },
		/* a gigabyte and a byte, at once or in sum */
		{ WS_CLIENT, FRAME("\x82\x7f\0\0\0\0\x40\0\0\x01x"), "bad 0 code 1009 ;" },
		{ WS_CLIENT, FRAME("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx"),
			"bad 0 code 1009 ;" },
		{ WS_CLIENT, FRAME("\x02\x02xx\x80\x7f\0\0\0\0\x3f\xff\xff\xffx"),
			"bad 0 code 1009 ;" },
		{ WS_SERVER, FRAME("HTTP/1.1 400 Bad Request\r\n"), "bad 0 code 1002 ;" },
	};

	(void)state;
	expect_all(cases, sizeof(cases) / sizeof(*cases));
}

static void only_close_codes_of_the_rfc_pass(void **state)
{
	(void)state;
	for (unsigned code = 0; code <= 0xffff; code++) {
		char frame[] = { (char)0x88, 2, (char)(code >> 8), (char)(code & 0xff) };
		bool want = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
			(code >= 3000 && code <= 4999);
		struct buf got = transcribe(
			WS_CLIENT, 0, (struct slice){ frame, sizeof(frame) }, 4, 1);

		assert_int_equal(strncmp(got.data, "close", 5) == 0, want);
		if (!want)
			assert_string_equal(got.data, "bad 2 code 1002 ;");
		buf_release(&got);
	}
}

static void text_that_is_no_utf8_is_bad_and_still_there(void **state)
{
	static const struct stream_case cases[] = {
		{ WS_CLIENT,
			FRAME("\x81\x03"
			      "a\xff"
			      "b"),
			"bad 3 code 1007 a\xff"
			"b;" },
		{ WS_CLIENT, FRAME("\x81\x02\xc0\x80"), "bad 2 code 1007 \xc0\x80;" },
		{ WS_CLIENT, FRAME("\x81\x03\xed\xa0\x80"), "bad 3 code 1007 \xed\xa0\x80;" },
		{ WS_CLIENT,
			FRAME("\x01\x02"
			      "a\xe2\x80\x01"
			      "b"),
			"bad 3 code 1007 a\xe2"
			"b;" },
		{ WS_CLIENT,
			FRAME("\x01\x02"
			      "a\xe2\x80\x01\x82"),
			"bad 3 code 1007 a\xe2\x82;" },
	};

	(void)state;
	expect_all(cases, sizeof(cases) / sizeof(*cases));
}

static void a_refusal_inside_the_stream_is_quoted(void **state)
{
	static const char text[] =
		"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nUnsupported";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
		struct slice first = { text, cut }, second = { text + cut, sizeof(text) - 1 - cut };
		struct ws_message m;
		struct err e;

		assert_non_null(d);
		if (ws_decode(d, &first, &m, &e) == WS_MORE)
			assert_int_equal(ws_decode(d, &second, &m, &e), WS_BAD);
		assert_int_equal(e.code, ERR_DENIED);
		assert_non_null(strstr(e.text, "\"HTTP/1.1 400 Bad Request\""));
		assert_int_equal(m.close_code, 1002);
		ws_decoder_free(d);
	}
	/* Only at the beginning, and only if it goes on like one. */
	expect(WS_CLIENT, 0, (struct slice)FRAME("Hello\n"), "bad 0 code 1002 ;");
	expect(WS_CLIENT, 0, (struct slice)FRAME("H\r\n"), "bad 0 code 1002 ;");
	expect(WS_CLIENT, 0, (struct slice)FRAME("\x81\x01xHTTP/1.1 400\r\n"),
		"text 1 x;bad 0 code 1002 ;");
}

static void an_endless_status_line_is_cut(void **state)
{
	char text[1000];
	struct buf got;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "HTTP/", 5);
	got = transcribe(WS_CLIENT, 0, (struct slice){ text, sizeof(text) }, sizeof(text), 1);
	assert_string_equal(got.data, "bad 0 code 1002 ;");
	buf_release(&got);
}

static void a_failed_decoder_refuses_work(void **state)
{
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
	struct slice bad = FRAME("\x81\x01\xff"), good = FRAME("\x81\x01x");
	struct ws_message m;
	struct err e;

	(void)state;
	assert_non_null(d);
	assert_int_equal(ws_decode(d, &bad, &m, &e), WS_BAD);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ws_decode(d, &good, &m, &e), WS_BAD);
		assert_int_equal(good.len, 3);
		assert_int_equal(m.close_code, 1007);
		assert_int_equal(m.payload.len, 0);
	}
	ws_decoder_free(d);
}

/* Appends a server's frame of `len` times `fill`. */
static void append_frame(struct buf *to, unsigned char first, size_t len, char fill)
{
	assert_true(buf_append_char(to, (char)first));
	if (len < 126) {
		assert_true(buf_append_char(to, (char)len));
	} else if (len <= 0xffff) {
		assert_true(buf_printf(to, "%c%c%c", 126, (int)(len >> 8), (int)(len & 0xff)));
	} else {
		assert_true(buf_append_char(to, 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			assert_true(buf_append_char(to, (char)((uint64_t)len >> shift)));
	}
	for (size_t i = 0; i < len; i++)
		assert_true(buf_append_char(to, fill));
}

static void describe_fill(struct buf *to, enum ws_result result, size_t len, char fill)
{
	char bytes[256];

	memset(bytes, fill, sizeof(bytes));
	describe(to, result, &(struct ws_message){ .payload = { bytes, len }, .total = len });
}

static void a_message_above_the_limit_is_drained_and_the_connection_lives(void **state)
{
	struct buf in = new_buf(), want = new_buf();

	(void)state;
	append_frame(&in, 0x81, 100, 'a'); /* as large as may be */
	describe_fill(&want, WS_TEXT, 100, 'a');
	append_frame(&in, 0x81, 101, 'b');
	describe_fill(&want, WS_TOO_LARGE, 101, 'b');
	append_frame(&in, 0x89, 2, 'p');
	describe_fill(&want, WS_PING, 2, 'p');
	append_frame(&in, 0x01, 60, 'c'); /* too large in sum */
	append_frame(&in, 0x00, 30, 'c');
	append_frame(&in, 0x89, 1, 'q');
	describe_fill(&want, WS_PING, 1, 'q');
	append_frame(&in, 0x80, 11, 'c');
	describe_fill(&want, WS_TOO_LARGE, 101, 'c');
	append_frame(&in, 0x01, 60, '\xff'); /* not UTF-8, but nobody will read it as text */
	append_frame(&in, 0x00, 40, '\xff');
	append_frame(&in, 0x00, 0, '\xff');
	append_frame(&in, 0x80, 1, '\xff');
	describe_fill(&want, WS_TOO_LARGE, 101, '\xff');
	append_frame(&in, 0x01, 60, 'e'); /* as large as may be, in sum */
	append_frame(&in, 0x80, 40, 'e');
	describe_fill(&want, WS_TEXT, 100, 'e');
	assert_true(buf_append_char(&want, '\0'));
	expect(WS_CLIENT, 100, buf_slice(&in), want.data);
	buf_release(&in);
	buf_release(&want);
}

static void of_a_large_message_its_first_bytes_are_kept(void **state)
{
	static const size_t steps[] = { 1000, 4096, 100000, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct buf in = new_buf(), want = new_buf(), got;
		struct ws_message m = { .total = 300000 };

		append_frame(&in, 0x02, 150000, 'a'); /* below the limit, so assembled at first */
		append_frame(&in, 0x80, 150000, 'b');
		append_frame(&in, 0x82, 3, 'c');
		m.payload = (struct slice){ in.data + 10, WS_KEEP_MAX };
		describe(&want, WS_TOO_LARGE, &m);
		assert_true(buf_append(&want, "binary 3 ccc;", 14));
		got = transcribe(WS_CLIENT, 200000, buf_slice(&in), 1, steps[i]);
		assert_string_equal(got.data, want.data);
		buf_release(&got);
		buf_release(&in);
		buf_release(&want);
	}
}

static size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void memory_follows_what_was_received(void **state)
{
	static const char declared[] = "\x82\x7f\0\0\0\0\x00\xff\xff\xff"
				       "abc"; /* 16 MiB - 1 */
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
	struct buf in = new_buf(), said = new_buf();
	size_t before = heap_in_use();

	(void)state;
	assert_non_null(d);
	assert_true(feed(d, (struct slice){ declared, sizeof(declared) - 1 }, &said));
	assert_true(heap_in_use() < before + 65536);
	ws_decoder_free(d);

	d = ws_decoder_new(WS_CLIENT, 0);
	assert_non_null(d);
	append_frame(&in, 0x82, 4000000, 'a');
	append_frame(&in, 0x82, 1, 'b');
	before = heap_in_use();
	assert_true(feed(d, (struct slice){ in.data, in.len - 3 }, &said));
	assert_true(feed(d, (struct slice){ in.data + in.len - 3, 3 }, &said));
	assert_true(heap_in_use() < before + 200000);
	ws_decoder_free(d);
	buf_release(&in);
	buf_release(&said);
}

static void drained_bytes_are_not_stored(void **state)
{
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 1000000);
	struct buf in = new_buf(), said = new_buf();
	size_t before;

	(void)state;
	assert_non_null(d);
	append_frame(&in, 0x02, 900000, 'a');
	append_frame(&in, 0x00, 3000000, 'a');
	before = heap_in_use();
	assert_true(feed(d, buf_slice(&in), &said));
	assert_int_equal(said.len, 0);
	assert_true(heap_in_use() < before + 300000);
	ws_decoder_free(d);
	buf_release(&in);
}

/* A payload whose text form is valid UTF-8. */
static void fill_payload(struct buf *to, size_t len)
{
	to->len = 0;
	assert_true(buf_reserve(to, len + 1));
	for (size_t i = 0; i < len; i++)
		assert_true(buf_append_char(to, (char)(' ' + random_below(90))));
}

static void what_one_side_encodes_the_other_decodes(void **state)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 7, 8, 9, 124, 125, 126, 127, 300, 4093, 4096,
		65535, 65536, 70000 };
	static const enum ws_opcode opcodes[] = { WS_OP_TEXT, WS_OP_BINARY, WS_OP_PING,
		WS_OP_PONG };
	static const enum ws_result results[] = { WS_TEXT, WS_BINARY, WS_PING, WS_PONG };

	(void)state;
	for (int role = WS_CLIENT; role <= WS_SERVER; role++) {
		enum ws_role other = role == WS_CLIENT ? WS_SERVER : WS_CLIENT;
		struct buf wire = new_buf(), want = new_buf(), payload = new_buf(), got;

		for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
			size_t kind = random_below(2) + (sizes[i / 2] <= 125 && i % 2 ? 2 : 0);
			struct ws_message m = { .total = sizes[i / 2] };

			fill_payload(&payload, sizes[i / 2]);
			m.payload = buf_slice(&payload);
			assert_true(ws_encode(&wire, (enum ws_role)role, opcodes[kind], m.payload));
			describe(&want, results[kind], &m);
		}
		assert_true(ws_encode_close(&wire, (enum ws_role)role, 1001, slice_of("going")));
		assert_true(buf_append(&want, "close 7 code 1001 going;", 25));
		for (size_t step = 1; step < 300000; step = step * 3 + 1) {
			got = transcribe(other, 0, buf_slice(&wire), 1, step);
			assert_string_equal(got.data, want.data);
			buf_release(&got);
		}
		buf_release(&wire);
		buf_release(&want);
		buf_release(&payload);
	}
}

static void random_fragments_in_random_pieces_are_put_together(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
		struct buf wire = new_buf(), want = new_buf(), got = new_buf(), payload = new_buf();

		assert_non_null(d);
		for (int n = 0; n < 20; n++) {
			size_t left = random_below(random_below(10) == 0 ? 20000 : 400), part;
			struct ws_message m = { .total = left };
			unsigned char first = WS_OP_BINARY;

			fill_payload(&payload, left);
			m.payload = buf_slice(&payload);
			do {
				part = random_below(3) == 0 ? left
							    : random_below((uint32_t)left + 1);
				left -= part;
				append_frame(&wire, left == 0 ? first | 0x80 : first, part, '\0');
				memcpy(wire.data + wire.len - part,
					payload.data + payload.len - left - part, part);
				first = 0;
				if (left != 0 && random_below(4) == 0) {
					append_frame(&wire, 0x89, 2, 'p');
					assert_true(buf_append_str(&want, "ping 2 pp;"));
				}
			} while (left != 0);
			describe(&want, WS_BINARY, &m);
		}
		for (size_t at = 0, n; at < wire.len; at += n) {
			n = 1 + random_below(random_below(2) == 0 ? 20 : 6000);
			if (n > wire.len - at)
				n = wire.len - at;
			assert_true(feed(d, (struct slice){ wire.data + at, n }, &got));
		}
		assert_true(slice_equal(buf_slice(&got), buf_slice(&want)));
		ws_decoder_free(d);
		buf_release(&wire);
		buf_release(&want);
		buf_release(&got);
		buf_release(&payload);
	}
}

static void encodes_the_bytes_of_the_rfc(void **state)
{
	struct buf out = new_buf();

	(void)state;
	assert_true(ws_encode(&out, WS_SERVER, WS_OP_TEXT, slice_of("Hello")));
	assert_true(slice_equal(buf_slice(&out), (struct slice)FRAME("\x81\x05Hello")));
	out.len = 0;
	assert_true(ws_encode_close(&out, WS_SERVER, WS_CLOSE_NONE, slice_of("not sent")));
	assert_true(slice_equal(buf_slice(&out), (struct slice)FRAME("\x88\x00")));
	out.len = 0;
	assert_true(ws_encode(&out, WS_CLIENT, WS_OP_PING, (struct slice){ NULL, 0 }));
	assert_int_equal(out.len, 6);
	assert_memory_equal(out.data, "\x89\x80", 2);
	buf_release(&out);
}

static void every_masked_frame_has_its_own_key(void **state)
{
	struct buf out = new_buf();
	size_t same = 0;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		assert_true(ws_encode(&out, WS_CLIENT, WS_OP_TEXT, slice_of("x")));
		if (i != 0 && memcmp(out.data + out.len - 5, out.data + out.len - 12, 4) == 0)
			same++;
	}
	assert_int_equal(same, 0);
	buf_release(&out);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
	static const char *const starts[] = { "", "a", "ab" };
	static const char *const lengths[] = { "close 125", "close 123", "close 124" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf reason = new_buf(), out = new_buf(), got;

		assert_true(buf_append_str(&reason, starts[i]));
		for (size_t j = 0; j < 50; j++)
			assert_true(buf_append_str(&reason, "\xe2\x82\xac"));
		assert_true(ws_encode_close(&out, WS_CLIENT, 1002, buf_slice(&reason)));
		got = transcribe(WS_SERVER, 0, buf_slice(&out), out.len, 1);
		assert_memory_equal(got.data, lengths[i], strlen(lengths[i]));
		buf_release(&got);
		buf_release(&reason);
		buf_release(&out);
	}
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_true(ws_encode(&out, WS_SERVER, WS_OP_TEXT, slice_of("Hello")));
	assert_false(ws_encode(&out, WS_SERVER, WS_OP_TEXT, slice_of("no")));
	assert_false(ws_encode(&out, WS_CLIENT, WS_OP_TEXT, slice_of("")));
	assert_int_equal(out.len, 7);
	assert_true(ws_encode(&out, WS_SERVER, WS_OP_TEXT, slice_of("o")));
	buf_release(&out);
}

static void a_head_of_one_s_own_is_that_of_the_frame(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 100000 };
	static char zeros[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char head[WS_HEAD_MAX];
		char *end = ws_encode_head(head, WS_OP_TEXT, sizes[i]);
		struct buf frame;

		buf_init(&frame, SIZE_MAX / 2);
		assert_true(ws_encode(
			&frame, WS_SERVER, WS_OP_TEXT, (struct slice){ zeros, sizes[i] }));
		assert_int_equal(end - head, frame.len - sizes[i]);
		assert_memory_equal(head, frame.data, (size_t)(end - head));
		buf_release(&frame);
	}
}

/* Feeds a stream byte by byte: '-' where the decoder must be kept, 'i' where it is idle, 'L' where the message is
 * known to be too large. */
static void expect_idle(struct slice in, size_t max, const char *want)
{
	struct ws_decoder *d = ws_decoder_new(WS_SERVER, max);
	struct ws_message m;
	struct err e;

	assert_non_null(d);
	assert_true(ws_decoder_is_idle(d));
	assert_int_equal(in.len, strlen(want));
	for (size_t i = 0; i < in.len; i++) {
		struct slice piece = { in.ptr + i, 1 };

		while (ws_decode(d, &piece, &m, &e) != WS_MORE)
			;
		assert_int_equal(ws_decoder_is_draining(d), want[i] == 'L');
		assert_int_equal(ws_decoder_is_idle(d), want[i] == 'i');
	}
	ws_decoder_free(d);
}

static void a_decoder_is_idle_between_messages_only(void **state)
{
	struct buf in = new_buf();
	struct ws_decoder *d = ws_decoder_new(WS_SERVER, 0);
	static const char zeros[300];
	struct ws_message m;
	struct slice piece;
	struct err e;

	(void)state;
	/* A message, a ping without payload, a message of two fragments with a ping between them. */
	expect_idle((struct slice)FRAME("\x81\x82\0\0\0\0ab\x89\x80\0\0\0\0\x01\x81\0\0\0\0a"
					"\x89\x80\0\0\0\0\x80\x81\0\0\0\0b"),
		0, "-------i-----i-------------------i");
	/* Too large: known from the header on, but only when a byte behind it has come. */
	expect_idle(
		(struct slice)FRAME("\x81\x84\0\0\0\0abcd\x81\x80\0\0\0\0"), 3, "------LLLi-----i");
	/* Longer headers; a part of the next frame comes in the same piece. */
	assert_true(
		ws_encode(&in, WS_CLIENT, WS_OP_BINARY, (struct slice){ zeros, sizeof(zeros) }) &&
		ws_encode(&in, WS_CLIENT, WS_OP_TEXT, slice_of("x")));
	piece = (struct slice){ in.data, in.len - 1 };
	assert_int_equal(ws_decode(d, &piece, &m, &e), WS_BINARY);
	assert_int_equal(ws_decode(d, &piece, &m, &e), WS_MORE);
	assert_false(ws_decoder_is_idle(d));
	piece = (struct slice){ in.data + in.len - 1, 1 };
	assert_int_equal(ws_decode(d, &piece, &m, &e), WS_TEXT);
	assert_true(ws_decoder_is_idle(d));
	ws_decoder_free(d);
	buf_release(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_the_examples_of_the_rfc),
		cmocka_unit_test(hands_out_messages_of_every_kind),
		cmocka_unit_test(control_frames_come_between_fragments),
		cmocka_unit_test(reads_close_frames_and_ignores_what_follows),
		cmocka_unit_test(refuses_bad_frames_with_the_right_code),
		cmocka_unit_test(only_close_codes_of_the_rfc_pass),
		cmocka_unit_test(text_that_is_no_utf8_is_bad_and_still_there),
		cmocka_unit_test(a_refusal_inside_the_stream_is_quoted),
		cmocka_unit_test(an_endless_status_line_is_cut),
		cmocka_unit_test(a_failed_decoder_refuses_work),
		cmocka_unit_test(a_message_above_the_limit_is_drained_and_the_connection_lives),
		cmocka_unit_test(of_a_large_message_its_first_bytes_are_kept),
		cmocka_unit_test(memory_follows_what_was_received),
		cmocka_unit_test(drained_bytes_are_not_stored),
		cmocka_unit_test(what_one_side_encodes_the_other_decodes),
		cmocka_unit_test(random_fragments_in_random_pieces_are_put_together),
		cmocka_unit_test(encodes_the_bytes_of_the_rfc),
		cmocka_unit_test(a_head_of_one_s_own_is_that_of_the_frame),
		cmocka_unit_test(every_masked_frame_has_its_own_key),
		cmocka_unit_test(a_long_reason_is_cut_between_characters),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
		cmocka_unit_test(a_decoder_is_idle_between_messages_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
