#include "record/feed.h"

#include "base/log.h"
#include "net/cookies.h"
#include "record/link.h"
#include "record/silence.h"
#include "record/token.h"

#include <stdlib.h>
#include <string.h>

#define WATCH_US 250000

struct feed {
	struct session_context context;
	const struct config_feed *config;
	const struct feed_events *events;
	void *arg;
	struct endpoints endpoints;
	struct journal journal;
	struct ingest ingest;
	struct cookies *cookies;
	struct approach_memory memory;
	struct token *token; /* NULL: the feed needs none */
	struct link *link[CONFIG_CONNECTIONS_MAX];
	unsigned links;
	unsigned running; /* links that have not stopped */
	struct timer *watch;
	const char *cause;           /* of the open outage; NULL: none */
	int64_t heard_from_us;       /* monotonic; the end of the last pause of reading */
	int64_t silence_handover_us; /* monotonic; the last one; 0: none */
	bool is_paused;
	bool is_stopping;
	enum feed_stop stop;
	int64_t stop_us; /* time stamp */
	bool has_settled;
};

/* ---- outages ---- */

static void begin_outage(struct feed *f, int64_t at_us, const char *cause)
{
	f->cause = cause;
	journal_feed_outage(&f->journal, at_us, cause, NULL);
}

static bool is_settled(const struct feed *f)
{
	for (unsigned i = 0; i < f->links; i++)
		if (!link_has_settled(f->link[i]))
			return false;
	return true;
}

/* Tries that do not reach the server say nothing new about why it has left. */
static bool is_news(const struct feed *f, const char *cause)
{
	if (f->cause == NULL)
		return true;
	if (strcmp(cause, "network") == 0 &&
		(strcmp(f->cause, "server_closed") == 0 || strcmp(f->cause, "heartbeat") == 0))
		return false;
	return strcmp(f->cause, cause) != 0;
}

/* ---- what the links tell ---- */

static bool link_token(void *arg, const struct secret **out)
{
	struct feed *f = arg;

	if (f->token == NULL)
		return true;
	*out = token_current(f->token);
	if (*out == NULL)
		token_fetch(f->token);
	return *out != NULL;
}

static void link_token_refused(void *arg)
{
	struct feed *f = arg;

	if (f->token != NULL)
		token_refuse(f->token);
}

static void link_live(void *arg)
{
	struct feed *f = arg;

	if (f->token != NULL)
		token_accept(f->token);
}

static void link_settled(void *arg)
{
	struct feed *f = arg;

	if (!is_settled(f))
		return;
	if (f->cause != NULL || !f->has_settled)
		journal_feed_outage(&f->journal, clock_now(f->context.clock), NULL, NULL);
	f->cause = NULL;
	f->has_settled = true;
	f->events->settled(f->arg, f);
}

/* What ends the outages of a feed that stops; one that is replaced has no say any more. */
static void note_stop(struct feed *f)
{
	if (f->stop != FEED_REPLACED)
		journal_feed_outage(
			&f->journal, f->stop_us, f->stop == FEED_STOPPED ? "stopped" : NULL, NULL);
}

static void link_lost(void *arg, const char *cause, int64_t at_us)
{
	struct feed *f = arg;

	if (f->is_stopping && f->stop == FEED_REPLACED)
		return;
	begin_outage(f, at_us, cause);
	if (f->is_stopping)
		note_stop(f);
}

static void link_failed(void *arg, const char *cause)
{
	struct feed *f = arg;

	if (is_news(f, cause))
		begin_outage(f, clock_now(f->context.clock), cause);
}

static void link_stopped(void *arg)
{
	struct feed *f = arg;

	if (--f->running == 0)
		f->events->stopped(f->arg, f);
}

static const struct link_events link_events = {
	.token = link_token,
	.token_refused = link_token_refused,
	.live = link_live,
	.settled = link_settled,
	.lost = link_lost,
	.failed = link_failed,
	.stopped = link_stopped,
};

