#include "record/session.h"

#include "base/log.h"
#include "net/ws_client.h"
#include "proto/engineio.h"
#include "proto/socketio.h"
#include "record/handshake.h"
#include "record/subscriptions.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define PHASE_TIMEOUT_US 20000000
/* A server of generation 3 joins in the same breath as its open packet; longer it need not be waited for. */
#define GREETING_US 200000
#define LEAVE_TIMEOUT_US 2000000
#define PACKET_MAX ((size_t)1 << 20)
#define ERRORS_TOLD 20 /* of one connection, in the log */

enum state { CONNECTING, OPENING, GREETING, JOINING, LIVE, LEAVING, CLOSING, CLOSED, STATES };

#define TO(state) (1u << (state))
#define TO_END (TO(CLOSING) | TO(CLOSED))

static const struct {
	const char *name;
	unsigned next;
} states[STATES] = {
	[CONNECTING] = { "connecting", TO(OPENING) | TO_END },
	[OPENING] = { "opening", TO(GREETING) | TO(JOINING) | TO_END },
	[GREETING] = { "greeting", TO(JOINING) | TO(LIVE) | TO_END },
	[JOINING] = { "joining", TO(LIVE) | TO_END },
	[LIVE] = { "live", TO(LEAVING) | TO_END },
	[LEAVING] = { "leaving", TO_END },
	[CLOSING] = { "closing", TO(CLOSED) },
	[CLOSED] = { "closed", 0 },
};

struct session {
	struct loop_reap reap;
	struct session_context context;
	struct ingest *ingest;
	const struct config_feed *feed;
	const struct session_events *events;
	void *arg;
	enum state state;
	struct ws_client *ws;
	struct sio_assembler *assembler;
	struct subscriptions *subscriptions;
	struct timer *phase; /* what must come next is late; and the ends of leaving and greeting */
	struct timer *heartbeat; /* the peer is silent */
	struct timer *ping;      /* generation 3: ours to send */
	struct eio_open open;
	int revision; /* of Engine.IO: 3, 4; 0 while unknown */
	struct buf auth;
	struct buf packet; /* scratch for what is sent */
	int64_t connection_id;
	int64_t live_us;          /* monotonic; 0: never */
	int64_t arrived_us;       /* monotonic: the last bytes */
	int64_t last_received_us; /* the same as a time stamp */
	int64_t noted_us;         /* what of it the recording knows */
	unsigned told_errors;
	bool has_asked; /* to join the namespace */
	bool is_paused;
	enum session_end end; /* why CLOSING */
	char detail[ERR_TEXT_MAX];
};

static void move(struct session *s, enum state to)
{
	assert((states[s->state].next & TO(to)) != 0);
	log_line(LOG_DEBUG, "session", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("state", states[to].name),
		log_text("from", states[s->state].name));
	s->state = to;
}

static void destroy(struct loop_reap *reap)
{
	struct session *s = (struct session *)(void *)((char *)reap -
		offsetof(struct session, reap));

	subscriptions_free(s->subscriptions);
	sio_assembler_free(s->assembler);
	buf_release(&s->auth);
	buf_release(&s->packet);
	free(s);
}

/* Lets go of everything that could fire. */
static void silence(struct session *s)
{
	ws_client_free(s->ws);
	s->ws = NULL;
	timer_free(s->phase);
	timer_free(s->heartbeat);
	timer_free(s->ping);
	s->phase = NULL;
	s->heartbeat = NULL;
	s->ping = NULL;
	if (s->auth.data != NULL)
		explicit_bzero(s->auth.data, s->auth.cap);
}

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	silence(s);
	s->state = CLOSED;
	loop_reap_later(s->context.loop, &s->reap, destroy);
}

/* The end: noted in the recording, then told to the owner. */
static void finish(struct session *s, enum session_end why, const char *detail)
{
	struct batch *batch = writer_batch(s->context.writer);
	int64_t lived = s->live_us != 0 ? clock_mono_us() - s->live_us : 0;

	if (s->state == CLOSED)
		return;
	move(s, CLOSED);
	silence(s);
	if (batch == NULL ||
		!batch_add_closed(batch, s->connection_id, clock_now(s->context.clock),
			s->last_received_us, session_end_names[why], detail))
		log_line(LOG_ERROR, "out of memory: the end of a connection is not recorded",
			log_text("feed", s->feed->name));
	log_line(why == SESSION_STOPPED ? LOG_INFO : LOG_WARN,
		lived != 0 ? "disconnected" : "cannot connect", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("reason", session_end_names[why]),
		log_text("detail", detail));
	s->events->ended(s->arg, why, lived);
}

