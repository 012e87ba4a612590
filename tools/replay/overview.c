#include "overview.h"

#include "base/json.h"
#include "base/utf8.h"
#include "store/summary.h"
#include "tape_gaps.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define CAUSE_MAX 32

struct gap {
	size_t stream;
	int64_t started_us;
	int64_t ended_us;
	int64_t duration_us;
	char cause[CAUSE_MAX];
};

/* Somebody who waits for the answer. */
struct asker {
	LIST_ENTRY(asker) link;
	struct http_exchange *x;
};

struct overview {
	const char *const *paths;
	size_t n_paths;
	const struct tape_choice *choice;
	bool needs_token;
	struct bell *bell; /* the thread is done */
	pthread_t thread;
	bool has_thread;
	bool is_known; /* `text` is the answer; read on the loop after the bell */
	bool has_failed;
	struct buf text;
	struct err why;
	LIST_HEAD(, asker) askers;
	/* The thread's own: */
	struct tape *tape;
	struct gap *gaps;
	size_t n_gaps;
	uint64_t gaps_total;
};

/* ---- the thread: what is in the recordings ---- */

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read what is recorded: out of memory");
}

/* JSON has no other text than UTF-8; a file may hold anything. */
static bool put_string(struct buf *out, struct slice text)
{
	struct buf mended;
	bool ok;

	if (utf8_valid(text))
		return json_string_encode(text, out);
	buf_init(&mended, SIZE_MAX / 2);
	ok = utf8_mend(text, &mended) && json_string_encode(buf_slice(&mended), out);
	buf_release(&mended);
	return ok;
}

static bool put_time(struct buf *out, const char *name, int64_t us)
{
	if (us == TAPE_NONE)
		return buf_printf(out, ",\"%s\":null", name);
	return buf_printf(out, ",\"%s\":%" PRId64, name, us);
}

static bool put_feeds(struct overview *o)
{
	struct buf *out = &o->text;
	size_t count;
	const struct tape_feed *feeds = tape_feeds(o->tape, &count);
	bool ok = buf_append_str(out, "{\"feeds\":[");

	for (size_t i = 0; i < count && ok; i++)
		ok = buf_append_str(out, i != 0 ? ",{\"name\":" : "{\"name\":") &&
			put_string(out, feeds[i].name) && buf_append_str(out, ",\"namespace\":") &&
			put_string(out, feeds[i].name_space) && buf_append_str(out, ",\"path\":") &&
			put_string(out, feeds[i].io_path) && buf_append_str(out, ",\"dialect\":") &&
			buf_append_slice(out, feeds[i].dialect) && buf_append_char(out, '}');
	return ok;
}

static bool put_name(struct overview *o, size_t stream)
{
	size_t count;
	const struct tape_stream *s = &tape_streams(o->tape, &count)[stream];
	const struct tape_feed *feeds = tape_feeds(o->tape, &count);

	return buf_append_str(&o->text, "{\"feed\":") &&
		put_string(&o->text, feeds[s->feed].name) &&
		buf_append_str(&o->text, ",\"path\":") && put_string(&o->text, s->path) &&
		buf_append_str(&o->text, ",\"params\":") && buf_append_slice(&o->text, s->params);
}

static const struct summary_stream *find_summary(
	const struct summary *total, struct slice feed, const struct tape_stream *s)
{
	for (size_t i = 0; i < total->n_streams; i++) {
		const struct summary_stream *each = &total->streams[i];

		if (slice_equal(each->path, s->path) && slice_equal(each->params, s->params) &&
			slice_equal(total->feeds[each->feed].name, feed))
			return each;
	}
	return NULL;
}

