#include "unit.h"

#include "base/json.h"
#include "base/json_ascii.h"

#define S(s) SLICE_LITERAL(s)

static void what_is_not_ascii_is_escaped(void **state)
{
	static const struct {
		struct slice json;
		const char *want;
	} cases[] = {
		{ S(""), "" },
		{ { NULL, 0 }, "" },
		{ S("[1.10, \"a\\n\\u00e9\"]"), "[1.10, \"a\\n\\u00e9\"]" },
		{ S("\"\x7f\""), "\"\x7f\"" },
		{ S("\"\xc2\x80\""), "\"\\u0080\"" },
		{ S("\"\xc3\xa9t\xc3\xa9\""), "\"\\u00e9t\\u00e9\"" },
		{ S("\"\xdf\xbf\xe0\xa0\x80\""), "\"\\u07ff\\u0800\"" },
		{ S("\"\xe2\x82\xac\xef\xbf\xbf\""), "\"\\u20ac\\uffff\"" },
		{ S("\"\xf0\x90\x80\x80\""), "\"\\ud800\\udc00\"" },
		{ S("\"\xf0\x9f\x98\x80\""), "\"\\ud83d\\ude00\"" },
		{ S("\"\xf4\x8f\xbf\xbf\""), "\"\\udbff\\udfff\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b;

		buf_init(&b, 1000);
		assert_true(buf_append_char(&b, '<'));
		assert_true(json_ascii(cases[i].json, &b));
		assert_slice((struct slice){ b.data + 1, b.len - 1 }, cases[i].want);
		buf_release(&b);
	}
}

static void every_character_keeps_its_value(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c <= 0x10ffff; c += c < 0x1000 ? 1 : 61) {
		char text[8] = "\"";
		size_t size;
		struct buf b;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		size = 1;
		if (c < 0x800) {
			text[size++] = (char)(0xc0 | c >> 6);
		} else if (c < 0x10000) {
			text[size++] = (char)(0xe0 | c >> 12);
			text[size++] = (char)(0x80 | (c >> 6 & 0x3f));
		} else {
			text[size++] = (char)(0xf0 | c >> 18);
			text[size++] = (char)(0x80 | (c >> 12 & 0x3f));
			text[size++] = (char)(0x80 | (c >> 6 & 0x3f));
		}
		text[size++] = (char)(0x80 | (c & 0x3f));
		text[size] = '"';
		buf_init(&b, 20);
		assert_true(json_ascii((struct slice){ text, size + 1 }, &b));
		assert_true(json_string_is(buf_slice(&b), (struct slice){ text + 1, size - 1 }));
		buf_release(&b);
	}
}

static void what_is_not_utf8_is_refused(void **state)
{
	static const struct slice texts[] = { S("\"\xff\""), S("\"\xc3\""), S("\xc3"),
		S("\"\xe2\x82"), S("\"\xf0\x9f\x98"), S("\"\xed\xa0\x80\""), S("\x80") };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_true(buf_append_char(&b, '<'));
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_false(json_ascii(texts[i], &b));
		assert_int_equal(b.len, 1);
	}
	buf_release(&b);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	static const struct slice json = S("[\"\xc3\xa9\xf0\x9f\x98\x80 \"]");

	(void)state;
	for (size_t max = 0; max <= 23; max++) {
		struct buf b;

		buf_init(&b, max);
		assert_int_equal(json_ascii(json, &b), max == 23);
		assert_int_equal(b.len, max == 23 ? 23 : 0);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_ascii_is_escaped),
		cmocka_unit_test(every_character_keeps_its_value),
		cmocka_unit_test(what_is_not_utf8_is_refused),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
