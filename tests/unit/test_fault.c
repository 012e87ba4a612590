/*
 * fault: the rules' grammar, and the same faults for the same seed.
 */
#include "unit.h"

#include "base/units.h"
#include "fault.h"

static struct faults with(const char *const *rules, size_t count, uint64_t seed)
{
	struct faults f = { .seed = seed };
	struct err e;

	for (size_t i = 0; i < count; i++)
		assert_true(fault_add(&f, rules[i], &e));
	return f;
}

static struct faults one(const char *rule)
{
	return with(&rule, 1, 1);
}

static void every_rule_is_read(void **state)
{
	struct faults f = one("drop:every=1000");
	int64_t delay;

	(void)state;
	assert_int_equal(fault_drop_events(&f), 1000);
	assert_int_equal(fault_drop_us(&f), 0);
	f = one("drop:every=1.5h");
	assert_int_equal(fault_drop_events(&f), 0);
	assert_int_equal(fault_drop_us(&f), 90 * UNITS_M);
	f = one("delay:50ms..200ms");
	assert_int_equal(f.rules[0].least_us, 50 * UNITS_MS);
	assert_int_equal(f.rules[0].most_us, 200 * UNITS_MS);
	f = one("delay:1s");
	assert_int_equal(f.rules[0].least_us, UNITS_S);
	assert_int_equal(f.rules[0].most_us, UNITS_S);
	f = one("duplicate:rate=0.01");
	assert_true(f.rules[0].rate > 0.0099 && f.rules[0].rate < 0.0101);
	f = one("reorder:window=5");
	assert_int_equal(fault_window(&f), 5);
	f = one("refuse:rate=1");
	assert_true(fault_refuses(&f, 1));
	f = one("refuse:rate=0");
	assert_false(fault_refuses(&f, 1));
	f = one("jwt:status=401");
	assert_int_equal(fault_jwt(&f, 1, &delay), 401);
	assert_int_equal(delay, 0);
	f = one("jwt:delay=35s");
	assert_int_equal(fault_jwt(&f, 1, &delay), 0);
	assert_int_equal(delay, 35 * UNITS_S);
	f = one("jwt:rate=0,status=503,delay=1s..2s");
	assert_int_equal(fault_jwt(&f, 1, &delay), 0);
	assert_int_equal(delay, 0);
	assert_true(fault_has(&f, FAULT_JWT));
	assert_false(fault_has(&f, FAULT_DROP));
}

