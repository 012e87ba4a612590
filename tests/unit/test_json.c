#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static struct err e;

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)1 << 20);
	return b;
}

static void assert_text(struct slice got, const char *want)
{
	if (!slice_is(got, want))
		fail_msg("got '%.*s', want '%s'", (int)got.len, got.ptr, want);
}

static void accepts_every_form_of_a_value(void **state)
{
	static const char *const cases[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"1.10",
		"-1.5e+10",
		"1E400",
		"1e-7",
		"0.0",
		"12345678901234567890",
		"0e0",
		"\"\"",
		"\"plain text without anything special in it\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE80\"",
		"\"\\ud800\"",
		"\"\x7f\"",
		"\"Z\xc3\xbcrich \xf0\x9f\x9a\x80\"",
		"[]",
		"{}",
		"[ ]",
		"{ }",
		"[1,2,3]",
		"[[],{},[[]]]",
		" \t\r\n{ \"a\" : [ 1 , { \"b\" : null } ] , \"a\" : false } \n",
		"{\"\":{\"\":[]}}",
		"[\"]\",\"}\",\"\\\"\"]",
		"[{\"a\":1},[2],{\"a\":[{}]},[[3]]]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (!json_validate(slice_of(cases[i]), NULL, &e))
			fail_msg("%s: %s", cases[i], e.text);
	}
}

static void refuses_what_is_not_json_and_says_where(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		const char *why;
	} cases[] = {
		{ "", 0, "not JSON at byte 0: expected a value, found the end" },
		{ "  ", 2, "not JSON at byte 2: expected a value, found the end" },
		{ "[1,]", 3, "not JSON at byte 3: expected a value, found ']'" },
		{ "[1 2]", 3, "not JSON at byte 3: expected ',' or ']', found '2'" },
		{ "[1}", 2, "not JSON at byte 2: expected ',' or ']', found '}'" },
		{ "{\"a\":1]", 6, "not JSON at byte 6: expected ',' or '}', found ']'" },
		{ "{\"a\":1,}", 7, "not JSON at byte 7: expected a key in quotes, found '}'" },
		{ "{a:1}", 1, "not JSON at byte 1: expected a key in quotes, found 'a'" },
		{ "{1:1}", 1, "not JSON at byte 1: expected a key in quotes, found '1'" },
		{ "{\"a\" 1}", 5, "not JSON at byte 5: expected ':', found '1'" },
		{ "{\"a\":}", 5, "not JSON at byte 5: expected a value, found '}'" },
		{ "{,}", 1, NULL },
		{ "[,1]", 1, NULL },
		{ "1 2", 2, "not JSON at byte 2: expected the end, found '2'" },
		{ "[]]", 2, NULL },
		{ "{}}", 2, NULL },
		{ "]", 0, NULL },
		{ "01", 1, "not JSON at byte 1: expected the end, found '1'" },
		{ "-", 1, "not JSON at byte 1: expected a digit, found the end" },
		{ "-01", 2, NULL },
		{ "+1", 0, NULL },
		{ ".5", 0, NULL },
		{ "1.", 2, NULL },
		{ "1.e5", 2, NULL },
		{ "1e", 2, NULL },
		{ "1e+", 3, NULL },
		{ "1e5.2", 3, NULL },
		{ "0x10", 1, NULL },
		{ "NaN", 0, NULL },
		{ "Infinity", 0, NULL },
		{ "-Infinity", 1, NULL },
		{ "nul", 3, NULL },
		{ "nulL", 3, NULL },
		{ "True", 0, NULL },
		{ "truee", 4, NULL },
		{ "'a'", 0, NULL },
		{ "\"abc", 4, "not JSON at byte 4: expected '\"', found the end" },
		{ "\"a\nb\"", 2,
			"not JSON at byte 2: expected an escape for a control character, "
			"found byte 0x0a" },
		{ "\"0123456789\x1f\"", 11, NULL },
		{ "\"\\x41\"", 2, NULL },
		{ "\"\\", 2, NULL },
		{ "\"\\u12g4\"", 5, "not JSON at byte 5: expected a hexadecimal digit, found 'g'" },
		{ "\"\\u12\"", 5, NULL },
		{ "\"\\u123", 6, NULL },
		{ "[1]\f", 3, NULL },
		{ "\xef\xbb\xbf[]", 0, NULL }, /* a byte order mark */
		{ "/* */1", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t at = 12345;

		if (json_validate(slice_of(cases[i].text), &at, &e))
			fail_msg("'%s' passed", cases[i].text);
		if (at != cases[i].at)
			fail_msg("'%s': at %zu, want %zu", cases[i].text, at, cases[i].at);
		assert_int_equal(e.code, ERR_INPUT);
		if (cases[i].why != NULL)
			assert_string_equal(e.text, cases[i].why);
	}
	assert_false(json_validate((struct slice){ NULL, 0 }, NULL, &e));
}

