#include "record/silence.h"

enum silence_step silence_check(struct endpoint *endpoint, int64_t since_us, int64_t now_us)
{
	if (endpoint->expect_every_us == 0 || endpoint->silence == SILENCE_SPENT ||
		now_us - since_us < SILENCE_INTERVALS * endpoint->expect_every_us)
		return SILENCE_WAIT;
	if (endpoint->silence == SILENCE_NONE) {
		endpoint->silence = SILENCE_ASKED_AGAIN;
		return SILENCE_ASK_AGAIN;
	}
	endpoint->silence = SILENCE_SPENT;
	return SILENCE_HAND_OVER;
}

bool silence_doubts_resumed(const struct endpoint *endpoint, int64_t since_us, int64_t now_us)
{
	int64_t limit = SILENCE_INTERVALS * endpoint->expect_every_us;

	if (limit < SILENCE_RESUMED_LEAST_US)
		limit = SILENCE_RESUMED_LEAST_US;
	return endpoint->is_unproven && now_us - since_us >= limit;
}
