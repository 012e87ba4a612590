#include "unit.h"

#include <stdlib.h>

#include "proto/payload.h"

#define S(s) SLICE_LITERAL(s)

static void a_length_has_one_to_nine_digits(void **state)
{
	static const struct {
		struct slice text;
		bool ok;
		size_t length;
		const char *rest;
	} cases[] = {
		{ S("0:"), true, 0, ":" },
		{ S("97:0{"), true, 97, ":0{" },
		{ S("007"), true, 7, "" },
		{ S("999999999:"), true, 999999999, ":" },
		{ S("1000000000:"), false, 0, "" },
		{ S("123456789012345678901234567890:"), false, 0, "" },
		{ S("-1:"), false, 0, "" },
		{ S("+1:"), false, 0, "" },
		{ S(" 1:"), false, 0, "" },
		{ S(":"), false, 0, "" },
		{ S(""), false, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice rest = cases[i].text;
		size_t length;

		assert_int_equal(payload_length_take(&rest, &length), cases[i].ok);
		if (!cases[i].ok) {
			assert_ptr_equal(rest.ptr, cases[i].text.ptr);
			continue;
		}
		assert_int_equal(length, cases[i].length);
		assert_slice(rest, cases[i].rest);
	}
}

static void units_are_those_of_javascript(void **state)
{
	static const struct {
		struct slice text;
		size_t units;
	} cases[] = {
		{ S(""), 0 },
		{ S("abc"), 3 },
		{ S("\xc3\xa9"), 1 },
		{ S("\xef\xbf\xbd"), 1 },
		{ S("\xf0\x9f\x98\x80"), 2 },
		{ S("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"), 6 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice rest = cases[i].text;
		struct slice taken;

		assert_int_equal(payload_units(rest), cases[i].units);
		assert_true(payload_units_take(&rest, cases[i].units, &taken));
		assert_true(slice_equal(taken, cases[i].text));
		assert_int_equal(rest.len, 0);
		assert_false(payload_units_take(&rest, 1, &taken));
		rest = cases[i].text;
		assert_false(payload_units_take(&rest, cases[i].units + 1, &taken));
		assert_true(slice_equal(rest, cases[i].text));
	}
}

static void a_text_is_not_taken_in_pieces_of_characters(void **state)
{
	static const struct slice texts[] = { S("\xf0\x9f\x98\x80"), S("\xf0\x9f\x98"), S("\xc3"),
		S("\xe2\x82"), S("\x80"), S("\xff"), S("\xed\xa0\x80"), S("\xc0\x80") };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char *copy = malloc(texts[i].len);
		struct slice rest = { copy, texts[i].len };
		struct slice taken;

		assert_non_null(copy);
		memcpy(copy, texts[i].ptr, texts[i].len);
		assert_false(payload_units_take(&rest, 1, &taken));
		assert_int_equal(rest.len, texts[i].len);
		free(copy);
	}
}

static void base64_is_read_back(void **state)
{
	static const struct {
		struct slice bytes;
		const char *text;
	} cases[] = {
		{ S(""), "" },
		{ S("\x01"), "AQ==" },
		{ S("\x01\x02"), "AQI=" },
		{ S("\x01\x02\xff\x1e\x00"), "AQL/HgA=" },
		{ S("\x01\x02\xff\x1e"), "AQL/Hg==" },
		{ S("\xfb\xff\xbf"), "+/+/" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b;

		buf_init(&b, 100);
		assert_true(buf_append_char(&b, 'x'));
		assert_true(payload_base64_encode(cases[i].bytes, &b));
		assert_slice((struct slice){ b.data + 1, b.len - 1 }, cases[i].text);
		assert_int_equal(payload_base64_size(cases[i].bytes.len), strlen(cases[i].text));
		b.len = 1;
		assert_true(payload_base64_decode(slice_of(cases[i].text), &b));
		assert_true(slice_equal((struct slice){ b.data + 1, b.len - 1 }, cases[i].bytes));
		buf_release(&b);
	}
}

static void bad_base64_is_refused(void **state)
{
	static const char *const texts[] = { "A", "AQ", "AQ=", "AQI", "AQ==A", "A===", "====", "=",
		"AQ==AQ==", "A=Q=", "AQI=AQI=", "AQ-_", "AQ\n=", " AQ=", "AQI= ", "AQ==\n",
		"AR==", "AQJ=", "AQI*", "\xc3\xa9==" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf b;

		buf_init(&b, 100);
		assert_true(buf_append_char(&b, 'x'));
		if (payload_base64_decode(slice_of(texts[i]), &b))
			fail_msg("accepted: %s", texts[i]);
		assert_int_equal(b.len, 1);
		buf_release(&b);
	}
}

static void base64_stops_at_a_full_buffer(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_false(payload_base64_encode((struct slice)S("abc"), &b));
	assert_false(payload_base64_decode(slice_of("YWJjZGVm"), &b));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_length_has_one_to_nine_digits),
		cmocka_unit_test(units_are_those_of_javascript),
		cmocka_unit_test(a_text_is_not_taken_in_pieces_of_characters),
		cmocka_unit_test(base64_is_read_back),
		cmocka_unit_test(bad_base64_is_refused),
		cmocka_unit_test(base64_stops_at_a_full_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
