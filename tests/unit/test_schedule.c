/*
 * timeline, schedule: which event is due when; also against a model that counts in hundredths of a microsecond.
 */
#include "unit.h"

#include "schedule.h"

#include <stdlib.h>

#define S INT64_C(1000000)
#define T0 (INT64_C(1760000000) * S)
#define WALL (INT64_C(1900000000) * S)

static void holes_are_left_out_of_played_time(void **state)
{
	const struct timeline_hole holes[] = { { 5, 12, 0 }, { 20, 30, 0 }, { 35, 36, 0 },
		{ 90, 120, 0 } };
	struct timeline t;
	size_t hole = 99;

	(void)state;
	assert_true(timeline_init(&t, 10, 100, holes, COUNT(holes), TIMELINE_JUMP));
	assert_int_equal(t.n_holes, 4);
	assert_int_equal(t.length_us, 90 - 2 - 10 - 1 - 10);
	assert_int_equal(timeline_played(&t, 9), -1);
	assert_int_equal(timeline_played(&t, 10), 0);
	assert_int_equal(timeline_played(&t, 12), 0);
	assert_int_equal(timeline_played(&t, 20), 8);
	assert_int_equal(timeline_played(&t, 25), 8);
	assert_int_equal(timeline_played(&t, 30), 8);
	assert_int_equal(timeline_played(&t, 31), 9);
	assert_int_equal(timeline_played(&t, 100), t.length_us);
	assert_int_equal(timeline_time(&t, 0), 12);
	assert_int_equal(timeline_time(&t, 7), 19);
	assert_int_equal(timeline_time(&t, 8), 30);
	assert_int_equal(timeline_hole_behind(&t, 20), 1);
	assert_int_equal(timeline_hole_behind(&t, 21), 2);
	assert_int_equal(timeline_hole_behind(&t, 91), 4);
	assert_true(timeline_in_hole(&t, 20, &hole));
	assert_int_equal(hole, 1);
	assert_true(timeline_in_hole(&t, 29, &hole));
	assert_false(timeline_in_hole(&t, 30, &hole));
	timeline_release(&t);

	assert_true(timeline_init(&t, 10, 100, holes, COUNT(holes), TIMELINE_WAIT));
	assert_int_equal(t.length_us, 90);
	assert_int_equal(timeline_played(&t, 25), 15);
	assert_int_equal(timeline_time(&t, 15), 25);
	timeline_release(&t);
}

struct bench {
	struct timeline timeline;
	struct schedule schedule;
};

/* A tape from T0 to T0 + 100 s. */
static void setup(struct bench *b, int64_t speed, bool loops)
{
	assert_true(timeline_init(&b->timeline, T0, T0 + 100 * S, NULL, 0, TIMELINE_WAIT));
	schedule_init(&b->schedule, &b->timeline, speed, loops);
}

static int64_t due(const struct bench *b, int64_t time_us)
{
	const struct mark m = { .time_us = time_us, .event_id = 1 };

	return schedule_due(&b->schedule, &m);
}

static void nothing_is_due_before_the_start_and_the_first_event_is_at_it(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 1 * SCHEDULE_SPEED_ONE, false);
	assert_int_equal(b.schedule.state, SCHEDULE_WAITING);
	assert_true(due(&b, T0) == SCHEDULE_NEVER);
	assert_int_equal(schedule_position(&b.schedule, 5 * S), T0);
	schedule_start(&b.schedule, 7 * S, WALL);
	assert_int_equal(due(&b, T0), 7 * S);
	assert_int_equal(due(&b, T0 + 1), 7 * S + 1);
	assert_int_equal(due(&b, T0 + 100 * S), 107 * S);
	assert_int_equal(schedule_position(&b.schedule, 17 * S), T0 + 10 * S);
	schedule_update(&b.schedule, 107 * S - 1);
	assert_int_equal(b.schedule.state, SCHEDULE_PLAYING);
	schedule_update(&b.schedule, 107 * S);
	assert_int_equal(b.schedule.state, SCHEDULE_ENDED);
	assert_int_equal(schedule_position(&b.schedule, 500 * S), T0 + 100 * S);
	timeline_release(&b.timeline);
}

