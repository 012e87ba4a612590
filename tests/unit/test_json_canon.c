#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_canon.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static struct err e;

static struct buf new_buf(void)
{
	struct buf b;

	buf_init(&b, (size_t)1 << 24);
	return b;
}

static const struct {
	const char *text;
	const char *canonical;
} cases[] = {
	{ "{}", "{}" },
	{ " { } ", "{}" },
	{ "[ ]", "[]" },
	{ "null", "null" },
	{ " true ", "true" },
	{ "{\"ticker\":\"AAPL\"}", "{\"ticker\":\"AAPL\"}" },
	{ "{ \"ticker\" :\n\t\"AAPL\" }", "{\"ticker\":\"AAPL\"}" },
	/* numbers as received */
	{ "[1.10, -0, 1e400, 1E+2, 12345678901234567890, 0.0]",
		"[1.10,-0,1e400,1E+2,12345678901234567890,0.0]" },
	/* keys in the order of their bytes, at every level; the order of elements stays */
	{ "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}" },
	{ "{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2},3,1]},\"a\":{}}",
		"{\"a\":{},\"b\":{\"c\":[{\"y\":2,\"z\":1},3,1],\"d\":1}}" },
	{ "{\"aa\":1,\"a\":2,\"\":3,\"B\":4,\"a b\":5}",
		"{\"\":3,\"B\":4,\"a\":2,\"a b\":5,\"aa\":1}" },
	{ "{\"c\":1,\"b\":2,\"a\":[{\"y\":1,\"x\":1}],\"d\":{\"q\":1,\"p\":[]}}",
		"{\"a\":[{\"x\":1,\"y\":1}],\"b\":2,\"c\":1,\"d\":{\"p\":[],\"q\":1}}" },
	/* strings decoded and escaped minimally */
	{ "\"\\u0041\\/\\u00fc\\u20ac\\ud83d\\ude80\"",
		"\"A/\xc3\xbc\xe2\x82\xac\xf0\x9f\x9a\x80\"" },
	{ "\"\\u0022\\u005c\\u0008\\u000c\\u000A\\u000d\\u0009\\u001F\\u0000\\u007f\"",
		"\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u0000\x7f\"" },
	{ "\"Z\xc3\xbcrich\"", "\"Z\xc3\xbcrich\"" },
	{ "\"\\\\u0041\"", "\"\\\\u0041\"" },
	/* what UTF-8 cannot express */
	{ "\"\\uD800\"", "\"\\ud800\"" },
	{ "\"\\uDE80\\uD83D\"", "\"\\ude80\\ud83d\"" },
	{ "\"\\uD83D\\uD83D\\uDE80x\"", "\"\\ud83d\xf0\x9f\x9a\x80x\"" },
	/* the order is that of the decoded bytes, not of the text: " (22) # (23) \ (5c) ] (5d) */
	{ "{\"\\\\\":1,\"#\":2,\"]\":3,\"\\\"\":4}", "{\"\\\"\":4,\"#\":2,\"\\\\\":1,\"]\":3}" },
	{ "{\"a\\n\":1,\"a\":2,\"a\\u0000\":3,\"a!\":4}",
		"{\"a\":2,\"a\\u0000\":3,\"a\\n\":1,\"a!\":4}" },
	/* U+FFFF comes before U+1F680 in UTF-8, and after it in UTF-16 */
	{ "{\"\\ud83d\\ude80\":1,\"\\uffff\":2}", "{\"\xef\xbf\xbf\":2,\"\xf0\x9f\x9a\x80\":1}" },
	{ "{\"\xf0\x9f\x9a\x80\":1,\"\xef\xbf\xbf\":2,\"\\u0062\":3,\"a\":4}",
		"{\"a\":4,\"b\":3,\"\xef\xbf\xbf\":2,\"\xf0\x9f\x9a\x80\":1}" },
	{ "{\"\\ue000\":1,\"\\ud800\":2}", "{\"\\ud800\":2,\"\xee\x80\x80\":1}" },
	/* brackets and commas inside strings are text */
	{ "{\"}\":\"{,\",\"]\":[\"[\",\"\\\"]\"]}", "{\"]\":[\"[\",\"\\\"]\"],\"}\":\"{,\"}" },
};

