#include "schedule.h"

#include <assert.h>

int mark_compare(const struct mark *a, const struct mark *b)
{
	if (a->lap != b->lap)
		return a->lap < b->lap ? -1 : 1;
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->recording != b->recording)
		return a->recording < b->recording ? -1 : 1;
	return a->event_id < b->event_id ? -1 : a->event_id > b->event_id;
}

struct mark mark_before(uint64_t lap, int64_t time_us)
{
	return mark_up_to(lap, time_us - 1);
}

struct mark mark_up_to(uint64_t lap, int64_t time_us)
{
	return (struct mark){ lap, time_us, SIZE_MAX, INT64_MAX };
}

void schedule_init(struct schedule *s, const struct timeline *timeline, int64_t speed, bool loops)
{
	*s = (struct schedule){ .timeline = timeline, .speed = speed, .loops = loops };
	s->out = mark_before(0, timeline->first_us);
}

static bool is_max(const struct schedule *s)
{
	return s->speed == SCHEDULE_MAX;
}

/* When played time `played_us` is reached, rounded up: from the anchor alone, and exact. */
static int64_t when(const struct schedule *s, int64_t played_us)
{
	int64_t ahead = played_us - s->played_us;
	int64_t rest;

	if (is_max(s) || ahead <= 0)
		return s->anchor_us;
	rest = ahead % s->speed * SCHEDULE_SPEED_ONE;
	return s->anchor_us + ahead / s->speed * SCHEDULE_SPEED_ONE +
		(rest + s->speed - 1) / s->speed;
}

/* The played time that is reached by now: the latest one for which when() is not in the future. */
static int64_t reached(const struct schedule *s, int64_t now_us)
{
	int64_t passed = now_us - s->anchor_us;

	return s->played_us + passed / SCHEDULE_SPEED_ONE * s->speed +
		passed % SCHEDULE_SPEED_ONE * s->speed / SCHEDULE_SPEED_ONE;
}

struct mark schedule_mark_at(const struct schedule *s, int64_t played_us)
{
	const struct timeline *t = s->timeline;
	uint64_t lap = s->loops ? (uint64_t)(played_us / t->lap_us) : 0;
	int64_t rest = played_us - (int64_t)lap * t->lap_us;

	return mark_up_to(lap, rest > t->length_us ? t->last_us : timeline_time(t, rest));
}

int64_t schedule_played(const struct schedule *s, const struct mark *mark)
{
	return (int64_t)mark->lap * s->timeline->lap_us +
		timeline_played(s->timeline, mark->time_us);
}

/* Writes down what has been played, so that the anchor is free to move. */
static void settle(struct schedule *s, int64_t now_us)
{
	if (s->state != SCHEDULE_PLAYING)
		return;
	if (is_max(s)) {
		int64_t played = schedule_played(s, &s->out);

		s->played_us = played > s->played_us ? played : s->played_us;
		return;
	}
	s->played_us = reached(s, now_us);
	s->out = schedule_mark_at(s, s->played_us);
}

static void begin(struct schedule *s, int64_t wall_us)
{
	if (!s->has_begun)
		s->wall_start_us = wall_us;
	s->has_begun = true;
}

static void play(struct schedule *s, int64_t now_us)
{
	s->state = SCHEDULE_PLAYING;
	s->anchor_us = now_us;
}

void schedule_start(struct schedule *s, int64_t now_us, int64_t wall_us)
{
	if (s->state != SCHEDULE_WAITING)
		return;
	begin(s, wall_us);
	play(s, now_us);
}

void schedule_pause(struct schedule *s, int64_t now_us)
{
	schedule_update(s, now_us);
	if (s->state != SCHEDULE_WAITING && s->state != SCHEDULE_PLAYING)
		return;
	settle(s, now_us);
	s->state = SCHEDULE_PAUSED;
}

