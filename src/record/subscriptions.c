#include "record/subscriptions.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "proto/socketio.h"
#include "record/backoff.h"
#include "record/dialect.h"

#include <stdlib.h>

/* How often the timer looks for answers that did not come and for refusals that are due again. */
#define TICK_US 250000
/* A dialect without acks waits while this much has not been sent. */
#define PENDING_MAX ((size_t)256 * 1024)
#define PENDING_TICK_US 5000
/* Refusals that a connection logs one by one; "subscribed" gives the number of all. */
#define REFUSALS_TOLD 50

enum state { WAITING, ASKED, CONFIRMED, REFUSED, LEAVING, LEFT };

struct subscription {
	int64_t due_us; /* monotonic; REFUSED: when to ask again */
	uint8_t state;
	uint8_t failures;
	bool is_answered; /* at least once on this connection */
};

struct request {
	uint64_t id;
	size_t index;
	int64_t deadline_us;
};

struct subscriptions {
	const struct config_feed *feed;
	const struct subscriptions_events *events;
	void *arg;
	struct timer *timer;
	struct subscription *all; /* one for each endpoint, in their order */
	size_t next;              /* the first that may be WAITING, or to be left */
	size_t confirmed;
	size_t refused;
	size_t unanswered; /* since begin */
	struct request in_flight[SUBSCRIPTIONS_IN_FLIGHT];
	size_t in_flight_count;
	uint64_t next_id;
	size_t told_refusals;
	bool is_leaving;
	bool is_over; /* the connection is of no use, or everything is left */
};

static void tick(void *arg);
static void pump(struct subscriptions *s);

struct subscriptions *subscriptions_new(struct loop *l, const struct config_feed *feed,
	const struct subscriptions_events *events, void *arg)
{
	struct subscriptions *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->feed = feed;
	s->events = events;
	s->arg = arg;
	s->unanswered = feed->n_endpoints;
	s->all = calloc(feed->n_endpoints, sizeof(*s->all));
	s->timer = timer_new(l, tick, s);
	if (s->all == NULL || s->timer == NULL) {
		subscriptions_free(s);
		return NULL;
	}
	return s;
}

void subscriptions_free(struct subscriptions *s)
{
	if (s == NULL)
		return;
	timer_free(s->timer);
	free(s->all);
	free(s);
}

static void count_answer(struct subscriptions *s, struct subscription *sub)
{
	if (sub->is_answered)
		return;
	sub->is_answered = true;
	if (--s->unanswered == 0)
		s->events->settled(s->arg, s->confirmed, s->refused);
}

static void confirm(struct subscriptions *s, size_t index)
{
	struct subscription *sub = &s->all[index];
	const struct config_endpoint *endpoint = &s->feed->endpoints[index];

	sub->state = CONFIRMED;
	s->confirmed++;
	if (sub->failures != 0)
		log_line(LOG_INFO, "subscribed after all", log_text("feed", s->feed->name),
			log_slice("path", endpoint->path), log_slice("params", endpoint->params));
	else
		log_line(LOG_DEBUG, "subscribed", log_text("feed", s->feed->name),
			log_slice("path", endpoint->path), log_slice("params", endpoint->params));
	sub->failures = 0;
	count_answer(s, sub);
}

/* Logged loudly the first time; the tries that follow are for those who look. */
static void refuse(struct subscriptions *s, size_t index, struct slice why)
{
	struct subscription *sub = &s->all[index];
	const struct config_endpoint *endpoint = &s->feed->endpoints[index];
	bool is_news = sub->failures == 0 && s->told_refusals < REFUSALS_TOLD;
	struct backoff backoff = { sub->failures };
	char text[200];
	int64_t delay = backoff_after_failure(
		&backoff, SUBSCRIPTIONS_RETRY_MAX_US, backoff_random());

	if (is_news)
		s->told_refusals++;
	log_line(is_news ? LOG_WARN : LOG_DEBUG, "the server refuses a subscription",
		log_text("feed", s->feed->name), log_slice("path", endpoint->path),
		log_slice("params", endpoint->params),
		log_text("error", sio_error_text(why, text, sizeof(text))),
		log_real("retry_s", (double)delay / 1e6));
	sub->state = REFUSED;
	sub->due_us = clock_mono_us() + delay;
	if (sub->failures < UINT8_MAX)
		sub->failures++;
	s->refused++;
	count_answer(s, sub);
}

/* Sends one request; false if the connection is of no use. */
static bool ask(struct subscriptions *s, size_t index, const struct config_emit *emit)
{
	struct buf args;
	uint64_t id = s->next_id;
	bool ok;

	buf_init(&args, SIZE_MAX / 2);
	ok = dialect_arguments(emit, &s->feed->endpoints[index], &args) &&
		s->events->send(s->arg, emit->event, buf_slice(&args), emit->ack, id);
	buf_release(&args);
	if (!ok) {
		s->is_over = true;
		return false;
	}
	if (emit->ack) {
		s->next_id++;
		s->in_flight[s->in_flight_count++] = (struct request){ id, index,
			clock_mono_us() + SUBSCRIPTIONS_ACK_TIMEOUT_US };
	}
	return true;
}

