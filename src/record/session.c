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
/* Longer than the answer to any unsubscribe is waited for. */
#define RETIRE_TIMEOUT_US 60000000
#define PACKET_MAX ((size_t)1 << 20)
#define MESSAGES_A_LOOK 64 /* at the memory that they fill */
#define ERRORS_TOLD 20     /* of one connection, in the log */

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
	struct session_feed shared;
	const struct config_feed *feed;
	unsigned link;
	int side;
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
	int64_t live_at_us;       /* the same as a time stamp */
	int64_t last_received_us; /* when the last bytes came, as a time stamp */
	int64_t noted_us;         /* what of it the recording knows */
	struct pause pause;
	enum pause_reason behind; /* what kept it from having read everything when it ended */
	unsigned told_errors;
	unsigned messages;
	bool has_asked; /* to join the namespace */
	bool has_settled;
	bool is_retiring; /* leaving, or about to leave, in favour of another connection */
	struct recovery recovery;
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

	sio_assembler_free(s->assembler);
	wipe(&s->auth);
	wipe(&s->packet); /* it held the request to join, with the token */
	buf_release(&s->ascii);
	recovery_release(&s->recovery);
	free(s);
}

/* Lets go of everything that could fire. */
static void disarm(struct session *s)
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
	disarm(s);
	subscriptions_free(
		s->subscriptions); /* now: the endpoints may go before the end of the turn */
	s->subscriptions = NULL;
	s->state = CLOSED;
	loop_reap_later(s->context.loop, &s->reap, destroy);
}

/* Nothing is covered any more since the last byte. What was confirmed is kept, for a session that goes on. */
static void end_coverage(struct session *s)
{
	const struct journal *j = s->shared.journal;
	int64_t until_us = s->last_received_us;

	for (size_t i = 0; i < s->shared.endpoints->count; i++) {
		struct endpoint *endpoint = s->shared.endpoints->all[i];

		if (endpoint->link != s->link)
			continue;
		endpoint->was_confirmed[s->side] = endpoint->subscription[s->side].state ==
			SUBSCRIPTION_CONFIRMED;
		journal_uncover(j, endpoint, s->side, until_us);
		/* A refusal was this connection's, unless the other one has it, too; silence goes on. */
		if (endpoint->silence == SILENCE_NONE &&
			endpoint->subscription[1 - s->side].state != SUBSCRIPTION_REFUSED &&
			!coverage_has(&endpoint->coverage, 1 - s->side))
			journal_outage_end(j, endpoint, until_us);
	}
}

/* Until when nothing that was sent can have been missed. */
static int64_t sure_us(const struct session *s)
{
	return pause_is_behind(&s->pause, clock_mono_us()) ? s->pause.since_us
							   : s->last_received_us;
}

