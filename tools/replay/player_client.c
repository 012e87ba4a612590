#include "player_parts.h"

#include "base/clock.h"
#include "net/sio_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t bitmap_size(const struct player *p)
{
	return p->venues->n_streams / 8 + 1;
}

/* ---- where it begins, and where its connection is cut ---- */

/* Where the next hole is: right here, in this lap or, if there is none, in the next. */
static bool find_hole(const struct player *p, const struct mark *from, struct mark *out)
{
	const struct timeline *t = &p->timeline;
	size_t i = timeline_hole_behind(t, from->time_us + 1);
	uint64_t lap = from->lap;
	size_t here;

	if (p->options.gaps != PLAYER_DISCONNECT || t->n_holes == 0)
		return false;
	if (timeline_in_hole(t, from->time_us + 1, &here)) {
		*out = *from;
		return true;
	}
	if (i == t->n_holes && !p->options.loops)
		return false;
	if (i == t->n_holes) {
		i = 0;
		lap++;
	}
	*out = mark_before(lap, t->holes[i].from_us);
	return true;
}

static void find_cut(struct player_client *c)
{
	struct player *p = c->player;
	int64_t drop_us = fault_drop_us(p->options.faults);
	struct mark drop;

	c->has_cut = find_hole(p, &c->mark, &c->cut);
	if (drop_us == 0)
		return;
	drop = schedule_mark_at(
		&c->clock->schedule, schedule_played(&c->clock->schedule, &c->mark) + drop_us);
	if (!c->has_cut || mark_compare(&drop, &c->cut) < 0)
		c->cut = drop;
	c->has_cut = true;
}

void player_client_place(struct player_client *c, const struct mark *mark)
{
	c->mark = *mark;
	c->place = (struct block_place){ .serial = 0 };
	c->seeks = c->clock->schedule.seeks;
	c->due_us = INT64_MIN;
	find_cut(c);
}

/* It begins where its clock is. */
static void place_now(struct player_client *c)
{
	struct mark mark = schedule_joined(&c->clock->schedule, clock_mono_us());

	player_client_place(c, &mark);
}

/* ---- life ---- */

struct player_client *player_client_new(struct player *p, struct player_clock *k,
	struct sio_socket *socket, uint64_t number, bool has_offsets, void *arg)
{
	struct player_client *c = calloc(1, sizeof(*c));
	bool ok = true;

	if (c == NULL)
		return NULL;
	c->player = p;
	c->clock = k;
	c->socket = socket;
	c->arg = arg;
	c->has_offsets = has_offsets;
	c->came_us = clock_mono_us();
	c->faults = player_faults_new(p->options.faults, number, &ok);
	if (!ok) {
		free(c);
		return NULL;
	}
	player_clock_hold_again(k);
	LIST_INSERT_HEAD(&k->clients, c, in_clock);
	block_cache_set_clients(p->cache, ++p->n_clients);
	place_now(c);
	player_enqueue(c);
	return c;
}

static void take_out(struct player_client *c)
{
	if (c->is_queued)
		TAILQ_REMOVE(&c->player->queue, c, in_queue);
	c->is_queued = false;
	if (c->phase == PLAYER_CUTTING)
		LIST_REMOVE(c, in_cutting);
	c->phase = PLAYER_OVER;
}

void player_client_free(struct player_client *c)
{
	take_out(c);
	LIST_REMOVE(c, in_clock);
	block_cache_set_clients(c->player->cache, --c->player->n_clients);
	player_faults_free(c->faults);
	free(c->wanted);
	player_clock_release(c->clock);
	free(c);
}

/* ---- subscriptions ---- */

/* True if every stream has been subscribed by somebody on this clock, these ones included. */
static bool is_complete(struct player_clock *k, const struct venue_streams *streams)
{
	if (k->wanted == NULL)
		k->wanted = calloc(bitmap_size(k->player), 1);
	if (k->wanted == NULL)
		return false; /* it will settle */
	for (size_t i = 0; i < streams->count; i++) {
		size_t s = streams->list[i];

		if (!player_bit(k->wanted, s))
			k->n_wanted++;
		k->wanted[s / 8] |= (uint8_t)(1U << s % 8);
	}
	return k->n_wanted == k->player->venues->n_streams;
}

/* A clock that waits starts when nothing is left to subscribe, or when nobody does for a while. */
static void subscribed_while_waiting(struct player_clock *k, const struct venue_streams *streams)
{
	int64_t now = clock_mono_us();

	if (is_complete(k, streams)) {
		player_clock_start(k, now);
		return;
	}
	k->fires_us = SCHEDULE_NEVER;
	player_clock_wake(k, now + k->player->options.settle_us, now);
}

bool player_client_subscribe(struct player_client *c, const struct venue_streams *streams)
{
	if (c->wanted == NULL)
		c->wanted = calloc(bitmap_size(c->player), 1);
	if (c->wanted == NULL)
		return false;
	if (c->n_wanted == 0 && c->phase == PLAYER_LIVE)
		place_now(c);
	for (size_t i = 0; i < streams->count; i++) {
		size_t s = streams->list[i];

		if (!player_bit(c->wanted, s))
			c->n_wanted++;
		c->wanted[s / 8] |= (uint8_t)(1U << s % 8);
	}
	if (c->clock->schedule.state == SCHEDULE_WAITING)
		subscribed_while_waiting(c->clock, streams);
	c->due_us = INT64_MIN;
	player_enqueue(c);
	return true;
}

bool player_client_unsubscribe(struct player_client *c, const struct venue_streams *streams)
{
	bool was = false;

	for (size_t i = 0; i < streams->count && c->wanted != NULL; i++) {
		size_t s = streams->list[i];

		if (!player_bit(c->wanted, s))
			continue;
		was = true;
		c->n_wanted--;
		c->wanted[s / 8] &= (uint8_t) ~(1U << s % 8);
	}
	return was;
}

void player_client_drained(struct player_client *c)
{
	player_enqueue(c);
}

/* ---- coming back ---- */

void player_client_save(struct player_client *c, struct player_saved *out)
{
	player_clock_hold_again(c->clock);
	*out = (struct player_saved){
		.clock = c->clock, .wanted = c->wanted, .n_wanted = c->n_wanted, .mark = c->mark
	};
	c->wanted = NULL;
	c->n_wanted = 0;
	take_out(c);
}

void player_saved_release(struct player_saved *s)
{
	if (s->clock != NULL)
		player_clock_release(s->clock);
	free(s->wanted);
	*s = (struct player_saved){ .clock = NULL };
}

void player_client_resume(
	struct player_client *c, struct player_saved *saved, const struct mark *offset)
{
	assert(saved->clock == c->clock);
	c->wanted = saved->wanted;
	c->n_wanted = saved->n_wanted;
	saved->wanted = NULL;
	c->goal = c->mark;
	c->phase = PLAYER_CATCHING_UP;
	c->due_us = INT64_MIN;
	if (c->n_wanted != 0) {
		c->mark = *offset;
		/* The offset does not say its lap: it is of the last event that the client got, or before. */
		c->mark.lap = saved->mark.lap;
		if (mark_compare(&c->mark, &saved->mark) > 0 && c->mark.lap != 0)
			c->mark.lap--;
		c->place = (struct block_place){ .serial = 0 };
		find_cut(c);
	}
	player_saved_release(saved);
	player_enqueue(c);
}