static void refuses_a_raw_nul_wherever_it_stands(void **state)
{
	static const char text[] = "{\"key\":[1.5e3,true,\"\\u0041\"],\"b\":null} ";
	char copy[sizeof(text)];

	(void)state;
	for (size_t i = 0; i <= sizeof(text) - 1; i++) {
		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		assert_false(json_validate((struct slice){ copy, i + 1 }, NULL, &e));
		if (i < sizeof(text) - 1)
			assert_false(
				json_validate((struct slice){ copy, sizeof(text) - 1 }, NULL, &e));
	}
}

/* The copy lies at the end of its allocation, so that a look behind the cut is seen by the sanitizer. */
static void refuses_a_text_cut_at_any_byte(void **state)
{
	static const char text[] =
		"{\"path\":\"/a\\u00e9\\n b\",\"n\":[-1.5e+10,0,true,false,null,{}],"
		"\"long\":\"0123456789 0123456789 0123456789\"}";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		char *copy = malloc(cut + 1);
		size_t at = 0;

		assert_non_null(copy);
		memcpy(copy, text, cut);
		copy = realloc(copy, cut != 0 ? cut : 1);
		assert_non_null(copy);
		assert_false(json_validate((struct slice){ copy, cut }, &at, &e));
		assert_int_equal(at, cut);
		free(copy);
	}
	assert_true(json_validate(slice_of(text), NULL, &e));
}

/* A special byte must be seen at every position of the eight that are looked at together. */
static void sees_the_end_of_a_string_at_every_alignment(void **state)
{
	static const char stops[] = { '"', '\\', '\x01', '\x1f', '\n' };
	char text[64];

	(void)state;
	for (size_t len = 0; len < 40; len++) {
		for (size_t i = 0; i < sizeof(stops); i++) {
			size_t pos = 0;

			memset(text, '!', sizeof(text)); /* 0x21 is next to the quote */
			text[0] = '"';
			text[1 + len] = stops[i];
			text[63] = '"';
			if (stops[i] == '"') {
				assert_true(json_skip((struct slice){ text, 64 }, &pos, &e));
				assert_int_equal(pos, len + 2);
			} else {
				assert_false(json_skip((struct slice){ text, 64 }, &pos, &e));
				assert_int_equal(pos, len + (stops[i] == '\\' ? 2 : 1));
			}
		}
	}
}

static char *nested(size_t depth, const char *open, const char *inner, char closing)
{
	size_t step = strlen(open);
	size_t len = strlen(inner);
	char *text = malloc(depth * (step + 1) + len + 1);

	assert_non_null(text);
	for (size_t i = 0; i < depth; i++)
		memcpy(text + i * step, open, step);
	memcpy(text + depth * step, inner, len);
	memset(text + depth * step + len, closing, depth);
	text[depth * (step + 1) + len] = '\0';
	return text;
}

