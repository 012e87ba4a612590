/*
 * feed: records one configured feed: its token, its connections, and what its streams have missed.
 *
 *   token -> connect -> live -> lost -> backoff -> token ...
 *
 * A fresh token hands every connection over. An endpoint that is silent for too long is asked for again, then
 * its feed is handed over (record/silence). The outages of the feed, which give the gaps their cause, are noted
 * here. A feed whose endpoints alone change is updated; any other change makes another feed of it.
 */
#ifndef TAPEDECK_RECORD_FEED_H
#define TAPEDECK_RECORD_FEED_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "record/session.h"

#include <stdbool.h>
#include <stdint.h>

struct feed;

struct feed_stats {
	uint64_t events;
	uint64_t bytes;
	uint64_t rejected;
	bool is_live; /* every connection */
};

struct feed_events {
	/* All that is configured has been granted or refused, on every connection; may come again. */
	void (*settled)(void *arg, struct feed *f);
	/* Once, after feed_stop. */
	void (*stopped)(void *arg, struct feed *f);
};

enum feed_stop {
	FEED_STOPPED,  /* the program ends */
	FEED_REMOVED,  /* it is not configured any more */
	FEED_REPLACED, /* another one records it now */
};

/* What the recording says of a feed; see writer_feed_known. */
struct feed_known {
	int64_t feed_id;
	const struct store_known *store; /* NULL: nothing */
};

/* `config` must outlive it; `context` is copied, and what it names must outlive it. */
bool feed_new(struct feed **out, const struct session_context *context,
	const struct config_feed *config, const struct feed_known *known,
	const struct feed_events *events, void *arg, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void feed_free(struct feed *f);

/* Before feed_start: this stream was covered when the session ended that may be resumed. */
void feed_was_covered(struct feed *f, struct slice path, struct slice params);

/* Notes every endpoint as wanted. */
void feed_note_wanted(struct feed *f);

/* Notes a stream as not wanted any more, unless it is one of the endpoints. */
void feed_note_unwanted(struct feed *f, struct slice path, struct slice params);

/* The same for every endpoint that another feed, which takes its place, has not; NULL: none does. */
void feed_note_changed(struct feed *f, const struct feed *successor);

void feed_start(struct feed *f);

/* Ends the sessions in an orderly way; `stopped` is called when that is done, never inside this call. */
void feed_stop(struct feed *f, enum feed_stop why);

/* After `stopped`. */
bool feed_has_stopped(const struct feed *f);

/* Takes over the endpoints of another version of its configuration; nothing else of it is looked at. */
bool feed_update(struct feed *f, const struct config_feed *config, struct err *e) MUST_CHECK;

/* Reads the API key again; fetches a token if it has changed. */
void feed_reload_key(struct feed *f);

/* Another feed that records the same streams begins, or has ended. */
void feed_overlap(struct feed *f, bool begins);

/* Hands every connection over. */
void feed_handover(struct feed *f);

/* Every connection of it is live. */
bool feed_is_live(const struct feed *f);

/* What it was made of: its endpoints may have been updated since. */
const struct config_feed *feed_config(const struct feed *f);

/* Stops reading, or says more of the reason; PAUSE_NONE: goes on. */
void feed_pause(struct feed *f, enum pause_reason reason);
/* True while one of its connections takes over from another. */
bool feed_is_handing_over(const struct feed *f);

void feed_note_alive(struct feed *f);
void feed_get_stats(const struct feed *f, struct feed_stats *out);

#endif
