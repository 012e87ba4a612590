#include "player_parts.h"

#include "base/clock.h"
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TURN_US 8000       /* of work before the loop looks at its sockets again */
#define JANITOR_US 5000000 /* between two looks for clocks that nobody needs */

static void turn(void *arg);
static void clean_up(void *arg);

/* ---- life ---- */

/* Behind the last event in a hole: what came out of the system's buffers after a loss is played before the cut. */
static bool trim_hole(struct tape_cursor *c, struct timeline_hole *h, struct err *e)
{
	struct tape_event event;
	enum tape_result result;

	if (!tape_cursor_seek(c, h->from_us, e))
		return false;
	while ((result = tape_cursor_next(c, &event, e)) == TAPE_EVENT && event.time_us < h->to_us)
		h->from_us = event.time_us + 1;
	return result != TAPE_FAILED;
}

static bool trim_holes(struct tape *tape, struct timeline_hole *holes, size_t count, struct err *e)
{
	struct tape_cursor *c;
	bool ok = true;

	if (count == 0)
		return true;
	if (!tape_cursor_new(&c, tape, e))
		return false;
	for (size_t i = 0; i < count && ok; i++)
		ok = trim_hole(c, &holes[i], e);
	tape_cursor_free(c);
	return ok;
}

static bool make_timeline(struct player *p, struct err *e)
{
	size_t count;
	const struct tape_hole *holes = tape_holes(p->tape, &count);
	struct timeline_hole *list;
	int64_t first_us, last_us;
	bool ok = true;

	tape_span(p->tape, &first_us, &last_us);
	if (p->options.gaps == PLAYER_SILENCE)
		count = 0;
	list = calloc(count + 1, sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "cannot play the recordings: out of memory");
	for (size_t i = 0; i < count; i++)
		list[i] = (struct timeline_hole){ holes[i].from_us, holes[i].to_us, 0 };
	if (p->options.gaps == PLAYER_DISCONNECT)
		ok = trim_holes(p->tape, list, count, e);
	if (ok &&
		!timeline_init(&p->timeline, first_us, last_us, list, count,
			p->options.gaps == PLAYER_SKIP ? TIMELINE_JUMP : TIMELINE_WAIT))
		ok = err_set(e, ERR_NOMEM, "cannot play the recordings: out of memory");
	free(list);
	return ok;
}

static void look_after_cuts(void *arg);

static bool make_parts(struct player *p, struct err *e)
{
	if (!make_timeline(p, e) || !block_cache_new(&p->cache, p->tape, e))
		return false;
	p->begin_us = p->timeline.first_us;
	p->is_held = p->options.start == PLAYER_PAUSED;
	p->turn = timer_new(p->loop, turn, p);
	p->cut = timer_new(p->loop, look_after_cuts, p);
	p->janitor = timer_new(p->loop, clean_up, p);
	if (p->turn == NULL || p->cut == NULL || p->janitor == NULL)
		return err_set(e, ERR_NOMEM, "cannot play the recordings: out of memory");
	timer_start(p->janitor, JANITOR_US);
	if (!p->options.is_shared)
		return true;
	p->shared = player_clock_hold(p, (struct slice){ "", 0 }, 0);
	return p->shared != NULL ||
		err_set(e, ERR_NOMEM, "cannot play the recordings: out of memory");
}

bool player_new(struct player **out, struct loop *l, struct tape *tape, const struct venues *v,
	const struct player_options *options, const struct player_events *events, void *arg,
	struct err *e)
{
	struct player *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(e, ERR_NOMEM, "cannot play the recordings: out of memory");
	p->loop = l;
	p->options = *options;
	p->events = events;
	p->arg = arg;
	p->tape = tape;
	p->venues = v;
	TAILQ_INIT(&p->queue);
	buf_init(&p->arguments, SIZE_MAX / 2);
	buf_init(&p->scratch, SIZE_MAX / 2);
	if (!make_parts(p, e)) {
		player_free(p);
		return false;
	}
	*out = p;
	return true;
}

