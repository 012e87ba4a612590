/*
 * choice: what the options that choose accept, and what they say of what they do not.
 */
#include "choice.h"

#include "unit.h"

static struct choice choice;
static struct err err;

static void take(int option, const char *value)
{
	if (!choice_take(&choice, option, value, &err))
		fail_msg("%s", err.text);
}

static void refuse(int option, const char *value, const char *says)
{
	assert_false(choice_take(&choice, option, value, &err));
	if (strstr(err.text, says) == NULL)
		fail_msg("%s", err.text);
}

static void times_are_iso_or_microseconds(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "2014-05-21T11:57:00Z", 1400673420000000 },
		{ "2014-05-21T11:57:00.000001Z", 1400673420000001 },
		{ "2014-05-21T13:57:00+02:00", 1400673420000000 },
		{ "2014-05-21 11:57", 1400673420000000 },
		{ "2014-05-21", 1400630400000000 },
		{ "1400673420000000", 1400673420000000 },
		{ "1400673420", 1400673420 }, /* no guessing of units */
		{ "20140521", 20140521 },
		{ "-1", -1 },
		{ "0", 0 },
		{ "9223372036854775807", INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		take(CHOICE_FROM, cases[i].text);
		assert_int_equal(choice.from_us, cases[i].us);
		take(CHOICE_TO, cases[i].text);
		assert_int_equal(choice.to_us, cases[i].us);
	}
	refuse(CHOICE_FROM, "yesterday", "--from 'yesterday'");
	refuse(CHOICE_TO, "2014-13-01", "--to '2014-13-01'");
	refuse(CHOICE_TO, "", "--to ''");
	refuse(CHOICE_TO, "-", "--to '-'");
	refuse(CHOICE_TO, "12x", "--to '12x'");
	refuse(CHOICE_FROM, "9223372036854775808", "no so many microseconds");
	refuse(CHOICE_FROM, "-9223372036854775808", "no so many microseconds");
}

static void params_are_made_canonical(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"b\": 1.10,\t\"a\" : \"\\u0041\"}", "{\"a\":\"A\",\"b\":1.10}" },
		{ " {} ", "{}" },
		{ "[1, 2]", "[1,2]" },
		{ "\"x\"", "\"x\"" },
		{ "{\"t\":\"\\u00e4\"}", "{\"t\":\"\xc3\xa4\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		take(CHOICE_PARAMS, cases[i][0]);
		assert_int_equal(choice_of(&choice).n_params, i + 1);
		assert_slice(choice_of(&choice).params[i], cases[i][1]);
	}
	refuse(CHOICE_PARAMS, "{ticker:1}", "--params '{ticker:1}': not JSON");
	refuse(CHOICE_PARAMS, "", "--params ''");
	refuse(CHOICE_PARAMS, "{} {}", "--params '{} {}'");
	refuse(CHOICE_PARAMS, "{\"a\":1,\"a\":2}", "twice");
	refuse(CHOICE_PARAMS, "\"\xff\"", "not UTF-8");
}

static void values_of_one_kind_add_up_in_their_order(void **state)
{
	struct tape_choice all;

	(void)state;
	take(CHOICE_FEED, "f");
	take(CHOICE_PATH, "/a");
	take(CHOICE_FEED, "g");
	take(CHOICE_PATH, "");
	all = choice_of(&choice);
	assert_int_equal(all.n_feeds, 2);
	assert_slice(all.feeds[0], "f");
	assert_slice(all.feeds[1], "g");
	assert_int_equal(all.n_paths, 2);
	assert_slice(all.paths[1], "");
	assert_int_equal(all.n_params, 0);
	assert_int_equal(all.from_us, TAPE_NONE);
	assert_int_equal(all.to_us, TAPE_NONE);
}

static void the_order_is_one_of_two(void **state)
{
	(void)state;
	assert_int_equal(choice_of(&choice).order, TAPE_RECEIVED);
	take(CHOICE_ORDER, "timestamp");
	assert_int_equal(choice_of(&choice).order, TAPE_TIMESTAMP);
	take(CHOICE_ORDER, "received");
	assert_int_equal(choice_of(&choice).order, TAPE_RECEIVED);
	refuse(CHOICE_ORDER, "time", "--order 'time': it is 'received' or 'timestamp'");
}

static void the_end_is_not_before_the_beginning(void **state)
{
	(void)state;
	assert_true(choice_check(&choice, &err));
	take(CHOICE_FROM, "7");
	assert_true(choice_check(&choice, &err));
	take(CHOICE_TO, "7");
	assert_true(choice_check(&choice, &err));
	take(CHOICE_TO, "6");
	assert_false(choice_check(&choice, &err));
	assert_non_null(strstr(err.text, "--from is after --to"));
}

static int set_up(void **state)
{
	(void)state;
	choice_init(&choice);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	choice_release(&choice);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(times_are_iso_or_microseconds),
		TEST(params_are_made_canonical),
		TEST(values_of_one_kind_add_up_in_their_order),
		TEST(the_order_is_one_of_two),
		TEST(the_end_is_not_before_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
