/*
 * sendq: bytes that wait to be written to a socket of ours.
 *
 * What is appended in one turn of the loop goes out in one system call. Memory is given back
 * whenever all is written; room is then made at once for as much as the last turns needed. Bounded
 * by its owner, who asks sendq_pending. For the files of net only; embedded in its owner.
 */
#ifndef TAPEDECK_NET_SENDQ_H
#define TAPEDECK_NET_SENDQ_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sendq {
	struct buf bytes; /* to be appended to, after sendq_reserve; written up to `at` */
	size_t at;
	size_t guess;     /* what the last turns needed */
	uint64_t written; /* to the socket, in all */
	uint64_t taken;   /* of that by the client, when last looked */
};

void sendq_init(struct sendq *q);
void sendq_release(struct sendq *q);

static inline size_t sendq_pending(const struct sendq *q)
{
	return q->bytes.len - q->at;
}

/* Makes room for `n` bytes; false when out of memory. */
bool sendq_reserve(struct sendq *q, size_t n) MUST_CHECK;

/* Writes what waits, and then `more`, as far as the socket takes them; the rest of `more` is
 * queued. False, with the cause in errno: the connection is broken, or memory is out. */
bool sendq_write(struct sendq *q, int fd, struct slice more) MUST_CHECK;

/* True if the client has taken bytes since the last call. A socket that takes nothing more does not
 * tell: it holds megabytes, and what a slow client frees of them shows late. */
bool sendq_has_moved(struct sendq *q, int fd);

#endif
