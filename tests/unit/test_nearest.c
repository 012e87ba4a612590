/*
 * nearest: the distance between two texts.
 */
#include "base/nearest.h"

#include "unit.h"

static void it_counts_edits(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "abc", "abc", 0 },
		{ "abc", "abd", 1 },
		{ "abc", "ac", 1 },
		{ "kitten", "sitting", 3 },
		{ "crowd-sentiment", "crowd-sentimnet", 2 },
		{ "flaw", "lawn", 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice a = slice_of(cases[i].a);
		struct slice b = slice_of(cases[i].b);

		assert_int_equal(nearest_distance(a, b), cases[i].distance);
		assert_int_equal(nearest_distance(b, a), cases[i].distance);
	}
}

static void of_a_long_text_the_beginning_counts(void **state)
{
	static char a[NEAREST_TEXT_MAX + 50];
	static char b[NEAREST_TEXT_MAX + 10];

	(void)state;
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	b[3] = 'y';
	assert_int_equal(
		nearest_distance((struct slice){ a, sizeof(a) }, (struct slice){ b, sizeof(b) }),
		1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_counts_edits),
		cmocka_unit_test(of_a_long_text_the_beginning_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
