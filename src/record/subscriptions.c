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

struct request {
	uint64_t id;
	struct endpoint *endpoint;
	int64_t deadline_us;
	bool is_unsubscribe;
};

struct subscriptions {
	const struct config_feed *feed;
	struct subscriptions_scope scope;
	const struct subscriptions_events *events;
	void *arg;
	struct timer *timer;
	size_t next;      /* the first that may have something to send */
	uint64_t changes; /* of the endpoints, when `next` was right */
	size_t confirmed;
	size_t refused;
	size_t unanswered; /* since begin */
	struct request in_flight[SUBSCRIPTIONS_IN_FLIGHT];
	size_t in_flight_count;
	uint64_t next_id;
	size_t told_refusals;
	bool has_begun;
	bool is_leaving;
	bool is_paused; /* answers are not read */
	bool is_over;   /* the connection is of no use, or everything is left */
};

static void tick(void *arg);
static void pump(struct subscriptions *s);

struct subscriptions *subscriptions_new(struct loop *l, const struct config_feed *feed,
	const struct subscriptions_scope *scope, const struct subscriptions_events *events,
	void *arg)
{
	struct subscriptions *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->feed = feed;
	s->scope = *scope;
	s->events = events;
	s->arg = arg;
	s->timer = timer_new(l, tick, s);
	if (s->timer == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static bool is_ours(const struct subscriptions *s, const struct endpoint *endpoint)
{
	return endpoint->link == s->scope.link;
}

static struct subscription *sub_of(const struct subscriptions *s, struct endpoint *endpoint)
{
	return &endpoint->subscription[s->scope.side];
}

void subscriptions_free(struct subscriptions *s)
{
	if (s == NULL)
		return;
	timer_free(s->timer);
	for (size_t i = 0; s->has_begun && i < s->scope.endpoints->count; i++)
		if (is_ours(s, s->scope.endpoints->all[i]))
			*sub_of(s, s->scope.endpoints->all[i]) = (struct subscription){ 0 };
	free(s);
}

/* Every change of state goes through here, so that the counts are right. */
static void move(struct subscriptions *s, struct subscription *sub, enum subscription_state to)
{
	if (sub->state == SUBSCRIPTION_CONFIRMED)
		s->confirmed--;
	if (sub->state == SUBSCRIPTION_REFUSED)
		s->refused--;
	if (to == SUBSCRIPTION_CONFIRMED)
		s->confirmed++;
	if (to == SUBSCRIPTION_REFUSED)
		s->refused++;
	sub->state = (uint8_t)to;
}

/* The first answer, or that none is awaited any more. */
static void count_answer(struct subscriptions *s, struct subscription *sub)
{
	if (!sub->is_awaited)
		return;
	sub->is_awaited = false;
	if (--s->unanswered == 0)
		s->events->settled(s->arg, s->confirmed, s->refused);
}

static void confirm(struct subscriptions *s, struct endpoint *endpoint)
{
	struct subscription *sub = sub_of(s, endpoint);
	bool is_late = sub->failures != 0;

	move(s, sub, SUBSCRIPTION_CONFIRMED);
	log_line(is_late ? LOG_INFO : LOG_DEBUG, is_late ? "subscribed after all" : "subscribed",
		log_text("feed", s->feed->name), log_slice("path", endpoint->path),
		log_slice("params", endpoint->params));
	sub->failures = 0;
	s->events->granted(s->arg, endpoint);
	count_answer(s, sub);
}

/* Logged loudly the first time; the tries that follow are for those who look. */
static void refuse(struct subscriptions *s, struct endpoint *endpoint, struct slice why)
{
	struct subscription *sub = sub_of(s, endpoint);
	bool is_news = sub->failures == 0 && s->told_refusals < REFUSALS_TOLD;
	struct backoff backoff = { sub->failures };
	char text[200];
	int64_t delay = backoff_after_failure(
		&backoff, SUBSCRIPTIONS_RETRY_MAX_US, backoff_random());

	if (is_news)
		s->told_refusals++;
	(void)sio_error_text(why, text, sizeof(text));
	log_line(is_news ? LOG_WARN : LOG_DEBUG, "the server refuses a subscription",
		log_text("feed", s->feed->name), log_slice("path", endpoint->path),
		log_slice("params", endpoint->params), log_text("error", text),
		log_real("retry_s", (double)delay / 1e6));
	move(s, sub, SUBSCRIPTION_REFUSED);
	sub->due_us = clock_mono_us() + delay;
	if (sub->failures < UINT8_MAX)
		sub->failures++;
	s->events->refused(s->arg, endpoint, text);
	count_answer(s, sub);
}

/* Sends one request; false if the connection is of no use. */
static bool ask(struct subscriptions *s, struct endpoint *endpoint, const struct config_emit *emit,
	bool is_unsubscribe)
{
	struct buf args;
	uint64_t id = s->next_id;
	bool ok;

	buf_init(&args, SIZE_MAX / 2);
	ok = dialect_arguments(emit, endpoint->path, endpoint->params, &args) &&
		s->events->send(s->arg, emit->event, buf_slice(&args), emit->ack, id);
	buf_release(&args);
	if (!ok) {
		s->is_over = true;
		return false;
	}
	if (emit->ack) {
		s->next_id++;
		s->in_flight[s->in_flight_count++] = (struct request){ id, endpoint,
			clock_mono_us() + SUBSCRIPTIONS_ACK_TIMEOUT_US, is_unsubscribe };
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

static struct request take_request(struct subscriptions *s, size_t i)
{
	struct request r = s->in_flight[i];

	s->in_flight_count--;
	memmove(&s->in_flight[i], &s->in_flight[i + 1], (s->in_flight_count - i) * sizeof(r));
	return r;
}

/* An endpoint that may be freed from now on must not be met again. */
static void forget_requests(struct subscriptions *s, const struct endpoint *endpoint)
{
	for (size_t i = s->in_flight_count; i-- > 0;)
		if (s->in_flight[i].endpoint == endpoint)
			(void)take_request(s, i);
}

/* The unsubscribe has been answered, or needs no answer. */
static void leave_done(struct subscriptions *s, struct endpoint *endpoint)
{
	struct subscription *sub = sub_of(s, endpoint);
	bool is_again = sub->is_again && !s->is_leaving && !endpoint->is_removed;

	move(s, sub, is_again ? SUBSCRIPTION_WAITING : SUBSCRIPTION_NONE);
	sub->is_again = false;
	if (is_again)
		s->next = 0;
	if (endpoint->is_removed)
		forget_requests(s, endpoint);
}

static void subscribe(struct subscriptions *s, struct endpoint *endpoint)
{
	const struct config_emit *emit = &s->feed->dialect.subscribe;

	move(s, sub_of(s, endpoint), SUBSCRIPTION_ASKED);
	s->events->asking(s->arg, endpoint);
	if (ask(s, endpoint, emit, false) && !emit->ack)
		confirm(s, endpoint);
}

static void unsubscribe(struct subscriptions *s, struct endpoint *endpoint)
{
	const struct config_emit *emit = &s->feed->dialect.unsubscribe;

	move(s, sub_of(s, endpoint), SUBSCRIPTION_LEAVING);
	s->events->leaving(s->arg, endpoint);
	if (ask(s, endpoint, emit, true) && !emit->ack)
		leave_done(s, endpoint);
}

/* Sends what is due for one endpoint; false if there is no room. */
static bool serve(struct subscriptions *s, struct endpoint *endpoint)
{
	enum subscription_state state = sub_of(s, endpoint)->state;

	if (state == SUBSCRIPTION_WAITING) {
		if (!has_room(s, &s->feed->dialect.subscribe))
			return false;
		subscribe(s, endpoint);
	} else if (state == SUBSCRIPTION_TO_LEAVE) {
		if (!has_room(s, &s->feed->dialect.unsubscribe))
			return false;
		unsubscribe(s, endpoint);
	}
	return true;
}

static void pump(struct subscriptions *s)
{
	const struct endpoints *set = s->scope.endpoints;

	if (!s->has_begun || s->is_over || (s->is_paused && !s->is_leaving))
		return;
	if (s->changes != set->changes) {
		s->changes = set->changes;
		s->next = 0;
	}
	while (s->next < set->count && !s->is_over) {
		struct endpoint *endpoint = set->all[s->next++];

		if (is_ours(s, endpoint) && !serve(s, endpoint)) {
			s->next--;
			return;
		}
	}
	if (s->is_leaving && !s->is_over && s->in_flight_count == 0) {
		s->is_over = true;
		s->events->left(s->arg);
	}
}

/* Asks again for what was refused and is due. */
static void retry(struct subscriptions *s, int64_t now)
{
	for (size_t i = 0; i < s->scope.endpoints->count; i++) {
		struct endpoint *endpoint = s->scope.endpoints->all[i];
		struct subscription *sub = sub_of(s, endpoint);

		if (!is_ours(s, endpoint) || sub->state != SUBSCRIPTION_REFUSED ||
			sub->due_us > now)
			continue;
		move(s, sub, SUBSCRIPTION_WAITING);
		s->next = 0;
	}
}

/* Gives up on requests without an answer; the oldest stand in front. */
static void expire(struct subscriptions *s, int64_t now)
{
	while (s->in_flight_count != 0 && s->in_flight[0].deadline_us <= now) {
		struct request r = take_request(s, 0);
		enum subscription_state state = sub_of(s, r.endpoint)->state;

		if (r.is_unsubscribe && state == SUBSCRIPTION_LEAVING)
			leave_done(s, r.endpoint);
		else if (!r.is_unsubscribe && state == SUBSCRIPTION_ASKED)
			refuse(s, r.endpoint, slice_of("no answer in 30 s"));
	}
}

static void tick(void *arg)
{
	struct subscriptions *s = arg;
	int64_t now = clock_mono_us();

	if (s->is_over)
		return;
	timer_start(s->timer, TICK_US);
	if (s->is_paused && !s->is_leaving)
		return;
	expire(s, now);
	if (s->refused != 0 && !s->is_leaving)
		retry(s, now);
	pump(s);
}

/* Decides how an endpoint begins on this connection. */
static void begin_one(struct subscriptions *s, struct endpoint *endpoint, bool is_resumed)
{
	struct subscription *sub = sub_of(s, endpoint);

	*sub = (struct subscription){ 0 };
	if (is_resumed) {
		/* Removed meanwhile: the server must be told. */
		move(s, sub, endpoint->is_removed ? SUBSCRIPTION_TO_LEAVE : SUBSCRIPTION_CONFIRMED);
		if (!endpoint->is_removed)
			s->events->granted(s->arg, endpoint);
	} else if (!endpoint->is_removed) {
		move(s, sub, SUBSCRIPTION_WAITING);
		sub->is_awaited = true;
		s->unanswered++;
	}
}

void subscriptions_begin(struct subscriptions *s, int resumed)
{
	s->has_begun = true;
	for (size_t i = 0; i < s->scope.endpoints->count; i++) {
		struct endpoint *endpoint = s->scope.endpoints->all[i];

		if (is_ours(s, endpoint))
			begin_one(s, endpoint, resumed >= 0 && endpoint->was_confirmed[resumed]);
	}
	timer_start(s->timer, TICK_US);
	if (s->unanswered == 0)
		s->events->settled(s->arg, s->confirmed, s->refused);
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

static void take_subscribe_answer(
	struct subscriptions *s, struct endpoint *endpoint, struct slice args)
{
	struct slice why;

	if (!json_validate(args, NULL, &(struct err){ 0 }))
		refuse(s, endpoint, slice_of("the answer is not JSON"));
	else if (is_granted(args, &why))
		confirm(s, endpoint);
	else
		refuse(s, endpoint, why);
}

void subscriptions_ack(struct subscriptions *s, uint64_t id, struct slice args)
{
	struct request r;
	enum subscription_state state;
	size_t i = 0;

	while (i < s->in_flight_count && s->in_flight[i].id != id)
		i++;
	if (s->is_over || i == s->in_flight_count)
		return;
	r = take_request(s, i);
	state = sub_of(s, r.endpoint)->state;
	if (r.is_unsubscribe && state == SUBSCRIPTION_LEAVING)
		leave_done(s, r.endpoint);
	else if (!r.is_unsubscribe && state == SUBSCRIPTION_ASKED)
		take_subscribe_answer(s, r.endpoint, args);
	pump(s);
}

/* Starts to leave one that is asked for or granted; forgets one that is not. */
static void leave_one(struct subscriptions *s, struct endpoint *endpoint)
{
	struct subscription *sub = sub_of(s, endpoint);

	sub->is_again = false;
	switch ((enum subscription_state)sub->state) {
	case SUBSCRIPTION_CONFIRMED:
	case SUBSCRIPTION_ASKED: /* its answer is under way, and may grant it */
		move(s, sub, SUBSCRIPTION_TO_LEAVE);
		s->next = 0;
		break;
	case SUBSCRIPTION_WAITING:
	case SUBSCRIPTION_REFUSED:
		move(s, sub, SUBSCRIPTION_NONE);
		break;
	case SUBSCRIPTION_NONE:
	case SUBSCRIPTION_TO_LEAVE:
	case SUBSCRIPTION_LEAVING:
		break;
	}
	if (!s->is_leaving)
		count_answer(s, sub);
}

void subscriptions_again(struct subscriptions *s, struct endpoint *endpoint)
{
	struct subscription *sub = sub_of(s, endpoint);

	if (!s->has_begun || s->is_leaving || s->is_over || sub->state != SUBSCRIPTION_CONFIRMED)
		return;
	move(s, sub, SUBSCRIPTION_TO_LEAVE);
	sub->is_again = true;
	s->next = 0;
	/* Not at once: the caller may go through many endpoints, and sending may end the session. */
	timer_start(s->timer, 0);
}

void subscriptions_update(struct subscriptions *s)
{
	if (!s->has_begun || s->is_leaving || s->is_over)
		return;
	for (size_t i = 0; i < s->scope.endpoints->count; i++) {
		struct endpoint *endpoint = s->scope.endpoints->all[i];
		struct subscription *sub = sub_of(s, endpoint);

		if (!is_ours(s, endpoint))
			continue;
		if (endpoint->is_removed)
			leave_one(s, endpoint);
		else if (sub->state == SUBSCRIPTION_NONE)
			move(s, sub, SUBSCRIPTION_WAITING);
		else if (sub->state == SUBSCRIPTION_TO_LEAVE || sub->state == SUBSCRIPTION_LEAVING)
			sub->is_again = true; /* it has come back */
	}
	timer_start(s->timer, 0);
}

void subscriptions_pause(struct subscriptions *s, bool pause)
{
	if (s->is_paused && !pause)
		for (size_t i = 0; i < s->in_flight_count; i++)
			s->in_flight[i].deadline_us = clock_mono_us() +
				SUBSCRIPTIONS_ACK_TIMEOUT_US;
	s->is_paused = pause;
}

void subscriptions_leave(struct subscriptions *s)
{
	if (s->is_leaving)
		return;
	s->is_leaving = true;
	s->has_begun = true;
	s->next = 0;
	for (size_t i = 0; i < s->scope.endpoints->count; i++)
		if (is_ours(s, s->scope.endpoints->all[i]))
			leave_one(s, s->scope.endpoints->all[i]);
	pump(s);
}
