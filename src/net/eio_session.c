#include "net/eio_session.h"

#include "base/clock.h"
#include "base/map.h"
#include "proto/engineio3.h"
#include "proto/payload.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#define FAREWELL_US 30000000 /* for a polling client to fetch what waits */
#define QUEUE_LOW WS_SERVER_LOW
#define QUEUE_HIGH WS_SERVER_HIGH

static void heartbeat_due(void *arg);

/* ---- life ---- */

static struct eio_session_list *bucket_of(struct eio_server *server, const char *sid)
{
	return &server->table[map_hash(0, slice_of(sid)) & server->table_mask];
}

bool eio_sid_make(char out[EIO_SID_SIZE])
{
	unsigned char bytes[EIO_SID_BYTES];
	struct buf text;
	bool ok;

	buf_init(&text, EIO_SID_SIZE);
	ok = getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) &&
		payload_base64_encode((struct slice){ (const char *)bytes, sizeof(bytes) }, &text);
	for (size_t i = 0; ok && i < text.len; i++) {
		char c = text.data[i];

		out[i] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
	}
	out[EIO_SID_SIZE - 1] = '\0';
	buf_release(&text);
	return ok;
}

struct eio_session *eio_session_new(struct eio_server *server, const struct generation *generation)
{
	struct eio_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->heartbeat = timer_new(server->loop, heartbeat_due, s);
	if (s->heartbeat == NULL || !eio_sid_make(s->sid)) {
		timer_free(s->heartbeat);
		free(s);
		return NULL;
	}
	s->server = server;
	s->generation = generation;
	eio_queue_init(&s->queue, SIZE_MAX / 2); /* out_max is looked at before */
	LIST_INSERT_HEAD(&server->all, s, in_all);
	LIST_INSERT_HEAD(bucket_of(server, s->sid), s, in_table);
	s->is_listed = true;
	server->count++;
	server->live_count++;
	eio_session_heard(s);
	s->pinged_us = s->heard_us;
	timer_start(s->heartbeat, server->options.ping_interval_ms * (int64_t)1000);
	return s;
}

struct eio_session *eio_session_find(struct eio_server *server, const char *sid)
{
	struct eio_session *s;

	LIST_FOREACH(s, bucket_of(server, sid), in_table)
	if (slice_is(slice_of(s->sid), sid))
		return s;
	return NULL;
}

