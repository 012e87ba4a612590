#include "unit.h"

#include <stdio.h>

#include "proto/engineio.h"

#define OPEN_WITH(members) "{\"sid\":\"abc\"," members "}"

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)1 << 20);
	return b;
}

static void reads_text_packets(void **state)
{
	static const struct {
		const char *message;
		enum eio_type type;
		const char *data;
	} cases[] = {
		{ "0{\"sid\":1}", EIO_OPEN, "{\"sid\":1}" },
		{ "1", EIO_CLOSE, "" },
		{ "2probe", EIO_PING, "probe" },
		{ "3", EIO_PONG, "" },
		{ "42[\"a\"]", EIO_MESSAGE, "2[\"a\"]" },
		{ "4", EIO_MESSAGE, "" },
		{ "5", EIO_UPGRADE, "" },
		{ "6", EIO_NOOP, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf again = new_buf();
		struct eio_packet p;
		struct err e;

		assert_true(eio_text_decode(slice_of(cases[i].message), &p, &e));
		assert_int_equal(p.type, cases[i].type);
		assert_false(p.is_binary);
		assert_slice(p.data, cases[i].data);
		assert_true(eio_text_encode(&p, &again));
		assert_slice(buf_slice(&again), cases[i].message);
		buf_release(&again);
	}
}

static void refuses_what_is_no_packet(void **state)
{
	static const char *const messages[] = { "", "7", "x", "b4AQL/Hg==", "\xff", "/", ":" };
	struct eio_packet p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(messages); i++) {
		assert_false(eio_text_decode(slice_of(messages[i]), &p, &e));
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	struct eio_packet packet = { EIO_MESSAGE, false, SLICE_LITERAL("12345") };
	struct eio_open open = { .sid = "abc", .ping_interval_ms = 1, .ping_timeout_ms = 1 };
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_false(eio_text_encode(&packet, &b));
	assert_int_equal(b.len, 0);
	buf_release(&b);
	buf_init(&b, 30);
	assert_false(eio_open_encode(&open, &b));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void reads_the_open_packets_of_real_servers(void **state)
{
	static const struct {
		const char *data;
		struct eio_open want;
	} cases[] = {
		{ "{\"sid\":\"-L9s_\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":60000}",
			{ "-L9s_", 25000, 60000, 0, true } },
		{ "{\"sid\":\"a\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
			{ "a", 25000, 20000, 1000000, false } },
		{ " {\"maxPayload\":null,\"new\":{\"sid\":1},\"pingTimeout\" : 1 ,\"pingInterval\":86400000,\"sid\":\"\\u0061\"} ",
			{ "a", 86400000, 1, 0, false } },
		{ OPEN_WITH(
			  "\"upgrades\":\"websocket\",\"pingInterval\":1,\"pingTimeout\":1,\"maxPayload\":1e6"),
			{ "abc", 1, 1, 0, false } },
		{ OPEN_WITH(
			  "\"upgrades\":[1,\"polling\",\"web\\u0073ocket\"],\"pingInterval\":1,\"pingTimeout\":1"),
			{ "abc", 1, 1, 0, true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct eio_open *want = &cases[i].want;
		struct eio_open got;
		struct err e = { 0 };

		if (!eio_open_decode(slice_of(cases[i].data), &got, &e))
			fail_msg("%s: %s", cases[i].data, e.text);
		assert_string_equal(got.sid, want->sid);
		assert_int_equal(got.ping_interval_ms, want->ping_interval_ms);
		assert_int_equal(got.ping_timeout_ms, want->ping_timeout_ms);
		assert_int_equal(got.max_payload, want->max_payload);
		assert_int_equal(got.upgrades_websocket, want->upgrades_websocket);
	}
}

static void absurd_intervals_are_named_with_their_value(void **state)
{
	static const char *const values[] = { "0", "-5", "1e308", "25000.0", "1e3", "86400001",
		"99999999999999999999999999", "\"25000\"", "null", "true", "[25000]", "-0",
		"4294967297" };
	static const char *const names[] = { "pingInterval", "pingTimeout" };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		for (size_t j = 0; j < 2; j++) {
			struct eio_open open;
			struct err e = { 0 };
			char data[200];

			(void)snprintf(data, sizeof(data), OPEN_WITH("\"%s\":%s,\"%s\":25000"),
				names[j], values[i], names[1 - j]);
			assert_false(eio_open_decode(slice_of(data), &open, &e));
			assert_int_equal(e.code, ERR_PROTOCOL);
			assert_non_null(strstr(e.text, names[j]));
			if (*values[i] != '"')
				assert_non_null(strstr(e.text, values[i]));
		}
	}
}

static void bad_open_packets_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"null",
		"[]",
		"\"\"",
		"{",
		"{}",
		"{\n}\n",
		"not JSON",
		"{\"sid\":\"a\"}",
		OPEN_WITH("\"pingInterval\":25000"),
		OPEN_WITH("\"pingTimeout\":25000"),
		"{\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":1,\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"\",\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"a b\",\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"a\\u0000b\",\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"a\\n\",\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"\\ud800\",\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"\xc3\xa9\",\"pingInterval\":1,\"pingTimeout\":1}",
		"{\"sid\":\"\xff\",\"pingInterval\":1,\"pingTimeout\":1}",
		OPEN_WITH("\"pingInterval\":1,\"pingTimeout\":1") "x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct eio_open open;
		struct err e = { 0 };

		assert_false(eio_open_decode(slice_of(cases[i]), &open, &e));
		assert_non_null(strstr(e.text, "open packet"));
	}
}

static void a_sid_may_have_128_characters(void **state)
{
	for (size_t n = EIO_SID_MAX - 1; n <= EIO_SID_MAX + 1; n++) {
		struct eio_open open;
		char data[400], sid[200];
		struct err e;

		(void)state;
		memset(sid, 'x', n);
		sid[n] = '\0';
		(void)snprintf(data, sizeof(data),
			"{\"sid\":\"%s\",\"pingInterval\":1,\"pingTimeout\":1}", sid);
		assert_int_equal(eio_open_decode(slice_of(data), &open, &e), n <= EIO_SID_MAX);
		if (n <= EIO_SID_MAX)
			assert_string_equal(open.sid, sid);
	}
}

static void an_encoded_open_packet_is_decoded(void **state)
{
	static const struct eio_open opens[] = {
		{ "abc-_DEF", 25000, 20000, 1000000, false },
		{ "x\"y\\z", 1, EIO_INTERVAL_MAX_MS, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf b = new_buf();
		struct eio_open got;
		struct err e;

		assert_true(eio_open_encode(&opens[i], &b));
		assert_true(eio_open_decode(buf_slice(&b), &got, &e));
		assert_string_equal(got.sid, opens[i].sid);
		assert_int_equal(got.ping_interval_ms, opens[i].ping_interval_ms);
		assert_int_equal(got.ping_timeout_ms, opens[i].ping_timeout_ms);
		assert_int_equal(got.max_payload, opens[i].max_payload);
		assert_int_equal(got.upgrades_websocket, opens[i].upgrades_websocket);
		for (size_t cut = 0; cut < b.len; cut++)
			assert_false(eio_open_decode((struct slice){ b.data, cut }, &got, &e));
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_text_packets),
		cmocka_unit_test(refuses_what_is_no_packet),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
		cmocka_unit_test(reads_the_open_packets_of_real_servers),
		cmocka_unit_test(absurd_intervals_are_named_with_their_value),
		cmocka_unit_test(bad_open_packets_are_refused),
		cmocka_unit_test(a_sid_may_have_128_characters),
		cmocka_unit_test(an_encoded_open_packet_is_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
