#include "net/http_conn.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)
#define READS_A_TURN 4
#define REQUESTS_A_TURN 64
#define IN_MAX ((size_t)64 << 10) /* above it nothing is read until the bytes are used */
#define LINGER_US 1000000

static void start_timeout(struct http_conn *c, int64_t us)
{
	timer_start(c->timeout, us);
}

static struct slice waiting(const struct http_conn *c)
{
	if (c->in_at == c->in.len)
		return (struct slice){ "", 0 };
	return (struct slice){ c->in.data + c->in_at, c->in.len - c->in_at };
}

/* ---- life and death ---- */

static void destroy(struct loop_reap *reap)
{
	struct http_conn *c = (struct http_conn *)(void *)((char *)reap -
		offsetof(struct http_conn, reap));

	buf_release(&c->exchange.head);
	buf_release(&c->exchange.body);
	buf_release(&c->in);
	sendq_release(&c->out);
	free(c);
}

/* Nothing more will be learned about the last answer. */
static void settle(struct http_conn *c, bool is_lost)
{
	if (c->receipt == NULL)
		return;
	*c->receipt = (struct http_receipt){ .is_lost = is_lost };
	c->receipt = NULL;
}

/* A client that closes with bytes unread, or is sent some afterwards, resets the connection; else
 * all that it has taken is acknowledged before its end comes. */
bool http_conn_lost_answer(const struct http_conn *c, ssize_t got)
{
	int unacked = 0;

	if (c->state == HTTP_CONN_REPLYING || got < 0)
		return true;
	return got == 0 && (ioctl(c->fd, SIOCOUTQ, &unacked) != 0 || unacked != 0);
}

int http_conn_release(struct http_conn *c)
{
	int fd = c->fd;

	assert(c->state != HTTP_CONN_CLOSED);
	settle(c, c->state == HTTP_CONN_REPLYING);
	c->state = HTTP_CONN_CLOSED;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->server->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	event_free(c->readable);
	event_free(c->writable);
	timer_free(c->timeout);
	c->fd = -1;
	loop_reap_later(c->server->loop, &c->reap, destroy);
	return fd;
}

void http_conn_close(struct http_conn *c)
{
	(void)close(http_conn_release(c));
	c->server->count--;
}

/* The client has left, or its connection is broken. */
static void end_by_client(struct http_conn *c)
{
	void (*gone)(void *arg) = c->state == HTTP_CONN_ASKED ? c->exchange.gone : NULL;
	void *arg = c->exchange.arg;

	http_conn_close(c);
	if (gone != NULL)
		gone(arg);
}

/* Ends our side and waits for the client to end its own: closing a socket with unread bytes would
 * make the system throw away what the client has not read yet. */
static void linger(struct http_conn *c)
{
	c->state = HTTP_CONN_LINGERING;
	buf_release(&c->in);
	c->in_at = 0;
	(void)shutdown(c->fd, SHUT_WR);
	(void)event_add(c->readable, NULL);
	start_timeout(c, LINGER_US);
}

/* ---- answers ---- */

static void end_exchange(struct http_conn *c)
{
	struct http_exchange *x = &c->exchange;

	buf_release(&x->head);
	buf_release(&x->body);
	x->request = (struct http_request){ 0 }; /* it borrowed from the head */
	x->gone = NULL;
}

/* The answer is written whole. */
static void answered(struct http_conn *c)
{
	end_exchange(c);
	if (c->closes) {
		linger(c);
		return;
	}
	c->state = HTTP_CONN_HEAD;
	c->has_begun = waiting(c).len != 0;
	start_timeout(c, c->has_begun ? c->server->options.request_us : c->server->options.idle_us);
	(void)event_add(c->readable, NULL);
	/* The next request may be here already; its owner is not called from inside this answer. */
	if (c->has_begun && !c->is_processing)
		event_active(c->readable, EV_READ, 0);
}

/* Writes as much of an answer as the socket takes. */
static void write_out(struct http_conn *c, struct slice more)
{
	if (!sendq_write(&c->out, c->fd, more)) {
		http_conn_close(c);
	} else if (sendq_pending(&c->out) == 0) {
		answered(c);
	} else {
		(void)event_add(c->writable, NULL);
		if (sendq_has_moved(&c->out, c->fd))
			start_timeout(c, c->server->options.idle_us);
	}
}

static void writable_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	write_out(arg, (struct slice){ 0 });
}

