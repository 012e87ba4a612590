/*
 * link: one of a feed's connections, kept for as long as the feed runs.
 *
 *   connect -> live -> lost -> backoff -> connect ...
 *                |
 *                +-- handover: a successor connects and subscribes everything; then the first is retired
 *
 * The first try after a live session comes within a second, failed tries back off. A session that lived for
 * less than LINK_SHORT_US counts as a failed try, so that a server that accepts and drops is not hammered.
 * During a handover both sessions record. If the successor fails, the first stays and the handover is tried
 * again with backoff; if the first is lost, the successor takes its place.
 * While reading is paused nothing connects: nobody would read what a new connection brings.
 */
#ifndef TAPEDECK_RECORD_LINK_H
#define TAPEDECK_RECORD_LINK_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "record/session.h"

#include <stdbool.h>
#include <stdint.h>

#define LINK_SHORT_US 10000000
/* A copy of the last events may still be under way when a retired session has closed. */
#define LINK_OVERLAP_US 5000000

struct link;

/* What the feed does for it. None of them may free the link. */
struct link_events {
	/* The token to connect with, NULL if the feed needs none. False: there is none yet; the feed fetches it
	 * and calls link_connect. */
	bool (*token)(void *arg, const struct secret **out);
	void (*token_refused)(void *arg);
	void (*live)(void *arg);
	/* Every endpoint of the link has been granted or refused on the connection that counts. */
	void (*settled)(void *arg);
	/* The connection that counts is gone, without a successor; from `at_us` (time stamp) on there are gaps, of
	 * this cause. */
	void (*lost)(void *arg, const char *cause, int64_t at_us);
	/* A try to connect has failed, or is not made while reading is paused. */
	void (*failed)(void *arg, const char *cause);
	/* Nothing is connected any more, after link_stop. */
	void (*stopped)(void *arg);
};

/* `context` and `shared` are copied; what they name must outlive the link. NULL when out of memory. */
struct link *link_new(const struct session_context *context, const struct session_feed *shared,
	unsigned index, const struct link_events *events, void *arg) MUST_CHECK;

/* Accepts NULL. */
void link_free(struct link *l);

/* The session of an earlier run to go on with; before the first link_connect. False when out of memory. */
bool link_resume_from(struct link *l, const struct session_resume *resume) MUST_CHECK;

/* Connects, unless it is connected, trying, or waiting for its next try. */
void link_connect(struct link *l);

/* Hands over to a new connection, if one is live; otherwise the next connection is new anyway. */
void link_handover(struct link *l);

/* Ends everything in an orderly way; `is_retired`: another link has taken over. `stopped` comes later, never
 * inside this call. */
void link_stop(struct link *l, bool is_retired);

bool link_is_live(const struct link *l);

/* Every endpoint has been granted or refused on the connection that counts. */
bool link_has_settled(const struct link *l);

/* Another feed begins, or has ended, to deliver the same events as this one's link. */
void link_overlap(struct link *l, bool begins);

/* The side that counts, for record/endpoints. */
int link_side(const struct link *l);

/* The session that counts, NULL if there is none. */
struct session *link_session(struct link *l);

void link_update(struct link *l);
void link_pause(struct link *l, enum pause_reason reason);
/* True while two sessions record. */
bool link_is_handing_over(const struct link *l);

void link_note_alive(struct link *l);

#endif
