/*
 * tape: the events of one or several recordings, in the order in which they are played.
 *
 * Opens the recordings for reading, applies the choice (feeds, paths, params, from, to), and hands out cursors that read
 * forward from any position with constant memory. Order: by `received` or by the feeds' timestamp, ties by recording and
 * event_id. Files of one series, and recordings that overlap, are merged; the recordings are numbered from the oldest on, in
 * whatever order they are named, and one that is named twice is there once. A recording that is still being written is
 * read up to what it held when the tape was opened. No transaction outlives a call. Belongs to one thread. Limit: what is
 * known of the streams and the holes is in memory; of events what a cursor reads ahead.
 */
#ifndef TAPEDECK_REPLAY_TAPE_H
#define TAPEDECK_REPLAY_TAPE_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tape_order { TAPE_RECEIVED, TAPE_TIMESTAMP };

#define TAPE_NONE INT64_MIN

/* Borrowed for the call of tape_open. Times are on the axis of `order`, both ends included. */
struct tape_choice {
	int64_t from_us;           /* TAPE_NONE: the beginning */
	int64_t to_us;             /* TAPE_NONE: the end */
	const struct slice *feeds; /* names; none: all */
	size_t n_feeds;
	const struct slice *paths;
	size_t n_paths;
	const struct slice *params; /* canonical */
	size_t n_params;
	enum tape_order order;
};

/* As in the recording that was written last. */
struct tape_feed {
	struct slice name;
	struct slice name_space;
	struct slice io_path;
	struct slice dialect; /* JSON */
};

struct tape_stream {
	size_t feed; /* its place among the feeds */
	struct slice path;
	struct slice params;
	uint64_t events; /* in all recordings, at whatever time */
};

/* Slices are borrowed until the next call with this cursor. */
struct tape_event {
	int64_t time_us; /* on the axis of the order */
	int64_t received_us;
	int64_t timestamp_us;
	int64_t event_id;
	int64_t connection_id;
	int64_t seq;
	size_t recording;
	size_t stream;               /* its place among the streams */
	struct slice timestamp_text; /* ptr NULL: the canonical text; empty: the feed sent none */
	struct slice results;
	struct slice extra; /* ptr NULL: none */
	bool has_attachments;
};

struct tape;
struct tape_cursor;

/* Something chosen that is in none of the recordings is an error. The caller closes, after the last cursor. */
bool tape_open(struct tape **out, const char *const *paths, size_t n_paths,
	const struct tape_choice *choice, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void tape_close(struct tape *t);

size_t tape_recordings(const struct tape *t);
const char *tape_recording_path(const struct tape *t, size_t recording);

/* Those that are chosen; of feeds, where paths or params are chosen, those that have such a stream. */
const struct tape_feed *tape_feeds(const struct tape *t, size_t *count);
/* All that are chosen, with events or without. */
const struct tape_stream *tape_streams(const struct tape *t, size_t *count);

/* The times of the first and the last chosen event; TAPE_NONE both if there is none. */
void tape_span(const struct tape *t, int64_t *first_us, int64_t *last_us);

/* A time in which none of the chosen streams was covered. An event may lie in it: what came out of the system's buffers
 * after a loss is no proof that nothing was missed. */
struct tape_hole {
	int64_t from_us;
	int64_t to_us;
};

/* Those between the first coverage and the last, within from and to; ascending, apart from each other. In the order of
 * timestamps their ends are told by the feed's clock, as it went when the next event before or after came. */
const struct tape_hole *tape_holes(const struct tape *t, size_t *count);

/* Names an event, for a client that goes on behind it. */
struct tape_key {
	size_t recording;
	int64_t event_id;
};

/* At the beginning. The caller frees. */
bool tape_cursor_new(struct tape_cursor **out, struct tape *t, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void tape_cursor_free(struct tape_cursor *c);

/* Before the first event with time >= `time_us`. */
bool tape_cursor_seek(struct tape_cursor *c, int64_t time_us, struct err *e) MUST_CHECK;
/* Behind an event; `*found` false: it is not there (any more) or not chosen, and the cursor stays. */
bool tape_cursor_seek_behind(
	struct tape_cursor *c, const struct tape_key *key, bool *found, struct err *e) MUST_CHECK;

/* After TAPE_END and TAPE_FAILED only a seek gives something else. */
enum tape_result { TAPE_EVENT, TAPE_END, TAPE_FAILED };
enum tape_result tape_cursor_next(
	struct tape_cursor *c, struct tape_event *out, struct err *e) MUST_CHECK;

/* The attachments of the event that was handed out last, in order; borrowed like it. */
bool tape_cursor_attachments(
	struct tape_cursor *c, const struct slice **out, size_t *count, struct err *e) MUST_CHECK;

#endif