static void writes_one_text_for_all_ways_to_say_the_same(void **state)
{
	struct buf out = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		out.len = 0;
		assert_true(json_validate(slice_of(cases[i].text), NULL, &e));
		if (!json_canon(slice_of(cases[i].text), &out, &e))
			fail_msg("%s: %s", cases[i].text, e.text);
		if (!slice_is(buf_slice(&out), cases[i].canonical))
			fail_msg("%s: got %.*s", cases[i].text, (int)out.len, out.data);
	}
	buf_release(&out);
}

static void leaves_a_canonical_text_as_it_is(void **state)
{
	struct buf out = new_buf();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		out.len = 0;
		assert_true(json_canon(slice_of(cases[i].canonical), &out, &e));
		assert_true(slice_is(buf_slice(&out), cases[i].canonical));
	}
	buf_release(&out);
}

static void refuses_a_key_given_twice(void **state)
{
	static const char *const wrong[] = {
		"{\"a\":1,\"a\":1}",
		"{\"b\":1,\"a\":1,\"b\":2}",
		"{\"a\":1,\"\\u0061\":2}",
		"{\"x\":{\"a\":1,\"b\":2,\"a\":3}}",
		"[[{\"a\":1,\"c\":2,\"b\":3,\"a\":4}]]",
		"{\"\\ud83d\\ude80\":1,\"\xf0\x9f\x9a\x80\":2}",
		"{\"\":1,\"\":2}",
	};
	struct buf out = new_buf();

	(void)state;
	assert_true(buf_append_str(&out, "kept"));
	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (json_canon(slice_of(wrong[i]), &out, &e))
			fail_msg("%s passed", wrong[i]);
		assert_int_equal(e.code, ERR_INPUT);
		assert_true(slice_is(buf_slice(&out), "kept"));
	}
	assert_false(json_canon(slice_of("{\"ticker\":1,\"ticker\":2}"), &out, &e));
	assert_non_null(strstr(e.text, "the key 'ticker' is given twice"));
	/* The same key in two objects is no duplicate. */
	assert_true(json_canon(slice_of("[{\"a\":{\"a\":1}},{\"a\":2}]"), &out, &e));
	buf_release(&out);
}

static void appends_behind_what_is_there(void **state)
{
	struct buf out = new_buf();

	(void)state;
	assert_true(buf_append_str(&out, "x="));
	assert_true(json_canon(slice_of("{\"b\":1,\"a\":2}"), &out, &e));
	assert_true(slice_is(buf_slice(&out), "x={\"a\":2,\"b\":1}"));
	buf_release(&out);
}

static void leaves_a_full_buffer_as_it_was(void **state)
{
	struct slice text = slice_of("{\"b\":[1,\"\\u0041\\n\"],\"a\":{\"d\":1,\"c\":2}}");
	const char *want = ">{\"a\":{\"c\":2,\"d\":1},\"b\":[1,\"A\\n\"]}";

	(void)state;
	for (size_t max = 1; max <= strlen(want); max++) {
		struct buf out;
		bool ok;

		buf_init(&out, max);
		assert_true(buf_append_str(&out, ">"));
		ok = json_canon(text, &out, &e);
		assert_int_equal(ok, max == strlen(want));
		assert_true(slice_is(buf_slice(&out), ok ? want : ">"));
		if (!ok)
			assert_int_equal(e.code, ERR_LIMIT);
		buf_release(&out);
	}
}