/* Ends the session for a reason of ours: tells the server where that still makes sense. */
static void give_up(struct session *s, enum session_end why, const char *detail)
{
	if (s->state == CLOSING || s->state == CLOSED)
		return;
	s->end = why;
	(void)snprintf(s->detail, sizeof(s->detail), "%s", detail);
	move(s, CLOSING);
	timer_stop(s->phase);
	timer_stop(s->heartbeat);
	timer_stop(s->ping);
	ws_client_close(s->ws, why == SESSION_PROTOCOL ? WS_CLOSE_PROTOCOL : WS_CLOSE_NORMAL);
}

static void give_up_overloaded(struct session *s)
{
	give_up(s, SESSION_OVERLOAD,
		"out of memory, or the server does not read what is sent to it");
}

/* Sends what stands in `packet` as an Engine.IO packet. */
static bool send_packet(struct session *s, enum eio_type type, struct slice data)
{
	struct eio_packet packet = { .type = type, .data = data };
	struct buf message;
	bool is_binary = false;
	bool ok;

	buf_init(&message, PACKET_MAX + 16);
	ok = eio_encode(s->revision == 3 ? 3 : 4, &packet, &message, &is_binary) &&
		ws_client_send(s->ws, WS_OP_TEXT, buf_slice(&message));
	buf_release(&message);
	return ok;
}

static bool send_sio(struct session *s, const struct sio_packet *packet)
{
	buf_reset(&s->packet, PACKET_MAX / 16);
	return sio_encode(packet, &s->packet) && send_packet(s, EIO_MESSAGE, buf_slice(&s->packet));
}

/* ---- the heartbeat ---- */

static int64_t heartbeat_limit(const struct session *s)
{
	return ((int64_t)s->open.ping_interval_ms + s->open.ping_timeout_ms) * 1000;
}

/* Fires when the peer may have been silent for too long; any byte counts as life. */
static void heartbeat_due(void *arg)
{
	struct session *s = arg;
	int64_t left = s->arrived_us + heartbeat_limit(s) - clock_mono_us();
	char detail[96];

	if (left > 0 || s->is_paused) {
		timer_start(s->heartbeat, left > 0 ? left : heartbeat_limit(s));
		return;
	}
	(void)snprintf(detail, sizeof(detail), "nothing came for %lld ms",
		(long long)heartbeat_limit(s) / 1000);
	finish(s, SESSION_HEARTBEAT, detail); /* nobody is there to say goodbye to */
}

static void ping_due(void *arg)
{
	struct session *s = arg;

	timer_start(s->ping, (int64_t)s->open.ping_interval_ms * 1000);
	if (!send_packet(s, EIO_PING, (struct slice){ 0 }))
		give_up_overloaded(s);
}

/* ---- joining ---- */

static void join(struct session *s)
{
	struct sio_packet packet = { .type = SIO_CONNECT,
		.nsp = slice_of(s->feed->namespace),
		.data = s->revision == 4 ? buf_slice(&s->auth) : (struct slice){ 0 } };

	s->has_asked = true;
	if (s->state != JOINING)
		move(s, JOINING);
	timer_start(s->phase, PHASE_TIMEOUT_US);
	if (!send_sio(s, &packet))
		give_up_overloaded(s);
}

static void settle_revision(struct session *s, int revision)
{
	s->revision = revision;
	if (revision == 3)
		timer_start(s->ping, (int64_t)s->open.ping_interval_ms * 1000);
}

static void take_open(struct session *s, struct slice data)
{
	struct err e;

	if (s->state != OPENING || !eio_open_decode(data, &s->open, &e)) {
		give_up(s, SESSION_PROTOCOL,
			s->state == OPENING ? e.text : "a second open packet came");
		return;
	}
	timer_start(s->heartbeat, heartbeat_limit(s));
	if (s->feed->protocol == CONFIG_PROTOCOL_EIO3) {
		settle_revision(s, 3);
		move(s, JOINING);
		timer_start(s->phase, PHASE_TIMEOUT_US);
	} else if (s->feed->protocol == CONFIG_PROTOCOL_EIO4 || s->open.max_payload != 0) {
		settle_revision(s, 4); /* only Socket.IO 4 says maxPayload */
		join(s);
	} else {
		move(s, GREETING);
		timer_start(s->phase, GREETING_US);
	}
}

