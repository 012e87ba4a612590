#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_scan.h"

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* The dialects of the feeds that the project ships examples for. */
#define DEFAULT \
	{ \
		"/path", "/params", "/timestamp", "/results" \
	}
#define BITBANK \
	{ \
		"/room_name", NULL, "/message/data/timestamp", "/message/data" \
	}
#define BITFLYER \
	{ \
		NULL, NULL, NULL, "" \
	}

static struct err e;

struct event_case {
	const char *places[EVENT_SLOTS];
	const char *text;
	const char *name;
	const char *argument;
	const char *slot[EVENT_SLOTS];
	const char *more;    /* NULL: none */
	const char *members; /* what is left; NULL: nothing */
};

static const struct event_case cases[] = {
	{ DEFAULT,
		"[\"data\",{\"path\":\"/a\",\"params\":{\"ticker\":\"AAPL\"},\"timestamp\":"
		"\"2014-09-15T09:04:00.000Z\",\"results\":[{\"x\":\"0.69\"}]}]",
		"\"data\"",
		"{\"path\":\"/a\",\"params\":{\"ticker\":\"AAPL\"},\"timestamp\":"
		"\"2014-09-15T09:04:00.000Z\",\"results\":[{\"x\":\"0.69\"}]}",
		{ "\"/a\"", "{\"ticker\":\"AAPL\"}", "\"2014-09-15T09:04:00.000Z\"",
			"[{\"x\":\"0.69\"}]" },
		NULL, NULL },
	/* another order, white space everywhere, numbers that no double holds */
	{ DEFAULT,
		" [ \"data\" , { \"results\" : [ 12345678901234567890 , 1.10 , -0 , 1e400 ] ,\n"
		"\"timestamp\" : 1410771840 , \"path\":\"\\u002fa\" , \"params\":{ } } ] ",
		"\"data\"",
		"{ \"results\" : [ 12345678901234567890 , 1.10 , -0 , 1e400 ] ,\n"
		"\"timestamp\" : 1410771840 , \"path\":\"\\u002fa\" , \"params\":{ } }",
		{ "\"\\u002fa\"", "{ }", "1410771840",
			"[ 12345678901234567890 , 1.10 , -0 , 1e400 ]" },
		NULL, NULL },
	/* members beyond the places, and more arguments */
	{ DEFAULT,
		"[\"data\",{\"a\" : 1.0,\"path\":\"p\",\"b\":{\"path\":2},\"results\":null},{\"x\":1}, \"o\" ]",
		"\"data\"", "{\"a\" : 1.0,\"path\":\"p\",\"b\":{\"path\":2},\"results\":null}",
		{ "\"p\"", NULL, NULL, "null" }, "{\"x\":1}, \"o\"",
		"{\"a\":1.0,\"b\":{\"path\":2}}" },
	/* keys written with escapes are the same keys; a longer or shorter key is another */
	{ DEFAULT,
		"[\"data\",{\"p\\u0061th\":1,\"\\u0070\\u0061\\u0072\\u0061\\u006d\\u0073\":2,"
		"\"path2\":3,\"pat\":4,\"\\\"path\":5,\"\":6,\"result\\u0073\":7}]",
		"\"data\"", NULL, { "1", "2", NULL, "7" }, NULL,
		"{\"path2\":3,\"pat\":4,\"\\\"path\":5,\"\":6}" },
	/* text beyond ASCII, raw and escaped */
	{ DEFAULT,
		"[\"d\xc3\xa4ta\",{\"path\":\"\xf0\x9f\x9a\x80\",\"results\":[\"\\ud83d\\ude80\",\"\\ud83d\"],"
		"\"\xf0\x9f\x9a\x80\":0}]",
		"\"d\xc3\xa4ta\"", NULL,
		{ "\"\xf0\x9f\x9a\x80\"", NULL, NULL, "[\"\\ud83d\\ude80\",\"\\ud83d\"]" }, NULL,
		"{\"\xf0\x9f\x9a\x80\":0}" },
	/* no argument, arguments that are no object, and empty ones */
	{ DEFAULT, "[\"data\"]", "\"data\"", NULL, { NULL }, NULL, NULL },
	{ DEFAULT, "[\"data\",null]", "\"data\"", "null", { NULL }, NULL, "null" },
	{ DEFAULT, "[\"\",[1, 2],3]", "\"\"", "[1, 2]", { NULL }, "3", "[1,2]" },
	{ DEFAULT, "[\"data\",{}]", "\"data\"", "{}", { NULL }, NULL, NULL },
	{ DEFAULT, "[\"data\",{ },{ }]", "\"data\"", "{ }", { NULL }, "{ }", NULL },
	{ DEFAULT, "[\"data\",{\"x\":{}}]", "\"data\"", NULL, { NULL }, NULL, "{\"x\":{}}" },
	/* one place inside another */
	{ BITBANK,
		"[\"message\",{\"room_name\":\"ticker_btc_jpy\",\"message\":{\"pid\":85,\"data\":"
		"{\"sell\":\"1.10\",\"timestamp\":1570080042822}}}]",
		"\"message\"", NULL,
		{ "\"ticker_btc_jpy\"", NULL, "1570080042822",
			"{\"sell\":\"1.10\",\"timestamp\":1570080042822}" },
		NULL, "{\"message\":{\"pid\":85}}" },
	{ BITBANK, "[\"message\",{\"message\":{\"data\":{}},\"room_name\":\"r\"}]", "\"message\"",
		NULL, { "\"r\"", NULL, NULL, "{}" }, NULL, NULL },
	{ BITBANK,
		"[\"message\",{\"message\":{\"data\":[0,{\"timestamp\":1}]},\"room_name\":\"r\"}]",
		"\"message\"", NULL, { "\"r\"", NULL, NULL, "[0,{\"timestamp\":1}]" }, NULL, NULL },
	/* what stands on the way to a place, but does not lead there, is kept */
	{ BITBANK, "[\"m\",{\"room_name\":\"r\",\"message\":7}]", "\"m\"", NULL, { "\"r\"" }, NULL,
		"{\"message\":7}" },
	{ BITBANK, "[\"m\",{\"room_name\":\"r\",\"message\":{}}]", "\"m\"", NULL, { "\"r\"" }, NULL,
		"{\"message\":{}}" },
	{ BITBANK, "[\"m\",{\"room_name\":\"r\",\"message\":[]}]", "\"m\"", NULL, { "\"r\"" }, NULL,
		"{\"message\":[]}" },
	/* the whole first argument */
	{ BITFLYER, "[\"lightning_ticker_BTC_JPY\",{\"ltp\":1.10}]", "\"lightning_ticker_BTC_JPY\"",
		"{\"ltp\":1.10}", { NULL, NULL, NULL, "{\"ltp\":1.10}" }, NULL, NULL },
	{ BITFLYER, "[\"x\",\"text\",\"o\"]", "\"x\"", "\"text\"", { NULL, NULL, NULL, "\"text\"" },
		"\"o\"", NULL },
	{ { NULL, NULL, "/t", "" }, "[\"x\",{\"a\":1,\"t\":2}]", "\"x\"", NULL,
		{ NULL, NULL, "2", "{\"a\":1,\"t\":2}" }, NULL, NULL },
	/* steps with escapes, indexes, and a place that two slots share */
	{ { "/a~1b", "/m~0n", "/l/1/t", "/l/1" },
		"[\"x\",{\"a/b\":1,\"m~n\":2,\"l\":[ 10 , {\"t\":3,\"u\":4} , 12 ],\"a~1b\":5}]",
		"\"x\"", NULL, { "1", "2", "3", "{\"t\":3,\"u\":4}" }, NULL,
		"{\"l\":[10,null,12],\"a~1b\":5}" },
	{ { "/0", "/1", "/01", "/-" }, "[\"x\",[1,2,3]]", "\"x\"", NULL, { "1", "2", NULL, NULL },
		NULL, "[null,null,3]" },
	{ { "/0", "/1", NULL, NULL }, "[\"x\",[1,2]]", "\"x\"", NULL, { "1", "2" }, NULL, NULL },
	{ { "/0", "/1", "/01", "/-" }, "[\"x\",{\"0\":1,\"01\":2,\"-\":3}]", "\"x\"", NULL,
		{ "1", NULL, "2", "3" }, NULL, NULL },
	{ { "/id", NULL, "/id", "/" }, "[\"x\",{\"id\":1,\"\":2}]", "\"x\"", NULL,
		{ "1", NULL, "1", "2" }, NULL, NULL },
	{ { "/a\\n", "/q\"", NULL, "/\xc3\xbc" },
		"[\"x\",{\"a\\n\":0,\"a\\\\n\":1,\"q\\\"\":2,\"\\u00fc\":3}]", "\"x\"", NULL,
		{ "1", "2", NULL, "3" }, NULL, "{\"a\\n\":0}" },
	/* no places at all */
	{ { NULL }, "[\"x\",{\"a\": 1}]", "\"x\"", NULL, { NULL }, NULL, "{\"a\": 1}" },
};

