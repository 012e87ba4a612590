#include "record/approach.h"

#include "base/log.h"
#include "proto/detect.h"
#include "proto/socketio09.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* For TCP, TLS and proxy, and again for the answer. Shorter where another way is left to try. */
#define STEP_TIMEOUT_MS 20000
#define STEP_SHORT_MS 10000

struct approach {
	struct loop_reap reap;
	const struct access *access;
	const struct config_feed *feed;
	struct approach_memory *memory;
	const struct approach_events *events;
	void *arg;
	const struct generation *named; /* by the configuration; NULL: auto */
	struct ws_client *ws;
	struct http_call *call;
	struct timer *timeout; /* accepted, and then silent */
	struct sio09_handshake old;
	uint64_t nonce;
	bool has_begun;
	bool has_tried_websocket;
	bool has_tried_polling;
	bool is_09; /* the server has said so, or the configuration */
	bool is_over;
	/* Why the WebSocket did not work, while other ways are tried. */
	enum session_end refusal;
	char refusal_text[ERR_TEXT_MAX];
};

static void try_websocket(struct approach *a);
static void try_polling(struct approach *a);
static void try_09(struct approach *a);

static void destroy(struct loop_reap *reap)
{
	free((struct approach *)(void *)((char *)reap - offsetof(struct approach, reap)));
}

/* Lets go of everything that could fire. */
static void silence(struct approach *a)
{
	a->is_over = true;
	ws_client_free(a->ws);
	a->ws = NULL;
	http_call_free(a->call);
	a->call = NULL;
	timer_free(a->timeout);
	a->timeout = NULL;
}

void approach_free(struct approach *a)
{
	if (a == NULL)
		return;
	silence(a);
	loop_reap_later(a->access->loop, &a->reap, destroy);
}

static bool may_use(const struct approach *a, enum config_transport transport)
{
	for (size_t i = 0; i < a->feed->n_transports; i++)
		if (a->feed->transports[i] == transport)
			return true;
	return false;
}

static void fail(struct approach *a, enum session_end why, const char *detail)
{
	char text[ERR_TEXT_MAX];

	if (a->is_over)
		return;
	(void)snprintf(text, sizeof(text), "%s", detail); /* it may lie in what is freed now */
	silence(a);
	a->events->failed(a->arg, why, text);
}

static void fail_with(struct approach *a, enum session_end why, const char *format, ...)
	PRINTF_LIKE(3, 4);

static void fail_with(struct approach *a, enum session_end why, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail(a, why, text);
}

/* The configuration names a generation, and the server speaks another. */
static void fail_mismatch(struct approach *a, const struct generation *spoken)
{
	fail_with(a, SESSION_PROTOCOL,
		"the server speaks \"%s\" (Socket.IO %s), and the feed's 'protocol' is \"%s\"; set it to "
		"\"auto\" or \"%s\"",
		spoken->name, spoken->versions, a->named->name, spoken->name);
}

static void succeed(struct approach *a, struct approach_found *found)
{
	bool is_polling = found->ws == NULL;

	if (is_polling && a->refusal_text[0] != '\0') {
		a->memory->no_websocket = true;
		log_line(LOG_WARN, "the WebSocket is refused; falling back to long-polling",
			log_text("feed", a->feed->name), log_text("reason", a->refusal_text));
	} else if (!is_polling) {
		a->memory->no_websocket = false;
	}
	found->may_upgrade = is_polling && !a->has_tried_websocket &&
		may_use(a, CONFIG_TRANSPORT_WEBSOCKET);
	if (!is_polling)
		a->ws = NULL; /* it has a new owner */
	a->is_over = true;
	timer_stop(a->timeout);
	a->events->found(a->arg, found);
}

/* ---- the WebSocket ---- */

