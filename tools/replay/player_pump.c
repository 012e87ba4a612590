#include "player_parts.h"

#include "base/clock.h"
#include "net/sio_server.h"

#define CUT_WAIT_US 5000000 /* for a client to take what waits before its connection is cut */

enum step {
	STEP_ON,    /* something was done: look again */
	STEP_LATER, /* nothing to do before `due_us` */
	STEP_OVER,  /* the client gets nothing any more */
};

static struct schedule *schedule_of(const struct player_client *c)
{
	return &c->clock->schedule;
}

/* ---- cutting ---- */

void player_cut_soon(struct player_client *c, int64_t now_us)
{
	struct player *p = c->player;
	struct eio_session *session = sio_socket_session(c->socket);

	if (c->phase != PLAYER_CUTTING) {
		c->phase = PLAYER_CUTTING;
		c->cut_until_us = now_us + CUT_WAIT_US;
		LIST_INSERT_HEAD(&p->cutting, c, in_cutting);
		if (!timer_is_running(p->cut))
			timer_start(p->cut, 1000);
		return;
	}
	if (session != NULL && eio_session_pending(session) != 0 && now_us < c->cut_until_us)
		return;
	LIST_REMOVE(c, in_cutting);
	c->phase = PLAYER_OVER;
	sio_socket_cut(c->socket);
}

