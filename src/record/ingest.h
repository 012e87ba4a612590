/*
 * ingest: from the payload of a Socket.IO event to a record of the open batch.
 *
 * Nothing is dropped: what cannot be understood becomes a row of `rejected` with its bytes and reason.
 * One for each feed; the loop thread owns it.
 */
#ifndef TAPEDECK_RECORD_INGEST_H
#define TAPEDECK_RECORD_INGEST_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/map.h"
#include "record/dialect.h"
#include "record/endpoints.h"
#include "store/writer.h"

#include <stdbool.h>
#include <stdint.h>

struct ingest {
	struct writer *writer;
	const struct config_feed *feed;
	struct dialect dialect;
	int64_t feed_id;
	/* Time stamp; since when two connections may deliver the same event of an unknown stream; 0: one does. */
	int64_t overlap_us;
	const struct endpoints *endpoints;
	struct map unconfigured; /* streams that came without being asked for, once logged */
	uint64_t events;
	uint64_t bytes;
	uint64_t rejected;
	bool is_rejected_logged; /* the first rejected event of the feed is logged, the others counted */
	struct buf path;         /* scratch: kept, so that an event needs no allocation */
	struct buf params;
	struct buf extra;
};

/* `attachments` are those of a binary event; see proto/socketio.h. */
struct ingest_event {
	int64_t connection_id;
	int64_t received_us;
	struct slice payload; /* ["name", argument, ...] */
	const struct slice *attachments;
	size_t attachment_count;
	bool may_have_offset; /* a last argument that is a string is the offset of a session that can be resumed */
	/* What was found: */
	struct endpoint *endpoint; /* NULL: none is configured for it, or it was rejected */
	struct slice offset;       /* the string token; ptr NULL: none */
};

/* The configuration and the endpoints must outlive it. */
bool ingest_init(struct ingest *in, struct writer *w, const struct config_feed *feed,
	const struct endpoints *endpoints, int64_t feed_id, struct err *e) MUST_CHECK;
void ingest_release(struct ingest *in);

/* Takes an event. False only when out of memory: the event is lost and the connection must end, so that
 * the loss shows. */
bool ingest_take(struct ingest *in, struct ingest_event *event) MUST_CHECK;

/* Keeps bytes that are no event, with the reason. False when out of memory. */
bool ingest_reject(struct ingest *in, int64_t connection_id, int64_t received_us,
	const char *reason, struct slice bytes) MUST_CHECK;

#endif