/* A WebSocket did not work: on to what else is configured, or may be behind it. */
static void websocket_failed(
	struct approach *a, enum session_end why, const char *detail, bool is_mute)
{
	bool is_reached = why != SESSION_UNREACHABLE && why != SESSION_TCP_REFUSED &&
		why != SESSION_TLS && why != SESSION_OVERLOAD;

	timer_stop(a->timeout);
	ws_client_free(a->ws);
	a->ws = NULL;
	if (a->is_over)
		return;
	a->refusal = why;
	(void)snprintf(a->refusal_text, sizeof(a->refusal_text), "%s", detail);
	if (is_reached && a->is_09 && may_use(a, CONFIG_TRANSPORT_POLLING) && a->old.has_polling)
		try_09(a); /* the server has bound the first sid to the WebSocket */
	else if (is_reached && !a->is_09 && may_use(a, CONFIG_TRANSPORT_POLLING) &&
		!a->has_tried_polling)
		try_polling(a);
	else if (is_mute && !a->is_09 && a->named == NULL)
		try_09(a);
	else
		fail(a, why, detail);
}

static void ws_opened(void *arg)
{
	struct approach *a = arg;
	struct approach_found found = { .generation = &generation_09, .ws = a->ws };

	if (!a->is_09) {
		timer_start(a->timeout,
			(may_use(a, CONFIG_TRANSPORT_POLLING) ? STEP_SHORT_MS : STEP_TIMEOUT_MS) *
				INT64_C(1000));
		return;
	}
	(void)snprintf(found.open.sid, sizeof(found.open.sid), "%s", a->old.sid);
	found.open.ping_interval_ms = a->old.heartbeat_ms;
	succeed(a, &found);
}

static void ws_arrived(void *arg)
{
	struct approach *a = arg;

	a->events->arrived(a->arg);
}

/* What is known when an open packet has come on a WebSocket. Only Socket.IO 4 says maxPayload, and only to
 * one that asked for EIO=4; without it the server is what it was the last time. */
static const struct generation *judge(const struct approach *a, const struct eio_open *open)
{
	if (a->named != NULL)
		return a->named;
	if (open->max_payload != 0)
		return &generation_eio4;
	return a->memory->generation == &generation_09 ? NULL : a->memory->generation;
}

static void ws_message(void *arg, enum ws_result kind, const struct ws_message *message)
{
	struct approach *a = arg;
	struct approach_found found = { .ws = a->ws };
	struct eio_packet packet;
	struct err e;

	if (kind != WS_TEXT ||
		!generation_eio4.packet_decode(
			GENERATION_CLIENT, false, message->payload, &packet, &e) ||
		packet.type != EIO_OPEN) {
		websocket_failed(a, SESSION_NOT_SOCKETIO,
			"this is not a Socket.IO server: the first message on the WebSocket is no open "
			"packet",
			false);
	} else if (!eio_open_decode(packet.data, &found.open, &e)) {
		fail(a, SESSION_PROTOCOL, e.text);
	} else {
		found.generation = judge(a, &found.open);
		succeed(a, &found);
	}
}

static void ws_ended(void *arg, const struct ws_end *end)
{
	struct approach *a = arg;
	enum session_end why = session_end_of(end, a->access->token != NULL);
	bool is_mute = end->kind == WS_END_REFUSED && end->is_mute;
	char text[ERR_TEXT_MAX];

	if (end->kind == WS_END_UNREACHED && end->proxy_status != 0)
		why = SESSION_REFUSED; /* the proxy is there, and does not want this */
	if (why == SESSION_NOT_SOCKETIO)
		(void)snprintf(
			text, sizeof(text), "this is not a Socket.IO server: %.400s", end->e.text);
	else if (why == SESSION_REFUSED && end->http_status == 0 && a->named != NULL)
		(void)snprintf(text, sizeof(text),
			"%.350s (asked for \"%s\"; set 'protocol' to \"auto\")", end->e.text,
			a->named->name);
	else
		(void)snprintf(text, sizeof(text), "%s", end->e.text);
	websocket_failed(a, why, text, is_mute);
}

