/*
 * backoff, dialect, nearest, token: the recorder's decisions, without a network.
 */
#include "unit.h"

#include "record/backoff.h"
#include "record/dialect.h"
#include "record/nearest.h"
#include "record/token.h"

static void backoff_doubles_to_its_limit_within_the_jitter(void **state)
{
	static const int64_t middle[] = { 500000, 1000000, 2000000, 4000000, 8000000, 16000000 };
	struct backoff low = { 0 };
	struct backoff high = { 0 };
	struct backoff b = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(middle); i++) {
		int64_t most = middle[i] + middle[i] / 2;

		assert_int_equal(backoff_after_failure(&low, BACKOFF_MAX_US, 0), middle[i] / 2);
		assert_in_range(
			backoff_after_failure(&high, BACKOFF_MAX_US, UINT32_MAX), most - 1, most);
	}
	for (int i = 0; i < 1000; i++)
		assert_true(
			backoff_after_failure(&high, BACKOFF_MAX_US, UINT32_MAX) <= BACKOFF_MAX_US);
	for (int i = 0; i < 1000; i++)
		assert_true(backoff_after_failure(&b, BACKOFF_REFUSED_MAX_US, backoff_random()) <=
			BACKOFF_REFUSED_MAX_US);
}

static void the_first_try_after_a_loss_comes_within_a_second(void **state)
{
	struct backoff b = { 7 };

	(void)state;
	assert_true(backoff_after_loss(&b, UINT32_MAX) < BACKOFF_LOST_MAX_US);
	assert_int_equal(backoff_after_loss(&b, 0), 0);
	assert_int_equal(b.failures, 0);
	assert_int_equal(backoff_after_failure(&b, BACKOFF_MAX_US, 0), BACKOFF_FIRST_US / 2);
}

static void placeholders_become_the_endpoint(void **state)
{
	static const struct {
		const char *args;
		const char *want;
	} cases[] = {
		{ "[{\"path\":\"$path\",\"params\":\"$params\"}]",
			"{\"path\":\"a\\\"b\",\"params\":{\"n\":1.10}}" },
		{ "[\"$path\"]", "\"a\\\"b\"" },
		{ "[]", "" },
		{ "[1.10, \"$pathology\", {\"deep\":[\"$params\"]}, \"\\\"$path\\\"\"]",
			"1.10,\"$pathology\",{\"deep\":[{\"n\":1.10}]},\"\\\"$path\\\"\"" },
	};
	struct config_endpoint endpoint = { .path = SLICE_LITERAL("a\"b"),
		.params = SLICE_LITERAL("{\"n\":1.10}") };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config_emit emit = { .event = "e", .args = cases[i].args };
		struct buf out;

		buf_init(&out, 1000);
		assert_true(dialect_arguments(&emit, endpoint.path, endpoint.params, &out));
		assert_slice(buf_slice(&out), cases[i].want);
		buf_release(&out);
	}
}

static void the_nearest_endpoint_is_found(void **state)
{
	const struct config_endpoint endpoints[] = {
		{ .path = SLICE_LITERAL("crowd-sentiment") },
		{ .path = SLICE_LITERAL("user-sentiment") },
		{ .path = SLICE_LITERAL("tweet-volume") },
	};
	struct config_feed feed = { .endpoints = endpoints, .n_endpoints = COUNT(endpoints) };

	(void)state;
	assert_ptr_equal(nearest_endpoint(&feed, slice_of("crowd_sentiment")), &endpoints[0]);
	assert_ptr_equal(nearest_endpoint(&feed, slice_of("users-sentiment")), &endpoints[1]);
	assert_ptr_equal(nearest_endpoint(&feed, slice_of("tweet-volume")), &endpoints[2]);
}

static void token_answers_are_understood_or_refused_with_a_reason(void **state)
{
	static const struct {
		const char *body;
		const char *token; /* NULL: refused */
		const char *reason;
	} cases[] = {
		{ "{\"token\":\"abc\"}", "abc", NULL },
		{ " {\"x\":1, \"token\":\"a\\u0062c\"} ", "abc", NULL },
		{ "\"bare\"", "bare", NULL },
		{ "{\"token\":null}", NULL, "member 'token'" },
		{ "{\"jwt\":\"abc\"}", NULL, "token.member" },
		{ "{\"token\":\"\"}", NULL, "empty" },
		{ "{\"token\":\"a\\nb\"}", NULL, "line break" },
		{ "{\"token\":\"a\\u0000b\"}", NULL, "zero byte" },
		{ "{\"token\":\"abc\"", NULL, "not JSON" },
		{ "", NULL, "not JSON" },
		{ "<html>", NULL, "not JSON" },
		{ "[\"abc\"]", NULL, "no text" },
		{ "null", NULL, "no text" },
		{ "12", NULL, "no text" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e;
		struct secret *s = token_parse(slice_of(cases[i].body), "token", &e);

		if (cases[i].token == NULL) {
			assert_null(s);
			assert_non_null(strstr(e.text, cases[i].reason));
		} else {
			assert_non_null(s);
			assert_slice(secret_reveal(s), cases[i].token);
		}
		secret_free(s);
	}
}

static void a_token_may_have_16_kib_and_no_more(void **state)
{
	static char body[TOKEN_MAX + 64];
	struct secret *s;
	struct err e;

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		size_t len = 0;

		body[len++] = '"';
		memset(body + len, 'x', TOKEN_MAX + extra);
		len += TOKEN_MAX + extra;
		body[len++] = '"';
		s = token_parse((struct slice){ body, len }, "token", &e);
		assert_true((s != NULL) == (extra == 0));
		secret_free(s);
	}
	assert_non_null(strstr(e.text, "16384"));
}

/* Tokens with the payloads {"exp":2000,"iat":500}, {"exp":2000} and {"iat":500}. */
static void the_life_of_a_token_is_told_by_its_claims(void **state)
{
	static const char both[] = "eyJhIjoxfQ.eyJleHAiOjIwMDAsImlhdCI6NTAwfQ.c2ln";
	static const char only_exp[] = "eyJhIjoxfQ.eyJleHAiOjIwMDB9.c2ln";
	static const char only_iat[] = "eyJhIjoxfQ.eyJpYXQiOjUwMH0.c2ln";

	(void)state;
	assert_int_equal(token_life(slice_of(both), 7, 1900), 1500000000);
	assert_int_equal(token_life(slice_of(only_exp), 7, 1900), 100000000);
	assert_int_equal(token_life(slice_of(only_exp), 7, 2100), 0);
	assert_int_equal(token_life(slice_of(only_iat), 7, 1900), 7);
	assert_int_equal(token_life(slice_of("opaque"), 7, 1900), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_doubles_to_its_limit_within_the_jitter),
		cmocka_unit_test(the_first_try_after_a_loss_comes_within_a_second),
		cmocka_unit_test(placeholders_become_the_endpoint),
		cmocka_unit_test(the_nearest_endpoint_is_found),
		cmocka_unit_test(token_answers_are_understood_or_refused_with_a_reason),
		cmocka_unit_test(a_token_may_have_16_kib_and_no_more),
		cmocka_unit_test(the_life_of_a_token_is_told_by_its_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
