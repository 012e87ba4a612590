#include "record/engine.h"

#include "base/clock.h"
#include "base/log.h"
#include "record/polling.h"
#include "record/upgrade.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A server of generation 3 joins in the same breath as its open packet; longer it need not be waited for. */
#define GREETING_US 200000
#define CLOSE_TIMEOUT_US 1000000
#define CLOSE_TICK_US 10000
#define MESSAGE_MAX ((size_t)2 << 20) /* of what we send */
#define MESSAGE_KEEP ((size_t)64 << 10)

enum state { APPROACHING, GREETING, OPEN, CLOSING, OVER };

struct engine {
	struct loop_reap reap;
	struct access access;
	struct secret *token; /* ours: polls repeat it */
	struct approach_memory *memory;
	const struct engine_events *events;
	void *arg;
	enum state state;
	struct approach *approach;
	struct ws_client *ws; /* one of these two while open */
	struct polling *polling;
	struct upgrade *upgrade;
	const struct generation *generation; /* NULL while not settled */
	struct eio_open open;
	struct timer *phase;     /* the ends of greeting and closing */
	struct timer *heartbeat; /* the peer is silent */
	struct timer *ping;      /* where the client sends them */
	int64_t arrived_us;      /* monotonic: the last bytes */
	int64_t close_us;        /* monotonic: closing ends then at the latest */
	struct buf packet;       /* scratch for what is sent */
	bool may_upgrade;
	bool has_opened; /* polling: its open packet has been passed over */
	bool is_paused;
	enum session_end end; /* why CLOSING */
	char detail[ERR_TEXT_MAX];
};

static void destroy(struct loop_reap *reap)
{
	struct engine *e = (struct engine *)(void *)((char *)reap - offsetof(struct engine, reap));

	secret_free(e->token);
	buf_release(&e->packet);
	free(e);
}

/* Lets go of everything that could fire. */
static void silence(struct engine *e)
{
	e->state = OVER;
	approach_free(e->approach);
	upgrade_free(e->upgrade);
	polling_free(e->polling);
	ws_client_free(e->ws);
	e->approach = NULL;
	e->upgrade = NULL;
	e->polling = NULL;
	e->ws = NULL;
	timer_free(e->phase);
	timer_free(e->heartbeat);
	timer_free(e->ping);
	e->phase = NULL;
	e->heartbeat = NULL;
	e->ping = NULL;
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	silence(e);
	loop_reap_later(e->access.loop, &e->reap, destroy);
}

static void finish(struct engine *e, enum session_end why, const char *detail)
{
	char text[ERR_TEXT_MAX];

	if (e->state == OVER)
		return;
	(void)snprintf(text, sizeof(text), "%s", detail); /* it may lie in what is freed now */
	silence(e);
	e->events->ended(e->arg, why, text);
}

/* ---- sending ---- */

static bool send_message(void *arg, struct slice message)
{
	struct engine *e = arg;

	return e->polling != NULL ? polling_send(e->polling, message)
				  : e->ws != NULL && ws_client_send(e->ws, WS_OP_TEXT, message);
}

static bool send_packet(struct engine *e, enum eio_type type, struct slice data)
{
	struct eio_packet packet = { .type = type, .data = data };
	bool is_binary = false;

	buf_reset(&e->packet, MESSAGE_KEEP);
	return e->generation->packet_encode(GENERATION_CLIENT, &packet, &e->packet, &is_binary) &&
		send_message(e, buf_slice(&e->packet));
}

bool engine_send(struct engine *e, struct slice text)
{
	return (e->state == OPEN || e->state == CLOSING) && send_packet(e, EIO_MESSAGE, text);
}

size_t engine_pending(const struct engine *e)
{
	if (e->polling != NULL)
		return polling_pending(e->polling);
	return e->ws != NULL ? ws_client_pending(e->ws) : 0;
}

/* ---- the end ---- */