static void ws_cookie(void *arg, struct slice header)
{
	struct approach *a = arg;

	handshake_cookie(a->access, header);
}

static const struct ws_client_events ws_events = {
	.opened = ws_opened,
	.arrived = ws_arrived,
	.message = ws_message,
	.ended = ws_ended,
	.set_cookie = ws_cookie,
};

static void open_websocket(struct approach *a, const struct generation *g, const char *sid)
{
	struct handshake_target target = {
		.generation = g, .is_websocket = true, .sid = sid, .nonce = ++a->nonce
	};
	struct err e;

	a->has_tried_websocket = true;
	if (!handshake_websocket(&a->ws, a->access, &target,
		    may_use(a, CONFIG_TRANSPORT_POLLING) ? STEP_SHORT_MS : STEP_TIMEOUT_MS,
		    &ws_events, a, &e))
		fail(a, e.code == ERR_NOMEM ? SESSION_OVERLOAD : SESSION_REFUSED, e.text);
}

static void try_websocket(struct approach *a)
{
	open_websocket(a, a->named, NULL);
}

static void begin(struct approach *a)
{
	bool polls_first = a->feed->transports[0] == CONFIG_TRANSPORT_POLLING ||
		(a->memory->no_websocket && may_use(a, CONFIG_TRANSPORT_POLLING));

	a->has_begun = true;
	a->is_09 = a->named == &generation_09;
	if (a->is_09 || (a->named == NULL && a->memory->generation == &generation_09))
		try_09(a);
	else if (polls_first)
		try_polling(a);
	else
		try_websocket(a);
}

/* Accepted, and then silent. A server of Socket.IO 3 is so towards a client of 1 or 2. */
static void timed_out(void *arg)
{
	struct approach *a = arg;

	if (!a->has_begun) {
		begin(a);
		return;
	}
	websocket_failed(a, SESSION_NO_OPEN,
		a->named == NULL
			? "the server accepted the WebSocket and then sent no Engine.IO open packet"
			: "the server accepted the WebSocket and then sent no Engine.IO open packet; does it "
			  "speak another protocol generation? set 'protocol' to \"auto\"",
		false);
}

/* ---- long-polling ---- */

static void found_polling(struct approach *a, const struct generation *g, struct slice body)
{
	struct approach_found found = { .generation = g, .body = body };
	struct payload_reader reader;
	struct eio_packet packet;
	struct slice message;
	bool is_binary;
	struct err e;
	bool ok;

	payload_reader_init(&reader, g, body);
	(void)err_set(&e, ERR_PROTOCOL, "the server's answer does not begin with an open packet");
	ok = payload_reader_next(&reader, &is_binary, &message, &e) == PAYLOAD_MESSAGE &&
		g->packet_decode(GENERATION_CLIENT, is_binary, message, &packet, &e) &&
		packet.type == EIO_OPEN && eio_open_decode(packet.data, &found.open, &e);
	payload_reader_release(&reader);
	if (!ok)
		fail(a, SESSION_PROTOCOL, e.text);
	else if (a->named != NULL && a->named != g)
		fail_mismatch(a, g);
	else
		succeed(a, &found);
}

/* The address without its query, for a message. */
static void fail_foreign(struct approach *a, int status, const char *said)
{
	fail_with(a, SESSION_NOT_SOCKETIO,
		"this is not a Socket.IO server: HTTP %d from %.200s%s%s", status,
		a->feed->url_text, said[0] != '\0' ? ": " : "", said);
}