static void due_times_follow_speed_pause_and_seek(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 10 * SCHEDULE_SPEED_ONE, false);
	schedule_start(&b.schedule, 0, WALL);
	assert_int_equal(due(&b, T0 + 50 * S), 5 * S);
	schedule_pause(&b.schedule, 2 * S);
	assert_true(due(&b, T0 + 20 * S) < 0);
	assert_true(due(&b, T0 + 20 * S + 1) == SCHEDULE_NEVER);
	schedule_resume(&b.schedule, 1000 * S, WALL);
	assert_int_equal(due(&b, T0 + 50 * S), 1003 * S);
	schedule_set_speed(&b.schedule, SCHEDULE_SLOWEST, 1001 * S);
	assert_int_equal(due(&b, T0 + 31 * S), 1101 * S);
	schedule_seek(&b.schedule, T0 + 90 * S, 1002 * S);
	assert_int_equal(b.schedule.seeks, 1);
	assert_int_equal(due(&b, T0 + 90 * S), 1002 * S);
	assert_int_equal(due(&b, T0 + 91 * S), 1102 * S);
	schedule_set_speed(&b.schedule, SCHEDULE_MAX, 1002 * S);
	assert_int_equal(due(&b, T0 + 100 * S), 1002 * S);
	timeline_release(&b.timeline);
}

static void a_seek_brings_an_ended_tape_back_and_is_cut_to_its_span(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 1 * SCHEDULE_SPEED_ONE, false);
	schedule_start(&b.schedule, 0, WALL);
	schedule_update(&b.schedule, 200 * S);
	assert_int_equal(b.schedule.state, SCHEDULE_ENDED);
	schedule_pause(&b.schedule, 200 * S);
	schedule_resume(&b.schedule, 200 * S, WALL);
	assert_int_equal(b.schedule.state, SCHEDULE_ENDED);
	schedule_seek(&b.schedule, 0, 300 * S);
	assert_int_equal(b.schedule.state, SCHEDULE_PLAYING);
	assert_int_equal(due(&b, T0), 300 * S);
	schedule_pause(&b.schedule, 301 * S);
	schedule_seek(&b.schedule, INT64_MAX, 301 * S);
	assert_int_equal(b.schedule.state, SCHEDULE_PAUSED);
	assert_int_equal(schedule_position(&b.schedule, 301 * S), T0 + 100 * S);
	assert_true(due(&b, T0 + 100 * S) == SCHEDULE_NEVER);
	timeline_release(&b.timeline);
}

static void a_step_plays_one_event_of_several_at_one_instant(void **state)
{
	struct bench b;
	const struct mark one = { .time_us = T0, .event_id = 1 };
	const struct mark two = { .time_us = T0, .event_id = 2 };
	const struct mark other = { .time_us = T0, .recording = 1, .event_id = 1 };

	(void)state;
	setup(&b, 1 * SCHEDULE_SPEED_ONE, false);
	schedule_pause(&b.schedule, 0);
	assert_int_equal(b.schedule.state, SCHEDULE_PAUSED);
	assert_false(schedule_is_due(&b.schedule, &one, 9 * S));
	schedule_step(&b.schedule, &one, WALL);
	assert_true(schedule_is_due(&b.schedule, &one, 9 * S));
	assert_false(schedule_is_due(&b.schedule, &two, 9 * S));
	schedule_step(&b.schedule, &two, WALL);
	assert_true(schedule_is_due(&b.schedule, &two, 9 * S));
	assert_false(schedule_is_due(&b.schedule, &other, 9 * S));
	schedule_resume(&b.schedule, 10 * S, WALL);
	assert_true(schedule_is_due(&b.schedule, &other, 10 * S));
	assert_int_equal(due(&b, T0 + S), 11 * S);
	timeline_release(&b.timeline);
}

static void what_was_paused_from_the_start_starts_when_it_is_resumed(void **state)
{
	struct bench b;
	const struct mark m = { .time_us = T0 + S, .event_id = 1 };

	(void)state;
	setup(&b, 1 * SCHEDULE_SPEED_ONE, false);
	schedule_pause(&b.schedule, 0);
	schedule_resume(&b.schedule, 5 * S, WALL + 5 * S);
	schedule_pause(&b.schedule, 6 * S);
	schedule_resume(&b.schedule, 9 * S, WALL + 9 * S);
	assert_int_equal(m.time_us + schedule_shift(&b.schedule, &m), WALL + 6 * S);
	timeline_release(&b.timeline);
}

