/*
 * test-ws-server: a WebSocket server that sends every message back, for tests and for conformance
 * suites.
 *
 * usage: test-ws-server [--port P] [OPTION VALUE]...
 *
 * Writes its port to standard output (0, the default: any free one) and runs until SIGTERM. A plain
 * request is answered with what was asked for; GET /hold is held until the client leaves, or until
 * a GET of /release; GET /bytes?n=N is answered with N bytes; POST /drop closes without an answer;
 * GET /count gives "connections held gone".
 */
#include "base/log.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/ws_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX 64

struct server;

struct client {
	struct server *server;
	struct client *prev, *next;
	struct ws_server *ws;
};

struct held {
	struct server *server;
	struct http_exchange *x; /* NULL: free */
};

struct server {
	struct loop *loop;
	struct http_server *http;
	struct http_server_options http_options;
	struct ws_server_options ws_options;
	struct client *clients;
	struct held held[HELD_MAX];
	int gone;
};

static struct server server = {
	.http_options = { .host = "127.0.0.1",
		.connections_max = 20000,
		.body_max = (size_t)1 << 20,
		.request_us = 10000000,
		.idle_us = 60000000 },
	.ws_options = { .message_max = (size_t)64 << 20,
		.out_max = (size_t)64 << 20,
		.stuck_us = 30000000 },
};

/* ---- WebSockets ---- */

static void client_free(struct client *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->server->clients = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	ws_server_free(c->ws);
	free(c);
}

static void take_message(void *arg, enum ws_opcode opcode, struct slice payload)
{
	struct client *c = arg;

	/* False: it is ending, and `ended` says so. */
	if (ws_server_send(c->ws, opcode, payload) && ws_server_pending(c->ws) > WS_SERVER_HIGH)
		ws_server_pause(c->ws, true);
}

static void take_drained(void *arg)
{
	struct client *c = arg;

	ws_server_pause(c->ws, false);
}

static void take_ended(void *arg, enum ws_server_end end, const struct err *e)
{
	static const char *const names[] = { "closed", "lost", "broken", "stuck" };

	log_line(LOG_INFO, "a client has left", log_text("how", names[end]), log_err(e));
	client_free(arg);
}

static void accept_websocket(struct server *s, struct http_exchange *x)
{
	static const struct ws_server_events events = { take_message, take_drained, take_ended };
	struct client *c = calloc(1, sizeof(*c));
	struct err e;

	if (c == NULL) {
		http_exchange_drop(x);
		return;
	}
	c->server = s;
	if (!ws_server_accept(&c->ws, s->loop, x, &s->ws_options, &events, c, &e)) {
		log_line(LOG_INFO, "a client was refused", log_err(&e));
		free(c);
		return;
	}
	c->next = s->clients;
	if (c->next != NULL)
		c->next->prev = c;
	s->clients = c;
}

/* ---- plain requests ---- */

static void reply(struct http_exchange *x, int status, struct slice body)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("text/plain; charset=utf-8") },
	};

	http_exchange_reply(x, status, headers, 1, body);
}

static void held_gone(void *arg)
{
	struct held *h = arg;

	h->x = NULL;
	h->server->gone++;
}

static void hold(struct server *s, struct http_exchange *x)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		struct held *h = &s->held[i];

		if (h->x == NULL) {
			*h = (struct held){ s, x };
			http_exchange_hold(x, held_gone, h);
			return;
		}
	}
	reply(x, 503, slice_of("too many are held"));
}

static void release(struct server *s, struct http_exchange *x)
{
	for (size_t i = 0; i < HELD_MAX; i++) {
		if (s->held[i].x != NULL)
			reply(s->held[i].x, 200, slice_of("released"));
		s->held[i].x = NULL;
	}
	reply(x, 200, slice_of("done"));
}

static void count(struct server *s, struct http_exchange *x)
{
	char text[100];
	size_t held = 0;

	for (size_t i = 0; i < HELD_MAX; i++)
		held += s->held[i].x != NULL;
	(void)snprintf(
		text, sizeof(text), "%zu %zu %d", http_server_connections(s->http), held, s->gone);
	reply(x, 200, slice_of(text));
}

