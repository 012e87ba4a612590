#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/timestamp.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

#define T0904 INT64_C(1410771840000000) /* 2014-09-15T09:04:00Z */

static struct err e;

/* The same numbers on every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* A random instant between the years 0000 and 9999. */
static int64_t random_us(uint64_t *seed)
{
	uint64_t span = (uint64_t)(TIMESTAMP_MAX_US - TIMESTAMP_MIN_US) + 1;

	return TIMESTAMP_MIN_US + (int64_t)(next_random(seed) % span);
}

static void reads_iso_8601(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "2014-09-15T09:04:00.000Z", T0904 },
		{ "2014-09-15T09:04:00Z", T0904 },
		{ "2014-09-15T09:04Z", T0904 },
		{ "2014-09-15t09:04:00z", T0904 },
		{ "2014-09-15 09:04:00", T0904 },
		{ "2014-09-15T09:04", T0904 },
		{ "2014-09-15", T0904 - INT64_C(32640000000) },
		{ "20140915T090400Z", T0904 },
		{ "20140915T0904", T0904 },
		{ "20140915 090400.5", T0904 + 500000 },
		{ "2014-09-15T09:04:00,25Z", T0904 + 250000 },
		{ "2014-09-15T09:04:00.1", T0904 + 100000 },
		{ "2014-09-15T09:04:00.000001Z", T0904 + 1 },
		{ "2014-09-15T09:04:00.9999999999999999999999999999Z", T0904 + 999999 },
		{ "2014-09-15T11:04:00+02:00", T0904 },
		{ "2014-09-15T11:04:00+0200", T0904 },
		{ "2014-09-15T11:04:00+02", T0904 },
		{ "2014-09-15T11:04+02:00", T0904 },
		{ "20140915T110400.000+0200", T0904 },
		{ "20140915T1104+02:00", T0904 },
		{ "2014-09-15T05:04:00-04:00", T0904 },
		{ "2014-09-15T14:34:00+05:30", T0904 },
		{ "2014-09-15T05:34:00-03:30", T0904 },
		{ "2014-09-16T09:03:00+23:59", T0904 },
		{ "2014-09-15T09:04:00-00:00", T0904 },
		{ "2014-09-15T09:03:60Z", T0904 },
		{ "2014-09-15T09:03:60.5Z", T0904 + 500000 },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59.999999Z", -1 },
		{ "1969-12-31T24:00:00Z", 0 },
		{ "1969-12-31T24:00Z", 0 },
		{ "1969-12-31T24:00:00.000Z", 0 },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000000) },
		{ "2000-02-29", INT64_C(951782400000000) },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000000) },
		{ "0000-01-01T00:00:00Z", TIMESTAMP_MIN_US },
		{ "9999-12-31T23:59:59.999999Z", TIMESTAMP_MAX_US },
		{ "9999-12-31T24:00:00+00:01", TIMESTAMP_MAX_US + 1 - INT64_C(60000000) },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char token[128];
		int64_t us = 0;

		(void)snprintf(token, sizeof(token), "\"%s\"", cases[i].text);
		if (!timestamp_parse(slice_of(token), &us, &e))
			fail_msg("%s: %s", cases[i].text, e.text);
		if (us != cases[i].us)
			fail_msg("%s: %lld", cases[i].text, (long long)us);
	}
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const wrong[] = {
		"",
		" ",
		"now",
		"-",
		"+1",
		".5",
		"5.",
		"1e",
		"1e+",
		"1.e5",
		"1.5.2",
		"0x10",
		"1 ",
		" 1",
		"1,5",
		"--1",
		"1e5.5",
		"1e 5",
		"Infinity",
		"NaN",
		"2014-09",
		"2014-09-",
		"2014-9-15",
		"2014-09-15T",
		"2014-09-15T09",
		"2014-09-15T09:",
		"2014-09-15T09:4",
		"2014-09-15T9:04",
		"2014-09-15T09:04:",
		"2014-09-15T09:04:0",
		"2014-09-15T09:04:00.",
		"2014-09-15T09:04:00.Z",
		"2014-09-15T09:04.5Z",
		"2014-09-15T09:04:00Z ",
		"2014-09-15T09:04:00 Z",
		"2014-09-15T09:04:00ZZ",
		"2014-09-15T09:04:00+",
		"2014-09-15T09:04:00+2",
		"2014-09-15T09:04:00+02:",
		"2014-09-15T09:04:00+02:0",
		"2014-09-15T09:04:00+020",
		"2014-09-15T09:04:00+02:000",
		"2014-09-15T09:04:00+24:00",
		"2014-09-15T09:04:00+02:60",
		"2014-09-15Z",
		"2014-09-15+02:00",
		"2014-09-15X09:04:00Z",
		"2014-09-15T0904",
		"20140915T09:04",
		"2014-0915",
		"201409-15",
		"20140915T",
		"20140915Z",
		"20140915T09",
		"20140915T09040",
		"2014/09/15",
		"15-09-2014",
		"2014-09-15T09:04:00.000\\u005a0",
		"02014-09-15",
		"-2014-09-15",
		"+2014-09-15",
		"2014-00-01",
		"2014-13-01",
		"2014-01-00",
		"2014-01-32",
		"2014-04-31",
		"2014-02-29",
		"1900-02-29",
		"2100-02-29",
		"2014-09-15T24:01",
		"2014-09-15T24:00:01",
		"2014-09-15T24:00:00.001",
		"2014-09-15T25:00",
		"2014-09-15T09:60",
		"2014-09-15T09:04:61",
		"2014-09-15T24:00:60",
		"0000-01-01T00:00:00+00:01",
		"9999-12-31T24:00:00Z",
		"9999-12-31T23:59:60Z",
		"9999-12-31T23:59:59-00:01",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		char token[128];
		int64_t us = 4711;

		(void)snprintf(token, sizeof(token), "\"%s\"", wrong[i]);
		if (timestamp_parse(slice_of(token), &us, &e))
			fail_msg("'%s' passed as %lld", wrong[i], (long long)us);
		assert_int_equal(e.code, ERR_INPUT);
		assert_int_equal(us, 4711);
	}
}