static void limits_the_depth(void **state)
{
	static const struct {
		const char *open;
		const char *inner;
		char closing;
	} cases[] = {
		{ "[", "", ']' },
		{ "[", "1", ']' },
		{ "{\"a\":", "1", '}' },
		{ " [ ", " \"]\" ", ']' },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t depth = 1; depth <= 200; depth++) {
			char *text = nested(depth, cases[i].open, cases[i].inner, cases[i].closing);
			bool ok = json_validate(slice_of(text), NULL, &e);

			if (ok != (depth <= JSON_DEPTH_MAX))
				fail_msg("case %zu at depth %zu", i, depth);
			if (!ok)
				assert_int_equal(e.code, ERR_LIMIT);
			free(text);
		}
	}
}

/* Objects and arrays mixed in a pattern that differs on each level: each closes with its own bracket. */
static void keeps_apart_the_kinds_of_open_containers(void **state)
{
	char text[JSON_DEPTH_MAX * 6 + 1];
	char closing[JSON_DEPTH_MAX];
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < JSON_DEPTH_MAX; i++) {
		bool is_object = (i * i / 3) % 2 == 0;

		len += (size_t)sprintf(text + len, "%s", is_object ? "{\"a\":" : "[");
		closing[i] = is_object ? '}' : ']';
	}
	text[len++] = '7';
	for (size_t i = JSON_DEPTH_MAX; i-- > 0;)
		text[len++] = closing[i];
	assert_true(json_validate((struct slice){ text, len }, NULL, &e));
	for (size_t i = len - JSON_DEPTH_MAX; i < len; i++) {
		text[i] = text[i] == '}' ? ']' : '}';
		assert_false(json_validate((struct slice){ text, len }, NULL, &e));
		text[i] = text[i] == '}' ? ']' : '}';
	}
}

static void counts_the_containers_around_a_nested_value(void **state)
{
	size_t pos = 0;

	(void)state;
	assert_true(json_skip_nested(slice_of("[[]]"), &pos, JSON_DEPTH_MAX - 2, &e));
	assert_int_equal(pos, 4);
	pos = 0;
	assert_false(json_skip_nested(slice_of("[[]]"), &pos, JSON_DEPTH_MAX - 1, &e));
	assert_int_equal(pos, 1);
	pos = 0;
	assert_true(json_skip_nested(slice_of("\"x\""), &pos, JSON_DEPTH_MAX, &e));
}

static void skips_one_value_and_stops_behind_it(void **state)
{
	struct slice text = slice_of(" {\"a\":[1]} , 2,\"x\"");
	size_t pos = 0;

	(void)state;
	assert_true(json_skip(text, &pos, &e));
	assert_int_equal(pos, 10);
	pos = 12;
	assert_true(json_skip(text, &pos, &e));
	assert_int_equal(pos, 14);
	pos = 15;
	assert_true(json_skip(text, &pos, &e));
	assert_int_equal(pos, text.len);
	assert_false(json_skip(text, &pos, &e));
}

static void names_line_and_column_for_an_editor(void **state)
{
	struct slice text = slice_of("{\n  \"\xc3\xbc\": x\n}");
	size_t line;
	size_t column;
	size_t at;

	(void)state;
	assert_false(json_validate(text, &at, &e));
	json_line_column(text, at, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 8);
	json_line_column(text, 0, &line, &column);
	assert_int_equal(line * 100 + column, 101);
	json_line_column(text, 1000, &line, &column);
	assert_int_equal(line, 3);
}

static void tells_the_type_of_a_value(void **state)
{
	(void)state;
	assert_int_equal(json_type_of(slice_of("null")), JSON_NULL);
	assert_int_equal(json_type_of(slice_of("true")), JSON_BOOL);
	assert_int_equal(json_type_of(slice_of("false")), JSON_BOOL);
	assert_int_equal(json_type_of(slice_of("-0")), JSON_NUMBER);
	assert_int_equal(json_type_of(slice_of("7")), JSON_NUMBER);
	assert_int_equal(json_type_of(slice_of("\"\"")), JSON_STRING);
	assert_int_equal(json_type_of(slice_of("[]")), JSON_ARRAY);
	assert_int_equal(json_type_of(slice_of("{}")), JSON_OBJECT);
}

