/*
 * retime: timestamps of another instant, in the shape of the old ones.
 */
#include "unit.h"

#include "base/err.h"
#include "base/timestamp.h"
#include "retime.h"

#define US INT64_C(1790000000123456)

static void a_timestamp_keeps_its_shape(void **state)
{
	static const struct {
		const char *token;
		const char *want;
	} cases[] = {
		{ "\"2014-05-21T10:00:00.000Z\"", "\"2026-09-21T14:13:20.123456Z\"" },
		{ "\"2014-05-21 10:00:00+02:00\"", "\"2026-09-21T14:13:20.123456Z\"" },
		{ "1400666400", "1790000000" },
		{ "\"1400666400\"", "\"1790000000\"" },
		{ "1400666400.5", "1790000000.1" },
		{ "1400666400.123456789", "1790000000.123456" },
		{ "1400666400123", "1790000000123" },
		{ "\"1400666400123\"", "\"1790000000123\"" },
		{ "1400666400123.25", "1790000000123.45" },
		{ "1400666400123456", "1790000000123456" },
		{ "1400666400123456.5", "1790000000123456" },
		{ "1400666400123456789", "1790000000123456000" },
		{ "\"1400666400123456789\"", "\"1790000000123456000\"" },
		{ "1.4e9", "\"2026-09-21T14:13:20.123456Z\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[RETIME_TOKEN_MAX];
		size_t len = retime_token(slice_of(cases[i].token), US, out);
		struct err e;
		int64_t back;

		assert_slice((struct slice){ out, len }, cases[i].want);
		assert_true(timestamp_parse((struct slice){ out, len }, &back, &e));
		assert_true(US - back >= 0 && US - back < 1000000);
	}
}

static void the_timestamp_is_replaced_where_the_dialect_has_it(void **state)
{
	static const char *const usual[] = { "/path", "/params", "/timestamp", "/results" };
	static const char *const rooms[] = { "/room", NULL, "/m/d/timestamp", "/m/d" };
	static const struct {
		const char *const *pointers;
		const char *arguments;
		const char *want;
	} cases[] = {
		{ usual, "{\"path\":\"p\",\"timestamp\":1400666400,\"results\":[1]},\"more\"",
			"{\"path\":\"p\",\"timestamp\":1790000000,\"results\":[1]},\"more\"" },
		{ usual, "{\"path\":\"p\",\"results\":{\"timestamp\":5}}",
			"{\"path\":\"p\",\"results\":{\"timestamp\":5}}" },
		{ rooms, "{\"room\":\"r\",\"m\":{\"d\":{\"x\":1,\"timestamp\":1400666400123}}}",
			"{\"room\":\"r\",\"m\":{\"d\":{\"x\":1,\"timestamp\":1790000000123}}}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_places *places;
		struct buf arguments, scratch;
		struct err e;

		places = json_places_new(cases[i].pointers, &e);
		assert_non_null(places);
		buf_init(&arguments, 1000);
		buf_init(&scratch, 1000);
		assert_true(buf_append_str(&arguments, cases[i].arguments));
		assert_true(retime_arguments(places, US, &arguments, &scratch));
		assert_slice(buf_slice(&arguments), cases[i].want);
		buf_release(&arguments);
		buf_release(&scratch);
		json_places_free(places);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timestamp_keeps_its_shape),
		cmocka_unit_test(the_timestamp_is_replaced_where_the_dialect_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
