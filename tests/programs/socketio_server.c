/*
 * test-socketio-server: a Socket.IO server of every generation, for tests and for conformance
 * suites.
 *
 * usage: test-socketio-server [OPTION VALUE]...
 *
 *   --port P             0 (the default): any free one; it is written to standard output
 *   --ping-interval MS   300
 *   --ping-timeout MS    200
 *   --max-payload N      1000000
 *   --connect-timeout MS 45000, for a session without a namespace
 *   --out-max N          16777216, bytes that may wait for one client
 *   --sessions-max N     1000
 *   --oldest GENERATION  0.9 (the default), eio3 or eio4: the oldest that is understood
 *
 * At /socket.io/ are the namespaces "/" and "/custom", whose sockets get `auth` with what their
 * client sent along, and have `message` sent back as `message-back` and `message-with-ack` as an
 * ack. `kick` sends the client away, with the argument true out of its session; `cut` cuts its
 * connection; `flood` with a number is answered with so many events `flood`. A handshake whose
 * query has refuse=1 is refused, and so is a namespace for which it has refuse=2. At /engine.io/
 * every message is sent back. Each end of a session is a line on standard error. Runs until
 * SIGTERM.
 */
#include "base/json.h"
#include "base/log.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/sio_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTACHMENTS_MAX 64
#define AUTH_MAX ((size_t)1 << 20)
#define GREETING_US \
	5000 /* suites look for one message at a time, and would miss one that comes with another */

struct server {
	struct loop *loop;
	struct http_server *http;
	struct eio_server *engine;
	struct sio_server *sockets;
	struct eio_server_options options;
	uint16_t port;
	uint32_t join_ms;
};

/* A socket of the test's, with what is left to be sent of a flood. */
struct socket {
	struct sio_socket *sio;
	struct timer *greeting;
	struct buf auth;
	uint64_t left;
	uint64_t sent;
};

static const char *const ends[] = {
	[EIO_END_SERVER] = "server",
	[EIO_END_CLIENT] = "client",
	[EIO_END_LOST] = "lost",
	[EIO_END_HEARTBEAT] = "heartbeat",
	[EIO_END_BROKEN] = "broken",
	[EIO_END_STUCK] = "stuck",
};

static bool query_says(struct slice query, const char *name, const char *value)
{
	struct buf found;
	bool ok;

	buf_init(&found, 64);
	ok = http_query_member(query, name, &found) && slice_is(buf_slice(&found), value);
	buf_release(&found);
	return ok;
}

/* ---- Engine.IO ---- */

struct echo {
	struct eio_session *session;
};

static void *echo_opened(void *arg, struct eio_session *s, const struct http_exchange *x)
{
	struct echo *echo = calloc(1, sizeof(*echo));

	(void)arg;
	(void)x;
	if (echo != NULL)
		echo->session = s;
	return echo;
}

static void echo_message(void *arg, bool is_binary, struct slice data)
{
	struct echo *echo = arg;

	(void)!eio_session_send(echo->session, is_binary, data);
}

static void echo_drained(void *arg)
{
	(void)arg;
}

static void echo_closed(void *arg, enum eio_end end, const struct err *e)
{
	log_line(LOG_INFO, "a session has ended", log_text("how", ends[end]), log_err(e));
	free(arg);
}

static const struct eio_server_events echo_events = {
	.opened = echo_opened,
	.message = echo_message,
	.drained = echo_drained,
	.closed = echo_closed,
};

/* ---- Socket.IO ---- */

static bool admit(void *arg, const struct generation *g, const struct http_exchange *x,
	struct eio_refusal *refusal)
{
	(void)arg;
	(void)g;
	(void)refusal;
	return !query_says(http_exchange_query(x), "refuse", "1");
}

static enum sio_verdict join(void *arg, const struct sio_join *j, struct sio_refusal *refusal)
{
	(void)arg;
	if (query_says(j->query, "refuse", "2")) {
		(void)snprintf(refusal->data, sizeof(refusal->data), "{\"code\":401}");
		return SIO_REFUSE;
	}
	if (slice_is(j->nsp, "/") || slice_is(j->nsp, "/custom"))
		return SIO_ACCEPT;
	(void)snprintf(refusal->message, sizeof(refusal->message), "Invalid namespace");
	return SIO_REFUSE;
}

static void greet(void *arg)
{
	static const struct slice name = SLICE_LITERAL("\"auth\"");
	struct socket *s = arg;

	(void)!sio_socket_emit(s->sio, name, buf_slice(&s->auth), NULL, 0);
}

static void socket_free(struct socket *s)
{
	timer_free(s->greeting);
	buf_release(&s->auth);
	free(s);
}

static void *joined(void *arg, struct sio_socket *sio, const struct sio_join *j)
{
	struct server *server = arg;
	struct socket *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->sio = sio;
	s->greeting = timer_new(server->loop, greet, s);
	buf_init(&s->auth, AUTH_MAX);
	if (s->greeting == NULL ||
		!buf_append_slice(&s->auth, j->auth.len != 0 ? j->auth : slice_of("{}"))) {
		socket_free(s);
		return NULL;
	}
	timer_start(s->greeting, GREETING_US);
	return s;
}

static void send_flood(struct socket *s)
{
	static const struct slice name = SLICE_LITERAL("\"flood\"");
	char args[256];

	while (s->left != 0 && !sio_socket_is_full(s->sio)) {
		(void)snprintf(
			args, sizeof(args), "%llu,\"%0200d\"", (unsigned long long)s->sent, 0);
		if (!sio_socket_emit(s->sio, name, slice_of(args), NULL, 0))
			return;
		s->sent++;
		s->left--;
	}
}

