#include "net/outbox.h"

#include <string.h>

#define QUEUE_KEEP ((size_t)64 * 1024)

void outbox_init(struct outbox *o, size_t max)
{
	*o = (struct outbox){ 0 };
	buf_init(&o->queue, max);
}

void outbox_release(struct outbox *o)
{
	outbox_wipe(o);
	buf_release(&o->queue);
}

void outbox_wipe(struct outbox *o)
{
	if (o->queue.data != NULL)
		explicit_bzero(o->queue.data, o->queue.cap);
	explicit_bzero(o->chunk, sizeof(o->chunk));
	o->queue.len = 0;
	o->taken = 0;
	o->chunk_len = 0;
	o->chunk_sent = 0;
}

/* Fills the chunk from the queue; false if there is nothing to send. */
static bool next_chunk(struct outbox *o)
{
	size_t left = o->queue.len - o->taken;
	size_t n = left < OUTBOX_CHUNK_SIZE ? left : OUTBOX_CHUNK_SIZE;

	if (n == 0)
		return false;
	memcpy(o->chunk, o->queue.data + o->taken, n);
	explicit_bzero(o->queue.data + o->taken, n);
	o->chunk_len = n;
	o->chunk_sent = 0;
	o->taken += n;
	if (o->taken == o->queue.len) {
		buf_reset(&o->queue, QUEUE_KEEP);
		o->taken = 0;
	} else if (o->taken > o->queue.len / 2) {
		buf_consume(&o->queue, o->taken);
		o->taken = 0;
	}
	return true;
}

enum outbox_result outbox_send(struct outbox *o, CURL *easy)
{
	while (o->chunk_sent < o->chunk_len || next_chunk(o)) {
		size_t n = 0;
		CURLcode code = curl_easy_send(
			easy, o->chunk + o->chunk_sent, o->chunk_len - o->chunk_sent, &n);

		if (code == CURLE_AGAIN)
			return OUTBOX_BLOCKED;
		if (code != CURLE_OK)
			return OUTBOX_BROKEN;
		o->chunk_sent += n;
	}
	return OUTBOX_EMPTY;
}

size_t outbox_pending(const struct outbox *o)
{
	return o->queue.len - o->taken + o->chunk_len - o->chunk_sent;
}
