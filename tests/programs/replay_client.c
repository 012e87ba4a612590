/*
 * test-replay-client: many clients of a replay in one process, fast enough not to be what is measured.
 *
 * usage: test-replay-client PORT CLIENTS EVENTS [--streams N] [--pace SPEED]
 *
 * Each client speaks Engine.IO 4 over a bare WebSocket, subscribes the paths p0 to p<N-1> (default: 1; 0: none, and then it
 * stays until it is killed) and counts events until it has EVENTS of them. Written to standard output as JSON: events,
 * seconds from the first event to the last of all clients, events_per_s. With --pace the first element of each event's
 * results is a number, the microsecond in which it is due: written are the median, p99 and worst distance in microseconds
 * of all events from the earliest one, relative to their due times. Exit
 * codes: 0 done, 1 a connection failed, 2 wrong usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)
#define FRAME_MAX ((size_t)64 << 20)

struct client {
	int fd;
	bool is_open; /* the upgrade's answer has come */
	uint64_t events;
	char *bytes; /* what came of a frame that is not whole */
	size_t len;
	size_t cap;
};

struct bench {
	int epoll;
	uint16_t port;
	size_t n_clients;
	uint64_t wanted; /* events of a client */
	unsigned streams;
	bool is_paced;
	double speed;
	size_t ready; /* clients that are in */
	size_t done;
	uint64_t events;
	int64_t first_us;
	int64_t last_us;
	int64_t *late; /* of the first client's events */
	size_t n_late;
	char *buffer;
};

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
	(void)fprintf(stderr, "test-replay-client: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_all(const struct client *c, const char *bytes, size_t len)
{
	while (len != 0) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("send");
		bytes += n;
		len -= (size_t)n;
	}
}

/* A masked frame, by the key 0: the payload stays as it is. */
static void send_text(const struct client *c, const char *text)
{
	unsigned char head[8] = { 0x81 };
	size_t len = strlen(text);
	size_t n = 2;

	head[1] = (unsigned char)(0x80 | (len < 126 ? len : 126));
	if (len >= 126) {
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
		n = 4;
	}
	send_all(c, (const char *)head, n + 4);
	send_all(c, text, len);
}