static void take_event(void *arg, const struct sio_event *event)
{
	static const struct slice back = SLICE_LITERAL("\"message-back\"");
	struct slice attachments[ATTACHMENTS_MAX];
	struct socket *s = arg;

	for (uint32_t i = 0; i < event->attachments; i++)
		attachments[i] = sio_event_attachment(event, i);
	if (json_string_is(event->name, slice_of("message"))) {
		(void)!sio_socket_emit(s->sio, back, event->args, attachments, event->attachments);
	} else if (json_string_is(event->name, slice_of("message-with-ack")) && event->has_ack) {
		(void)!sio_socket_ack(
			s->sio, event->ack_id, event->args, attachments, event->attachments);
	} else if (json_string_is(event->name, slice_of("kick"))) {
		sio_socket_disconnect(s->sio, slice_is(event->args, "true"));
	} else if (json_string_is(event->name, slice_of("cut"))) {
		sio_socket_cut(s->sio);
	} else if (json_string_is(event->name, slice_of("flood"))) {
		s->left += strtoull(event->args.ptr, NULL, 10);
		send_flood(s);
	}
}

static void take_drained(void *arg)
{
	send_flood(arg);
}

static void take_left(void *arg, enum eio_end end, bool is_goodbye)
{
	log_line(LOG_INFO, "a socket has left", log_text("how", ends[end]),
		log_text("goodbye", is_goodbye ? "yes" : "no"));
	socket_free(arg);
}

static const struct sio_server_events socket_events = {
	.admit = admit,
	.join = join,
	.joined = joined,
	.event = take_event,
	.drained = take_drained,
	.left = take_left,
};

/* ---- the program ---- */

static void request(void *arg, struct http_exchange *x)
{
	struct server *s = arg;

	if (!sio_server_take(s->sockets, x) && !eio_server_take(s->engine, x))
		http_exchange_reply(x, 404, NULL, 0, slice_of("not found\n"));
}

/* Takes the options; false if one of them is unknown. */
static bool read_options(struct server *s, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		const char *name = argv[i];
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		unsigned long number = strtoul(value, NULL, 10);

		if (*value == '\0')
			return false;
		if (strcmp(name, "--port") == 0)
			s->port = (uint16_t)number;
		else if (strcmp(name, "--ping-interval") == 0)
			s->options.ping_interval_ms = (uint32_t)number;
		else if (strcmp(name, "--ping-timeout") == 0)
			s->options.ping_timeout_ms = (uint32_t)number;
		else if (strcmp(name, "--max-payload") == 0)
			s->options.max_payload = number;
		else if (strcmp(name, "--connect-timeout") == 0)
			s->join_ms = (uint32_t)number;
		else if (strcmp(name, "--out-max") == 0)
			s->options.out_max = number;
		else if (strcmp(name, "--sessions-max") == 0)
			s->options.sessions_max = number;
		else if (strcmp(name, "--oldest") == 0 && strcmp(value, "eio4") == 0)
			s->options.allows_eio3 = s->options.allows_09 = false;
		else if (strcmp(name, "--oldest") == 0 && strcmp(value, "eio3") == 0)
			s->options.allows_09 = false;
		else if (strcmp(name, "--oldest") != 0 || strcmp(value, "0.9") != 0)
			return false;
	}
	return s->options.ping_interval_ms != 0 && s->options.ping_timeout_ms != 0;
}

static bool start(struct server *s, struct err *e)
{
	struct http_server_options http = {
		.host = "127.0.0.1",
		.port = s->port,
		.connections_max = 4096,
		.body_max = s->options.max_payload,
		.request_us = 10000000,
		.idle_us = 60000000,
	};
	struct eio_server_options echo = s->options;

	s->options.path = "/socket.io/";
	echo.path = "/engine.io/";
	return http_server_new(&s->http, s->loop, &http, request, s, e) &&
		sio_server_new(&s->sockets, s->loop, &s->options, &socket_events, s, e) &&
		eio_server_new(&s->engine, s->loop, &echo, &echo_events, s, e);
}

static void stop(void *arg)
{
	struct server *s = arg;

	loop_stop(s->loop);
}

int main(int argc, char **argv)
{
	struct server s = {
		.options = { .ping_interval_ms = 300,
			.ping_timeout_ms = 200,
			.max_payload = 1000000,
			.out_max = (size_t)16 << 20,
			.sessions_max = 1000,
			.allows_eio3 = true,
			.allows_09 = true },
		.join_ms = SIO_JOIN_MS,
	};
	struct err e;
	bool ok;

	if (!read_options(&s, argc, argv)) {
		fprintf(stderr, "usage: test-socketio-server [OPTION VALUE]...\n");
		return 2;
	}
	(void)err_set(&e, ERR_NOMEM, "out of memory");
	s.loop = loop_new();
	if (s.loop == NULL || !loop_on_signal(s.loop, SIGTERM, stop, &s, &e) || !start(&s, &e)) {
		fprintf(stderr, "test-socketio-server: %s\n", e.text);
		return 1;
	}
	sio_server_set_join_ms(s.sockets, s.join_ms);
	printf("%u\n", http_server_port(s.http));
	(void)fflush(stdout);
	ok = loop_run(s.loop);
	sio_server_free(s.sockets);
	eio_server_free(s.engine);
	http_server_free(s.http);
	loop_free(s.loop);
	return ok ? 0 : 1;
}
