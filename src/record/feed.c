#include "record/feed.h"

#include "base/log.h"
#include "net/cookies.h"
#include "record/backoff.h"
#include "record/token.h"

#include <stdlib.h>

struct feed {
	struct session_context context;
	const struct config_feed *config;
	void (*stopped)(void *arg);
	void *arg;
	struct ingest ingest;
	struct cookies *cookies;
	struct approach_memory memory;
	struct token *token; /* NULL: the feed needs none */
	struct session *session;
	struct timer *next; /* the next try; and the end of a stop without a session */
	struct backoff backoff;
	bool is_live;
	bool is_paused;
	bool is_stopping;
};

static void connect_now(struct feed *f);

static void try_later(struct feed *f, int64_t delay_us)
{
	log_line(LOG_INFO, "trying again", log_text("feed", f->config->name),
		log_real("in_s", (double)delay_us / 1e6));
	timer_start(f->next, delay_us);
}

static void session_live(void *arg)
{
	struct feed *f = arg;

	f->is_live = true;
	if (f->token != NULL)
		token_accept(f->token);
}

static void session_ended(void *arg, enum session_end why, int64_t lived_us)
{
	struct feed *f = arg;
	enum session_reaction reaction = session_end_reaction(why);

	session_free(f->session);
	f->session = NULL;
	f->is_live = false;
	if (reaction == REACTION_RELEARN)
		f->memory.generation = NULL;
	if (f->is_stopping) {
		timer_start(f->next, 0);
	} else if (reaction == REACTION_NEW_TOKEN && f->token != NULL) {
		token_refuse(f->token);
		timer_start(f->next, 0);
	} else if (lived_us >= FEED_SHORT_US) {
		try_later(f, backoff_after_loss(&f->backoff, backoff_random()));
	} else {
		try_later(f,
			backoff_after_failure(&f->backoff,
				reaction == REACTION_KNOCK ? BACKOFF_REFUSED_MAX_US
							   : BACKOFF_MAX_US,
				backoff_random()));
	}
}

static const struct session_events session_events = { session_live, session_ended };

static void token_ready(void *arg)
{
	struct feed *f = arg;

	if (f->session == NULL && !f->is_stopping && !timer_is_running(f->next))
		connect_now(f);
}

static void connect_now(struct feed *f)
{
	const struct session_feed shared = { &f->ingest, f->cookies, &f->memory };
	const struct secret *token = NULL;
	struct err e;

	if (f->token != NULL) {
		token = token_current(f->token);
		if (token == NULL) {
			token_fetch(f->token);
			return;
		}
	}
	if (session_new(&f->session, &f->context, &shared, token, &session_events, f, &e)) {
		session_pause(f->session, f->is_paused);
		return;
	}
	log_line(LOG_WARN, "cannot connect", log_text("feed", f->config->name), log_err(&e));
	try_later(f, backoff_after_failure(&f->backoff, BACKOFF_MAX_US, backoff_random()));
}

static void next_due(void *arg)
{
	struct feed *f = arg;

	if (f->is_stopping)
		f->stopped(f->arg);
	else
		connect_now(f);
}

bool feed_new(struct feed **out, const struct session_context *context,
	const struct config_feed *config, const struct feed_known *known,
	void (*stopped)(void *arg), void *arg, struct err *e)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	*f = (struct feed){ .context = *context, .config = config, .stopped = stopped, .arg = arg };
	if (!ingest_init(&f->ingest, context->writer, config, known->feed_id, e)) {
		free(f);
		return false;
	}
	f->memory.generation = generation_named(slice_of(known->protocol));
	f->next = timer_new(context->loop, next_due, f);
	f->cookies = cookies_new();
	if (config->has_token && f->cookies != NULL)
		f->token = token_new(
			context->loop, context->transfers, config, f->cookies, token_ready, f);
	if (f->next == NULL || f->cookies == NULL || (config->has_token && f->token == NULL)) {
		feed_free(f);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	*out = f;
	return true;
}

void feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	session_free(f->session);
	token_free(f->token);
	cookies_free(f->cookies);
	timer_free(f->next);
	ingest_release(&f->ingest);
	free(f);
}

void feed_start(struct feed *f)
{
	connect_now(f);
}

void feed_stop(struct feed *f)
{
	f->is_stopping = true;
	if (f->session != NULL)
		session_stop(f->session);
	else
		timer_start(f->next, 0);
}

void feed_pause(struct feed *f, bool pause)
{
	f->is_paused = pause;
	if (f->session != NULL)
		session_pause(f->session, pause);
}

void feed_note_alive(struct feed *f)
{
	if (f->session != NULL)
		session_note_alive(f->session);
}

void feed_get_stats(const struct feed *f, struct feed_stats *out)
{
	*out = (struct feed_stats){ .events = f->ingest.events,
		.bytes = f->ingest.bytes,
		.rejected = f->ingest.rejected,
		.is_live = f->is_live };
}
