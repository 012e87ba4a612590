/*
 * listen: addresses to listen on, names to be called by, and speeds of the command line.
 */
#include "unit.h"

#include "listen.h"
#include "serve_options.h"

static void addresses_are_read(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		uint16_t port;
		bool is_loopback;
	} cases[] = {
		{ "127.0.0.1:3000", "127.0.0.1", 3000, true },
		{ "127.9.9.9:0", "127.9.9.9", 0, true },
		{ "[::1]:65535", "::1", 65535, true },
		{ "localhost:80", "localhost", 80, true },
		{ ":3000", "", 3000, false },
		{ "0.0.0.0:1", "0.0.0.0", 1, false },
		{ "[::]:1", "::", 1, false },
		{ "example.org:8080", "example.org", 8080, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char host[LISTEN_HOST_MAX];
		uint16_t port;

		assert_true(listen_read(cases[i].text, host, &port));
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
		assert_int_equal(listen_is_loopback(host), cases[i].is_loopback);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = { "", "3000", "127.0.0.1", "127.0.0.1:", "h:65536",
		"h:-1", "h:80x", "::1:80", "[::1]", "[::1:80", "[::1]80", "http://h:80", "u@h:80",
		"h :80", "h:100000" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char host[LISTEN_HOST_MAX];
		uint16_t port;

		if (listen_read(texts[i], host, &port))
			fail_msg("%s was read", texts[i]);
	}
}

static void only_addresses_and_our_own_names_may_call(void **state)
{
	static const char *const good[] = { "127.0.0.1", "127.0.0.1:3000", "[::1]:3000", "[::1]",
		"localhost", "LOCALHOST:3000", "192.168.1.5:80", "replay.lan", "Replay.LAN:3000" };
	static const char *const bad[] = { "", ":3000", "evil.example", "evil.example:3000",
		"localhost.evil.example", "127.0.0.1.evil.example", "[evil]", "127.0.0.1:x",
		"127.0.0.1:3000:3000", "[::1" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(listen_is_called("replay.lan", slice_of(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(listen_is_called("replay.lan", slice_of(bad[i])));
	assert_false(listen_is_called("", slice_of("")));
}

static void speeds_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t speed;
	} cases[] = {
		{ "1", SCHEDULE_SPEED_ONE },
		{ "0.01", SCHEDULE_SLOWEST },
		{ "1000", SCHEDULE_FASTEST },
		{ "0.25", SCHEDULE_SPEED_ONE / 4 },
		{ "12.345678", 12345678 },
		{ "max", SCHEDULE_MAX },
	};
	static const char *const bad[] = { "", "0", "0.009", "1000.000001", "1001", "-1", "1x",
		"Max", "1.2345678", ".", "1..2", "1e3", "99999999999999999999", " 1" };
	char text[SERVE_SPEED_MAX];
	int64_t speed;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(serve_speed_read(slice_of(cases[i].text), &speed));
		assert_int_equal(speed, cases[i].speed);
		assert_string_equal(serve_speed_text(speed, text), cases[i].text);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		if (serve_speed_read(slice_of(bad[i]), &speed))
			fail_msg("'%s' was read", bad[i]);
	assert_true(serve_speed_read(slice_of("010.50"), &speed));
	assert_string_equal(serve_speed_text(speed, text), "10.5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(only_addresses_and_our_own_names_may_call),
		cmocka_unit_test(speeds_are_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
