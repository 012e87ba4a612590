#include "base/nearest.h"
#include "tape_parts.h"

#include <stdlib.h>

#define SHOWN_MAX 120 /* bytes of a text in an error */

/* Feeds are told apart by their name, streams by feed, path and params. */
struct feed_entry {
	struct feed_entry *next;
	struct tape_feed feed;
	int64_t written_us; /* the last sign of life in the recording that describes it */
	int64_t feed_id;    /* in the recording that is being read */
	bool has_stream;    /* that is chosen */
	size_t place;
};

struct stream_entry {
	struct stream_entry *next;
	struct feed_entry *feed;
	struct tape_stream stream;
	size_t place;
};

/* What is chosen of one kind. */
struct wish {
	const char *option;
	const struct slice *values; /* none: all */
	size_t count;
	bool *is_met; /* by what is there */
};

enum { WISH_FEED, WISH_PATH, WISH_PARAMS, WISHES };

struct chooser {
	struct tape *tape;
	struct wish wishes[WISHES];
	struct feed_entry *feeds;
	struct feed_entry **feeds_end;
	struct stream_entry *streams;
	struct stream_entry **streams_end;
	struct map by_name;
	struct map by_key;
	struct map by_id; /* feeds of the recording that is being read */
	int64_t alive_us; /* of that recording */
};

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read the recordings: out of memory");
}

/* The number of the value, or `count` if it is not among them. */
static size_t find_value(const struct wish *w, struct slice value)
{
	size_t i = 0;

	while (i < w->count && !slice_equal(w->values[i], value))
		i++;
	return i;
}

/* False: it is left out. `*at` is its number, if it was named. */
static bool is_wished(const struct wish *w, struct slice value, size_t *at)
{
	*at = find_value(w, value);
	return w->count == 0 || *at < w->count;
}

static bool keep(struct tape *t, struct slice *text)
{
	*text = (struct slice){ arena_copy(&t->arena, *text), text->len };
	return text->ptr != NULL;
}

