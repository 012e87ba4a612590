#include "bodies.h"

#include <stdio.h>

#include "proto/socketio09.h"

#define S(s) SLICE_LITERAL(s)
#define TEXT(s) \
	{ \
		false, S(s) \
	}
#define MARK "\xef\xbf\xbd"
#define EVENT "5:::{\"name\":\"data\",\"args\":[{\"s\":\"\xc3\xa9\xf0\x9f\x98\x80\"}]}"

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)1 << 20);
	return b;
}

/* ---- handshake ---- */

static void reads_the_handshakes_of_servers(void **state)
{
	static const struct {
		const char *body;
		struct sio09_handshake want;
	} cases[] = {
		{ "XYhoU_KdTN4PpHYe0al-:60:60:websocket,htmlfile,xhr-polling,jsonp-polling",
			{ "XYhoU_KdTN4PpHYe0al-", 60000, 60000, true, true } },
		{ "a:15:25:xhr-polling", { "a", 15000, 25000, false, true } },
		{ "a:::websocket\n", { "a", 0, 0, true, false } },
		{ "a:1:0:xhr-polling,websocket\r\n", { "a", 1000, 0, true, true } },
		{ "a:86400:86400:", { "a", 86400000, 86400000, false, false } },
		{ "a:1:1:flashsocket,websockets,xhr", { "a", 1000, 1000, false, false } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sio09_handshake got;
		struct err e = { 0 };

		if (!sio09_handshake_decode(slice_of(cases[i].body), &got, &e))
			fail_msg("%s: %s", cases[i].body, e.text);
		assert_string_equal(got.sid, cases[i].want.sid);
		assert_int_equal(got.heartbeat_ms, cases[i].want.heartbeat_ms);
		assert_int_equal(got.close_ms, cases[i].want.close_ms);
		assert_int_equal(got.has_websocket, cases[i].want.has_websocket);
		assert_int_equal(got.has_polling, cases[i].want.has_polling);
	}
}

static void refuses_what_is_no_handshake(void **state)
{
	static const char *const bodies[] = { "", ":", ":::", ":60:60:websocket", "a", "a:60",
		"a:60:60", "a:0:60:websocket", "a:00:60:websocket", "a:-1:60:websocket",
		"a:1.5:60:websocket", "a:1e3:60:websocket", "a: 1:60:websocket",
		"a:86401:60:websocket", "a:123456:60:websocket",
		"a:123456789012345678901234567890:1:websocket", "a:60:86401:websocket",
		"a:60:x:websocket", "a/b:60:60:websocket", "a?b:60:60:websocket",
		"a#b:60:60:websocket", "a b:60:60:websocket", "\xc3\xa9:60:60:websocket",
		"a\x7f:60:60:websocket", "{\"code\":0,\"message\":\"Transport unknown\"}",
		"7:::1+0", "7:::unauthorized", "handshake unauthorized" };
	struct sio09_handshake got;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		e = (struct err){ 0 };
		if (sio09_handshake_decode(slice_of(bodies[i]), &got, &e))
			fail_msg("accepted: %s", bodies[i]);
	}
	assert_false(sio09_handshake_decode((struct slice){ NULL, 0 }, &got, &e));
	assert_int_equal(e.code, ERR_PROTOCOL);
}

static void a_sid_may_have_128_characters(void **state)
{
	(void)state;
	for (size_t n = EIO_SID_MAX - 1; n <= EIO_SID_MAX + 1; n++) {
		char sid[EIO_SID_MAX + 2], body[200];
		struct sio09_handshake got;
		struct err e;

		memset(sid, 'x', n);
		sid[n] = '\0';
		(void)snprintf(body, sizeof(body), "%s:60:60:websocket", sid);
		assert_int_equal(
			sio09_handshake_decode(slice_of(body), &got, &e), n <= EIO_SID_MAX);
		if (n <= EIO_SID_MAX)
			assert_string_equal(got.sid, sid);
	}
}

