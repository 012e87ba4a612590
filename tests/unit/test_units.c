#include "unit.h"

#include <string.h>

#include "base/units.h"

struct unit_case {
	const char *text;
	enum units_result result;
	int64_t value;
};

static void reads_durations(void **state)
{
	static const struct unit_case cases[] = {
		{ "1ms", UNITS_OK, 1000 },
		{ "200ms", UNITS_OK, 200000 },
		{ "0s", UNITS_OK, 0 },
		{ "10s", UNITS_OK, 10 * UNITS_S },
		{ "1m", UNITS_OK, 60 * UNITS_S },
		{ "15m", UNITS_OK, 15 * UNITS_M },
		{ "5h", UNITS_OK, 5 * UNITS_H },
		{ "30d", UNITS_OK, 30 * UNITS_D },
		{ "0.5s", UNITS_OK, 500000 },
		{ "1.25h", UNITS_OK, 75 * UNITS_M },
		{ "0.001ms", UNITS_OK, 1 },
		{ "2.5ms", UNITS_OK, 2500 },
		{ "0.050s", UNITS_OK, 50000 },
		{ "007m", UNITS_OK, 7 * UNITS_M },
		{ "36500d", UNITS_OK, UNITS_DURATION_MAX_US },
		{ "36500.001d", UNITS_LARGE, 0 },
		{ "36501d", UNITS_LARGE, 0 },
		{ "99999999999999999999999999ms", UNITS_LARGE, 0 },
		{ "18446744073709551617ms", UNITS_LARGE, 0 },
		{ "", UNITS_SYNTAX, 0 },
		{ "s", UNITS_SYNTAX, 0 },
		{ "5", UNITS_SYNTAX, 0 },
		{ "5 s", UNITS_SYNTAX, 0 },
		{ " 5s", UNITS_SYNTAX, 0 },
		{ "5s ", UNITS_SYNTAX, 0 },
		{ "-5s", UNITS_SYNTAX, 0 },
		{ "+5s", UNITS_SYNTAX, 0 },
		{ "5S", UNITS_SYNTAX, 0 },
		{ "5sec", UNITS_SYNTAX, 0 },
		{ "5us", UNITS_SYNTAX, 0 },
		{ "1h30m", UNITS_SYNTAX, 0 },
		{ ".5s", UNITS_SYNTAX, 0 },
		{ "1.s", UNITS_SYNTAX, 0 },
		{ "1.0001s", UNITS_SYNTAX, 0 },
		{ "1e3ms", UNITS_SYNTAX, 0 },
		{ "0x10s", UNITS_SYNTAX, 0 },
		{ "1MiB", UNITS_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t us = -1;

		if (units_duration(slice_of(cases[i].text), &us) != cases[i].result)
			fail_msg("'%s' was misjudged", cases[i].text);
		assert_int_equal(us, cases[i].result == UNITS_OK ? cases[i].value : -1);
	}
}

static void reads_sizes(void **state)
{
	static const struct unit_case cases[] = {
		{ "0B", UNITS_OK, 0 },
		{ "1B", UNITS_OK, 1 },
		{ "1KiB", UNITS_OK, 1024 },
		{ "64MiB", UNITS_OK, 64 * 1024 * 1024 },
		{ "1GiB", UNITS_OK, 1024 * 1024 * 1024 },
		{ "1.5KiB", UNITS_OK, 1536 },
		{ "0.001KiB", UNITS_OK, 1 },
		{ "0.5B", UNITS_OK, 0 },
		{ "1048576GiB", UNITS_OK, (int64_t)UNITS_SIZE_MAX },
		{ "1048577GiB", UNITS_LARGE, 0 },
		{ "18446744073709551616B", UNITS_LARGE, 0 },
		{ "1", UNITS_SYNTAX, 0 },
		{ "1K", UNITS_SYNTAX, 0 },
		{ "1KB", UNITS_SYNTAX, 0 },
		{ "1kib", UNITS_SYNTAX, 0 },
		{ "1 MiB", UNITS_SYNTAX, 0 },
		{ "-1B", UNITS_SYNTAX, 0 },
		{ "1s", UNITS_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t bytes = 77;

		if (units_size(slice_of(cases[i].text), &bytes) != cases[i].result)
			fail_msg("'%s' was misjudged", cases[i].text);
		assert_int_equal(
			bytes, cases[i].result == UNITS_OK ? (uint64_t)cases[i].value : 77);
	}
}

/* No byte behind the slice may be looked at. */
static void stays_inside_the_text(void **state)
{
	int64_t us = 0;

	(void)state;
	assert_int_equal(units_duration((struct slice){ "12ms", 3 }, &us), UNITS_OK);
	assert_int_equal(us, 12 * UNITS_M);
	assert_int_equal(units_duration((struct slice){ "12ms", 2 }, &us), UNITS_SYNTAX);
	assert_int_equal(units_duration((struct slice){ NULL, 0 }, &us), UNITS_SYNTAX);
}

static void writes_the_largest_unit(void **state)
{
	char text[UNITS_TEXT_MAX];

	(void)state;
	assert_string_equal(units_duration_text(text, 0), "0s");
	assert_string_equal(units_duration_text(text, 200000), "200ms");
	assert_string_equal(units_duration_text(text, 90 * UNITS_S), "90s");
	assert_string_equal(units_duration_text(text, 5 * UNITS_H), "5h");
	assert_string_equal(units_duration_text(text, 48 * UNITS_H), "2d");
	assert_string_equal(units_duration_text(text, 1500), "1.500ms");
	assert_string_equal(units_size_text(text, 0), "0B");
	assert_string_equal(units_size_text(text, 1023), "1023B");
	assert_string_equal(units_size_text(text, 64 * UNITS_MIB), "64MiB");
	assert_string_equal(units_size_text(text, UNITS_SIZE_MAX), "1048576GiB");
}

static void what_is_written_reads_back(void **state)
{
	static const int64_t values[] = { 1, 999, 1000, 1001, 59999999, 60000000, 86400000001,
		UNITS_DURATION_MAX_US };

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		char text[UNITS_TEXT_MAX];
		int64_t us = -1;
		uint64_t bytes = 0;

		assert_int_equal(
			units_duration(slice_of(units_duration_text(text, values[i])), &us),
			UNITS_OK);
		assert_int_equal(us, values[i]);
		if ((uint64_t)values[i] > UNITS_SIZE_MAX)
			continue;
		assert_int_equal(
			units_size(slice_of(units_size_text(text, (uint64_t)values[i])), &bytes),
			UNITS_OK);
		assert_int_equal(bytes, values[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(stays_inside_the_text),
		cmocka_unit_test(writes_the_largest_unit),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
