/*
 * jwt_issue: tokens that are taken, and all those that are not; the API key in a Basic header.
 */
#include "unit.h"

#include "jwt_issue.h"
#include "proto/jwt.h"
#include "proto/payload.h"

#define NOW INT64_C(1790000000)

struct bench {
	struct jwt_issue *issue;
	struct buf token;
};

static void setup(struct bench *b)
{
	struct err e;

	buf_init(&b->token, JWT_TOKEN_MAX);
	assert_true(jwt_issue_new(&b->issue, 3600, &e));
	assert_true(jwt_issue_token(b->issue, NOW, &b->token, &e));
}

static void teardown(struct bench *b)
{
	jwt_issue_free(b->issue);
	buf_release(&b->token);
}

static void a_token_is_good_until_it_expires(void **state)
{
	struct jwt_owner owner = { .exp_s = 0 };
	struct jwt_times times;
	struct bench b;

	(void)state;
	setup(&b);
	assert_int_equal(
		jwt_issue_check(b.issue, buf_slice(&b.token), NOW + 3599, &owner), JWT_GOOD);
	assert_int_equal(owner.exp_s, NOW + 3600);
	assert_int_equal(strlen(owner.id), JWT_ID_LENGTH);
	assert_int_equal(
		jwt_issue_check(b.issue, buf_slice(&b.token), NOW + 3600, &owner), JWT_EXPIRED);
	assert_true(jwt_times(buf_slice(&b.token), &times));
	assert_true(times.has_iat && times.has_exp);
	assert_int_equal(times.iat, NOW);
	assert_int_equal(times.exp, NOW + 3600);
	teardown(&b);
}

static void every_token_has_a_name_of_its_own(void **state)
{
	struct jwt_owner one, two;
	struct buf other;
	struct bench b;
	struct err e;

	(void)state;
	setup(&b);
	buf_init(&other, JWT_TOKEN_MAX);
	assert_true(jwt_issue_token(b.issue, NOW, &other, &e));
	assert_int_equal(jwt_issue_check(b.issue, buf_slice(&b.token), NOW, &one), JWT_GOOD);
	assert_int_equal(jwt_issue_check(b.issue, buf_slice(&other), NOW, &two), JWT_GOOD);
	assert_string_not_equal(one.id, two.id);
	buf_release(&other);
	teardown(&b);
}

static void a_changed_byte_makes_a_token_bad(void **state)
{
	struct jwt_owner owner;
	struct bench b;

	(void)state;
	setup(&b);
	for (size_t i = 0; i < b.token.len; i++) {
		char was = b.token.data[i];

		b.token.data[i] = was == 'A' ? 'Q' : 'A';
		/* The last character holds two bits that base64 does not count. */
		if (i + 1 < b.token.len)
			assert_int_equal(jwt_issue_check(b.issue, buf_slice(&b.token), NOW, &owner),
				JWT_BAD);
		b.token.data[i] = was;
	}
	for (size_t len = 1; len < b.token.len; len++)
		assert_int_equal(
			jwt_issue_check(b.issue, (struct slice){ b.token.data, len }, NOW, &owner),
			JWT_BAD);
	teardown(&b);
}

static void tokens_of_others_are_bad(void **state)
{
	static const char *const texts[] = {
		"x",
		"..",
		"a.b.c",
		/* alg "none", without a signature: {"alg":"none"}.{"jti":32 zeros,"exp":9999999999} */
		"eyJhbGciOiJub25lIn0.eyJqdGkiOiIwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCIsImV4cCI6OTk5OTk5OTk5OX0.",
		"eyJhbGciOiJub25lIn0.eyJqdGkiOiIwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCIsImV4cCI6OTk5OTk5OTk5OX0",
		"eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCIsImV4cCI6OTk5OTk5OTk5OX0.",
	};
	struct jwt_owner owner;
	struct bench b, other;
	char *large;

	(void)state;
	setup(&b);
	setup(&other);
	assert_int_equal(jwt_issue_check(b.issue, buf_slice(&other.token), NOW, &owner), JWT_BAD);
	assert_int_equal(jwt_issue_check(b.issue, slice_of(""), NOW, &owner), JWT_MISSING);
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(
			jwt_issue_check(b.issue, slice_of(texts[i]), NOW, &owner), JWT_BAD);
	large = test_calloc(JWT_TOKEN_MAX + 1, 1);
	memset(large, 'a', JWT_TOKEN_MAX + 1);
	assert_int_equal(
		jwt_issue_check(b.issue, (struct slice){ large, JWT_TOKEN_MAX + 1 }, NOW, &owner),
		JWT_BAD);
	assert_int_equal(
		jwt_issue_check(b.issue, (struct slice){ "a\0b", 3 }, NOW, &owner), JWT_BAD);
	test_free(large);
	teardown(&b);
	teardown(&other);
}

static enum basic_verdict check(const struct secret *key, const char *prefix, const char *plain)
{
	enum basic_verdict verdict;
	struct buf value;

	buf_init(&value, 1000);
	assert_true(buf_append_str(&value, prefix));
	assert_true(payload_base64_encode(slice_of(plain), &value));
	verdict = jwt_basic_check(key, buf_slice(&value));
	buf_release(&value);
	return verdict;
}

static void only_the_key_without_a_password_is_good(void **state)
{
	struct secret *key = secret_new(slice_of("sk_test_k:y"));

	(void)state;
	assert_int_equal(check(key, "Basic ", "sk_test_k:y:"), BASIC_GOOD);
	assert_int_equal(check(key, "basic   ", "sk_test_k:y:"), BASIC_GOOD);
	assert_int_equal(check(key, "Basic ", "sk_test_k:y"), BASIC_WRONG);
	assert_int_equal(check(key, "Basic ", "sk_test_k:y:x"), BASIC_WRONG);
	assert_int_equal(check(key, "Basic ", "sk_test_k:"), BASIC_WRONG);
	assert_int_equal(check(key, "Basic ", "Sk_test_k:y:"), BASIC_WRONG);
	assert_int_equal(check(key, "Basic ", ":"), BASIC_WRONG);
	assert_int_equal(check(key, "Bearer ", "sk_test_k:y:"), BASIC_BAD);
	assert_int_equal(check(key, "Basic", "sk_test_k:y:"), BASIC_BAD);
	assert_int_equal(check(key, "Basic ", ""), BASIC_BAD);
	assert_int_equal(jwt_basic_check(key, slice_of("Basic %%%")), BASIC_BAD);
	assert_int_equal(jwt_basic_check(key, slice_of("")), BASIC_BAD);
	assert_int_equal(jwt_basic_check(key, (struct slice){ NULL, 0 }), BASIC_MISSING);
	secret_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_good_until_it_expires),
		cmocka_unit_test(every_token_has_a_name_of_its_own),
		cmocka_unit_test(a_changed_byte_makes_a_token_bad),
		cmocka_unit_test(tokens_of_others_are_bad),
		cmocka_unit_test(only_the_key_without_a_password_is_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
