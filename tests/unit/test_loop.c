/*
 * loop: timers, the bell, signals, and freeing after the turn.
 */
#include "unit.h"

#include "base/clock.h"
#include "net/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop *loop;
static char order[32];

static void note_a(void *arg)
{
	(void)arg;
	(void)strcat(order, "a");
}

static void note_b(void *arg)
{
	(void)arg;
	(void)strcat(order, "b");
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void timers_fire_once_and_in_their_order(void **state)
{
	struct timer *a = timer_new(loop, note_a, NULL);
	struct timer *b = timer_new(loop, note_b, NULL);
	struct timer *never = timer_new(loop, note_a, NULL);
	struct timer *end = timer_new(loop, stop, NULL);
	int64_t began = clock_mono_us();

	(void)state;
	timer_start(a, 1000);
	timer_start(a, 20000); /* starts anew */
	timer_start(b, 10000);
	timer_start(never, 5000);
	timer_stop(never);
	timer_start(end, 60000);
	assert_true(timer_is_running(a));
	assert_false(timer_is_running(never));
	assert_true(loop_run(loop));
	assert_string_equal(order, "ba");
	assert_true(clock_mono_us() - began >= 60000);
	assert_false(timer_is_running(a));
	timer_free(a);
	timer_free(b);
	timer_free(never);
	timer_free(end);
	timer_free(NULL);
}

static int64_t started_us, fired_us;

static void note_time(void *arg)
{
	(void)arg;
	fired_us = clock_mono_us();
	loop_stop(loop);
}

/* Takes its time before it starts another timer. */
static void start_late(void *arg)
{
	int64_t began = clock_mono_us();

	while (clock_mono_us() - began < 40000)
		;
	started_us = clock_mono_us();
	timer_start(arg, 20000);
}

static void a_timer_counts_from_its_start_and_not_from_that_of_the_turn(void **state)
{
	struct timer *late = timer_new(loop, note_time, NULL);
	struct timer *first = timer_new(loop, start_late, late);

	(void)state;
	timer_start(first, 0);
	assert_true(loop_run(loop));
	assert_true(fired_us - started_us >= 19000);
	timer_free(first);
	timer_free(late);
}

static struct event *chain;
static long links;

static void link_on(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	links++;
	event_active(chain, EV_READ, 0);
}

static void note_reaped(struct loop_reap *reap)
{
	(void)reap;
	(void)strcat(order, "r");
	loop_stop(loop);
}

static void reap_one(void *arg)
{
	(void)strcat(order, "t");
	loop_reap_later(loop, arg, note_reaped);
}

/* A connection that always has more to read makes itself active again and again. */
static void a_chain_of_callbacks_holds_up_neither_timers_nor_freeing(void **state)
{
	struct loop_reap reap;
	struct timer *t = timer_new(loop, reap_one, &reap);

	(void)state;
	chain = event_new(loop_base(loop), -1, EV_READ | EV_PERSIST, link_on, NULL);
	assert_non_null(chain);
	event_active(chain, EV_READ, 0);
	timer_start(t, 10000);
	assert_true(loop_run(loop));
	assert_string_equal(order, "tr");
	assert_true(links > 1);
	event_free(chain);
	timer_free(t);
}

struct thing {
	struct loop_reap reap;
	struct timer *timer;
	bool is_destroyed;
};

static void destroy(struct loop_reap *reap)
{
	struct thing *t = (struct thing *)(void *)reap;

	t->is_destroyed = true;
	(void)strcat(order, "d");
}

/* An object frees itself inside its own callback: it lives on until the callback has returned. */
static void free_inside(void *arg)
{
	struct thing *t = arg;

	timer_free(t->timer);
	loop_reap_later(loop, &t->reap, destroy);
	assert_false(t->is_destroyed);
	(void)strcat(order, "c");
}

static void freeing_is_a_phase_of_the_loop(void **state)
{
	struct thing t = { 0 };
	struct timer *end = timer_new(loop, stop, NULL);

	(void)state;
	t.timer = timer_new(loop, free_inside, &t);
	timer_start(t.timer, 0);
	timer_start(end, 20000);
	assert_true(loop_run(loop));
	assert_string_equal(order, "cd");
	timer_free(end);
}

static void *ring(void *arg)
{
	for (int i = 0; i < 1000; i++)
		bell_ring(arg);
	return NULL;
}

static int heard;

static void hear(void *arg)
{
	(void)arg;
	heard++;
	loop_stop(loop);
}

static void a_bell_is_heard_from_another_thread(void **state)
{
	struct bell *b = bell_new(loop, hear, NULL);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, ring, b), 0);
	assert_true(loop_run(loop));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(heard >= 1);
	bell_free(b);
	bell_free(NULL);
}

static void a_signal_is_handled_on_the_loop(void **state)
{
	struct err e;

	(void)state;
	assert_true(loop_on_signal(loop, SIGUSR2, stop, NULL, &e));
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	assert_true(loop_run(loop));
}

static int set_up(void **state)
{
	(void)state;
	order[0] = '\0';
	loop = loop_new();
	return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(timers_fire_once_and_in_their_order),
		WITH_LOOP(a_timer_counts_from_its_start_and_not_from_that_of_the_turn),
		WITH_LOOP(a_chain_of_callbacks_holds_up_neither_timers_nor_freeing),
		WITH_LOOP(freeing_is_a_phase_of_the_loop),
		WITH_LOOP(a_bell_is_heard_from_another_thread),
		WITH_LOOP(a_signal_is_handled_on_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