static struct json_places *new_places(const char *const pointers[EVENT_SLOTS])
{
	struct json_places *places = json_places_new(pointers, &e);

	if (places == NULL)
		fail_msg("%s", e.text);
	return places;
}

static void assert_found(size_t i, const char *what, struct slice got, const char *want)
{
	if (want == NULL ? got.len != 0 : !slice_is(got, want))
		fail_msg("case %zu: %s is '%.*s', want '%s'", i, what, (int)got.len,
			got.ptr != NULL ? got.ptr : "", want != NULL ? want : "(none)");
}

static void finds_the_parts_of_an_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct event_case *c = &cases[i];
		struct json_places *places = new_places(c->places);
		struct event_scan scan;

		if (!json_scan_event(slice_of(c->text), places, &scan, &e))
			fail_msg("case %zu: %s", i, e.text);
		assert_found(i, "name", scan.name, c->name);
		if (c->argument != NULL)
			assert_found(i, "argument", scan.argument, c->argument);
		for (size_t slot = 0; slot < EVENT_SLOTS; slot++) {
			char what[] = "slot 0";

			what[5] = (char)('0' + slot);
			assert_found(i, what, scan.slot[slot], c->slot[slot]);
			assert_int_equal(scan.slot[slot].ptr != NULL, c->slot[slot] != NULL);
		}
		assert_found(i, "more", scan.more, c->more);
		assert_int_equal(scan.has_members, c->members != NULL);
		json_places_free(places);
	}
}

