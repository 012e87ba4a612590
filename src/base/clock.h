/*
 * clock: monotonic time for timers, and the time stamps of a recording.
 *
 * `received` = wall clock at the anchor + monotonic time since. It never decreases. A wall clock that
 * jumps forward by more than CLOCK_STEP_US moves the anchor; a backward jump does not. Both are
 * reported once as a step. Not thread-safe: the loop thread owns it.
 */
#ifndef TAPEDECK_BASE_CLOCK_H
#define TAPEDECK_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_STEP_US 1000000

struct clock {
	int64_t anchor_wall_us;
	int64_t anchor_mono_us;
	int64_t last_us;  /* the newest value handed out */
	int64_t drift_us; /* wall clock minus ours when last looked at */
};

/* Microseconds since an arbitrary point; never goes back. */
int64_t clock_mono_us(void);

/* Microseconds since 1970-01-01 UTC by the system's wall clock. */
int64_t clock_wall_us(void);

/* Starts at the wall clock, or at `floor_us` where that is later (the end of an earlier run). */
void clock_start(struct clock *c, int64_t floor_us);

/* The time stamp of what arrives now: microseconds since 1970-01-01 UTC. */
int64_t clock_now(struct clock *c);

/* Compares with the wall clock; to be called about once a second. True if it has jumped by more than
 * CLOCK_STEP_US since the last look: `*by_us` is the jump's size, negative for a backward one. */
bool clock_check(struct clock *c, int64_t *by_us);

#endif