static struct slice bytes_of_id(const int64_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

static bool has_name(const void *item, const void *key)
{
	const struct feed_entry *f = item;

	return slice_equal(f->feed.name, *(const struct slice *)key);
}

static bool has_id(const void *item, const void *key)
{
	const struct feed_entry *f = item;

	return f->feed_id == *(const int64_t *)key;
}

static bool has_key(const void *item, const void *key)
{
	const struct stream_entry *a = item;
	const struct stream_entry *b = key;

	return a->feed == b->feed && slice_equal(a->stream.path, b->stream.path) &&
		slice_equal(a->stream.params, b->stream.params);
}

static uint64_t hash_of(const struct stream_entry *s)
{
	uint64_t hash = map_hash(0, s->feed->feed.name);

	return map_hash(map_hash(hash, s->stream.path), s->stream.params);
}

static bool describe(struct chooser *c, struct feed_entry *f, const struct reel_feed *feed)
{
	f->feed.name_space = feed->name_space;
	f->feed.io_path = feed->io_path;
	f->feed.dialect = feed->dialect;
	f->written_us = c->alive_us;
	return keep(c->tape, &f->feed.name_space) && keep(c->tape, &f->feed.io_path) &&
		keep(c->tape, &f->feed.dialect);
}

static bool add_feed(struct chooser *c, struct feed_entry **out, const struct reel_feed *feed)
{
	uint64_t hash = map_hash(0, feed->name);
	struct feed_entry *f = map_find(&c->by_name, hash, has_name, &feed->name);

	if (f == NULL) {
		f = arena_alloc(&c->tape->arena, 1, sizeof(*f));
		if (f == NULL)
			return false;
		f->feed.name = feed->name;
		if (!keep(c->tape, &f->feed.name) || !describe(c, f, feed) ||
			!map_add(&c->by_name, hash, f))
			return false;
		*c->feeds_end = f;
		c->feeds_end = &f->next;
	} else if (c->alive_us >= f->written_us && !describe(c, f, feed)) {
		return false;
	}
	*out = f;
	return true;
}

static bool take_feed(void *arg, const struct reel_feed *feed, struct err *e)
{
	struct chooser *c = arg;
	struct feed_entry *f;
	size_t at;

	if (!is_wished(&c->wishes[WISH_FEED], feed->name, &at))
		return true;
	if (!add_feed(c, &f, feed))
		return no_memory(e);
	f->feed_id = feed->feed_id;
	if (!map_add(&c->by_id, map_hash(0, bytes_of_id(&f->feed_id)), f))
		return no_memory(e);
	/* Where nothing else is asked for a feed may have no streams. */
	if (at < c->wishes[WISH_FEED].count && c->wishes[WISH_PATH].count == 0 &&
		c->wishes[WISH_PARAMS].count == 0)
		c->wishes[WISH_FEED].is_met[at] = true;
	return true;
}

static struct stream_entry *add_stream(struct chooser *c, const struct stream_entry *key)
{
	uint64_t hash = hash_of(key);
	struct stream_entry *s = map_find(&c->by_key, hash, has_key, key);

	if (s != NULL)
		return s;
	s = arena_alloc(&c->tape->arena, 1, sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = *key;
	s->place = c->tape->n_streams++;
	if (!keep(c->tape, &s->stream.path) || !keep(c->tape, &s->stream.params) ||
		!map_add(&c->by_key, hash, s))
		return NULL;
	*c->streams_end = s;
	c->streams_end = &s->next;
	return s;
}

/* Every value that led to a stream is met; those that are not are the caller's mistakes. */
static void note_met(struct chooser *c, const size_t at[WISHES])
{
	for (int i = 0; i < WISHES; i++)
		if (at[i] < c->wishes[i].count)
			c->wishes[i].is_met[at[i]] = true;
}

static bool take_stream(void *arg, const struct reel_stream *stream, size_t *place, struct err *e)
{
	struct chooser *c = arg;
	struct stream_entry key = { .stream = { .path = stream->path, .params = stream->params } };
	struct stream_entry *s;
	size_t at[WISHES];

	key.feed = map_find(
		&c->by_id, map_hash(0, bytes_of_id(&stream->feed_id)), has_id, &stream->feed_id);
	if (key.feed == NULL || !is_wished(&c->wishes[WISH_PATH], stream->path, &at[WISH_PATH]) ||
		!is_wished(&c->wishes[WISH_PARAMS], stream->params, &at[WISH_PARAMS]))
		return true;
	at[WISH_FEED] = find_value(&c->wishes[WISH_FEED], key.feed->feed.name);
	note_met(c, at);
	s = add_stream(c, &key);
	if (s == NULL)
		return no_memory(e);
	s->stream.events += stream->events;
	s->feed->has_stream = true;
	*place = s->place;
	return true;
}

static bool read_streams(struct chooser *c, struct err *e)
{
	bool ok = true;

	for (size_t i = 0; i < c->tape->n_reels && ok; i++) {
		struct reel *r = c->tape->reels[i];

		c->alive_us = reel_span(r)->last_alive_us;
		ok = reel_feeds(r, take_feed, c, e) && reel_choose(r, take_stream, c, e);
		map_release(&c->by_id);
	}
	return ok;
}

/* Numbers the feeds that are played, and writes feeds and streams into arrays. */
static bool settle(struct chooser *c, struct err *e)
{
	struct tape *t = c->tape;
	bool all = c->wishes[WISH_PATH].count == 0 && c->wishes[WISH_PARAMS].count == 0;

	for (struct feed_entry *f = c->feeds; f != NULL; f = f->next)
		if (all || f->has_stream)
			f->place = t->n_feeds++;
	t->feeds = calloc(t->n_feeds + 1, sizeof(*t->feeds));
	t->streams = calloc(t->n_streams + 1, sizeof(*t->streams));
	if (t->feeds == NULL || t->streams == NULL)
		return no_memory(e);
	for (struct feed_entry *f = c->feeds; f != NULL; f = f->next)
		if (all || f->has_stream)
			t->feeds[f->place] = f->feed;
	for (struct stream_entry *s = c->streams; s != NULL; s = s->next) {
		t->streams[s->place] = s->stream;
		t->streams[s->place].feed = s->feed->place;
	}
	return true;
}

/* ---- what is chosen and is not there ---- */

struct search {
	const struct wish *wish;
	int kind;
	struct slice value;
	size_t least; /* distance of what was found */
	char *found;  /* malloc */
	size_t found_len;
};

static bool compare(struct search *s, struct slice text, struct err *e)
{
	size_t distance = nearest_distance(s->value, text);
	char *copy;

	if (s->found != NULL && distance >= s->least)
		return true;
	copy = malloc(text.len + 1);
	if (copy == NULL)
		return no_memory(e);
	if (text.len != 0)
		memcpy(copy, text.ptr, text.len);
	free(s->found);
	s->found = copy;
	s->found_len = text.len;
	s->least = distance;
	return true;
}

static bool compare_feed(void *arg, const struct reel_feed *feed, struct err *e)
{
	struct search *s = arg;

	return s->kind != WISH_FEED || compare(s, feed->name, e);
}

static bool compare_stream(
	void *arg, const struct reel_stream *stream, size_t *place, struct err *e)
{
	struct search *s = arg;

	(void)place;
	return compare(s, s->kind == WISH_PATH ? stream->path : stream->params, e);
}

static int shown(size_t len)
{
	return len < SHOWN_MAX ? (int)len : SHOWN_MAX;
}

/* Names what was asked for in vain, and the nearest that is there. */
static bool refuse(struct chooser *c, int kind, struct slice value, struct err *e)
{
	struct search s = { .wish = &c->wishes[kind], .kind = kind, .value = value };
	bool ok = true;

	for (size_t i = 0; i < c->tape->n_reels && ok; i++) {
		struct reel *r = c->tape->reels[i];

		ok = kind == WISH_FEED ? reel_feeds(r, compare_feed, &s, e)
				       : reel_streams(r, compare_stream, &s, e);
	}
	if (ok && s.found == NULL)
		(void)err_set(e, ERR_CONFIG, "%s '%.*s': there is no stream in the recordings",
			s.wish->option, shown(value.len), value.ptr);
	else if (ok && slice_equal(value, (struct slice){ s.found, s.found_len }))
		(void)err_set(e, ERR_CONFIG,
			"%s '%.*s': it is in the recordings, but no stream has it together with "
			"what else is chosen",
			s.wish->option, shown(value.len), value.ptr);
	else if (ok)
		(void)err_set(e, ERR_CONFIG,
			"%s '%.*s': no stream in the recordings has it; the nearest is '%.*s', "
			"'tapedeck-replay info' lists them all",
			s.wish->option, shown(value.len), value.ptr, shown(s.found_len), s.found);
	free(s.found);
	return false;
}

static bool check_met(struct chooser *c, struct err *e)
{
	for (int kind = 0; kind < WISHES; kind++)
		for (size_t i = 0; i < c->wishes[kind].count; i++)
			if (!c->wishes[kind].is_met[i])
				return refuse(c, kind, c->wishes[kind].values[i], e);
	return true;
}

bool tape_choose(struct tape *t, const struct tape_choice *choice, struct err *e)
{
	struct chooser c = { .tape = t,
		.wishes = { { "--feed", choice->feeds, choice->n_feeds, NULL },
			{ "--path", choice->paths, choice->n_paths, NULL },
			{ "--params", choice->params, choice->n_params, NULL } } };
	bool ok = true;

	c.feeds_end = &c.feeds;
	c.streams_end = &c.streams;
	for (int i = 0; i < WISHES && ok; i++) {
		c.wishes[i].is_met = calloc(c.wishes[i].count + 1, sizeof(bool));
		ok = c.wishes[i].is_met != NULL || no_memory(e);
	}
	ok = ok && read_streams(&c, e) && check_met(&c, e) && settle(&c, e);
	for (int i = 0; i < WISHES; i++)
		free(c.wishes[i].is_met);
	map_release(&c.by_name);
	map_release(&c.by_key);
	map_release(&c.by_id);
	return ok;
}
