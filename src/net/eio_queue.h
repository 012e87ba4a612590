/*
 * eio_queue: messages that wait for a client's next poll, and the body that answers it.
 *
 * A message is kept as it would travel on a WebSocket; what a generation does to it in a body is
 * done when the body is made. What a body held is dropped only when it went out: a client may have
 * left its poll. Pure.
 */
#ifndef TAPEDECK_NET_EIO_QUEUE_H
#define TAPEDECK_NET_EIO_QUEUE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "proto/generation.h"

#include <stdbool.h>
#include <stddef.h>

#define EIO_BODY_MAX ((size_t)1 << 20) /* of a body, unless one message is larger */
#define EIO_BODY_FEW 16                /* messages of a body for a client that takes few */

struct eio_queue {
	struct buf bytes; /* records, from `taken` on */
	size_t taken;
};

/* How a session's bodies are written. */
struct eio_framing {
	const struct generation *generation;
	bool is_binary;    /* Engine.IO 3: the binary framing */
	bool takes_few;    /* at most EIO_BODY_FEW messages */
	bool escapes_text; /* texts are Socket.IO packets, whose JSON is escaped to ASCII */
};

/* At most `max` bytes wait. */
void eio_queue_init(struct eio_queue *q, size_t max);
void eio_queue_release(struct eio_queue *q);

/* Bytes that wait, with a few for each message. */
static inline size_t eio_queue_size(const struct eio_queue *q)
{
	return q->bytes.len - q->taken;
}

/* Appends a packet of the server's; false: `max` bytes wait, or out of memory. */
bool eio_queue_add(struct eio_queue *q, const struct generation *g,
	const struct eio_packet *packet) MUST_CHECK;

/* The message at `*at`, which is 0 at first, and moves `*at` behind it; false at the end. */
bool eio_queue_next(const struct eio_queue *q, size_t *at, bool *is_binary, struct slice *message);

/* Drops what lies before `at`. */
void eio_queue_drop(struct eio_queue *q, size_t at);

/* Appends to `body` the messages that a body holds, from the front on; `*at` lies behind them.
 * False: out of memory. */
bool eio_queue_body(const struct eio_queue *q, const struct eio_framing *framing, struct buf *body,
	size_t *at) MUST_CHECK;

#endif