void http_conn_answer(struct http_conn *c, struct slice head, struct slice body)
{
	bool ok = sendq_reserve(&c->out, head.len) && buf_append_slice(&c->out.bytes, head);

	if (!ok) {
		http_conn_close(c);
		return;
	}
	c->state = HTTP_CONN_REPLYING;
	(void)event_del(c->readable);
	start_timeout(c, c->server->options.idle_us);
	write_out(c, body);
}

void http_conn_refuse(struct http_conn *c, const struct http_fault *fault)
{
	static const struct ws_header headers[] = { { SLICE_LITERAL("Content-Type"),
		SLICE_LITERAL("text/plain; charset=utf-8") } };

	c->closes = true;
	c->state = HTTP_CONN_ASKED;
	http_exchange_reply(&c->exchange, fault->status, headers, 1, slice_of(fault->why));
}

static bool refuse_with(struct http_conn *c, int status, const char *why)
{
	http_conn_refuse(c, &(struct http_fault){ status, why });
	return false;
}

/* ---- requests ---- */

static bool is_known(struct slice method)
{
	static const char *const methods[] = { "GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (slice_is(method, methods[i]))
			return true;
	}
	return false;
}

/* The request is whole: the owner's turn. */
static bool ask(struct http_conn *c)
{
	c->state = HTTP_CONN_ASKED;
	timer_stop(c->timeout);
	c->server->request(c->server->arg, &c->exchange);
	assert(c->state != HTTP_CONN_ASKED || c->exchange.gone != NULL);
	return true;
}

/* Says that the body is welcome, to a client that waits for that. */
static bool send_continue(struct http_conn *c)
{
	static const struct slice text = SLICE_LITERAL("HTTP/1.1 100 Continue\r\n\r\n");

	/* What the socket does not take goes out in front of the answer. */
	if (sendq_write(&c->out, c->fd, text))
		return true;
	http_conn_close(c);
	return false;
}

/* A head is read; false if the connection is of no use any more. */
static bool begin_body(struct http_conn *c)
{
	struct http_exchange *x = &c->exchange;
	size_t max = c->server->options.body_max;

	if (!is_known(x->request.method))
		return refuse_with(c, 501, "the method is not known here");
	if (x->request.length > max)
		return refuse_with(c, 413, "the body is too large");
	buf_init(&x->body, max);
	c->chunked = (struct http_chunked){ 0 };
	c->closes = !x->request.keeps_alive;
	c->state = HTTP_CONN_BODY;
	if (x->request.length == 0 && !x->request.is_chunked)
		return ask(c);
	if (x->request.expects_continue && waiting(c).len == 0)
		return send_continue(c);
	return true;
}

/* The head is not complete. */
static bool check_head_size(struct http_conn *c, struct slice in)
{
	if (in.len <= HTTP_SERVER_HEAD_MAX)
		return false;
	if (memchr(in.ptr, '\n', in.len) == NULL)
		return refuse_with(c, 414, "the request line is too long");
	return refuse_with(c, 431, "the headers are too large");
}

/* Takes a head from what has come; false if there is none. */
static bool take_head(struct http_conn *c)
{
	struct http_exchange *x = &c->exchange;
	struct http_fault fault;
	struct slice in;
	size_t n;

	if (c->head_seen == 0)
		c->in_at += http_blank_lines(waiting(c));
	in = waiting(c);
	n = http_head_end(in, &c->head_seen);
	if (n == 0)
		return check_head_size(c, in);
	c->head_seen = 0;
	if (n > HTTP_SERVER_HEAD_MAX)
		return refuse_with(c, 431, "the headers are too large");
	buf_init(&x->head, n);
	if (!buf_append(&x->head, in.ptr, n)) {
		http_conn_close(c);
		return false;
	}
	c->in_at += n;
	if (!http_request_read(buf_slice(&x->head), &x->request, &fault)) {
		http_conn_refuse(c, &fault);
		return false;
	}
	return begin_body(c);
}

/* Takes what has come of a body; false if more is needed. */
static bool take_body(struct http_conn *c)
{
	struct http_exchange *x = &c->exchange;
	struct slice in = waiting(c);
	struct http_fault fault;

	if (x->request.is_chunked) {
		enum http_chunked_result result = http_chunked_read(
			&c->chunked, &in, &x->body, &fault);

		c->in_at = c->in.len - in.len;
		if (result == HTTP_CHUNKED_BAD)
			http_conn_refuse(c, &fault);
		return result == HTTP_CHUNKED_DONE && ask(c);
	}
	if (in.len > x->request.length - x->body.len)
		in.len = (size_t)x->request.length - x->body.len;
	if (!buf_append_slice(&x->body, in))
		return refuse_with(c, 503, "out of memory");
	c->in_at += in.len;
	return x->body.len == x->request.length && ask(c);
}