/* Without a token nothing connects. */
static void token_failed(void *arg, bool is_answered)
{
	struct feed *f = arg;

	if (f->is_stopping || token_current(f->token) != NULL)
		return;
	for (unsigned i = 0; i < f->links; i++)
		if (link_session(f->link[i]) == NULL) {
			link_failed(f, is_answered ? "token" : "network");
			return;
		}
}

/* A new token: those who wait for it connect, the others are handed over to it. */
static void token_ready(void *arg)
{
	struct feed *f = arg;

	if (f->is_stopping)
		return;
	for (unsigned i = 0; i < f->links; i++) {
		if (link_is_live(f->link[i]))
			link_handover(f->link[i]);
		else
			link_connect(f->link[i]);
	}
}

static const struct token_events token_events = { token_ready, token_failed };

/* ---- silence ---- */

/* Streams of which the same is to be told; a feed may have many thousands, that fall silent together. */
struct told {
	const struct endpoint *first;
	size_t count;
};

static void tell(struct told *told, const struct endpoint *endpoint)
{
	if (told->count++ == 0)
		told->first = endpoint;
}

static void log_told(
	const struct feed *f, enum log_level level, const char *what, const struct told *told)
{
	if (told->count != 0)
		log_line(level, what, log_text("feed", f->config->name),
			log_int("streams", (int64_t)told->count),
			log_slice("first_path", told->first->path),
			log_slice("first_params", told->first->params));
}

/* What one look at all endpoints has found. */
struct look {
	struct told doubted;
	struct told silent;
	struct told spent;
};

/* The gap of a silent stream begins with its last event. */
static void note_silence(struct feed *f, struct endpoint *endpoint)
{
	/* One that has never spoken was never really covered. */
	int64_t at_us = endpoint->heard_at_us != 0 ? endpoint->heard_at_us : 1;
	int64_t now = clock_now(f->context.clock);

	for (int side = 0; side < SIDES; side++) {
		if (coverage_has(&endpoint->coverage, side) && at_us == 1)
			now = endpoint->coverage.since_us[side];
		journal_uncover(&f->journal, endpoint, side, at_us);
	}
	journal_outage(&f->journal, endpoint, at_us != 1 ? at_us : now, "silent", NULL);
}

static void hand_over_silent(struct feed *f, const struct endpoint *endpoint, int64_t now)
{
	if (f->silence_handover_us != 0 && now - f->silence_handover_us < SILENCE_HANDOVER_EVERY_US)
		return;
	f->silence_handover_us = now;
	link_handover(f->link[endpoint->link]);
}

static void watch_endpoint(
	struct feed *f, struct endpoint *endpoint, int64_t now, struct look *look)
{
	struct link *link = f->link[endpoint->link];
	int side = link_side(link);
	int64_t since = endpoint->waiting_us > f->heard_from_us ? endpoint->waiting_us
								: f->heard_from_us;

	if (endpoint->is_removed || !link_is_live(link) ||
		endpoint->subscription[side].state != SUBSCRIPTION_CONFIRMED)
		return;
	if (silence_doubts_resumed(endpoint, since, now)) {
		tell(&look->doubted, endpoint);
		session_doubt(link_session(link), endpoint);
	}
	switch (silence_check(endpoint, since, now)) {
	case SILENCE_WAIT:
		break;
	case SILENCE_ASK_AGAIN:
		tell(&look->silent, endpoint);
		note_silence(f, endpoint);
		session_ask_again(link_session(link), endpoint);
		break;
	case SILENCE_HAND_OVER:
		tell(&look->spent, endpoint);
		hand_over_silent(f, endpoint, now);
		break;
	}
}

