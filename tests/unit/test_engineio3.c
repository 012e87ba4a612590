#include "bodies.h"

#include "proto/engineio3.h"

#define S(s) SLICE_LITERAL(s)
#define TEXT(s) \
	{ \
		false, S(s) \
	}
#define BINARY(s) \
	{ \
		true, S(s) \
	}

#define OPEN \
	"0{\"sid\":\"x\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":60000}"
#define EVENT "42[\"data\",{\"path\":\"/\xc3\xa9\",\"s\":\"\xc3\xa9\xf0\x9f\x98\x80\"}]"
#define EVENT_TWICE \
	"42[\"data\",{\"path\":\"/\xc3\x83\xc2\xa9\",\"s\":\"\xc3\x83\xc2\xa9\xc3\xb0\xc2\x9f\xc2\x98\xc2\x80\"}]"

static void a_binary_packet_begins_with_its_type(void **state)
{
	const struct generation *g = &generation_eio3;
	struct eio_packet p;
	struct err e;

	(void)state;
	assert_true(g->packet_decode(
		GENERATION_CLIENT, true, (struct slice)S("\x04\x01\x00\xff"), &p, &e));
	assert_true(p.type == EIO_MESSAGE && p.is_binary);
	assert_true(slice_equal(p.data, (struct slice)S("\x01\x00\xff")));
	assert_false(g->packet_decode(GENERATION_CLIENT, true, (struct slice)S(""), &p, &e));
	assert_false(g->packet_decode(GENERATION_CLIENT, true, (struct slice)S("\x07"), &p, &e));
	assert_false(g->packet_decode(GENERATION_CLIENT, true, (struct slice)S("4"), &p, &e));
}

static void what_is_encoded_is_decoded(void **state)
{
	const struct generation *g = &generation_eio3;

	(void)state;
	for (int type = EIO_OPEN; type <= EIO_NOOP; type++) {
		for (int binary = 0; binary <= 1; binary++) {
			struct eio_packet in = { (enum eio_type)type, binary == 1, S("a\0b") };
			struct buf wire;
			struct eio_packet out;
			bool is_binary;
			struct err e;

			buf_init(&wire, 100);
			assert_true(g->packet_encode(GENERATION_CLIENT, &in, &wire, &is_binary));
			assert_int_equal(is_binary, in.is_binary);
			assert_true(g->packet_decode(
				GENERATION_SERVER, is_binary, buf_slice(&wire), &out, &e));
			assert_int_equal(out.type, in.type);
			assert_int_equal(out.is_binary, in.is_binary);
			assert_true(slice_equal(out.data, in.data));
			buf_release(&wire);
		}
	}
}

/* ---- bodies ---- */

static void takes_the_text_framing_apart(void **state)
{
	static const struct body_case cases[] = {
		{ .body = S("78:" OPEN), .messages = { TEXT(OPEN) }, .count = 1 },
		{ .body = S("2:40"), .messages = { TEXT("40") }, .count = 1 },
		{ .body = S("2:411:1"), .messages = { TEXT("41"), TEXT("1") }, .count = 2 },
		{ .body = S("34:" EVENT "1:3"),
			.messages = { TEXT(EVENT), TEXT("3") },
			.count = 2 },
		{ .body = S("12:451-[\"data\"]10:b4AQL/Hg==1:6"),
			.messages = { TEXT("451-[\"data\"]"), BINARY("\x04\x01\x02\xff\x1e"),
				TEXT("6") },
			.count = 3 },
		{ .body = S("2:b42:b0006:2probe"),
			.messages = { BINARY("\x04"), BINARY("\0"), TEXT("2probe") },
			.count = 3 },
	};

	(void)state;
	assert_bodies(&generation_eio3, cases, COUNT(cases));
}

/* Socket.IO 1 encodes twice and counts the bytes of the first time. */
static void undoes_the_second_encoding_where_there_was_one(void **state)
{
	static const struct body_case cases[] = {
		{ .body = S("38:" EVENT_TWICE "2:40"),
			.messages = { TEXT(EVENT), TEXT("40") },
			.count = 2,
			.is_double = true },
		{ .body = S("38:" EVENT_TWICE), .messages = { TEXT(EVENT_TWICE) }, .count = 1 },
		{ .body = S("34:" EVENT),
			.messages = { TEXT(EVENT) },
			.count = 1,
			.is_double = true },
		{ .body = S("7:42[\"\xe2\x82\xac\"]"),
			.messages = { TEXT("42[\"\xe2\x82\xac\"]") },
			.count = 1,
			.is_double = true },
		{ .body = S("7:42[\"\xc3\xa9\"]"),
			.messages = { TEXT("42[\"\xc3\xa9\"]") },
			.count = 1,
			.is_double = true },
		{ .body = S("10:b4AQL/Hg=="),
			.messages = { BINARY("\x04\x01\x02\xff\x1e") },
			.count = 1,
			.is_double = true },
	};

	(void)state;
	assert_bodies(&generation_eio3, cases, COUNT(cases));
}

