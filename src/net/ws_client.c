#include "net/ws_client.h"

#include "base/log.h"
#include "net/outbox.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_SIZE ((size_t)64 * 1024)
#define READ_BUDGET ((size_t)256 * 1024)
#define DEFLATE_BUDGET ((size_t)16 * 1024) /* inflates to 16 MiB at the worst */
#define CLOSE_TIMEOUT_US 1000000

enum state { CONNECTING, UPGRADING, OPEN, CLOSING, ENDED };

struct ws_client {
	struct transfer transfer; /* first: `done` of transfers casts back */
	struct loop_reap reap;
	struct loop *loop;
	struct transfers *transfers;
	enum state state;
	struct url url;
	const struct ws_client_events *events;
	void *arg;
	struct timer *timeout;
	struct event *readable;
	struct event *writable;
	struct ws_decoder *decoder;
	char key[WS_KEY_SIZE];
	int64_t timeout_us;
	struct buf head; /* the server's handshake answer, while it is not complete */
	struct outbox out;
	bool is_paused;
	bool is_freed;
	bool offers_deflate;
	bool is_compressed;
	bool was_open;
};

static void destroy(struct loop_reap *reap)
{
	struct ws_client *c = (struct ws_client *)(void *)((char *)reap -
		offsetof(struct ws_client, reap));

	ws_decoder_free(c->decoder);
	buf_release(&c->head);
	outbox_release(&c->out);
	free(c);
}

/* Lets go of socket, timer and handle; in this order, as the number of a closed socket is soon reused. */
static void detach(struct ws_client *c)
{
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	c->readable = NULL;
	c->writable = NULL;
	timer_free(c->timeout);
	c->timeout = NULL;
	transfer_remove(c->transfers, &c->transfer);
	outbox_wipe(&c->out);
	c->state = ENDED;
}

void ws_client_free(struct ws_client *c)
{
	if (c == NULL)
		return;
	assert(!c->is_freed);
	detach(c);
	c->is_freed = true;
	loop_reap_later(c->loop, &c->reap, destroy);
}

static void end(struct ws_client *c, struct ws_end *e)
{
	if (c->state == ENDED)
		return;
	detach(c);
	c->events->ended(c->arg, e);
}

static void end_with(
	struct ws_client *c, enum ws_end_kind kind, enum err_code code, const char *text)
{
	struct ws_end e = { .kind = kind, .close_code = WS_CLOSE_NONE };

	(void)err_set(&e.e, code, "%s", text);
	end(c, &e);
}

/* The server hung up where its answer to the handshake was due. */
static void end_unanswered(struct ws_client *c)
{
	struct ws_end e = {
		.kind = WS_END_REFUSED, .is_mute = c->head.len == 0, .close_code = WS_CLOSE_NONE
	};

	(void)err_set(&e.e, ERR_PROTOCOL,
		"the server closed the connection instead of answering the WebSocket handshake");
	end(c, &e);
}

/* The stream is over or broken. */
static void end_lost(struct ws_client *c, const char *why)
{
	if (c->state == CLOSING)
		end_with(c, WS_END_CLOSED, ERR_NETWORK, "closed");
	else if (c->state == UPGRADING)
		end_unanswered(c);
	else
		end_with(c, WS_END_LOST, ERR_NETWORK, why);
}

/* Sends as much as the socket takes. */
static void flush(struct ws_client *c)
{
	switch (outbox_send(&c->out, c->transfer.easy)) {
	case OUTBOX_EMPTY:
		break;
	case OUTBOX_BLOCKED:
		(void)event_add(c->writable, NULL);
		break;
	case OUTBOX_BROKEN:
		end_lost(c, "the connection broke while sending");
		break;
	}
}

size_t ws_client_pending(const struct ws_client *c)
{
	return outbox_pending(&c->out);
}

bool ws_client_is_compressed(const struct ws_client *c)
{
	return c->is_compressed;
}

void ws_client_set_events(struct ws_client *c, const struct ws_client_events *events, void *arg)
{
	c->events = events;
	c->arg = arg;
}

