/* WebSockets: as a session's transport from the start, or as one that takes over from polling. */
#include "net/eio_reply.h"
#include "net/eio_session.h"

#include <assert.h>

#define UPGRADE_US 10000000 /* for a probe to become the transport */

/* ---- the transport ---- */

static void socket_message(void *arg, enum ws_opcode opcode, struct slice payload)
{
	eio_session_take(arg, opcode == WS_OP_BINARY, payload);
}

static void socket_drained(void *arg)
{
	eio_session_lightened(arg);
}

static void socket_ended(void *arg, enum ws_server_end how, const struct err *e)
{
	static const enum eio_end ends[] = {
		[WS_SERVER_CLOSED] = EIO_END_CLIENT,
		[WS_SERVER_LOST] = EIO_END_LOST,
		[WS_SERVER_BROKEN] = EIO_END_BROKEN,
		[WS_SERVER_STUCK] = EIO_END_STUCK,
	};
	struct eio_session *s = arg;

	ws_server_free(s->ws);
	s->ws = NULL;
	if (s->has_ended)
		eio_session_release(s);
	else
		eio_session_end(s, ends[how], EIO_LEAVE_ABRUPTLY, e);
}

static const struct ws_server_events socket_events = {
	.message = socket_message,
	.drained = socket_drained,
	.ended = socket_ended,
};

static struct ws_server_options socket_options(const struct eio_server *server)
{
	const struct eio_server_options *o = &server->options;

	return (struct ws_server_options){
		.message_max = o->max_payload,
		.out_max = o->out_max,
		.stuck_us = ((int64_t)o->ping_interval_ms + o->ping_timeout_ms) * 1000,
	};
}

/* What waited for a poll goes over the WebSocket. */
static void pour(struct eio_session *s)
{
	struct slice message;
	bool is_binary;
	size_t at = 0;

	while (eio_queue_next(&s->queue, &at, &is_binary, &message) &&
		ws_server_send(s->ws, is_binary ? WS_OP_BINARY : WS_OP_TEXT, message))
		;
	eio_queue_release(&s->queue);
	if (ws_server_pending(s->ws) <= WS_SERVER_HIGH)
		eio_session_lightened(s);
}

bool eio_socket_accept(struct eio_session *s, struct http_exchange *x, struct err *e)
{
	struct ws_server_options options = socket_options(s->server);

	assert(s->ws == NULL && s->poll == NULL);
	if (!ws_server_accept(&s->ws, s->server->loop, x, &options, &socket_events, s, e))
		return false;
	pour(s);
	return true;
}

/* ---- the upgrade ---- */

void eio_socket_drop_probe(struct eio_session *s)
{
	timer_free(s->upgrade);
	s->upgrade = NULL;
	ws_server_free(s->probe);
	s->probe = NULL;
	s->is_probed = false;
}

/* The probe becomes the transport. */
static void take_over(struct eio_session *s)
{
	eio_polling_release(s);
	if (s->probe == NULL) /* that was the end */
		return;
	s->ws = s->probe;
	s->probe = NULL;
	ws_server_set_events(s->ws, &socket_events, s);
	eio_socket_drop_probe(s); /* its timer */
	eio_session_heard(s);
	pour(s);
	if (s->has_ended)
		eio_session_leave_websocket(s);
}

/* The client asks whether the WebSocket works. A poll that is held must return before it goes
 * on. */
static void answer_probe(struct eio_session *s)
{
	if (!ws_server_send(s->probe, WS_OP_TEXT, slice_of("3probe")))
		return;
	s->is_probed = true;
	eio_session_heard(s);
	eio_polling_release(s);
}

static void probe_message(void *arg, enum ws_opcode opcode, struct slice payload)
{
	struct eio_session *s = arg;

	if (opcode == WS_OP_TEXT && slice_is(payload, "2probe"))
		answer_probe(s);
	else if (opcode == WS_OP_TEXT && slice_is(payload, "5") && s->is_probed)
		take_over(s);
	else
		eio_socket_drop_probe(s);
}

static void probe_ended(void *arg, enum ws_server_end how, const struct err *e)
{
	(void)how;
	(void)e;
	eio_socket_drop_probe(arg);
}

static void probe_late(void *arg)
{
	eio_socket_drop_probe(arg);
}

static const struct ws_server_events probe_events = {
	.message = probe_message,
	.ended = probe_ended,
};

void eio_socket_probe(struct eio_session *s, struct http_exchange *x)
{
	struct ws_server_options options = socket_options(s->server);
	struct err e;

	if (s->ws != NULL || s->probe != NULL || s->has_ended) {
		eio_socket_turn_away(s->server, s->generation, x, (struct slice){ NULL, 0 });
		return;
	}
	s->upgrade = timer_new(s->server->loop, probe_late, s);
	if (s->upgrade == NULL) {
		http_exchange_drop(x);
		return;
	}
	if (ws_server_accept(&s->probe, s->server->loop, x, &options, &probe_events, s, &e))
		timer_start(s->upgrade, UPGRADE_US);
	else
		eio_socket_drop_probe(s);
}

void eio_socket_turn_away(struct eio_server *server, const struct generation *generation,
	struct http_exchange *x, struct slice words)
{
	struct eio_packet packet = { .type = EIO_MESSAGE, .data = words };
	struct eio_session *s = NULL;
	struct err e;

	if (server->count < server->options.sessions_max)
		s = eio_session_new(server, generation);
	if (s == NULL) {
		http_exchange_drop(x);
		return;
	}
	if ((words.len == 0 || eio_queue_add(&s->queue, generation, &packet)) &&
		eio_socket_accept(s, x, &e))
		eio_session_fail(s, EIO_END_SERVER, EIO_LEAVE_NOW, ERR_DENIED, "turned away");
	else
		eio_session_fail(s, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NETWORK, "turned away");
}