static bool put_streams(struct overview *o, const struct summary *total)
{
	size_t count;
	size_t n_feeds;
	const struct tape_stream *streams = tape_streams(o->tape, &count);
	const struct tape_feed *feeds = tape_feeds(o->tape, &n_feeds);
	bool ok = buf_append_str(&o->text, "],\"streams\":[");

	for (size_t i = 0; i < count && ok; i++) {
		const struct summary_stream *s = find_summary(
			total, feeds[streams[i].feed].name, &streams[i]);

		ok = (i == 0 || buf_append_char(&o->text, ',')) && put_name(o, i) &&
			buf_printf(&o->text, ",\"events\":%" PRIu64, streams[i].events) &&
			put_time(&o->text, "first", s != NULL ? s->first_us : TAPE_NONE) &&
			put_time(&o->text, "last", s != NULL ? s->last_us : TAPE_NONE) &&
			buf_append_char(&o->text, '}');
	}
	return ok;
}

/* The summaries of all recordings put together, from `all`, which the caller frees. */
static bool read_total(struct overview *o, struct summary **all, size_t count,
	struct summary **total, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (!summary_read(&all[i], tape_recording_path(o->tape, i), e))
			return false;
	return summary_total(total, (const struct summary *const *)all, count, e);
}

static bool add_streams(struct overview *o, struct err *e)
{
	size_t count = tape_recordings(o->tape);
	struct summary **all = calloc(count, sizeof(struct summary *));
	struct summary *total = NULL;
	bool ok = all != NULL || no_memory(e);

	ok = ok && read_total(o, all, count, &total, e) && (put_streams(o, total) || no_memory(e));
	summary_free(total);
	for (size_t i = 0; all != NULL && i < count; i++)
		summary_free(all[i]);
	free(all);
	return ok;
}

static int longer_first(const void *a, const void *b)
{
	const struct gap *x = a;
	const struct gap *y = b;

	return x->duration_us > y->duration_us ? -1 : x->duration_us < y->duration_us;
}

static int earlier_first(const void *a, const void *b)
{
	const struct gap *x = a;
	const struct gap *y = b;

	return x->started_us < y->started_us ? -1 : x->started_us > y->started_us;
}

/* Keeps the longest. */
static void cut_gaps(struct overview *o)
{
	qsort(o->gaps, o->n_gaps, sizeof(*o->gaps), longer_first);
	if (o->n_gaps > OVERVIEW_GAPS_MAX)
		o->n_gaps = OVERVIEW_GAPS_MAX;
}

static void take_gap(struct overview *o, const struct tape_gap *g)
{
	struct gap *new;

	if (o->n_gaps == 2 * OVERVIEW_GAPS_MAX)
		cut_gaps(o);
	new = &o->gaps[o->n_gaps++];
	*new = (struct gap){ .stream = g->stream,
		.started_us = g->started_us,
		.ended_us = g->ended_us,
		.duration_us = g->duration_us };
	(void)snprintf(new->cause, sizeof(new->cause), "%.*s",
		(int)(g->cause.len < CAUSE_MAX ? g->cause.len : CAUSE_MAX - 1), g->cause.ptr);
	o->gaps_total++;
}

static bool read_gaps(struct overview *o, struct err *e)
{
	enum tape_result result = TAPE_FAILED;
	struct tape_gaps *gaps;
	struct tape_gap g;

	o->gaps = calloc((size_t)2 * OVERVIEW_GAPS_MAX, sizeof(*o->gaps));
	if (o->gaps == NULL)
		return no_memory(e);
	if (!tape_gaps_open(&gaps, o->tape, e))
		return false;
	while ((result = tape_gaps_next(gaps, &g, e)) == TAPE_EVENT)
		take_gap(o, &g);
	tape_gaps_close(gaps);
	cut_gaps(o);
	qsort(o->gaps, o->n_gaps, sizeof(*o->gaps), earlier_first);
	return result == TAPE_END;
}

static bool put_gaps(struct overview *o)
{
	bool ok = buf_append_str(&o->text, "],\"gaps\":[");

	for (size_t i = 0; i < o->n_gaps && ok; i++) {
		const struct gap *g = &o->gaps[i];

		ok = (i == 0 || buf_append_char(&o->text, ',')) && put_name(o, g->stream) &&
			put_time(&o->text, "started", g->started_us) &&
			put_time(&o->text, "ended", g->ended_us) &&
			buf_append_str(&o->text, ",\"cause\":") &&
			put_string(&o->text, slice_of(g->cause)) && buf_append_char(&o->text, '}');
	}
	return ok && buf_printf(&o->text, "],\"gaps_total\":%" PRIu64, o->gaps_total);
}