static void a_cut_handshake_invents_nothing(void **state)
{
	static const struct slice body = S("abc:15:25:websocket,xhr-polling");

	(void)state;
	for (size_t cut = 0; cut < body.len; cut++) {
		char *copy = malloc(cut + 1);
		struct sio09_handshake got;
		struct err e;
		bool ok;

		assert_non_null(copy);
		copy = realloc(copy, cut != 0 ? cut : 1);
		assert_non_null(copy);
		memcpy(copy, body.ptr, cut);
		ok = sio09_handshake_decode((struct slice){ copy, cut }, &got, &e);
		assert_int_equal(ok, cut >= 10);
		assert_false(ok && got.has_polling);
		assert_int_equal(ok && got.has_websocket, cut >= 19);
		free(copy);
	}
}

static void an_encoded_handshake_is_decoded(void **state)
{
	static const struct {
		struct sio09_handshake h;
		const char *text;
	} cases[] = {
		{ { "abc", 15000, 25000, true, true }, "abc:15:25:websocket,xhr-polling" },
		{ { "abc", 0, 0, false, true }, "abc:::xhr-polling" },
		{ { "abc", 1, 1001, true, false }, "abc:1:2:websocket" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sio09_handshake got;
		struct buf b = new_buf();
		struct err e;

		assert_true(sio09_handshake_encode(&cases[i].h, &b));
		assert_slice(buf_slice(&b), cases[i].text);
		assert_true(sio09_handshake_decode(buf_slice(&b), &got, &e));
		assert_string_equal(got.sid, cases[i].h.sid);
		assert_int_equal(got.has_websocket, cases[i].h.has_websocket);
		assert_int_equal(got.has_polling, cases[i].h.has_polling);
		buf_release(&b);
		buf_init(&b, strlen(cases[i].text) - 1);
		assert_false(sio09_handshake_encode(&cases[i].h, &b));
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

/* ---- bodies ---- */

static void takes_bodies_apart(void **state)
{
	static const struct body_case cases[] = {
		{ .body = S("1::"),
			.messages = { TEXT("1::") },
			.count = 1,
			.is_open_ended = true },
		{ .body = S(EVENT),
			.messages = { TEXT(EVENT) },
			.count = 1,
			.is_open_ended = true },
		{ .body = S("5:::" MARK "1" MARK),
			.messages = { TEXT("5:::" MARK "1" MARK) },
			.count = 1,
			.is_open_ended = true },
		{ .body = S(MARK "3" MARK "2::"), .messages = { TEXT("2::") }, .count = 1 },
		{ .body = S(MARK "40" MARK EVENT MARK "3" MARK "8::" MARK "8" MARK "3:::a" MARK
				 "b" MARK),
			.messages = { TEXT(EVENT), TEXT("8::"), TEXT("3:::a" MARK "b" MARK) },
			.count = 3 },
	};
	struct body_case empty = { .body = S("") };
	size_t n;

	(void)state;
	assert_bodies(&generation_09, cases, COUNT(cases));
	assert_int_equal(body_read(&generation_09, &empty, 0, &n), PAYLOAD_END);
	assert_int_equal(n, 0);
}

static void a_cut_frame_is_bad(void **state)
{
	static const struct body_case c = {
		.body = S(MARK "40" MARK EVENT), .messages = { TEXT(EVENT) }, .count = 1
	};

	(void)state;
	/* Less than the first mark is no frame and no UTF-8. */
	for (size_t cut = 1; cut < c.body.len; cut++) {
		size_t n;

		assert_int_equal(body_read(&generation_09, &c, cut, &n), PAYLOAD_BAD);
		assert_int_equal(n, 0);
	}
}

static void refuses_bad_bodies(void **state)
{
	static const struct slice bodies[] = {
		S("\xff"),
		S("5:::\xc3"),
		S("\xef\xbf"),
		S(MARK),
		S(MARK MARK),
		S(MARK MARK "2::"),
		S(MARK "3"),
		S(MARK "3" MARK),
		S(MARK "0" MARK),
		S(MARK "0" MARK "2::"),
		S(MARK "4" MARK "2::"),
		S(MARK "-3" MARK "2::"),
		S(MARK "3:" MARK "2::"),
		S(MARK " 3" MARK "2::"),
		S(MARK "x" MARK "2::"),
		S(MARK "999999999" MARK "2::"),
		S(MARK "1000000000" MARK "2::"),
		S(MARK "123456789012345678901234567890" MARK "2::"),
		S(MARK "1" MARK "\xf0\x9f\x98\x80"),
		S(MARK "1" MARK "\xff"),
	};
	struct body_case bare_behind = {
		.body = S(MARK "3" MARK "2::8::"), .messages = { TEXT("2::") }, .count = 1
	};
	size_t n;

	(void)state;
	assert_bad_bodies(&generation_09, bodies, COUNT(bodies));
	assert_int_equal(
		body_read(&generation_09, &bare_behind, bare_behind.body.len, &n), PAYLOAD_BAD);
	assert_int_equal(n, 1);
}

static void what_is_appended_is_read(void **state)
{
	static const struct body_message messages[] = { TEXT(EVENT), TEXT("2::"),
		TEXT("3:::" MARK "2" MARK) };
	struct buf b = new_buf();

	(void)state;
	assert_round_trip(&generation_09, generation_09.payload_append, messages, COUNT(messages));
	assert_true(generation_09.payload_append(&b, false, messages[0].bytes));
	assert_slice(buf_slice(&b), MARK "40" MARK EVENT);
	buf_release(&b);
}

/* ---- engine packets ---- */

static void heartbeats_and_noops_are_engine_packets(void **state)
{
	static const struct {
		const char *message;
		enum eio_type client, server;
	} cases[] = {
		{ "2::", EIO_PING, EIO_PONG },
		{ "2:::", EIO_PING, EIO_PONG },
		{ "8::", EIO_NOOP, EIO_NOOP },
		{ "1::", EIO_MESSAGE, EIO_MESSAGE },
		{ "0::", EIO_MESSAGE, EIO_MESSAGE },
		{ "5:::{}", EIO_MESSAGE, EIO_MESSAGE },
		{ "2", EIO_MESSAGE, EIO_MESSAGE },
		{ "", EIO_MESSAGE, EIO_MESSAGE },
	};
	struct eio_packet p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice message = slice_of(cases[i].message);

		assert_true(generation_09.packet_decode(GENERATION_SERVER, false, message, &p, &e));
		assert_int_equal(p.type, cases[i].server);
		assert_true(generation_09.packet_decode(GENERATION_CLIENT, false, message, &p, &e));
		assert_int_equal(p.type, cases[i].client);
		assert_slice(p.data, p.type == EIO_MESSAGE ? cases[i].message : "");
	}
	assert_false(generation_09.packet_decode(GENERATION_CLIENT, true, slice_of("2::"), &p, &e));
	assert_int_equal(e.code, ERR_PROTOCOL);
}

static void engine_packets_are_written(void **state)
{
	static const struct {
		enum generation_role role;
		struct eio_packet packet;
		const char *want;
	} cases[] = {
		{ GENERATION_CLIENT, { EIO_PONG, false, S("x") }, "2::" },
		{ GENERATION_SERVER, { EIO_PING, false, S("") }, "2::" },
		{ GENERATION_SERVER, { EIO_NOOP, false, S("") }, "8::" },
		{ GENERATION_CLIENT, { EIO_CLOSE, false, S("") }, "0::" },
		{ GENERATION_CLIENT, { EIO_MESSAGE, false, S("1::/feed") }, "1::/feed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b = new_buf();
		bool is_binary = true;

		assert_true(generation_09.packet_encode(
			cases[i].role, &cases[i].packet, &b, &is_binary));
		assert_slice(buf_slice(&b), cases[i].want);
		assert_false(is_binary);
		buf_release(&b);
		buf_init(&b, strlen(cases[i].want) - 1);
		assert_false(generation_09.packet_encode(
			cases[i].role, &cases[i].packet, &b, &is_binary));
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

/* ---- packets ---- */

#define ROOT S("/")

static const struct {
	const char *text;
	struct sio_packet want;
	const char *canonical; /* what encoding writes; NULL: the same text */
} good[] = {
	{ "1::", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("") }, NULL },
	{ "1::/feed", { SIO_CONNECT, false, 0, 0, S("/feed"), S(""), S("") }, NULL },
	{ "1::/feed?x=y", { SIO_CONNECT, false, 0, 0, S("/feed"), S("x=y"), S("") }, NULL },
	{ "1::/feed:?x=y:z", { SIO_CONNECT, false, 0, 0, S("/feed"), S("x=y:z"), S("") },
		"1::/feed?x=y:z" },
	{ "1::/feed?x=y:z", { SIO_CONNECT, false, 0, 0, S("/feed"), S("x=y:z"), S("") }, NULL },
	{ "1::/feed?x=y:", { SIO_CONNECT, false, 0, 0, S("/feed"), S("x=y:"), S("") }, NULL },
	{ "1::/feed?:?b", { SIO_CONNECT, false, 0, 0, S("/feed"), S(":?b"), S("") }, NULL },
	{ "1::?x=y", { SIO_CONNECT, false, 0, 0, ROOT, S("x=y"), S("") }, NULL },
	{ "1::/", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("") }, "1::" },
	{ "1:::", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("") }, "1::" },
	{ "1:7::", { SIO_CONNECT, false, 0, 0, ROOT, S(""), S("") }, "1::" },
	{ "0::", { SIO_DISCONNECT, false, 0, 0, ROOT, S(""), S("") }, NULL },
	{ "0::/feed", { SIO_DISCONNECT, false, 0, 0, S("/feed"), S(""), S("") }, NULL },
	{ "5:::{\"name\":\"data\",\"args\":[{\"a\":1.10},-0]}",
		{ SIO_EVENT, false, 0, 0, ROOT, S(""), S("[\"data\",{\"a\":1.10},-0]") }, NULL },
	{ "5:1+::{\"name\":\"subscribe\",\"args\":[]}",
		{ SIO_EVENT, true, 1, 0, ROOT, S(""), S("[\"subscribe\"]") }, NULL },
	{ "5:1::{\"name\":\"subscribe\",\"args\":[]}",
		{ SIO_EVENT, true, 1, 0, ROOT, S(""), S("[\"subscribe\"]") },
		"5:1+::{\"name\":\"subscribe\",\"args\":[]}" },
	{ "5:999999999999999+:/feed:{\"name\":\"x\",\"args\":[\":\",\"}\"]}",
		{ SIO_EVENT, true, 999999999999999, 0, S("/feed"), S(""),
			S("[\"x\",\":\",\"}\"]") },
		NULL },
	{ "5:::{\"name\":\"x\"}", { SIO_EVENT, false, 0, 0, ROOT, S(""), S("[\"x\"]") },
		"5:::{\"name\":\"x\",\"args\":[]}" },
	{ "5:::{\"name\":\"x\",\"args\":null}",
		{ SIO_EVENT, false, 0, 0, ROOT, S(""), S("[\"x\"]") },
		"5:::{\"name\":\"x\",\"args\":[]}" },
	{ "5:::{\"name\":\"x\",\"args\":[ \n]}",
		{ SIO_EVENT, false, 0, 0, ROOT, S(""), S("[\"x\"]") },
		"5:::{\"name\":\"x\",\"args\":[]}" },
	{ "5::: { \"x\" : {\"name\":1} , \"\\u0061rgs\" : [ 1e5 , 12345678901234567890 ] , \"n\\u0061me\" : \"\\u0064\" } \n",
		{ SIO_EVENT, false, 0, 0, ROOT, S(""),
			S("[\"\\u0064\", 1e5 , 12345678901234567890 ]") },
		"5:::{\"name\":\"\\u0064\",\"args\":[ 1e5 , 12345678901234567890 ]}" },
	{ "3:::hello: \"world\"\n",
		{ SIO_EVENT, false, 0, 0, ROOT, S(""),
			S("[\"message\",\"hello: \\\"world\\\"\\n\"]") },
		"5:::{\"name\":\"message\",\"args\":[\"hello: \\\"world\\\"\\n\"]}" },
	{ "3:4:/feed:", { SIO_EVENT, true, 4, 0, S("/feed"), S(""), S("[\"message\",\"\"]") },
		"5:4+:/feed:{\"name\":\"message\",\"args\":[\"\"]}" },
	{ "3::", { SIO_EVENT, false, 0, 0, ROOT, S(""), S("[\"message\",\"\"]") },
		"5:::{\"name\":\"message\",\"args\":[\"\"]}" },
	{ "4:1+::{\"a\":\"b\"}",
		{ SIO_EVENT, true, 1, 0, ROOT, S(""), S("[\"message\",{\"a\":\"b\"}]") },
		"5:1+::{\"name\":\"message\",\"args\":[{\"a\":\"b\"}]}" },
	{ "6:::1+[\"ans\"]", { SIO_ACK, true, 1, 0, ROOT, S(""), S("[\"ans\"]") }, NULL },
	{ "6:::1", { SIO_ACK, true, 1, 0, ROOT, S(""), S("") }, NULL },
	{ "6:::1+", { SIO_ACK, true, 1, 0, ROOT, S(""), S("") }, "6:::1" },
	{ "6:::1[null]", { SIO_ACK, true, 1, 0, ROOT, S(""), S("[null]") }, "6:::1+[null]" },
	{ "6::/feed:140+[\"1+1\"]", { SIO_ACK, true, 140, 0, S("/feed"), S(""), S("[\"1+1\"]") },
		NULL },
	{ "7:::1+0", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("\"client not handshaken\"") },
		NULL },
	{ "7:::0", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("\"transport not supported\"") },
		"7:::0+0" },
	{ "7::/feed:2+", { SIO_ERROR, false, 0, 0, S("/feed"), S(""), S("\"unauthorized\"") },
		"7::/feed:2+0" },
	{ "7:::3+0", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("\"3+0\"") }, NULL },
	{ "7:::1+1", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("\"1+1\"") }, NULL },
	{ "7:::no \"way\": 1+0",
		{ SIO_ERROR, false, 0, 0, ROOT, S(""), S("\"no \\\"way\\\": 1+0\"") }, NULL },
	{ "7::", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("") }, "7:::" },
	{ "7:::+0", { SIO_ERROR, false, 0, 0, ROOT, S(""), S("") }, "7:::" },
};