static void keeps_what_no_place_takes(void **state)
{
	struct buf left;

	(void)state;
	buf_init(&left, 4096);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct event_case *c = &cases[i];
		struct json_places *places = new_places(c->places);
		struct event_scan scan;

		left.len = 0;
		assert_true(json_scan_event(slice_of(c->text), places, &scan, &e));
		assert_true(json_scan_members(&scan, places, &left));
		assert_found(i, "what is left", buf_slice(&left), c->members);
		if (left.len != 0)
			assert_true(json_validate(buf_slice(&left), NULL, &e));
		json_places_free(places);
	}
	buf_release(&left);
}

/* Each cut is a copy at the end of its allocation, so that the sanitizer sees a look behind it. */
static void refuses_an_event_cut_at_any_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_places *places = new_places(cases[i].places);
		size_t len = strlen(cases[i].text);

		while (cases[i].text[len - 1] == ' ')
			len--;
		for (size_t cut = 0; cut < len; cut++) {
			struct event_scan scan;
			char *copy = malloc(cut != 0 ? cut : 1);

			assert_non_null(copy);
			memcpy(copy, cases[i].text, cut);
			if (json_scan_event((struct slice){ copy, cut }, places, &scan, &e))
				fail_msg("case %zu passed when cut at %zu", i, cut);
			free(copy);
		}
		json_places_free(places);
	}
}

