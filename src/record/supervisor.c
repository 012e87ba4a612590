#include "record/supervisor.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* A feed that runs. */
struct member {
	struct member *next;
	struct supervisor *supervisor;
	struct feed *feed;
	struct config *config; /* shared: the feed is made of it */
	struct member
		*predecessor; /* records until this one has subscribed everything; NULL: none */
	bool is_succeeded;    /* it is the predecessor of another one */
	bool is_stopping;
	bool is_kept; /* scratch of a reload */
};

struct supervisor {
	struct session_context context;
	void (*stopped)(void *arg);
	void *arg;
	struct member *members;
	struct timer *reaper;
	uint64_t past_events; /* of feeds that are gone */
	uint64_t past_bytes;
	uint64_t past_rejected;
	enum pause_reason pause;
	bool is_stopping;
};

static const char *name_of(const struct member *m)
{
	return feed_config(m->feed)->name;
}

/* The feed of this name that is to stay. */
static struct member *find(struct supervisor *s, const char *name)
{
	struct member *m = s->members;

	while (m != NULL && (m->is_stopping || m->is_succeeded || strcmp(name_of(m), name) != 0))
		m = m->next;
	return m;
}

static void free_member(struct member *m)
{
	feed_free(m->feed);
	config_free(m->config);
	free(m);
}

/* Frees what has stopped since; feeds may not be freed inside their own calls. */
static void reaper_due(void *arg)
{
	struct supervisor *s = arg;
	struct member **at = &s->members;

	while (*at != NULL) {
		struct member *m = *at;
		struct feed_stats stats;

		if (!m->is_stopping || !feed_has_stopped(m->feed)) {
			at = &m->next;
			continue;
		}
		feed_get_stats(m->feed, &stats);
		s->past_events += stats.events;
		s->past_bytes += stats.bytes;
		s->past_rejected += stats.rejected;
		*at = m->next;
		free_member(m);
	}
	if (s->is_stopping && s->members == NULL)
		s->stopped(s->arg);
}

static void stop_member(struct member *m, enum feed_stop why)
{
	if (m->is_stopping)
		return;
	m->is_stopping = true;
	feed_stop(m->feed, why);
}

static void feed_stopped(void *arg, struct feed *f)
{
	struct member *m = arg;

	(void)f;
	for (struct member *o = m->supervisor->members; o != NULL; o = o->next)
		if (o->predecessor == m) {
			o->predecessor = NULL;
			feed_overlap(o->feed, false);
		}
	timer_start(m->supervisor->reaper, 0);
}

/* Everything is subscribed: the one before it is not needed any more. */
static void feed_settled(void *arg, struct feed *f)
{
	struct member *m = arg;

	(void)f;
	if (m->predecessor != NULL)
		stop_member(m->predecessor, FEED_REPLACED);
}

static const struct feed_events feed_events = {
	.settled = feed_settled,
	.stopped = feed_stopped,
};

/* ---- making feeds ---- */

static void take_covered(void *arg, struct slice path, struct slice params)
{
	feed_was_covered(arg, path, params);
}

static void take_wanted(void *arg, struct slice path, struct slice params)
{
	feed_note_unwanted(arg, path, params);
}

static struct member *add_member(struct supervisor *s, struct config *config,
	const struct config_feed *feed, const struct feed_known *known, struct err *e)
{
	struct member *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	*m = (struct member){ .supervisor = s };
	if (!feed_new(&m->feed, &s->context, feed, known, &feed_events, m, e)) {
		free(m);
		return NULL;
	}
	m->config = config_share(config);
	m->next = s->members;
	s->members = m;
	return m;
}

static bool describe(
	struct supervisor *s, const struct config_feed *feed, int64_t *feed_id, struct err *e)
{
	struct store_feed row = { .name = feed->name,
		.url = feed->url_text,
		.name_space = feed->namespace,
		.io_path = feed->path,
		.dialect = feed->dialect.json };

	return writer_feed(s->context.writer, &row, feed_id, e);
}

/* A feed as the recording knows it, with what was wanted and covered before. */
static bool prepare_feed(struct supervisor *s, struct config *config,
	const struct config_feed *feed, int64_t *feed_id, struct err *e)
{
	struct writer *w = s->context.writer;
	struct store_known store;
	struct feed_known known = { .store = &store };
	struct member *m;
	bool ok;

	if (!describe(s, feed, &known.feed_id, e) ||
		!writer_feed_known(w, known.feed_id, &store, e))
		return false;
	*feed_id = known.feed_id;
	m = add_member(s, config, feed, &known, e);
	ok = m != NULL;
	if (ok && store.pid != NULL)
		ok = writer_covered_at(w, known.feed_id, store.resume_us, take_covered, m->feed, e);
	store_known_release(&store);
	if (!ok)
		return false;
	feed_note_wanted(m->feed);
	return writer_wanted(w, known.feed_id, take_wanted, m->feed, e);
}

