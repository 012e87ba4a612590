/*
 * subscriptions: bounded in flight, refusals on their own, everything left at the end.
 */
#include "unit.h"

#include "record/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>

#define ENDPOINTS 1000

static struct config_endpoint endpoints[ENDPOINTS];
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

static const struct subscriptions_events events = { send_event, pending, settled, left };

static struct config_feed feed_of(size_t n, bool ack)
{
	return (struct config_feed){ .name = "f",
		.dialect = { .subscribe = { "subscribe", "[\"$path\"]", ack },
			.unsubscribe = { "unsubscribe", "[\"$path\"]", ack } },
		.endpoints = endpoints,
		.n_endpoints = n };
}

static void all_are_asked_with_a_bounded_number_in_flight(void **state)
{
	struct config_feed feed = feed_of(ENDPOINTS, true);
	struct subscriptions *s = subscriptions_new(loop, &feed, &events, NULL);

	(void)state;
	subscriptions_begin(s);
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
	struct subscriptions *s = subscriptions_new(loop, &feed, &events, NULL);
	struct timer *stop = NULL;

	(void)state;
	subscriptions_begin(s);
	subscriptions_ack(s, peer.ids[0], slice_of("[\"no such path\"]"));
	subscriptions_ack(s, peer.ids[1], slice_of("[null]"));
	subscriptions_ack(s, peer.ids[2], slice_of("[false]"));
	assert_int_equal(peer.settled, 1);
	assert_int_equal(peer.settled_confirmed, 2);
	assert_int_equal(peer.settled_refused, 1);
	assert_int_equal(peer.sent, 3);
	stop = timer_new(loop, stop_loop, NULL);
	timer_start(stop, 1500000);
	assert_true(loop_run(loop));
	assert_int_equal(peer.sent, 4);
	assert_string_equal(peer.paths[3], peer.paths[0]);
	subscriptions_ack(s, peer.ids[3], slice_of("[null]"));
	assert_int_equal(peer.settled, 1);
	timer_free(stop);
	subscriptions_free(s);
}

static void without_acks_a_request_counts_as_granted(void **state)
{
	struct config_feed feed = feed_of(ENDPOINTS, false);
	struct subscriptions *s = subscriptions_new(loop, &feed, &events, NULL);

	(void)state;
	subscriptions_begin(s);
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
	struct subscriptions *s = subscriptions_new(loop, &feed, &events, NULL);

	(void)state;
	subscriptions_begin(s);
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
	struct subscriptions *s = subscriptions_new(loop, &feed, &events, NULL);

	(void)state;
	peer.is_broken = true;
	subscriptions_begin(s);
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
	struct subscriptions *s = subscriptions_new(loop, &feed, &events, NULL);

	(void)state;
	subscriptions_begin(s);
	subscriptions_ack(s, peer.ids[0], slice_of("[null"));
	assert_int_equal(peer.settled_refused, 1);
	subscriptions_free(s);
}

static int set_up(void **state)
{
	(void)state;
	memset(&peer, 0, sizeof(peer));
	for (size_t i = 0; i < ENDPOINTS; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "path%zu", i);
		endpoints[i] = (struct config_endpoint){ .path = slice_of(paths[i]),
			.params = SLICE_LITERAL("{}") };
	}
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
		WITH_LOOP(all_are_asked_with_a_bounded_number_in_flight),
		WITH_LOOP(a_refusal_does_not_hold_up_the_others_and_is_tried_again),
		WITH_LOOP(without_acks_a_request_counts_as_granted),
		WITH_LOOP(leaving_unsubscribes_what_is_or_may_be_granted),
		WITH_LOOP(a_broken_connection_ends_the_asking),
		WITH_LOOP(an_ack_that_is_not_json_is_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
