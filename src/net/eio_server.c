#include "net/eio_server.h"

#include "base/log.h"
#include "net/eio_reply.h"
#include "net/eio_session.h"
#include "proto/socketio09.h"

#include <assert.h>
#include <stdlib.h>

#define TABLE_MAX ((size_t)1 << 16)
#define FORBIDDEN_09 "handshake unauthorized"
#define UNKNOWN_09 "7:::1+0" /* "client not handshaken", "reconnect" */

/* ---- life ---- */

static void flush_dirty(void *arg)
{
	struct eio_server *server = arg;

	while (!LIST_EMPTY(&server->dirty)) {
		struct eio_session *s = LIST_FIRST(&server->dirty);

		LIST_REMOVE(s, in_dirty);
		s->is_dirty = false;
		eio_polling_flush(s);
	}
}

/* As many buckets as there may be sessions, within reason. */
static bool make_table(struct eio_server *server)
{
	size_t size = 64;

	while (size < server->options.sessions_max && size < TABLE_MAX)
		size *= 2;
	server->table = calloc(size, sizeof(*server->table));
	server->table_mask = size - 1;
	return server->table != NULL;
}

bool eio_server_new(struct eio_server **out, struct loop *l,
	const struct eio_server_options *options, const struct eio_server_events *events, void *arg,
	struct err *e)
{
	struct eio_server *server = calloc(1, sizeof(*server));

	assert(options->ping_interval_ms != 0 && options->ping_timeout_ms != 0);
	if (server == NULL)
		return err_set(e, ERR_NOMEM, "cannot serve '%s': out of memory", options->path);
	server->loop = l;
	server->options = *options;
	server->events = events;
	server->arg = arg;
	buf_init(&server->scratch, SIZE_MAX / 2);
	server->flush = timer_new(l, flush_dirty, server);
	if (server->flush == NULL || !make_table(server)) {
		timer_free(server->flush);
		free(server);
		return err_set(e, ERR_NOMEM, "cannot serve '%s': out of memory", options->path);
	}
	*out = server;
	return true;
}

void eio_server_free(struct eio_server *server)
{
	if (server == NULL)
		return;
	while (!LIST_EMPTY(&server->all))
		eio_session_abandon(LIST_FIRST(&server->all));
	timer_free(server->flush);
	buf_release(&server->scratch);
	free(server->table);
	free(server);
}

size_t eio_server_sessions(const struct eio_server *server)
{
	return server->live_count;
}

/* ---- refusals ---- */

static void refuse(struct http_exchange *x, const struct eio_refusal *refusal)
{
	eio_reply(x, refusal->status, *refusal->body == '{' ? EIO_TYPE_JSON : EIO_TYPE_TEXT,
		slice_of(refusal->body));
}

/* May this client begin a session? If not it has been answered. */
static bool admit(
	struct eio_server *server, struct http_exchange *x, const struct generation *generation)
{
	struct eio_refusal refusal = { .status = 403,
		.body = generation->has_open ? eio_error_body(EIO_ERROR_FORBIDDEN) : FORBIDDEN_09 };

	if (server->count >= server->options.sessions_max)
		refusal = (struct eio_refusal){ 503, "too many clients" };
	else if (server->events->admit == NULL ||
		server->events->admit(server->arg, generation, x, &refusal))
		return true;
	refuse(x, &refusal);
	return false;
}

/* A session for a client that was admitted, with the first packet queued. If it fails, the request
 * was answered. */
static struct eio_session *begin(
	struct eio_server *server, struct http_exchange *x, const struct generation *generation)
{
	struct eio_session *s = eio_session_new(server, generation);

	if (s == NULL)
		refuse(x, &(struct eio_refusal){ 503, "out of memory" });
	return s;
}

/* ---- Engine.IO ---- */

/* Appends the packet that opens a session. */
static bool append_open(const struct eio_session *s, bool is_polling, struct buf *out)
{
	const struct eio_server_options *o = &s->server->options;
	struct eio_open open = {
		.ping_interval_ms = o->ping_interval_ms,
		.ping_timeout_ms = o->ping_timeout_ms,
		.max_payload = s->generation == &generation_eio4 ? o->max_payload : 0,
		.upgrades_websocket = is_polling,
	};

	memcpy(open.sid, s->sid, sizeof(s->sid));
	return eio_open_encode(&open, out);
}

