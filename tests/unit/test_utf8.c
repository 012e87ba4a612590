#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"

#define CASE(s, valid) \
	{ \
		s, sizeof(s) - 1, valid \
	}

static const struct {
	const char *bytes;
	size_t len;
	bool valid;
} cases[] = {
	CASE("", true),
	CASE("plain ASCII, longer than one word of eight bytes", true),
	CASE("a\0b", true),
	CASE("\x7f", true),
	CASE("\xc2\x80", true),
	CASE("\xdf\xbf", true),
	CASE("\xe0\xa0\x80", true),
	CASE("\xed\x9f\xbf", true),
	CASE("\xee\x80\x80", true),
	CASE("\xef\xbf\xbf", true),
	CASE("\xf0\x90\x80\x80", true),
	CASE("\xf4\x8f\xbf\xbf", true),
	CASE("Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x9a\x80 to the moon", true),
	CASE("\x80", false),         /* a continuation alone */
	CASE("\xbf", false),         /* the same */
	CASE("\xc0\x80", false),     /* overlong NUL */
	CASE("\xc1\xbf", false),     /* overlong ASCII */
	CASE("\xe0\x9f\xbf", false), /* overlong */
	CASE("\xf0\x8f\xbf\xbf", false),
	CASE("\xed\xa0\x80", false),     /* a surrogate */
	CASE("\xed\xbf\xbf", false),     /* the same */
	CASE("\xf4\x90\x80\x80", false), /* above U+10FFFF */
	CASE("\xf5\x80\x80\x80", false),
	CASE("\xfe", false),
	CASE("\xff", false),
	CASE("\xc3(", false),
	CASE("\xe2\x82(", false),
	CASE("\xf0\x9f\x9a(", false),
	CASE("\xf0(\x9a\x80", false),
};

static void accepts_exactly_what_rfc_3629_allows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (utf8_valid((struct slice){ cases[i].bytes, cases[i].len }) != cases[i].valid)
			fail_msg("case %zu", i);
	}
	assert_true(utf8_valid((struct slice){ NULL, 0 }));
}

/* The fast path must neither hide a bad byte nor trip over a good one at any place in a word. */
static void finds_every_case_at_every_alignment(void **state)
{
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t before = 0; before < 18; before++) {
			size_t len = before + cases[i].len + 9;

			memset(text, 'x', sizeof(text));
			memcpy(text + before, cases[i].bytes, cases[i].len);
			if (utf8_valid((struct slice){ text, len }) != cases[i].valid)
				fail_msg("case %zu behind %zu bytes", i, before);
		}
	}
}

static void refuses_a_cut_inside_a_character(void **state)
{
	static const char text[] = "12345678\xc3\xbc"
				   "\xe2\x82\xac\xf0\x9f\x9a\x80";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		bool whole = cut <= 8 || cut == 10 || cut == 13 || cut == 17;

		assert_int_equal(utf8_valid((struct slice){ text, cut }), whole);
	}
}

/* Every code point except the surrogates is written as something that is read as valid. */
static void writes_every_code_point(void **state)
{
	char bytes[UTF8_CHAR_MAX];

	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		size_t size = utf8_encode(c, bytes);
		bool is_surrogate = c >= 0xd800 && c <= 0xdfff;

		if (size != (c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u))
			fail_msg("U+%04x has %zu bytes", (unsigned)c, size);
		if (utf8_valid((struct slice){ bytes, size }) == is_surrogate)
			fail_msg("U+%04x", (unsigned)c);
	}
	assert_int_equal(utf8_encode(0x1f680, bytes), 4);
	assert_memory_equal(bytes, "\xf0\x9f\x9a\x80", 4);
}

static void shows_no_character_that_moves_what_is_around_it(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} texts[] = {
		{ "a", 1 },
		{ " ", 1 },
		{ "\x1b[2J", 0 },
		{ "\n", 0 },
		{ "\x7f", 0 },
		{ "\xc2\x9b"
		  "2J",
			0 }, /* CSI in C1 */
		{ "\xc2\xa0x", 2 },
		{ "\xe2\x80\xae", 0 }, /* right to left from here */
		{ "\xe2\x80\xa8", 0 }, /* a line separator */
		{ "\xe2\x81\xa7", 0 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x9a\x80", 4 },
		{ "\xe2\x82", 0 }, /* cut */
		{ "\xff", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (utf8_showable(slice_of(texts[i].text)) != texts[i].size)
			fail_msg("case %zu", i);
}

static void what_is_no_character_is_replaced(void **state)
{
	static const char *const mended[][2] = {
		{ "", "" },
		{ "a\xc3\xa4\xf0\x9f\x9a\x80z", "a\xc3\xa4\xf0\x9f\x9a\x80z" },
		{ "a\xff", "a\xef\xbf\xbd" },
		{ "\xc3", "\xef\xbf\xbd" },
		{ "\xc3(", "\xef\xbf\xbd(" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(mended) / sizeof(*mended); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(utf8_mend(slice_of(mended[i][0]), &out));
		assert_true(slice_is(buf_slice(&out), mended[i][1]));
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_exactly_what_rfc_3629_allows),
		cmocka_unit_test(finds_every_case_at_every_alignment),
		cmocka_unit_test(refuses_a_cut_inside_a_character),
		cmocka_unit_test(writes_every_code_point),
		cmocka_unit_test(shows_no_character_that_moves_what_is_around_it),
		cmocka_unit_test(what_is_no_character_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