static void refuses_tokens_of_other_types(void **state)
{
	static const char *const wrong[] = { "null", "true", "[]", "{}", "[1]", "\"\\ud800\"", "" };
	int64_t us;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_false(timestamp_parse(slice_of(wrong[i]), &us, &e));
	assert_false(timestamp_parse(slice_of("null"), &us, &e));
	assert_string_equal(e.text, "a time must be a string or a number");
}

static void tells_what_it_could_not_read(void **state)
{
	int64_t us;

	(void)state;
	assert_false(timestamp_parse(slice_of("\"soon\""), &us, &e));
	assert_string_equal(
		e.text, "'soon' is no time: neither ISO 8601 (2014-09-15T09:04:00Z) nor a number");
	assert_false(timestamp_parse(slice_of("1e999"), &us, &e));
	assert_string_equal(e.text, "'1e999' is outside the years 0000 to 9999");
}

static const struct {
	const char *number;
	int64_t us;
} numbers[] = {
	{ "0", 0 },
	{ "-0", 0 },
	{ "0.0", 0 },
	{ "0e5", 0 },
	{ "0e999999999999999999999999", 0 },
	{ "1410771840", T0904 },
	{ "1410771840000", T0904 },
	{ "1410771840000000", T0904 },
	{ "1410771840000000000", T0904 },
	{ "1410771840.5", T0904 + 500000 },
	{ "1410771840.123456789", T0904 + 123456 },
	{ "1410771840000.9999", T0904 + 999 },
	{ "1410771840000001.9", T0904 + 1 },
	{ "1410771840000001999", T0904 + 1 },
	{ "1410771840000000999.9", T0904 },
	{ "1.41077184e9", T0904 },
	{ "1.41077184E+12", T0904 },
	{ "141077184e7", T0904 },
	{ "14107718400000000000e-4", T0904 },
	{ "14107718400000000000e-1", T0904 },
	{ "0.0000141077184e14", T0904 },
	{ "0.000001", 1 },
	{ "0.0000019", 1 },
	{ "0.0000009", 0 },
	{ "1e-6", 1 },
	{ "1e-7", 0 },
	{ "1e-999999999999999999999", 0 },
	{ "-1", -1000000 },
	{ "-0.0000019", -1 },
	{ "-1410771840000", -T0904 },
	{ "99999999999", INT64_C(99999999999000000) },
	{ "99999999999.9", INT64_C(99999999999900000) },
	{ "100000000000", INT64_C(100000000000000) },
	{ "99999999999999", INT64_C(99999999999999000) },
	{ "100000000000000", INT64_C(100000000000000) },
	{ "99999999999999999", INT64_C(99999999999999999) },
	{ "100000000000000000", INT64_C(100000000000000) },
	{ "-62167219200000", TIMESTAMP_MIN_US },
	{ "-100000000000000", INT64_C(-100000000000000) },
	{ "253402300799999999999", TIMESTAMP_MAX_US },
	{ "-62167219200000000000", TIMESTAMP_MIN_US },
};