static void watch_due(void *arg)
{
	struct feed *f = arg;
	int64_t now = clock_mono_us();
	bool has_doubt = false;
	struct look look = { 0 };

	timer_start(f->watch, WATCH_US);
	/* Mostly there is nothing to watch, and the endpoints may be many. */
	if (f->is_paused || f->is_stopping || !(f->endpoints.has_cadence || f->endpoints.has_doubt))
		return;
	for (size_t i = 0; i < f->endpoints.count; i++) {
		watch_endpoint(f, f->endpoints.all[i], now, &look);
		has_doubt = has_doubt || f->endpoints.all[i]->is_unproven;
	}
	f->endpoints.has_doubt = has_doubt;
	log_told(f, LOG_INFO, "streams stay silent on a resumed session and are asked for again",
		&look.doubted);
	log_told(f, LOG_WARN, "streams are silent and are asked for again", &look.silent);
	log_told(f, LOG_WARN, "streams stay silent", &look.spent);
}

/* ---- life ---- */

static bool make_links(struct feed *f)
{
	const struct session_feed shared = { .config = f->config,
		.ingest = &f->ingest,
		.endpoints = &f->endpoints,
		.journal = &f->journal,
		.cookies = f->cookies,
		.memory = &f->memory };

	for (unsigned i = 0; i < f->config->connections; i++) {
		f->link[i] = link_new(&f->context, &shared, i, &link_events, f);
		if (f->link[i] == NULL)
			return false;
		f->links++;
	}
	f->running = f->links;
	return true;
}

/* The session of an earlier run. With several connections nobody knows whose it was. */
static bool resume_from(struct feed *f, const struct store_known *known)
{
	if (known == NULL)
		return true;
	f->memory.generation = generation_named(slice_of(known->protocol));
	if (known->pid == NULL || known->offset == NULL || f->links != 1)
		return true;
	return link_resume_from(f->link[0],
		&(struct session_resume){ .pid = slice_of(known->pid),
			.offset = slice_of(known->offset),
			.side = 0,
			.until_us = known->resume_us });
}

static bool prepare(struct feed *f, const struct feed_known *known, struct err *e)
{
	const struct config_feed *config = f->config;

	if (!ingest_init(&f->ingest, f->context.writer, config, &f->endpoints, known->feed_id, e) ||
		!endpoints_update(&f->endpoints, config, e))
		return false;
	f->watch = timer_new(f->context.loop, watch_due, f);
	f->cookies = cookies_new();
	if (config->has_token && f->cookies != NULL)
		f->token = token_new(f->context.loop, f->context.transfers, config, f->cookies,
			&token_events, f);
	if (f->watch == NULL || f->cookies == NULL || (config->has_token && f->token == NULL) ||
		!make_links(f) || !resume_from(f, known->store))
		return err_set(e, ERR_NOMEM, "out of memory");
	return true;
}

bool feed_new(struct feed **out, const struct session_context *context,
	const struct config_feed *config, const struct feed_known *known,
	const struct feed_events *events, void *arg, struct err *e)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	*f = (struct feed){ .context = *context, .config = config, .events = events, .arg = arg };
	f->journal = (struct journal){ context->writer, known->feed_id, config->name };
	endpoints_init(&f->endpoints, config->connections);
	if (!prepare(f, known, e)) {
		feed_free(f);
		return false;
	}
	*out = f;
	return true;
}

void feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	for (unsigned i = 0; i < f->links; i++)
		link_free(f->link[i]);
	token_free(f->token);
	cookies_free(f->cookies);
	timer_free(f->watch);
	ingest_release(&f->ingest);
	endpoints_release(&f->endpoints);
	free(f);
}

void feed_was_covered(struct feed *f, struct slice path, struct slice params)
{
	struct endpoint *endpoint = endpoints_find(&f->endpoints, path, params);

	if (endpoint != NULL)
		endpoint->was_confirmed[0] = true;
}

void feed_note_wanted(struct feed *f)
{
	int64_t now = clock_now(f->context.clock);

	for (size_t i = 0; i < f->endpoints.count; i++) {
		struct endpoint *endpoint = f->endpoints.all[i];

		if (endpoint->is_removed || endpoint->is_wanted)
			continue;
		endpoint->is_wanted = true;
		journal_wanted(&f->journal, endpoint->path, endpoint->params, now);
	}
}

