/*
 * subscriptions: bounded in flight, refusals on their own, everything left at the end.
 */
#include "unit.h"

#include "record/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>

#define ENDPOINTS 1000

static struct config_endpoint configured[ENDPOINTS];
static struct endpoints set;
static char paths[ENDPOINTS][16];
static struct loop *loop;

/* What the recorder sent, and what it was told. */
static struct {
	uint64_t ids[4 * ENDPOINTS];
	char paths[4 * ENDPOINTS][24];
	bool is_subscribe[4 * ENDPOINTS];
	size_t sent;
	size_t settled_confirmed;
	size_t settled_refused;
	int settled;
	int left;
	int asking;
	int granted;
	int refused;
	int leaving;
	bool is_broken;
} peer;

static bool send_event(void *arg, const char *event, struct slice args, bool has_id, uint64_t id)
{
	(void)arg;
	(void)has_id;
	if (peer.is_broken)
		return false;
	assert_true(peer.sent < 4 * ENDPOINTS);
	peer.ids[peer.sent] = id;
	peer.is_subscribe[peer.sent] = strcmp(event, "subscribe") == 0;
	(void)snprintf(
		peer.paths[peer.sent], sizeof(peer.paths[0]), "%.*s", (int)args.len, args.ptr);
	peer.sent++;
	return true;
}

static size_t pending(void *arg)
{
	(void)arg;
	return 0;
}

static void settled(void *arg, size_t confirmed, size_t refused)
{
	(void)arg;
	peer.settled++;
	peer.settled_confirmed = confirmed;
	peer.settled_refused = refused;
}

static void asking(void *arg, struct endpoint *endpoint)
{
	(void)arg;
	(void)endpoint;
	peer.asking++;
}

static void granted(void *arg, struct endpoint *endpoint)
{
	(void)arg;
	assert_int_equal(endpoint->subscription[0].state, SUBSCRIPTION_CONFIRMED);
	peer.granted++;
}

static void refused(void *arg, struct endpoint *endpoint, const char *why)
{
	(void)arg;
	assert_int_equal(endpoint->subscription[0].state, SUBSCRIPTION_REFUSED);
	assert_true(why[0] != '\0');
	peer.refused++;
}

static void leaving(void *arg, struct endpoint *endpoint)
{
	(void)arg;
	assert_int_equal(endpoint->subscription[0].state, SUBSCRIPTION_LEAVING);
	peer.leaving++;
}

static void left(void *arg)
{
	(void)arg;
	peer.left++;
}

static void stop_loop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static const struct subscriptions_events events = { .send = send_event,
	.pending = pending,
	.asking = asking,
	.granted = granted,
	.refused = refused,
	.leaving = leaving,
	.settled = settled,
	.left = left };

static struct config_feed feed_of(size_t n, bool ack)
{
	return (struct config_feed){ .name = "f",
		.dialect = { .subscribe = { "subscribe", "[\"$path\"]", ack },
			.unsubscribe = { "unsubscribe", "[\"$path\"]", ack } },
		.endpoints = configured,
		.n_endpoints = n };
}

/* The subscriptions of a feed's endpoints on their first side. */
static struct subscriptions *new_subscriptions(const struct config_feed *feed)
{
	const struct subscriptions_scope scope = { &set, 0, 0 };
	struct subscriptions *s;
	struct err e;

	assert_true(endpoints_update(&set, feed, &e));
	s = subscriptions_new(loop, feed, &scope, &events, NULL);
	assert_non_null(s);
	return s;
}

static void run_ms(int ms)
{
	struct timer *stop = timer_new(loop, stop_loop, NULL);

	assert_non_null(stop);
	timer_start(stop, (int64_t)ms * 1000);
	assert_true(loop_run(loop));
	timer_free(stop);
}