static void reads_packets_of_every_shape(void **state)
{
	struct buf scratch = new_buf();

	(void)state;
	assert_true(buf_append_str(&scratch, "what was there before"));
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct sio_packet *want = &good[i].want;
		struct sio_packet p;
		struct err e = { 0 };

		if (!generation_09.sio_decode(slice_of(good[i].text), &scratch, &p, &e))
			fail_msg("%s: %s", good[i].text, e.text);
		if (!slice_equal(p.data, want->data))
			fail_msg("%s: %.*s", good[i].text, (int)p.data.len, p.data.ptr);
		assert_int_equal(p.type, want->type);
		assert_int_equal(p.has_id, want->has_id);
		assert_int_equal(p.id, want->id);
		assert_int_equal(p.attachments, 0);
		assert_true(slice_equal(p.nsp, want->nsp));
		assert_true(slice_equal(p.query, want->query));
	}
	buf_release(&scratch);
}

static void encodes_what_it_reads(void **state)
{
	struct buf scratch = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const char *want = good[i].canonical != NULL ? good[i].canonical : good[i].text;
		struct buf b = new_buf();
		struct sio_packet p;
		struct err e;

		assert_true(generation_09.sio_decode(slice_of(good[i].text), &scratch, &p, &e));
		assert_true(generation_09.sio_encode(&p, &b));
		assert_slice(buf_slice(&b), want);
		buf_release(&b);
		for (size_t max = 0; max < strlen(want); max++) {
			buf_init(&b, max);
			assert_false(generation_09.sio_encode(&p, &b));
			assert_int_equal(b.len, 0);
			buf_release(&b);
		}
	}
	buf_release(&scratch);
}

