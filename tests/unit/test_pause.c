/*
 * pause, session_end: when a connection that is lost has missed what was sent since reading stopped, and why.
 */
#include "unit.h"

#include "record/pause.h"
#include "record/session_end.h"

#define SECOND INT64_C(1000000)
#define MIN PAUSE_BEHIND_MIN_US
#define MAX PAUSE_BEHIND_MAX_US

/* Stamps and monotonic times are different clocks. */
#define STAMP(mono) ((mono) + 1000000 * SECOND)

static void pause_for(struct pause *p, int64_t from_us, int64_t took_us)
{
	pause_begin(p, PAUSE_OVERLOAD, STAMP(from_us), from_us);
	pause_end(p, from_us + took_us);
}

static void who_reads_is_not_behind(void **state)
{
	struct pause p = { 0 };

	(void)state;
	assert_false(pause_is_behind(&p, 1));
	pause_end(&p, 2);
	assert_false(pause_is_behind(&p, 2));
}

static void behind_for_as_long_again_as_the_pause_was(void **state)
{
	static const struct {
		int64_t took;
		int64_t behind;
	} cases[] = {
		{ 0, MIN },
		{ 1000, MIN },
		{ MIN, MIN },
		{ 5 * SECOND, 5 * SECOND },
		{ MAX, MAX },
		{ 3600 * SECOND, MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t end = SECOND + cases[i].took;
		struct pause p = { 0 };

		pause_begin(&p, PAUSE_DISK, STAMP(SECOND), SECOND);
		assert_true(pause_is_behind(&p, end));
		assert_int_equal(p.since_us, STAMP(SECOND));
		pause_end(&p, end);
		assert_true(pause_is_behind(&p, end + cases[i].behind - 1));
		assert_false(pause_is_behind(&p, end + cases[i].behind));
	}
}

static void a_pause_before_the_last_is_caught_up_goes_back_to_the_first(void **state)
{
	struct pause p = { 0 };

	(void)state;
	pause_for(&p, 10 * SECOND, 5 * SECOND);
	pause_for(&p, 19 * SECOND, 1000);
	assert_int_equal(p.since_us, STAMP(10 * SECOND));
	/* A short one does not shorten what a long one has left. */
	assert_true(pause_is_behind(&p, 20 * SECOND));
	pause_for(&p, 30 * SECOND, 1000);
	assert_int_equal(p.since_us, STAMP(30 * SECOND));
}

static void a_row_of_short_pauses_reaches_back_no_further_than_heartbeats_take(void **state)
{
	struct pause p = { 0 };
	int64_t now = SECOND;

	(void)state;
	for (; now < 600 * SECOND; now += SECOND / 2)
		pause_for(&p, now, SECOND / 4);
	assert_int_equal(p.since_us, STAMP(now - SECOND / 2 - MAX));
	assert_true(pause_is_behind(&p, now));
}

static void a_long_pause_in_a_row_of_short_ones_is_not_forgotten(void **state)
{
	struct pause p = { 0 };
	int64_t now = 700 * SECOND;

	(void)state;
	pause_for(&p, 10 * SECOND, 600 * SECOND); /* until 610 s, and behind until 670 s */
	for (int64_t at = 611 * SECOND; at < 669 * SECOND; at += SECOND / 2)
		pause_for(&p, at, SECOND / 4);
	assert_int_equal(p.since_us, STAMP(10 * SECOND));
	for (int64_t at = 669 * SECOND; at < now; at += SECOND / 2)
		pause_for(&p, at, SECOND / 4);
	assert_int_equal(p.since_us, STAMP(now - SECOND / 2 - MAX));
}

static void the_weightier_reason_counts(void **state)
{
	struct pause p = { 0 };

	(void)state;
	pause_begin(&p, PAUSE_OVERLOAD, STAMP(1), 1);
	assert_int_equal(p.reason, PAUSE_OVERLOAD);
	pause_begin(&p, PAUSE_DISK, STAMP(2), 2);
	assert_int_equal(p.reason, PAUSE_DISK);
	assert_int_equal(p.since_us, STAMP(1));
	pause_end(&p, 3);
	pause_for(&p, 4, 1);
	assert_int_equal(p.reason, PAUSE_DISK);
	pause_for(&p, 10 * SECOND, 1);
	assert_int_equal(p.reason, PAUSE_OVERLOAD);
	assert_string_equal(pause_cause(PAUSE_OVERLOAD), "overload");
	assert_string_equal(pause_cause(PAUSE_DISK), "disk");
}

static void who_is_dropped_while_behind_was_dropped_for_that(void **state)
{
	static const struct {
		enum session_end end;
		const char *cause;
		bool is_drop;
	} cases[] = {
		{ SESSION_NETWORK, "network", true },
		{ SESSION_HEARTBEAT, "heartbeat", true },
		{ SESSION_DISCONNECTED, "server_closed", true },
		{ SESSION_ENGINE_CLOSED, "server_closed", true },
		{ SESSION_SERVER_CLOSED, "server_closed", true },
		{ SESSION_UNKNOWN_SID, "server_closed", true },
		{ SESSION_TOKEN, "token", false },
		{ SESSION_REFUSED, "refused", false },
		{ SESSION_PROTOCOL, "network", false },
		{ SESSION_OVERLOAD, "overload", false },
		{ SESSION_STOPPED, "stopped", true },
		{ SESSION_HANDOVER, "stopped", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *cause = cases[i].cause;

		assert_string_equal(session_end_cause(cases[i].end, PAUSE_NONE), cause);
		assert_string_equal(session_end_cause(cases[i].end, PAUSE_DISK),
			cases[i].is_drop ? "disk" : cause);
		assert_string_equal(session_end_cause(cases[i].end, PAUSE_OVERLOAD),
			cases[i].is_drop ? "overload" : cause);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_reads_is_not_behind),
		cmocka_unit_test(behind_for_as_long_again_as_the_pause_was),
		cmocka_unit_test(a_pause_before_the_last_is_caught_up_goes_back_to_the_first),
		cmocka_unit_test(
			a_row_of_short_pauses_reaches_back_no_further_than_heartbeats_take),
		cmocka_unit_test(a_long_pause_in_a_row_of_short_ones_is_not_forgotten),
		cmocka_unit_test(the_weightier_reason_counts),
		cmocka_unit_test(who_is_dropped_while_behind_was_dropped_for_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
