/*
 * pause: why reading has stopped, and what a connection may have missed by it.
 *
 * While nobody reads, events wait in the kernel's buffers and then in the server's, which drops a client that does
 * not answer its heartbeat, and what waits with it. When reading goes on the old bytes come first and look like
 * new ones. So a connection that is lost before it has caught up may have missed everything since the pause
 * began, and its coverage ends there; one that catches up has missed nothing.
 *
 * The server's buffers are out of sight: nothing tells the last old byte. A reader is taken to be behind for as
 * long again as the pause was, from PAUSE_BEHIND_MIN_US to PAUSE_BEHIND_MAX_US, which is longer than heartbeats
 * take: by then the server has had an answer from behind all old bytes, or has dropped us. Pauses in quick
 * succession are one, which reaches back no further than the longest of these times, unless one of them was long.
 * Pure: the owner tells the time.
 */
#ifndef TAPEDECK_RECORD_PAUSE_H
#define TAPEDECK_RECORD_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#define PAUSE_BEHIND_MIN_US 1000000
#define PAUSE_BEHIND_MAX_US 60000000

/* The later ones outweigh the earlier. */
enum pause_reason {
	PAUSE_NONE,
	PAUSE_OVERLOAD, /* the writer stores, more slowly than the feeds send */
	PAUSE_DISK,     /* the writer cannot store */
};

/* Zeroed: there was none. */
struct pause {
	enum pause_reason reason; /* the weightiest since `since_us` */
	int64_t since_us; /* time stamp of the last byte before; what is read may be as old; 0: never */
	int64_t began_us;  /* monotonic; 0: it is over */
	int64_t until_us;  /* monotonic; behind until then */
	int64_t steady_us; /* monotonic; no pause was long since */
};

/* The cause of what is missed by it: `outage.cause`. */
const char *pause_cause(enum pause_reason reason);

/* Reading stops; or has stopped already, and the reason may be clearer now. `last_received_us` is a time stamp. */
void pause_begin(
	struct pause *p, enum pause_reason reason, int64_t last_received_us, int64_t now_us);

/* Reading goes on. */
void pause_end(struct pause *p, int64_t now_us);

/* What is read may be as old as `since_us`. */
bool pause_is_behind(const struct pause *p, int64_t now_us);

#endif
