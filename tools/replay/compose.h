/*
 * compose: an event of a recording, written as its feed wrote it.
 *
 * The dialect's places say where path, params, timestamp and results stand in the first argument; what was recorded
 * beside them (`extra`) goes back to its own places and behind the first argument. The recorded bytes are copied,
 * never re-serialised. What a recorder would record of the result is what was recorded.
 *
 * Nearly all events of a stream differ in timestamp and results only, so each stream has its text ready, with holes
 * for these two. Pure.
 */
#ifndef TAPEDECK_REPLAY_COMPOSE_H
#define TAPEDECK_REPLAY_COMPOSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json_places.h"
#include "base/slice.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define COMPOSE_HOLES_MAX 2

/* A dialect, ready to write. */
struct compose {
	const struct config_dialect *dialect;
	struct json_places *places;
};

/* The dialect must outlive it. */
bool compose_init(
	struct compose *c, const struct config_dialect *dialect, struct err *e) MUST_CHECK;
void compose_release(struct compose *c);

struct compose_hole {
	size_t at; /* behind so many bytes of the text */
	enum event_slot slot;
};

/* A stream, ready to be filled in. */
struct compose_stream {
	struct slice path;   /* JSON string token */
	struct slice params; /* JSON */
	struct slice name;   /* of the event; JSON string token */
	struct slice
		text; /* of its arguments, where there is nothing beside the dialect's places */
	struct compose_hole holes[COMPOSE_HOLES_MAX];
	size_t n_holes;
	bool needs_timestamp; /* one of the holes is the timestamp's */
};

/* What differs from event to event. */
struct compose_event {
	struct slice timestamp; /* JSON token; ptr NULL: the feed sent none */
	struct slice results;
	struct slice extra; /* ptr NULL: none */
};

/* Its texts lie in the arena. False when out of memory. */
bool compose_stream_init(struct compose_stream *out, const struct compose *c, struct slice path,
	struct slice params, struct arena *arena) MUST_CHECK;

/* True if the stream's text with its holes filled is the event. */
static inline bool compose_is_plain(const struct compose_stream *s, const struct compose_event *e)
{
	return e->extra.ptr == NULL && (!s->needs_timestamp || e->timestamp.ptr != NULL);
}

/* The length of the arguments of a plain event. */
size_t compose_plain_size(const struct compose_stream *s, const struct compose_event *e);

/* Writes them to `out`, which has room for so many bytes; the place behind them. */
char *compose_plain(const struct compose_stream *s, const struct compose_event *e, char *out);

/* Appends the arguments of any event: JSON values with commas between. False when `out` is full or memory is out. */
bool compose_arguments(const struct compose *c, const struct compose_stream *s,
	const struct compose_event *e, struct buf *out) MUST_CHECK;

#endif