static bool has_room(struct subscriptions *s, const struct config_emit *emit)
{
	if (emit->ack)
		return s->in_flight_count < SUBSCRIPTIONS_IN_FLIGHT;
	if (s->events->pending(s->arg) < PENDING_MAX)
		return true;
	timer_start(s->timer, PENDING_TICK_US);
	return false;
}

static void pump_subscribes(struct subscriptions *s)
{
	const struct config_emit *emit = &s->feed->dialect.subscribe;

	for (; s->next < s->feed->n_endpoints && !s->is_over; s->next++) {
		struct subscription *sub = &s->all[s->next];

		if (sub->state != WAITING)
			continue;
		if (!has_room(s, emit))
			return;
		sub->state = ASKED;
		if (ask(s, s->next, emit) && !emit->ack)
			confirm(s, s->next);
	}
}

static void pump_unsubscribes(struct subscriptions *s)
{
	const struct config_emit *emit = &s->feed->dialect.unsubscribe;

	for (; s->next < s->feed->n_endpoints && !s->is_over; s->next++) {
		struct subscription *sub = &s->all[s->next];

		/* One whose answer is still under way may have been granted. */
		if (sub->state != CONFIRMED && sub->state != ASKED)
			continue;
		if (!has_room(s, emit))
			return;
		sub->state = LEAVING;
		if (ask(s, s->next, emit) && !emit->ack)
			sub->state = LEFT;
	}
	if (s->next == s->feed->n_endpoints && s->in_flight_count == 0 && !s->is_over) {
		s->is_over = true;
		s->events->left(s->arg);
	}
}

static void pump(struct subscriptions *s)
{
	if (s->is_leaving)
		pump_unsubscribes(s);
	else
		pump_subscribes(s);
}

/* Asks again for what was refused and is due. */
static void retry(struct subscriptions *s, int64_t now)
{
	for (size_t i = 0; i < s->feed->n_endpoints; i++) {
		if (s->all[i].state != REFUSED || s->all[i].due_us > now)
			continue;
		s->all[i].state = WAITING;
		s->refused--;
		if (i < s->next)
			s->next = i;
	}
}

static struct request take_request(struct subscriptions *s, size_t i)
{
	struct request r = s->in_flight[i];

	s->in_flight_count--;
	memmove(&s->in_flight[i], &s->in_flight[i + 1], (s->in_flight_count - i) * sizeof(r));
	return r;
}

/* Gives up on requests without an answer; the oldest stand in front. */
static void expire(struct subscriptions *s, int64_t now)
{
	while (s->in_flight_count != 0 && s->in_flight[0].deadline_us <= now) {
		struct request r = take_request(s, 0);

		if (s->all[r.index].state == ASKED)
			refuse(s, r.index, slice_of("no answer in 30 s"));
	}
}

static void tick(void *arg)
{
	struct subscriptions *s = arg;
	int64_t now = clock_mono_us();

	if (s->is_over)
		return;
	timer_start(s->timer, TICK_US);
	expire(s, now);
	if (s->refused != 0 && !s->is_leaving)
		retry(s, now);
	pump(s);
}

void subscriptions_begin(struct subscriptions *s)
{
	timer_start(s->timer, TICK_US);
	pump(s);
}

/* True if an ack says that all is well: no argument, or a first one that is nothing (null, false, ""). */
static bool is_granted(struct slice args, struct slice *why)
{
	struct json_iter it;

	*why = (struct slice){ 0 };
	json_iter_init(&it, args);
	return !json_iter_next(&it, NULL, why) || slice_is(*why, "null") ||
		slice_is(*why, "false") || slice_is(*why, "\"\"");
}

void subscriptions_ack(struct subscriptions *s, uint64_t id, struct slice args)
{
	struct slice why;
	struct request r;
	size_t i = 0;
	bool is_json = json_validate(args, NULL, &(struct err){ 0 });

	while (i < s->in_flight_count && s->in_flight[i].id != id)
		i++;
	if (s->is_over || i == s->in_flight_count)
		return;
	r = take_request(s, i);
	if (s->all[r.index].state == LEAVING)
		s->all[r.index].state = LEFT;
	else if (s->all[r.index].state != ASKED)
		; /* it is being left already */
	else if (!is_json)
		refuse(s, r.index, slice_of("the answer is not JSON"));
	else if (is_granted(args, &why))
		confirm(s, r.index);
	else
		refuse(s, r.index, why);
	pump(s);
}

void subscriptions_leave(struct subscriptions *s)
{
	s->is_leaving = true;
	s->next = 0;
	pump(s);
}