/* 99999999999 seconds is the year 5138; as numbers only nanoseconds reach the ends of the range. */
static void takes_the_unit_of_a_number_from_its_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		char token[128];
		int64_t as_number = 1;
		int64_t as_string = 2;

		(void)snprintf(token, sizeof(token), "\"%s\"", numbers[i].number);
		if (!timestamp_parse(slice_of(numbers[i].number), &as_number, &e) ||
			!timestamp_parse(slice_of(token), &as_string, &e))
			fail_msg("%s: %s", numbers[i].number, e.text);
		if (as_number != numbers[i].us || as_string != numbers[i].us)
			fail_msg("%s: %lld", numbers[i].number, (long long)as_number);
	}
}

static void refuses_numbers_beyond_the_range(void **state)
{
	static const char *const wrong[] = {
		"253402300800000000000",
		"-62167219200000001000",
		"999999999999999999999",
		"1e21",
		"1e400",
		"-1e400",
		"1e999999999999999999999999999999",
		"123456789012345678901234567890",
		"9223372036854775808000",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		int64_t us;

		if (timestamp_parse(slice_of(wrong[i]), &us, &e))
			fail_msg("%s passed as %lld", wrong[i], (long long)us);
		assert_int_equal(e.code, ERR_INPUT);
	}
}

static void reads_digits_without_end(void **state)
{
	size_t len = 100000;
	char *text = malloc(len);
	int64_t us;

	(void)state;
	assert_non_null(text);
	memset(text, '0', len);
	assert_true(timestamp_parse_text((struct slice){ text, len }, &us, &e));
	assert_int_equal(us, 0);
	text[len - 1] = '7';
	assert_true(timestamp_parse_text((struct slice){ text, len }, &us, &e));
	assert_int_equal(us, 7000000);
	text[1] = '.';
	assert_true(timestamp_parse_text((struct slice){ text, len }, &us, &e));
	assert_int_equal(us, 0);
	memset(text, '9', len);
	assert_false(timestamp_parse_text((struct slice){ text, len }, &us, &e));
	memcpy(text, "1970-01-01T00:00:00.", 20);
	assert_true(timestamp_parse_text((struct slice){ text, len }, &us, &e));
	assert_int_equal(us, 999999);
	free(text);
}

static void reads_a_string_with_escapes(void **state)
{
	int64_t us;

	(void)state;
	assert_true(timestamp_parse(slice_of("\"2014\\u002d09-15T09:04:00.000\\u005A\""), &us, &e));
	assert_int_equal(us, T0904);
	assert_true(timestamp_parse(slice_of("\"\\u0031410771840\""), &us, &e));
	assert_int_equal(us, T0904);
	assert_false(timestamp_parse(slice_of("\"1\\u0000\""), &us, &e));
	assert_false(timestamp_parse(slice_of("\"2014-09-15\\u0000\""), &us, &e));
	assert_false(timestamp_parse(slice_of("\"2014-09-15T09:04:00\\n\""), &us, &e));
}

/* The digits of a year (a number), a date, a minute, a second, a fraction and a zone may end a text; nothing else. */
static void refuses_a_time_cut_anywhere_else(void **state)
{
	static const char text[] = "2014-09-15T09:04:05.678+02:30";
	static const size_t whole[] = { 1, 2, 3, 4, 10, 16, 19, 21, 22, 23, 26, 29 };

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		char *copy = malloc(cut != 0 ? cut : 1);
		bool want = false;
		int64_t us;

		assert_non_null(copy);
		memcpy(copy, text, cut);
		for (size_t i = 0; i < COUNT(whole); i++)
			want = want || whole[i] == cut;
		if (timestamp_parse_text((struct slice){ copy, cut }, &us, &e) != want)
			fail_msg("cut at %zu", cut);
		free(copy);
	}
}

