#include "record/session.h"

#include "base/json_ascii.h"
#include "base/log.h"
#include "record/engine.h"
#include "record/handshake.h"
#include "record/subscriptions.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define JOIN_TIMEOUT_US 20000000
#define LEAVE_TIMEOUT_US 2000000
#define PACKET_MAX ((size_t)1 << 20)
#define ERRORS_TOLD 20 /* of one connection, in the log */

enum state { CONNECTING, JOINING, LIVE, LEAVING, CLOSING, CLOSED, STATES };

#define TO(state) (1u << (state))
#define TO_END (TO(CLOSING) | TO(CLOSED))

static const struct {
	const char *name;
	unsigned next;
} states[STATES] = {
	[CONNECTING] = { "connecting", TO(JOINING) | TO_END },
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
	struct engine *engine;
	struct sio_assembler *assembler;
	struct subscriptions *subscriptions;
	struct timer *phase; /* joining or leaving takes too long */
	struct buf auth;
	struct buf packet; /* scratch for what is sent */
	struct buf ascii;
	int64_t connection_id;
	int64_t live_us;          /* monotonic; 0: never */
	int64_t last_received_us; /* when the last bytes came, as a time stamp */
	int64_t noted_us;         /* what of it the recording knows */
	unsigned told_errors;
	bool has_asked; /* to join the namespace */
};