/* A byte that no grammar allows anywhere outside strings, and none inside them. */
static void refuses_an_event_with_a_control_character_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_places *places = new_places(cases[i].places);
		size_t len = strlen(cases[i].text);
		char *copy = malloc(len);

		assert_non_null(copy);
		for (size_t at = 0; at < 2 * len; at++) {
			struct event_scan scan;

			memcpy(copy, cases[i].text, len);
			copy[at / 2] = at % 2 == 0 ? '\0' : '\x01';
			if (json_scan_event((struct slice){ copy, len }, places, &scan, &e))
				fail_msg("case %zu passed with a bad byte at %zu", i, at / 2);
		}
		free(copy);
		json_places_free(places);
	}
}

static void says_why_a_text_is_no_event(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} wrong[] = {
		{ "", "no event: the payload is no array" },
		{ "  ", "no event: the payload is no array" },
		{ "{\"path\":1}", "no event: the payload is no array" },
		{ "\"data\"", "no event: the payload is no array" },
		{ "[]", "no event: the first element is no string" },
		{ "[1,{}]", "no event: the first element is no string" },
		{ "[[\"data\"],{}]", "no event: the first element is no string" },
		{ "[\"data\",]", "not JSON at byte 8: expected a value, found ']'" },
		{ "[\"data\",{},]", "not JSON at byte 11: expected a value, found ']'" },
		{ "[\"data\" {}]", "not JSON at byte 8: expected ',' or ']', found '{'" },
		{ "[\"data\",{} {}]", "not JSON at byte 11: expected ',' or ']', found '{'" },
		{ "[\"data\",{}]x", "not JSON at byte 11: expected the end, found 'x'" },
		{ "[\"data\",{}],", "not JSON at byte 11: expected the end, found ','" },
		{ "[\"data\",{}}", "not JSON at byte 10: expected ',' or ']', found '}'" },
		{ "[\"data\",{\"path\" 1}]", "not JSON at byte 16: expected ':', found '1'" },
		{ "[\"data\",{\"path\":1,}]",
			"not JSON at byte 18: expected a key in quotes, found '}'" },
		{ "[\"data\",{\"path\":1]", "not JSON at byte 17: expected ',' or '}', found ']'" },
		{ "[\"data\",{\"path\":01}]",
			"not JSON at byte 17: expected ',' or '}', found '1'" },
		{ "[\"data\",{path:1}]",
			"not JSON at byte 9: expected a key in quotes, found 'p'" },
		{ "[\"data\",{\"x\":tru}]",
			"not JSON at byte 16: expected true, false or null, found '}'" },
		{ "[\"da\nta\",{}]",
			"not JSON at byte 4: expected an escape for a control character, "
			"found byte 0x0a" },
		{ "[\"data\",{\"path\":1,\"path\":1}]", "the member 'path' is given twice" },
		{ "[\"data\",{\"path\":1,\"x\":{\"path\":2},\"pat\\u0068\":1}]",
			"the member 'path' is given twice" },
	};
	const char *const places_of[EVENT_SLOTS] = DEFAULT;
	struct json_places *places = new_places(places_of);
	struct event_scan scan;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (json_scan_event(slice_of(wrong[i].text), places, &scan, &e))
			fail_msg("'%s' passed", wrong[i].text);
		assert_string_equal(e.text, wrong[i].why);
		assert_int_equal(e.code, ERR_INPUT);
	}
	assert_false(json_scan_event((struct slice){ NULL, 0 }, places, &scan, &e));
	json_places_free(places);
}

static void refuses_two_members_on_the_way_to_a_place(void **state)
{
	const char *const pointers[EVENT_SLOTS] = BITBANK;
	struct json_places *places = new_places(pointers);
	struct event_scan scan;

	(void)state;
	assert_false(json_scan_event(
		slice_of("[\"m\",{\"message\":{},\"message\":{\"data\":1}}]"), places, &scan, &e));
	assert_string_equal(e.text, "the member 'message' is given twice");
	assert_false(json_scan_event(
		slice_of("[\"m\",{\"message\":{\"data\":{\"timestamp\":1,\"timestamp\":1}}}]"),
		places, &scan, &e));
	/* Twice elsewhere is the feed's own affair. */
	assert_true(json_scan_event(slice_of("[\"m\",{\"x\":1,\"x\":1}]"), places, &scan, &e));
	json_places_free(places);
}

