#include "unit.h"

#include <stdlib.h>

#include "base/secret.h"
#include "proto/detect.h"

#define S(s) SLICE_LITERAL(s)
#define OPEN4 \
	"0{\"sid\":\"x\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":5000}"
#define OPEN3 \
	"0{\"sid\":\"x\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":60000}"

struct answer {
	int status;
	struct slice body;
	enum detect_kind kind;
	const char *why;
};

static void judge(const struct answer *answers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *copy = malloc(answers[i].body.len + 1);
		struct slice body = { copy, answers[i].body.len };
		char why[80];

		assert_non_null(copy);
		copy = realloc(copy, body.len != 0 ? body.len : 1);
		body.ptr = copy;
		assert_non_null(copy);
		memcpy(copy, answers[i].body.ptr, body.len);
		if (detect_answer(answers[i].status, body, why, sizeof(why)) != answers[i].kind)
			fail_msg("case %zu", i);
		assert_string_equal(why, answers[i].why);
		free(copy);
	}
}

static void knows_the_generations_by_their_answers(void **state)
{
	static const struct answer answers[] = {
		{ 200, S(OPEN4), DETECT_EIO4, "" },
		{ 200, S("0{}"), DETECT_EIO4, "" },
		{ 200,
			S(OPEN4 "\x1e"
				"2"),
			DETECT_EIO4, "" },
		{ 200, S("78:" OPEN3), DETECT_EIO3, "" },
		{ 200, S("78:" OPEN3 "2:40"), DETECT_EIO3, "" },
		{ 200, S("\x00\x07\x08\xff" OPEN3), DETECT_EIO3, "" },
		{ 200, S("Welcome to socket.io."), DETECT_09, "" },
	};

	(void)state;
	judge(answers, COUNT(answers));
}

static void knows_the_errors_of_servers(void **state)
{
	static const struct answer answers[] = {
		{ 400, S("{\"code\":0,\"message\":\"Transport unknown\"}"), DETECT_TRANSPORT,
			"Transport unknown" },
		{ 400, S("{\"code\":1,\"message\":\"Session ID unknown\"}"), DETECT_SID,
			"Session ID unknown" },
		{ 400, S("{\"code\":2,\"message\":\"Bad handshake method\"}"), DETECT_OTHER,
			"Bad handshake method" },
		{ 400, S("{\"code\":3,\"message\":\"Bad request\"}"), DETECT_OTHER, "Bad request" },
		{ 400, S("{\"code\":4,\"message\":\"Forbidden\"}"), DETECT_DENIED, "Forbidden" },
		{ 403, S("{\"code\":4,\"message\":\"Forbidden\"}"), DETECT_DENIED, "Forbidden" },
		{ 400, S(" {\"message\":\"Unsupported protocol version\" , \"code\" : 5 }\n"),
			DETECT_REVISION, "Unsupported protocol version" },
		{ 400, S("{\"code\":6,\"message\":\"x\"}"), DETECT_OTHER, "x" },
		{ 400, S("{\"code\":\"1\",\"message\":\"x\"}"), DETECT_OTHER, "x" },
		{ 400, S("{\"code\":10,\"message\":\"x\"}"), DETECT_OTHER, "x" },
		{ 400, S("[0]"), DETECT_OTHER, "[0]" },
		{ 400, S("{\"code\":1"), DETECT_OTHER, "{\\\"code\\\":1" },
		{ 401, S(""), DETECT_DENIED, "" },
		{ 403, S("handshake unauthorized"), DETECT_DENIED, "handshake unauthorized" },
		{ 431, S(""), DETECT_HEADERS, "" },
		{ 407, S(""), DETECT_PROXY, "" },
		{ 414, S(""), DETECT_HEADERS, "" },
		{ 408, S(""), DETECT_BUSY, "" },
		{ 429, S("slow down"), DETECT_BUSY, "slow down" },
		{ 500, S(""), DETECT_BUSY, "" },
		{ 502, S(""), DETECT_BUSY, "" },
		{ 503, S("{\"code\":1,\"message\":\"no\"}"), DETECT_BUSY, "no" },
		{ 504, S(""), DETECT_BUSY, "" },
	};

	(void)state;
	judge(answers, COUNT(answers));
}

