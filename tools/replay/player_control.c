#include "player_parts.h"

#include "base/clock.h"

#define STEP_EVENTS_MAX 20000 /* that one step looks at */

static bool is_wanted(const struct player_clock *k, uint32_t stream)
{
	const struct player_client *c;

	LIST_FOREACH(c, &k->clients, in_clock)
	if (c->n_wanted != 0 && player_bit(c->wanted, stream))
		return true;
	return false;
}

/* The next event that somebody gets who is on this clock; paused, all have been given the same. Where it is very far
 * away, an event on the way to it, so that nobody waits for the search. False: there is none. */
static bool find_next(struct player_clock *k, struct mark *out)
{
	struct player *p = k->player;
	struct block_place place = { .serial = 0 };
	struct block *b;
	struct err e;

	*out = k->schedule.out;
	for (size_t i = 0; i < STEP_EVENTS_MAX; i++) {
		const struct block_event *event;
		enum tape_result result = block_cache_find(p->cache, out, &place, &b, &e);

		if (result == TAPE_FAILED)
			player_fail(p, &e);
		if (result != TAPE_EVENT)
			return false;
		event = &b->events[place.index++];
		*out = block_mark(event, out->lap);
		if (is_wanted(k, event->stream))
			return true;
	}
	return true;
}

static void step(struct player_clock *k)
{
	struct mark next;

	if (k->schedule.state == SCHEDULE_PAUSED && find_next(k, &next))
		schedule_step(&k->schedule, &next, clock_wall_us());
}

static void control(struct player_clock *k, enum player_do what, int64_t value, int64_t now_us)
{
	switch (what) {
	case PLAYER_PAUSE:
		schedule_pause(&k->schedule, now_us);
		break;
	case PLAYER_RESUME:
		if (k->schedule.state == SCHEDULE_WAITING)
			schedule_start(&k->schedule, now_us, clock_wall_us());
		schedule_resume(&k->schedule, now_us, clock_wall_us());
		break;
	case PLAYER_STEP:
		step(k);
		break;
	case PLAYER_SEEK:
		schedule_seek(&k->schedule, value, now_us);
		break;
	case PLAYER_SPEED:
		schedule_set_speed(&k->schedule, value, now_us);
		break;
	}
	player_clock_wake_all(k);
}

void player_control(struct player *p, enum player_do what, int64_t value)
{
	int64_t now = clock_mono_us();
	struct player_clock *k;

	if (what == PLAYER_PAUSE || what == PLAYER_RESUME)
		p->is_held = what == PLAYER_PAUSE;
	if (what == PLAYER_SPEED)
		p->options.speed = value;
	if (what == PLAYER_SEEK)
		p->begin_us = timeline_clamp(&p->timeline, value);
	LIST_FOREACH(k, &p->clocks, link)
	control(k, what, value, now);
}

/* How much a clock's state says about the whole: one that plays most. */
static int rank(enum schedule_state state)
{
	static const int ranks[] = { [SCHEDULE_WAITING] = 1,
		[SCHEDULE_PLAYING] = 3,
		[SCHEDULE_PAUSED] = 2,
		[SCHEDULE_ENDED] = 0 };

	return ranks[state];
}

void player_status(struct player *p, struct player_status *out)
{
	int64_t now = clock_mono_us();
	struct player_clock *k;
	bool is_first = true;

	*out = (struct player_status){ .state = p->is_held ? SCHEDULE_PAUSED : SCHEDULE_WAITING,
		.position_us = p->begin_us,
		.from_us = p->timeline.first_us,
		.to_us = p->timeline.last_us,
		.speed = p->options.speed,
		.clients = p->n_clients,
		.clocks = p->n_clocks,
		.emitted = p->emitted };
	LIST_FOREACH(k, &p->clocks, link)
	{
		int64_t position;
		int better;

		schedule_update(&k->schedule, now);
		position = schedule_position(&k->schedule, now);
		better = is_first ? 1 : rank(k->schedule.state) - rank(out->state);
		if (better > 0 || (better == 0 && position > out->position_us)) {
			out->state = k->schedule.state;
			out->position_us = position;
		}
		is_first = false;
	}
}