static void clock_free(struct player_clock *k)
{
	LIST_REMOVE(k, link);
	LIST_REMOVE(k, in_bucket);
	k->player->n_clocks--;
	timer_free(k->timer);
	free(k->wanted);
	free(k);
}

void player_free(struct player *p)
{
	if (p == NULL)
		return;
	assert(p->n_clients == 0);
	while (!LIST_EMPTY(&p->clocks))
		clock_free(LIST_FIRST(&p->clocks));
	block_cache_free(p->cache);
	timeline_release(&p->timeline);
	timer_free(p->turn);
	timer_free(p->cut);
	timer_free(p->janitor);
	buf_release(&p->arguments);
	buf_release(&p->scratch);
	free(p);
}

int64_t player_length(const struct player *p)
{
	return p->timeline.length_us;
}

void player_fail(struct player *p, const struct err *e)
{
	if (p->has_failed)
		return;
	p->has_failed = true;
	p->events->failed(p->arg, e);
}

/* ---- clocks ---- */

static struct player_clock_list *bucket_of(struct player *p, struct slice owner)
{
	return &p->buckets[map_hash(0, owner) % PLAYER_BUCKETS];
}

struct player_clock *player_clock_find(struct player *p, struct slice owner)
{
	struct player_clock *k;

	if (p->shared != NULL)
		return p->shared;
	LIST_FOREACH(k, bucket_of(p, owner), in_bucket)
	if (slice_equal((struct slice){ k->owner, k->owner_len }, owner))
		return k;
	return NULL;
}

static void clock_fired(void *arg);

static struct player_clock *clock_new(struct player *p, struct slice owner)
{
	struct player_clock *k = calloc(1, sizeof(*k) + owner.len);

	if (k == NULL)
		return NULL;
	k->timer = timer_new(p->loop, clock_fired, k);
	if (k->timer == NULL) {
		free(k);
		return NULL;
	}
	k->player = p;
	k->fires_us = SCHEDULE_NEVER;
	schedule_init(&k->schedule, &p->timeline, p->options.speed, p->options.loops);
	if (owner.len != 0)
		memcpy(k->owner, owner.ptr, owner.len);
	k->owner_len = owner.len;
	LIST_INSERT_HEAD(&p->clocks, k, link);
	LIST_INSERT_HEAD(bucket_of(p, owner), k, in_bucket);
	p->n_clocks++;
	schedule_seek(&k->schedule, p->begin_us, clock_mono_us());
	if (p->is_held)
		schedule_pause(&k->schedule, clock_mono_us());
	else if (p->options.start == PLAYER_AT_ONCE)
		player_clock_start(k, clock_mono_us());
	return k;
}

/* Without holders and kept for nobody, or for nobody any more. */
static bool is_useless(const struct player_clock *k, int64_t now_s)
{
	return k->holders == 0 && k->kept_until_s <= now_s;
}

static void clean_up(void *arg)
{
	struct player *p = arg;
	int64_t now_s = clock_wall_us() / 1000000;
	struct player_clock *k = LIST_FIRST(&p->clocks);

	while (k != NULL) {
		struct player_clock *next = LIST_NEXT(k, link);

		if (is_useless(k, now_s) || (k->holders == 0 && p->n_clocks > PLAYER_CLOCKS_MAX))
			clock_free(k);
		k = next;
	}
	timer_start(p->janitor, JANITOR_US);
}

struct player_clock *player_clock_hold(struct player *p, struct slice owner, int64_t kept_until_s)
{
	struct player_clock *k = player_clock_find(p, owner);

	if (k == NULL)
		k = clock_new(p, owner);
	if (k == NULL)
		return NULL;
	k->holders++;
	k->kept_until_s = kept_until_s;
	return k;
}

void player_clock_hold_again(struct player_clock *k)
{
	k->holders++;
}