static void as_fast_as_possible_the_foremost_client_says_where_the_tape_is(void **state)
{
	struct bench b;
	const struct mark ahead = { .time_us = T0 + 30 * S, .event_id = 9 };
	const struct mark behind = { .time_us = T0 + 20 * S, .event_id = 5 };
	struct mark joined;

	(void)state;
	setup(&b, SCHEDULE_MAX, false);
	schedule_start(&b.schedule, 1 * S, WALL);
	assert_int_equal(due(&b, T0 + 100 * S), 1 * S);
	joined = schedule_limit(&b.schedule, 1 * S);
	assert_true(mark_compare(&ahead, &joined) < 0);
	schedule_reached(&b.schedule, &ahead);
	schedule_reached(&b.schedule, &behind);
	joined = schedule_joined(&b.schedule, 50 * S);
	assert_int_equal(mark_compare(&joined, &ahead), 0);
	schedule_pause(&b.schedule, 50 * S);
	assert_true(schedule_is_due(&b.schedule, &behind, 50 * S));
	assert_false(schedule_is_due(
		&b.schedule, &(struct mark){ .time_us = T0 + 30 * S, .event_id = 10 }, 50 * S));
	schedule_set_speed(&b.schedule, SCHEDULE_SPEED_ONE, 50 * S);
	schedule_resume(&b.schedule, 60 * S, WALL);
	assert_int_equal(due(&b, T0 + 31 * S), 61 * S);
	schedule_set_speed(&b.schedule, SCHEDULE_MAX, 60 * S);
	schedule_reached_end(&b.schedule);
	assert_int_equal(b.schedule.state, SCHEDULE_ENDED);
	timeline_release(&b.timeline);
}

static void laps_follow_each_other_without_drift(void **state)
{
	struct bench b;
	struct mark joined;

	(void)state;
	setup(&b, 3 * SCHEDULE_SPEED_ONE, true);
	schedule_start(&b.schedule, 0, WALL);
	for (uint64_t lap = 0; lap < 1000000; lap += 99991) {
		const struct mark m = { .lap = lap, .time_us = T0 + S };
		int64_t played = (int64_t)lap * (100 * S + TIMELINE_LAP_PAUSE_US) + S;
		int64_t at = (played + 2) / 3;

		assert_int_equal(schedule_due(&b.schedule, &m), at);
		assert_true(schedule_is_due(&b.schedule, &m, at));
		assert_false(schedule_is_due(&b.schedule, &m, at - 1));
		joined = schedule_joined(&b.schedule, at);
		assert_true(mark_compare(&m, &joined) <= 0);
		joined = schedule_joined(&b.schedule, at - 1);
		assert_true(mark_compare(&m, &joined) > 0);
		assert_int_equal(schedule_shift(&b.schedule, &m), WALL + played - (T0 + S));
	}
	timeline_release(&b.timeline);
}

/* ---- against a model ---- */

#define EVENTS 60
#define ROUNDS 400
#define OPERATIONS 60

struct model {
	int64_t times[EVENTS];
	struct timeline_hole holes[3];
	size_t n_holes;
	bool jumps, loops;
	enum schedule_state state;
	int64_t now;
	int64_t speed;  /* hundredths */
	int64_t played; /* hundredths of a microsecond */
	size_t next;    /* events given out, of all laps */
	size_t lap;
};

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static int64_t model_played(const struct model *m, int64_t time_us)
{
	int64_t played = time_us - m->times[0];

	for (size_t i = 0; i < m->n_holes && m->jumps; i++) {
		int64_t from = m->holes[i].from_us < m->times[0] ? m->times[0]
								 : m->holes[i].from_us;
		int64_t to = m->holes[i].to_us < time_us ? m->holes[i].to_us : time_us;

		if (to > from)
			played -= to - from;
	}
	return played;
}

static int64_t model_lap(const struct model *m)
{
	return model_played(m, m->times[EVENTS - 1]) + TIMELINE_LAP_PAUSE_US;
}