static void writable_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

/* Writes are gathered: the event runs after the callbacks of this turn. */
static void flush_soon(struct ws_client *c)
{
	event_active(c->writable, EV_WRITE, 0);
}

bool ws_client_send(struct ws_client *c, enum ws_opcode opcode, struct slice payload)
{
	if (c->state != OPEN || !ws_encode(&c->out.queue, WS_CLIENT, opcode, payload))
		return false;
	flush_soon(c);
	return true;
}

void ws_client_close(struct ws_client *c, uint16_t code)
{
	if (c->state == CLOSING || c->state == ENDED)
		return;
	if (c->state == OPEN &&
		ws_encode_close(&c->out.queue, WS_CLIENT, code, (struct slice){ 0 }))
		flush_soon(c);
	c->state = CLOSING;
	timer_start(c->timeout, c->was_open ? CLOSE_TIMEOUT_US : 0);
}

void ws_client_pause(struct ws_client *c, bool pause)
{
	if (c->is_paused == pause)
		return;
	c->is_paused = pause;
	if (c->readable == NULL)
		return;
	if (pause) {
		(void)event_del(c->readable);
	} else {
		(void)event_add(c->readable, NULL);
		event_active(c->readable, EV_READ, 0); /* TLS may hold bytes that no poll shows */
	}
}

/* The peer's close frame: answer it, unless it is the answer, and be done. */
static void take_close(struct ws_client *c, const struct ws_message *m)
{
	struct ws_end e = { .kind = WS_END_CLOSED, .close_code = m->close_code };
	char reason[128];

	if (c->state == OPEN &&
		ws_encode_close(&c->out.queue, WS_CLIENT, m->close_code, (struct slice){ 0 }))
		flush(c);
	if (m->close_code == WS_CLOSE_NONE)
		(void)err_set(&e.e, ERR_NETWORK, "the server closed the WebSocket");
	else
		(void)err_set(&e.e, ERR_NETWORK, "the server closed the WebSocket, code %u%s%s",
			m->close_code, m->payload.len != 0 ? ": " : "",
			log_peer_text(reason, sizeof(reason), m->payload));
	end(c, &e);
}

static void take_bad(struct ws_client *c, const struct ws_message *m, const struct err *why)
{
	if (m->payload.len != 0 && c->state == OPEN)
		c->events->message(c->arg, WS_BAD, m);
	if (c->state == ENDED)
		return;
	if (c->state == OPEN &&
		ws_encode_close(&c->out.queue, WS_CLIENT, m->close_code, (struct slice){ 0 }))
		flush(c);
	end_with(c, WS_END_PROTOCOL, why->code, why->text);
}

/* Hands out what the decoder makes of the bytes. */
static void feed(struct ws_client *c, struct slice in)
{
	while (c->state == OPEN || c->state == CLOSING) {
		struct ws_message m;
		struct err e;
		enum ws_result result = ws_decode(c->decoder, &in, &m, &e);

		switch (result) {
		case WS_MORE:
			return;
		case WS_TEXT:
		case WS_BINARY:
		case WS_TOO_LARGE:
			c->events->message(c->arg, result, &m);
			break;
		case WS_PING:
			if (!ws_client_send(c, WS_OP_PONG, m.payload) && c->state == OPEN)
				end_lost(c, "the server sends pings and reads no pongs");
			break;
		case WS_PONG:
			break;
		case WS_CLOSE:
			take_close(c, &m);
			break;
		case WS_BAD:
			take_bad(c, &m, &e);
			break;
		}
	}
}

/* Says how the server refused, with the beginning of what it sent along. */
static void refuse(
	struct ws_client *c, const struct ws_response *response, size_t used, struct err *why)
{
	struct ws_end e = { .kind = WS_END_REFUSED,
		.http_status = response->status,
		.close_code = WS_CLOSE_NONE,
		.e = *why };
	struct slice body = { c->head.data + used, used != 0 ? c->head.len - used : 0 };
	char quoted[160];