static void writes_three_digits_or_six(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ T0904, "2014-09-15T09:04:00.000Z" },
		{ T0904 + 120000, "2014-09-15T09:04:00.120Z" },
		{ T0904 + 120001, "2014-09-15T09:04:00.120001Z" },
		{ T0904 + 1, "2014-09-15T09:04:00.000001Z" },
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ -1000, "1969-12-31T23:59:59.999Z" },
		{ TIMESTAMP_MIN_US, "0000-01-01T00:00:00.000Z" },
		{ TIMESTAMP_MAX_US, "9999-12-31T23:59:59.999999Z" },
		{ TIMESTAMP_MAX_US + 1, "10000-01-01T00:00:00.000Z" },
		{ TIMESTAMP_MIN_US - 1, "-0001-12-31T23:59:59.999999Z" },
		{ INT64_MAX, "294247-01-10T04:00:54.775807Z" },
		{ INT64_MIN, "-290308-12-21T19:59:05.224192Z" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[TIMESTAMP_TEXT_MAX];

		timestamp_format(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void agrees_with_the_calendar_of_the_c_library(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		int64_t us = random_us(&seed) / 1000000 * 1000000;
		time_t seconds = (time_t)(us / 1000000);
		char text[TIMESTAMP_TEXT_MAX];
		char want[128];
		struct tm tm;

		assert_non_null(gmtime_r(&seconds, &tm));
		(void)snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02d.000Z",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
		timestamp_format(us, text);
		assert_string_equal(text, want);
	}
}

/* Each day from 0000-01-01 to 9999-12-31 in turn: the next text is the next day, and reads back as it. */
static void counts_every_day_of_ten_thousand_years(void **state)
{
	int64_t day_us = INT64_C(86400000000);
	int days = 0;

	(void)state;
	for (int64_t us = TIMESTAMP_MIN_US; us <= TIMESTAMP_MAX_US; us += day_us, days++) {
		char text[TIMESTAMP_TEXT_MAX];
		int64_t back;

		timestamp_format(us, text);
		text[10] = '\0';
		if (!timestamp_parse_text(slice_of(text), &back, &e) || back != us)
			fail_msg("%s: %s", text, e.text);
	}
	assert_int_equal(days, 3652425); /* 25 times 400 years of 146,097 days */
}

static void knows_the_leap_years(void **state)
{
	(void)state;
	for (int year = 0; year <= 9999; year++) {
		bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
		char text[32];
		int64_t us;

		(void)snprintf(text, sizeof(text), "%04d-02-29", year);
		assert_int_equal(timestamp_parse_text(slice_of(text), &us, &e), is_leap);
	}
}

static void reads_back_what_it_writes(void **state)
{
	uint64_t seed = 2463534242u;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		int64_t us = random_us(&seed);
		char token[TIMESTAMP_TEXT_MAX + 2] = "\"";
		int64_t back = 0;

		if (i % 2 == 0)
			us = us / 1000 * 1000;
		timestamp_format(us, token + 1);
		strcat(token, "\"");
		assert_true(timestamp_parse(slice_of(token), &back, &e));
		assert_int_equal(back, us);
		assert_true(timestamp_is_canonical(slice_of(token), us));
		assert_false(timestamp_is_canonical(slice_of(token), us + 1));
	}
}

static void knows_the_canonical_text(void **state)
{
	static const char *const other[] = {
		"\"2014-09-15T09:04:00Z\"",
		"\"2014-09-15T09:04:00.000z\"",
		"\"2014-09-15t09:04:00.000Z\"",
		"\"2014-09-15 09:04:00.000Z\"",
		"\"2014-09-15T09:04:00.000000Z\"",
		"\"2014-09-15T09:04:00.000+00:00\"",
		"\"2014-09-15T09:04:00.000\\u005a\"",
		"\"2014-09-15T09:04:00.00Z\"",
		"1410771840",
		"\"1410771840\"",
		"\"\"",
		"2014-09-15T09:04:00.000Z00",
	};

	(void)state;
	assert_true(timestamp_is_canonical(slice_of("\"2014-09-15T09:04:00.000Z\""), T0904));
	for (size_t i = 0; i < COUNT(other); i++) {
		if (timestamp_is_canonical(slice_of(other[i]), T0904))
			fail_msg("%s passed", other[i]);
	}
	assert_false(timestamp_is_canonical((struct slice){ NULL, 0 }, T0904));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_iso_8601),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(refuses_tokens_of_other_types),
		cmocka_unit_test(tells_what_it_could_not_read),
		cmocka_unit_test(takes_the_unit_of_a_number_from_its_size),
		cmocka_unit_test(refuses_numbers_beyond_the_range),
		cmocka_unit_test(reads_digits_without_end),
		cmocka_unit_test(reads_a_string_with_escapes),
		cmocka_unit_test(refuses_a_time_cut_anywhere_else),
		cmocka_unit_test(writes_three_digits_or_six),
		cmocka_unit_test(agrees_with_the_calendar_of_the_c_library),
		cmocka_unit_test(counts_every_day_of_ten_thousand_years),
		cmocka_unit_test(knows_the_leap_years),
		cmocka_unit_test(reads_back_what_it_writes),
		cmocka_unit_test(knows_the_canonical_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
