/*
 * recovery: what it takes to go on with a Socket.IO session that was lost.
 *
 * Connection state recovery (Socket.IO 4.6, protocol 5): the server's answer to CONNECT carries a private id
 * (`pid`), and each event ends with an offset, an argument of its own. A client that connects again with the id
 * and the offset of the last event that it has gets what it missed, before the answer to its CONNECT, and is in
 * its rooms again. One belongs to each session; the loop thread owns it.
 */
#ifndef TAPEDECK_RECORD_RECOVERY_H
#define TAPEDECK_RECORD_RECOVERY_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* What is handed from a session that was lost to the one after it. */
struct session_resume {
	struct slice pid; /* the private id that the server gave it; empty: it cannot be resumed */
	struct slice offset; /* of the last event that was settled */
	int side;            /* what was confirmed on it still is */
	int64_t until_us;    /* time stamp; the last byte received */
};

struct recovery {
	struct buf pid;     /* of the session; until it is joined the one that is offered */
	struct buf offset;  /* of the last event that was settled, or the one that is offered */
	int64_t early;      /* events before the session was joined */
	int64_t until_us;   /* the lost session's last byte */
	int side;           /* the lost session's */
	bool is_offset_new; /* the recording does not know it yet */
	bool offers;        /* to go on with a lost session */
	bool is_resumed;    /* the server has taken it */
};

void recovery_init(struct recovery *r);
void recovery_release(struct recovery *r);

/* Offers the lost session in the CONNECT payload, an object or nothing. False when out of memory. */
bool recovery_offer(
	struct recovery *r, const struct session_resume *lost, struct buf *payload) MUST_CHECK;

/* Takes the server's answer to CONNECT: its private id, and with it whether the lost session goes on. */
void recovery_take_answer(struct recovery *r, struct slice answer);

/* The event with this offset (a JSON string) is settled: a session that goes on begins behind it. */
void recovery_keep_offset(struct recovery *r, struct slice token);

/* The session can be resumed: there are a private id and an offset. */
bool recovery_is_possible(const struct recovery *r);

/* The private id, if there is one that may be written down; else absent. */
struct slice recovery_pid(const struct recovery *r);

#endif