static void move(struct session *s, enum state to)
{
	assert((states[s->state].next & TO(to)) != 0);
	log_line(LOG_DEBUG, "session", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("state", states[to].name),
		log_text("from", states[s->state].name));
	s->state = to;
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

static void destroy(struct loop_reap *reap)
{
	struct session *s = (struct session *)(void *)((char *)reap -
		offsetof(struct session, reap));

	subscriptions_free(s->subscriptions);
	sio_assembler_free(s->assembler);
	wipe(&s->auth);
	wipe(&s->packet); /* it held the request to join, with the token */
	buf_release(&s->ascii);
	free(s);
}

/* Lets go of everything that could fire. */
static void silence(struct session *s)
{
	engine_free(s->engine);
	s->engine = NULL;
	timer_free(s->phase);
	s->phase = NULL;
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
static void engine_ended(void *arg, enum session_end why, const char *detail)
{
	struct session *s = arg;
	struct batch *batch = writer_batch(s->context.writer);
	int64_t lived = s->live_us != 0 ? clock_mono_us() - s->live_us : 0;

	move(s, CLOSED);
	silence(s);
	if (batch == NULL ||
		!batch_add_closed(batch, s->connection_id, clock_now(s->context.clock),
			s->last_received_us, session_end_name(why), detail))
		log_line(LOG_ERROR, "out of memory: the end of a connection is not recorded",
			log_text("feed", s->feed->name));
	log_line(why == SESSION_STOPPED ? LOG_INFO : LOG_WARN,
		lived != 0 ? "disconnected" : "cannot connect", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("reason", session_end_name(why)),
		log_text("detail", detail));
	s->events->ended(s->arg, why, lived);
}

/* Ends the session for a reason of ours: tells the server where that still makes sense. */
static void give_up(struct session *s, enum session_end why, const char *detail)
{
	if (s->state == CLOSING || s->state == CLOSED)
		return;
	move(s, CLOSING);
	timer_stop(s->phase);
	engine_close(s->engine, why, detail);
}

static void give_up_overloaded(struct session *s)
{
	give_up(s, SESSION_OVERLOAD,
		"out of memory, or the server does not read what is sent to it");
}

static bool send_sio(struct session *s, const struct sio_packet *packet)
{
	buf_reset(&s->packet, PACKET_MAX / 16);
	return engine_generation(s->engine)->sio_encode(packet, &s->packet) &&
		engine_send(s->engine, buf_slice(&s->packet));
}

/* ---- joining ---- */

static void join(struct session *s)
{
	s->has_asked = true;
	buf_reset(&s->packet, PACKET_MAX / 16);
	if (!engine_generation(s->engine)->join_encode(
		    slice_of(s->feed->namespace), buf_slice(&s->auth), &s->packet) ||
		!engine_send(s->engine, buf_slice(&s->packet)))
		give_up_overloaded(s);
}

static void engine_opened(void *arg)
{
	struct session *s = arg;

	if (s->state != CONNECTING)
		return;
	move(s, JOINING);
	timer_start(s->phase, JOIN_TIMEOUT_US);
	if (!engine_generation(s->engine)->joins_unasked)
		join(s);
}

static void become_live(struct session *s)
{
	struct batch *batch = writer_batch(s->context.writer);
	const char *protocol = engine_generation(s->engine)->name;
	const char *transport = engine_transport(s->engine);
	struct slice sid = slice_of(engine_sid(s->engine));

	if (secret_quotes(sid)) /* a server's strange idea; the recording holds no token */
		sid = (struct slice){ 0 };
	move(s, LIVE);
	timer_stop(s->phase);
	s->live_us = clock_mono_us();
	wipe(&s->auth);
	if (batch == NULL ||
		!batch_add_established(batch, s->connection_id, clock_now(s->context.clock),
			protocol, transport, sid)) {
		give_up_overloaded(s);
		return;
	}
	log_line(LOG_INFO, "connected", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("protocol", protocol),
		log_text("transport", transport),
		log_int("endpoints", (int64_t)s->feed->n_endpoints));
	s->events->live(s->arg);
	if (s->state == LIVE)
		subscriptions_begin(s->subscriptions);
}

static void engine_upgraded(void *arg)
{
	struct session *s = arg;
	struct batch *batch = writer_batch(s->context.writer);

	log_line(LOG_INFO, "upgraded", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id),
		log_text("transport", engine_transport(s->engine)));
	/* Before it is live there is no row to bring up to date: it will say the new transport. */
	if (s->state == LIVE &&
		(batch == NULL ||
			!batch_add_upgraded(batch, s->connection_id, engine_transport(s->engine))))
		give_up_overloaded(s);
}

/* A server of Engine.IO 4 names the Socket.IO session when it lets one in; an answer without is of 3. */
static bool check_generation(struct session *s, const struct sio_packet *packet)
{
	if (engine_generation(s->engine)->joins_unasked || packet->data.len != 0)
		return true;
	if (s->feed->protocol == CONFIG_PROTOCOL_AUTO) {
		engine_revise(s->engine, &generation_eio3);
		return true;
	}
	give_up(s, SESSION_PROTOCOL,
		"the server speaks \"eio3\" (Socket.IO 1 or 2), and the feed's 'protocol' is \"eio4\"; set "
		"it to \"auto\" or \"eio3\"");
	return false;
}

/* The server says that we are in a namespace. */
static void take_connect(struct session *s, const struct sio_packet *packet)
{
	if (s->state != JOINING || !check_generation(s, packet))
		return;
	if (slice_equal(packet->nsp, slice_of(s->feed->namespace)))
		become_live(s);
	else if (!s->has_asked)
		join(s); /* it put us into "/" first */
}

/* The server refuses, or complains. */
static void take_error(struct session *s, const struct sio_packet *packet)
{
	bool has_token = s->feed->has_token;
	char why[200];
	char detail[256];

	(void)sio_error_text(packet->data, why, sizeof(why));
	if (strcmp(why, "client not handshaken") == 0) {
		give_up(s, SESSION_UNKNOWN_SID, "the server does not know the session any more");
	} else if (s->state != JOINING) {
		log_line(s->told_errors++ < ERRORS_TOLD ? LOG_WARN : LOG_DEBUG,
			"the server reports an error", log_text("feed", s->feed->name),
			log_text("error", why));
	} else if (strcmp(why, "Invalid namespace") == 0) {
		(void)snprintf(detail, sizeof(detail), "the server refuses the namespace: %s", why);
		give_up(s, SESSION_NAMESPACE, detail);
	} else {
		(void)snprintf(detail, sizeof(detail), "the server refuses the %s: %s",
			has_token ? "token" : "connection", why);
		give_up(s, has_token ? SESSION_TOKEN : SESSION_REFUSED, detail);
	}
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
		give_up(s, SESSION_DISCONNECTED,
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

static void engine_message(void *arg, bool is_binary, struct slice data, struct slice whole)
{
	struct session *s = arg;
	const struct generation *g = engine_generation(s->engine);
	struct sio_packet packet;
	struct err e;
	enum sio_result result = is_binary
		? sio_assembler_binary(s->assembler, g, data, &packet, &e)
		: sio_assembler_text(s->assembler, g, data, &packet, &e);

	if (result == SIO_BAD)
		take_bad(s, whole, e.text);
	else if (result == SIO_PACKET)
		take_sio(s, &packet);
}

static void engine_rejected(void *arg, const char *reason, struct slice bytes)
{
	struct session *s = arg;

	if (!ingest_reject(s->ingest, s->connection_id, clock_now(s->context.clock), reason, bytes))
		give_up_overloaded(s);
}

static void engine_arrived(void *arg)
{
	struct session *s = arg;

	s->last_received_us = clock_now(s->context.clock);
	if (writer_is_full(s->context.writer))
		s->context.full(s->context.full_arg);
}

static const struct engine_events engine_events = {
	.opened = engine_opened,
	.upgraded = engine_upgraded,
	.arrived = engine_arrived,
	.message = engine_message,
	.rejected = engine_rejected,
	.ended = engine_ended,
};

/* ---- subscriptions ---- */

/* The arguments go out as ASCII, which every version reads alike. */
static bool subscriptions_send(
	void *arg, const char *event, struct slice args, bool has_id, uint64_t id)
{
	struct session *s = arg;

	buf_reset(&s->packet, PACKET_MAX / 16);
	buf_reset(&s->ascii, PACKET_MAX / 16);
	if (json_ascii(args, &s->ascii) &&
		generation_event_encode(engine_generation(s->engine), &s->packet,
			slice_of(s->feed->namespace), slice_of(event), buf_slice(&s->ascii), has_id,
			id) &&
		engine_send(s->engine, buf_slice(&s->packet)))
		return true;
	give_up_overloaded(s);
	return false;
}

static size_t subscriptions_pending(void *arg)
{
	struct session *s = arg;

	return engine_pending(s->engine);
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

	if (s->state == LEAVING)
		subscriptions_left(s);
	else
		give_up(s, SESSION_NO_JOIN, "the server did not answer the Socket.IO connect");
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
	if (s->engine != NULL)
		engine_pause(s->engine, pause);
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
	if (s->assembler == NULL || s->subscriptions == NULL || s->phase == NULL ||
		!handshake_auth(s->feed, token, &s->auth))
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	return true;
}

static bool open_engine(struct session *s, const struct session_feed *feed,
	const struct secret *token, struct err *e)
{
	struct access access = { .loop = s->context.loop,
		.transfers = s->context.transfers,
		.cookies = feed->cookies,
		.feed = s->feed,
		.token = token };

	return engine_new(&s->engine, &access, feed->memory, &engine_events, s, e);
}

bool session_new(struct session **out, const struct session_context *context,
	const struct session_feed *feed, const struct secret *token,
	const struct session_events *events, void *arg, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	struct batch *batch = writer_batch(context->writer);

	if (s == NULL || batch == NULL) {
		free(s);
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	}
	s->context = *context;
	s->ingest = feed->ingest;
	s->feed = feed->ingest->feed;
	s->events = events;
	s->arg = arg;
	s->connection_id = writer_next_connection_id(context->writer);
	buf_init(&s->auth, PACKET_MAX);
	buf_init(&s->packet, PACKET_MAX);
	buf_init(&s->ascii, 6 * PACKET_MAX);
	if (!prepare(s, token, e) || !open_engine(s, feed, token, e)) {
		session_free(s);
		return false;
	}
	if (!batch_add_opened(
		    batch, s->connection_id, s->ingest->feed_id, clock_now(context->clock))) {
		session_free(s);
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	}
	log_line(LOG_DEBUG, "connecting", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("url", s->feed->url_text));
	*out = s;
	return true;
}