struct supervisor *supervisor_new(
	const struct session_context *context, void (*stopped)(void *arg), void *arg)
{
	struct supervisor *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	*s = (struct supervisor){ .context = *context, .stopped = stopped, .arg = arg };
	s->reaper = timer_new(context->loop, reaper_due, s);
	if (s->reaper == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void supervisor_free(struct supervisor *s)
{
	if (s == NULL)
		return;
	while (s->members != NULL) {
		struct member *m = s->members;

		s->members = m->next;
		free_member(m);
	}
	timer_free(s->reaper);
	free(s);
}

bool supervisor_prepare(struct supervisor *s, struct config *config, struct err *e)
{
	int64_t *ids = calloc(config->n_feeds, sizeof(*ids));
	bool ok = ids != NULL;

	if (!ok)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; ok && i < config->n_feeds; i++)
		ok = prepare_feed(s, config, &config->feeds[i], &ids[i], e);
	ok = ok &&
		writer_retire_feeds(
			s->context.writer, ids, config->n_feeds, clock_now(s->context.clock), e);
	free(ids);
	return ok;
}

void supervisor_start(struct supervisor *s)
{
	for (struct member *m = s->members; m != NULL; m = m->next)
		feed_start(m->feed);
}

/* ---- another configuration ---- */

/* Starts a feed that takes the place of another one. */
static void succeed(struct member *m, struct member *old)
{
	log_line(LOG_INFO, "the feed's configuration has changed: handing over to a new connection",
		log_text("feed", name_of(m)));
	/* One that has not settled itself leaves its place, and whom it was to succeed. */
	m->predecessor = old;
	if (old->predecessor != NULL) {
		m->predecessor = old->predecessor;
		old->predecessor = NULL;
		stop_member(old, FEED_REPLACED);
	} else if (!feed_is_live(old->feed)) {
		stop_member(old, FEED_REPLACED);
	}
	m->predecessor->is_succeeded = true;
	feed_note_changed(old->feed, m->feed);
	feed_overlap(m->feed, true);
	feed_overlap(m->predecessor->feed, true);
}

/* A new feed, or one whose connections have to change; nothing is started yet. */
static bool reload_feed(
	struct supervisor *s, struct config *config, const struct config_feed *feed, struct err *e)
{
	struct member *old = find(s, feed->name);
	struct feed_known known = { 0 };
	struct member *m;

	if (old != NULL && config_feed_connects_alike(feed_config(old->feed), feed))
		return feed_update(old->feed, feed, e) && (old->is_kept = true);
	if (!describe(s, feed, &known.feed_id, e))
		return false;
	m = add_member(s, config, feed, &known, e);
	if (m == NULL)
		return false;
	m->is_kept = true;
	if (old != NULL)
		old->is_kept = true;
	feed_pause(m->feed, s->pause);
	feed_note_wanted(m->feed);
	if (old != NULL)
		succeed(m, old);
	feed_start(m->feed);
	return true;
}

bool supervisor_reload(struct supervisor *s, struct config *config, struct err *e)
{
	bool ok = true;

	for (struct member *m = s->members; m != NULL; m = m->next)
		m->is_kept = false;
	for (size_t i = 0; ok && i < config->n_feeds; i++)
		ok = reload_feed(s, config, &config->feeds[i], e);
	for (struct member *m = s->members; m != NULL; m = m->next)
		if (m->predecessor != NULL && m->is_kept)
			m->predecessor->is_kept = true;
	for (struct member *m = s->members; ok && m != NULL; m = m->next) {
		if (m->is_stopping)
			continue;
		if (m->is_kept) {
			feed_reload_key(m->feed);
			continue;
		}
		log_line(LOG_INFO, "the feed is not configured any more",
			log_text("feed", name_of(m)));
		feed_note_changed(m->feed, NULL);
		stop_member(m, FEED_REMOVED);
	}
	return ok;
}

void supervisor_handover(struct supervisor *s)
{
	for (struct member *m = s->members; m != NULL; m = m->next)
		if (!m->is_stopping)
			feed_handover(m->feed);
}

void supervisor_stop(struct supervisor *s)
{
	s->is_stopping = true;
	for (struct member *m = s->members; m != NULL; m = m->next)
		stop_member(m, FEED_STOPPED);
	timer_start(s->reaper, 0);
}

void supervisor_pause(struct supervisor *s, enum pause_reason reason)
{
	s->pause = reason;
	for (struct member *m = s->members; m != NULL; m = m->next)
		feed_pause(m->feed, reason);
}

bool supervisor_is_handing_over(const struct supervisor *s)
{
	for (const struct member *m = s->members; m != NULL; m = m->next)
		if (m->is_stopping || feed_is_handing_over(m->feed))
			return true;
	return false;
}

void supervisor_note_alive(struct supervisor *s)
{
	for (struct member *m = s->members; m != NULL; m = m->next)
		feed_note_alive(m->feed);
}

void supervisor_get_stats(const struct supervisor *s, struct supervisor_stats *out)
{
	*out = (struct supervisor_stats){
		.events = s->past_events, .bytes = s->past_bytes, .rejected = s->past_rejected
	};
	for (const struct member *m = s->members; m != NULL; m = m->next) {
		struct feed_stats f;

		feed_get_stats(m->feed, &f);
		out->events += f.events;
		out->bytes += f.bytes;
		out->rejected += f.rejected;
		out->feeds += m->is_stopping ? 0 : 1;
		out->feeds_live += !m->is_stopping && f.is_live ? 1 : 0;
	}
}