static void walks_members_and_elements_without_their_white_space(void **state)
{
	static const char *const keys[] = { "\"a\"", "\"b\\\\\"", "\"c,}\"", "\"d\"", "\"a\"" };
	static const char *const values[] = { "1.10", "[1, [2], \"]\"]", "\"x\\\"},\"",
		"{ \"e\" : {} }", "null" };
	struct slice object = slice_of("{ \"a\" : 1.10 ,\"b\\\\\":[1, [2], \"]\"],\n\"c,}\" : "
				       "\"x\\\"},\"\t,\"d\":{ \"e\" : {} } , \"a\":null }");
	struct json_iter it;
	struct slice key;
	struct slice value;
	size_t count = 0;

	(void)state;
	assert_true(json_validate(object, NULL, &e));
	json_iter_init(&it, object);
	for (; json_iter_next(&it, &key, &value); count++) {
		assert_true(count < COUNT(keys));
		assert_text(key, keys[count]);
		assert_text(value, values[count]);
	}
	assert_int_equal(count, COUNT(keys));

	json_iter_init(&it, slice_of("[ 1, \"a\" ,[ ] ]"));
	assert_true(json_iter_next(&it, NULL, &value));
	assert_text(value, "1");
	assert_true(json_iter_next(&it, NULL, &value));
	assert_text(value, "\"a\"");
	assert_true(json_iter_next(&it, NULL, &value));
	assert_text(value, "[ ]");
	assert_false(json_iter_next(&it, NULL, &value));
}

static void finds_nothing_in_what_holds_nothing(void **state)
{
	static const char *const cases[] = { "[]", "{}", "[ \n]", "{ }", "1", "\"a,b\"", "null" };
	struct json_iter it;
	struct slice value;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_iter_init(&it, slice_of(cases[i]));
		assert_false(json_iter_next(&it, NULL, &value));
	}
	json_iter_list(&it, (struct slice){ NULL, 0 });
	assert_false(json_iter_next(&it, NULL, &value));
}

static void finds_members_by_their_decoded_key(void **state)
{
	struct slice object = slice_of(
		"{\"a\":1,\"\\u0062\":2,\"c\\\"d\":3,\"\\ud83d\\ude80\":4,\"a\":5,"
		"\"\":6,\"aa\":7}");
	struct slice value;

	(void)state;
	assert_true(json_member(object, "a", &value));
	assert_text(value, "1");
	assert_true(json_member(object, "b", &value));
	assert_text(value, "2");
	assert_true(json_member(object, "c\"d", &value));
	assert_text(value, "3");
	assert_true(json_member(object, "\xf0\x9f\x9a\x80", &value));
	assert_text(value, "4");
	assert_true(json_member(object, "", &value));
	assert_text(value, "6");
	assert_false(json_member(object, "u0062", &value));
	assert_false(json_member(object, "\\u0062", &value));
	assert_false(json_member(object, "c", &value));
	assert_false(json_member(slice_of("[\"a\"]"), "a", &value));
}

static void decodes_every_escape(void **state)
{
	static const struct {
		const char *token;
		const char *text;
		size_t len;
	} cases[] = {
		{ "\"\"", "", 0 },
		{ "\"plain\"", "plain", 5 },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
		{ "\"\\u0041\\u00fc\\u20AC\"", "A\xc3\xbc\xe2\x82\xac", 6 },
		{ "\"x\\ud83D\\uDe80y\"", "x\xf0\x9f\x9a\x80y", 6 },
		{ "\"a\\u0000b\"", "a\0b", 3 },
		{ "\"\\\\u0041\"", "\\u0041", 6 },
		{ "\"Z\xc3\xbcrich\\n\"", "Z\xc3\xbcrich\n", 8 },
	};
	struct buf b = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice token = slice_of(cases[i].token);

		b.len = 0;
		assert_true(json_string_decode(token, &b, &e));
		assert_int_equal(b.len, cases[i].len);
		if (b.len != 0)
			assert_memory_equal(b.data, cases[i].text, b.len);
		assert_true(json_string_is(token, buf_slice(&b)));
		assert_false(json_string_is(token, slice_of("something else")));
	}
	buf_release(&b);
}