	if (body.len != 0) {
		size_t len = strlen(e.e.text);

		(void)snprintf(e.e.text + len, sizeof(e.e.text) - len, ": %s",
			log_peer_text(quoted, sizeof(quoted), body));
	}
	end(c, &e);
}

/* Hands out the cookies of the answer; false if a callback has ended or closed the connection. */
static bool hand_out_cookies(struct ws_client *c, struct slice headers)
{
	struct slice value;

	while (c->events->set_cookie != NULL && ws_header_find(&headers, "Set-Cookie", &value)) {
		c->events->set_cookie(c->arg, value);
		if (c->state != UPGRADING)
			return false;
	}
	return true;
}

/* The answer is good: frames follow, the first of which may have come with it, `used` bytes on. */
static void open_stream(struct ws_client *c, const struct ws_response *response, size_t used)
{
	c->is_compressed = response->deflate.is_agreed;
	if (c->is_compressed && !ws_decoder_inflate(c->decoder, &response->deflate)) {
		end_with(c, WS_END_LOST, ERR_NOMEM, "out of memory");
		return;
	}
	c->state = OPEN;
	c->was_open = true;
	timer_stop(c->timeout);
	c->events->opened(c->arg);
	if (c->state == ENDED)
		return;
	c->events->arrived(c->arg);
	feed(c, (struct slice){ c->head.data + used, c->head.len - used });
	buf_release(&c->head);
}

static void take_head(struct ws_client *c, struct slice in)
{
	const struct ws_request asked = { .key = c->key, .offers_deflate = c->offers_deflate };
	struct ws_response response = { 0 };
	enum ws_handshake_result result;
	struct err e;
	size_t used = 0;

	if (!buf_append_slice(&c->head, in)) {
		end_with(c, WS_END_REFUSED, ERR_LIMIT,
			"the answer to the WebSocket handshake has endless headers");
		return;
	}
	result = ws_response_parse(buf_slice(&c->head), &used, &asked, &response, &e);
	if (result == WS_HS_MORE || !hand_out_cookies(c, response.headers))
		return;
	if (result == WS_HS_BAD)
		refuse(c, &response, used, &e);
	else
		open_stream(c, &response, used);
}

/* Not where the connection was closed during its handshake: what comes is no frame. */
static bool is_reading(const struct ws_client *c)
{
	return !c->is_paused &&
		(c->state == UPGRADING || c->state == OPEN || (c->state == CLOSING && c->was_open));
}

static void readable_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ws_client *c = arg;
	char bytes[READ_SIZE];
	size_t size = c->offers_deflate ? DEFLATE_BUDGET : READ_SIZE;
	size_t budget = c->offers_deflate ? DEFLATE_BUDGET : READ_BUDGET;
	size_t total = 0;

	(void)fd;
	(void)what;
	while (is_reading(c)) {
		size_t n = 0;
		CURLcode code;

		if (total >= budget) {
			event_active(c->readable, EV_READ, 0);
			return;
		}
		code = curl_easy_recv(c->transfer.easy, bytes, size, &n);
		if (code == CURLE_AGAIN)
			return;
		if (code != CURLE_OK || n == 0) {
			end_lost(c,
				code == CURLE_OK
					? "the server ended the connection without a close frame"
					: "the connection broke");
			return;
		}
		total += n;
		if (c->state == UPGRADING) {
			take_head(c, (struct slice){ bytes, n });
			continue;
		}
		c->events->arrived(c->arg);
		if (c->state == ENDED)
			return;
		feed(c, (struct slice){ bytes, n });
	}
}

static void timed_out(void *arg)
{
	struct ws_client *c = arg;

	if (c->state == CLOSING)
		end_with(c, WS_END_CLOSED, ERR_NETWORK, "closed");
	else
		end_with(c, WS_END_REFUSED, ERR_TIMEOUT,
			"the server did not answer the WebSocket handshake in time");
}

