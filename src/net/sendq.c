#include "net/sendq.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define GUESS_MAX ((size_t)64 << 10)

void sendq_init(struct sendq *q)
{
	*q = (struct sendq){ 0 };
	buf_init(&q->bytes, SIZE_MAX / 4);
}

void sendq_release(struct sendq *q)
{
	buf_release(&q->bytes);
	q->at = 0;
}

bool sendq_reserve(struct sendq *q, size_t n)
{
	if (q->bytes.cap == 0 && q->guess > n && buf_reserve(&q->bytes, q->guess))
		return true;
	return buf_reserve(&q->bytes, n);
}

/* The first `n` bytes of what waits are written. */
static void drop(struct sendq *q, size_t n)
{
	q->at += n;
	if (q->at == q->bytes.len) {
		q->guess = (q->guess + q->bytes.len) / 2;
		if (q->guess > GUESS_MAX)
			q->guess = GUESS_MAX;
		sendq_release(q);
	} else if (q->at > q->bytes.len / 2) {
		buf_consume(&q->bytes, q->at);
		q->at = 0;
	}
}

/* One system call; the number of bytes, or -1 if the connection is broken. */
static ssize_t send_parts(const struct sendq *q, int fd, struct slice more)
{
	struct iovec parts[2];
	struct msghdr message = { .msg_iov = parts };
	ssize_t n;

	if (sendq_pending(q) != 0)
		parts[message.msg_iovlen++] = (struct iovec){ q->bytes.data + q->at,
			sendq_pending(q) };
	if (more.len != 0)
		parts[message.msg_iovlen++] = (struct iovec){ (void *)(uintptr_t)more.ptr,
			more.len };
	if (message.msg_iovlen == 0)
		return 0;
	do
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : n;
}

bool sendq_write(struct sendq *q, int fd, struct slice more)
{
	size_t waited = sendq_pending(q);
	ssize_t n = send_parts(q, fd, more);
	size_t sent = n > 0 ? (size_t)n : 0;
	size_t first = sent < waited ? sent : waited;

	if (n < 0)
		return false;
	q->written += sent;
	if (first != 0)
		drop(q, first);
	sent -= first;
	if (sent == more.len)
		return true;
	more.ptr += sent;
	more.len -= sent;
	if (sendq_reserve(q, more.len) && buf_append_slice(&q->bytes, more))
		return true;
	errno = ENOMEM;
	return false;
}

bool sendq_has_moved(struct sendq *q, int fd)
{
	uint64_t before = q->taken;
	int waiting = 0; /* sent and not acknowledged, or not even sent */

	if (ioctl(fd, SIOCOUTQ, &waiting) != 0 || waiting < 0)
		return false;
	q->taken = q->written - ((uint64_t)waiting < q->written ? (uint64_t)waiting : q->written);
	return q->taken > before;
}