void feed_note_unwanted(struct feed *f, struct slice path, struct slice params)
{
	const struct endpoint *endpoint = endpoints_find(&f->endpoints, path, params);

	if (endpoint == NULL || endpoint->is_removed)
		journal_unwanted(&f->journal, path, params, clock_now(f->context.clock));
}

void feed_note_changed(struct feed *f, const struct feed *successor)
{
	int64_t now = clock_now(f->context.clock);

	for (size_t i = 0; i < f->endpoints.count; i++) {
		const struct endpoint *before = f->endpoints.all[i];
		const struct endpoint *after = successor != NULL
			? endpoints_find(&successor->endpoints, before->path, before->params)
			: NULL;

		if (after == NULL)
			journal_unwanted(&f->journal, before->path, before->params, now);
	}
}

void feed_start(struct feed *f)
{
	timer_start(f->watch, WATCH_US);
	for (unsigned i = 0; i < f->links; i++)
		link_connect(f->link[i]);
}

/* The outages that end with the daemon, or with the configuration of the feed. */
static void end_outages(struct feed *f)
{
	for (size_t i = 0; i < f->endpoints.count; i++)
		journal_outage_end(&f->journal, f->endpoints.all[i], f->stop_us);
	note_stop(f);
}

void feed_stop(struct feed *f, enum feed_stop why)
{
	f->is_stopping = true;
	f->stop = why;
	f->stop_us = clock_now(f->context.clock);
	timer_stop(f->watch);
	if (why != FEED_REPLACED)
		end_outages(f);
	for (unsigned i = 0; i < f->links; i++)
		link_stop(f->link[i], why == FEED_REPLACED);
}

bool feed_has_stopped(const struct feed *f)
{
	return f->is_stopping && f->running == 0;
}

bool feed_update(struct feed *f, const struct config_feed *config, struct err *e)
{
	int64_t now = clock_now(f->context.clock);

	if (!endpoints_update(&f->endpoints, config, e))
		return false;
	feed_note_wanted(f);
	for (size_t i = 0; i < f->endpoints.count; i++) {
		struct endpoint *endpoint = f->endpoints.all[i];

		if (!endpoint->is_removed || !endpoint->is_wanted)
			continue;
		endpoint->is_wanted = false;
		journal_outage_end(&f->journal, endpoint, now);
		journal_unwanted(&f->journal, endpoint->path, endpoint->params, now);
	}
	for (unsigned i = 0; i < f->links; i++)
		link_update(f->link[i]);
	endpoints_purge(&f->endpoints);
	return true;
}

void feed_reload_key(struct feed *f)
{
	if (f->token != NULL)
		token_reload(f->token);
}

void feed_overlap(struct feed *f, bool begins)
{
	for (unsigned i = 0; i < f->links; i++)
		link_overlap(f->link[i], begins);
}

void feed_handover(struct feed *f)
{
	for (unsigned i = 0; i < f->links; i++)
		link_handover(f->link[i]);
}

bool feed_is_live(const struct feed *f)
{
	for (unsigned i = 0; i < f->links; i++)
		if (!link_is_live(f->link[i]))
			return false;
	return true;
}

const struct config_feed *feed_config(const struct feed *f)
{
	return f->config;
}

void feed_pause(struct feed *f, enum pause_reason reason)
{
	f->is_paused = reason != PAUSE_NONE;
	f->heard_from_us = clock_mono_us();
	for (unsigned i = 0; i < f->links; i++)
		link_pause(f->link[i], reason);
}

bool feed_is_handing_over(const struct feed *f)
{
	for (unsigned i = 0; i < f->links; i++)
		if (link_is_handing_over(f->link[i]))
			return true;
	return false;
}

void feed_note_alive(struct feed *f)
{
	for (unsigned i = 0; i < f->links; i++)
		link_note_alive(f->link[i]);
}

void feed_get_stats(const struct feed *f, struct feed_stats *out)
{
	*out = (struct feed_stats){ .events = f->ingest.events,
		.bytes = f->ingest.bytes,
		.rejected = f->ingest.rejected,
		.is_live = feed_is_live(f) };
}