static void limits_the_depth(void **state)
{
	char text[2 * 130];
	struct buf out = new_buf();

	(void)state;
	for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		out.len = 0;
		assert_int_equal(json_canon((struct slice){ text, 2 * depth }, &out, &e),
			depth <= JSON_DEPTH_MAX);
		assert_int_equal(out.len, depth <= JSON_DEPTH_MAX ? 2 * depth : 0);
	}
	buf_release(&out);
}

/* {"<number>":{"b":0,"a":<number>},...}, the numbers from `count` down to 1, or shuffled. */
static void many_keys(struct buf *b, unsigned count, unsigned step)
{
	assert_true(buf_append_char(b, '{'));
	for (unsigned i = 0; i < count; i++) {
		unsigned number = (unsigned)((uint64_t)(count - i) * step % (count + 1));

		assert_true(buf_printf(
			b, "%s\"%08u\":{\"b\":0,\"a\":%u}", i > 0 ? "," : "", number, number));
	}
	assert_true(buf_append_char(b, '}'));
}

/* Were it quadratic, 100,000 keys would take minutes. */
static void sorts_very_many_keys(void **state)
{
	enum { KEYS = 100002 }; /* one less than a prime, so that every step shuffles */
	static const unsigned steps[] = { 1, 7919, 50001 };
	struct buf in = new_buf();
	struct buf out = new_buf();

	(void)state;
	for (size_t s = 0; s < COUNT(steps); s++) {
		struct json_iter it;
		struct slice key;
		struct slice value;
		unsigned count = 0;

		in.len = out.len = 0;
		many_keys(&in, KEYS, steps[s]);
		if (!json_canon(buf_slice(&in), &out, &e))
			fail_msg("%s", e.text);
		assert_true(json_validate(buf_slice(&out), NULL, &e));
		json_iter_init(&it, buf_slice(&out));
		while (json_iter_next(&it, &key, &value)) {
			char want[32];

			count++;
			(void)snprintf(want, sizeof(want), "\"%08u\"", count);
			assert_true(slice_is(key, want));
			(void)snprintf(want, sizeof(want), "{\"a\":%u,\"b\":0}", count);
			assert_true(slice_is(value, want));
		}
		assert_int_equal(count, KEYS);
	}
	buf_release(&in);
	buf_release(&out);
}

/* Every level has more members than fit without an allocation, and the innermost comes first. */
static void sorts_many_open_objects_at_once(void **state)
{
	enum { LEVELS = 40, KEYS = 30 };
	struct buf in = new_buf();
	struct buf out = new_buf();
	struct buf again = new_buf();

	(void)state;
	for (int level = 0; level < LEVELS; level++)
		assert_true(buf_append_str(&in, "{\"z\":1,\"y\":"));
	assert_true(buf_append_str(&in, "null"));
	for (int level = 0; level < LEVELS; level++) {
		for (int i = KEYS; i > 0; i--)
			assert_true(buf_printf(&in, ",\"k%02d\":%d", i, level));
		assert_true(buf_append_char(&in, '}'));
	}
	assert_true(json_validate(buf_slice(&in), NULL, &e));
	assert_true(json_canon(buf_slice(&in), &out, &e));
	assert_true(json_validate(buf_slice(&out), NULL, &e));
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, "{\"k01\":39,\"k02\":39,", 19);
	assert_memory_equal(out.data + out.len - 14, ",\"z\":1},\"z\":1}", 14);
	assert_true(json_canon(buf_slice(&out), &again, &e));
	assert_true(slice_equal(buf_slice(&out), buf_slice(&again)));
	buf_release(&in);
	buf_release(&out);
	buf_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_one_text_for_all_ways_to_say_the_same),
		cmocka_unit_test(leaves_a_canonical_text_as_it_is),
		cmocka_unit_test(refuses_a_key_given_twice),
		cmocka_unit_test(appends_behind_what_is_there),
		cmocka_unit_test(leaves_a_full_buffer_as_it_was),
		cmocka_unit_test(limits_the_depth),
		cmocka_unit_test(sorts_very_many_keys),
		cmocka_unit_test(sorts_many_open_objects_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