static void refuses_bad_packets(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "", ERR_PROTOCOL },
		{ ":", ERR_PROTOCOL },
		{ "::", ERR_PROTOCOL },
		{ "1", ERR_PROTOCOL },
		{ "1:", ERR_PROTOCOL },
		{ "9::", ERR_PROTOCOL },
		{ "x::", ERR_PROTOCOL },
		{ "15::", ERR_PROTOCOL },
		{ "\xff::", ERR_PROTOCOL },
		{ "2::", ERR_PROTOCOL },
		{ "8::", ERR_PROTOCOL },
		{ "0:::x", ERR_PROTOCOL },
		{ "1:::x", ERR_PROTOCOL },
		{ "3:x::a", ERR_PROTOCOL },
		{ "3:1-::a", ERR_PROTOCOL },
		{ "3:-1::a", ERR_PROTOCOL },
		{ "3:1++::a", ERR_PROTOCOL },
		{ "3:1000000000000000::a", ERR_LIMIT },
		{ "5:123456789012345678901234567890+::{\"name\":\"x\"}", ERR_LIMIT },
		{ "4::", ERR_INPUT },
		{ "4:::", ERR_INPUT },
		{ "4:::{", ERR_INPUT },
		{ "4:::1,2", ERR_INPUT },
		{ "5::", ERR_INPUT },
		{ "5:::{", ERR_INPUT },
		{ "5:::[]", ERR_PROTOCOL },
		{ "5:::\"name\"", ERR_PROTOCOL },
		{ "5:::1", ERR_PROTOCOL },
		{ "5:::{}", ERR_PROTOCOL },
		{ "5:::{\"args\":[]}", ERR_PROTOCOL },
		{ "5:::{\"name\":1}", ERR_PROTOCOL },
		{ "5:::{\"name\":null,\"args\":[]}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"name\":\"a\"}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"n\\u0061me\":\"b\"}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"args\":[],\"args\":[1]}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"args\":null,\"args\":[1]}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"args\":{}}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"args\":\"[]\"}", ERR_PROTOCOL },
		{ "5:::{\"name\":\"a\",\"args\":[1,]}", ERR_INPUT },
		{ "5:::{\"name\":\"a\"}{}", ERR_INPUT },
		{ "6::", ERR_PROTOCOL },
		{ "6:::", ERR_PROTOCOL },
		{ "6:::+[]", ERR_PROTOCOL },
		{ "6:::[]", ERR_PROTOCOL },
		{ "6:1::", ERR_PROTOCOL },
		{ "6:::x", ERR_PROTOCOL },
		{ "6:::1+x", ERR_PROTOCOL },
		{ "6:::1+{}", ERR_PROTOCOL },
		{ "6:::1++[]", ERR_PROTOCOL },
		{ "6:::123456789012345678901234567890+[]", ERR_LIMIT },
	};
	struct buf scratch = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sio_packet p;
		struct err e = { 0 };

		if (generation_09.sio_decode(slice_of(cases[i].text), &scratch, &p, &e))
			fail_msg("accepted: %s", cases[i].text);
		if (e.code != cases[i].code)
			fail_msg("%s: %s", cases[i].text, e.text);
		assert_true(strlen(e.text) > 0);
	}
	buf_release(&scratch);
}

