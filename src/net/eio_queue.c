#include "net/eio_queue.h"

#include "base/json_ascii.h"
#include "proto/engineio3.h"

#include <assert.h>
#include <string.h>

/* In front of each message; it may lie at any address. */
struct record {
	size_t len;
	bool is_binary;
};

void eio_queue_init(struct eio_queue *q, size_t max)
{
	buf_init(&q->bytes, max);
	q->taken = 0;
}

void eio_queue_release(struct eio_queue *q)
{
	buf_release(&q->bytes);
	q->taken = 0;
}

bool eio_queue_add(struct eio_queue *q, const struct generation *g, const struct eio_packet *packet)
{
	struct record record = { 0 };
	size_t before, start;

	if (q->taken > q->bytes.len / 2) {
		buf_consume(&q->bytes, q->taken);
		q->taken = 0;
	}
	before = q->bytes.len;
	start = before + sizeof(record);
	if (buf_append(&q->bytes, &record, sizeof(record)) &&
		g->packet_encode(GENERATION_SERVER, packet, &q->bytes, &record.is_binary)) {
		record.len = q->bytes.len - start;
		memcpy(q->bytes.data + before, &record, sizeof(record));
		return true;
	}
	q->bytes.len = before;
	return false;
}

bool eio_queue_next(const struct eio_queue *q, size_t *at, bool *is_binary, struct slice *message)
{
	struct record record;
	const char *from;

	if (*at == eio_queue_size(q))
		return false;
	from = q->bytes.data + q->taken + *at;
	memcpy(&record, from, sizeof(record));
	*is_binary = record.is_binary;
	*message = (struct slice){ from + sizeof(record), record.len };
	*at += sizeof(record) + record.len;
	return true;
}

void eio_queue_drop(struct eio_queue *q, size_t at)
{
	assert(at <= eio_queue_size(q));
	q->taken += at;
	if (eio_queue_size(q) == 0)
		eio_queue_release(q);
}

/* Appends one message in its framing. */
static bool append_framed(
	const struct eio_framing *f, struct buf *body, bool is_binary, struct slice message)
{
	return f->is_binary ? eio3_binary_append(body, is_binary, message)
			    : f->generation->payload_append(body, is_binary, message);
}

/* Appends one message. Text that is to be escaped and is not UTF-8 goes as it is. */
static bool append(
	const struct eio_framing *f, struct buf *body, bool is_binary, struct slice message)
{
	struct buf ascii;
	bool ok;

	if (is_binary || !f->escapes_text)
		return append_framed(f, body, is_binary, message);
	buf_init(&ascii, body->max);
	if (json_ascii(message, &ascii))
		message = buf_slice(&ascii);
	ok = append_framed(f, body, is_binary, message);
	buf_release(&ascii);
	return ok;
}

/* 0.9 frames a body of several packets; one by itself is bare, and some clients know it only so. */
static bool append_bare(const struct eio_queue *q, struct buf *body, size_t *at)
{
	struct slice message;
	bool is_binary;

	*at = 0;
	return eio_queue_next(q, at, &is_binary, &message) && *at == eio_queue_size(q) &&
		buf_append_slice(body, message);
}

bool eio_queue_body(
	const struct eio_queue *q, const struct eio_framing *framing, struct buf *body, size_t *at)
{
	struct slice message;
	bool is_binary;
	size_t next = 0;
	size_t count = 0;

	if (framing->generation == &generation_09 && append_bare(q, body, at))
		return true;
	*at = 0;
	while (eio_queue_next(q, &next, &is_binary, &message)) {
		if (*at != 0 && body->len + message.len > EIO_BODY_MAX)
			break;
		if (framing->takes_few && count++ == EIO_BODY_FEW)
			break;
		if (!append(framing, body, is_binary, message))
			return false;
		*at = next;
	}
	return true;
}