/* "[name,{results:[[...]]}]" with `depth` containers inside each other in all. */
static size_t nest(char *text, const char *head, size_t open, size_t depth, const char *tail)
{
	size_t len = (size_t)sprintf(text, "%s", head);

	for (size_t i = open; i < depth; i++)
		text[len++] = '[';
	for (size_t i = open; i < depth; i++)
		text[len++] = ']';
	return len + (size_t)sprintf(text + len, "%s", tail);
}

static void limits_the_depth_wherever_it_grows(void **state)
{
	static const struct {
		const char *head;
		size_t open;
		const char *tail;
	} shapes[] = {
		{ "[\"m\",", 1, "]" },
		{ "[\"m\",0,", 1, "]" },
		{ "[\"m\",{\"x\":", 2, "}]" },
		{ "[\"m\",{\"room_name\":", 2, "}]" },
		{ "[\"m\",{\"message\":{\"data\":{\"timestamp\":", 4, "}}}]" },
		{ "[\"m\",{\"message\":{\"data\":{\"x\":0,\"y\":", 4, "}}}]" },
	};
	const char *const pointers[EVENT_SLOTS] = BITBANK;
	struct json_places *places = new_places(pointers);
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		for (size_t depth = shapes[i].open + 1; depth < 200; depth++) {
			size_t len = nest(
				text, shapes[i].head, shapes[i].open, depth, shapes[i].tail);
			struct event_scan scan;
			bool ok = json_scan_event((struct slice){ text, len }, places, &scan, &e);

			if (ok != (depth <= JSON_DEPTH_MAX))
				fail_msg("shape %zu at depth %zu: %s", i, depth,
					ok ? "passed" : e.text);
			if (!ok)
				assert_int_equal(e.code, ERR_LIMIT);
		}
	}
	json_places_free(places);
}

static void follows_the_deepest_pointer_that_it_accepts(void **state)
{
	char pointer[2 * 64 + 1] = "";
	char text[1024] = "[\"m\",";
	const char *pointers[EVENT_SLOTS] = { NULL, NULL, NULL, pointer };
	struct json_places *places;
	struct event_scan scan;
	size_t len = strlen(text);

	(void)state;
	for (int i = 0; i < 63; i++) {
		strcat(pointer, "/a");
		len += (size_t)sprintf(text + len, "{\"a\":");
	}
	text[len++] = '7';
	memset(text + len, '}', 63);
	len += 63;
	text[len++] = ']';
	places = new_places(pointers);
	assert_true(json_scan_event((struct slice){ text, len }, places, &scan, &e));
	assert_true(slice_is(scan.slot[EVENT_RESULTS], "7"));
	assert_false(scan.has_members);
	json_places_free(places);

	strcat(pointer, "/a");
	assert_null(json_places_new(pointers, &e));
	assert_int_equal(e.code, ERR_LIMIT);
}

static void refuses_a_malformed_pointer(void **state)
{
	static const char *const wrong[] = { "path", "a/b", "/a~", "/a~2", "/~/b", "~0", " /a" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const char *const pointers[EVENT_SLOTS] = { "/path", NULL, wrong[i], NULL };

		if (json_places_new(pointers, &e) != NULL)
			fail_msg("'%s' passed", wrong[i]);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.text, wrong[i]));
	}
}

