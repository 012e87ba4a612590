#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/jwt.h"

#define TOKEN_MAX 40000

/* Writes "h.<base64url of payload>.s" and returns its slice. */
static struct slice make_token(char *out, const char *payload, bool is_padded)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strlen(payload), n = 0;

	out[n++] = 'h';
	out[n++] = '.';
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i < 3 ? len - i : 3;
		unsigned bits = 0;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < left ? (unsigned char)payload[i + j] : 0);
		for (size_t j = 0; j < 4; j++) {
			if (j <= left)
				out[n++] = digits[bits >> (18 - 6 * j) & 63];
			else if (is_padded)
				out[n++] = '=';
		}
	}
	out[n++] = '.';
	out[n++] = 's';
	return (struct slice){ out, n };
}

static void reads_the_times(void **state)
{
	static const struct {
		const char *payload;
		struct jwt_times want;
	} cases[] = {
		{ "{\"iat\":1516239022,\"exp\":1516257022}",
			{ true, true, 1516257022, 1516239022 } },
		{ "{\"exp\":1516257022}", { true, false, 1516257022, 0 } },
		{ "{\"iat\":0}", { false, true, 0, 0 } },
		{ "{\n} \n", { false, false, 0, 0 } },
		{ "{}", { false, false, 0, 0 } },
		{ " { \"exp\" : 1516257022.999 } ", { true, false, 1516257022, 0 } },
		{ "{\"exp\":1.5e9,\"iat\":1516239022.0001}",
			{ true, true, 1500000000, 1516239022 } },
		{ "{\"exp\":253402300799}", { true, false, 253402300799, 0 } },
		{ "{\"exp\":253402300800}", { false, false, 0, 0 } },
		{ "{\"exp\":1e308}", { false, false, 0, 0 } },
		{ "{\"exp\":99999999999999999999999999999999999999}", { false, false, 0, 0 } },
		{ "{\"exp\":-1,\"iat\":5}", { false, true, 0, 5 } },
		{ "{\"exp\":\"1516257022\",\"iat\":null}", { false, false, 0, 0 } },
		{ "{\"a\":{\"exp\":1},\"e\\u0078p\":2}", { true, false, 2, 0 } },
		{ "{\"name\":\"\xc3\xbf\xc3\xbe?>~~\",\"exp\":7}", { true, false, 7, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int padded = 0; padded < 2; padded++) {
			static char token[TOKEN_MAX];
			struct jwt_times got;

			assert_true(
				jwt_times(make_token(token, cases[i].payload, padded == 1), &got));
			assert_int_equal(got.has_exp, cases[i].want.has_exp);
			assert_int_equal(got.has_iat, cases[i].want.has_iat);
			assert_int_equal(got.exp, cases[i].want.exp);
			assert_int_equal(got.iat, cases[i].want.iat);
		}
	}
}

static void reads_a_token_of_a_real_library(void **state)
{
	static const char token[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
		"eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
		"SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
	struct jwt_times t;

	(void)state;
	assert_true(jwt_times(slice_of(token), &t));
	assert_true(t.has_iat && !t.has_exp);
	assert_int_equal(t.iat, 1516239022);
}

static void what_is_no_jwt_is_told_apart(void **state)
{
	static const char *const tokens[] = { "", ".", "..", "...", "abc", "a.b", "a.e30", ".e30.s",
		"a..s", "a.e30.s.t", "a.e3.s", "a.e.s", "a.e3 0.s", "a.e3+0.s", "a.W10.s",
		"a.bnVsbA.s", "a.ew.s", "a.====.s", "a.=e30.s", "a.e30\n.s", "a._w.s" };
	struct jwt_times t;

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
		if (jwt_times(slice_of(tokens[i]), &t))
			fail_msg("accepted: %s", tokens[i]);
		assert_false(t.has_exp || t.has_iat);
	}
	assert_false(jwt_times((struct slice){ NULL, 0 }, &t));
	assert_true(jwt_times(slice_of("a.e30.s"), &t)); /* {} */
	assert_true(jwt_times(slice_of("a.e30."), &t));  /* unsigned */
}

static void a_payload_ends_at_the_limit(void **state)
{
	static char payload[TOKEN_MAX / 2], token[TOKEN_MAX];

	(void)state;
	for (int over = 0; over < 2; over++) {
		size_t len = (size_t)JWT_PAYLOAD_MAX / 4 * 3 + (size_t)over;
		struct jwt_times t;

		memset(payload, ' ', len);
		payload[len] = '\0';
		memcpy(payload, "{\"exp\":1", 8);
		payload[len - 1] = '}';
		assert_int_equal(jwt_times(make_token(token, payload, false), &t), over == 0);
	}
}

static void a_cut_token_is_no_jwt(void **state)
{
	static char token[TOKEN_MAX];
	struct slice whole = make_token(token, "{\"iat\":1516239022,\"exp\":1516257022}", false);
	struct jwt_times t;

	(void)state;
	for (size_t cut = 0; cut + 1 < whole.len; cut++)
		assert_false(jwt_times((struct slice){ whole.ptr, cut }, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_times),
		cmocka_unit_test(reads_a_token_of_a_real_library),
		cmocka_unit_test(what_is_no_jwt_is_told_apart),
		cmocka_unit_test(a_payload_ends_at_the_limit),
		cmocka_unit_test(a_cut_token_is_no_jwt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
