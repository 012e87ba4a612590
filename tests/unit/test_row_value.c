#include "store/row_value.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buf scratch;

static void assert_text(const char *json, const char *text)
{
	struct row_value v = row_value_of(slice_of(json), &scratch);

	assert_int_equal(v.kind, ROW_TEXT);
	assert_int_equal(v.text.len, strlen(text));
	assert_memory_equal(v.text.ptr, text, v.text.len);
}

static void assert_integer(const char *json, int64_t value)
{
	struct row_value v = row_value_of(slice_of(json), &scratch);

	assert_int_equal(v.kind, ROW_INTEGER);
	assert_true(v.integer == value);
}

static void assert_real(const char *json, double value)
{
	struct row_value v = row_value_of(slice_of(json), &scratch);

	assert_int_equal(v.kind, ROW_REAL);
	assert_true(v.real == value);
}

static void integers_that_come_back_are_integers(void **state)
{
	(void)state;
	assert_integer("0", 0);
	assert_integer("-1", -1);
	assert_integer("\"5930\"", 5930);
	assert_integer("9223372036854775807", INT64_MAX);
	assert_integer("-9223372036854775808", INT64_MIN);
	assert_integer("true", 1);
	assert_integer("false", 0);
}

static void integers_that_would_change_stay_text(void **state)
{
	(void)state;
	assert_text("\"005930\"", "005930");
	assert_text("-0", "-0");
	assert_text("9223372036854775808", "9223372036854775808");
	assert_text("12345678901234567890", "12345678901234567890");
	assert_text("\"+1\"", "+1");
	assert_text("\" 1\"", " 1");
	assert_text("\"1 \"", "1 ");
	assert_text("\"-\"", "-");
	assert_text("\"0x10\"", "0x10");
}

static void decimals_that_come_back_are_reals(void **state)
{
	(void)state;
	assert_real("\"-0.0337734249681757\"", -0.0337734249681757);
	assert_real("1.5", 1.5);
	assert_real("0.1", 0.1);
	assert_real("100.0", 100.0);
	assert_real("0.0", 0.0);
	assert_real("\"0.30000000000000004\"", 0.30000000000000004); /* 17 digits, none shorter */
	assert_real("0.000012", 0.000012);
	assert_real("123456789012.345", 123456789012.345);
	assert_real("900719925474093.0", 900719925474093.0); /* 15 digits and a zero */
	assert_real("9007199254740992.0", 9007199254740992.0);
}

/* Every text of few digits that becomes a REAL, and random ones of up to 17. */
static void reals_give_their_text_back(void **state)
{
	char text[64];
	char back[ROW_REAL_TEXT_MAX];
	int reals = 0;

	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		struct row_value v;

		(void)snprintf(text, sizeof(text), "%s%.*f", i % 3 == 0 ? "-" : "",
			(int)(random() % 18),
			(double)random() / (double)(1 + random() % (1L << random() % 31)));
		v = row_value_of(slice_of(text), &scratch);
		if (v.kind != ROW_REAL)
			continue;
		reals++;
		row_real_text(v.real, back);
		assert_string_equal(back, text);
	}
	assert_true(reals > 20000);
	row_real_text(1e300, back);
	assert_true(strtod(back, NULL) == 1e300);
	row_real_text(0.000012, back);
	assert_string_equal(back, "0.000012");
}

static void decimals_that_would_change_stay_text(void **state)
{
	(void)state;
	assert_text("1.10", "1.10");
	assert_text("-0.0", "-0.0");
	assert_text("1.00", "1.00");
	assert_text("1e5", "1e5");
	assert_text("1.5E3", "1.5E3");
	assert_text(
		"\"0.1000000000000000055511151231257827\"", "0.1000000000000000055511151231257827");
	assert_text("\"0.30000000000000001\"", "0.30000000000000001"); /* 0.3 means the same */
	assert_text("\"9007199254740993.0\"", "9007199254740993.0");   /* 2^53 + 1 */
	assert_text("1000000000000000.0", "1000000000000000.0");       /* comes back as 1.0e15 */
	assert_text("\".5\"", ".5");
	assert_text("\"5.\"", "5.");
	assert_text("\"1.2.3\"", "1.2.3");
	assert_text("\"00.5\"", "00.5");
	assert_text("\"NaN\"", "NaN");
}

static void other_values_keep_their_text(void **state)
{
	(void)state;
	assert_text("\"\"", "");
	assert_text("\"a\\u00e9\\n\"", "a\xc3\xa9\n");
	assert_text("\"\\ud800\"", "\"\\ud800\"");
	assert_text("{\"a\": 1.10}", "{\"a\": 1.10}");
	assert_text("[1, 2]", "[1, 2]");
	assert_text("\"2016-11-05\"", "2016-11-05");
	assert_int_equal(row_value_of(slice_of("null"), &scratch).kind, ROW_NULL);
	assert_integer("\"\\u0031\"", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_that_come_back_are_integers),
		cmocka_unit_test(integers_that_would_change_stay_text),
		cmocka_unit_test(decimals_that_come_back_are_reals),
		cmocka_unit_test(reals_give_their_text_back),
		cmocka_unit_test(decimals_that_would_change_stay_text),
		cmocka_unit_test(other_values_keep_their_text),
	};
	int failed;

	buf_init(&scratch, SIZE_MAX);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&scratch);
	return failed;
}
