/*
 * outbox: bytes that wait to be sent over a connection of libcurl's.
 *
 * After CURLE_AGAIN a TLS connection must be given the same bytes at the same address again, so what is
 * being sent lies in a chunk that nothing moves, and the queue behind it may grow. What was sent is wiped:
 * a handshake holds a token. For the files of net only; embedded in its owner.
 */
#ifndef TAPEDECK_NET_OUTBOX_H
#define TAPEDECK_NET_OUTBOX_H

#include "base/buf.h"
#include "base/compiler.h"

#include <curl/curl.h>
#include <stddef.h>

#define OUTBOX_CHUNK_SIZE ((size_t)16 * 1024)

struct outbox {
	struct buf queue; /* to be appended to; sent from `taken` on */
	size_t taken;
	char chunk[OUTBOX_CHUNK_SIZE];
	size_t chunk_len;
	size_t chunk_sent;
};

enum outbox_result {
	OUTBOX_EMPTY,   /* all is sent */
	OUTBOX_BLOCKED, /* call again when the socket can be written */
	OUTBOX_BROKEN,
};

/* At most `max` bytes wait in the queue. */
void outbox_init(struct outbox *o, size_t max);
void outbox_release(struct outbox *o);

/* Wipes and forgets what was not sent. */
void outbox_wipe(struct outbox *o);

/* Sends as much as the socket takes. Not from inside a libcurl callback. */
enum outbox_result outbox_send(struct outbox *o, CURL *easy) MUST_CHECK;

/* Bytes that wait. */
size_t outbox_pending(const struct outbox *o);

#endif