static void all_else_is_no_server_of_ours(void **state)
{
	static const struct answer answers[] = {
		{ 200, S(""), DETECT_OTHER, "" },
		{ 200, S("0"), DETECT_OTHER, "0" },
		{ 200, S("0["), DETECT_OTHER, "0[" },
		{ 200, S("<!DOCTYPE html>\n"), DETECT_OTHER, "<!DOCTYPE html>\\x0a" },
		{ 200, S("79:" OPEN3), DETECT_OTHER,
			"79:0{\\\"sid\\\":\\\"x\\\",\\\"upgrades\\\":[\\\"websocket\\\"],\\\"pingInterval\\\":25000,\\\"pingTi" },
		{ 200, S("2:40"), DETECT_OTHER, "2:40" },
		{ 200, S("999999999999999:0{"), DETECT_OTHER, "999999999999999:0{" },
		{ 200, S("\x00\xff"), DETECT_OTHER, "\\x00\\xff" },
		{ 200, S("Welcome to socket"), DETECT_OTHER, "Welcome to socket" },
		{ 200, S("{\"code\":1,\"message\":\"x\"}"), DETECT_OTHER, "x" },
		{ 201, S(OPEN4), DETECT_OTHER, NULL },
		{ 404, S("Welcome to socket.io."), DETECT_OTHER, "Welcome to socket.io." },
		{ 404, S("Not found"), DETECT_OTHER, "Not found" },
		{ 302, S(""), DETECT_OTHER, "" },
		{ 0, S(""), DETECT_OTHER, "" },
	};
	char why[80];

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		if (answers[i].why != NULL)
			judge(&answers[i], 1);
		else
			assert_int_equal(
				detect_answer(answers[i].status, answers[i].body, why, sizeof(why)),
				answers[i].kind);
	}
	assert_int_equal(
		detect_answer(200, (struct slice){ NULL, 0 }, why, sizeof(why)), DETECT_OTHER);
	assert_int_equal(detect_answer(404, slice_of("Not found"), why, 1), DETECT_OTHER);
	assert_string_equal(why, "");
}

/* Bodies that say their length are taken only when they are all there. */
static void a_cut_answer_is_no_other_generation(void **state)
{
	static const struct {
		struct slice body;
		enum detect_kind kind;
	} cases[] = {
		{ S(OPEN4), DETECT_EIO4 },
		{ S("78:" OPEN3), DETECT_EIO3 },
		{ S("\x00\x07\x08\xff" OPEN3), DETECT_EIO3 },
		{ S("Welcome to socket.io"), DETECT_09 },
	};
	char why[80];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t cut = 0; cut < cases[i].body.len; cut++) {
			enum detect_kind kind = detect_answer(
				200, (struct slice){ cases[i].body.ptr, cut }, why, sizeof(why));

			assert_true(kind == DETECT_OTHER ||
				(kind == DETECT_EIO4 && cases[i].kind == kind && cut >= 2));
		}
	}
}

static void an_answer_that_quotes_a_secret_is_withheld(void **state)
{
	struct secret *s = secret_new(slice_of("canary-token-0123456789"));
	char why[200];

	(void)state;
	assert_non_null(s);
	(void)detect_answer(400,
		slice_of("{\"code\":4,\"message\":\"bad canary-token-0123456789\"}"), why, 200);
	assert_null(strstr(why, "canary"));
	(void)detect_answer(404, slice_of("<p>/?token=canary-token-0123456789"), why, sizeof(why));
	assert_null(strstr(why, "canary"));
	secret_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_the_generations_by_their_answers),
		cmocka_unit_test(knows_the_errors_of_servers),
		cmocka_unit_test(all_else_is_no_server_of_ours),
		cmocka_unit_test(a_cut_answer_is_no_other_generation),
		cmocka_unit_test(an_answer_that_quotes_a_secret_is_withheld),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