void engine_close(struct engine *e, enum session_end why, const char *detail)
{
	bool was_open = e->state == OPEN;

	if (e->state == CLOSING || e->state == OVER)
		return;
	e->state = CLOSING;
	e->end = why;
	(void)snprintf(e->detail, sizeof(e->detail), "%s", detail);
	timer_stop(e->heartbeat);
	timer_stop(e->ping);
	upgrade_free(e->upgrade);
	e->upgrade = NULL;
	if (e->ws != NULL) {
		timer_stop(e->phase);
		ws_client_close(
			e->ws, why == SESSION_PROTOCOL ? WS_CLOSE_PROTOCOL : WS_CLOSE_NORMAL);
		return;
	}
	e->close_us = clock_mono_us();
	if (e->polling != NULL && was_open) {
		polling_drain(e->polling, false);
		e->close_us += CLOSE_TIMEOUT_US;
		if (e->generation->has_open)
			(void)!send_packet(e, EIO_CLOSE, (struct slice){ 0 });
	}
	timer_start(e->phase, 0);
}

static void give_up_overloaded(struct engine *e)
{
	engine_close(e, SESSION_OVERLOAD,
		"out of memory, or the server does not read what is sent to it");
}

/* The connection is over by itself. */
static void lose(struct engine *e, enum session_end why, const char *detail)
{
	if (e->state == CLOSING)
		finish(e, e->end, e->detail);
	else
		finish(e, why, detail);
}

/* ---- the heartbeat ---- */

static int64_t heartbeat_limit(const struct engine *e)
{
	return ((int64_t)e->open.ping_interval_ms + e->open.ping_timeout_ms) * 1000;
}

/* Fires when the peer may have been silent for too long; any byte counts as life. */
static void heartbeat_due(void *arg)
{
	struct engine *e = arg;
	int64_t left = e->arrived_us + heartbeat_limit(e) - clock_mono_us();
	char detail[96];

	if (left > 0 || e->is_paused) {
		timer_start(e->heartbeat, left > 0 ? left : heartbeat_limit(e));
		return;
	}
	(void)snprintf(detail, sizeof(detail), "nothing came for %lld ms",
		(long long)heartbeat_limit(e) / 1000);
	finish(e, SESSION_HEARTBEAT, detail); /* nobody is there to say goodbye to */
}

static void ping_due(void *arg)
{
	struct engine *e = arg;

	timer_start(e->ping, (int64_t)e->open.ping_interval_ms * 1000);
	if (!send_packet(e, EIO_PING, (struct slice){ 0 }))
		give_up_overloaded(e);
}

/* ---- receiving ---- */

static void start_upgrade(struct engine *e);

static void adopt(struct engine *e, const struct generation *g)
{
	e->generation = g;
	e->memory->generation = g;
	if (g->client_pings)
		timer_start(e->ping, (int64_t)e->open.ping_interval_ms * 1000);
	else
		timer_stop(e->ping);
}

/* The generation is known. */
static void settle(struct engine *e, const struct generation *g)
{
	adopt(e, g);
	timer_stop(e->phase);
	e->state = OPEN;
	e->events->opened(e->arg);
	if (e->state == OPEN && e->polling != NULL && e->may_upgrade && g->can_upgrade &&
		e->open.upgrades_websocket)
		start_upgrade(e);
}

void engine_revise(struct engine *e, const struct generation *g)
{
	adopt(e, g);
}

/* Bytes that are no packet are kept before the connection ends over them. */
static void take_bad(struct engine *e, const char *why, struct slice bytes)
{
	e->events->rejected(e->arg, why, bytes);
	engine_close(e, SESSION_PROTOCOL, why);
}

static void take_packet(
	struct engine *e, const struct eio_packet *packet, bool is_binary, struct slice message)
{
	switch (packet->type) {
	case EIO_OPEN:
		if (e->polling == NULL || e->has_opened)
			engine_close(e, SESSION_PROTOCOL, "a second open packet came");
		e->has_opened = true;
		break;
	case EIO_PING:
		if (e->state == OPEN && !send_packet(e, EIO_PONG, packet->data))
			give_up_overloaded(e);
		break;
	case EIO_MESSAGE:
		e->events->message(e->arg, is_binary, packet->data, message);
		break;
	case EIO_CLOSE:
		engine_close(e, SESSION_ENGINE_CLOSED,
			"the server closes the session (Engine.IO close)");
		break;
	case EIO_PONG:
	case EIO_UPGRADE:
	case EIO_NOOP:
		break;
	}
}