static void judge_polling(struct approach *a, const struct http_answer *answer,
	enum detect_kind kind, const char *said)
{
	switch (kind) {
	case DETECT_EIO3:
		found_polling(a, &generation_eio3, answer->body);
		break;
	case DETECT_EIO4:
		found_polling(a, &generation_eio4, answer->body);
		break;
	case DETECT_09:
		if (a->named != NULL)
			fail_mismatch(a, &generation_09);
		else
			try_09(a);
		break;
	case DETECT_TRANSPORT:
		if (!a->has_tried_websocket && may_use(a, CONFIG_TRANSPORT_WEBSOCKET))
			try_websocket(a);
		else
			fail_with(a, SESSION_REFUSED,
				"the server has no long-polling (HTTP %d: %s)%s%s", answer->status,
				said,
				a->refusal_text[0] != '\0' ? ", and the WebSocket failed: " : "",
				a->refusal_text);
		break;
	case DETECT_REVISION:
		fail_with(a, SESSION_PROTOCOL,
			"the server does not speak \"%s\" (HTTP %d: %s); set the feed's 'protocol' to "
			"\"auto\"",
			a->named != NULL ? a->named->name : "eio4", answer->status, said);
		break;
	case DETECT_DENIED:
		fail_with(a, a->access->token != NULL ? SESSION_TOKEN : SESSION_REFUSED,
			"the server refuses the %s: HTTP %d: %s",
			a->access->token != NULL ? "token" : "connection", answer->status, said);
		break;
	case DETECT_HEADERS:
		fail_with(a, SESSION_REFUSED,
			"HTTP %d: the request is too long for the server or a proxy before it; the token "
			"in it has %zu bytes",
			answer->status,
			a->access->token != NULL ? secret_reveal(a->access->token).len : 0);
		break;
	case DETECT_PROXY:
		fail_with(a, SESSION_REFUSED,
			"HTTP %d: the proxy asks for a user and a password, or refuses those in the feed's "
			"'proxy'",
			answer->status);
		break;
	case DETECT_SID:
	case DETECT_BUSY:
		fail_with(a, SESSION_REFUSED, "HTTP %d%s%s", answer->status,
			said[0] != '\0' ? ": " : "", said);
		break;
	case DETECT_OTHER:
		fail_foreign(a, answer->status, said);
		break;
	}
}

/* Ends the call after `judged` has used its answer. */
static void polled(void *arg, const struct http_answer *answer)
{
	struct approach *a = arg;
	struct http_call *call = a->call;
	char said[160];

	a->call = NULL;
	if (answer->status == 0) {
		fail(a, session_end_of_error(answer->e.code), answer->e.text);
	} else {
		a->events->arrived(a->arg);
		judge_polling(a, answer,
			detect_answer(answer->status, answer->body, said, sizeof(said)), said);
	}
	http_call_free(call);
}

static void send_get(struct approach *a, const struct handshake_target *target,
	void (*done)(void *arg, const struct http_answer *))
{
	struct handshake_http request = {
		.target = *target, .method = HTTP_GET, .timeout_ms = STEP_TIMEOUT_MS
	};
	struct err e;

	if (!handshake_send(&a->call, a->access, &request, done, a, &e))
		fail(a, e.code == ERR_NOMEM ? SESSION_OVERLOAD : SESSION_REFUSED, e.text);
}

static void try_polling(struct approach *a)
{
	a->has_tried_polling = true;
	send_get(a, &(struct handshake_target){ .generation = a->named, .nonce = ++a->nonce },
		polled);
}

/* ---- 0.9 ---- */

/* From here on the server is known to be one of 0.9; that it refused Engine.IO 4 means nothing any more. */
static void settle_09(struct approach *a)
{
	if (a->is_09)
		return;
	a->is_09 = true;
	a->has_tried_websocket = false;
	a->refusal_text[0] = '\0';
}

