#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

void clock_start(struct clock *c, int64_t floor_us)
{
	int64_t wall = clock_wall_us();

	*c = (struct clock){ .anchor_wall_us = wall > floor_us ? wall : floor_us,
		.anchor_mono_us = clock_mono_us() };
	c->last_us = c->anchor_wall_us;
	c->drift_us = wall - c->anchor_wall_us;
}

int64_t clock_now(struct clock *c)
{
	int64_t now = c->anchor_wall_us + clock_mono_us() - c->anchor_mono_us;

	if (now > c->last_us)
		c->last_us = now;
	return c->last_us;
}

bool clock_check(struct clock *c, int64_t *by_us)
{
	int64_t mono = clock_mono_us();
	int64_t drift = clock_wall_us() - (c->anchor_wall_us + mono - c->anchor_mono_us);
	int64_t by = drift - c->drift_us;

	if (by > -CLOCK_STEP_US && by < CLOCK_STEP_US)
		return false;
	c->drift_us = drift;
	*by_us = by;
	if (drift > 0) {
		c->anchor_wall_us += drift;
		c->drift_us = 0;
	}
	return true;
}
