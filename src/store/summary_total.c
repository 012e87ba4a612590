#include "store/summary.h"

#include <assert.h>
#include <stdlib.h>

/* A stream of one of the recordings. */
struct part {
	size_t feed; /* its place in the total's feeds */
	const struct summary_stream *stream;
	const struct summary *of;
	size_t number; /* of the recording: the later named wins a draw */
};

static int compare_texts(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len != 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_streams(const struct part *a, const struct part *b)
{
	int order = (a->feed > b->feed) - (a->feed < b->feed);

	if (order == 0)
		order = compare_texts(a->stream->path, b->stream->path);
	return order != 0 ? order : compare_texts(a->stream->params, b->stream->params);
}

/* One stream's parts stand together, that with the latest sign of life last. */
static int compare_parts(const void *left, const void *right)
{
	const struct part *a = left;
	const struct part *b = right;
	int64_t a_us = a->of->last_alive_us;
	int64_t b_us = b->of->last_alive_us;
	int order = compare_streams(a, b);

	if (order == 0)
		order = (a_us > b_us) - (a_us < b_us);
	return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static int64_t earlier(int64_t a, int64_t b)
{
	if (a == SUMMARY_NONE || b == SUMMARY_NONE)
		return a == SUMMARY_NONE ? b : a;
	return a < b ? a : b;
}

/* SUMMARY_NONE is before every instant. */
static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The place of a feed in the total. It is described as in the recording that was alive last; a protocol that is not
 * known there is taken from another. */
static size_t add_feed(
	struct summary *t, int64_t *alive_us, const struct summary_feed *feed, int64_t us)
{
	struct slice protocol;
	size_t i = 0;

	while (i < t->n_feeds && !slice_equal(t->feeds[i].name, feed->name))
		i++;
	if (i == t->n_feeds) {
		t->feeds[t->n_feeds++] = *feed;
		alive_us[i] = us;
		return i;
	}
	protocol = us >= alive_us[i] ? feed->protocol : t->feeds[i].protocol;
	if (protocol.ptr == NULL)
		protocol = us >= alive_us[i] ? t->feeds[i].protocol : feed->protocol;
	if (us >= alive_us[i]) {
		t->feeds[i] = *feed;
		alive_us[i] = us;
	}
	t->feeds[i].protocol = protocol;
	return i;
}

/* Adds what counts for the whole file. */
static void add_whole(struct summary *t, const struct summary *s)
{
	t->bytes += s->bytes;
	t->wal_bytes += s->wal_bytes;
	t->is_recording = t->is_recording || s->is_recording;
	t->last_alive_us = later(t->last_alive_us, s->last_alive_us);
	t->first_us = earlier(t->first_us, s->first_us);
	t->last_us = later(t->last_us, s->last_us);
	t->first_received_us = earlier(t->first_received_us, s->first_received_us);
	t->last_received_us = later(t->last_received_us, s->last_received_us);
	t->events += s->events;
	t->rejected += s->rejected;
	t->connections += s->connections;
}

/* Adds a part to its stream; of several the one added last says what holds now. */
static void add_stream(struct summary_stream *t, const struct summary_stream *s)
{
	t->events += s->events;
	t->first_us = earlier(t->first_us, s->first_us);
	t->last_us = later(t->last_us, s->last_us);
	if (s->last_received_us >= t->last_received_us) {
		t->last_received_us = s->last_received_us;
		t->clock_offset_us = s->clock_offset_us;
	}
	t->wanted_us += s->wanted_us;
	t->gaps += s->gaps;
	t->gap_us += s->gap_us;
	t->is_wanted = s->is_wanted;
	t->open_gap = s->open_gap;
}

/* Fills `parts` with the streams of all recordings, and the total with their feeds. */
static void collect(struct summary *t, const struct summary *const *all, size_t count,
	int64_t *alive_us, size_t *places, struct part *parts)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct summary *s = all[i];

		add_whole(t, s);
		for (size_t f = 0; f < s->n_feeds; f++)
			places[f] = add_feed(t, alive_us, &s->feeds[f], s->last_alive_us);
		for (size_t k = 0; k < s->n_streams; k++)
			parts[n++] = (struct part){ places[s->streams[k].feed], &s->streams[k], s,
				i };
	}
}

static void fold(struct summary *t, const struct part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i != 0 && compare_streams(&parts[i - 1], &parts[i]) == 0) {
			add_stream(&t->streams[t->n_streams - 1], parts[i].stream);
			continue;
		}
		t->streams[t->n_streams] = *parts[i].stream;
		t->streams[t->n_streams++].feed = parts[i].feed;
	}
}

bool summary_total(
	struct summary **out, const struct summary *const *all, size_t count, struct err *e)
{
	struct summary *t = calloc(1, sizeof(*t));
	struct part *parts = NULL;
	int64_t *alive_us = NULL;
	size_t *places = NULL;
	size_t streams = 0;
	size_t feeds = 0;

	assert(count != 0);
	for (size_t i = 0; i < count; i++) {
		streams += all[i]->n_streams;
		feeds += all[i]->n_feeds;
	}
	if (t != NULL) {
		t->last_alive_us = t->first_us = t->last_us = SUMMARY_NONE;
		t->first_received_us = t->last_received_us = SUMMARY_NONE;
		t->feeds = arena_alloc(&t->arena, feeds, sizeof(*t->feeds));
		t->streams = arena_alloc(&t->arena, streams, sizeof(*t->streams));
		parts = arena_alloc(&t->arena, streams, sizeof(*parts));
		alive_us = arena_alloc(&t->arena, feeds, sizeof(*alive_us));
		places = arena_alloc(&t->arena, feeds, sizeof(*places));
	}
	if (t == NULL || t->feeds == NULL || t->streams == NULL || parts == NULL ||
		alive_us == NULL || places == NULL) {
		summary_free(t);
		return err_set(e, ERR_NOMEM, "cannot add the recordings up: out of memory");
	}
	collect(t, all, count, alive_us, places, parts);
	if (streams != 0)
		qsort(parts, streams, sizeof(*parts), compare_parts);
	fold(t, parts, streams);
	*out = t;
	return true;
}