static void take_message(void *arg, bool is_binary, struct slice message)
{
	struct engine *e = arg;
	struct eio_packet packet;
	struct err err;

	/* Only a server that joins unasked speaks before it is spoken to. */
	if (e->state == GREETING)
		settle(e, &generation_eio3);
	if (e->state == OVER)
		return;
	if (e->generation->packet_decode(GENERATION_CLIENT, is_binary, message, &packet, &err))
		take_packet(e, &packet, is_binary, message);
	else
		take_bad(e, err.text, message);
}

/* A part of something: a sign of life, and nothing received yet. */
static void take_stirred(void *arg)
{
	struct engine *e = arg;

	e->arrived_us = clock_mono_us();
}

static void take_arrived(void *arg)
{
	struct engine *e = arg;

	e->arrived_us = clock_mono_us();
	e->events->arrived(e->arg);
}

/* ---- the WebSocket ---- */

static void ws_opened(void *arg)
{
	(void)arg; /* it was open when it became ours */
}

static void ws_message(void *arg, enum ws_result kind, const struct ws_message *message)
{
	struct engine *e = arg;
	char reason[96];

	switch (kind) {
	case WS_TOO_LARGE:
		(void)snprintf(reason, sizeof(reason),
			"too large: %llu bytes, of which %zu are kept",
			(unsigned long long)message->total, message->payload.len);
		e->events->rejected(e->arg, reason, message->payload);
		break;
	case WS_BAD:
		e->events->rejected(e->arg, "bad UTF-8", message->payload);
		break;
	default:
		take_message(e, kind == WS_BINARY, message->payload);
		break;
	}
}

static void ws_ended(void *arg, const struct ws_end *end)
{
	struct engine *e = arg;

	lose(e, session_end_of(end, e->token != NULL), end->e.text);
}

static const struct ws_client_events ws_events = {
	.opened = ws_opened,
	.arrived = take_arrived,
	.message = ws_message,
	.ended = ws_ended,
};

/* ---- long-polling, and from there to a WebSocket ---- */

static void polling_bad(void *arg, const char *why, struct slice body)
{
	struct engine *e = arg;

	e->events->rejected(e->arg, why, body);
}

static void polling_ended(void *arg, enum session_end why, const char *detail)
{
	lose(arg, why, detail);
}

/* Nothing is under way on polling any more: the WebSocket takes over. */
static void polling_drained(void *arg)
{
	struct engine *e = arg;
	struct polling *old = e->polling;

	if (e->upgrade == NULL)
		return;
	e->ws = upgrade_take(e->upgrade);
	ws_client_set_events(e->ws, &ws_events, e);
	ws_client_pause(e->ws, e->is_paused);
	upgrade_free(e->upgrade);
	e->upgrade = NULL;
	e->polling = NULL;
	e->memory->no_websocket = false;
	if (!send_packet(e, EIO_UPGRADE, (struct slice){ 0 }) ||
		!polling_take(old, send_message, e))
		give_up_overloaded(e);
	polling_free(old);
	e->events->upgraded(e->arg);
}

static const struct polling_events polling_events = {
	.stirred = take_stirred,
	.arrived = take_arrived,
	.message = take_message,
	.bad = polling_bad,
	.drained = polling_drained,
	.ended = polling_ended,
};

static void upgrade_probed(void *arg)
{
	struct engine *e = arg;

	polling_drain(e->polling, true);
}

static void upgrade_failed(void *arg, const char *why)
{
	struct engine *e = arg;

	log_line(LOG_INFO, "no WebSocket here; the feed stays on long-polling",
		log_text("feed", e->access.feed->name), log_text("reason", why));
	upgrade_free(e->upgrade);
	e->upgrade = NULL;
	polling_drain(e->polling, false);
}

static const struct upgrade_events upgrade_events = { upgrade_probed, upgrade_failed };

static void start_upgrade(struct engine *e)
{
	struct err err;

	if (!upgrade_new(
		    &e->upgrade, &e->access, e->generation, e->open.sid, &upgrade_events, e, &err))
		log_line(LOG_WARN, "the feed stays on long-polling",
			log_text("feed", e->access.feed->name), log_err(&err));
}