static void connect_client(struct bench *b, struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(b->port) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	char request[256];
	int one = 1;
	int len;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		fail("connect");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	len = snprintf(request, sizeof(request),
		"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
	send_all(c, request, (size_t)len);
	if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		fail("epoll_ctl");
}

static void note_pace(struct bench *b, const char *text, size_t len, int64_t now)
{
	static const char key[] = "\"results\":[";
	const char *at = memmem(text, len, key, sizeof(key) - 1);

	if (at != NULL && b->n_late < b->wanted)
		b->late[b->n_late++] = now -
			(int64_t)((double)strtoll(at + sizeof(key) - 1, NULL, 10) / b->speed);
}

/* `now`: when the piece that holds it was read. */
static void take_text(struct bench *b, struct client *c, const char *text, size_t len, int64_t now)
{
	char subscribe[128];

	if (len > 2 && text[0] == '4' && text[1] == '2') {
		if (b->first_us == 0)
			b->first_us = now;
		b->last_us = now;
		b->events++;
		if (b->is_paced)
			note_pace(b, text, len, now);
		if (++c->events == b->wanted)
			b->done++;
	} else if (len > 0 && text[0] == '0') {
		send_text(c, "40");
	} else if (len > 1 && text[0] == '4' && text[1] == '0') {
		b->ready++;
		for (unsigned i = 0; i < b->streams; i++) {
			(void)snprintf(subscribe, sizeof(subscribe),
				"42%u[\"subscribe\",{\"path\":\"p%u\",\"params\":{}}]", i, i);
			send_text(c, subscribe);
		}
	} else if (len == 1 && text[0] == '2') {
		send_text(c, "3");
	}
}

/* Takes whole frames from the front; the number of bytes. */
static size_t take_frames(
	struct bench *b, struct client *c, const unsigned char *at, size_t len, int64_t now)
{
	size_t used = 0;

	for (;;) {
		const unsigned char *f = at + used;
		size_t rest = len - used;
		size_t head = 2;
		uint64_t size;

		if (rest < 2)
			return used;
		size = f[1] & 127;
		if (size >= 126) {
			size_t digits = size == 126 ? 2 : 8;

			head += digits;
			if (rest < head)
				return used;
			size = 0;
			for (size_t i = 0; i < digits; i++)
				size = size << 8 | f[2 + i];
		}
		if (size > FRAME_MAX || rest - head < size)
			return used;
		if ((f[0] & 15) == 1)
			take_text(b, c, (const char *)f + head, (size_t)size, now);
		used += head + (size_t)size;
	}
}

/* Takes what was read: the rest of the last piece and this one. */
static void take(struct bench *b, struct client *c, const char *bytes, size_t len, int64_t now)
{
	size_t used;

	if (!c->is_open) {
		const char *end = memmem(bytes, len, "\r\n\r\n", 4);

		if (end == NULL || memcmp(bytes, "HTTP/1.1 101", 12) != 0) {
			errno = EPROTO;
			fail("no WebSocket");
		}
		c->is_open = true;
		len -= (size_t)(end + 4 - bytes);
		bytes = end + 4;
	}
	used = take_frames(b, c, (const unsigned char *)bytes, len, now);
	if (len - used > c->cap) {
		c->cap = 2 * (len - used);
		free(c->bytes);
		c->bytes = malloc(c->cap);
		if (c->bytes == NULL)
			fail("malloc");
	}
	if (len != used)
		memcpy(c->bytes, bytes + used, len - used);
	c->len = len - used;
}

static void read_client(struct bench *b, struct client *c)
{
	ssize_t n;

	if (c->len + READ_BYTES > 2 * FRAME_MAX) {
		errno = EMSGSIZE;
		fail("a frame");
	}
	b->buffer = realloc(b->buffer, c->len + READ_BYTES);
	if (b->buffer == NULL)
		fail("realloc");
	if (c->len != 0)
		memcpy(b->buffer, c->bytes, c->len);
	n = recv(c->fd, b->buffer + c->len, READ_BYTES, 0);
	if (n <= 0)
		fail("the connection has ended");
	take(b, c, b->buffer, c->len + (size_t)n, now_us());
}

static void run(struct bench *b)
{
	struct epoll_event events[256];
	bool is_told = false;

	while (b->done < b->n_clients || b->streams == 0) {
		int n = epoll_wait(b->epoll, events, 256, -1);

		if (n < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < n; i++)
			read_client(b, events[i].data.ptr);
		if (b->ready == b->n_clients && !is_told) {
			is_told = true;
			(void)fprintf(stderr, "all are in\n");
		}
	}
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a;
	const int64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(struct bench *b)
{
	double seconds = (double)(b->last_us - b->first_us) / 1e6;

	(void)printf("{\"events\":%llu,\"seconds\":%.3f,\"events_per_s\":%.0f",
		(unsigned long long)b->events, seconds, (double)b->events / seconds);
	if (b->is_paced && b->n_late != 0) {
		int64_t earliest;

		qsort(b->late, b->n_late, sizeof(*b->late), compare);
		earliest = b->late[0];
		(void)printf(",\"median_us\":%lld,\"p99_us\":%lld,\"worst_us\":%lld",
			(long long)(b->late[b->n_late / 2] - earliest),
			(long long)(b->late[b->n_late * 99 / 100] - earliest),
			(long long)(b->late[b->n_late - 1] - earliest));
	}
	(void)printf("}\n");
}

static bool read_options(struct bench *b, int argc, char **argv)
{
	if (argc < 4)
		return false;
	b->port = (uint16_t)atoi(argv[1]);
	b->n_clients = (size_t)atoll(argv[2]);
	b->wanted = (uint64_t)atoll(argv[3]);
	for (int i = 4; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--streams") == 0) {
			b->streams = (unsigned)atoi(argv[i + 1]);
		} else if (strcmp(argv[i], "--pace") == 0) {
			b->is_paced = true;
			b->speed = atof(argv[i + 1]);
		} else {
			return false;
		}
	}
	return b->port != 0 && b->n_clients != 0 && b->wanted != 0 && argc % 2 == 0;
}

int main(int argc, char **argv)
{
	struct bench b = { .streams = 1, .speed = 1 };
	struct rlimit limit;
	struct client *clients;

	if (!read_options(&b, argc, argv)) {
		(void)fprintf(stderr,
			"usage: test-replay-client PORT CLIENTS EVENTS [--streams N] "
			"[--pace SPEED]\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	clients = calloc(b.n_clients, sizeof(*clients));
	b.late = calloc(b.wanted, sizeof(*b.late));
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || b.late == NULL || b.epoll < 0)
		fail("cannot begin");
	for (size_t i = 0; i < b.n_clients; i++)
		connect_client(&b, &clients[i]);
	run(&b);
	report(&b);
	return 0;
}