/* What a server of 1.7 sends to one who did not ask for b64; there all is encoded once. */
static void takes_the_binary_framing_apart(void **state)
{
	static const struct body_case cases[] = {
		{ .body = S("\x00\x07\x08\xff" OPEN), .messages = { TEXT(OPEN) }, .count = 1 },
		{ .body = S("\x00\x02\xff"
			    "40"),
			.messages = { TEXT("40") },
			.count = 1 },
		{ .body = S("\x01\x05\xff\x04\x01\x02\xff\x1e\x00\x04\x01\xff"
			    "461-2[null,{\"_placeholder\":true,\"num\":0}]\x01\x03\xff\x04ok"),
			.messages = { BINARY("\x04\x01\x02\xff\x1e"),
				TEXT("461-2[null,{\"_placeholder\":true,\"num\":0}]"),
				BINARY("\x04ok") },
			.count = 3 },
		{ .body = S("\x00\x03\x08\xff" EVENT "\x01\x03\xff\x04ok"),
			.messages = { TEXT(EVENT), BINARY("\x04ok") },
			.count = 2,
			.is_double = true },
	};

	(void)state;
	assert_bodies(&generation_eio3, cases, COUNT(cases));
}

/* Lengths tell a cut body from a whole one. */
static void a_cut_body_is_bad(void **state)
{
	static const struct body_case cases[] = {
		{ .body = S("34:" EVENT), .messages = { TEXT(EVENT) }, .count = 1 },
		{ .body = S("10:b4AQL/Hg=="),
			.messages = { BINARY("\x04\x01\x02\xff\x1e") },
			.count = 1 },
		{ .body = S("\x01\x05\xff\x04\x01\x02\xff\x1e"),
			.messages = { BINARY("\x04\x01\x02\xff\x1e") },
			.count = 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t cut = 0; cut < cases[i].body.len; cut++) {
			size_t n;

			assert_int_equal(
				body_read(&generation_eio3, &cases[i], cut, &n), PAYLOAD_BAD);
			assert_int_equal(n, 0);
		}
	}
}

static void refuses_bad_bodies(void **state)
{
	static const struct slice bodies[] = {
		S(""),
		S("40"),
		S("0{\"sid\":1}"),
		S(":2"),
		S("0:"),
		S("0:2"),
		S("-1:2"),
		S("+1:2"),
		S(" 1:2"),
		S("1 :2"),
		S("1.0:2"),
		S("1"),
		S("1:"),
		S("2:4"),
		S("999999999:2"),
		S("1000000000:2"),
		S("000000000001:2"),
		S("123456789012345678901234567890:2"),
		S("18446744073709551617:2"),
		S("1:\xf0\x9f\x98\x80"),
		S("1:\xc3"),
		S("1:\xff"),
		S("2:\xc3\xa9"
		  "\xa9"),
		S("1:b"),
		S("5:b4AQ="),
		S("7:b4AQ==="),
		S("6:bxAQ=="),
		S("6:b4AQ*="),
		S("6:b4A\nQ="),
		S("6:b4AR=="),
		S("x"),
		S("\xff"),
		S("\x02\x01\xff"
		  "2"),
		S("\x00"),
		S("\x00\xff"
		  "2"),
		S("\x00\x00\xff"
		  "2"),
		S("\x00\x01"),
		S("\x00\x01\xff"),
		S("\x00\x01\xfe"
		  "2"),
		S("\x00\x0a\xff"
		  "2222222222"),
		S("\x00"
		  "1\xff"
		  "2"),
		S("\x00\x02\xff"
		  "2"),
		S("\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff"
		  "2"),
		S("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff"
		  "2"),
		S("\x01\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff"
		  "\x04"),
		S("\x00\x01\xff\xc3"),
		S("\x00\x01\xff\xff"),
	};

	(void)state;
	assert_bad_bodies(&generation_eio3, bodies, COUNT(bodies));
}

static void what_is_appended_is_read(void **state)
{
	static const struct body_message messages[] = { TEXT(EVENT), BINARY("\x04"),
		BINARY("\x04\x00\x1e\xff"), TEXT("2") };

	(void)state;
	assert_round_trip(
		&generation_eio3, generation_eio3.payload_append, messages, COUNT(messages));
	assert_round_trip(&generation_eio3, eio3_binary_append, messages, COUNT(messages));
}

static void bodies_are_written_as_servers_read_them(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_true(generation_eio3.payload_append(&b, false, (struct slice)S(EVENT)));
	assert_true(
		generation_eio3.payload_append(&b, true, (struct slice)S("\x04\x01\x02\xff\x1e")));
	assert_slice(buf_slice(&b), "34:" EVENT "10:b4AQL/Hg==");
	b.len = 0;
	assert_true(eio3_binary_append(&b, false, (struct slice)S(EVENT)));
	assert_true(eio3_binary_append(&b, true, (struct slice)S("\x04\x01\x02\xff\x1e")));
	assert_true(slice_equal(buf_slice(&b),
		(struct slice)S("\x00\x03\x08\xff" EVENT "\x01\x05\xff\x04\x01\x02\xff\x1e")));
	buf_release(&b);
}

