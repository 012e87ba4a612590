/*
 * reel: a recording that is read event by event.
 *
 * Opens the file for reading alone, also while a daemon writes it, and reads what it held at that time: events that come
 * later are not seen. No transaction outlives a call, so the WAL is never pinned. Streams are known to the owner by
 * numbers that he chooses ("places"); he may leave streams out. Events are read by cursors (store/reel_cursor). Belongs to
 * one thread. Limit: about 16 bytes for each stream.
 */
#ifndef TAPEDECK_STORE_REEL_H
#define TAPEDECK_STORE_REEL_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEL_NONE INT64_MIN /* a time that there is not */
#define REEL_LEFT_OUT SIZE_MAX

struct reel;

/* The recording at `path`; `cache_kib` of its pages are kept in memory. The caller closes. */
bool reel_open(struct reel **out, const char *path, int cache_kib, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void reel_close(struct reel *r);

/* From now on what the recording holds at this moment is seen; before there are cursors. The files of a series that is
 * being written are to be asked from the newest to the oldest: what goes on in a newer one is then never without its
 * beginning. */
bool reel_look(struct reel *r, struct err *e) MUST_CHECK;

/* What is known without looking at the streams. */
struct reel_span {
	int64_t started_us;        /* the file records from here on, or holds nothing from before */
	int64_t first_received_us; /* of the events; REEL_NONE, like the next, if there are none */
	int64_t last_received_us;
	int64_t last_alive_us; /* the last sign of life of a daemon; REEL_NONE: no daemon ran */
	bool is_recording;     /* it was in the last 5 s */
};

const struct reel_span *reel_span(const struct reel *r);
const char *reel_path(const struct reel *r);

struct reel_feed {
	int64_t feed_id;
	struct slice name;
	struct slice name_space;
	struct slice io_path;
	struct slice dialect; /* JSON */
};

/* Texts are borrowed for the call; false ends the reading, with `e` filled. */
typedef bool reel_feed_fn(void *arg, const struct reel_feed *feed, struct err *e);

bool reel_feeds(struct reel *r, reel_feed_fn *fn, void *arg, struct err *e) MUST_CHECK;

struct reel_stream {
	int64_t stream_id;
	int64_t feed_id;
	struct slice path;
	struct slice params;
	uint64_t events; /* by the recording's counters, like the next two */
	int64_t first_us;
	int64_t last_us; /* REEL_NONE, like the one before, if it is not known */
};

/* Sets `*place` to the stream's number, or leaves it at REEL_LEFT_OUT. */
typedef bool reel_stream_fn(
	void *arg, const struct reel_stream *stream, size_t *place, struct err *e);

bool reel_streams(struct reel *r, reel_stream_fn *fn, void *arg, struct err *e) MUST_CHECK;

/* The same, and from now on the streams that are left out are passed over. To be called once, before there are
 * cursors. */
bool reel_choose(struct reel *r, reel_stream_fn *fn, void *arg, struct err *e) MUST_CHECK;

/* The attachments of an event, in order. */
typedef bool reel_attachment_fn(void *arg, struct slice data, struct err *e);

bool reel_attachments(struct reel *r, int64_t event_id, reel_attachment_fn *fn, void *arg,
	struct err *e) MUST_CHECK;

#endif