static void what_is_wrong_is_named_with_what_is_allowed(void **state)
{
	static const struct {
		const char *rule;
		const char *says;
		const char *allowed;
	} cases[] = {
		{ "", "no such fault", "reorder" },
		{ "explode", "no such fault", "duplicate" },
		{ "drops:every=3", "no such fault", "drop" },
		{ "drop", "nothing more", "drop:every=N" },
		{ "drop:", "nothing more", "drop:every=N" },
		{ "drop:1000", "'1000'", "drop:every=N" },
		{ "drop:every=", "'every='", "drop:every=N" },
		{ "drop:every=0", "'every=0'", "drop:every=N" },
		{ "drop:every=-1", "'every=-1'", "drop:every=N" },
		{ "drop:every=1000000001", "1000000001", "drop:every=N" },
		{ "drop:every=99999999999999999999", "9999", "drop:every=N" },
		{ "drop:every=30x", "'every=30x'", "drop:every=N" },
		{ "drop:every=0.5ms", "'every=0.5ms'", "drop:every=N" },
		{ "drop:evry=5", "'evry=5'", "drop:every=N" },
		{ "drop:every=5,every=6", "'every=6'", "drop:every=N" },
		{ "drop:every=5,", "is empty", "drop:every=N" },
		{ "delay", "nothing more", "LEAST..MOST" },
		{ "delay:50", "'50'", "LEAST..MOST" },
		{ "delay:200ms..50ms", "'200ms..50ms'", "LEAST..MOST" },
		{ "delay:50ms..", "'50ms..'", "LEAST..MOST" },
		{ "delay:..50ms", "'..50ms'", "LEAST..MOST" },
		{ "delay:by=50ms", "'by=50ms'", "LEAST..MOST" },
		{ "duplicate:rate=1.5", "'rate=1.5'", "0 to 1" },
		{ "duplicate:rate=-1", "'rate=-1'", "0 to 1" },
		{ "duplicate:rate=nan", "'rate=nan'", "0 to 1" },
		{ "duplicate:rate=", "'rate='", "0 to 1" },
		{ "duplicate:rate=.", "'rate=.'", "0 to 1" },
		{ "duplicate:rate=0.1x", "'rate=0.1x'", "0 to 1" },
		{ "duplicate:0.1", "'0.1'", "duplicate:rate=R" },
		{ "refuse:rate=2", "'rate=2'", "refuse:rate=R" },
		{ "reorder:window=1", "'window=1'", "2 to 100" },
		{ "reorder:window=101", "'window=101'", "2 to 100" },
		{ "reorder:window=x", "'window=x'", "2 to 100" },
		{ "jwt", "nothing more", "status=400" },
		{ "jwt:rate=0.5", "neither", "status=400" },
		{ "jwt:status=200", "'status=200'", "status=400" },
		{ "jwt:status=600", "'status=600'", "status=400" },
		{ "jwt:status=401,status=402", "'status=402'", "status=400" },
		{ "jwt:status=401,rate=9", "'rate=9'", "status=400" },
		{ "jwt:status=401,,rate=1", "is empty", "status=400" },
		{ "jwt:delay=5", "'delay=5'", "status=400" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct faults f = { .seed = 1 };
		struct err e = { 0 };

		assert_false(fault_add(&f, cases[i].rule, &e));
		assert_int_equal(f.count, 0);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_non_null(strstr(e.text, cases[i].rule));
		if (strstr(e.text, cases[i].says) == NULL || strstr(e.text, "allowed: ") == NULL ||
			strstr(e.text, cases[i].allowed) == NULL)
			fail_msg("%s gives: %s", cases[i].rule, e.text);
	}
}

static void there_is_one_reorder_and_a_limit_to_the_rules(void **state)
{
	struct faults f = one("reorder:window=5");
	struct err e;

	(void)state;
	assert_false(fault_add(&f, "reorder:window=6", &e));
	assert_non_null(strstr(e.text, "twice"));
	while (f.count < FAULT_RULES_MAX)
		assert_true(fault_add(&f, "delay:1ms", &e));
	assert_false(fault_add(&f, "delay:1ms", &e));
	assert_non_null(strstr(e.text, "32"));
}

#define DRAWS 500

struct draws {
	int64_t delay[DRAWS];
	unsigned copies[DRAWS];
	size_t pick[DRAWS];
};

static const char *const all[] = { "delay:1ms..900ms", "duplicate:rate=0.5", "reorder:window=7",
	"refuse:rate=0.5", "jwt:status=500,rate=0.5,delay=1ms..9s" };

static void draw(struct draws *d, uint64_t seed, uint64_t client)
{
	struct faults f = with(all, COUNT(all), seed);
	struct fault_streams s;

	fault_streams_init(&s, &f, client);
	for (size_t i = 0; i < DRAWS; i++) {
		d->delay[i] = fault_delay_us(&s, &f);
		d->copies[i] = fault_copies(&s, &f);
		d->pick[i] = fault_pick(&s, &f, 7);
	}
}

static void the_same_seed_gives_the_same_faults(void **state)
{
	static struct draws a, b, other_seed, other_client;
	struct faults f = with(all, COUNT(all), 42);
	struct faults g = with(all, COUNT(all), 42);

	(void)state;
	draw(&a, 42, 3);
	draw(&b, 42, 3);
	draw(&other_seed, 43, 3);
	draw(&other_client, 42, 4);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(a.delay, other_seed.delay, sizeof(a.delay));
	assert_memory_not_equal(a.delay, other_client.delay, sizeof(a.delay));
	assert_memory_not_equal(a.copies, other_client.copies, sizeof(a.copies));
	assert_memory_not_equal(a.pick, other_client.pick, sizeof(a.pick));
	for (uint64_t n = 0; n < DRAWS; n++) {
		int64_t x, y;

		assert_int_equal(fault_refuses(&f, n), fault_refuses(&g, n));
		assert_int_equal(fault_jwt(&f, n, &x), fault_jwt(&g, n, &y));
		assert_int_equal(x, y);
	}
}

/* One rule's numbers do not depend on how often another has been asked. */
static void a_rule_has_a_stream_of_its_own(void **state)
{
	struct faults f = with(all, COUNT(all), 7);
	struct fault_streams a, b;

	(void)state;
	fault_streams_init(&a, &f, 1);
	fault_streams_init(&b, &f, 1);
	for (size_t i = 0; i < DRAWS; i++) {
		(void)fault_delay_us(&a, &f);
		(void)fault_pick(&a, &f, 7);
		assert_int_equal(fault_copies(&a, &f), fault_copies(&b, &f));
	}
}

static void chances_are_about_what_was_asked_for(void **state)
{
	struct faults f = with(all, COUNT(all), 5);
	struct fault_streams s;
	size_t twice = 0;
	size_t refused = 0;
	size_t failed = 0;
	size_t picked[7] = { 0 };

	(void)state;
	fault_streams_init(&s, &f, 1);
	for (uint64_t i = 0; i < 10000; i++) {
		int64_t delay = fault_delay_us(&s, &f);
		int64_t ignored;

		assert_in_range(delay, UNITS_MS, 900 * UNITS_MS);
		twice += fault_copies(&s, &f) - 1;
		refused += fault_refuses(&f, i);
		failed += fault_jwt(&f, i, &ignored) == 500;
		picked[fault_pick(&s, &f, 7)]++;
	}
	assert_in_range(twice, 4700, 5300);
	assert_in_range(refused, 4700, 5300);
	assert_in_range(failed, 4700, 5300);
	for (size_t i = 0; i < 7; i++)
		assert_in_range(picked[i], 1300, 1560);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_is_read),
		cmocka_unit_test(what_is_wrong_is_named_with_what_is_allowed),
		cmocka_unit_test(there_is_one_reorder_and_a_limit_to_the_rules),
		cmocka_unit_test(the_same_seed_gives_the_same_faults),
		cmocka_unit_test(a_rule_has_a_stream_of_its_own),
		cmocka_unit_test(chances_are_about_what_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