static void undoes_one_encoding_or_nothing(void **state)
{
	static const struct {
		struct slice text;
		bool ok;
		struct slice undone;
	} cases[] = {
		{ S(""), true, S("") },
		{ S("plain"), true, S("plain") },
		{ S(EVENT_TWICE), true, S(EVENT) },
		{ S("\xc3\xa2\xc2\x82\xc2\xac"), true, S("\xe2\x82\xac") },
		{ S("\xc3\xa9"), false, S("") },
		{ S("\xe2\x82\xac"), false, S("") },
		{ S("\xc3\x83\xc2\xa9\xe2\x82\xac"), false, S("") },
		{ S("\xc3\x83"), false, S("") },
		{ S("\xc2"), false, S("") },
		{ S("\xc4\x80"), false, S("") },
		{ S("\x80"), false, S("") },
		{ S("\xff"), false, S("") },
		{ S("\xc3\x83\xc2\xa9\xc3"), false, S("") },
		{ S("\xc3\xad\xc2\xa0\xc2\x80"), false, S("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b;

		buf_init(&b, 1000);
		assert_true(buf_append_str(&b, "<"));
		assert_int_equal(eio3_text_undo(cases[i].text, &b), cases[i].ok);
		assert_true(slice_equal((struct slice){ b.data + 1, b.len - 1 }, cases[i].undone));
		buf_release(&b);
		if (cases[i].undone.len == 0)
			continue;
		buf_init(&b, cases[i].undone.len - 1);
		assert_false(eio3_text_undo(cases[i].text, &b));
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

static void attachments_arrive_over_polling(void **state)
{
	static const struct slice bodies[] = {
		S("42:461-2[{\"_placeholder\":true,\"num\":0,\"x\":1}]10:b4AQL/Hg=="),
		S("\x00\x04\x02\xff"
		  "461-2[{\"_placeholder\":true,\"num\":0,\"x\":1}]\x01\x05\xff\x04\x01\x02\xff\x1e"),
	};
	const struct generation *g = &generation_eio3;

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct sio_assembler *a = sio_assembler_new();
		enum sio_result result = SIO_MORE;
		struct payload_reader r;
		struct eio_packet eio;
		struct sio_packet sio;
		struct slice message;
		bool is_binary;
		struct err e;

		assert_non_null(a);
		payload_reader_init(&r, g, bodies[i]);
		while (payload_reader_next(&r, &is_binary, &message, &e) == PAYLOAD_MESSAGE) {
			assert_int_equal(result, SIO_MORE);
			assert_true(
				g->packet_decode(GENERATION_CLIENT, is_binary, message, &eio, &e));
			result = eio.is_binary ? sio_assembler_binary(a, g, eio.data, &sio, &e)
					       : sio_assembler_text(a, g, eio.data, &sio, &e);
		}
		assert_int_equal(result, SIO_PACKET);
		assert_true(sio.type == SIO_BINARY_ACK && sio.id == 2);
		assert_slice(sio_assembler_attachment(a, 0), "\x01\x02\xff\x1e");
		payload_reader_release(&r);
		sio_assembler_free(a);
	}
}

static void a_client_joins_without_auth(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_true(generation_eio3.join_encode(slice_of("/feed"), slice_of("{\"a\":1}"), &b));
	assert_slice(buf_slice(&b), "0/feed,");
	buf_release(&b);
}

static void bytes_that_came_as_text_are_undone(void **state)
{
	static const struct slice bad[] = { S(""), S("b"), S("4AQI="), S("b4AQI"), S("bxAQI="),
		S("b4A\xc3\xa9=") };
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_true(
		buf_append_str(&b, "before") && eio3_base64_undo((struct slice)S("b4AQI="), &b));
	assert_slice(buf_slice(&b), "before\x04\x01\x02");
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(eio3_base64_undo(bad[i], &b));
	assert_false(eio3_base64_undo((struct slice)S("b4AQI="), &b)); /* full */
	assert_int_equal(b.len, strlen("before") + 3);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_that_came_as_text_are_undone),
		cmocka_unit_test(a_binary_packet_begins_with_its_type),
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(takes_the_text_framing_apart),
		cmocka_unit_test(undoes_the_second_encoding_where_there_was_one),
		cmocka_unit_test(takes_the_binary_framing_apart),
		cmocka_unit_test(a_cut_body_is_bad),
		cmocka_unit_test(refuses_bad_bodies),
		cmocka_unit_test(what_is_appended_is_read),
		cmocka_unit_test(bodies_are_written_as_servers_read_them),
		cmocka_unit_test(undoes_one_encoding_or_nothing),
		cmocka_unit_test(attachments_arrive_over_polling),
		cmocka_unit_test(a_client_joins_without_auth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