bool eio_session_open(struct eio_session *s, const struct http_exchange *x)
{
	s->arg = s->server->events->opened(s->server->arg, s, x);
	s->is_opened = s->arg != NULL;
	if (!s->is_opened)
		eio_session_fail(s, EIO_END_SERVER, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
	return s->is_opened;
}

/* ---- the end ---- */

static void destroy(struct eio_session *s)
{
	if (s->server != NULL) {
		LIST_REMOVE(s, in_all);
		s->server->count--;
	}
	eio_queue_release(&s->queue);
	free(s->why);
	free(s);
}

/* Tells the owner, once. */
static void tell(struct eio_session *s)
{
	static const struct err nomem = { ERR_NOMEM, "out of memory" };

	if (s->is_told)
		return;
	s->is_told = true;
	if (s->is_opened)
		s->server->events->closed(s->arg, s->end, s->why != NULL ? s->why : &nomem);
}

static bool holds_something(const struct eio_session *s)
{
	return s->ws != NULL || s->is_listed;
}

static void reaped(struct loop_reap *reap)
{
	struct eio_session *s = (struct eio_session *)(void *)((char *)reap -
		offsetof(struct eio_session, reap));

	s->is_reaping = false;
	tell(s);
	if (!holds_something(s))
		destroy(s);
}

static void reap_soon(struct eio_session *s)
{
	if (s->is_reaping)
		return;
	s->is_reaping = true;
	loop_reap_later(s->server->loop, &s->reap, reaped);
}

void eio_session_release(struct eio_session *s)
{
	assert(s->has_ended);
	if (s->is_listed)
		LIST_REMOVE(s, in_table);
	s->is_listed = false;
	if (s->is_dirty)
		LIST_REMOVE(s, in_dirty);
	s->is_dirty = false;
	if (s->poll != NULL)
		http_exchange_drop(s->poll);
	s->poll = NULL;
	if (s->in_doubt != 0)
		(void)http_receipt_end(&s->receipt);
	s->in_doubt = 0;
	eio_socket_drop_probe(s);
	ws_server_free(s->ws);
	s->ws = NULL;
	timer_free(s->heartbeat);
	s->heartbeat = NULL;
	reap_soon(s);
}

void eio_session_leave_websocket(struct eio_session *s)
{
	struct slice bye = SLICE_LITERAL("0::");

	if (s->generation == &generation_09 && s->is_opened)
		(void)!ws_server_send(s->ws, WS_OP_TEXT, bye);
	ws_server_close(s->ws, WS_CLOSE_NONE);
	if (s->is_listed)
		LIST_REMOVE(s, in_table);
	s->is_listed = false;
}

/* The client fetches what waits, and only then the close packet, by a poll of its own: one of
 * Socket.IO 4 would forget the events that come along with it. One that is upgrading, and may have
 * stopped to poll, gets it all by the WebSocket. */
static void leave_in_time(struct eio_session *s)
{
	s->owes_close = true;
	timer_start(s->heartbeat, FAREWELL_US);
	if (s->poll != NULL)
		eio_polling_flush_soon(s);
}

/* The last words to a client that polls. One that has closed the session needs none. */
static void leave_polling(struct eio_session *s, enum eio_leave leave)
{
	bool is_answer = s->end == EIO_END_CLIENT && s->generation->has_open;
	struct eio_packet last = { .type = is_answer ? EIO_NOOP : EIO_CLOSE };

	if ((s->poll == NULL && leave == EIO_LEAVE_NOW) ||
		!eio_queue_add(&s->queue, s->generation, &last)) {
		eio_session_release(s);
		return;
	}
	timer_start(s->heartbeat, FAREWELL_US);
	if (s->poll != NULL)
		eio_polling_flush_soon(s);
}

void eio_session_end(
	struct eio_session *s, enum eio_end end, enum eio_leave leave, const struct err *why)
{
	if (s->has_ended)
		return;
	s->has_ended = true;
	s->server->live_count--;
	s->end = end;
	s->why = malloc(sizeof(*s->why));
	if (s->why != NULL)
		*s->why = *why;
	timer_stop(s->heartbeat);
	if (leave != EIO_LEAVE_WAITED)
		eio_socket_drop_probe(s);
	if (leave == EIO_LEAVE_ABRUPTLY)
		eio_session_release(s);
	else if (s->ws != NULL)
		eio_session_leave_websocket(s);
	else if (leave == EIO_LEAVE_WAITED && s->generation->has_open)
		leave_in_time(s);
	else
		leave_polling(s, leave);
	reap_soon(s);
}

void eio_session_fail(struct eio_session *s, enum eio_end end, enum eio_leave leave,
	enum err_code code, const char *why)
{
	struct err e;

	(void)err_set(&e, code, "%s", why);
	eio_session_end(s, end, leave, &e);
}

void eio_session_abandon(struct eio_session *s)
{
	eio_session_fail(s, EIO_END_SERVER, EIO_LEAVE_ABRUPTLY, ERR_NONE, "the server stops");
	eio_session_release(s);
	tell(s);
	LIST_REMOVE(s, in_all);
	s->server->count--;
	s->server = NULL;
}

void eio_session_close(struct eio_session *s, bool abruptly)
{
	eio_session_fail(s, EIO_END_SERVER, abruptly ? EIO_LEAVE_ABRUPTLY : EIO_LEAVE_WAITED,
		ERR_NONE, "closed by the server");
}

/* ---- heartbeat ---- */

void eio_session_heard(struct eio_session *s)
{
	s->heard_us = clock_mono_us();
	s->is_pinged = false;
}

/* Sends a ping. In 0.9 a poll is answered with an empty packet instead, and must then be asked
 * again. */
static void ping(struct eio_session *s)
{
	struct eio_packet packet = { .type = EIO_PING };

	if (s->generation->client_pings)
		return;
	if (s->ws != NULL || s->generation->has_open)
		(void)!eio_session_put(s, &packet);
	else
		eio_polling_release(s);
}

/* A client of Engine.IO 4 owes an answer to each ping. Elsewhere any packet will do: some clients
 * of 0.9 send heartbeats of their own and answer none, and in Engine.IO 3 the client pings. 0.9
 * counts in whole seconds. */
static int64_t deadline(const struct eio_session *s)
{
	int64_t interval_us = s->server->options.ping_interval_ms * (int64_t)1000;
	int64_t timeout_us = s->server->options.ping_timeout_ms * (int64_t)1000;

	if (s->generation == &generation_eio4)
		return s->is_pinged ? s->pinged_us + timeout_us : INT64_MAX;
	if (s->generation == &generation_09)
		timeout_us += 1000000;
	return s->heard_us + interval_us + timeout_us;
}

/* While data waits to be sent a client cannot have seen the ping behind it: whether it reads is
 * judged there. */
static bool is_excused(const struct eio_session *s)
{
	return s->ws != NULL && ws_server_pending(s->ws) != 0;
}

/* The client of Engine.IO 4 has not answered the last ping. */
static bool owes_pong(const struct eio_session *s)
{
	return s->generation == &generation_eio4 && s->is_pinged;
}

static void heartbeat_due(void *arg)
{
	struct eio_session *s = arg;
	int64_t interval_us = s->server->options.ping_interval_ms * (int64_t)1000;
	int64_t now = clock_mono_us();
	int64_t due;

	if (s->has_ended) { /* the farewell took too long */
		eio_session_release(s);
		return;
	}
	if (now >= deadline(s) && is_excused(s))
		eio_session_heard(s);
	if (now >= deadline(s)) {
		eio_session_fail(s, EIO_END_HEARTBEAT, EIO_LEAVE_NOW, ERR_TIMEOUT,
			"the client was silent for longer than its heartbeat allows");
		return;
	}
	if (!owes_pong(s) && now >= s->pinged_us + interval_us) {
		s->is_pinged = true;
		s->pinged_us = now;
		ping(s);
		if (s->has_ended)
			return;
	}
	due = deadline(s);
	if (!owes_pong(s) && due > s->pinged_us + interval_us)
		due = s->pinged_us + interval_us;
	timer_start(s->heartbeat, due - now);
}

/* ---- sending ---- */

size_t eio_session_pending(const struct eio_session *s)
{
	return s->ws != NULL ? ws_server_pending(s->ws) : eio_queue_size(&s->queue);
}

bool eio_session_is_full(const struct eio_session *s)
{
	return s->is_full;
}

static void weigh(struct eio_session *s)
{
	if (eio_session_pending(s) > QUEUE_HIGH)
		s->is_full = true;
}

void eio_session_lightened(struct eio_session *s)
{
	if (!s->is_full || s->has_ended)
		return;
	s->is_full = false;
	s->server->events->drained(s->arg);
}

static bool put_websocket(struct eio_session *s, const struct eio_packet *packet)
{
	struct buf *scratch = &s->server->scratch;
	bool is_binary;

	buf_reset(scratch, WS_SERVER_HIGH);
	if (!s->generation->packet_encode(GENERATION_SERVER, packet, scratch, &is_binary)) {
		eio_session_fail(s, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
		return false;
	}
	return ws_server_send(s->ws, is_binary ? WS_OP_BINARY : WS_OP_TEXT, buf_slice(scratch));
}

static bool put_polling(struct eio_session *s, const struct eio_packet *packet)
{
	if (eio_queue_size(&s->queue) >= s->server->options.out_max) {
		eio_session_fail(s, EIO_END_STUCK, EIO_LEAVE_NOW, ERR_LIMIT,
			"the client reads more slowly than is sent to it");
		return false;
	}
	if (!eio_queue_add(&s->queue, s->generation, packet)) {
		eio_session_fail(s, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
		return false;
	}
	if (s->poll != NULL)
		eio_polling_flush_soon(s);
	return true;
}

bool eio_session_put(struct eio_session *s, const struct eio_packet *packet)
{
	bool ok;

	if (s->has_ended)
		return false;
	ok = s->ws != NULL ? put_websocket(s, packet) : put_polling(s, packet);
	if (ok)
		weigh(s);
	return ok;
}

bool eio_session_send(struct eio_session *s, bool is_binary, struct slice data)
{
	struct eio_packet packet = { EIO_MESSAGE, is_binary, data };

	return eio_session_put(s, &packet);
}

bool eio_session_takes_frames(const struct eio_session *s)
{
	return !s->has_ended && s->ws != NULL && ws_server_takes_frames(s->ws);
}

bool eio_session_send_frames(struct eio_session *s, struct slice frames)
{
	assert(s->has_ended || eio_session_takes_frames(s));
	if (s->has_ended || !ws_server_send_frames(s->ws, frames))
		return false;
	weigh(s);
	return true;
}

/* ---- receiving ---- */

static void break_off(struct eio_session *s, const char *why)
{
	eio_session_fail(s, EIO_END_BROKEN, EIO_LEAVE_NOW, ERR_PROTOCOL, why);
}

static void take_packet(struct eio_session *s, const struct eio_packet *packet)
{
	struct eio_packet pong = { .type = EIO_PONG };

	switch (packet->type) {
	case EIO_MESSAGE:
		s->server->events->message(s->arg, packet->is_binary, packet->data);
		break;
	case EIO_PING:
		if (s->generation->client_pings)
			(void)!eio_session_put(s, &pong);
		else
			break_off(s, "a ping from a client, which has to answer ours");
		break;
	case EIO_CLOSE:
		eio_session_fail(s, EIO_END_CLIENT, EIO_LEAVE_NOW, ERR_NONE,
			"the client closed the session");
		break;
	case EIO_OPEN:
		break_off(s, "an open packet from a client");
		break;
	case EIO_PONG:
	case EIO_UPGRADE:
	case EIO_NOOP:
		break;
	}
}

static void take_message(struct eio_session *s, bool is_binary, struct slice message)
{
	struct eio_packet packet;
	struct err e;

	if (s->generation->packet_decode(GENERATION_SERVER, is_binary, message, &packet, &e))
		take_packet(s, &packet);
	else
		eio_session_end(s, EIO_END_BROKEN, EIO_LEAVE_NOW, &e);
}

/* Clients of Socket.IO 1 send bytes as text. */
static void take_base64(struct eio_session *s, struct slice text)
{
	struct buf bytes;

	buf_init(&bytes, text.len);
	if (eio3_base64_undo(text, &bytes))
		take_message(s, true, buf_slice(&bytes));
	else
		break_off(s, "a binary packet that is not base64");
	buf_release(&bytes);
}

void eio_session_take(struct eio_session *s, bool is_binary, struct slice message)
{
	if (s->has_ended)
		return;
	eio_session_heard(s);
	if (!is_binary && s->generation == &generation_eio3 && message.len != 0 &&
		*message.ptr == 'b')
		take_base64(s, message);
	else
		take_message(s, is_binary, message);
}

/* ---- what it is ---- */

const struct generation *eio_session_generation(const struct eio_session *s)
{
	return s->generation;
}

const char *eio_session_sid(const struct eio_session *s)
{
	return s->sid;
}

const char *eio_session_transport(const struct eio_session *s)
{
	return s->ws != NULL ? "websocket" : "polling";
}
