/*
 * test-ws-client: connects to a WebSocket server and sends every message back until the server
 * closes, for tests and for conformance suites.
 *
 * usage: test-ws-client [--deflate] ws://HOST:PORT/PATH?QUERY
 *
 * Exit codes: 0 the connection was open and has ended, 1 it never opened or a message could not be
 * sent back, 2 wrong usage.
 */
#include "base/log.h"
#include "base/url.h"
#include "net/loop.h"
#include "net/transfers.h"
#include "net/ws_client.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000
#define HIGH ((size_t)1 << 20) /* where more waits to be sent, nothing is read */
#define RESUME_US 1000

struct client {
	struct loop *loop;
	struct transfers *transfers;
	struct ws_client *ws;
	struct timer *resume;
	bool was_open;
	bool has_failed;
};

static void opened(void *arg)
{
	struct client *c = arg;

	c->was_open = true;
}

static void arrived(void *arg)
{
	(void)arg;
}

static void resume(void *arg)
{
	struct client *c = arg;

	if (ws_client_pending(c->ws) > HIGH)
		timer_start(c->resume, RESUME_US);
	else
		ws_client_pause(c->ws, false);
}

static void take_message(void *arg, enum ws_result kind, const struct ws_message *m)
{
	struct client *c = arg;

	if (kind == WS_BAD) /* `ended` follows */
		return;
	if (kind == WS_TOO_LARGE || !ws_client_send(c->ws, m->opcode, m->payload)) {
		fprintf(stderr, "cannot send a message of %llu bytes back\n",
			(unsigned long long)m->total);
		c->has_failed = true;
		loop_stop(c->loop);
	} else if (ws_client_pending(c->ws) > HIGH) {
		ws_client_pause(c->ws, true);
		timer_start(c->resume, RESUME_US);
	}
}

static void ended(void *arg, const struct ws_end *end)
{
	struct client *c = arg;

	fprintf(stderr, "%s\n", end->e.text);
	timer_stop(c->resume);
	loop_stop(c->loop);
}

/* Splits the target off the text, which may have a query of any length. */
static bool read_url(const char *text, struct url *url, struct buf *target, struct err *e)
{
	const char *slashes = strstr(text, "://");
	size_t origin = slashes != NULL ? (size_t)(slashes - text) + 3 : 0;

	origin += strcspn(text + origin, "/?");
	if (!url_parse((struct slice){ text, origin }, url, e))
		return false;
	if (text[origin] != '/' && !buf_append_char(target, '/'))
		return err_set(e, ERR_NOMEM, "out of memory");
	return buf_append_str(target, text + origin) || err_set(e, ERR_NOMEM, "out of memory");
}

static bool connect_to(struct client *c, const char *text, bool offers_deflate, struct err *e)
{
	static const struct ws_client_events events = {
		.opened = opened, .arrived = arrived, .message = take_message, .ended = ended
	};
	struct buf target;
	struct url url;
	bool ok;

	buf_init(&target, 65536);
	ok = read_url(text, &url, &target, e) &&
		ws_client_new(&c->ws, c->loop, c->transfers,
			&(struct ws_client_options){ .url = &url,
				.target = &target,
				.compression = offers_deflate,
				.connect_timeout_ms = TIMEOUT_MS },
			&events, c, e);
	buf_release(&target);
	return ok;
}

int main(int argc, char **argv)
{
	bool offers_deflate = argc == 3 && strcmp(argv[1], "--deflate") == 0;
	struct client c = { 0 };
	struct err e;

	if (argc != 2 + offers_deflate) {
		fprintf(stderr, "usage: test-ws-client [--deflate] ws://HOST:PORT/PATH?QUERY\n");
		return 2;
	}
	c.loop = loop_new();
	c.transfers = c.loop != NULL ? transfers_new(c.loop) : NULL;
	c.resume = c.loop != NULL ? timer_new(c.loop, resume, &c) : NULL;
	if (c.transfers == NULL || c.resume == NULL ||
		!connect_to(&c, argv[argc - 1], offers_deflate, &e)) {
		fprintf(stderr, "test-ws-client: %s\n",
			c.resume != NULL ? e.text : "out of memory");
		return 1;
	}
	if (!loop_run(c.loop))
		return 1;
	ws_client_free(c.ws);
	timer_free(c.resume);
	transfers_free(c.transfers);
	loop_free(c.loop);
	return c.was_open && !c.has_failed ? 0 : 1;
}