static void refuses_to_decode_half_a_surrogate_pair(void **state)
{
	static const char *const cases[] = { "\"\\ud800\"", "\"a\\udc00b\"", "\"\\ud83dx\"",
		"\"\\ud83d\\n\"", "\"\\ud83d\\ud83d\\ude80\"", "\"\\ude80\\ud83d\"",
		"\"\\ud83d\\u0041\"" };
	struct buf b = new_buf();

	(void)state;
	assert_true(buf_append_str(&b, "kept"));
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(json_validate(slice_of(cases[i]), NULL, &e));
		assert_false(json_string_decode(slice_of(cases[i]), &b, &e));
		assert_int_equal(e.code, ERR_INPUT);
		assert_text(buf_slice(&b), "kept");
	}
	buf_release(&b);
}

static void decodes_no_more_than_the_buffer_may_hold(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_true(json_string_decode(slice_of("\"1234\""), &b, &e));
	assert_false(json_string_decode(slice_of("\"5\""), &b, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	b.len = 0;
	assert_false(json_string_decode(slice_of("\"12\\u20ac\""), &b, &e));
	assert_int_equal(b.len, 0);
	assert_false(json_string_encode(slice_of("123"), &b));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void encodes_with_the_fewest_escapes(void **state)
{
	static const struct {
		struct slice text;
		const char *token;
	} cases[] = {
		{ SLICE_LITERAL(""), "\"\"" },
		{ SLICE_LITERAL("a/b"), "\"a/b\"" },
		{ SLICE_LITERAL("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"" },
		{ SLICE_LITERAL("a\0\x1f\x7f"), "\"a\\u0000\\u001f\x7f\"" },
		{ SLICE_LITERAL("Z\xc3\xbc \xf0\x9f\x9a\x80"), "\"Z\xc3\xbc \xf0\x9f\x9a\x80\"" },
	};
	struct buf b = new_buf();
	struct buf back = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		b.len = back.len = 0;
		assert_true(json_string_encode(cases[i].text, &b));
		assert_text(buf_slice(&b), cases[i].token);
		assert_true(json_validate(buf_slice(&b), NULL, &e));
		assert_true(json_string_decode(buf_slice(&b), &back, &e));
		assert_true(slice_equal(buf_slice(&back), cases[i].text));
	}
	buf_release(&b);
	buf_release(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_every_form_of_a_value),
		cmocka_unit_test(refuses_what_is_not_json_and_says_where),
		cmocka_unit_test(refuses_a_raw_nul_wherever_it_stands),
		cmocka_unit_test(refuses_a_text_cut_at_any_byte),
		cmocka_unit_test(sees_the_end_of_a_string_at_every_alignment),
		cmocka_unit_test(limits_the_depth),
		cmocka_unit_test(keeps_apart_the_kinds_of_open_containers),
		cmocka_unit_test(counts_the_containers_around_a_nested_value),
		cmocka_unit_test(skips_one_value_and_stops_behind_it),
		cmocka_unit_test(names_line_and_column_for_an_editor),
		cmocka_unit_test(tells_the_type_of_a_value),
		cmocka_unit_test(walks_members_and_elements_without_their_white_space),
		cmocka_unit_test(finds_nothing_in_what_holds_nothing),
		cmocka_unit_test(finds_members_by_their_decoded_key),
		cmocka_unit_test(decodes_every_escape),
		cmocka_unit_test(refuses_to_decode_half_a_surrogate_pair),
		cmocka_unit_test(decodes_no_more_than_the_buffer_may_hold),
		cmocka_unit_test(encodes_with_the_fewest_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