/* True if the place where the connection is cut has come. Who returns begins behind the hole, if it is one. */
static bool take_cut(struct player_client *c, const struct mark *limit, int64_t now_us)
{
	struct mark behind;
	size_t hole;

	if (!c->has_cut || mark_compare(&c->cut, limit) > 0)
		return false;
	behind = c->cut;
	if (timeline_in_hole(&c->player->timeline, c->cut.time_us + 1, &hole) &&
		c->player->options.gaps == PLAYER_DISCONNECT)
		behind = mark_before(c->cut.lap, c->player->timeline.holes[hole].to_us);
	schedule_reached(schedule_of(c), &behind);
	player_cut_soon(c, now_us);
	return true;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the connection is cut. */
static int64_t cut_due(const struct player_client *c)
{
	struct mark at = c->cut;

	if (!c->has_cut)
		return SCHEDULE_NEVER;
	at.time_us++;
	return schedule_due(schedule_of(c), &at);
}

/* ---- what is due ---- */

/* Everything up to this mark is to be sent now. */
static struct mark limit_of(const struct player_client *c, int64_t now_us)
{
	struct mark limit = schedule_limit(schedule_of(c), now_us);

	if (c->phase == PLAYER_CATCHING_UP && mark_compare(&c->goal, &limit) < 0)
		return c->goal;
	return limit;
}

/* The first event of the block, from the client's place on, that is not to be sent now. */
static size_t count_due(const struct player_client *c, const struct block *b, struct mark limit)
{
	size_t end;

	if (c->has_cut && mark_compare(&c->cut, &limit) < 0)
		limit = c->cut;
	if (limit.lap != c->mark.lap)
		end = limit.lap > c->mark.lap ? b->count : 0;
	else
		end = block_first_behind(b, &limit);
	return end > c->place.index ? end : c->place.index;
}

/* When the next event comes that the client wants, or the end of the block, behind which one must look again. */
static int64_t next_due(const struct player_client *c, const struct block *b)
{
	struct mark mark;
	size_t i = c->place.index;

	while (i + 1 < b->count && !player_bit(c->wanted, b->events[i].stream))
		i++;
	mark = block_mark(&b->events[i], c->mark.lap);
	return schedule_due(schedule_of(c), &mark);
}

/* It has been given all that it missed. */
static enum step caught_up(struct player_client *c)
{
	c->phase = PLAYER_LIVE;
	if (c->goal.lap > c->mark.lap || mark_compare(&c->mark, &c->goal) < 0)
		c->mark = c->goal;
	c->place = (struct block_place){ .serial = 0 };
	c->player->events->caught_up(c->arg);
	return STEP_ON;
}

/* ---- sending ---- */

static void spend(size_t *budget, size_t bytes)
{
	*budget -= bytes < *budget ? bytes : *budget;
}

/* Sends the frames of consecutive events; false: the client is gone. */
static bool send_run(
	struct player_client *c, struct block *b, size_t from, size_t to, size_t *budget)
{
	enum block_frames_kind kind = c->has_offsets ? BLOCK_OFFSETS : BLOCK_PLAIN;
	struct slice frames;

	if (from == to)
		return true;
	frames = block_frames_of(b, kind, from, to);
	spend(budget, frames.len);
	c->player->emitted += to - from;
	return sio_socket_send_frames(c->socket, frames);
}

static bool is_wanted(const struct player_client *c, const struct block_event *event)
{
	return player_bit(c->wanted, event->stream);
}

/* Sends what the client wants of these events as ready frames: all at once, or in runs. An event with attachments ends
 * it. `*from` moves behind what is done. */
static enum step send_frames(
	struct player_client *c, struct block *b, size_t *from, size_t to, size_t *budget)
{
	bool takes_all = c->n_wanted == c->player->venues->n_streams;
	size_t run = *from;
	size_t i = *from;

	if (!block_make_frames(b, c->player->venues, c->has_offsets ? BLOCK_OFFSETS : BLOCK_PLAIN))
		return STEP_OVER;
	if (takes_all && b->n_attachments == 0) {
		*from = to;
		return send_run(c, b, run, to, budget) ? STEP_ON : STEP_OVER;
	}
	for (; i < to && b->events[i].n_attachments == 0; i++) {
		if (is_wanted(c, &b->events[i]))
			continue;
		if (!send_run(c, b, run, i, budget))
			return STEP_OVER;
		run = i + 1;
	}
	*from = i;
	return send_run(c, b, run, i, budget) ? STEP_ON : STEP_OVER;
}

static enum step send_one(
	struct player_client *c, struct block *b, size_t i, int64_t now_us, size_t *budget)
{
	size_t sent = 0;
	enum emit_result result = EMIT_DONE;

	if (is_wanted(c, &b->events[i]))
		result = player_emit(c, b, &b->events[i], now_us, &sent);
	else
		spend(budget, 16); /* looking costs, too */
	spend(budget, sent);
	if (result == EMIT_OVER)
		return STEP_OVER;
	return result == EMIT_WAIT ? STEP_LATER : STEP_ON;
}

static void move_to(struct player_client *c, const struct block *b, size_t index)
{
	if (index == c->place.index)
		return;
	c->place.index = index;
	c->mark = block_mark(&b->events[index - 1], c->mark.lap);
}

/* The frames of a block are those of Engine.IO 3 and 4, which write an event alike. */
static bool takes_frames(const struct player_client *c)
{
	return !player_is_slow(c) && sio_socket_generation(c->socket) != &generation_09 &&
		sio_socket_takes_frames(c->socket);
}

/* Sends the events up to before `to`, as far as the budget and the client's connection allow. */
static enum step send_due(
	struct player_client *c, struct block *b, size_t to, int64_t now_us, size_t *budget)
{
	size_t i = c->place.index;
	enum step result = STEP_ON;

	if (takes_frames(c)) {
		result = send_frames(c, b, &i, to, budget);
		move_to(c, b, i);
		if (result != STEP_ON || i == to)
			return result;
	}
	while (i < to && result == STEP_ON && *budget != 0 && !sio_socket_is_full(c->socket)) {
		result = send_one(c, b, i, now_us, budget);
		if (result == STEP_LATER)
			break;
		move_to(c, b, ++i);
		if (takes_frames(c))
			break;
	}
	return result;
}

/* ---- the end of the tape ---- */

static enum step at_end(struct player_client *c, const struct mark *limit, int64_t now_us)
{
	struct schedule *s = schedule_of(c);
	struct mark last = mark_up_to(c->mark.lap, c->player->timeline.last_us);
	struct mark again = mark_up_to(c->mark.lap + 1, c->player->timeline.first_us);
	size_t sent;

	if (take_cut(c, limit, now_us))
		return STEP_OVER;
	if (c->player->options.loops) {
		c->due_us = earlier(schedule_due(s, &again), cut_due(c));
		if (limit->lap <= c->mark.lap)
			return STEP_LATER;
		c->mark = mark_before(again.lap, again.time_us);
		c->place = (struct block_place){ .serial = 0 };
		return STEP_ON;
	}
	if (player_emit_held(c, now_us, &sent) == EMIT_OVER)
		return STEP_OVER;
	schedule_reached_end(s);
	schedule_update(s, now_us);
	c->due_us = earlier(schedule_due(s, &last), cut_due(c));
	if (s->state == SCHEDULE_ENDED) {
		c->due_us = SCHEDULE_NEVER;
		if (c->player->options.closes_at_end) {
			c->phase = PLAYER_OVER;
			sio_socket_disconnect(c->socket, true);
			return STEP_OVER;
		}
	}
	return STEP_LATER;
}

/* ---- the pump ---- */

/* A client without a subscription gets nothing, but its connection may be cut: where others are. */
static enum step idle(struct player_client *c, int64_t now_us)
{
	struct mark limit = schedule_joined(schedule_of(c), now_us);

	if (take_cut(c, &limit, now_us))
		return STEP_OVER;
	c->due_us = cut_due(c);
	return STEP_LATER;
}

static enum step step(struct player_client *c, int64_t now_us, size_t *budget)
{
	struct mark limit = limit_of(c, now_us);
	enum tape_result result;
	struct block *b;
	struct err e;
	size_t to;

	if (c->n_wanted == 0 && c->phase == PLAYER_LIVE)
		return idle(c, now_us);
	result = block_cache_find(c->player->cache, &c->mark, &c->place, &b, &e);
	if (result == TAPE_FAILED) {
		player_fail(c->player, &e);
		return STEP_OVER;
	}
	if (result == TAPE_END) {
		if (c->phase == PLAYER_CATCHING_UP && c->goal.lap == c->mark.lap)
			return caught_up(c);
		return at_end(c, &limit, now_us);
	}
	to = count_due(c, b, limit);
	if (to != c->place.index)
		return send_due(c, b, to, now_us, budget);
	if (take_cut(c, &limit, now_us))
		return STEP_OVER;
	if (c->phase == PLAYER_CATCHING_UP)
		return caught_up(c);
	c->due_us = earlier(next_due(c, b), cut_due(c));
	return STEP_LATER;
}

/* After a seek everybody begins anew, except who is still catching up with what was before it. */
static void follow_seek(struct player_client *c)
{
	if (c->seeks != schedule_of(c)->seeks && c->phase != PLAYER_CATCHING_UP)
		player_client_place(c, &schedule_of(c)->sought);
}

enum pump_result player_pump(struct player_client *c, int64_t now_us)
{
	size_t budget = PLAYER_BUDGET;
	enum step result = STEP_ON;

	follow_seek(c);
	c->due_us = SCHEDULE_NEVER;
	while (result == STEP_ON && budget != 0 && !sio_socket_is_full(c->socket)) {
		result = step(c, now_us, &budget);
		follow_seek(c);
	}
	schedule_reached(schedule_of(c), &c->mark);
	if (result == STEP_OVER && c->phase < PLAYER_CUTTING) {
		/* It is gone, or there is no memory for it: it must not go on with a hole. */
		c->phase = PLAYER_OVER;
		sio_socket_cut(c->socket);
	}
	if (result == STEP_ON && !sio_socket_is_full(c->socket))
		return PUMP_MORE;
	return PUMP_LATER;
}
