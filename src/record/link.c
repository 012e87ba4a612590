#include "record/link.h"

#include "base/log.h"
#include "record/backoff.h"

#include <stdlib.h>

enum phase {
	SINGLE,     /* no handover */
	SUCCEEDING, /* a successor connects and subscribes */
	RETIRING    /* the first one leaves */
};

/* One of the two places for a session; knows which it is when its session calls back. */
struct seat {
	struct link *link;
	struct session *session;
	int side;
};

struct link {
	struct session_context context;
	struct session_feed shared;
	unsigned index;
	const struct link_events *events;
	void *arg;
	struct seat seat[SIDES];
	int current;
	enum phase phase;
	struct timer *next;    /* the next try; and the end of a stop without a session */
	struct timer *again;   /* the next try of a handover that failed */
	struct timer *overlap; /* the end of the time in which two connections deliver the same */
	struct backoff backoff;
	struct backoff handover_backoff;
	struct buf pid; /* of the session to go on with; empty: none */
	struct buf offset;
	int resume_side;
	int64_t resume_until_us;
	bool has_settled;
	bool is_overlapped;  /* by another feed */
	bool wants_handover; /* when the one under way is over */
	bool is_held;        /* it connects when reading goes on */
	bool is_stopping;
	enum pause_reason pause;
};

static void connect_seat(struct link *l, struct seat *seat, bool is_successor);

static struct seat *current_seat(struct link *l)
{
	return &l->seat[l->current];
}

static struct seat *other_seat(struct link *l)
{
	return &l->seat[1 - l->current];
}

static const char *feed_name(const struct link *l)
{
	return l->shared.config->name;
}

static void try_later(struct link *l, int64_t delay_us)
{
	log_line(LOG_INFO, "trying again", log_text("feed", feed_name(l)),
		log_real("in_s", (double)delay_us / 1e6));
	timer_start(l->next, delay_us);
}

/* ---- resuming ---- */

bool link_resume_from(struct link *l, const struct session_resume *resume)
{
	buf_reset(&l->pid, SIZE_MAX);
	buf_reset(&l->offset, SIZE_MAX);
	l->resume_side = resume->side;
	l->resume_until_us = resume->until_us;
	if (buf_append_slice(&l->pid, resume->pid) && buf_append_slice(&l->offset, resume->offset))
		return true;
	l->pid.len = 0;
	return false;
}

/* After the session that counted has ended. */
static void remember(struct link *l, const struct session *session, enum session_end why)
{
	struct session_resume resume;

	/* A server that sent us away has forgotten the session. */
	if (why == SESSION_DISCONNECTED || why == SESSION_STOPPED)
		l->pid.len = 0;
	else if (session_resume_state(session, &resume))
		(void)!link_resume_from(l, &resume); /* without memory: a new session */
}

/* ---- handover ---- */

static void begin_handover(struct link *l)
{
	l->wants_handover = false;
	timer_stop(l->again);
	l->phase = SUCCEEDING;
	log_line(LOG_INFO, "handing over to a new connection", log_text("feed", feed_name(l)));
	connect_seat(l, other_seat(l), true);
}

void link_handover(struct link *l)
{
	if (l->is_stopping || !link_is_live(l))
		return;
	if (l->phase != SINGLE || l->pause != PAUSE_NONE)
		l->wants_handover = true;
	else
		begin_handover(l);
}

static void handover_failed(struct link *l)
{
	int64_t delay = backoff_after_failure(
		&l->handover_backoff, BACKOFF_MAX_US, backoff_random());

	l->phase = SINGLE;
	log_line(LOG_WARN, "the handover has failed: the connection stays",
		log_text("feed", feed_name(l)), log_real("retry_s", (double)delay / 1e6));
	timer_start(l->again, delay);
	timer_start(l->overlap, LINK_OVERLAP_US);
}

/* The successor has subscribed everything: it counts from now on. */
static void succeed(struct link *l)
{
	l->current = 1 - l->current;
	l->phase = RETIRING;
	l->handover_backoff.failures = 0;
	session_retire(other_seat(l)->session);
}

/* The first session is gone before its successor has subscribed everything: what is not subscribed yet is
 * missed from there on. */
static void promote(struct link *l, const char *cause, int64_t last_received_us)
{
	l->events->lost(l->arg, cause, last_received_us);
	l->current = 1 - l->current;
	l->phase = SINGLE;
	l->pid.len = 0; /* the server would resume a session that is not ours any more */
	timer_start(l->overlap, LINK_OVERLAP_US);
}

static void again_due(void *arg)
{
	link_handover(arg);
}

/* From `since_us` on two connections may deliver the same; 0: only one does. */
static void set_overlap(struct link *l, int64_t since_us)
{
	l->shared.ingest->overlap_us = since_us;
	for (size_t i = 0; i < l->shared.endpoints->count; i++)
		if (l->shared.endpoints->all[i]->link == l->index)
			l->shared.endpoints->all[i]->overlap_us = since_us;
}