void schedule_resume(struct schedule *s, int64_t now_us, int64_t wall_us)
{
	if (s->state != SCHEDULE_PAUSED)
		return;
	begin(s, wall_us);
	play(s, now_us);
}

void schedule_set_speed(struct schedule *s, int64_t speed, int64_t now_us)
{
	assert(speed == SCHEDULE_MAX || (speed >= SCHEDULE_SLOWEST && speed <= SCHEDULE_FASTEST));
	schedule_update(s, now_us);
	settle(s, now_us);
	s->speed = speed;
	if (s->state == SCHEDULE_PLAYING)
		s->anchor_us = now_us;
}

void schedule_seek(struct schedule *s, int64_t time_us, int64_t now_us)
{
	uint64_t lap;

	schedule_update(s, now_us);
	settle(s, now_us);
	lap = s->out.lap;
	time_us = timeline_clamp(s->timeline, time_us);
	s->out = mark_before(lap, time_us);
	s->sought = s->out;
	s->played_us = schedule_played(s, &(struct mark){ .lap = lap, .time_us = time_us });
	s->seeks++;
	if (s->state == SCHEDULE_PLAYING || s->state == SCHEDULE_ENDED)
		play(s, now_us);
}

void schedule_step(struct schedule *s, const struct mark *mark, int64_t wall_us)
{
	if (s->state != SCHEDULE_PAUSED)
		return;
	begin(s, wall_us);
	assert(mark_compare(&s->out, mark) < 0);
	s->out = *mark;
	s->played_us = schedule_played(s, mark);
}

void schedule_update(struct schedule *s, int64_t now_us)
{
	if (s->state != SCHEDULE_PLAYING || is_max(s) || s->loops ||
		now_us < when(s, s->timeline->length_us))
		return;
	s->state = SCHEDULE_ENDED;
	s->played_us = s->timeline->length_us;
	s->out = mark_up_to(0, s->timeline->last_us);
}

void schedule_reached(struct schedule *s, const struct mark *mark)
{
	if (s->state == SCHEDULE_PLAYING && is_max(s) && mark_compare(&s->out, mark) < 0)
		s->out = *mark;
}

void schedule_reached_end(struct schedule *s)
{
	if (s->state != SCHEDULE_PLAYING || !is_max(s) || s->loops)
		return;
	s->state = SCHEDULE_ENDED;
	s->played_us = s->timeline->length_us;
	s->out = mark_up_to(0, s->timeline->last_us);
}

struct mark schedule_joined(const struct schedule *s, int64_t now_us)
{
	if (s->state != SCHEDULE_PLAYING || is_max(s))
		return s->out;
	return schedule_mark_at(s, reached(s, now_us));
}

struct mark schedule_limit(const struct schedule *s, int64_t now_us)
{
	if (s->state == SCHEDULE_PLAYING && is_max(s))
		return mark_up_to(UINT64_MAX, INT64_MAX);
	return schedule_joined(s, now_us);
}

bool schedule_is_due(const struct schedule *s, const struct mark *mark, int64_t now_us)
{
	return schedule_due(s, mark) <= now_us;
}

int64_t schedule_due(const struct schedule *s, const struct mark *mark)
{
	if (s->state == SCHEDULE_PLAYING)
		return when(s, schedule_played(s, mark));
	return mark_compare(mark, &s->out) <= 0 ? INT64_MIN : SCHEDULE_NEVER;
}

int64_t schedule_position(const struct schedule *s, int64_t now_us)
{
	int64_t time_us = s->state == SCHEDULE_PLAYING ? schedule_joined(s, now_us).time_us
						       : schedule_mark_at(s, s->played_us).time_us;

	return timeline_clamp(s->timeline, time_us);
}

int64_t schedule_shift(const struct schedule *s, const struct mark *mark)
{
	return s->wall_start_us + schedule_played(s, mark) - mark->time_us;
}

const char *schedule_state_name(enum schedule_state state)
{
	static const char *const names[] = { "waiting", "playing", "paused", "ended" };

	return names[state];
}