/* TCP, proxy and TLS stand: the socket is ours now. */
static bool begin_upgrade(struct ws_client *c)
{
	curl_socket_t fd = -1;

	(void)curl_easy_getinfo(c->transfer.easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd < 0)
		return false;
	c->decoder = ws_decoder_new(WS_CLIENT, 0);
	c->readable = event_new(loop_base(c->loop), fd, EV_READ | EV_PERSIST, readable_ready, c);
	c->writable = event_new(loop_base(c->loop), fd, EV_WRITE, writable_ready, c);
	if (c->decoder == NULL || c->readable == NULL || c->writable == NULL)
		return false;
	if (!c->is_paused && event_add(c->readable, NULL) != 0)
		return false;
	c->state = UPGRADING;
	timer_start(c->timeout, c->timeout_us);
	/* At once: the first use marks the connection as in use for libcurl's cache. */
	flush(c);
	return true;
}

static void connected(struct transfer *t, CURLcode code)
{
	struct ws_client *c = (struct ws_client *)t;
	struct ws_end e = { .kind = WS_END_UNREACHED, .close_code = WS_CLOSE_NONE };

	if (c->state == CLOSING)
		return;
	if (code != CURLE_OK) {
		long answer = 0;

		(void)transfer_error(t, code, &e.e);
		(void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &answer);
		e.proxy_status = answer / 100 == 2 ? 0 : (int)answer;
		end(c, &e);
	} else if (!begin_upgrade(c)) {
		end_with(c, WS_END_UNREACHED, ERR_NOMEM, "out of memory");
	}
}

/* Writes the handshake and wipes the caller's target. */
static bool prepare_request(struct ws_client *c, const struct ws_client_options *o, struct err *e)
{
	struct buf host;
	bool ok;

	buf_init(&host, URL_HOST_MAX + 16);
	ok = ws_key_new(c->key) && url_host_header(&c->url, &host);
	if (!ok)
		(void)err_set(
			e, ERR_NOMEM, "cannot prepare the WebSocket handshake: out of memory");
	else
		ok = ws_request(&c->out.queue,
			&(struct ws_request){ .target = buf_slice(o->target),
				.host = buf_slice(&host),
				.key = c->key,
				.cookie = o->cookie,
				.offers_deflate = o->compression,
				.headers = o->headers,
				.header_count = o->header_count },
			e);
	explicit_bzero(o->target->data, o->target->len);
	buf_release(&host);
	return ok;
}

static bool prepare_transfer(struct ws_client *c, const struct ws_client_options *o, struct err *e)
{
	char url[URL_HOST_MAX + 32];

	(void)snprintf(url, sizeof(url), "%s://%s%s%s:%u/", c->url.is_tls ? "https" : "http",
		c->url.is_ipv6 ? "[" : "", c->url.host, c->url.is_ipv6 ? "]" : "", c->url.port);
	if (!transfer_init(&c->transfer, url, o->ca_file, o->proxy, (long)o->connect_timeout_ms, e))
		return false;
	/* A plain request through a proxy needs the tunnel said; a secure one always has it. */
	(void)curl_easy_setopt(c->transfer.easy, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(c->transfer.easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	return true;
}

bool ws_client_new(struct ws_client **out, struct loop *l, struct transfers *ts,
	const struct ws_client_options *o, const struct ws_client_events *events, void *arg,
	struct err *e)
{
	struct ws_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	c->loop = l;
	c->transfers = ts;
	c->transfer.done = connected;
	c->url = *o->url;
	c->events = events;
	c->arg = arg;
	c->offers_deflate = o->compression;
	c->timeout_us = o->connect_timeout_ms * 1000;
	buf_init(&c->head, WS_HEADERS_MAX + READ_SIZE);
	outbox_init(&c->out, WS_CLIENT_OUT_MAX);
	c->timeout = timer_new(l, timed_out, c);
	if (c->timeout == NULL)
		(void)err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	if (c->timeout == NULL || !prepare_request(c, o, e) || !prepare_transfer(c, o, e) ||
		!transfer_add(ts, &c->transfer, e)) {
		ws_client_free(c);
		return false;
	}
	*out = c;
	return true;
}