/* Nothing can be delivered twice any more. */
static void overlap_over(void *arg)
{
	struct link *l = arg;

	if (l->phase == SINGLE && !l->is_overlapped)
		set_overlap(l, 0);
}

/* ---- sessions ---- */

static void session_live(void *arg)
{
	struct seat *seat = arg;
	struct link *l = seat->link;

	if (seat != current_seat(l) && l->shared.ingest->overlap_us == 0)
		l->shared.ingest->overlap_us = clock_now(l->context.clock);
	if (seat == current_seat(l) && !session_was_resumed(seat->session))
		l->pid.len = 0;
	l->events->live(l->arg);
}

static void session_settled(void *arg)
{
	struct seat *seat = arg;
	struct link *l = seat->link;

	if (l->phase == SUCCEEDING && seat != current_seat(l))
		succeed(l);
	if (seat != current_seat(l))
		return;
	l->has_settled = true;
	l->events->settled(l->arg);
}

/* How a session ended, which is gone itself. */
struct ending {
	enum session_end why;
	const char *cause;
	bool was_behind;
	int64_t lived_us;
	int64_t last_received_us;
};

/* The connection that counts is gone, or could not be made. */
static void current_ended(struct link *l, const struct ending *ending)
{
	enum session_reaction reaction = session_end_reaction(ending->why);

	if (reaction == REACTION_AGAIN) {
		timer_start(l->next, 0);
		return;
	}
	if (ending->lived_us != 0)
		l->events->lost(l->arg, ending->cause, ending->last_received_us);
	else
		l->events->failed(l->arg, ending->cause);
	if (reaction == REACTION_NEW_TOKEN) {
		l->events->token_refused(l->arg);
		timer_start(l->next, 0);
	} else if (ending->lived_us >= LINK_SHORT_US) {
		try_later(l, backoff_after_loss(&l->backoff, backoff_random()));
	} else {
		try_later(l,
			backoff_after_failure(&l->backoff,
				reaction == REACTION_KNOCK ? BACKOFF_REFUSED_MAX_US
							   : BACKOFF_MAX_US,
				backoff_random()));
	}
}

/* A successor that failed, or the first one that has left. */
static void other_ended(struct link *l, enum session_end why)
{
	if (l->phase == RETIRING) {
		l->phase = SINGLE;
		timer_start(l->overlap, LINK_OVERLAP_US);
		endpoints_purge(l->shared.endpoints);
		if (l->wants_handover && l->pause == PAUSE_NONE)
			begin_handover(l);
		return;
	}
	if (session_end_reaction(why) == REACTION_NEW_TOKEN)
		l->events->token_refused(l->arg);
	handover_failed(l);
}

static void check_stopped(struct link *l)
{
	if (l->seat[0].session == NULL && l->seat[1].session == NULL)
		timer_start(l->next, 0);
}

/* What had not been read when it stopped was missed before that. */
static void stopping_ended(struct link *l, const struct seat *seat, const struct ending *ending)
{
	if (seat == current_seat(l) && ending->was_behind && ending->lived_us != 0)
		l->events->lost(l->arg, ending->cause, ending->last_received_us);
	check_stopped(l);
}

static void session_ended(void *arg, enum session_end why, int64_t lived_us)
{
	struct seat *seat = arg;
	struct link *l = seat->link;
	const struct ending ending = { why, session_cause(seat->session, why),
		session_was_behind(seat->session), lived_us,
		session_last_received_us(seat->session) };

	if (seat == current_seat(l)) {
		remember(l, seat->session, why);
		l->has_settled = false;
	}
	session_free(seat->session);
	seat->session = NULL;
	if (session_end_reaction(why) == REACTION_RELEARN)
		l->shared.memory->generation = NULL;
	if (l->is_stopping)
		stopping_ended(l, seat, &ending);
	else if (seat != current_seat(l))
		other_ended(l, why);
	else if (l->phase == SUCCEEDING)
		promote(l, ending.cause, ending.last_received_us);
	else
		current_ended(l, &ending);
}

static const struct session_events session_events = {
	.live = session_live,
	.settled = session_settled,
	.ended = session_ended,
};

static bool open_session(struct link *l, struct seat *seat, const struct secret *token,
	bool is_successor, struct err *e)
{
	const struct session_resume resume = { .pid = buf_slice(&l->pid),
		.offset = buf_slice(&l->offset),
		.side = l->resume_side,
		.until_us = l->resume_until_us };
	bool resumes = l->shared.config->resume && !is_successor && l->pid.len != 0;
	const struct session_options options = { .link = l->index,
		.side = seat->side,
		.token = token,
		.resume = resumes ? &resume : NULL };

	return session_new(
		&seat->session, &l->context, &l->shared, &options, &session_events, seat, e);
}

