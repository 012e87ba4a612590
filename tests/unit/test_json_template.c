/*
 * json_template: placeholders filled in, and found again in what arrived.
 */
#include "unit.h"

#include "base/buf.h"
#include "base/json_template.h"

static void placeholders_are_filled_in(void **state)
{
	static const struct {
		const char *template;
		const char *want;
	} cases[] = {
		{ "[{\"path\":\"$path\",\"params\":\"$params\"}]",
			"[{\"path\":\"a\\\"b\",\"params\":{\"n\":1.10}}]" },
		{ "[\"$path\"]", "[\"a\\\"b\"]" },
		{ "{\"$path\" : \"$path\"}", "{\"$path\" : \"a\\\"b\"}" },
		{ "[]", "[]" },
		{ "[1.10, \"$pathology\", \"\\u0024params\", \"\\\"$path\\\"\"]",
			"[1.10, \"$pathology\", {\"n\":1.10}, \"\\\"$path\\\"\"]" },
	};
	const struct json_template_value values[] = { { "$path", SLICE_LITERAL("\"a\\\"b\"") },
		{ "$params", SLICE_LITERAL("{\"n\":1.10}") } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out;

		buf_init(&out, 1000);
		assert_true(json_template_expand(
			slice_of(cases[i].template), values, COUNT(values), &out));
		assert_slice(buf_slice(&out), cases[i].want);
		buf_release(&out);
	}
}

static void what_was_filled_in_is_found(void **state)
{
	static const char object[] = "[{\"path\":\"$path\",\"params\":\"$params\"}]";
	static const char *const absent = NULL;
	const struct {
		const char *template;
		const char *arguments;
		const char *path; /* NULL: nothing stands there */
		const char *params;
	} cases[] = {
		{ object, "{\"path\":\"p\",\"params\":{\"n\": 1.10}}", "\"p\"", "{\"n\": 1.10}" },
		{ object, " { \"params\" : {} , \"p\\u0061th\":\"p\", \"more\":[1] } , null",
			"\"p\"", "{}" },
		{ object, "{\"path\":\"p\"}", "\"p\"", absent },
		{ object, "{}", absent, absent },
		{ "[\"$path\"]", "\"room\"", "\"room\"", absent },
		{ "[\"$path\"]", "\"room\",{\"x\":1}", "\"room\"", absent },
		{ "[\"$path\"]", "", absent, absent },
		{ "[\"$path\",\"$params\"]", "\"room\"", "\"room\"", absent },
		{ "[{\"op\":\"add\",\"args\":[\"$path\",\"$params\"]}]",
			"{\"args\":[7,[8]],\"op\":\"\\u0061dd\"}", "7", "[8]" },
		{ "[1.10,true,null,\"$path\"]", "1.10, true ,null,\"p\"", "\"p\"", absent },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_template_value values[] = { { "$path", { "x", 1 } },
			{ "$params", { "x", 1 } } };

		assert_true(json_template_match(slice_of(cases[i].template),
			slice_of(cases[i].arguments), values, COUNT(values)));
		for (size_t v = 0; v < COUNT(values); v++) {
			const char *want = v == 0 ? cases[i].path : cases[i].params;

			if (want == NULL)
				assert_null(values[v].json.ptr);
			else
				assert_slice(values[v].json, want);
		}
	}
}

static void what_differs_from_the_template_does_not_match(void **state)
{
	static const struct {
		const char *template;
		const char *arguments;
	} cases[] = {
		{ "[{\"path\":\"$path\"}]", "\"p\"" },
		{ "[{\"path\":\"$path\"}]", "[\"p\"]" },
		{ "[{\"path\":\"$path\"}]", "" },
		{ "[{\"op\":\"add\",\"path\":\"$path\"}]", "{\"path\":\"p\"}" },
		{ "[{\"op\":\"add\",\"path\":\"$path\"}]", "{\"op\":\"remove\",\"path\":\"p\"}" },
		{ "[{\"op\":\"add\",\"path\":\"$path\"}]", "{\"op\":true,\"path\":\"p\"}" },
		{ "[[\"$path\"]]", "{\"path\":\"p\"}" },
		{ "[1.10,\"$path\"]", "1.1,\"p\"" },
		{ "[true,\"$path\"]", "false,\"p\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_template_value values[] = { { "$path", { NULL, 0 } } };

		assert_false(json_template_match(slice_of(cases[i].template),
			slice_of(cases[i].arguments), values, COUNT(values)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholders_are_filled_in),
		cmocka_unit_test(what_was_filled_in_is_found),
		cmocka_unit_test(what_differs_from_the_template_does_not_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
