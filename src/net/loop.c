#include "net/loop.h"

#include "base/log.h"

#include <assert.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SIGNALS_MAX 8
#define TURN_US 5000 /* sockets and timers are looked at so often, whatever callbacks have begun */

struct signal_watch {
	struct event *event;
	void (*handle)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct loop_reap *reap;
	struct event *reap_soon;
	struct signal_watch signals[SIGNALS_MAX];
	int signal_count;
	bool is_stopped;
};

struct timer {
	struct event *event;
	void (*fire)(void *arg);
	void *arg;
};

struct watch {
	struct event *event;
	void (*readable)(void *arg);
	void *arg;
};

struct bell {
	struct event *event;
	int fd;
	void (*hear)(void *arg);
	void *arg;
};

/* libevent writes to standard error otherwise. */
static void log_libevent(int severity, const char *message)
{
	(void)severity;
	log_line(LOG_DEBUG, "libevent says something", log_text("text", message));
}

/* Leaves libevent's loop, to reap, where callbacks follow each other without an end of the turn. */
static void end_turn(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(l->base);
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct event_config *config = event_config_new();

	event_set_log_callback(log_libevent);
	if (l != NULL && config != NULL) {
		/* The coarse clock that libevent uses otherwise is 4 ms wide; no lock: one thread. */
		(void)event_config_set_flag(
			config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
		/* Callbacks that make each other active would keep the loop for ever. */
		(void)event_config_set_max_dispatch_interval(
			config, &(struct timeval){ .tv_usec = TURN_US }, INT_MAX, 0);
		l->base = event_base_new_with_config(config);
	}
	if (config != NULL)
		event_config_free(config);
	if (l != NULL && l->base != NULL)
		l->reap_soon = evtimer_new(l->base, end_turn, l);
	if (l == NULL || l->reap_soon == NULL) {
		if (l != NULL && l->base != NULL)
			event_base_free(l->base);
		free(l);
		return NULL;
	}
	return l;
}

static void reap_all(struct loop *l)
{
	while (l->reap != NULL) {
		struct loop_reap *r = l->reap;

		l->reap = r->next;
		r->destroy(r);
	}
	(void)evtimer_del(l->reap_soon);
}

void loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	reap_all(l);
	for (int i = 0; i < l->signal_count; i++)
		event_free(l->signals[i].event);
	event_free(l->reap_soon);
	event_base_free(l->base);
	free(l);
}

bool loop_run(struct loop *l)
{
	l->is_stopped = false;
	while (!l->is_stopped) {
		if (event_base_loop(l->base, EVLOOP_ONCE) < 0)
			return false;
		reap_all(l);
	}
	return true;
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
	(void)event_base_loopbreak(l->base);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

void loop_reap_later(struct loop *l, struct loop_reap *reap, void (*destroy)(struct loop_reap *))
{
	if (l->reap == NULL)
		(void)evtimer_add(l->reap_soon, &(struct timeval){ 0 });
	reap->destroy = destroy;
	reap->next = l->reap;
	l->reap = reap;
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd;
	(void)what;
	t->fire(t->arg);
}

struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg)
{
	struct timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->fire = fire;
	t->arg = arg;
	t->event = evtimer_new(l->base, timer_fired, t);
	if (t->event == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void timer_free(struct timer *t)
{
	if (t == NULL)
		return;
	event_free(t->event);
	free(t);
}

void timer_start(struct timer *t, int64_t us)
{
	struct timeval tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };

	assert(us >= 0);
	/* libevent counts from the beginning of the turn otherwise, and a turn may have taken long. */
	(void)event_base_update_cache_time(event_get_base(t->event));
	(void)evtimer_add(t->event, &tv);
}

void timer_stop(struct timer *t)
{
	(void)evtimer_del(t->event);
}

bool timer_is_running(const struct timer *t)
{
	return evtimer_pending(t->event, NULL) != 0;
}

static void signal_arrived(evutil_socket_t fd, short what, void *arg)
{
	struct signal_watch *s = arg;

	(void)fd;
	(void)what;
	s->handle(s->arg);
}

bool loop_on_signal(struct loop *l, int number, void (*handle)(void *arg), void *arg, struct err *e)
{
	struct signal_watch *s = &l->signals[l->signal_count];

	assert(l->signal_count < SIGNALS_MAX);
	*s = (struct signal_watch){ .handle = handle, .arg = arg };
	s->event = evsignal_new(l->base, number, signal_arrived, s);
	if (s->event == NULL || evsignal_add(s->event, NULL) != 0) {
		if (s->event != NULL)
			event_free(s->event);
		return err_set(e, ERR_SYSTEM, "cannot watch for signal %d", number);
	}
	l->signal_count++;
	return true;
}

static void watch_readable(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	(void)what;
	w->readable(w->arg);
}

struct watch *watch_new(struct loop *l, int fd, void (*readable)(void *arg), void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->readable = readable;
	w->arg = arg;
	w->event = event_new(l->base, fd, EV_READ | EV_PERSIST, watch_readable, w);
	if (w->event == NULL || event_add(w->event, NULL) != 0) {
		watch_free(w);
		return NULL;
	}
	return w;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->event != NULL)
		event_free(w->event);
	free(w);
}

static void bell_heard(evutil_socket_t fd, short what, void *arg)
{
	struct bell *b = arg;
	uint64_t rings;

	(void)what;
	(void)!read(fd, &rings, sizeof(rings));
	b->hear(b->arg);
}

struct bell *bell_new(struct loop *l, void (*hear)(void *arg), void *arg)
{
	struct bell *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->hear = hear;
	b->arg = arg;
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd >= 0)
		b->event = event_new(l->base, b->fd, EV_READ | EV_PERSIST, bell_heard, b);
	if (b->event == NULL || event_add(b->event, NULL) != 0) {
		bell_free(b);
		return NULL;
	}
	return b;
}

void bell_free(struct bell *b)
{
	if (b == NULL)
		return;
	if (b->event != NULL)
		event_free(b->event);
	if (b->fd >= 0)
		(void)close(b->fd);
	free(b);
}

void bell_ring(struct bell *b)
{
	uint64_t one = 1;

	(void)!write(b->fd, &one, sizeof(one));
}