static void send_bytes(struct http_exchange *x)
{
	struct buf number, body;
	size_t n = 0;

	buf_init(&number, 20);
	if (http_query_member(http_exchange_query(x), "n", &number) &&
		buf_append_char(&number, '\0'))
		n = strtoul(number.data, NULL, 10);
	buf_release(&number);
	buf_init(&body, (size_t)256 << 20);
	if (!buf_reserve(&body, n)) {
		reply(x, 503, slice_of("no room"));
		return;
	}
	if (n != 0)
		memset(body.data, 'x', n);
	body.len = n;
	reply(x, 200, buf_slice(&body));
	buf_release(&body);
}

/* "GET /path?query body" */
static void echo(struct http_exchange *x)
{
	struct buf text;
	bool ok;

	buf_init(&text, (size_t)2 << 20);
	ok = buf_append_slice(&text, http_exchange_method(x)) && buf_append_char(&text, ' ') &&
		buf_append_slice(&text, http_exchange_path(x)) && buf_append_char(&text, '?') &&
		buf_append_slice(&text, http_exchange_query(x)) && buf_append_char(&text, ' ') &&
		buf_append_slice(&text, http_exchange_body(x));
	reply(x, ok ? 200 : 503, buf_slice(&text));
	buf_release(&text);
}

static void take_request(void *arg, struct http_exchange *x)
{
	struct slice path = http_exchange_path(x);

	if (ws_server_is_upgrade(x))
		accept_websocket(arg, x);
	else if (slice_is(path, "/hold"))
		hold(arg, x);
	else if (slice_is(path, "/release"))
		release(arg, x);
	else if (slice_is(path, "/count"))
		count(arg, x);
	else if (slice_is(path, "/bytes"))
		send_bytes(x);
	else if (slice_is(path, "/drop"))
		http_exchange_drop(x);
	else
		echo(x);
}

/* ---- the program ---- */

static void stop(void *arg)
{
	loop_stop(arg);
}

static bool take_option(struct server *s, const char *name, const char *value)
{
	unsigned long n = strtoul(value, NULL, 10);

	if (strcmp(name, "--port") == 0)
		s->http_options.port = (uint16_t)n;
	else if (strcmp(name, "--connections-max") == 0)
		s->http_options.connections_max = n;
	else if (strcmp(name, "--body-max") == 0)
		s->http_options.body_max = n;
	else if (strcmp(name, "--request-ms") == 0)
		s->http_options.request_us = (int64_t)n * 1000;
	else if (strcmp(name, "--idle-ms") == 0)
		s->http_options.idle_us = (int64_t)n * 1000;
	else if (strcmp(name, "--message-max") == 0)
		s->ws_options.message_max = n;
	else if (strcmp(name, "--out-max") == 0)
		s->ws_options.out_max = n;
	else if (strcmp(name, "--stuck-ms") == 0)
		s->ws_options.stuck_us = (int64_t)n * 1000;
	else
		return false;
	return true;
}

static bool start(struct server *s, struct err *e)
{
	s->loop = loop_new();
	if (s->loop == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return loop_on_signal(s->loop, SIGTERM, stop, s->loop, e) &&
		http_server_new(&s->http, s->loop, &s->http_options, take_request, s, e);
}

int main(int argc, char **argv)
{
	struct err e;
	bool ok;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc || !take_option(&server, argv[i], argv[i + 1])) {
			fprintf(stderr, "test-ws-server: cannot understand '%s'\n", argv[i]);
			return 2;
		}
	}
	if (!start(&server, &e)) {
		fprintf(stderr, "test-ws-server: %s\n", e.text);
		return 1;
	}
	printf("%u\n", http_server_port(server.http));
	(void)fflush(stdout);
	ok = loop_run(server.loop);
	while (server.clients != NULL)
		client_free(server.clients);
	http_server_free(server.http);
	loop_free(server.loop);
	return ok ? 0 : 1;
}