/* The end: noted in the recording, then told to the owner. */
static void engine_ended(void *arg, enum session_end why, const char *detail)
{
	struct session *s = arg;
	struct batch *batch = writer_batch(s->context.writer);
	int64_t lived = s->live_us != 0 ? clock_mono_us() - s->live_us : 0;

	move(s, CLOSED);
	disarm(s);
	if (pause_is_behind(&s->pause, clock_mono_us())) {
		s->behind = s->pause.reason;
		s->last_received_us = s->pause.since_us;
		s->pause = (struct pause){ 0 };
	}
	session_note_alive(s);
	if (s->live_us != 0)
		end_coverage(s);
	if (batch == NULL ||
		!batch_add_closed(batch, s->connection_id, clock_now(s->context.clock),
			s->last_received_us, session_end_name(why), detail))
		log_line(LOG_ERROR, "out of memory: the end of a connection is not recorded",
			log_text("feed", s->feed->name));
	log_line(why == SESSION_STOPPED || why == SESSION_HANDOVER ? LOG_INFO : LOG_WARN,
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

/* The answer counts from when it can be read. */
static void await_join(struct session *s)
{
	if (s->pause.began_us == 0)
		timer_start(s->phase, JOIN_TIMEOUT_US);
	else
		timer_stop(s->phase);
}

static void engine_opened(void *arg)
{
	struct session *s = arg;

	if (s->state != CONNECTING)
		return;
	move(s, JOINING);
	await_join(s);
	if (!engine_generation(s->engine)->joins_unasked)
		join(s);
}

static void become_live(struct session *s)
{
	struct batch *batch = writer_batch(s->context.writer);
	const char *protocol = engine_generation(s->engine)->name;
	const char *transport = engine_transport(s->engine);
	struct batch_established row = { .protocol = protocol,
		.transport = transport,
		.sid = slice_of(engine_sid(s->engine)),
		.pid = recovery_pid(&s->recovery),
		.recovered = s->recovery.is_resumed ? s->recovery.early : 0 };

	if (secret_quotes(row.sid)) /* a server's strange idea; the recording holds no token */
		row.sid = (struct slice){ 0 };
	move(s, LIVE);
	timer_stop(s->phase);
	s->live_us = clock_mono_us();
	s->live_at_us = clock_now(s->context.clock);
	wipe(&s->auth);
	if (batch == NULL || !batch_add_established(batch, s->connection_id, s->live_at_us, &row)) {
		give_up_overloaded(s);
		return;
	}
	log_line(LOG_INFO, "connected", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("protocol", protocol),
		log_text("transport", transport), log_int("recovered", row.recovered),
		log_int("endpoints", (int64_t)s->shared.endpoints->on_link[s->link]));
	s->events->live(s->arg);
	if (s->state == LIVE)
		subscriptions_begin(
			s->subscriptions, s->recovery.is_resumed ? s->recovery.side : -1);
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
		if (!s->has_asked)
			return true;
		/* Such a server lets one in unasked; having been asked, too, it would do so twice. */
		give_up(s, SESSION_GUESSED,
			"the server speaks \"eio3\" (Socket.IO 1 or 2), which it had not shown in time");
		return false;
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
	if (slice_equal(packet->nsp, slice_of(s->feed->namespace))) {
		recovery_take_answer(&s->recovery, packet->data);
		become_live(s);
	} else if (!s->has_asked) {
		join(s); /* it put us into "/" first */
	}
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

/* An event of a configured endpoint has come: it is alive, and it is covered, whatever an ack said. */
static void hear(struct session *s, struct endpoint *endpoint, int64_t at_us)
{
	enum subscription_state state = endpoint->subscription[s->side].state;

	endpoint->waiting_us = clock_mono_us();
	endpoint->heard_at_us = at_us;
	if (s->state != LIVE)
		return;
	endpoint->is_unproven = false;
	endpoint->silence = SILENCE_NONE;
	if (endpoint->is_outage)
		journal_outage_end(s->shared.journal, endpoint, at_us);
	if (endpoint->link == s->link && state != SUBSCRIPTION_TO_LEAVE &&
		state != SUBSCRIPTION_LEAVING)
		journal_cover(s->shared.journal, endpoint, s->side, at_us);
}

static void take_event(struct session *s, const struct sio_packet *packet)
{
	struct slice attachments[SIO_ATTACHMENTS_MAX];
	struct ingest_event event = { .connection_id = s->connection_id,
		.received_us = clock_now(s->context.clock),
		.payload = packet->data,
		.attachments = attachments,
		.attachment_count = packet->attachments,
		.may_have_offset = s->recovery.pid.len != 0 && packet->type == SIO_EVENT &&
			!packet->has_id };

	for (uint32_t i = 0; i < packet->attachments; i++)
		attachments[i] = sio_assembler_attachment(s->assembler, i);
	/* It may be one of thousands that arrived together; coverage ends with the last, not before it. */
	s->last_received_us = event.received_us;
	if (!ingest_take(s->shared.ingest, &event)) {
		give_up_overloaded(s);
		return;
	}
	if (s->state == JOINING)
		s->recovery.early++;
	if (event.endpoint != NULL)
		hear(s, event.endpoint, event.received_us);
	if (event.offset.ptr != NULL)
		recovery_keep_offset(&s->recovery, event.offset);
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
		s->context.submit(s->context.submit_arg);
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
	(void)!ingest_reject(
		s->shared.ingest, s->connection_id, clock_now(s->context.clock), why, bytes);
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
	/* What arrived at once may be millions of messages. */
	if (++s->messages % MESSAGES_A_LOOK == 0 && writer_is_full(s->context.writer))
		s->context.full(s->context.full_arg);
}

static void engine_rejected(void *arg, const char *reason, struct slice bytes)
{
	struct session *s = arg;

	if (!ingest_reject(
		    s->shared.ingest, s->connection_id, clock_now(s->context.clock), reason, bytes))
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

static void subscriptions_asking(void *arg, struct endpoint *endpoint)
{
	struct session *s = arg;

	if (coverage_has(&endpoint->coverage, 1 - s->side))
		endpoint->overlap_us = clock_now(s->context.clock);
}

/* An endpoint that has been silent is covered again when it speaks. */
static void subscriptions_granted(void *arg, struct endpoint *endpoint)
{
	struct session *s = arg;
	bool is_resumed = s->recovery.is_resumed && endpoint->was_confirmed[s->recovery.side] &&
		!s->has_settled;
	int64_t now = clock_now(s->context.clock); /* one instant: no gap between the two */

	endpoint->waiting_us = clock_mono_us();
	endpoint->is_unproven = is_resumed;
	s->shared.endpoints->has_doubt = s->shared.endpoints->has_doubt || is_resumed;
	if (endpoint->silence != SILENCE_NONE)
		return;
	journal_outage_end(s->shared.journal, endpoint, now);
	journal_cover(
		s->shared.journal, endpoint, s->side, is_resumed ? s->recovery.until_us : now);
}

static void subscriptions_refused(void *arg, struct endpoint *endpoint, const char *why)
{
	struct session *s = arg;

	if (!endpoint->is_outage)
		journal_outage(s->shared.journal, endpoint, clock_now(s->context.clock), "refused",
			secret_quotes(slice_of(why)) ? "" : why);
}

static void subscriptions_leaving(void *arg, struct endpoint *endpoint)
{
	struct session *s = arg;

	/* The answers come behind all that is unread: until then nobody knows how far it was covered. */
	if (s->state == LEAVING && !s->is_retiring && pause_is_behind(&s->pause, clock_mono_us()))
		return;
	journal_uncover(s->shared.journal, endpoint, s->side, clock_now(s->context.clock));
}

static void subscriptions_settled(void *arg, size_t confirmed, size_t refused)
{
	struct session *s = arg;

	s->has_settled = true;
	log_line(refused == 0 ? LOG_INFO : LOG_WARN, "subscribed", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_int("confirmed", (int64_t)confirmed),
		log_int("refused", (int64_t)refused),
		log_real("took_s", (double)(clock_mono_us() - s->live_us) / 1e6));
	s->events->settled(s->arg);
}

/* Says goodbye: a disconnect packet, then the close frame. */
static void say_goodbye(struct session *s)
{
	(void)!send_sio(s,
		&(struct sio_packet){
			.type = SIO_DISCONNECT, .nsp = slice_of(s->feed->namespace) });
	if (s->is_retiring)
		give_up(s, SESSION_HANDOVER, "another connection has taken over");
	else
		give_up(s, SESSION_STOPPED, "stopped");
}

/* Every ack has come. Where an unsubscribe has none, what is under way is given time to arrive; where a subscribe
 * has none, that time has passed before. */
static void subscriptions_left(void *arg)
{
	struct session *s = arg;

	if (s->state != LEAVING)
		return;
	if (s->feed->dialect.unsubscribe.ack)
		s->pause = (struct pause){ 0 }; /* caught up */
	if (s->is_retiring && !s->feed->dialect.unsubscribe.ack && s->feed->dialect.subscribe.ack)
		timer_start(s->phase, s->feed->handover_overlap_us);
	else
		say_goodbye(s);
}

static const struct subscriptions_events subscription_events = {
	.send = subscriptions_send,
	.pending = subscriptions_pending,
	.asking = subscriptions_asking,
	.granted = subscriptions_granted,
	.refused = subscriptions_refused,
	.leaving = subscriptions_leaving,
	.settled = subscriptions_settled,
	.left = subscriptions_left,
};

/* ---- timers, life ---- */

static void leave(struct session *s, int64_t timeout_us)
{
	move(s, LEAVING);
	timer_start(s->phase, timeout_us);
	subscriptions_leave(s->subscriptions);
}

static void phase_due(void *arg)
{
	struct session *s = arg;

	if (s->state == LEAVING)
		say_goodbye(s);
	else if (s->state == LIVE)
		leave(s, RETIRE_TIMEOUT_US);
	else
		give_up(s, SESSION_NO_JOIN, "the server did not answer the Socket.IO connect");
}

void session_stop(struct session *s)
{
	s->is_retiring = false;
	if (s->state == LIVE)
		leave(s, LEAVE_TIMEOUT_US);
	else
		give_up(s, SESSION_STOPPED, "stopped");
}

void session_retire(struct session *s)
{
	if (s->state == LEAVING)
		return;
	s->is_retiring = true;
	/* Without acks nobody knows when the other connection's subscriptions took effect. */
	if (s->state == LIVE && !s->feed->dialect.subscribe.ack)
		timer_start(s->phase, s->feed->handover_overlap_us);
	else if (s->state == LIVE)
		leave(s, RETIRE_TIMEOUT_US);
	else
		give_up(s, SESSION_HANDOVER, "another connection has taken over");
}

bool session_is_live(const struct session *s)
{
	return s->state == LIVE;
}

bool session_was_resumed(const struct session *s)
{
	return s->recovery.is_resumed;
}

bool session_resume_state(const struct session *s, struct session_resume *out)
{
	const struct recovery *r = &s->recovery;

	*out = (struct session_resume){ .pid = buf_slice(&r->pid),
		.offset = buf_slice(&r->offset),
		.side = s->side,
		.until_us = s->last_received_us };
	/* One that never went live may still have brought the first of what was missed. */
	if (s->live_us == 0) {
		out->side = r->side;
		out->until_us = r->until_us;
	}
	return (s->live_us != 0 || r->offers) && recovery_is_possible(r);
}

int64_t session_last_received_us(const struct session *s)
{
	return s->last_received_us;
}

void session_ask_again(struct session *s, struct endpoint *endpoint)
{
	subscriptions_again(s->subscriptions, endpoint);
}

void session_update(struct session *s)
{
	subscriptions_update(s->subscriptions);
}

void session_doubt(struct session *s, struct endpoint *endpoint)
{
	endpoint->is_unproven = false;
	journal_uncover(s->shared.journal, endpoint, s->side, s->live_at_us);
	journal_outage(s->shared.journal, endpoint, s->live_at_us, "silent", NULL);
	subscriptions_again(s->subscriptions, endpoint);
}

const char *session_cause(const struct session *s, enum session_end why)
{
	return session_end_cause(why, s->behind);
}

bool session_was_behind(const struct session *s)
{
	return s->behind != PAUSE_NONE;
}

void session_pause(struct session *s, enum pause_reason reason)
{
	bool pause = reason != PAUSE_NONE;

	if (s->engine == NULL)
		return;
	if (pause)
		pause_begin(&s->pause, reason, s->last_received_us, clock_mono_us());
	else
		pause_end(&s->pause, clock_mono_us());
	if (s->state == JOINING)
		await_join(s);
	subscriptions_pause(s->subscriptions, pause);
	engine_pause(s->engine, pause);
}

void session_note_alive(struct session *s)
{
	struct batch *batch = writer_batch(s->context.writer);
	int64_t sure = sure_us(s); /* a crash ends coverage there */

	if (batch == NULL)
		return;
	if (sure != s->noted_us && batch_add_alive(batch, s->connection_id, sure))
		s->noted_us = sure;
	if (s->recovery.is_offset_new && !secret_quotes(buf_slice(&s->recovery.offset)) &&
		batch_add_offset(batch, s->connection_id, buf_slice(&s->recovery.offset)))
		s->recovery.is_offset_new = false;
}

static bool prepare(struct session *s, const struct session_options *options, struct err *e)
{
	const struct subscriptions_scope scope = { s->shared.endpoints, s->link, s->side };

	s->assembler = sio_assembler_new();
	s->subscriptions = subscriptions_new(
		s->context.loop, s->feed, &scope, &subscription_events, s);
	s->phase = timer_new(s->context.loop, phase_due, s);
	if (s->assembler == NULL || s->subscriptions == NULL || s->phase == NULL ||
		!handshake_auth(s->feed, options->token, &s->auth) ||
		(options->resume != NULL &&
			!recovery_offer(&s->recovery, options->resume, &s->auth)))
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	return true;
}

static bool open_engine(struct session *s, const struct secret *token, struct err *e)
{
	struct access access = { .loop = s->context.loop,
		.transfers = s->context.transfers,
		.cookies = s->shared.cookies,
		.feed = s->feed,
		.token = token };

	return engine_new(&s->engine, &access, s->shared.memory, &engine_events, s, e);
}

static void init(struct session *s, const struct session_context *context,
	const struct session_feed *feed, const struct session_options *options)
{
	s->context = *context;
	s->shared = *feed;
	s->feed = feed->config;
	s->link = options->link;
	s->side = options->side;
	s->connection_id = writer_next_connection_id(context->writer);
	buf_init(&s->auth, PACKET_MAX);
	buf_init(&s->packet, PACKET_MAX);
	buf_init(&s->ascii, 6 * PACKET_MAX);
	recovery_init(&s->recovery);
}

bool session_new(struct session **out, const struct session_context *context,
	const struct session_feed *feed, const struct session_options *options,
	const struct session_events *events, void *arg, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	struct batch *batch = writer_batch(context->writer);

	if (s == NULL || batch == NULL) {
		free(s);
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	}
	init(s, context, feed, options);
	s->events = events;
	s->arg = arg;
	if (!prepare(s, options, e) || !open_engine(s, options->token, e)) {
		session_free(s);
		return false;
	}
	if (!batch_add_opened(batch, s->connection_id, s->shared.journal->feed_id,
		    clock_now(context->clock), recovery_pid(&s->recovery))) {
		session_free(s);
		return err_set(e, ERR_NOMEM, "cannot connect: out of memory");
	}
	log_line(LOG_DEBUG, "connecting", log_text("feed", s->feed->name),
		log_int("connection", s->connection_id), log_text("url", s->feed->url_text),
		log_int("resuming", s->recovery.offers ? 1 : 0));
	*out = s;
	return true;
}