static void choose_09(struct approach *a)
{
	struct approach_found found = { .generation = &generation_09 };

	settle_09(a);
	for (size_t i = 0; i < a->feed->n_transports; i++) {
		if (a->feed->transports[i] == CONFIG_TRANSPORT_WEBSOCKET) {
			if (!a->old.has_websocket || a->has_tried_websocket)
				continue;
			open_websocket(a, &generation_09, a->old.sid);
			return;
		}
		if (!a->old.has_polling)
			continue;
		(void)snprintf(found.open.sid, sizeof(found.open.sid), "%s", a->old.sid);
		found.open.ping_interval_ms = a->old.heartbeat_ms;
		succeed(a, &found);
		return;
	}
	if (a->refusal_text[0] != '\0')
		fail(a, a->refusal, a->refusal_text);
	else
		fail(a, SESSION_REFUSED, "the server offers none of the configured transports");
}

/* It is not 0.9 after all. */
static void not_09(struct approach *a, int status, const char *said)
{
	if (a->named == NULL && a->memory->generation == &generation_09) {
		a->memory->generation = NULL; /* it was, the last time */
		a->is_09 = false;
		a->has_tried_websocket = false;
		a->refusal_text[0] = '\0';
		if (a->feed->transports[0] == CONFIG_TRANSPORT_WEBSOCKET)
			try_websocket(a);
		else
			try_polling(a);
	} else if (a->named == NULL && a->refusal_text[0] != '\0') {
		fail(a, a->refusal, a->refusal_text);
	} else {
		fail_with(a, SESSION_PROTOCOL,
			"the server does not speak \"0.9\" (HTTP %d: %s); set the feed's 'protocol' to "
			"\"auto\"",
			status, said);
	}
}

/* The handshake of 0.9 is "sid:heartbeat:close:transports"; a bad one is no sign of another server. */
static bool looks_like_09(struct slice body)
{
	size_t colons = 0;

	for (size_t i = 0; i < body.len; i++)
		colons += body.ptr[i] == ':' ? 1 : 0;
	return colons == 3 && memchr(body.ptr, '{', body.len) == NULL &&
		memchr(body.ptr, '<', body.len) == NULL;
}

static void shaken_09(void *arg, const struct http_answer *answer)
{
	struct approach *a = arg;
	struct http_call *call = a->call;
	char said[160];
	enum detect_kind kind;
	struct err e;

	a->call = NULL;
	if (answer->status == 0) {
		fail(a, session_end_of_error(answer->e.code), answer->e.text);
		http_call_free(call);
		return;
	}
	a->events->arrived(a->arg);
	kind = detect_answer(answer->status, answer->body, said, sizeof(said));
	if (answer->status == 200 && sio09_handshake_decode(answer->body, &a->old, &e))
		choose_09(a);
	else if (answer->status == 200 && kind == DETECT_OTHER && looks_like_09(answer->body))
		fail(a, SESSION_PROTOCOL, e.text);
	else if (answer->status != 200 && kind != DETECT_TRANSPORT && kind != DETECT_OTHER)
		judge_polling(a, answer, kind, said);
	else
		not_09(a, answer->status, said);
	http_call_free(call);
}

static void try_09(struct approach *a)
{
	send_get(a, &(struct handshake_target){ .generation = &generation_09, .nonce = ++a->nonce },
		shaken_09);
}

static const struct generation *named_by(enum config_protocol protocol)
{
	switch (protocol) {
	case CONFIG_PROTOCOL_09:
		return &generation_09;
	case CONFIG_PROTOCOL_EIO3:
		return &generation_eio3;
	case CONFIG_PROTOCOL_EIO4:
		return &generation_eio4;
	case CONFIG_PROTOCOL_AUTO:
		break;
	}
	return NULL;
}

bool approach_new(struct approach **out, const struct access *access,
	struct approach_memory *memory, const struct approach_events *events, void *arg,
	struct err *e)
{
	struct approach *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	a->access = access;
	a->feed = access->feed;
	a->memory = memory;
	a->events = events;
	a->arg = arg;
	a->named = named_by(access->feed->protocol);
	a->timeout = timer_new(access->loop, timed_out, a);
	if (a->timeout == NULL) {
		approach_free(a);
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	}
	timer_start(a->timeout, 0); /* nothing is reported inside this call */
	*out = a;
	return true;
}