static void become_live(struct session *s)
{
	struct batch *batch = writer_batch(s->context.writer);
	const char *protocol = s->revision == 3 ? "eio3" : "eio4";
	struct slice sid = slice_of(s->open.sid);

	if (secret_quotes(sid)) /* a server's strange idea; the recording holds no token */
		sid = (struct slice){ 0 };

	move(s, LIVE);
	timer_stop(s->phase);
	s->live_us = clock_mono_us();
	buf_release(&s->auth);
	if (batch == NULL ||
		!batch_add_established(batch, s->connection_id, clock_now(s->context.clock),
			protocol, "websocket", sid)) {
		give_up_overloaded(s);
		return;
	}
	log_line(LOG_INFO, "connected", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("protocol", protocol),
		log_text("transport", "websocket"),
		log_int("endpoints", (int64_t)s->feed->n_endpoints));
	s->events->live(s->arg);
	if (s->state == LIVE)
		subscriptions_begin(s->subscriptions);
}

/* The server says that we are in a namespace. */
static void take_connect(struct session *s, const struct sio_packet *packet)
{
	if (s->state == GREETING)
		settle_revision(s, 3);
	if (s->state != GREETING && s->state != JOINING)
		return;
	if (slice_equal(packet->nsp, slice_of(s->feed->namespace)))
		become_live(s);
	else if (s->revision == 3 && !s->has_asked)
		join(s); /* generation 3 always joins "/" first */
}

/* A 44 packet: the server refuses the namespace. */
static void take_error(struct session *s, const struct sio_packet *packet)
{
	char why[200];
	char detail[256];
	bool is_namespace;

	if (s->state != GREETING && s->state != JOINING) {
		log_line(s->told_errors++ < ERRORS_TOLD ? LOG_WARN : LOG_DEBUG,
			"the server reports an error", log_text("feed", s->feed->name),
			log_text("error", sio_error_text(packet->data, why, sizeof(why))));
		return;
	}
	(void)sio_error_text(packet->data, why, sizeof(why));
	is_namespace = strcmp(why, "Invalid namespace") == 0;
	(void)snprintf(detail, sizeof(detail), "the server refuses the %s: %s",
		is_namespace || !s->feed->has_token ? "connection" : "token", why);
	give_up(s, is_namespace || !s->feed->has_token ? SESSION_REFUSED : SESSION_TOKEN, detail);
}

/* ---- packets ---- */

static void take_event(struct session *s, const struct sio_packet *packet)
{
	struct slice attachments[SIO_ATTACHMENTS_MAX];
	struct ingest_event event = { .connection_id = s->connection_id,
		.received_us = clock_now(s->context.clock),
		.payload = packet->data,
		.attachments = attachments,
		.attachment_count = packet->attachments };

	for (uint32_t i = 0; i < packet->attachments; i++)
		attachments[i] = sio_assembler_attachment(s->assembler, i);
	if (!ingest_take(s->ingest, &event)) {
		give_up_overloaded(s);
		return;
	}
	/* A server that asks for an ack may hold the next event until it has one. */
	if (packet->has_id && s->state != CLOSING &&
		!send_sio(s,
			&(struct sio_packet){ .type = SIO_ACK,
				.has_id = true,
				.id = packet->id,
				.nsp = packet->nsp,
				.data = slice_of("[]") }))
		give_up_overloaded(s);
	if (writer_wants_submit(s->context.writer))
		writer_submit(s->context.writer, clock_now(s->context.clock));
}

static void take_sio(struct session *s, const struct sio_packet *packet)
{
	struct slice nsp = slice_of(s->feed->namespace);

	if (packet->type == SIO_CONNECT) {
		take_connect(s, packet);
		return;
	}
	if (!slice_equal(packet->nsp, nsp) && packet->type != SIO_ERROR) {
		log_line(LOG_DEBUG, "a packet for another namespace",
			log_text("feed", s->feed->name), log_peer("namespace", packet->nsp));
		return;
	}
	switch (packet->type) {
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		take_event(s, packet);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		if (packet->has_id)
			subscriptions_ack(s->subscriptions, packet->id, packet->data);
		break;
	case SIO_DISCONNECT:
		give_up(s, SESSION_SERVER_CLOSED,
			"the server disconnects us (Socket.IO disconnect)");
		break;
	case SIO_ERROR:
		take_error(s, packet);
		break;
	case SIO_CONNECT:
		break;
	}
}