/* A cut text that is JSON inside is no packet; others carry no length, so they must only stay inside. */
static void no_cut_invents_an_event(void **state)
{
	struct buf scratch = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		for (size_t cut = 0; cut < strlen(good[i].text); cut++) {
			char *copy = malloc(cut + 1);
			struct sio_packet p;
			struct err e;

			assert_non_null(copy);
			copy = realloc(copy, cut != 0 ? cut : 1);
			assert_non_null(copy);
			memcpy(copy, good[i].text, cut);
			if (generation_09.sio_decode(
				    (struct slice){ copy, cut }, &scratch, &p, &e) &&
				good[i].text[0] == '5')
				assert_true(slice_equal(p.data, good[i].want.data));
			free(copy);
		}
	}
	buf_release(&scratch);
}

static void deep_nesting_is_refused(void **state)
{
	struct buf text = new_buf(), scratch = new_buf();
	struct sio_packet p;
	struct err e;

	(void)state;
	assert_true(buf_append_str(&text, "5:::{\"name\":\"x\",\"args\":"));
	for (int i = 0; i < 100000; i++)
		assert_true(buf_append_char(&text, '['));
	assert_false(generation_09.sio_decode(buf_slice(&text), &scratch, &p, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	buf_release(&text);
	buf_release(&scratch);
}

static void a_packet_that_does_not_fit_the_scratch_is_refused(void **state)
{
	static const char *const texts[] = { EVENT, "3:::0123456789", "4:::1234567890",
		"7:::0123456789" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf scratch;
		struct sio_packet p;
		struct err e;

		buf_init(&scratch, 10);
		assert_false(generation_09.sio_decode(slice_of(texts[i]), &scratch, &p, &e));
		assert_int_equal(e.code, ERR_LIMIT);
		buf_release(&scratch);
	}
}

static void events_without_a_name_cannot_be_written(void **state)
{
	static const char *const datas[] = { "", " ", "[", "[]", "[1]", "{}", "\"a\"", ",", "[,",
		"[\"", "[,]", "]" };

	(void)state;
	for (size_t i = 0; i < COUNT(datas); i++) {
		struct sio_packet p = { .type = SIO_EVENT, .data = slice_of(datas[i]) };
		struct buf b = new_buf();

		if (generation_09.sio_encode(&p, &b))
			fail_msg("wrote: %s", datas[i]);
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

static void refusals_that_are_no_strings_are_written_as_they_are(void **state)
{
	static const struct {
		const char *data, *want;
	} cases[] = {
		{ "{\"code\":401}", "7:::{\"code\":401}" },
		{ "\"\\ud800\"", "7:::\"\\ud800\"" },
		{ "\"", "7:::\"" },
		{ " \"unauthorized\" ", "7:::2+0" },
		{ "not JSON", "7:::not JSON" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sio_packet p = { .type = SIO_ERROR, .data = slice_of(cases[i].data) };
		struct buf b = new_buf();

		assert_true(generation_09.sio_encode(&p, &b));
		assert_slice(buf_slice(&b), cases[i].want);
		buf_release(&b);
	}
}

static void joins_with_the_name_alone(void **state)
{
	struct buf b = new_buf();

	(void)state;
	assert_true(generation_09.join_encode(slice_of("/feed"), slice_of("{\"a\":1}"), &b));
	assert_slice(buf_slice(&b), "1::/feed");
	b.len = 0;
	assert_true(generation_09.join_encode(slice_of("/"), slice_of(""), &b));
	assert_slice(buf_slice(&b), "1::");
	buf_release(&b);
}

static void the_assembler_hands_out_rewritten_packets(void **state)
{
	struct sio_assembler *a = sio_assembler_new();
	struct sio_packet p;
	char text[] = "5:::{\"name\":\"data\",\"args\":[1]}";
	struct err e;

	(void)state;
	assert_non_null(a);
	assert_int_equal(sio_assembler_text(a, &generation_09, slice_of(text), &p, &e), SIO_PACKET);
	assert_slice(p.data, "[\"data\",1]");
	assert_int_equal(sio_assembler_binary(a, &generation_09, slice_of("x"), &p, &e), SIO_BAD);
	assert_non_null(strstr(e.text, "0.9"));
	assert_int_equal(
		sio_assembler_text(a, &generation_09, slice_of("5:::{}"), &p, &e), SIO_BAD);
	assert_int_equal(sio_assembler_text(a, &generation_09, slice_of(text), &p, &e), SIO_PACKET);
	sio_assembler_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_handshakes_of_servers),
		cmocka_unit_test(refuses_what_is_no_handshake),
		cmocka_unit_test(a_sid_may_have_128_characters),
		cmocka_unit_test(a_cut_handshake_invents_nothing),
		cmocka_unit_test(an_encoded_handshake_is_decoded),
		cmocka_unit_test(takes_bodies_apart),
		cmocka_unit_test(a_cut_frame_is_bad),
		cmocka_unit_test(refuses_bad_bodies),
		cmocka_unit_test(what_is_appended_is_read),
		cmocka_unit_test(heartbeats_and_noops_are_engine_packets),
		cmocka_unit_test(engine_packets_are_written),
		cmocka_unit_test(reads_packets_of_every_shape),
		cmocka_unit_test(encodes_what_it_reads),
		cmocka_unit_test(refuses_bad_packets),
		cmocka_unit_test(no_cut_invents_an_event),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(a_packet_that_does_not_fit_the_scratch_is_refused),
		cmocka_unit_test(events_without_a_name_cannot_be_written),
		cmocka_unit_test(refusals_that_are_no_strings_are_written_as_they_are),
		cmocka_unit_test(joins_with_the_name_alone),
		cmocka_unit_test(the_assembler_hands_out_rewritten_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
