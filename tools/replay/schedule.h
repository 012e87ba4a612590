/*
 * schedule: a clock that says which events of the tape are due.
 *
 *             start            pause            past the last event
 *   waiting ----------> playing <------> paused       |
 *      |  \               ^   \       resume          v
 *      |   `-- pause --> paused `-----------------> ended -- seek --> playing
 *
 * While it plays, monotonic time is mapped to played time (timeline.h) by one anchor, which only a start, a
 * pause, a seek and a change of speed move; when an event is due follows from the anchor alone, so lateness never
 * adds up. As fast as possible (SCHEDULE_MAX) everything is due at once, and how far the tape has been played is
 * what the clients have been given. Pure: the caller says what time it is.
 */
#ifndef TAPEDECK_REPLAY_SCHEDULE_H
#define TAPEDECK_REPLAY_SCHEDULE_H

#include "timeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Speeds are whole numbers, so that no due time is rounded twice: this is 1. */
#define SCHEDULE_SPEED_ONE INT64_C(1000000)
#define SCHEDULE_SLOWEST (SCHEDULE_SPEED_ONE / 100)
#define SCHEDULE_FASTEST (SCHEDULE_SPEED_ONE * 1000)
#define SCHEDULE_MAX INT64_C(0) /* as fast as the clients take it */

#define SCHEDULE_NEVER INT64_MAX

enum schedule_state { SCHEDULE_WAITING, SCHEDULE_PLAYING, SCHEDULE_PAUSED, SCHEDULE_ENDED };

/* A place in the order of the events. What is at or before a mark has been played. */
struct mark {
	uint64_t lap;
	int64_t time_us;
	size_t recording;
	int64_t event_id;
};

/* Below, at or above 0 as `a` is before, the same as or behind `b`. */
int mark_compare(const struct mark *a, const struct mark *b);

/* Behind all events before `time_us`, or behind all up to it. */
struct mark mark_before(uint64_t lap, int64_t time_us);
struct mark mark_up_to(uint64_t lap, int64_t time_us);

struct schedule {
	const struct timeline *timeline;
	enum schedule_state state;
	int64_t speed;
	bool loops;
	uint32_t seeks;     /* counts them: who reads the tape begins anew behind `sought` */
	struct mark sought; /* by the last of them */
	int64_t anchor_us;  /* monotonic time, while playing */
	int64_t played_us;  /* of all laps; at the anchor, or where it goes on */
	struct mark out;    /* what has been played, unless it follows from the anchor */
	bool has_begun;
	int64_t wall_start_us; /* wall clock when something could be played for the first time */
};

/* Waits at the beginning of the timeline, which must outlive it. */
void schedule_init(struct schedule *s, const struct timeline *timeline, int64_t speed, bool loops);

/* Starts if it is waiting. */
void schedule_start(struct schedule *s, int64_t now_us, int64_t wall_us);

/* Each of them does nothing in a state that it does not fit. A clock that waits can be paused, too. */
void schedule_pause(struct schedule *s, int64_t now_us);
void schedule_resume(struct schedule *s, int64_t now_us, int64_t wall_us);
void schedule_set_speed(struct schedule *s, int64_t speed, int64_t now_us);

/* Goes to before the first event at or behind `time_us`, which is cut to the tape's span. */
void schedule_seek(struct schedule *s, int64_t time_us, int64_t now_us);

/* Paused: everything up to `mark`, which is the next event's, is played. */
void schedule_step(struct schedule *s, const struct mark *mark, int64_t wall_us);

/* Looks at the time: past the last event the state becomes `ended`. */
void schedule_update(struct schedule *s, int64_t now_us);

/* A client has been given everything up to `mark`; only looked at as fast as possible. */
void schedule_reached(struct schedule *s, const struct mark *mark);

/* A client has been given the last event; the same. */
void schedule_reached_end(struct schedule *s);

/* Where one who comes now begins: behind what has been played. */
struct mark schedule_joined(const struct schedule *s, int64_t now_us);

/* What is to be played by now: everything up to this mark. */
struct mark schedule_limit(const struct schedule *s, int64_t now_us);

/* True if the event at `mark` is to be played by now. */
bool schedule_is_due(const struct schedule *s, const struct mark *mark, int64_t now_us);

/* When it will be, in monotonic time; what is due already has a time that is over. SCHEDULE_NEVER: not while
 * nobody resumes or starts. */
int64_t schedule_due(const struct schedule *s, const struct mark *mark);

/* The tape time that is being played. */
int64_t schedule_position(const struct schedule *s, int64_t now_us);

/* Played time of all laps at the mark. */
int64_t schedule_played(const struct schedule *s, const struct mark *mark);

/* The tape's place at so much played time: behind a hole that is jumped. */
struct mark schedule_mark_at(const struct schedule *s, int64_t played_us);

/* What is to be added to a timestamp of an event at `mark` so that the tape seems to be recorded now: its beginning
 * is moved to the clock's start, holes that are jumped and laps included. The same at every speed. */
int64_t schedule_shift(const struct schedule *s, const struct mark *mark);

const char *schedule_state_name(enum schedule_state state);

#endif