/* Bytes that are no packet are kept before the session ends over them. */
static void take_bad(struct session *s, struct slice bytes, const char *why)
{
	(void)!ingest_reject(s->ingest, s->connection_id, clock_now(s->context.clock), why, bytes);
	give_up(s, SESSION_PROTOCOL, why);
}

static void take_message(struct session *s, const struct eio_packet *eio, struct slice message)
{
	struct sio_packet packet;
	struct err e;
	enum sio_result result = eio->is_binary
		? sio_assembler_binary(s->assembler, eio->data, &packet, &e)
		: sio_assembler_text(s->assembler, eio->data, &packet, &e);

	if (result == SIO_BAD)
		take_bad(s, message, e.text);
	else if (result == SIO_PACKET)
		take_sio(s, &packet);
}

static void take_eio(struct session *s, bool is_binary, struct slice message)
{
	struct eio_packet packet;
	struct err e;

	if (!eio_decode(s->revision == 3 ? 3 : 4, is_binary, message, &packet, &e)) {
		take_bad(s, message, e.text);
		return;
	}
	if (s->state == OPENING && packet.type != EIO_OPEN) {
		give_up(s, SESSION_PROTOCOL,
			"this is not a Socket.IO server: its first message is not an open packet");
		return;
	}
	switch (packet.type) {
	case EIO_OPEN:
		take_open(s, packet.data);
		break;
	case EIO_PING:
		if (s->state != CLOSING && !send_packet(s, EIO_PONG, packet.data))
			give_up_overloaded(s);
		break;
	case EIO_MESSAGE:
		take_message(s, &packet, message);
		break;
	case EIO_CLOSE:
		give_up(s, SESSION_SERVER_CLOSED,
			"the server closes the session (Engine.IO close)");
		break;
	case EIO_PONG:
	case EIO_UPGRADE:
	case EIO_NOOP:
		break;
	}
}

/* ---- the WebSocket ---- */

static void ws_opened(void *arg)
{
	struct session *s = arg;

	move(s, OPENING);
	timer_start(s->phase, PHASE_TIMEOUT_US);
}

static void ws_arrived(void *arg)
{
	struct session *s = arg;

	s->arrived_us = clock_mono_us();
	s->last_received_us = clock_now(s->context.clock);
	if (writer_is_full(s->context.writer))
		s->context.full(s->context.full_arg);
}

static void ws_message(void *arg, enum ws_result kind, const struct ws_message *message)
{
	struct session *s = arg;
	char reason[96];

	switch (kind) {
	case WS_TOO_LARGE:
		(void)snprintf(reason, sizeof(reason),
			"too large: %llu bytes, of which %zu are kept",
			(unsigned long long)message->total, message->payload.len);
		if (!ingest_reject(s->ingest, s->connection_id, clock_now(s->context.clock), reason,
			    message->payload))
			give_up_overloaded(s);
		break;
	case WS_BAD:
		if (!ingest_reject(s->ingest, s->connection_id, clock_now(s->context.clock),
			    "bad UTF-8", message->payload))
			give_up_overloaded(s);
		break;
	default:
		take_eio(s, kind == WS_BINARY, message->payload);
		break;
	}
}

static void ws_ended(void *arg, const struct ws_end *end)
{
	struct session *s = arg;

	if (s->state == CLOSING)
		finish(s, s->end, s->detail);
	else
		finish(s, session_end_of(end, s->feed->has_token), end->e.text);
}

static const struct ws_client_events ws_events = { ws_opened, ws_arrived, ws_message, ws_ended };

/* ---- subscriptions ---- */

static bool subscriptions_send(
	void *arg, const char *event, struct slice args, bool has_id, uint64_t id)
{
	struct session *s = arg;

	buf_reset(&s->packet, PACKET_MAX / 16);
	if (sio_event_encode(
		    &s->packet, slice_of(s->feed->namespace), slice_of(event), args, has_id, id) &&
		send_packet(s, EIO_MESSAGE, buf_slice(&s->packet)))
		return true;
	give_up_overloaded(s);
	return false;
}