static int compare_times(const void *a, const void *b)
{
	const int64_t *x = a;
	const int64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void make(struct model *m)
{
	*m = (struct model){ .speed = (int64_t)(1 + random_below(1000)), .now = 12345 };
	for (size_t i = 0; i < EVENTS; i++)
		m->times[i] = T0 + (int64_t)random_below(50) * 1000;
	qsort(m->times, EVENTS, sizeof(m->times[0]), compare_times);
	m->n_holes = random_below(4);
	for (size_t i = 0; i < m->n_holes; i++) {
		m->holes[i].from_us = T0 + (int64_t)(i * 15000 + random_below(7000));
		m->holes[i].to_us = m->holes[i].from_us + (int64_t)random_below(8000) + 1;
	}
	m->jumps = random_below(2) != 0;
	m->loops = random_below(2) != 0;
}

/* True if the model's next event is due, which is then given out. */
static bool model_take(struct model *m, struct mark *out)
{
	int64_t played;

	if ((m->state == SCHEDULE_PAUSED || m->state == SCHEDULE_WAITING) ||
		(m->next == EVENTS && !m->loops))
		return false;
	if (m->next == EVENTS) {
		m->next = 0;
		m->lap++;
	}
	played = (int64_t)m->lap * model_lap(m) + model_played(m, m->times[m->next]);
	if (played * 100 > m->played)
		return false;
	*out = (struct mark){
		.lap = m->lap, .time_us = m->times[m->next], .event_id = (int64_t)m->next
	};
	m->next++;
	return true;
}

static void model_seek(struct model *m, int64_t time_us)
{
	m->lap = m->loops ? (size_t)(m->played / 100 / model_lap(m)) : 0;
	for (m->next = 0; m->next < EVENTS && m->times[m->next] < time_us;)
		m->next++;
	m->played = ((int64_t)m->lap * model_lap(m) + model_played(m, time_us)) * 100;
	if (m->state == SCHEDULE_ENDED)
		m->state = SCHEDULE_PLAYING;
}

static void operate(struct model *m, struct schedule *s)
{
	int64_t to = m->times[0] +
		(int64_t)random_below((uint64_t)(m->times[EVENTS - 1] - m->times[0] + 1));

	switch (random_below(6)) {
	case 0:
		schedule_start(s, m->now, WALL);
		if (m->state == SCHEDULE_WAITING)
			m->state = SCHEDULE_PLAYING;
		break;
	case 1:
		schedule_pause(s, m->now);
		if (m->state == SCHEDULE_PLAYING || m->state == SCHEDULE_WAITING)
			m->state = SCHEDULE_PAUSED;
		break;
	case 2:
		schedule_resume(s, m->now, WALL);
		if (m->state == SCHEDULE_PAUSED)
			m->state = SCHEDULE_PLAYING;
		break;
	case 3:
		m->speed = (int64_t)(1 + random_below(10000));
		schedule_set_speed(s, m->speed * (SCHEDULE_SPEED_ONE / 100), m->now);
		break;
	case 4:
		schedule_seek(s, to, m->now);
		model_seek(m, to);
		break;
	default:
		break;
	}
}

/* Both give out what is due: the same events, and a client that comes now gets exactly the ones behind. */
static void compare(struct model *m, const struct schedule *s)
{
	struct mark joined = schedule_joined(s, m->now);
	struct mark limit = schedule_limit(s, m->now);
	struct mark e;
	struct mark next;

	assert_int_equal(mark_compare(&joined, &limit), 0);
	while (model_take(m, &e)) {
		assert_true(schedule_is_due(s, &e, m->now));
		assert_true(mark_compare(&e, &joined) <= 0);
	}
	if (m->next == EVENTS && !m->loops)
		return;
	next = (struct mark){ .lap = m->lap, .time_us = m->times[0] };
	if (m->next == EVENTS)
		next.lap++;
	else
		next.time_us = m->times[m->next];
	next.event_id = (int64_t)(m->next % EVENTS);
	assert_false(schedule_is_due(s, &next, m->now));
	assert_true(mark_compare(&next, &joined) > 0);
}

static void any_sequence_of_operations_plays_what_the_model_plays(void **state)
{
	(void)state;
	random_state = 88172645463325252U;
	for (int round = 0; round < ROUNDS; round++) {
		struct model m;
		struct timeline t;
		struct schedule s;

		make(&m);
		assert_true(timeline_init(&t, m.times[0], m.times[EVENTS - 1], m.holes, m.n_holes,
			m.jumps ? TIMELINE_JUMP : TIMELINE_WAIT));
		schedule_init(&s, &t, m.speed * (SCHEDULE_SPEED_ONE / 100), m.loops);
		for (int i = 0; i < OPERATIONS; i++) {
			/* A multiple of 100, so that no part of a microsecond is left at any speed. */
			int64_t passed = (int64_t)random_below(30) * 100;

			operate(&m, &s);
			compare(&m, &s);
			m.now += passed;
			if (m.state == SCHEDULE_PLAYING)
				m.played += passed * m.speed;
			compare(&m, &s);
			schedule_update(&s, m.now);
			if (m.state == SCHEDULE_PLAYING && !m.loops &&
				m.played >= model_played(&m, m.times[EVENTS - 1]) * 100)
				m.state = SCHEDULE_ENDED;
			assert_int_equal(s.state, m.state);
		}
		timeline_release(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_are_left_out_of_played_time),
		cmocka_unit_test(nothing_is_due_before_the_start_and_the_first_event_is_at_it),
		cmocka_unit_test(due_times_follow_speed_pause_and_seek),
		cmocka_unit_test(a_seek_brings_an_ended_tape_back_and_is_cut_to_its_span),
		cmocka_unit_test(a_step_plays_one_event_of_several_at_one_instant),
		cmocka_unit_test(what_was_paused_from_the_start_starts_when_it_is_resumed),
		cmocka_unit_test(as_fast_as_possible_the_foremost_client_says_where_the_tape_is),
		cmocka_unit_test(laps_follow_each_other_without_drift),
		cmocka_unit_test(any_sequence_of_operations_plays_what_the_model_plays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