static bool is_reading_request(const struct http_conn *c)
{
	return c->state == HTTP_CONN_HEAD || c->state == HTTP_CONN_BODY;
}

/* Hands out the requests in what has come. */
static void process(struct http_conn *c)
{
	int left = REQUESTS_A_TURN;
	bool goes_on = true;

	c->is_processing = true;
	while (goes_on && is_reading_request(c) && waiting(c).len != 0 && left-- > 0)
		goes_on = c->state == HTTP_CONN_HEAD ? take_head(c) : take_body(c);
	c->is_processing = false;
	if (c->state == HTTP_CONN_CLOSED)
		return;
	if (c->in_at == c->in.len) {
		buf_release(&c->in);
		c->in_at = 0;
	} else if (goes_on && is_reading_request(c)) {
		event_active(c->readable, EV_READ, 0);
	}
}

/* ---- the socket ---- */

/* Takes bytes as they come; false if no more are wanted. */
static bool take_bytes(struct http_conn *c, struct slice bytes)
{
	if (c->state == HTTP_CONN_LINGERING)
		return true;
	buf_consume(&c->in, c->in_at);
	c->in_at = 0;
	if (!buf_append_slice(&c->in, bytes)) {
		end_by_client(c);
		return false;
	}
	if (is_reading_request(c)) {
		settle(c, false);
		if (c->state == HTTP_CONN_HEAD && !c->has_begun) {
			c->has_begun = true;
			start_timeout(c, c->server->options.request_us);
		}
		process(c);
	}
	if (c->state == HTTP_CONN_ASKED && waiting(c).len >= IN_MAX)
		(void)event_del(c->readable); /* until there is an answer */
	return c->state != HTTP_CONN_CLOSED && c->state != HTTP_CONN_REPLYING &&
		waiting(c).len < IN_MAX;
}

static void readable_ready(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;
	char bytes[READ_SIZE];

	(void)what;
	if (is_reading_request(c) && waiting(c).len != 0)
		process(c);
	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n;

		if (c->state == HTTP_CONN_CLOSED || c->state == HTTP_CONN_REPLYING ||
			waiting(c).len >= IN_MAX)
			return;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0) {
			settle(c, http_conn_lost_answer(c, n));
			end_by_client(c);
			return;
		}
		if (!take_bytes(c, (struct slice){ bytes, (size_t)n }) || (size_t)n < sizeof(bytes))
			return;
	}
}

static void timed_out(void *arg)
{
	struct http_conn *c = arg;

	if (c->state == HTTP_CONN_BODY || (c->state == HTTP_CONN_HEAD && waiting(c).len != 0))
		(void)refuse_with(c, 408, "the request did not arrive in time");
	else if (c->state == HTTP_CONN_REPLYING && sendq_has_moved(&c->out, c->fd))
		start_timeout(c, c->server->options.idle_us);
	else
		http_conn_close(c);
}

static struct http_conn *conn_new(struct http_server *s, int fd)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->server = s;
	c->fd = fd;
	buf_init(&c->in, IN_MAX + READ_SIZE);
	sendq_init(&c->out);
	c->readable = event_new(loop_base(s->loop), fd, EV_READ | EV_PERSIST, readable_ready, c);
	c->writable = event_new(loop_base(s->loop), fd, EV_WRITE, writable_ready, c);
	c->timeout = timer_new(s->loop, timed_out, c);
	if (c->readable == NULL || c->writable == NULL || c->timeout == NULL ||
		event_add(c->readable, NULL) != 0) {
		if (c->readable != NULL)
			event_free(c->readable);
		if (c->writable != NULL)
			event_free(c->writable);
		timer_free(c->timeout);
		free(c);
		return NULL;
	}
	c->next = s->conns;
	if (c->next != NULL)
		c->next->prev = c;
	s->conns = c;
	return c;
}

bool http_conn_new(struct http_server *s, int fd)
{
	struct http_conn *c = conn_new(s, fd);

	if (c == NULL)
		return false;
	start_timeout(c, s->options.request_us);
	return true;
}

bool http_conn_new_lingering(struct http_server *s, int fd)
{
	struct http_conn *c = conn_new(s, fd);

	if (c == NULL)
		return false;
	linger(c);
	return true;
}