static bool start_polling(struct engine *e, const struct approach_found *found, struct err *err)
{
	int64_t limit_ms = heartbeat_limit(e) / 1000;
	struct polling_options options = {
		.access = &e->access,
		.generation = found->generation,
		.sid = found->open.sid,
		.body_max = found->open.max_payload < SIZE_MAX ? (size_t)found->open.max_payload
							       : 0,
		.timeout_ms = limit_ms != 0 ? limit_ms * 2 : 0, /* the heartbeat comes before it */
		.pending = found->body,
	};

	if (!polling_new(&e->polling, &options, &polling_events, e, err))
		return false;
	polling_pause(e->polling, e->is_paused);
	return true;
}

/* ---- the way in ---- */

static void approach_found(void *arg, const struct approach_found *found)
{
	struct engine *e = arg;
	struct err err;

	e->open = found->open;
	e->may_upgrade = found->may_upgrade;
	e->arrived_us = clock_mono_us();
	if (heartbeat_limit(e) != 0)
		timer_start(e->heartbeat, heartbeat_limit(e));
	e->ws = found->ws;
	if (e->ws != NULL) {
		ws_client_set_events(e->ws, &ws_events, e);
		ws_client_pause(e->ws, e->is_paused);
	} else if (!start_polling(e, found, &err)) {
		finish(e, SESSION_OVERLOAD, err.text);
		return;
	}
	approach_free(e->approach);
	e->approach = NULL;
	e->state = GREETING;
	if (found->generation != NULL)
		settle(e, found->generation);
	else
		timer_start(e->phase, GREETING_US);
}

static void approach_failed(void *arg, enum session_end why, const char *detail)
{
	lose(arg, why, detail);
}

static const struct approach_events approach_events = { take_arrived, approach_found,
	approach_failed };

static void phase_due(void *arg)
{
	struct engine *e = arg;

	if (e->state == GREETING && e->is_paused) /* the greeting may wait unread */
		timer_start(e->phase, GREETING_US);
	else if (e->state == GREETING) /* nobody joined unasked */
		settle(e, &generation_eio4);
	else if (e->state == CLOSING && e->polling != NULL && !polling_is_idle(e->polling) &&
		clock_mono_us() < e->close_us)
		timer_start(e->phase, CLOSE_TICK_US);
	else if (e->state == CLOSING)
		finish(e, e->end, e->detail);
}

void engine_pause(struct engine *e, bool pause)
{
	if (e->is_paused == pause)
		return;
	e->is_paused = pause;
	e->arrived_us = clock_mono_us();
	if (e->ws != NULL)
		ws_client_pause(e->ws, pause);
	if (e->polling != NULL)
		polling_pause(e->polling, pause);
}

const struct generation *engine_generation(const struct engine *e)
{
	return e->generation;
}

const char *engine_transport(const struct engine *e)
{
	return e->polling != NULL ? "polling" : "websocket";
}

const char *engine_sid(const struct engine *e)
{
	return e->open.sid;
}

static bool prepare(struct engine *e, const struct secret *token)
{
	e->phase = timer_new(e->access.loop, phase_due, e);
	e->heartbeat = timer_new(e->access.loop, heartbeat_due, e);
	e->ping = timer_new(e->access.loop, ping_due, e);
	if (token != NULL)
		e->token = secret_new(secret_reveal(token));
	e->access.token = e->token;
	return e->phase != NULL && e->heartbeat != NULL && e->ping != NULL &&
		(token == NULL || e->token != NULL);
}

bool engine_new(struct engine **out, const struct access *access, struct approach_memory *memory,
	const struct engine_events *events, void *arg, struct err *err)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return err_set(err, ERR_NOMEM, "cannot connect: out of memory");
	e->access = *access;
	e->memory = memory;
	e->events = events;
	e->arg = arg;
	e->arrived_us = clock_mono_us();
	buf_init(&e->packet, MESSAGE_MAX);
	if (!prepare(e, access->token)) {
		engine_free(e);
		return err_set(err, ERR_NOMEM, "cannot connect: out of memory");
	}
	if (!approach_new(&e->approach, &e->access, memory, &approach_events, e, err)) {
		engine_free(e);
		return false;
	}
	*out = e;
	return true;
}
