/*
 * feed: keeps one configured feed connected.
 *
 *   token -> connect -> live -> lost -> backoff -> token ...
 *
 * The first try after a live session comes within a second, failed tries back off. A session that lived
 * for less than FEED_SHORT_US counts as a failed try, so that a server that accepts and drops is not
 * hammered. Every connection uses the newest token; a refused one is replaced.
 */
#ifndef TAPEDECK_RECORD_FEED_H
#define TAPEDECK_RECORD_FEED_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "record/session.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_SHORT_US 10000000

struct feed;

struct feed_stats {
	uint64_t events;
	uint64_t bytes;
	uint64_t rejected;
	bool is_live;
};

/* What the recording says of a feed. */
struct feed_known {
	int64_t feed_id;
	char protocol[STORE_PROTOCOL_SIZE]; /* the generation of its last connection, or "" */
};

/* `stopped` is called once after feed_stop. The configuration and what `context` names must outlive it. */
bool feed_new(struct feed **out, const struct session_context *context,
	const struct config_feed *config, const struct feed_known *known,
	void (*stopped)(void *arg), void *arg, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void feed_free(struct feed *f);

void feed_start(struct feed *f);

/* Ends the session in an orderly way; `stopped` is called when that is done, never inside this call. */
void feed_stop(struct feed *f);

void feed_pause(struct feed *f, bool pause);
void feed_note_alive(struct feed *f);
void feed_get_stats(const struct feed *f, struct feed_stats *out);

#endif