static void leaves_a_full_buffer_as_it_was(void **state)
{
	const char *const pointers[EVENT_SLOTS] = BITBANK;
	const char *text = "[\"m\",{\"a\":1,\"message\":{\"pid\":[1,2],\"data\":3},\"b\":2}]";
	struct json_places *places = new_places(pointers);
	struct event_scan scan;

	(void)state;
	assert_true(json_scan_event(slice_of(text), places, &scan, &e));
	for (size_t max = 2;; max++) {
		struct buf left;
		bool ok;

		buf_init(&left, max);
		assert_true(buf_append_str(&left, "<>"));
		ok = json_scan_members(&scan, places, &left);
		if (ok)
			assert_true(slice_is(buf_slice(&left),
				"<>{\"a\":1,\"message\":{\"pid\":[1,2]},\"b\":2}"));
		else
			assert_true(slice_is(buf_slice(&left), "<>"));
		buf_release(&left);
		if (ok)
			break;
		assert_true(max < 100);
	}
	json_places_free(places);
}

static void takes_the_offset_off_the_end(void **state)
{
	static const struct {
		const char *text;
		const char *offset; /* NULL: none */
		const char *argument;
		const char *more;
	} ends[] = {
		{ "[\"x\"]", NULL, NULL, NULL },
		{ "[\"x\",1]", NULL, "1", NULL },
		{ "[\"x\",\"o\"]", "\"o\"", NULL, NULL },
		{ "[\"x\",{\"path\":1} , \"o\" ]", "\"o\"", "{\"path\":1}", NULL },
		{ "[\"x\",\"a\",\"o\"]", "\"o\"", "\"a\"", NULL },
		{ "[\"x\",1,\"a,]\" , \"o\"]", "\"o\"", "1", "\"a,]\"" },
		{ "[\"x\",1, 2 , {\"a\":\"b\"} ,\"o\"]", "\"o\"", "1", "2 , {\"a\":\"b\"}" },
		{ "[\"x\",1,\"a\",2]", NULL, "1", "\"a\",2" },
	};
	const char *const pointers[EVENT_SLOTS] = { NULL, NULL, NULL, "" };
	struct json_places *places = new_places(pointers);

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct event_scan scan;
		struct slice offset = { NULL, 0 };

		assert_true(json_scan_event(slice_of(ends[i].text), places, &scan, &e));
		assert_int_equal(json_scan_take_offset(&scan, &offset), ends[i].offset != NULL);
		assert_found(i, "offset", offset, ends[i].offset);
		assert_found(i, "argument", scan.argument, ends[i].argument);
		assert_found(i, "results", scan.slot[EVENT_RESULTS], ends[i].argument);
		assert_found(i, "more", scan.more, ends[i].more);
		assert_found(i, "name", scan.name, "\"x\"");
	}
	json_places_free(places);
}

static void splits_the_further_arguments(void **state)
{
	static const char *const want[] = { "{\"x\":[1,2]}", "\"a,b\"", "null" };
	const char *const pointers[EVENT_SLOTS] = DEFAULT;
	struct json_places *places = new_places(pointers);
	struct event_scan scan;
	struct json_iter it;
	struct slice value;
	size_t count = 0;

	(void)state;
	assert_true(json_scan_event(
		slice_of("[\"x\",{} , {\"x\":[1,2]} ,\"a,b\",\tnull\n]"), places, &scan, &e));
	for (json_iter_list(&it, scan.more); json_iter_next(&it, NULL, &value); count++) {
		assert_true(count < COUNT(want));
		assert_found(count, "argument", value, want[count]);
	}
	assert_int_equal(count, COUNT(want));
	json_places_free(places);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_parts_of_an_event),
		cmocka_unit_test(keeps_what_no_place_takes),
		cmocka_unit_test(refuses_an_event_cut_at_any_byte),
		cmocka_unit_test(refuses_an_event_with_a_control_character_anywhere),
		cmocka_unit_test(says_why_a_text_is_no_event),
		cmocka_unit_test(refuses_two_members_on_the_way_to_a_place),
		cmocka_unit_test(limits_the_depth_wherever_it_grows),
		cmocka_unit_test(follows_the_deepest_pointer_that_it_accepts),
		cmocka_unit_test(refuses_a_malformed_pointer),
		cmocka_unit_test(leaves_a_full_buffer_as_it_was),
		cmocka_unit_test(takes_the_offset_off_the_end),
		cmocka_unit_test(splits_the_further_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
