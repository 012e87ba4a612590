/*
 * venue: where clients find the streams of a tape, and how they ask for them.
 *
 * A venue is a path of the HTTP server and a namespace there, as the recorded feeds had them, with the dialect that is
 * spoken. Feeds that shared both are one venue; they must speak alike. Every stream belongs to one venue and has its
 * text ready (compose.h). Read-only once made.
 */
#ifndef TAPEDECK_REPLAY_VENUE_H
#define TAPEDECK_REPLAY_VENUE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"
#include "compose.h"
#include "tape.h"

#include <stdbool.h>
#include <stddef.h>

/* Streams of one path and params: one for each feed of the venue that has it. */
struct venue_streams {
	struct slice path;
	struct slice params;
	size_t *list;
	size_t count;
};

struct venue {
	struct slice io_path; /* begins and ends with a slash; NUL-terminated */
	struct slice name_space;
	struct slice feed; /* the name of one of its feeds, for messages */
	const struct config_dialect *dialect;
	struct compose compose;
	struct map streams; /* struct venue_streams, by path and params */
	struct map paths;   /* one of them for each path */
};

/* A stream of the tape, by its place there. */
struct venue_stream {
	const struct venue *venue;
	struct compose_stream text;
	struct slice
		packet; /* what stands before the arguments in a packet of Engine.IO 3 and 4: 42/nsp,["data", */
};

struct venues {
	struct arena arena;
	struct venue *list;
	size_t count;
	struct venue_stream *streams;
	size_t n_streams;
};

/* False: a dialect cannot be read, or feeds of one venue differ in theirs. The tape must outlive it. */
bool venues_init(struct venues *v, const struct tape *tape, struct err *e) MUST_CHECK;
void venues_release(struct venues *v);

/* The venue at that path with that namespace, or NULL. */
const struct venue *venues_find(
	const struct venues *v, struct slice io_path, struct slice name_space);

enum venue_ask { VENUE_NOTHING, VENUE_SUBSCRIBE, VENUE_UNSUBSCRIBE };

#define VENUE_ERROR_MAX 256

struct venue_request {
	enum venue_ask ask;
	const struct venue_streams *streams; /* NULL: there is none; `error` says why */
	char error[VENUE_ERROR_MAX];         /* for the client */
};

/* Reads an event of a client: `name` is a JSON string token, `arguments` JSON values with commas between. False when
 * out of memory. */
bool venue_understand(const struct venue *v, struct slice name, struct slice arguments,
	struct venue_request *out) MUST_CHECK;

#endif