static bool queue_open(struct eio_session *s, bool is_polling)
{
	struct eio_packet packet = { .type = EIO_OPEN };
	struct buf data;
	bool ok;

	buf_init(&data, 1024);
	ok = append_open(s, is_polling, &data);
	packet.data = buf_slice(&data);
	ok = ok && eio_queue_add(&s->queue, s->generation, &packet);
	buf_release(&data);
	return ok;
}

/* The answer is the open packet alone, as some clients read no further; what the owner says at once
 * goes with the next poll. */
static void open_polling(
	struct eio_session *s, struct http_exchange *x, const struct eio_request *r)
{
	bool is_binary = s->generation == &generation_eio3 && !r->takes_text;
	struct eio_framing framing = { .generation = s->generation, .is_binary = is_binary };
	struct buf body;
	size_t at;

	buf_init(&body, 2048);
	if (queue_open(s, true) && eio_queue_body(&s->queue, &framing, &body, &at)) {
		eio_queue_drop(&s->queue, at);
		if (eio_session_open(s, x))
			eio_reply(x, 200, is_binary ? EIO_TYPE_BINARY : EIO_TYPE_TEXT,
				buf_slice(&body));
		else
			refuse(x, &(struct eio_refusal){ 503, "out of memory" });
	} else {
		eio_session_fail(s, EIO_END_SERVER, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
		refuse(x, &(struct eio_refusal){ 503, "out of memory" });
	}
	buf_release(&body);
}

/* The owner sees the handshake before it is answered. If the session has ended by then, the client
 * hears of it over its WebSocket. */
static void open_websocket(struct eio_session *s, struct http_exchange *x)
{
	struct err e;

	(void)err_set(&e, ERR_NOMEM, "out of memory");
	if (!queue_open(s, false) || !eio_session_open(s, x)) {
		eio_session_end(s, EIO_END_SERVER, EIO_LEAVE_ABRUPTLY, &e);
		refuse(x, &(struct eio_refusal){ 503, "out of memory" });
		return;
	}
	if (s->has_ended && !s->is_listed) {
		http_exchange_drop(x);
		return;
	}
	if (!eio_socket_accept(s, x, &e))
		eio_session_end(s, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, &e);
	else if (s->has_ended)
		ws_server_close(s->ws, WS_CLOSE_NONE);
}

static void handshake(
	struct eio_server *server, struct http_exchange *x, const struct eio_request *r)
{
	struct eio_session *s;

	if (!slice_is(http_exchange_method(x), "GET")) {
		eio_reply_error(x, EIO_ERROR_METHOD);
		return;
	}
	if ((r->transport == EIO_WEBSOCKET) != ws_server_is_upgrade(x)) {
		eio_reply_error(x, EIO_ERROR_REQUEST);
		return;
	}
	if (r->generation == NULL ||
		(r->generation == &generation_eio3 && !server->options.allows_eio3)) {
		eio_reply_error(x, EIO_ERROR_VERSION);
		return;
	}
	if (!admit(server, x, r->generation))
		return;
	s = begin(server, x, r->generation);
	if (s == NULL)
		return;
	if (r->transport == EIO_WEBSOCKET)
		open_websocket(s, x);
	else
		open_polling(s, x, r);
}

/* A request of a session. Its revision is what the handshake said. */
static void take_session(
	struct eio_session *s, struct http_exchange *x, const struct eio_request *r)
{
	struct slice method = http_exchange_method(x);

	if (r->transport == EIO_WEBSOCKET && ws_server_is_upgrade(x))
		eio_socket_probe(s, x);
	else if (r->transport == EIO_WEBSOCKET || s->ws != NULL || ws_server_is_upgrade(x))
		eio_reply_error(x, EIO_ERROR_REQUEST);
	else if (slice_is(method, "GET"))
		eio_polling_get(s, x, r);
	else if (slice_is(method, "POST"))
		eio_polling_post(s, x);
	else
		eio_reply_error(x, EIO_ERROR_REQUEST);
}

static void take_engine(
	struct eio_server *server, struct http_exchange *x, const struct eio_request *r)
{
	struct eio_session *s = NULL;

