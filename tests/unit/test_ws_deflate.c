#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <zlib.h>

#include "proto/ws.h"
#include "proto/ws_deflate.h"

#define BYTES(s) SLICE_LITERAL(s)

static const struct ws_deflate_terms takeover = { .is_agreed = true, .window_bits = 15 };
static const struct ws_deflate_terms fresh = {
	.is_agreed = true, .is_fresh = true, .window_bits = 15
};

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

/* ---- the peer: a compressor, and frames ---- */

static void peer_init(z_stream *z, int window_bits)
{
	*z = (z_stream){ 0 };
	assert_int_equal(deflateInit2(z, 6, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
}

/* Appends what one call of deflate per piece of room gives. */
static void compress_with(z_stream *z, struct slice text, int flush, struct buf *to)
{
	struct buf copy = new_buf();

	assert_true(buf_append_slice(&copy, text));
	z->next_in = (unsigned char *)copy.data;
	z->avail_in = (uInt)copy.len;
	do {
		assert_true(buf_reserve(to, 1000));
		z->next_out = (unsigned char *)to->data + to->len;
		z->avail_out = 1000;
		(void)deflate(z, flush);
		to->len += 1000 - z->avail_out;
	} while (z->avail_out == 0);
	buf_release(&copy);
}

/* Appends a message as RFC 7692, 7.2.1, makes it. */
static void compress_message(z_stream *z, struct slice text, struct buf *to)
{
	if (text.len == 0) { /* 7.2.3.6; zlib makes nothing of it after another flush */
		assert_true(buf_append_char(to, '\0'));
		return;
	}
	compress_with(z, text, Z_SYNC_FLUSH, to);
	assert_true(to->len >= 4 && memcmp(to->data + to->len - 4, "\0\0\xff\xff", 4) == 0);
	to->len -= 4;
}

static void append_frame(struct buf *to, unsigned first, struct slice payload)
{
	assert_true(buf_append_char(to, (char)first));
	if (payload.len < 126) {
		assert_true(buf_append_char(to, (char)payload.len));
	} else if (payload.len <= 0xffff) {
		assert_true(buf_append_char(to, 126));
		for (int shift = 8; shift >= 0; shift -= 8)
			assert_true(buf_append_char(to, (char)(payload.len >> shift)));
	} else {
		assert_true(buf_append_char(to, 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			assert_true(buf_append_char(to, (char)((uint64_t)payload.len >> shift)));
	}
	assert_true(buf_append_slice(to, payload));
}

/* The first frame of a compressed message is 0x40 above a plain one's. */
enum { TEXT = 0xc1, TEXT_PART = 0x41, BINARY = 0xc2, BINARY_PART = 0x42, PART = 0x00, LAST = 0x80 };

/* ---- the decoder under test ---- */

static struct ws_decoder *new_decoder(const struct ws_deflate_terms *terms, size_t message_max)
{
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, message_max);

	assert_non_null(d);
	assert_true(ws_decoder_inflate(d, terms));
	return d;
}

/* Writes what comes of the bytes as "text Hello;bad 1007;". False once the stream is bad. */
static bool feed(struct ws_decoder *d, struct slice in, struct buf *said, struct err *e)
{
	static const char *const names[] = { "more", "text", "binary", "ping", "pong", "close",
		"large", "bad" };

	for (;;) {
		struct ws_message m;
		enum ws_result result = ws_decode(d, &in, &m, e);

		if (result == WS_MORE) {
			assert_int_equal(in.len, 0);
			return true;
		}
		assert_true(buf_printf(said, "%s ", names[result]));
		if (result == WS_BAD) {
			assert_true(buf_printf(said, "%u;", m.close_code));
			assert_true(strlen(e->text) > 0);
			return false;
		}
		if (result == WS_TOO_LARGE)
			assert_true(buf_printf(
				said, "%llu %zu ", (unsigned long long)m.total, m.payload.len));
		else if (result != WS_CLOSE)
			assert_int_equal(m.total, m.payload.len);
		assert_true(buf_append_slice(said, m.payload));
		assert_true(buf_append_char(said, ';'));
	}
}

/* Decodes the stream in pieces of `step` bytes. The result is NUL-terminated. */
static struct buf transcribe(const struct ws_deflate_terms *terms, size_t message_max,
	struct slice in, size_t step, struct err *e)
{
	struct ws_decoder *d = new_decoder(terms, message_max);
	struct buf said = new_buf();
	bool is_alive = true;

	for (size_t at = 0, n; is_alive && at < in.len; at += n) {
		n = in.len - at < step ? in.len - at : step;
		is_alive = feed(d, (struct slice){ in.ptr + at, n }, &said, e);
	}
	ws_decoder_free(d);
	assert_true(buf_append_char(&said, '\0'));
	return said;
}

static void expect_from(
	const struct ws_deflate_terms *terms, size_t message_max, struct slice in, const char *want)
{
	static const size_t steps[] = { 1, 2, 3, 7, 1000, 100000000 };

	for (size_t i = 0; i < COUNT(steps); i++) {
		struct err e = { 0 };
		struct buf said = transcribe(terms, message_max, in, steps[i], &e);

		assert_string_equal(said.data, want);
		buf_release(&said);
	}
}

static void expect(struct slice in, const char *want)
{
	expect_from(&takeover, 0, in, want);
}

/* ---- the answer to the offer ---- */

static void good_answers_to_the_offer_give_terms(void **state)
{
	static const struct {
		const char *value;
		struct ws_deflate_terms want;
	} cases[] = {
		{ "", { false, false, 0 } },
		{ " , ,", { false, false, 0 } },
		{ "permessage-deflate", { true, false, 15 } },
		{ ",permessage-deflate ,", { true, false, 15 } },
		{ "PerMessage-Deflate", { true, false, 15 } },
		{ "permessage-deflate; client_no_context_takeover", { true, false, 15 } },
		{ "permessage-deflate; client_max_window_bits=8", { true, false, 15 } },
		{ "permessage-deflate; server_no_context_takeover", { true, true, 15 } },
		{ "permessage-deflate; server_max_window_bits=8", { true, false, 8 } },
		{ "permessage-deflate;server_max_window_bits=\"15\"", { true, false, 15 } },
		{ "permessage-deflate ; server_max_window_bits = \"10\" ;SERVER_no_context_takeover"
		  "; client_max_window_bits=15\t; client_no_context_takeover",
			{ true, true, 10 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ws_deflate_terms terms = { 0 };
		struct err e;

		assert_true(ws_deflate_agree(&terms, slice_of(cases[i].value), &e));
		assert_int_equal(terms.is_agreed, cases[i].want.is_agreed);
		assert_int_equal(terms.is_fresh, cases[i].want.is_fresh);
		assert_int_equal(terms.window_bits, cases[i].want.window_bits);
	}
}

static void bad_answers_to_the_offer_are_refused(void **state)
{
#define PMD "permessage-deflate"
	static const struct {
		const char *value;
		const char *text; /* that the message must hold */
	} cases[] = {
		{ "x-webkit-deflate-frame", "not offered: \"x-webkit-deflate-frame\"" },
		{ "permessage-deflat", "not offered" },
		{ PMD "e", "not offered" },
		{ PMD ", foo; bar=1", "not offered: \"foo; bar=1\"" },
		{ ";", "not offered" },
		{ PMD ", " PMD, "twice" },
		{ PMD ";", "bad parameter: \"\"" },
		{ PMD ";;server_no_context_takeover", "bad parameter" },
		{ PMD "; mux", "bad parameter: \"mux\"" },
		{ PMD "; server_no_context_takeover=1", "bad parameter" },
		{ PMD "; server_no_context_takeover=", "bad parameter" },
		{ PMD "; client_no_context_takeover=\"\"", "bad parameter" },
		{ PMD "; server_no_context_takeover; server_no_context_takeover", "bad parameter" },
		{ PMD "; server_max_window_bits=9; server_max_window_bits=9", "bad parameter" },
		{ PMD "; server_max_window_bits", "bad parameter" },
		{ PMD "; client_max_window_bits", "bad parameter" },
		{ PMD "; server_max_window_bits=", "bad parameter" },
		{ PMD "; server_max_window_bits=7", "bad parameter" },
		{ PMD "; server_max_window_bits=16", "bad parameter" },
		{ PMD "; server_max_window_bits=010", "bad parameter" },
		{ PMD "; server_max_window_bits=09", "bad parameter" },
		{ PMD "; server_max_window_bits=+9", "bad parameter" },
		{ PMD "; server_max_window_bits=1e", "bad parameter" },
		{ PMD "; server_max_window_bits=99999999999999999999", "bad parameter" },
		{ PMD "; server_max_window_bits=\"", "bad parameter" },
		{ PMD "; server_max_window_bits=\"9", "bad parameter" },
		{ PMD "; server_max_window_bits=\"\"", "bad parameter" },
		{ PMD "; client_max_window_bits=16", "bad parameter" },
		{ PMD "; \x01\"", "bad parameter: \"\\x01" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ws_deflate_terms terms = { 0 };
		struct err e = { 0 };

		if (ws_deflate_agree(&terms, slice_of(cases[i].value), &e))
			fail_msg("'%s' was accepted", cases[i].value);
		assert_int_equal(e.code, ERR_PROTOCOL);
		if (strstr(e.text, cases[i].text) == NULL)
			fail_msg("'%s' is not in '%s'", cases[i].text, e.text);
	}
}

static void an_extension_in_two_headers_is_one_too_many(void **state)
{
	struct ws_deflate_terms terms = { 0 };
	struct err e;

	(void)state;
	assert_true(ws_deflate_agree(&terms, slice_of("permessage-deflate"), &e));
	assert_true(ws_deflate_agree(&terms, slice_of(""), &e));
	assert_false(ws_deflate_agree(&terms, slice_of("permessage-deflate"), &e));
}

/* ---- messages ---- */

static void inflates_the_examples_of_the_rfc(void **state)
{
	static const struct {
		struct slice in;
		const char *want;
	} cases[] = {
		/* 7.2.3.1: one block, whole and in fragments */
		{ BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), "text Hello;" },
		{ BYTES("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"), "text Hello;" },
		/* 7.2.3.2: the second message refers to the first */
		{ BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"),
			"text Hello;text Hello;" },
		/* 7.2.3.3: a block without compression */
		{ BYTES("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "text Hello;" },
		/* 7.2.3.4: a block that says it is the last */
		{ BYTES("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "text Hello;" },
		/* 7.2.3.5: two blocks */
		{ BYTES("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
			"text Hello;" },
		/* 7.2.3.6: an empty message */
		{ BYTES("\xc1\x01\x00"), "text ;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i].in, cases[i].want);
}

static void compressed_and_plain_messages_come_mixed(void **state)
{
	static const struct slice in = BYTES("\x81\x02hi" /* plain */
					     "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
					     "\x89\x01p"
					     "\x82\x01\xff"
					     "\xc2\x05\xf2\x00\x11\x00\x00"
					     "\x01\x01"
					     "a\x80\x01"
					     "b");

	(void)state;
	expect(in, "text hi;text Hello;ping p;binary \xff;binary Hello;text ab;");
}

static void control_frames_come_between_compressed_fragments(void **state)
{
	static const struct slice in = BYTES(
		"\x41\x00\x89\x01p\x00\x01\xf2\x8a\x00\x00\x02\x48\xcd"
		"\x89\x01q\x00\x00\x00\x04\xc9\xc9\x07\x00\x89\x00\x80\x00"
		"\x88\x02\x03\xe8");

	(void)state;
	expect(in, "ping p;pong ;ping q;ping ;text Hello;close ;");
}

static void a_message_of_fragments_of_one_byte_is_put_together(void **state)
{
	z_stream z;
	struct buf packed = new_buf(), wire = new_buf();

	(void)state;
	peer_init(&z, 15);
	compress_message(&z, slice_of("gr\xc3\xbc\xc3\x9f dich, gr\xc3\xbc\xc3\x9f dich"), &packed);
	for (size_t i = 0; i < packed.len; i++)
		append_frame(&wire, (i == 0 ? TEXT_PART : PART) | (i + 1 == packed.len ? 0x80U : 0),
			(struct slice){ packed.data + i, 1 });
	expect(buf_slice(&wire), "text gr\xc3\xbc\xc3\x9f dich, gr\xc3\xbc\xc3\x9f dich;");
	(void)deflateEnd(&z);
	buf_release(&packed);
	buf_release(&wire);
}

/* An event-like text of about `len` bytes, some of it not ASCII. */
static void append_event(struct buf *to, size_t len)
{
	static const char *const words[] = { "\"ticker\":", "\"AAPL\",", "0.6908441588708437",
		"\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x80\xa8", "{", "}", "1.10", " " };

	for (size_t end = to->len + len; to->len < end;) {
		if (random_below(10) == 0)
			assert_true(buf_append_char(to, (char)(' ' + random_below(90))));
		else
			assert_true(buf_append_str(to, words[random_below(COUNT(words))]));
	}
}

/* Twenty messages of all sizes, some plain, in random fragments with pings between. */
static void random_conversation(
	const struct ws_deflate_terms *terms, z_stream *z, struct buf *wire, struct buf *want)
{
	struct buf text = new_buf(), packed = new_buf();

	for (int n = 0; n < 20; n++) {
		bool is_plain = random_below(4) == 0;
		unsigned first = is_plain ? 0x01 : TEXT_PART;
		struct slice rest;

		text.len = 0;
		packed.len = 0;
		if (random_below(8) != 0)
			append_event(&text, random_below(random_below(5) == 0 ? 60000 : 600));
		if (!is_plain)
			compress_message(z, buf_slice(&text), &packed);
		if (!is_plain && terms->is_fresh)
			(void)deflateReset(z);
		rest = is_plain ? buf_slice(&text) : buf_slice(&packed);
		if (rest.ptr == NULL)
			rest = slice_of(""); /* an empty buffer has no address */
		do {
			size_t part = random_below(2) == 0 ? rest.len
							   : random_below((uint32_t)rest.len + 1);
			unsigned fin = part == rest.len ? 0x80 : 0;

			append_frame(wire, first | fin, (struct slice){ rest.ptr, part });
			rest = (struct slice){ rest.ptr + part, rest.len - part };
			first = 0;
			if (fin == 0 && random_below(3) == 0) {
				append_frame(wire, 0x89, slice_of("p"));
				assert_true(buf_append_str(want, "ping p;"));
			}
		} while (rest.len != 0);
		assert_true(buf_append_str(want, "text ") &&
			buf_append_slice(want, buf_slice(&text)) && buf_append_char(want, ';'));
	}
	buf_release(&text);
	buf_release(&packed);
}

static void random_conversations_survive(const struct ws_deflate_terms *terms)
{
	for (int round = 0; round < 60; round++) {
		/* This compressor makes nothing of 8. */
		z_stream z;
		struct ws_decoder *d = new_decoder(terms, 0);
		struct buf wire = new_buf(), want = new_buf(), said = new_buf();
		struct err e;

		peer_init(&z, terms->window_bits < 9 ? 9 : terms->window_bits);
		random_conversation(terms, &z, &wire, &want);
		for (size_t at = 0, n; at < wire.len; at += n) {
			n = 1 + random_below(random_below(2) == 0 ? 20 : 9000);
			if (n > wire.len - at)
				n = wire.len - at;
			assert_true(feed(d, (struct slice){ wire.data + at, n }, &said, &e));
		}
		assert_true(slice_equal(buf_slice(&said), buf_slice(&want)));
		ws_decoder_free(d);
		(void)deflateEnd(&z);
		buf_release(&wire);
		buf_release(&want);
		buf_release(&said);
	}
}

static void the_context_lives_on_from_message_to_message(void **state)
{
	(void)state;
	random_conversations_survive(&takeover);
}

static void without_takeover_each_message_stands_alone(void **state)
{
	static const struct slice refers = BYTES(
		"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00");

	(void)state;
	random_conversations_survive(&fresh);
	expect_from(&fresh, 0, refers, "text Hello;bad 1007;");
}

static void every_window_is_obeyed(void **state)
{
	(void)state;
	for (int bits = 8; bits < 15; bits++) {
		struct ws_deflate_terms terms = { .is_agreed = true, .window_bits = bits };

		random_conversations_survive(&terms);
	}
}

static void a_reference_beyond_the_window_is_refused(void **state)
{
	static const struct ws_deflate_terms small = { .is_agreed = true, .window_bits = 9 };
	z_stream z;
	struct buf text = new_buf(), packed = new_buf(), wire = new_buf(), want = new_buf();

	(void)state;
	peer_init(&z, 15);
	for (size_t i = 0; i < 2000; i++)
		assert_true(buf_append_char(&text, (char)(' ' + random_below(90))));
	compress_message(&z, buf_slice(&text), &packed);
	append_frame(&wire, TEXT, buf_slice(&packed));
	packed.len = 0;
	compress_message(&z, (struct slice){ text.data, 100 }, &packed); /* 2,000 bytes back */
	append_frame(&wire, TEXT, buf_slice(&packed));
	assert_true(buf_printf(&want, "text %.2000s;bad 1007;", text.data));
	assert_true(buf_append_char(&want, '\0'));
	expect_from(&small, 0, buf_slice(&wire), want.data);
	(void)deflateEnd(&z);
	buf_release(&text);
	buf_release(&packed);
	buf_release(&wire);
	buf_release(&want);
}

/* What the RFC does not want and what still has one meaning only. */
static void senders_that_forget_to_cut_are_understood(void **state)
{
	static const struct {
		struct slice in;
		const char *want;
	} cases[] = {
		/* the flush marker was left in place; the message after it is fine */
		{ BYTES("\xc1\x0b\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"
			"\xc1\x05\xf2\x00\x11\x00\x00"),
			"text Hello;text Hello;" },
		/* a last block with nothing behind it */
		{ BYTES("\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"),
			"text Hello;text Hello;" },
		/* not one byte */
		{ BYTES("\xc1\x00\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc2\x00"),
			"text ;text Hello;binary ;" },
		{ BYTES("\x41\x00\x00\x00\x80\x00"), "text ;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i].in, cases[i].want);
}

/* A whole stream of its own for each message, with and without the byte that 7.2.3.4 adds; of sizes that fill
 * the inflater's room exactly, too. */
static void last_blocks_may_end_anywhere(void **state)
{
	static const size_t sizes[] = { 1, 100, WS_INFLATE_PIECE_MAX - 1, WS_INFLATE_PIECE_MAX,
		WS_INFLATE_PIECE_MAX + 1, 2 * WS_INFLATE_PIECE_MAX, 5 * WS_INFLATE_PIECE_MAX };

	(void)state;
	for (size_t i = 0; i < 4 * COUNT(sizes); i++) {
		size_t size = sizes[i / 4];
		z_stream z;
		struct buf text = new_buf(), packed = new_buf(), wire = new_buf(), want = new_buf();

		peer_init(&z, 15);
		while (text.len < size)
			assert_true(buf_append_char(
				&text, (char)(i % 2 == 0 ? 'x' : ' ' + (int)random_below(90))));
		for (int n = 0; n < 3; n++) {
			packed.len = 0;
			compress_with(&z, buf_slice(&text), Z_FINISH, &packed);
			(void)deflateReset(&z);
			if (i % 4 < 2)
				assert_true(buf_append_char(&packed, '\0'));
			append_frame(&wire, TEXT, buf_slice(&packed));
			assert_true(buf_append_str(&want, "text ") &&
				buf_append_slice(&want, buf_slice(&text)) &&
				buf_append_char(&want, ';'));
		}
		assert_true(buf_append_char(&want, '\0'));
		expect(buf_slice(&wire), want.data);
		(void)deflateEnd(&z);
		buf_release(&text);
		buf_release(&packed);
		buf_release(&wire);
		buf_release(&want);
	}
}

/* ---- what is refused ---- */

static void reserved_bits_are_allowed_only_where_a_compressed_message_begins(void **state)
{
	static const struct slice cases[] = {
		BYTES("\xc9\x00"), /* on control frames */
		BYTES("\xca\x01x"), BYTES("\xc8\x00"),
		BYTES("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00"), /* on a later fragment */
		BYTES("\x01\x01x\xc0\x01x"), BYTES("\xa1\x01x"),       /* other bits */
		BYTES("\x91\x01x"), BYTES("\xe1\x01x"), BYTES("\xd1\x01x"),
		BYTES("\xc3\x01x"), /* on a reserved opcode */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i], "bad 1002;");
}

static void compression_that_was_not_agreed_on_is_refused(void **state)
{
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
	struct buf said = new_buf();
	struct err e;

	(void)state;
	assert_non_null(d);
	assert_false(
		feed(d, (struct slice)BYTES("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), &said, &e));
	assert_slice(buf_slice(&said), "bad 1002;");
	ws_decoder_free(d);
	buf_release(&said);
}

static void a_refusal_inside_a_compressed_stream_is_still_seen(void **state)
{
	struct err e = { 0 };
	struct buf said = transcribe(
		&takeover, 0, (struct slice)BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), 3, &e);

	(void)state;
	assert_string_equal(said.data, "bad 1002;");
	assert_int_equal(e.code, ERR_DENIED);
	buf_release(&said);
	expect((struct slice)BYTES("\x48\x00\x00"), "bad 1002;");
}

static void text_is_checked_after_inflating(void **state)
{
	z_stream z;
	struct buf wire = new_buf(), packed = new_buf();

	(void)state;
	peer_init(&z, 15);
	compress_message(&z, slice_of("ab\xff"), &packed);
	append_frame(&wire, BINARY, buf_slice(&packed));
	packed.len = 0;
	compress_message(&z, slice_of("\xe2\x82"), &packed);
	append_frame(&wire, TEXT, buf_slice(&packed));
	expect(buf_slice(&wire), "binary ab\xff;bad 1007;");
	(void)deflateEnd(&z);
	buf_release(&wire);
	buf_release(&packed);
}

static void streams_that_are_corrupt_are_refused(void **state)
{
	static const struct slice cases[] = {
		BYTES("\xc1\x02\x07\x00"),             /* a block type that does not exist */
		BYTES("\xc1\x05\x00\x05\x00\x05\x00"), /* a length without its complement */
		BYTES("\xc1\x05\xf2\x00\x11\x00\x00"), /* a distance with nothing there */
		BYTES("\xc1\x08\x00\x05\x00\xfa\xff\x48\x65\x6c"), /* ends inside a block */
		BYTES("\xc1\x04\xff\xff\xff\xff"),
		BYTES("\x41\x03\xf2\x48\xcd\x80\x00"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i], "bad 1007;");
}

static void a_message_that_is_cut_short_is_refused(void **state)
{
	z_stream z;
	struct buf text = new_buf(), packed = new_buf();

	(void)state;
	peer_init(&z, 15);
	append_event(&text, 400);
	compress_message(&z, buf_slice(&text), &packed);
	for (size_t cut = 1; cut < packed.len; cut++) {
		struct buf wire = new_buf(), said;
		struct err e = { 0 };

		append_frame(&wire, BINARY, (struct slice){ packed.data, cut });
		said = transcribe(&takeover, 0, buf_slice(&wire), wire.len, &e);
		assert_string_equal(said.data, "bad 1007;");
		buf_release(&said);
		buf_release(&wire);
	}
	(void)deflateEnd(&z);
	buf_release(&text);
	buf_release(&packed);
}

static void garbage_never_breaks_the_decoder(void **state)
{
	size_t bad = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct buf wire = new_buf(), garbage = new_buf(), said;
		struct err e = { 0 };
		size_t len = random_below(300);

		for (size_t i = 0; i < len; i++)
			assert_true(buf_append_char(&garbage, (char)random_below(256)));
		append_frame(&wire, BINARY, buf_slice(&garbage));
		said = transcribe(&takeover, 1000, buf_slice(&wire), 1 + random_below(50), &e);
		bad += strcmp(said.data, "bad 1007;") == 0 || strcmp(said.data, "bad 1009;") == 0;
		buf_release(&said);
		buf_release(&wire);
		buf_release(&garbage);
	}
	assert_true(bad > 2900);
}

/* ---- limits ---- */

static void the_limits_hold_for_what_comes_out(void **state)
{
	static const struct {
		size_t len;
		const char *want; /* NULL: the text itself */
	} cases[] = {
		{ 1000, NULL },
		{ 1001, "large 1001 1001 " },
		{ 4000, "large 4000 4000 " },
		{ 4001, "bad 1009;" },
		{ 100000, "bad 1009;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		z_stream z;
		struct buf text = new_buf(), packed = new_buf(), wire = new_buf(), want = new_buf();

		peer_init(&z, 15);
		while (text.len < cases[i].len)
			assert_true(buf_append_char(&text, 'a'));
		compress_message(&z, buf_slice(&text), &packed);
		append_frame(&wire, TEXT_PART, (struct slice){ packed.data, 3 });
		append_frame(&wire, LAST, (struct slice){ packed.data + 3, packed.len - 3 });
		assert_true(buf_append_str(&want, cases[i].want == NULL ? "text " : cases[i].want));
		if (want.data[0] != 'b') {
			assert_true(buf_append_slice(&want, buf_slice(&text)));
			packed.len = 0; /* the connection lives, and the context, too */
			compress_message(&z, (struct slice){ text.data, 300 }, &packed);
			append_frame(&wire, TEXT, buf_slice(&packed));
			assert_true(buf_printf(&want, ";text %.300s;", text.data));
		}
		assert_true(buf_append_char(&want, '\0'));
		expect_from(&takeover, 1000, buf_slice(&wire), want.data);
		(void)deflateEnd(&z);
		buf_release(&text);
		buf_release(&packed);
		buf_release(&wire);
		buf_release(&want);
	}
}

static void of_a_large_compressed_message_its_first_bytes_are_kept(void **state)
{
	z_stream z;
	struct buf text = new_buf(), packed = new_buf(), wire = new_buf(), want = new_buf();

	(void)state;
	peer_init(&z, 15);
	while (text.len < 300000)
		assert_true(buf_append_char(&text, (char)('a' + text.len / 40000)));
	compress_message(&z, buf_slice(&text), &packed);
	append_frame(&wire, TEXT, buf_slice(&packed));
	assert_true(buf_printf(&want, "large 300000 %zu ", WS_KEEP_MAX) &&
		buf_append(&want, text.data, WS_KEEP_MAX) && buf_append(&want, ";", 2));
	expect_from(&takeover, 200000, buf_slice(&wire), want.data);
	(void)deflateEnd(&z);
	buf_release(&text);
	buf_release(&packed);
	buf_release(&wire);
	buf_release(&want);
}

static size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* A gibibyte of zeros in one frame of a megabyte. */
static struct buf make_bomb(void)
{
	struct buf packed = new_buf(), zeros = new_buf(), wire = new_buf();
	z_stream z;

	peer_init(&z, 15);
	assert_true(buf_reserve(&zeros, 1 << 20));
	memset(zeros.data, 0, 1 << 20);
	zeros.len = 1 << 20;
	for (int i = 0; i < 1023; i++)
		compress_with(&z, buf_slice(&zeros), Z_NO_FLUSH, &packed);
	compress_message(&z, buf_slice(&zeros), &packed);
	(void)deflateEnd(&z);
	append_frame(&wire, BINARY, buf_slice(&packed));
	buf_release(&packed);
	buf_release(&zeros);
	return wire;
}

static void a_bomb_takes_little_memory_and_time_and_is_refused(void **state)
{
	struct buf wire = make_bomb(), said = new_buf();
	struct ws_decoder *d = new_decoder(&takeover, 0);
	size_t before = heap_in_use(), most = 0, at = 0;
	bool is_alive = true;
	clock_t start = clock();
	struct err e;

	(void)state;
	for (; is_alive && at < wire.len; at += 1000) {
		is_alive = feed(d, (struct slice){ wire.data + at, 1000 }, &said, &e);
		if (heap_in_use() - before > most)
			most = heap_in_use() - before;
	}
	assert_false(is_alive);
	assert_slice(buf_slice(&said), "bad 1009;");
	assert_int_equal(e.code, ERR_LIMIT);
	assert_true(at < wire.len / 10); /* after 64 MiB of the gibibyte */
	assert_true(most <= WS_MESSAGE_MAX + 100000);
	assert_true(heap_in_use() < before + 300000); /* of what was kept nothing is left */
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5);
	ws_decoder_free(d);
	buf_release(&wire);
	buf_release(&said);
}

static void an_inflater_that_was_not_used_can_be_freed(void **state)
{
	(void)state;
	ws_inflater_free(NULL);
	ws_decoder_free(new_decoder(&fresh, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_answers_to_the_offer_give_terms),
		cmocka_unit_test(bad_answers_to_the_offer_are_refused),
		cmocka_unit_test(an_extension_in_two_headers_is_one_too_many),
		cmocka_unit_test(inflates_the_examples_of_the_rfc),
		cmocka_unit_test(compressed_and_plain_messages_come_mixed),
		cmocka_unit_test(control_frames_come_between_compressed_fragments),
		cmocka_unit_test(a_message_of_fragments_of_one_byte_is_put_together),
		cmocka_unit_test(the_context_lives_on_from_message_to_message),
		cmocka_unit_test(without_takeover_each_message_stands_alone),
		cmocka_unit_test(every_window_is_obeyed),
		cmocka_unit_test(a_reference_beyond_the_window_is_refused),
		cmocka_unit_test(senders_that_forget_to_cut_are_understood),
		cmocka_unit_test(last_blocks_may_end_anywhere),
		cmocka_unit_test(reserved_bits_are_allowed_only_where_a_compressed_message_begins),
		cmocka_unit_test(compression_that_was_not_agreed_on_is_refused),
		cmocka_unit_test(a_refusal_inside_a_compressed_stream_is_still_seen),
		cmocka_unit_test(text_is_checked_after_inflating),
		cmocka_unit_test(streams_that_are_corrupt_are_refused),
		cmocka_unit_test(a_message_that_is_cut_short_is_refused),
		cmocka_unit_test(garbage_never_breaks_the_decoder),
		cmocka_unit_test(the_limits_hold_for_what_comes_out),
		cmocka_unit_test(of_a_large_compressed_message_its_first_bytes_are_kept),
		cmocka_unit_test(a_bomb_takes_little_memory_and_time_and_is_refused),
		cmocka_unit_test(an_inflater_that_was_not_used_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