void player_clock_release(struct player_clock *k)
{
	assert(k->holders != 0);
	if (--k->holders == 0 && k->kept_until_s == 0 && k != k->player->shared)
		clock_free(k);
}

bool player_in_hole(struct player *p, const struct player_clock *k)
{
	int64_t now = clock_mono_us();
	size_t hole;

	if (k == NULL)
		k = p->shared;
	/* As fast as possible a hole takes no time. */
	return k != NULL && p->options.gaps == PLAYER_DISCONNECT &&
		k->schedule.state == SCHEDULE_PLAYING && k->schedule.speed != SCHEDULE_MAX &&
		timeline_in_hole(&p->timeline, schedule_position(&k->schedule, now), &hole);
}

void player_clock_wake(struct player_clock *k, int64_t due_us, int64_t now_us)
{
	if (due_us >= k->fires_us)
		return;
	k->fires_us = due_us;
	timer_start(k->timer, due_us > now_us ? due_us - now_us : 0);
}

void player_clock_wake_all(struct player_clock *k)
{
	struct player_client *c;

	LIST_FOREACH(c, &k->clients, in_clock)
	{
		c->due_us = INT64_MIN;
		player_enqueue(c);
	}
}

void player_clock_start(struct player_clock *k, int64_t now_us)
{
	schedule_start(&k->schedule, now_us, clock_wall_us());
	free(k->wanted);
	k->wanted = NULL;
	player_clock_wake_all(k);
}

/* The clock's timer: nobody subscribed for a while, or something is due for one of its clients. */
static void clock_fired(void *arg)
{
	struct player_clock *k = arg;
	int64_t now = clock_mono_us();
	struct player_client *c;

	k->fires_us = SCHEDULE_NEVER;
	if (k->schedule.state == SCHEDULE_WAITING) {
		player_clock_start(k, now);
		return;
	}
	k->player->is_turning = true;
	LIST_FOREACH(c, &k->clients, in_clock)
	{
		if (c->due_us <= now)
			player_enqueue(c);
		else if (c->due_us != SCHEDULE_NEVER)
			player_clock_wake(k, c->due_us, now);
	}
	turn(k->player);
}

/* ---- turns ---- */

void player_enqueue(struct player_client *c)
{
	struct player *p = c->player;

	if (c->is_queued || c->phase >= PLAYER_CUTTING || p->has_failed)
		return;
	c->is_queued = true;
	TAILQ_INSERT_TAIL(&p->queue, c, in_queue);
	if (!p->is_turning && !timer_is_running(p->turn))
		timer_start(p->turn, 0);
}

static void play(struct player_client *c, int64_t now_us)
{
	struct player *p = c->player;

	TAILQ_REMOVE(&p->queue, c, in_queue);
	c->is_queued = false;
	if (player_pump(c, now_us) == PUMP_MORE)
		player_enqueue(c);
	else if (c->due_us != SCHEDULE_NEVER)
		player_clock_wake(c->clock, c->due_us, now_us);
}

/* Clients may leave the queue, but are freed between turns only. */
static void turn(void *arg)
{
	struct player *p = arg;
	int64_t begin = clock_mono_us();
	int64_t now = begin;

	p->is_turning = true;
	while (!TAILQ_EMPTY(&p->queue) && !p->has_failed && now - begin < TURN_US) {
		play(TAILQ_FIRST(&p->queue), now);
		now = clock_mono_us();
	}
	p->is_turning = false;
	if (!TAILQ_EMPTY(&p->queue) && !p->has_failed)
		timer_start(p->turn, 0);
}

static void look_after_cuts(void *arg)
{
	struct player *p = arg;
	int64_t now = clock_mono_us();
	struct player_client *c = LIST_FIRST(&p->cutting);

	while (c != NULL) {
		struct player_client *next = LIST_NEXT(c, in_cutting);

		player_cut_soon(c, now);
		c = next;
	}
	if (!LIST_EMPTY(&p->cutting))
		timer_start(p->cut, 1000);
}
