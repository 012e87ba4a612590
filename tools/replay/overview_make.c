#include "overview_make.h"

#include "base/json.h"
#include "base/map.h"
#include "base/utf8.h"
#include "overview.h"
#include "store/summary.h"
#include "tape_gaps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CAUSE_MAX 32

struct gap {
	size_t stream;
	int64_t started_us;
	int64_t ended_us;
	int64_t duration_us;
	char cause[CAUSE_MAX];
};

struct maker {
	struct tape *tape;
	struct buf *text;
	struct gap *gaps;
	size_t n_gaps;
	uint64_t gaps_total;
};

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

static bool put_feeds(struct maker *m)
{
	struct buf *out = m->text;
	size_t count;
	const struct tape_feed *feeds = tape_feeds(m->tape, &count);
	bool ok = buf_append_str(out, "{\"feeds\":[");

	for (size_t i = 0; i < count && ok; i++)
		ok = buf_append_str(out, i != 0 ? ",{\"name\":" : "{\"name\":") &&
			put_string(out, feeds[i].name) && buf_append_str(out, ",\"namespace\":") &&
			put_string(out, feeds[i].name_space) && buf_append_str(out, ",\"path\":") &&
			put_string(out, feeds[i].io_path) && buf_append_str(out, ",\"dialect\":") &&
			buf_append_slice(out, feeds[i].dialect) && buf_append_char(out, '}');
	return ok;
}

static bool put_name(struct maker *m, size_t stream)
{
	size_t count;
	const struct tape_stream *s = &tape_streams(m->tape, &count)[stream];
	const struct tape_feed *feeds = tape_feeds(m->tape, &count);

	return buf_append_str(m->text, "{\"feed\":") && put_string(m->text, feeds[s->feed].name) &&
		buf_append_str(m->text, ",\"path\":") && put_string(m->text, s->path) &&
		buf_append_str(m->text, ",\"params\":") && buf_append_slice(m->text, s->params);
}

/* A stream as both the tape and the summaries name it. */
struct stream_name {
	struct slice feed;
	struct slice path;
	struct slice params;
};

struct found {
	struct stream_name name;
	const struct summary_stream *stream;
};

static uint64_t hash_of(const struct stream_name *name)
{
	return map_hash(map_hash(map_hash(0, name->feed), name->path), name->params);
}

static bool same_name(const void *item, const void *key)
{
	const struct found *f = item;
	const struct stream_name *name = key;

	return slice_equal(f->name.feed, name->feed) && slice_equal(f->name.path, name->path) &&
		slice_equal(f->name.params, name->params);
}

/* Makes `map` find the streams of a summary by their names; `list` has room for them. */
static bool index_streams(const struct summary *total, struct found *list, struct map *map)
{
	for (size_t i = 0; i < total->n_streams; i++) {
		const struct summary_stream *s = &total->streams[i];

		list[i] = (struct found){ { total->feeds[s->feed].name, s->path, s->params }, s };
		if (!map_add(map, hash_of(&list[i].name), &list[i]))
			return false;
	}
	return true;
}

static bool put_stream(struct maker *m, size_t i, const struct map *map)
{
	size_t count;
	const struct tape_stream *s = &tape_streams(m->tape, &count)[i];
	const struct stream_name name = { tape_feeds(m->tape, &count)[s->feed].name, s->path,
		s->params };
	const struct found *f = map_find(map, hash_of(&name), same_name, &name);

	return (i == 0 || buf_append_char(m->text, ',')) && put_name(m, i) &&
		buf_printf(m->text, ",\"events\":%" PRIu64, s->events) &&
		put_time(m->text, "first", f != NULL ? f->stream->first_us : TAPE_NONE) &&
		put_time(m->text, "last", f != NULL ? f->stream->last_us : TAPE_NONE) &&
		buf_append_char(m->text, '}');
}

static bool put_streams(struct maker *m, const struct summary *total)
{
	struct found *list = calloc(total->n_streams + 1, sizeof(*list));
	struct map map = { .count = 0 };
	size_t count;
	bool ok;

	(void)tape_streams(m->tape, &count);
	ok = list != NULL && index_streams(total, list, &map) &&
		buf_append_str(m->text, "],\"streams\":[");
	for (size_t i = 0; i < count && ok; i++)
		ok = put_stream(m, i, &map);
	map_release(&map);
	free(list);
	return ok;
}