	if (r->has_sid)
		s = eio_session_find(server, r->sid);
	if (r->transport == EIO_OTHER)
		eio_reply_error(x, EIO_ERROR_TRANSPORT);
	else if (!r->has_sid)
		handshake(server, x, r);
	else if (s == NULL || s->generation == &generation_09)
		eio_reply_error(x, EIO_ERROR_SID);
	else
		take_session(s, x, r);
}

/* ---- 0.9 ---- */

/* The answer says for how long the server may be silent. */
static void handshake_09(struct eio_server *server, struct http_exchange *x)
{
	const struct eio_server_options *o = &server->options;
	struct sio09_handshake answer = {
		.heartbeat_ms = o->ping_interval_ms + o->ping_timeout_ms,
		.close_ms = o->ping_interval_ms + o->ping_timeout_ms,
		.has_websocket = true,
		.has_polling = true,
	};
	struct eio_session *s;
	struct buf body;

	if (!admit(server, x, &generation_09))
		return;
	s = begin(server, x, &generation_09);
	if (s == NULL)
		return;
	memcpy(answer.sid, s->sid, sizeof(s->sid));
	buf_init(&body, 1024);
	if (sio09_handshake_encode(&answer, &body) && eio_session_open(s, x)) {
		eio_reply(x, 200, EIO_TYPE_TEXT, buf_slice(&body));
	} else {
		eio_session_fail(s, EIO_END_SERVER, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
		refuse(x, &(struct eio_refusal){ 503, "out of memory" });
	}
	buf_release(&body);
}

/* The client has its WebSocket. One that it had before, or a poll, is dead, or it would not come
 * again. */
static void connect_09(struct eio_session *s, struct http_exchange *x)
{
	struct err e;

	ws_server_free(s->ws);
	s->ws = NULL;
	if (s->poll != NULL)
		http_exchange_drop(s->poll);
	s->poll = NULL;
	eio_polling_settle(s);
	if (s->has_ended)
		http_exchange_drop(x);
	else if (eio_socket_accept(s, x, &e))
		eio_session_heard(s);
}

static void take_session_09(
	struct eio_session *s, struct http_exchange *x, const struct eio_request *r)
{
	struct slice method = http_exchange_method(x);

	if (r->disconnects) {
		eio_session_fail(s, EIO_END_CLIENT, EIO_LEAVE_NOW, ERR_NONE,
			"the client closed the session");
		eio_reply(x, 200, EIO_TYPE_TEXT, (struct slice){ "", 0 });
	} else if (r->transport == EIO_WEBSOCKET) {
		connect_09(s, x);
	} else if (s->ws != NULL) {
		eio_reply(x, 200, EIO_TYPE_TEXT, slice_of(UNKNOWN_09));
	} else if (slice_is(method, "POST")) {
		eio_polling_post(s, x);
	} else {
		eio_polling_get(s, x, r);
	}
}

static void take_unknown_09(
	struct eio_server *server, struct http_exchange *x, const struct eio_request *r)
{
	bool is_post = slice_is(http_exchange_method(x), "POST");

	if (r->disconnects)
		eio_reply(x, 200, EIO_TYPE_TEXT, (struct slice){ "", 0 });
	else if (r->transport == EIO_WEBSOCKET)
		eio_socket_turn_away(server, &generation_09, x, slice_of(UNKNOWN_09));
	else
		eio_reply(x, 200, EIO_TYPE_TEXT,
			slice_of(is_post ? generation_09.post_answer : UNKNOWN_09));
}

/* A transport that is not there is answered with the end of the connection. */
static void take_09(struct eio_server *server, struct http_exchange *x, const struct eio_request *r)
{
	struct eio_session *s = NULL;

	if (!server->options.allows_09) {
		eio_reply_error(x, EIO_ERROR_TRANSPORT);
		return;
	}
	if (!r->has_sid) {
		handshake_09(server, x);
		return;
	}
	s = eio_session_find(server, r->sid);
	if (s != NULL && s->generation != &generation_09)
		s = NULL;
	if (!r->disconnects &&
		(r->transport == EIO_OTHER ||
			(r->transport == EIO_WEBSOCKET) != ws_server_is_upgrade(x)))
		http_exchange_drop(x);
	else if (s == NULL)
		take_unknown_09(server, x, r);
	else
		take_session_09(s, x, r);
}

bool eio_server_take(struct eio_server *server, struct http_exchange *x)
{
	struct eio_request r;

	if (!eio_request_read(
		    server->options.path, http_exchange_path(x), http_exchange_query(x), &r))
		return false;
	if (slice_is(http_exchange_method(x), "OPTIONS"))
		eio_reply_options(x);
	else if (r.generation == &generation_09)
		take_09(server, x, &r);
	else
		take_engine(server, x, &r);
	return true;
}
