#include "record/pause.h"

#include <assert.h>

const char *pause_cause(enum pause_reason reason)
{
	assert(reason != PAUSE_NONE);
	return reason == PAUSE_DISK ? "disk" : "overload";
}

void pause_begin(
	struct pause *p, enum pause_reason reason, int64_t last_received_us, int64_t now_us)
{
	assert(reason != PAUSE_NONE);
	if (!pause_is_behind(p, now_us)) {
		*p = (struct pause){ .since_us = last_received_us, .steady_us = now_us };
	} else if (p->began_us == 0 && now_us - p->steady_us >= PAUSE_BEHIND_MAX_US &&
		p->since_us < last_received_us - PAUSE_BEHIND_MAX_US) {
		p->since_us = last_received_us - PAUSE_BEHIND_MAX_US;
	}
	if (p->began_us == 0)
		p->began_us = now_us;
	if (p->reason < reason)
		p->reason = reason;
}

void pause_end(struct pause *p, int64_t now_us)
{
	int64_t behind_us = now_us - p->began_us;

	if (p->began_us == 0)
		return;
	p->began_us = 0;
	if (behind_us >= PAUSE_BEHIND_MIN_US)
		p->steady_us = now_us;
	else
		behind_us = PAUSE_BEHIND_MIN_US;
	if (behind_us > PAUSE_BEHIND_MAX_US)
		behind_us = PAUSE_BEHIND_MAX_US;
	if (p->until_us < now_us + behind_us)
		p->until_us = now_us + behind_us;
}

bool pause_is_behind(const struct pause *p, int64_t now_us)
{
	return p->began_us != 0 || now_us < p->until_us;
}
