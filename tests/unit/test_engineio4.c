#include "bodies.h"

#define S(s) SLICE_LITERAL(s)
#define TEXT(s) \
	{ \
		false, S(s) \
	}
#define BINARY(s) \
	{ \
		true, S(s) \
	}

static void a_binary_message_is_bare_data(void **state)
{
	static const struct slice message = S("\x04\x01\x00\xff");
	struct eio_packet p;
	struct err e;

	(void)state;
	assert_true(generation_eio4.packet_decode(GENERATION_CLIENT, true, message, &p, &e));
	assert_true(p.type == EIO_MESSAGE && p.is_binary);
	assert_true(slice_equal(p.data, message));
	assert_true(generation_eio4.packet_decode(
		GENERATION_CLIENT, true, (struct slice)S(""), &p, &e));
	assert_int_equal(p.data.len, 0);
}

static void what_is_encoded_is_decoded(void **state)
{
	const struct generation *g = &generation_eio4;

	(void)state;
	for (int type = EIO_OPEN; type <= EIO_NOOP; type++) {
		for (int binary = 0; binary <= (type == EIO_MESSAGE); binary++) {
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

static void takes_bodies_apart(void **state)
{
	static const struct body_case cases[] = {
		{ S("0{\"sid\":\"x\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":5000}"),
			{ TEXT("0{\"sid\":\"x\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":5000}") },
			1, false, true },
		{ S("421[\"question\",1]\x1e"
		    "430[null]\x1e"
		    "451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1e"
		    "bAQL/Hg=="),
			{ TEXT("421[\"question\",1]"), TEXT("430[null]"),
				TEXT("451-[\"b\",{\"_placeholder\":true,\"num\":0}]"),
				BINARY("\x01\x02\xff\x1e") },
			4, false, true },
		{ S("6\x1e"
		    "1"),
			{ TEXT("6"), TEXT("1") }, 2, false, true },
		{ S("b\x1e"
		    "2"),
			{ BINARY(""), TEXT("2") }, 2, false, true },
		{ S("42[\"\xc3\xa9\xf0\x9f\x98\x80\"]\x1e"
		    "b\x1e"
		    "bAQI="),
			{ TEXT("42[\"\xc3\xa9\xf0\x9f\x98\x80\"]"), BINARY(""),
				BINARY("\x01\x02") },
			3, false, true },
	};

	(void)state;
	assert_bodies(&generation_eio4, cases, COUNT(cases));
}

static void refuses_bad_bodies(void **state)
{
	static const struct slice bodies[] = {
		S(""),
		S("\x1e"),
		S("\x1e"
		  "2"),
		S("bA"),
		S("bAQ="),
		S("bAQ=\x1e"
		  "2"),
		S("bAQ"),
		S("bAQ==="),
		S("bAQ*="),
		S("b AQ="),
		S("bAQ-_"),
		S("\xff"),
		S("4\xc3"),
		S("4\xed\xa0\x80"),
		S("4\xc3\x1e\xa9"),
	};

	(void)state;
	assert_bad_bodies(&generation_eio4, bodies, COUNT(bodies));
}

/* What came before the fault stands. */
static void a_body_that_ends_with_a_separator_lacks_a_packet(void **state)
{
	static const struct body_case cases[] = {
		{ S("2\x1e"), { TEXT("2") }, 1, false, true },
		{ S("2\x1e\x1e"
		    "3"),
			{ TEXT("2") }, 1, false, true },
		{ S("2\x1e"
		    "bA"),
			{ TEXT("2") }, 1, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n;

		assert_int_equal(
			body_read(&generation_eio4, &cases[i], cases[i].body.len, &n), PAYLOAD_BAD);
		assert_int_equal(n, 1);
	}
}

static void what_is_appended_is_read(void **state)
{
	static const struct body_message messages[] = { BINARY(""), TEXT("42[\"\xc3\xa9\"]"),
		BINARY("\x04\x00\x1e\xff"), TEXT("2") };

	(void)state;
	assert_round_trip(
		&generation_eio4, generation_eio4.payload_append, messages, COUNT(messages));
}

/* 2 servers' binary events, as they come in a poll. */
static void attachments_arrive_over_polling(void **state)
{
	static const struct slice body = S("451-2[\"bin\",{\"_placeholder\":true,\"num\":0}]\x1e"
					   "bAQL/Hg==");
	const struct generation *g = &generation_eio4;
	struct sio_assembler *a = sio_assembler_new();
	enum sio_result result = SIO_MORE;
	struct payload_reader r;
	struct eio_packet eio;
	struct sio_packet sio;
	struct slice message;
	bool is_binary;
	struct err e;

	(void)state;
	assert_non_null(a);
	payload_reader_init(&r, g, body);
	while (payload_reader_next(&r, &is_binary, &message, &e) == PAYLOAD_MESSAGE) {
		assert_int_equal(result, SIO_MORE);
		assert_true(g->packet_decode(GENERATION_CLIENT, is_binary, message, &eio, &e));
		result = eio.is_binary ? sio_assembler_binary(a, g, eio.data, &sio, &e)
				       : sio_assembler_text(a, g, eio.data, &sio, &e);
	}
	assert_int_equal(result, SIO_PACKET);
	assert_true(sio.has_id && sio.id == 2);
	assert_slice(sio_assembler_attachment(a, 0), "\x01\x02\xff\x1e");
	payload_reader_release(&r);
	sio_assembler_free(a);
}

static void a_client_joins_with_its_auth(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_true(generation_eio4.join_encode(slice_of("/"), slice_of("{\"token\":\"t\"}"), &b));
	assert_slice(buf_slice(&b), "0{\"token\":\"t\"}");
	b.len = 0;
	assert_true(generation_eio4.join_encode(slice_of("/feed"), slice_of("{}"), &b));
	assert_slice(buf_slice(&b), "0/feed,{}");
	b.len = 0;
	assert_true(generation_eio4.join_encode(slice_of("/"), (struct slice){ NULL, 0 }, &b));
	assert_slice(buf_slice(&b), "0");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_binary_message_is_bare_data),
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(takes_bodies_apart),
		cmocka_unit_test(refuses_bad_bodies),
		cmocka_unit_test(a_body_that_ends_with_a_separator_lacks_a_packet),
		cmocka_unit_test(what_is_appended_is_read),
		cmocka_unit_test(attachments_arrive_over_polling),
		cmocka_unit_test(a_client_joins_with_its_auth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
