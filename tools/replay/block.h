/*
 * block: some consecutive events of the tape, read once for all clients that come by.
 *
 * A block holds the events behind a mark, BLOCK_BYTES of them or one that is larger, with all their bytes. Its WebSocket
 * frames are made when the first client wants them, for all events at once: a client that takes every stream is
 * sent the whole block by one copy. Blocks follow each other: the next begins behind the last event. Marks have lap 0
 * here.
 */
#ifndef TAPEDECK_REPLAY_BLOCK_H
#define TAPEDECK_REPLAY_BLOCK_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "compose.h"
#include "schedule.h"
#include "tape.h"
#include "venue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define BLOCK_OFFSET_MAX 64 /* bytes of an offset's text */

/* Places of bytes in the block. */
struct block_span {
	uint32_t at;
	uint32_t len;
};

struct block_event {
	int64_t time_us;
	int64_t event_id;
	int64_t timestamp_us;
	uint32_t recording;
	uint32_t stream;
	struct block_span timestamp; /* JSON token; NO_SPAN: the feed sent none */
	struct block_span results;
	struct block_span extra; /* NO_SPAN: none */
	uint32_t attachment;     /* the first of them */
	uint32_t n_attachments;
};

#define BLOCK_NO_SPAN UINT32_MAX /* `at` of what is not there */

enum block_frames_kind {
	BLOCK_PLAIN,
	BLOCK_OFFSETS, /* the offset is the last argument: for clients that may resume */
	BLOCK_FRAMES,
};

/* The frames of all events, one behind the other. That of event `i` ends at ends[i]; one with attachments has none. */
struct block_frames {
	struct buf bytes;
	size_t *ends;
	size_t capacity;
	bool are_made;
};

struct block {
	struct mark behind; /* the events follow it ... */
	struct mark last;   /* ... up to this one; the same as `behind` if there are none */
	bool is_end;        /* the tape ends with them */
	struct block_event *events;
	size_t count;
	size_t capacity;
	struct buf bytes;
	struct block_span *attachments;
	size_t n_attachments;
	size_t attachment_capacity;
	struct block_frames frames[BLOCK_FRAMES];
};

void block_init(struct block *b, const struct mark *behind);
void block_release(struct block *b);

/* Makes it as after block_init, but keeps its memory: fresh memory costs more than what is put into it. */
void block_reuse(struct block *b, const struct mark *behind);

/* Adds an event with its attachments; false, with the block as it was, when out of memory. */
bool block_add(struct block *b, const struct tape_event *event, const struct slice *attachments,
	size_t count, struct err *e) MUST_CHECK;

static inline bool block_is_full(const struct block *b)
{
	return b->bytes.len >= BLOCK_BYTES;
}

/* The first event behind the mark; `count` if there is none. */
size_t block_first_behind(const struct block *b, const struct mark *mark);

static inline struct mark block_mark(const struct block_event *event, uint64_t lap)
{
	return (struct mark){ lap, event->time_us, event->recording, event->event_id };
}

/* The event's parts; borrowed from the block. */
struct compose_event block_parts(const struct block *b, const struct block_event *event);
struct slice block_attachment(const struct block *b, const struct block_event *event, size_t n);

/* Makes the frames of that kind if there are none yet. False when out of memory. */
bool block_make_frames(
	struct block *b, const struct venues *v, enum block_frames_kind kind) MUST_CHECK;

/* The frames of events `from` to before `to`. */
struct slice block_frames_of(
	const struct block *b, enum block_frames_kind kind, size_t from, size_t to);

/* The bytes that it holds in memory. */
size_t block_memory(const struct block *b);

/* Writes the offset of an event, a JSON string token; its length. */
size_t block_offset(const struct mark *mark, char out[BLOCK_OFFSET_MAX]);

/* Reads an offset that a client names (without quotes); the lap is 0. False: it is none. */
bool block_offset_read(struct slice text, struct mark *out) MUST_CHECK;

#endif