static size_t subscriptions_pending(void *arg)
{
	struct session *s = arg;

	return ws_client_pending(s->ws);
}

static void subscriptions_settled(void *arg, size_t confirmed, size_t refused)
{
	struct session *s = arg;

	log_line(refused == 0 ? LOG_INFO : LOG_WARN, "subscribed", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_int("confirmed", (int64_t)confirmed),
		log_int("refused", (int64_t)refused),
		log_real("took_s", (double)(clock_mono_us() - s->live_us) / 1e6));
}

/* Says goodbye: a disconnect packet, then the close frame. */
static void subscriptions_left(void *arg)
{
	struct session *s = arg;

	if (s->state != LEAVING)
		return;
	(void)!send_sio(s,
		&(struct sio_packet){
			.type = SIO_DISCONNECT, .nsp = slice_of(s->feed->namespace) });
	give_up(s, SESSION_STOPPED, "stopped");
}

static const struct subscriptions_events subscription_events = { subscriptions_send,
	subscriptions_pending, subscriptions_settled, subscriptions_left };

/* ---- timers, life ---- */

static void phase_due(void *arg)
{
	struct session *s = arg;

	switch (s->state) {
	case GREETING: /* nobody joined unasked: generation 4 */
		settle_revision(s, 4);
		join(s);
		break;
	case LEAVING:
		subscriptions_left(s);
		break;
	case OPENING:
		give_up(s, SESSION_TIMEOUT,
			"the server accepted the WebSocket and then sent no Engine.IO open packet; does it speak "
			"another protocol generation?");
		break;
	default:
		give_up(s, SESSION_TIMEOUT, "the server did not answer the Socket.IO connect");
		break;
	}
}

void session_stop(struct session *s)
{
	if (s->state == LIVE) {
		move(s, LEAVING);
		timer_start(s->phase, LEAVE_TIMEOUT_US);
		subscriptions_leave(s->subscriptions);
	} else {
		give_up(s, SESSION_STOPPED, "stopped");
	}
}

void session_pause(struct session *s, bool pause)
{
	if (s->ws == NULL || s->is_paused == pause)
		return;
	s->is_paused = pause;
	s->arrived_us = clock_mono_us();
	ws_client_pause(s->ws, pause);
}

void session_note_alive(struct session *s)
{
	struct batch *batch = writer_batch(s->context.writer);

	if (s->last_received_us == s->noted_us || batch == NULL)
		return;
	if (batch_add_alive(batch, s->connection_id, s->last_received_us))
		s->noted_us = s->last_received_us;
}

static bool prepare(struct session *s, const struct secret *token, struct err *e)
{
	s->assembler = sio_assembler_new();
	s->subscriptions = subscriptions_new(s->context.loop, s->feed, &subscription_events, s);
	s->phase = timer_new(s->context.loop, phase_due, s);
	s->heartbeat = timer_new(s->context.loop, heartbeat_due, s);
	s->ping = timer_new(s->context.loop, ping_due, s);
	if (s->assembler == NULL || s->subscriptions == NULL || s->phase == NULL ||
		s->heartbeat == NULL || s->ping == NULL ||
		!handshake_auth(s->feed, token, &s->auth))
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	return true;
}

bool session_new(struct session **out, const struct session_context *context, struct ingest *ingest,
	const struct secret *token, const struct session_events *events, void *arg, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	struct batch *batch = writer_batch(context->writer);

	if (s == NULL || batch == NULL) {
		free(s);
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	}
	s->context = *context;
	s->ingest = ingest;
	s->feed = ingest->feed;
	s->events = events;
	s->arg = arg;
	s->connection_id = writer_next_connection_id(context->writer);
	s->arrived_us = clock_mono_us();
	buf_init(&s->auth, PACKET_MAX);
	buf_init(&s->packet, PACKET_MAX);
	if (!prepare(s, token, e) ||
		!handshake_open(&s->ws, context->loop, context->transfers, s->feed, token,
			&ws_events, s, e) ||
		!batch_add_opened(
			batch, s->connection_id, ingest->feed_id, clock_now(context->clock))) {
		session_free(s);
		return false;
	}
	log_line(LOG_DEBUG, "connecting", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("url", s->feed->url_text));
	*out = s;
	return true;
}
