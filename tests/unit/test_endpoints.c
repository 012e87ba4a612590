/*
 * endpoints: the set follows the configuration, and keeps what it knows of those that stay.
 */
#include "unit.h"

#include "record/endpoints.h"
#include "record/silence.h"

#include <stdio.h>

enum { COUNT_MAX = 64 };

static struct config_endpoint configured[COUNT_MAX];
static char paths[COUNT_MAX][8];

static struct config_feed feed_of(size_t first, size_t count)
{
	for (size_t i = 0; i < COUNT_MAX; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "p%zu", i);
		configured[i] = (struct config_endpoint){ .path = slice_of(paths[i]),
			.params = SLICE_LITERAL("{}") };
	}
	return (struct config_feed){ .endpoints = &configured[first], .n_endpoints = count };
}

static void update(struct endpoints *s, size_t first, size_t count)
{
	struct config_feed feed = feed_of(first, count);
	struct err e;

	assert_true(endpoints_update(s, &feed, &e));
}

static struct endpoint *find(const struct endpoints *s, const char *path)
{
	return endpoints_find(s, slice_of(path), slice_of("{}"));
}

static void they_are_spread_over_the_links(void **state)
{
	struct endpoints s;

	(void)state;
	endpoints_init(&s, 4);
	update(&s, 0, 62);
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(s.on_link[i], 15, 16);
	/* Those that come take the places of those that went. */
	update(&s, 31, 33);
	endpoints_purge(&s);
	assert_int_equal(s.count, 33);
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(s.on_link[i], 8, 9);
	endpoints_release(&s);
}

static void one_that_stays_keeps_what_is_known_of_it(void **state)
{
	struct endpoints s;
	struct endpoint *kept;

	(void)state;
	endpoints_init(&s, 1);
	update(&s, 0, 3);
	kept = find(&s, "p2");
	assert_non_null(kept);
	kept->heard_at_us = 77;
	update(&s, 2, 3);
	endpoints_purge(&s);
	assert_ptr_equal(find(&s, "p2"), kept);
	assert_true(kept->heard_at_us == 77);
	assert_null(find(&s, "p0"));
	assert_non_null(find(&s, "p4"));
	endpoints_release(&s);
}

static void a_removed_one_stays_as_long_as_it_is_held(void **state)
{
	struct endpoints s;
	struct endpoint *held;
	uint64_t changes;

	(void)state;
	endpoints_init(&s, 1);
	update(&s, 0, 2);
	held = find(&s, "p0");
	assert_non_null(held);
	held->subscription[1].state = SUBSCRIPTION_LEAVING;
	changes = s.changes;
	update(&s, 1, 1);
	assert_true(s.changes > changes);
	endpoints_purge(&s);
	assert_true(find(&s, "p0") == held && held->is_removed);
	assert_int_equal(s.on_link[0], 1);
	held->subscription[1].state = SUBSCRIPTION_NONE;
	endpoints_purge(&s);
	assert_null(find(&s, "p0"));
	endpoints_release(&s);
}

/* Once asked again, once handed over, then nothing until it speaks. */
static void silence_has_two_steps(void **state)
{
	struct endpoint endpoint = { .expect_every_us = 1000 };

	(void)state;
	assert_int_equal(silence_check(&endpoint, 0, 2999), SILENCE_WAIT);
	assert_int_equal(silence_check(&endpoint, 0, 3000), SILENCE_ASK_AGAIN);
	assert_int_equal(silence_check(&endpoint, 3000, 5999), SILENCE_WAIT);
	assert_int_equal(silence_check(&endpoint, 3000, 6000), SILENCE_HAND_OVER);
	for (int64_t now = 6000; now < 1000000; now += 1000)
		assert_int_equal(silence_check(&endpoint, 6000, now), SILENCE_WAIT);
	endpoint.silence = SILENCE_NONE;
	assert_int_equal(silence_check(&endpoint, 6000, 9000), SILENCE_ASK_AGAIN);
}

static void without_a_cadence_nothing_is_silence(void **state)
{
	struct endpoint endpoint = { 0 };

	(void)state;
	assert_int_equal(silence_check(&endpoint, 0, INT64_MAX), SILENCE_WAIT);
}

static void a_resumed_stream_is_doubted_after_30_s_or_three_intervals(void **state)
{
	struct endpoint endpoint = { .is_unproven = true };

	(void)state;
	assert_false(silence_doubts_resumed(&endpoint, 0, 29999999));
	assert_true(silence_doubts_resumed(&endpoint, 0, 30000000));
	endpoint.expect_every_us = 20000000;
	assert_false(silence_doubts_resumed(&endpoint, 0, 59999999));
	assert_true(silence_doubts_resumed(&endpoint, 0, 60000000));
	endpoint.is_unproven = false;
	assert_false(silence_doubts_resumed(&endpoint, 0, INT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_spread_over_the_links),
		cmocka_unit_test(one_that_stays_keeps_what_is_known_of_it),
		cmocka_unit_test(a_removed_one_stays_as_long_as_it_is_held),
		cmocka_unit_test(silence_has_two_steps),
		cmocka_unit_test(without_a_cadence_nothing_is_silence),
		cmocka_unit_test(a_resumed_stream_is_doubted_after_30_s_or_three_intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
