/*
 * streams: the writer's memory of the streams it has met.
 *
 * Maps (feed, path, params) to the row of `stream`, and holds what an insert needs to know: the newest
 * timestamp and its last seq (an event that is newer needs no look-up) and the counters. At most
 * STREAMS_MAX with STREAMS_BYTES_MAX are held; beyond that all are forgotten and read again when met. After a failed commit the
 * whole memory is dropped, because it may hold rows that the file does not.
 */
#ifndef TAPEDECK_STORE_STREAMS_H
#define TAPEDECK_STORE_STREAMS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/earlier.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAMS_MAX 262144
#define STREAMS_BYTES_MAX ((size_t)64 << 20) /* of their names; a peer chooses how long they are */

struct sqlite3;

struct stream {
	int64_t stream_id;
	int64_t feed_id;
	struct slice path;
	struct slice params;
	bool has_events;
	int64_t newest_us; /* highest timestamp */
	int64_t newest_seq;
	int64_t first_us;
	int64_t last_us; /* highest timestamp in this file; newest_us may be of an earlier one */
	int64_t events;
	int64_t bytes;       /* of `results` */
	int64_t retained_us; /* what was received before has been deleted; 0: nothing has */
	int64_t last_received_us;
	int64_t clock_offset_us;
	/* Who delivers: the last connection (0: one of an earlier time), when, and when another one last did. */
	int64_t connection_id;
	int64_t delivered_us;
	int64_t rival_us;
	bool is_dirty; /* the counters differ from the row */
	struct stream *next_dirty;
};

struct streams;

/* Prepares its statements on `db`, which must outlive it. */
bool streams_new(struct streams **out, struct sqlite3 *db, struct err *e) MUST_CHECK;
void streams_free(struct streams *s);

/* Where to look for keys that this file does not hold; must outlive it. */
void streams_look_back(struct streams *s, struct earlier *earlier);

/* The stream, created if it is new. Valid until the next streams_trim or streams_free. */
bool streams_get(struct streams *s, int64_t feed_id, struct slice path, struct slice params,
	struct stream **out, struct err *e) MUST_CHECK;

/* An event that is to be stored. */
struct streams_event {
	int64_t timestamp_us;
	int64_t received_us;
	size_t bytes; /* of its results */
};

/* Counts one event and gives it its seq. */
bool streams_place(struct streams *s, struct stream *stream, const struct streams_event *event,
	int64_t *seq, struct err *e) MUST_CHECK;

/* Takes events that have been deleted off the counters; what was received before `at_us` is gone. */
bool streams_cut(struct streams *s, struct stream *stream, int64_t events, int64_t bytes,
	int64_t at_us, struct err *e) MUST_CHECK;

/* When another connection than this one last delivered an event of the stream; 0: never. */
int64_t stream_rival_us(const struct stream *stream, int64_t connection_id);
void stream_note_delivery(struct stream *stream, int64_t connection_id, int64_t received_us);

/* Writes the counters that have changed; to be called before the commit. */
bool streams_flush(struct streams *s, struct err *e) MUST_CHECK;

/* Forgets all streams if there are too many; to be called after a commit. */
void streams_trim(struct streams *s);

/* Rows of `stream`. */
int64_t streams_count(const struct streams *s);

#endif
