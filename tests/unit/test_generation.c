#include "unit.h"

#include "proto/generation.h"

#define S(s) SLICE_LITERAL(s)

static const struct generation *const all[] = { &generation_09, &generation_eio3,
	&generation_eio4 };

static void generations_are_found_by_name(void **state)
{
	static const char *const strangers[] = { "", "0", "0.9 ", "0.9.16", "eio", "eio5", "EIO4" };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		assert_ptr_equal(generation_named(slice_of(all[i]->name)), all[i]);
	for (size_t i = 0; i < COUNT(strangers); i++)
		assert_null(generation_named(slice_of(strangers[i])));
	assert_null(generation_named((struct slice){ NULL, 0 }));
}

static void events_are_written_for_each_generation(void **state)
{
	static const struct {
		const char *nsp, *name, *args;
		bool has_id;
		uint64_t id;
		const char *eio, *old;
	} cases[] = {
		{ "/", "subscribe", "{\"path\":\"/a\"},1.10", true, 0,
			"20[\"subscribe\",{\"path\":\"/a\"},1.10]",
			"5:0+::{\"name\":\"subscribe\",\"args\":[{\"path\":\"/a\"},1.10]}" },
		{ "", "a", "", false, 7, "2[\"a\"]", "5:::{\"name\":\"a\",\"args\":[]}" },
		{ "/feed", "a\"b\n]", " 1 , [2] ", true, 999999999999999,
			"2/feed,999999999999999[\"a\\\"b\\n]\", 1 , [2] ]",
			"5:999999999999999+:/feed:{\"name\":\"a\\\"b\\n]\",\"args\":[ 1 , [2] ]}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t j = 0; j < COUNT(all); j++) {
			const char *want = all[j] == &generation_09 ? cases[i].old : cases[i].eio;
			struct slice args = slice_of(cases[i].args);
			struct buf b;

			buf_init(&b, 1000);
			assert_true(buf_append_char(&b, '<'));
			assert_true(generation_event_encode(all[j], &b, slice_of(cases[i].nsp),
				slice_of(cases[i].name), args, cases[i].has_id, cases[i].id));
			assert_slice((struct slice){ b.data + 1, b.len - 1 }, want);
			buf_release(&b);
			buf_init(&b, strlen(want) - 1);
			assert_false(generation_event_encode(all[j], &b, slice_of(cases[i].nsp),
				slice_of(cases[i].name), args, cases[i].has_id, cases[i].id));
			assert_int_equal(b.len, 0);
			buf_release(&b);
		}
	}
}

/* What one side writes the other reads, of whatever generation: event, ack, refusal, join. */
static void packets_survive_the_wire_of_each_generation(void **state)
{
	static const struct sio_packet packets[] = {
		{ SIO_CONNECT, false, 0, 0, S("/"), S(""), S("") },
		{ SIO_CONNECT, false, 0, 0, S("/feed"), S("a=b"), S("") },
		{ SIO_DISCONNECT, false, 0, 0, S("/"), S(""), S("") },
		{ SIO_DISCONNECT, false, 0, 0, S("/feed"), S(""), S("") },
		{ SIO_EVENT, false, 0, 0, S("/"), S(""), S("[\"data\",{\"n\":1.10}]") },
		{ SIO_EVENT, true, 12, 0, S("/feed"), S(""),
			S("[\"d\\u0061ta\",-0,\"\xc3\xa9\"]") },
		{ SIO_EVENT, false, 0, 0, S("/"), S(""), S("[\"data\"]") },
		{ SIO_ACK, true, 3, 0, S("/"), S(""), S("[null]") },
		{ SIO_ACK, true, 0, 0, S("/feed"), S(""), S("[]") },
		{ SIO_ERROR, false, 0, 0, S("/"), S(""), S("\"unauthorized\"") },
		{ SIO_ERROR, false, 0, 0, S("/feed"), S(""), S("\"no such \\\"path\\\"+0\"") },
		{ SIO_ERROR, false, 0, 0, S("/"), S(""), S("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(packets); i++) {
		for (size_t j = 0; j < COUNT(all); j++) {
			struct eio_packet eio = { .type = EIO_MESSAGE };
			struct buf text, wire, scratch;
			struct sio_packet got;
			bool is_binary;
			struct err e = { 0 };

			buf_init(&text, 1000);
			buf_init(&wire, 1000);
			buf_init(&scratch, 1000);
			assert_true(all[j]->sio_encode(&packets[i], &text));
			eio.data = buf_slice(&text);
			assert_true(
				all[j]->packet_encode(GENERATION_SERVER, &eio, &wire, &is_binary));
			assert_true(all[j]->packet_decode(
				GENERATION_CLIENT, is_binary, buf_slice(&wire), &eio, &e));
			assert_int_equal(eio.type, EIO_MESSAGE);
			if (!all[j]->sio_decode(eio.data, &scratch, &got, &e))
				fail_msg("%s %zu: %s", all[j]->name, i, e.text);
			assert_int_equal(got.type, packets[i].type);
			assert_int_equal(got.has_id, packets[i].has_id);
			assert_int_equal(got.id, packets[i].id);
			assert_int_equal(got.attachments, 0);
			assert_true(slice_equal(got.nsp, packets[i].nsp));
			assert_true(slice_equal(got.query, packets[i].query));
			assert_true(slice_equal(got.data, packets[i].data));
			buf_release(&text);
			buf_release(&wire);
			buf_release(&scratch);
		}
	}
}

/* A fork of the heartbeat: who begins, and what the other answers. */
static void heartbeats_are_pings_and_pongs_to_both_roles(void **state)
{
	(void)state;
	for (size_t j = 0; j < COUNT(all); j++) {
		enum generation_role pinger = all[j]->client_pings ? GENERATION_CLIENT
								   : GENERATION_SERVER;
		enum generation_role other = all[j]->client_pings ? GENERATION_SERVER
								  : GENERATION_CLIENT;
		struct eio_packet packet = { .type = EIO_PING };
		bool is_binary = true;
		struct buf b;
		struct err e;

		buf_init(&b, 100);
		assert_true(all[j]->packet_encode(pinger, &packet, &b, &is_binary));
		assert_true(all[j]->packet_decode(other, is_binary, buf_slice(&b), &packet, &e));
		assert_int_equal(packet.type, EIO_PING);
		b.len = 0;
		packet.type = EIO_PONG;
		assert_true(all[j]->packet_encode(other, &packet, &b, &is_binary));
		assert_true(all[j]->packet_decode(pinger, is_binary, buf_slice(&b), &packet, &e));
		assert_int_equal(packet.type, EIO_PONG);
		assert_false(is_binary);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations_are_found_by_name),
		cmocka_unit_test(events_are_written_for_each_generation),
		cmocka_unit_test(packets_survive_the_wire_of_each_generation),
		cmocka_unit_test(heartbeats_are_pings_and_pongs_to_both_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
