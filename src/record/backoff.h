/*
 * backoff: how long to wait before the next try.
 *
 * The delay doubles with each failure from BACKOFF_FIRST_US to a limit, and is spread by half in both
 * directions, so that many feeds whose servers restart together do not come back in lockstep. Pure: the
 * caller gives the random bits.
 */
#ifndef TAPEDECK_RECORD_BACKOFF_H
#define TAPEDECK_RECORD_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_US 500000
#define BACKOFF_MAX_US 30000000
/* While an address refuses TCP: a try costs next to nothing, and the server is about to come back. */
#define BACKOFF_REFUSED_MAX_US 5000000
/* After losing a live session. */
#define BACKOFF_LOST_MAX_US 1000000

struct backoff {
	unsigned failures; /* in a row */
};

/* The delay before the first try after a live session: at most BACKOFF_LOST_MAX_US. */
int64_t backoff_after_loss(struct backoff *b, uint32_t random);

/* The delay after one more failed try; `max_us` is its limit, jitter included. */
int64_t backoff_after_failure(struct backoff *b, int64_t max_us, uint32_t random);

/* Random bits for the above. */
uint32_t backoff_random(void);

#endif
