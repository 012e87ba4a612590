#include "record/backoff.h"

#include <sys/random.h>

int64_t backoff_after_loss(struct backoff *b, uint32_t random)
{
	b->failures = 0;
	return (int64_t)((uint64_t)random * BACKOFF_LOST_MAX_US >> 32);
}

int64_t backoff_after_failure(struct backoff *b, int64_t max_us, uint32_t random)
{
	int64_t delay = BACKOFF_FIRST_US;

	for (unsigned i = 0; i < b->failures && delay < max_us; i++)
		delay *= 2;
	b->failures++;
	/* From half to one and a half of it. */
	delay = delay / 2 + (int64_t)((uint64_t)random * (uint64_t)delay >> 32);
	return delay < max_us ? delay : max_us;
}

uint32_t backoff_random(void)
{
	uint32_t r = 0;

	(void)!getrandom(&r, sizeof(r), 0);
	return r;
}