/* The summaries of all recordings put together, from `all`, which the caller frees. */
static bool read_total(
	struct maker *m, struct summary **all, size_t count, struct summary **total, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (!summary_read(&all[i], tape_recording_path(m->tape, i), e))
			return false;
	return summary_total(total, (const struct summary *const *)all, count, e);
}

static bool add_streams(struct maker *m, struct err *e)
{
	size_t count = tape_recordings(m->tape);
	struct summary **all = calloc(count, sizeof(struct summary *));
	struct summary *total = NULL;
	bool ok = all != NULL || no_memory(e);

	ok = ok && read_total(m, all, count, &total, e) && (put_streams(m, total) || no_memory(e));
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
static void cut_gaps(struct maker *m)
{
	qsort(m->gaps, m->n_gaps, sizeof(*m->gaps), longer_first);
	if (m->n_gaps > OVERVIEW_GAPS_MAX)
		m->n_gaps = OVERVIEW_GAPS_MAX;
}

static void take_gap(struct maker *m, const struct tape_gap *g)
{
	struct gap *new;

	if (m->n_gaps == 2 * OVERVIEW_GAPS_MAX)
		cut_gaps(m);
	new = &m->gaps[m->n_gaps++];
	*new = (struct gap){ .stream = g->stream,
		.started_us = g->started_us,
		.ended_us = g->ended_us,
		.duration_us = g->duration_us };
	(void)snprintf(new->cause, sizeof(new->cause), "%.*s",
		(int)(g->cause.len < CAUSE_MAX ? g->cause.len : CAUSE_MAX - 1), g->cause.ptr);
	m->gaps_total++;
}

static bool read_gaps(struct maker *m, struct err *e)
{
	enum tape_result result = TAPE_FAILED;
	struct tape_gaps *gaps;
	struct tape_gap g;

	m->gaps = calloc((size_t)2 * OVERVIEW_GAPS_MAX, sizeof(*m->gaps));
	if (m->gaps == NULL)
		return no_memory(e);
	if (!tape_gaps_open(&gaps, m->tape, e))
		return false;
	while ((result = tape_gaps_next(gaps, &g, e)) == TAPE_EVENT)
		take_gap(m, &g);
	tape_gaps_close(gaps);
	cut_gaps(m);
	qsort(m->gaps, m->n_gaps, sizeof(*m->gaps), earlier_first);
	return result == TAPE_END;
}

static bool put_gaps(struct maker *m)
{
	bool ok = buf_append_str(m->text, "],\"gaps\":[");

	for (size_t i = 0; i < m->n_gaps && ok; i++) {
		const struct gap *g = &m->gaps[i];

		ok = (i == 0 || buf_append_char(m->text, ',')) && put_name(m, g->stream) &&
			put_time(m->text, "started", g->started_us) &&
			put_time(m->text, "ended", g->ended_us) &&
			buf_append_str(m->text, ",\"cause\":") &&
			put_string(m->text, slice_of(g->cause)) && buf_append_char(m->text, '}');
	}
	return ok && buf_printf(m->text, "],\"gaps_total\":%" PRIu64, m->gaps_total);
}

static bool put_rest(struct maker *m, const struct overview_source *source)
{
	int64_t first_us, last_us;

	tape_span(m->tape, &first_us, &last_us);
	return put_time(m->text, "from", first_us) && put_time(m->text, "to", last_us) &&
		buf_printf(m->text, ",\"order\":\"%s\",\"needs_token\":%s}\n",
			source->choice->order == TAPE_RECEIVED ? "received" : "timestamp",
			source->needs_token ? "true" : "false");
}

bool overview_make(const struct overview_source *source, struct buf *out, struct err *e)
{
	struct maker m = { .text = out };
	bool ok = tape_open(&m.tape, source->paths, source->n_paths, source->choice, e) &&
		(put_feeds(&m) || no_memory(e)) && add_streams(&m, e) && read_gaps(&m, e) &&
		((put_gaps(&m) && put_rest(&m, source)) || no_memory(e));

	tape_close(m.tape);
	free(m.gaps);
	return ok;
}
