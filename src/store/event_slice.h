/*
 * event_slice: some events that were read ahead, packed one behind the other.
 *
 * Who reads a recording for hours must not hold a transaction meanwhile, it would pin the WAL. So events are copied out of
 * SQLite in slices, and the transaction ends before the first of them is looked at. The owner embeds it.
 */
#ifndef TAPEDECK_STORE_EVENT_SLICE_H
#define TAPEDECK_STORE_EVENT_SLICE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An event as the recording has it. */
struct stored_event {
	int64_t event_id;
	size_t place; /* of its stream, as the reel's owner numbers them */
	int64_t timestamp_us;
	int64_t seq;
	int64_t received_us;
	int64_t connection_id;
	struct slice timestamp_text; /* ptr NULL: it is the canonical text; empty: there was none */
	struct slice results;
	struct slice extra; /* ptr NULL: there is none */
	bool has_attachments;
};

struct event_slice {
	struct buf bytes;
	size_t at; /* of the next event */
};

void event_slice_init(struct event_slice *s);
void event_slice_release(struct event_slice *s);

/* Drops all events, and the memory beyond `keep` bytes. */
void event_slice_reset(struct event_slice *s, size_t keep);

/* Copies an event behind the others; false when out of memory. */
bool event_slice_add(struct event_slice *s, const struct stored_event *event) MUST_CHECK;

/* Takes the next event; false: there is none. It is valid until one is added, and until the reset. */
bool event_slice_next(struct event_slice *s, struct stored_event *out);

/* The same without taking it. */
bool event_slice_peek(const struct event_slice *s, struct stored_event *out);

/* Bytes that are packed, taken or not. */
static inline size_t event_slice_bytes(const struct event_slice *s)
{
	return s->bytes.len;
}

#endif