static void all_are_asked_with_a_bounded_number_in_flight(void **state)
{
	struct config_feed feed = feed_of(ENDPOINTS, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	subscriptions_begin(s, -1);
	assert_int_equal(peer.sent, SUBSCRIPTIONS_IN_FLIGHT);
	/* Acks may come in any order; each makes room for one. */
	subscriptions_ack(s, peer.ids[100], slice_of("[null]"));
	assert_int_equal(peer.sent, SUBSCRIPTIONS_IN_FLIGHT + 1);
	subscriptions_ack(s, peer.ids[100], slice_of("[null]")); /* a second time: ignored */
	subscriptions_ack(s, 999999, slice_of("[null]"));
	assert_int_equal(peer.sent, SUBSCRIPTIONS_IN_FLIGHT + 1);
	for (size_t i = 0; i < ENDPOINTS; i++)
		subscriptions_ack(s, peer.ids[i], slice_of("[]"));
	assert_int_equal(peer.sent, ENDPOINTS);
	assert_int_equal(peer.settled, 1);
	assert_int_equal(peer.settled_confirmed, ENDPOINTS);
	for (size_t i = 0; i < ENDPOINTS; i++) {
		char want[32];

		(void)snprintf(want, sizeof(want), "\"%.15s\"", paths[i]);
		assert_string_equal(peer.paths[i], want);
	}
	subscriptions_free(s);
}

static void a_refusal_does_not_hold_up_the_others_and_is_tried_again(void **state)
{
	struct config_feed feed = feed_of(3, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	subscriptions_begin(s, -1);
	subscriptions_ack(s, peer.ids[0], slice_of("[\"no such path\"]"));
	subscriptions_ack(s, peer.ids[1], slice_of("[null]"));
	subscriptions_ack(s, peer.ids[2], slice_of("[false]"));
	assert_int_equal(peer.settled, 1);
	assert_int_equal(peer.settled_confirmed, 2);
	assert_int_equal(peer.settled_refused, 1);
	assert_int_equal(peer.sent, 3);
	run_ms(1500);
	assert_int_equal(peer.sent, 4);
	assert_string_equal(peer.paths[3], peer.paths[0]);
	subscriptions_ack(s, peer.ids[3], slice_of("[null]"));
	assert_int_equal(peer.settled, 1);
	subscriptions_free(s);
}

static void without_acks_a_request_counts_as_granted(void **state)
{
	struct config_feed feed = feed_of(ENDPOINTS, false);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	subscriptions_begin(s, -1);
	assert_int_equal(peer.sent, ENDPOINTS);
	assert_int_equal(peer.settled_confirmed, ENDPOINTS);
	subscriptions_leave(s);
	assert_int_equal(peer.sent, 2 * ENDPOINTS);
	assert_int_equal(peer.left, 1);
	subscriptions_free(s);
}

static void leaving_unsubscribes_what_is_or_may_be_granted(void **state)
{
	struct config_feed feed = feed_of(3, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	subscriptions_begin(s, -1);
	subscriptions_ack(s, peer.ids[0], slice_of("[null]"));
	subscriptions_ack(s, peer.ids[1], slice_of("[\"refused\"]"));
	subscriptions_leave(s); /* the third has not been answered */
	assert_int_equal(peer.sent, 5);
	assert_false(peer.is_subscribe[3]);
	assert_string_equal(peer.paths[3], peer.paths[0]);
	assert_string_equal(peer.paths[4], peer.paths[2]);
	subscriptions_ack(s, peer.ids[3], slice_of("[null]"));
	subscriptions_ack(s, peer.ids[2], slice_of("[null]"));
	assert_int_equal(peer.left, 0);
	subscriptions_ack(s, peer.ids[4], slice_of("[\"whatever\"]"));
	assert_int_equal(peer.left, 1);
	subscriptions_free(s);
}

static void a_broken_connection_ends_the_asking(void **state)
{
	struct config_feed feed = feed_of(ENDPOINTS, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	peer.is_broken = true;
	subscriptions_begin(s, -1);
	peer.is_broken = false;
	subscriptions_ack(s, 0, slice_of("[null]"));
	subscriptions_leave(s);
	assert_int_equal(peer.sent, 0);
	assert_int_equal(peer.left, 0);
	subscriptions_free(s);
}

static void an_ack_that_is_not_json_is_a_refusal(void **state)
{
	struct config_feed feed = feed_of(1, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	subscriptions_begin(s, -1);
	subscriptions_ack(s, peer.ids[0], slice_of("[null"));
	assert_int_equal(peer.settled_refused, 1);
	subscriptions_free(s);
}

static void a_resumed_session_asks_only_for_what_was_not_confirmed(void **state)
{
	struct config_feed feed = feed_of(5, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		set.all[i]->was_confirmed[1] = true;
	subscriptions_begin(s, 1);
	assert_int_equal(peer.granted, 3);
	assert_int_equal(peer.sent, 2);
	assert_string_equal(peer.paths[0], "\"path3\"");
	assert_int_equal(peer.settled, 0);
	subscriptions_ack(s, peer.ids[0], slice_of("[]"));
	subscriptions_ack(s, peer.ids[1], slice_of("[]"));
	assert_int_equal(peer.settled_confirmed, 5);
	subscriptions_free(s);
}

static void an_endpoint_removed_while_the_session_was_lost_is_left(void **state)
{
	struct config_feed feed = feed_of(3, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		set.all[i]->was_confirmed[0] = true;
		set.all[i]->subscription[1].state = SUBSCRIPTION_CONFIRMED; /* held elsewhere */
	}
	set.all[1]->is_removed = true;
	subscriptions_begin(s, 0);
	assert_int_equal(peer.settled_confirmed, 2);
	assert_int_equal(peer.sent, 1);
	assert_false(peer.is_subscribe[0]);
	assert_string_equal(peer.paths[0], "\"path1\"");
	subscriptions_ack(s, peer.ids[0], slice_of("[]"));
	assert_int_equal(set.all[1]->subscription[0].state, SUBSCRIPTION_NONE);
	subscriptions_free(s);
}

static void asking_again_leaves_first_and_subscribes_after_the_answer(void **state)
{
	struct config_feed feed = feed_of(2, true);
	struct subscriptions *s = new_subscriptions(&feed);

	(void)state;
	subscriptions_begin(s, -1);
	subscriptions_ack(s, peer.ids[0], slice_of("[]"));
	subscriptions_ack(s, peer.ids[1], slice_of("[]"));
	subscriptions_again(s, set.all[1]);
	subscriptions_again(s, set.all[1]); /* once is enough */
	run_ms(100);
	assert_int_equal(peer.sent, 3);
	assert_false(peer.is_subscribe[2]);
	assert_string_equal(peer.paths[2], "\"path1\"");
	run_ms(300);
	assert_int_equal(peer.sent, 3); /* not before the answer */
	subscriptions_ack(s, peer.ids[2], slice_of("[]"));
	assert_int_equal(peer.sent, 4);
	assert_true(peer.is_subscribe[3]);
	assert_string_equal(peer.paths[3], "\"path1\"");
	subscriptions_ack(s, peer.ids[3], slice_of("[]"));
	assert_int_equal(peer.granted, 3);
	assert_int_equal(peer.settled, 1);
	subscriptions_free(s);
}

static void an_update_asks_for_the_new_and_leaves_the_gone(void **state)
{
	struct config_feed before = feed_of(3, true);
	struct config_feed after = { .name = "f",
		.dialect = before.dialect,
		.endpoints = &configured[1],
		.n_endpoints = 4 };
	struct subscriptions *s = new_subscriptions(&before);
	struct err e;

	(void)state;
	subscriptions_begin(s, -1);
	for (size_t i = 0; i < 3; i++)
		subscriptions_ack(s, peer.ids[i], slice_of("[]"));
	assert_true(endpoints_update(&set, &after, &e));
	subscriptions_update(s);
	run_ms(100);
	assert_int_equal(peer.sent, 6);
	assert_false(peer.is_subscribe[3]);
	assert_string_equal(peer.paths[3], "\"path0\"");
	assert_string_equal(peer.paths[4], "\"path3\"");
	assert_string_equal(peer.paths[5], "\"path4\"");
	endpoints_purge(&set);
	assert_int_equal(set.count, 5); /* the one that is being left is still held */
	for (size_t i = 3; i < 6; i++)
		subscriptions_ack(s, peer.ids[i], slice_of("[]"));
	endpoints_purge(&set);
	assert_int_equal(set.count, 4);
	assert_null(endpoints_find(&set, slice_of("path0"), slice_of("{}")));
	subscriptions_free(s);
}

static void one_that_comes_back_while_it_is_left_is_asked_for_again(void **state)
{
	struct config_feed both = feed_of(2, true);
	struct config_feed one = feed_of(1, true);
	struct subscriptions *s = new_subscriptions(&both);
	struct err e;

	(void)state;
	subscriptions_begin(s, -1);
	subscriptions_ack(s, peer.ids[0], slice_of("[]"));
	subscriptions_ack(s, peer.ids[1], slice_of("[]"));
	assert_true(endpoints_update(&set, &one, &e));
	subscriptions_update(s);
	run_ms(50);
	assert_int_equal(peer.sent, 3);
	assert_true(endpoints_update(&set, &both, &e));
	subscriptions_update(s);
	run_ms(50);
	assert_int_equal(peer.sent, 3);
	subscriptions_ack(s, peer.ids[2], slice_of("[]"));
	assert_int_equal(peer.sent, 4);
	assert_true(peer.is_subscribe[3]);
	assert_string_equal(peer.paths[3], "\"path1\"");
	subscriptions_free(s);
}

static int set_up(void **state)
{
	(void)state;
	memset(&peer, 0, sizeof(peer));
	for (size_t i = 0; i < ENDPOINTS; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "path%zu", i);
		configured[i] = (struct config_endpoint){ .path = slice_of(paths[i]),
			.params = SLICE_LITERAL("{}") };
	}
	endpoints_init(&set, 1);
	loop = loop_new();
	return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	endpoints_release(&set);
	loop_free(loop);
	return 0;
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(all_are_asked_with_a_bounded_number_in_flight),
		WITH_LOOP(a_refusal_does_not_hold_up_the_others_and_is_tried_again),
		WITH_LOOP(without_acks_a_request_counts_as_granted),
		WITH_LOOP(leaving_unsubscribes_what_is_or_may_be_granted),
		WITH_LOOP(a_broken_connection_ends_the_asking),
		WITH_LOOP(an_ack_that_is_not_json_is_a_refusal),
		WITH_LOOP(a_resumed_session_asks_only_for_what_was_not_confirmed),
		WITH_LOOP(an_endpoint_removed_while_the_session_was_lost_is_left),
		WITH_LOOP(asking_again_leaves_first_and_subscribes_after_the_answer),
		WITH_LOOP(an_update_asks_for_the_new_and_leaves_the_gone),
		WITH_LOOP(one_that_comes_back_while_it_is_left_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