static void connect_seat(struct link *l, struct seat *seat, bool is_successor)
{
	const struct secret *token = NULL;
	struct err e;

	if (l->pause != PAUSE_NONE) { /* never a successor */
		if (!l->is_held)
			log_line(LOG_INFO, "not connecting while reading has stopped",
				log_text("feed", feed_name(l)));
		l->is_held = true;
		l->events->failed(l->arg, pause_cause(l->pause));
		return;
	}
	if (!l->events->token(l->arg, &token)) {
		if (is_successor)
			l->phase = SINGLE; /* the new token starts it anew */
		return;
	}
	if (open_session(l, seat, token, is_successor, &e))
		return;
	log_line(LOG_WARN, "cannot connect", log_text("feed", feed_name(l)), log_err(&e));
	if (is_successor)
		handover_failed(l);
	else
		try_later(l, backoff_after_failure(&l->backoff, BACKOFF_MAX_US, backoff_random()));
}

void link_connect(struct link *l)
{
	if (current_seat(l)->session == NULL && !l->is_stopping && !timer_is_running(l->next))
		connect_seat(l, current_seat(l), false);
}

static void next_due(void *arg)
{
	struct link *l = arg;

	if (l->is_stopping)
		l->events->stopped(l->arg);
	else
		connect_seat(l, current_seat(l), false);
}

/* ---- life ---- */

struct link *link_new(const struct session_context *context, const struct session_feed *shared,
	unsigned index, const struct link_events *events, void *arg)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct link){
		.context = *context, .shared = *shared, .index = index, .events = events, .arg = arg
	};
	for (int side = 0; side < SIDES; side++)
		l->seat[side] = (struct seat){ .link = l, .side = side };
	buf_init(&l->pid, SIZE_MAX);
	buf_init(&l->offset, SIZE_MAX);
	l->next = timer_new(context->loop, next_due, l);
	l->again = timer_new(context->loop, again_due, l);
	l->overlap = timer_new(context->loop, overlap_over, l);
	if (l->next == NULL || l->again == NULL || l->overlap == NULL) {
		link_free(l);
		return NULL;
	}
	return l;
}

void link_free(struct link *l)
{
	if (l == NULL)
		return;
	for (int side = 0; side < SIDES; side++)
		session_free(l->seat[side].session);
	timer_free(l->next);
	timer_free(l->again);
	timer_free(l->overlap);
	buf_release(&l->pid);
	buf_release(&l->offset);
	free(l);
}

void link_stop(struct link *l, bool is_retired)
{
	l->is_stopping = true;
	timer_stop(l->again);
	timer_stop(l->next);
	for (int side = 0; side < SIDES; side++) {
		struct session *session = l->seat[side].session;

		if (session != NULL && is_retired)
			session_retire(session);
		else if (session != NULL)
			session_stop(session);
	}
	check_stopped(l);
}

bool link_is_live(const struct link *l)
{
	const struct session *session = l->seat[l->current].session;

	return session != NULL && session_is_live(session);
}

bool link_has_settled(const struct link *l)
{
	return l->has_settled;
}

void link_overlap(struct link *l, bool begins)
{
	int64_t now = clock_now(l->context.clock);

	l->is_overlapped = begins;
	if (!begins) {
		timer_start(l->overlap, LINK_OVERLAP_US);
		return;
	}
	if (l->shared.ingest->overlap_us == 0)
		l->shared.ingest->overlap_us = now;
	for (size_t i = 0; i < l->shared.endpoints->count; i++) {
		struct endpoint *endpoint = l->shared.endpoints->all[i];

		if (endpoint->link == l->index && endpoint->overlap_us == 0)
			endpoint->overlap_us = now;
	}
}

int link_side(const struct link *l)
{
	return l->current;
}

struct session *link_session(struct link *l)
{
	return current_seat(l)->session;
}

void link_update(struct link *l)
{
	for (int side = 0; side < SIDES; side++)
		if (l->seat[side].session != NULL)
			session_update(l->seat[side].session);
}

void link_pause(struct link *l, enum pause_reason reason)
{
	bool was_held = l->is_held;

	l->pause = reason;
	for (int side = 0; side < SIDES; side++)
		if (l->seat[side].session != NULL)
			session_pause(l->seat[side].session, reason);
	if (l->is_stopping)
		return;
	if (reason != PAUSE_NONE) {
		if (was_held) /* the reason may have changed */
			l->events->failed(l->arg, pause_cause(reason));
		return;
	}
	l->is_held = false;
	if (was_held)
		link_connect(l);
	if (l->wants_handover && l->phase == SINGLE) {
		l->wants_handover = false;
		link_handover(l);
	}
}

bool link_is_handing_over(const struct link *l)
{
	return l->phase != SINGLE || (l->seat[0].session != NULL && l->seat[1].session != NULL);
}

void link_note_alive(struct link *l)
{
	for (int side = 0; side < SIDES; side++)
		if (l->seat[side].session != NULL)
			session_note_alive(l->seat[side].session);
}
