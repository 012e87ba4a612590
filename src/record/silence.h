/*
 * silence: what to do about an endpoint that says nothing for longer than expected.
 *
 * After SILENCE_INTERVALS of `expect_every` without an event on a live connection it is asked for again, once;
 * after as many more the connection is handed over, which the feed allows now and then; after that nothing
 * more is done until it speaks. Whatever the server does, an endpoint costs one unsubscribe and one subscribe
 * for each silence. Pure: the caller gives the time and acts.
 */
#ifndef TAPEDECK_RECORD_SILENCE_H
#define TAPEDECK_RECORD_SILENCE_H

#include "record/endpoints.h"

#include <stdint.h>

#define SILENCE_INTERVALS 3
/* Between two handovers of a feed because of silence. */
#define SILENCE_HANDOVER_EVERY_US 600000000
/* The least that a resumed session may be silent before its subscriptions are doubted. */
#define SILENCE_RESUMED_LEAST_US 30000000

enum silence_step { SILENCE_WAIT, SILENCE_ASK_AGAIN, SILENCE_HAND_OVER };

/* What is due at `now_us`; `since_us` is the latest of its last event, its last confirmation, and the end of the
 * last pause of reading. Moves the endpoint on. Monotonic times. */
enum silence_step silence_check(struct endpoint *endpoint, int64_t since_us, int64_t now_us);

/* True if a resumed subscription has been silent for so long that it must be doubted. */
bool silence_doubts_resumed(const struct endpoint *endpoint, int64_t since_us, int64_t now_us);

#endif
