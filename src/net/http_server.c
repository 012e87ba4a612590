#include "net/http_conn.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_HEAD_MAX ((size_t)64 << 10)
#define WARN_EVERY_US ((int64_t)60 * 1000000)

static struct http_conn *conn_of(struct http_exchange *x)
{
	return (struct http_conn *)(void *)x;
}

/* ---- the server ---- */

static void warn_of_limit(struct http_server *s)
{
	int64_t now = clock_mono_us();

	if (s->warned_us != 0 && now - s->warned_us < WARN_EVERY_US)
		return;
	s->warned_us = now;
	log_line(LOG_WARN, "a connection was turned away: the limit of connections is reached",
		log_int("port", http_server_port(s)),
		log_int("connections_max", (int64_t)s->options.connections_max));
}

static void accepted(void *arg, int fd)
{
	struct http_server *s = arg;

	if (s->count >= s->options.connections_max)
		warn_of_limit(s);
	else if (http_conn_new(s, fd)) {
		s->count++;
		return;
	}
	(void)close(fd);
}

bool http_server_new(struct http_server **out, struct loop *l,
	const struct http_server_options *options,
	void (*request)(void *arg, struct http_exchange *x), void *arg, struct err *e)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "cannot serve HTTP: out of memory");
	s->loop = l;
	s->options = *options;
	s->options.host = NULL; /* borrowed for the call only */
	s->request = request;
	s->arg = arg;
	if (!acceptor_new(&s->acceptor, l, options->host, options->port, accepted, s, e)) {
		free(s);
		return false;
	}
	*out = s;
	return true;
}

static void destroy(struct loop_reap *reap)
{
	free((char *)reap - offsetof(struct http_server, reap));
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	assert(s->taken == 0);
	acceptor_free(s->acceptor);
	while (s->conns != NULL)
		http_conn_close(s->conns);
	loop_reap_later(s->loop, &s->reap, destroy);
}

uint16_t http_server_port(const struct http_server *s)
{
	return acceptor_port(s->acceptor);
}

size_t http_server_connections(const struct http_server *s)
{
	return s->count;
}

/* ---- what was asked for ---- */

struct slice http_exchange_method(const struct http_exchange *x)
{
	return x->request.method;
}

struct slice http_exchange_path(const struct http_exchange *x)
{
	return x->request.path;
}

struct slice http_exchange_query(const struct http_exchange *x)
{
	return x->request.query;
}

struct slice http_exchange_body(const struct http_exchange *x)
{
	return buf_slice(&x->body);
}

struct slice http_exchange_head(const struct http_exchange *x)
{
	return buf_slice(&x->head);
}

struct slice http_exchange_target(const struct http_exchange *x)
{
	return x->request.target;
}

struct slice http_exchange_headers(const struct http_exchange *x)
{
	return x->request.headers;
}

bool http_exchange_header(const struct http_exchange *x, const char *name, struct slice *value)
{
	struct slice rest = x->request.headers;

	return ws_header_find(&rest, name, value);
}

/* ---- what becomes of it ---- */

void http_exchange_hold(struct http_exchange *x, void (*gone)(void *arg), void *arg)
{
	assert(conn_of(x)->state == HTTP_CONN_ASKED);
	x->gone = gone;
	x->arg = arg;
}

bool http_exchange_is_live(const struct http_exchange *x)
{
	const struct http_conn *c = (const struct http_conn *)(const void *)x;
	struct pollfd look = { .fd = c->fd, .events = POLLRDHUP };

	/* Unread bytes in front of the end do not hide it. */
	return poll(&look, 1, 0) <= 0;
}

void http_exchange_watch(struct http_exchange *x, struct http_receipt *receipt)
{
	struct http_conn *c = conn_of(x);

	assert(c->state == HTTP_CONN_ASKED);
	*receipt = (struct http_receipt){ .conn = c };
	c->receipt = receipt;
}

bool http_receipt_end(struct http_receipt *receipt)
{
	struct http_conn *c = receipt->conn;
	struct pollfd look = { .events = POLLRDHUP };
	ssize_t got = 1; /* a client that is still there takes its time to acknowledge */

	if (c == NULL)
		return !receipt->is_lost;
	look.fd = c->fd;
	if (poll(&look, 1, 0) > 0)
		got = (look.revents & POLLERR) != 0 ? -1 : 0;
	*receipt = (struct http_receipt){ .is_lost = http_conn_lost_answer(c, got) };
	c->receipt = NULL;
	if (receipt->is_lost)
		http_conn_close(c);
	return !receipt->is_lost;
}

void http_exchange_drop(struct http_exchange *x)
{
	assert(conn_of(x)->state == HTTP_CONN_ASKED);
	http_conn_close(conn_of(x));
}

void http_exchange_take(struct http_exchange *x, struct http_taken *out)
{
	struct http_conn *c = conn_of(x);

	assert(c->state == HTTP_CONN_ASKED);
	buf_consume(&c->in, c->in_at);
	c->in_at = 0;
	if (c->in.len == 0)
		buf_release(&c->in);
	*out = (struct http_taken){ .early = c->in, .server = c->server };
	buf_init(&c->in, 0);
	c->server->taken++;
	out->fd = http_conn_release(c);
}

void http_server_give_back(struct http_server *s, int fd, bool abruptly)
{
	assert(s->taken != 0);
	s->taken--;
	if (!abruptly && http_conn_new_lingering(s, fd))
		return;
	(void)close(fd);
	s->count--;
}

static bool append_headers(struct buf *out, const struct ws_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct ws_header *h = &headers[i];

		assert(ws_header_name_valid(h->name) && ws_header_value_valid(h->value));
		if (!buf_append_slice(out, h->name) || !buf_append_str(out, ": ") ||
			!buf_append_slice(out, h->value) || !buf_append_str(out, "\r\n"))
			return false;
	}
	return true;
}

static bool append_date(struct buf *out)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[64];

	/* The names are English whatever the locale: nobody calls setlocale. */
	return gmtime_r(&now, &tm) != NULL &&
		strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) != 0 &&
		buf_append_str(out, text);
}

/* Which connection the client may expect after this answer. */
static const char *connection_header(const struct http_conn *c)
{
	if (c->closes)
		return "Connection: close\r\n";
	return c->exchange.request.minor == 0 ? "Connection: keep-alive\r\n" : "";
}

void http_exchange_reply(struct http_exchange *x, int status, const struct ws_header *headers,
	size_t header_count, struct slice body)
{
	struct http_conn *c = conn_of(x);
	bool has_length = status != 204 && status != 304;
	struct buf head;
	bool ok;

	assert(c->state == HTTP_CONN_ASKED && status >= 200 && status <= 599);
	buf_init(&head, ANSWER_HEAD_MAX);
	ok = buf_printf(&head, "HTTP/1.1 %d %s\r\n", status, http_status_reason(status)) &&
		append_headers(&head, headers, header_count) && append_date(&head) &&
		buf_append_str(&head, connection_header(c)) &&
		(!has_length || buf_printf(&head, "Content-Length: %zu\r\n", body.len)) &&
		buf_append_str(&head, "\r\n");
	if (!has_length || slice_is(x->request.method, "HEAD"))
		body.len = 0;
	if (ok)
		http_conn_answer(c, buf_slice(&head), body);
	else
		http_conn_close(c);
	buf_release(&head);
}
