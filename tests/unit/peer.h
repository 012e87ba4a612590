/*
 * peer: a raw TCP client on the thread of the server under test, and a loop that turns until
 * something is true.
 */
#ifndef TAPEDECK_TESTS_PEER_H
#define TAPEDECK_TESTS_PEER_H

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h> /* its struct tcp_info counts segments */
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/loop.h"

#define PEER_BOUND_US ((int64_t)25 * 1000000)

static struct loop *loop;

static void peer_stop_loop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* Lets the loop work for a moment. */
static inline void turn(void)
{
	struct timer *t = timer_new(loop, peer_stop_loop, NULL);

	assert_non_null(t);
	timer_start(t, 1000);
	assert_true(loop_run(loop));
	timer_free(t);
}

/* Turns until the condition holds; it may read from peers. */
#define AWAIT(condition) \
	do { \
		int64_t began_ = clock_mono_us(); \
		while (!(condition)) { \
			if (clock_mono_us() - began_ > PEER_BOUND_US) \
				fail_msg("waited in vain for %s", #condition); \
			turn(); \
		} \
	} while (0)

struct peer {
	int fd;
	struct buf got;
	bool is_ended; /* by the server */
};

static inline struct peer peer_connect(uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct peer p = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
	int one = 1, small = 128 << 10; /* so that a peer that does not read is soon noticed */

	assert_true(p.fd >= 0);
	(void)setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	buf_init(&p.got, (size_t)256 << 20);
	(void)setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	assert_int_equal(connect(p.fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return p;
}

static inline void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	buf_release(&p->got);
}

/* Sends all, or, if the server takes no more, a part of it; the number of bytes. */
static inline size_t peer_send_some(struct peer *p, const void *bytes, size_t len)
{
	ssize_t n = send(p->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

/* Sends all, while the server reads. */
static inline void peer_send(struct peer *p, const void *bytes, size_t len)
{
	size_t sent = 0;

	AWAIT((sent += peer_send_some(p, (const char *)bytes + sent, len - sent)) == len);
}

static inline void peer_say(struct peer *p, const char *text)
{
	peer_send(p, text, strlen(text));
}

/* Reads what is there. */
static inline void peer_read(struct peer *p)
{
	while (!p->is_ended) {
		ssize_t n;

		assert_true(buf_reserve(&p->got, 65536));
		n = recv(p->fd, p->got.data + p->got.len, p->got.cap - p->got.len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			p->is_ended = true;
		else
			p->got.len += (size_t)n;
	}
}

/* True once the server has ended the connection. */
static inline bool peer_ended(struct peer *p)
{
	peer_read(p);
	return p->is_ended;
}

static inline bool peer_has(struct peer *p, const char *text)
{
	peer_read(p);
	return p->got.len != 0 && memmem(p->got.data, p->got.len, text, strlen(text)) != NULL;
}

static inline bool peer_has_bytes(struct peer *p, size_t n)
{
	peer_read(p);
	return p->got.len >= n;
}

static inline size_t peer_count(struct peer *p, const char *text)
{
	struct slice rest;
	const char *at;
	size_t n = 0;

	peer_read(p);
	rest = buf_slice(&p->got);
	while (rest.len != 0 && (at = memmem(rest.ptr, rest.len, text, strlen(text))) != NULL) {
		n++;
		rest.len -= (size_t)(at + strlen(text) - rest.ptr);
		rest.ptr = at + strlen(text);
	}
	return n;
}

#endif
