/*
 * control, keys: orders from HTTP and from the keyboard.
 */
#include "unit.h"

#include "control.h"
#include "keys.h"

static void orders_are_read(void **state)
{
	static const struct {
		const char *body;
		enum player_do what;
		int64_t value;
	} cases[] = {
		{ "{\"do\":\"pause\"}", PLAYER_PAUSE, 0 },
		{ " {\"\\u0064o\" : \"resume\"} ", PLAYER_RESUME, 0 },
		{ "{\"do\":\"step\"}", PLAYER_STEP, 0 },
		{ "{\"do\":\"seek\",\"to\":1400666400000000}", PLAYER_SEEK,
			INT64_C(1400666400000000) },
		{ "{\"to\":0,\"do\":\"seek\"}", PLAYER_SEEK, 0 },
		{ "{\"do\":\"seek\",\"to\":\"2014-05-21T10:00:00Z\"}", PLAYER_SEEK,
			INT64_C(1400666400000000) },
		{ "{\"do\":\"speed\",\"speed\":2.5}", PLAYER_SPEED, 2500000 },
		{ "{\"do\":\"speed\",\"speed\":\"max\"}", PLAYER_SPEED, SCHEDULE_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct control_order order;
		struct err e;

		if (!control_read(slice_of(cases[i].body), &order, &e))
			fail_msg("%s: %s", cases[i].body, e.text);
		assert_int_equal(order.what, cases[i].what);
		assert_int_equal(order.value, cases[i].value);
	}
}

static void what_is_no_order_is_refused(void **state)
{
	static const char *const bodies[] = { "", " ", "null", "[]", "\"pause\"", "{", "{}",
		"{\"do\":1}", "{\"do\":\"stop\"}", "{\"do\":\"pause\",\"speed\":1}",
		"{\"do\":\"seek\"}", "{\"do\":\"seek\",\"to\":1.5}", "{\"do\":\"seek\",\"to\":-5}",
		"{\"do\":\"seek\",\"to\":null}", "{\"do\":\"seek\",\"to\":\"soon\"}",
		"{\"do\":\"seek\",\"to\":99999999999999999999}", "{\"do\":\"speed\"}",
		"{\"do\":\"speed\",\"speed\":\"2\"}", "{\"do\":\"speed\",\"speed\":1e3}",
		"{\"do\":\"speed\",\"speed\":0}", "{\"do\":\"speed\",\"speed\":[]}",
		"{\"do\":\"pause\",\"x\":1}", "{\"do\":\"pause\"}{}", "{\"do\":\"\xff\"}" };

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct control_order order;
		struct err e = { .text = "" };

		if (control_read(slice_of(bodies[i]), &order, &e))
			fail_msg("%s was read", bodies[i]);
		assert_true(e.text[0] != '\0');
	}
}

static void keys_are_told_apart(void **state)
{
	static const enum key want[] = { KEY_TOGGLE, KEY_ON, KEY_BACK, KEY_STEP, KEY_FASTER,
		KEY_SLOWER, KEY_NONE, KEY_BACK, KEY_QUIT };
	struct slice rest = slice_of(" \033[C\033[Ds+-x\033ODq");
	size_t count = 0;
	enum key key;

	(void)state;
	while (keys_take(&rest, &key))
		assert_int_equal(key, want[count++]);
	assert_int_equal(count, COUNT(want));
	rest = slice_of("\033");
	assert_true(keys_take(&rest, &key));
	assert_int_equal(key, KEY_NONE);
}

static void speeds_go_up_and_down_in_steps(void **state)
{
	int64_t speed = SCHEDULE_SLOWEST;
	size_t steps = 0;

	(void)state;
	while (speed != SCHEDULE_MAX) {
		int64_t next = keys_next_speed(speed, true);

		assert_true(next == SCHEDULE_MAX || next > speed);
		assert_int_equal(keys_next_speed(next, false), speed);
		speed = next;
		steps++;
	}
	assert_int_equal(steps, 16);
	assert_int_equal(keys_next_speed(SCHEDULE_SLOWEST, false), SCHEDULE_SLOWEST);
	assert_int_equal(keys_next_speed(SCHEDULE_MAX, true), SCHEDULE_MAX);
	assert_int_equal(keys_next_speed(3 * SCHEDULE_SPEED_ONE, true), 5 * SCHEDULE_SPEED_ONE);
	assert_int_equal(keys_next_speed(3 * SCHEDULE_SPEED_ONE, false), 2 * SCHEDULE_SPEED_ONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_read),
		cmocka_unit_test(what_is_no_order_is_refused),
		cmocka_unit_test(keys_are_told_apart),
		cmocka_unit_test(speeds_go_up_and_down_in_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