static bool put_rest(struct overview *o)
{
	int64_t first_us, last_us;

	tape_span(o->tape, &first_us, &last_us);
	return put_time(&o->text, "from", first_us) && put_time(&o->text, "to", last_us) &&
		buf_printf(&o->text, ",\"order\":\"%s\",\"needs_token\":%s}\n",
			o->choice->order == TAPE_RECEIVED ? "received" : "timestamp",
			o->needs_token ? "true" : "false");
}

static bool make(struct overview *o, struct err *e)
{
	return tape_open(&o->tape, o->paths, o->n_paths, o->choice, e) &&
		(put_feeds(o) || no_memory(e)) && add_streams(o, e) && read_gaps(o, e) &&
		((put_gaps(o) && put_rest(o)) || no_memory(e));
}

static void *run(void *arg)
{
	struct overview *o = arg;

	o->has_failed = !make(o, &o->why);
	tape_close(o->tape);
	free(o->gaps);
	bell_ring(o->bell);
	return NULL;
}

/* ---- the loop ---- */

static void answer(struct overview *o, struct http_exchange *x)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		{ SLICE_LITERAL("Cache-Control"), SLICE_LITERAL("no-store") },
	};
	struct buf text;

	if (!o->has_failed) {
		http_exchange_reply(x, 200, headers, 2, buf_slice(&o->text));
		return;
	}
	buf_init(&text, 8 * ERR_TEXT_MAX);
	if (buf_append_str(&text, "{\"error\":") && put_string(&text, slice_of(o->why.text)) &&
		buf_append_str(&text, "}\n"))
		http_exchange_reply(x, 500, headers, 2, buf_slice(&text));
	else
		http_exchange_drop(x);
	buf_release(&text);
}

static void asker_free(struct asker *a)
{
	LIST_REMOVE(a, link);
	free(a);
}

static void done(void *arg)
{
	struct overview *o = arg;

	(void)pthread_join(o->thread, NULL);
	o->has_thread = false;
	o->is_known = true;
	while (!LIST_EMPTY(&o->askers)) {
		struct asker *a = LIST_FIRST(&o->askers);
		struct http_exchange *x = a->x;

		asker_free(a);
		answer(o, x);
	}
	/* What failed may work the next time. */
	if (o->has_failed) {
		o->is_known = false;
		buf_release(&o->text);
	}
}

bool overview_new(struct overview **out, struct loop *l, const char *const *paths, size_t n_paths,
	const struct tape_choice *choice, bool needs_token, struct err *e)
{
	struct overview *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return no_memory(e);
	o->paths = paths;
	o->n_paths = n_paths;
	o->choice = choice;
	o->needs_token = needs_token;
	buf_init(&o->text, SIZE_MAX / 2);
	o->bell = bell_new(l, done, o);
	if (o->bell == NULL) {
		free(o);
		return no_memory(e);
	}
	*out = o;
	return true;
}

void overview_free(struct overview *o)
{
	if (o == NULL)
		return;
	if (o->has_thread)
		(void)pthread_join(o->thread, NULL);
	while (!LIST_EMPTY(&o->askers))
		asker_free(LIST_FIRST(&o->askers));
	bell_free(o->bell);
	buf_release(&o->text);
	free(o);
}

static void asker_gone(void *arg)
{
	asker_free(arg);
}

static bool start(struct overview *o)
{
	if (o->has_thread)
		return true;
	o->tape = NULL;
	o->gaps = NULL;
	o->n_gaps = 0;
	o->gaps_total = 0;
	o->has_thread = pthread_create(&o->thread, NULL, run, o) == 0;
	return o->has_thread;
}

void overview_reply(struct overview *o, struct http_exchange *x)
{
	struct asker *a;

	if (o->is_known) {
		answer(o, x);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL || !start(o)) {
		free(a);
		http_exchange_drop(x);
		return;
	}
	a->x = x;
	LIST_INSERT_HEAD(&o->askers, a, link);
	http_exchange_hold(x, asker_gone, a);
}
