/*
 * loop: the event loop of the one thread that owns every socket, timer and state machine.
 *
 * A thin cover over libevent: timers on the monotonic clock, signals, a wake-up from another thread, and
 * freeing as a phase of the loop. However many callbacks follow each other, sockets and timers are
 * looked at every few milliseconds, so that no connection can starve the others. An object that is freed inside a callback stops all of its events at
 * once and is destroyed after the turn, so that no caller on the stack meets freed memory.
 */
#ifndef TAPEDECK_NET_LOOP_H
#define TAPEDECK_NET_LOOP_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;

struct loop *loop_new(void) MUST_CHECK;

/* Destroys what waits to be destroyed, then the loop. All timers and events must be gone. */
void loop_free(struct loop *l);

/* Runs until loop_stop. False if libevent gives up. */
bool loop_run(struct loop *l) MUST_CHECK;
void loop_stop(struct loop *l);

/* libevent's base, for the other files of net. */
struct event_base *loop_base(struct loop *l);

/* An object that waits for the end of the turn; embedded in it. */
struct loop_reap {
	struct loop_reap *next;
	void (*destroy)(struct loop_reap *reap);
};

void loop_reap_later(struct loop *l, struct loop_reap *reap, void (*destroy)(struct loop_reap *));

/* A one-shot timer. */
struct timer;

struct timer *timer_new(struct loop *l, void (*fire)(void *arg), void *arg) MUST_CHECK;

/* Accepts NULL; a timer that is freed never fires. */
void timer_free(struct timer *t);

/* Fires once after `us` microseconds; a running timer starts anew. */
void timer_start(struct timer *t, int64_t us);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);

/* Calls `handle(arg)` on the loop for each arrival of signal `number`, until loop_free. */
bool loop_on_signal(
	struct loop *l, int number, void (*handle)(void *arg), void *arg, struct err *e) MUST_CHECK;

/* A descriptor that is watched for something to read. */
struct watch;

/* Calls `readable(arg)` whenever there is something; NULL if it cannot be watched, or when out of memory. */
struct watch *watch_new(struct loop *l, int fd, void (*readable)(void *arg), void *arg) MUST_CHECK;

/* Accepts NULL; the descriptor stays open. */
void watch_free(struct watch *w);

/* A bell that any thread may ring; several rings before the loop looks are one call. */
struct bell;

struct bell *bell_new(struct loop *l, void (*hear)(void *arg), void *arg) MUST_CHECK;
void bell_free(struct bell *b);
void bell_ring(struct bell *b);

#endif
