/*
 * batch: what the loop thread hands to the writer thread, packed in order of arrival.
 *
 * One batch becomes one commit. Records are copied into chunks, each record whole in one chunk, so that
 * a batch grows without moving and its memory is known exactly. One thread at a time owns a batch: the
 * loop fills it, the writer reads and frees it. The limit on all batches together is the writer's.
 */
#ifndef TAPEDECK_STORE_BATCH_H
#define TAPEDECK_STORE_BATCH_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum batch_kind {
	BATCH_EVENT,
	BATCH_ATTACHMENT, /* belongs to the event before it */
	BATCH_REJECTED,
	BATCH_OPENED,      /* a connection was attempted */
	BATCH_ESTABLISHED, /* ... joined its namespace */
	BATCH_UPGRADED,    /* ... moved to another transport */
	BATCH_ALIVE,       /* ... received bytes */
	BATCH_CLOSED,      /* ... is over */
	BATCH_CLOCK_STEP,
	BATCH_OFFSET,   /* a connection can be resumed from here */
	BATCH_FEED,     /* how a feed is described */
	BATCH_WANTED,   /* the configuration asks for a stream */
	BATCH_UNWANTED, /* ... asks for it no more */
	BATCH_COVERED,  /* when a stream was being recorded */
	BATCH_OUTAGE,   /* why something was not */
};

/* A record as read back; what its fields mean depends on the kind, see the batch_add_ functions. */
enum { BATCH_NUMBERS = 5, BATCH_TEXTS = 5 };

struct batch_record {
	enum batch_kind kind;
	int64_t number[BATCH_NUMBERS];
	struct slice text[BATCH_TEXTS]; /* ptr NULL: absent */
};

/* An event. Slices are borrowed; `timestamp_text` and `extra` may be absent (ptr NULL). */
struct batch_event {
	int64_t feed_id;
	int64_t connection_id;
	int64_t timestamp_us;
	int64_t received_us;
	/* Only for one without a timestamp: since when another connection may have delivered it; 0: none may. */
	int64_t since_us;
	struct slice path;
	struct slice params; /* canonical */
	struct slice timestamp_text;
	struct slice results;
	struct slice extra;
};

/* Where the fields of a BATCH_EVENT lie in its record. */
enum {
	BATCH_EVENT_FEED,
	BATCH_EVENT_CONNECTION,
	BATCH_EVENT_TIMESTAMP,
	BATCH_EVENT_RECEIVED,
	BATCH_EVENT_SINCE
};
enum {
	BATCH_EVENT_PATH,
	BATCH_EVENT_PARAMS,
	BATCH_EVENT_TIMESTAMP_TEXT,
	BATCH_EVENT_RESULTS,
	BATCH_EVENT_EXTRA
};

/* A connection that has joined its namespace. `sid` and `pid` may be absent. */
struct batch_established {
	const char *protocol;
	const char *transport;
	struct slice sid;
	struct slice pid;  /* of connection state recovery (Socket.IO 4.6) */
	int64_t recovered; /* events of the session before it that came first */
};

/* A stream; `params` are canonical. */
struct batch_stream {
	int64_t feed_id;
	struct slice path;
	struct slice params;
};

/* Something is not being recorded since `at_us`, for another reason than before; see batch_add_outage. */
struct batch_outage {
	int64_t feed_id;
	struct slice path; /* ptr NULL: the whole feed */
	struct slice params;
	int64_t at_us;
	const char *cause;  /* NULL: it is over */
	const char *detail; /* may be NULL */
};

/* How a feed is described; all texts are borrowed. */
struct store_feed {
	const char *name;
	const char *url;
	const char *name_space;
	const char *io_path;
	const char *dialect; /* JSON */
};

struct batch;

struct batch *batch_new(void) MUST_CHECK;
void batch_free(struct batch *b);

/* Each adds one record, or returns false and leaves the batch as it was: out of memory. */
bool batch_add_event(struct batch *b, const struct batch_event *event) MUST_CHECK;
bool batch_add_attachment(struct batch *b, int64_t number, struct slice data) MUST_CHECK;
bool batch_add_rejected(struct batch *b, int64_t connection_id, int64_t received_us,
	const char *reason, struct slice bytes) MUST_CHECK;
/* `pid`: of the session that it is to go on with; may be absent. */
bool batch_add_opened(struct batch *b, int64_t connection_id, int64_t feed_id, int64_t at_us,
	struct slice pid) MUST_CHECK;
bool batch_add_established(struct batch *b, int64_t connection_id, int64_t at_us,
	const struct batch_established *established) MUST_CHECK;
bool batch_add_upgraded(struct batch *b, int64_t connection_id, const char *transport) MUST_CHECK;
bool batch_add_alive(struct batch *b, int64_t connection_id, int64_t last_received_us) MUST_CHECK;
/* `last_received_us` 0: nothing ever was. */
bool batch_add_closed(struct batch *b, int64_t connection_id, int64_t at_us,
	int64_t last_received_us, const char *reason, const char *detail) MUST_CHECK;
bool batch_add_clock_step(struct batch *b, int64_t at_us, int64_t by_us) MUST_CHECK;
bool batch_add_offset(struct batch *b, int64_t connection_id, struct slice offset) MUST_CHECK;
bool batch_add_feed(struct batch *b, int64_t feed_id, const struct store_feed *feed) MUST_CHECK;
/* Nothing happens if it is wanted, or not wanted, already. */
bool batch_add_wanted(struct batch *b, const struct batch_stream *s, int64_t at_us) MUST_CHECK;
bool batch_add_unwanted(struct batch *b, const struct batch_stream *s, int64_t at_us) MUST_CHECK;
/* The row that began at `started_us` is new, or ends elsewhere now: `ended_us` 0 is open, and one that ends
 * where it began or before is deleted. */
bool batch_add_covered(struct batch *b, const struct batch_stream *s, int64_t started_us,
	int64_t ended_us) MUST_CHECK;
/* Ends the open outage of the same subject and begins the new one. One of the same cause goes on. */
bool batch_add_outage(struct batch *b, const struct batch_outage *outage) MUST_CHECK;

/* Memory held, in bytes. */
size_t batch_bytes(const struct batch *b);

/* Events in it (BATCH_EVENT records). */
size_t batch_events(const struct batch *b);

bool batch_is_empty(const struct batch *b);

/* Reads records in order; a zeroed cursor starts at the first. Slices borrow from the batch. */
struct batch_cursor {
	const void *chunk;
	size_t at;
};

bool batch_next(const struct batch *b, struct batch_cursor *cursor, struct batch_record *out);

#endif
