#include "venue.h"

#include "base/json.h"
#include "base/json_canon.h"
#include "base/json_template.h"

#include <stdio.h>

#define NAME_BYTES_MAX ((size_t)1 << 20)
#define SHOWN_MAX 80 /* bytes of a client's text in an answer */

/* ---- making ---- */

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot prepare the streams: out of memory");
}

/* Some write the path with a slash at its end and some without: both mean the same. */
static bool copy_io_path(struct arena *a, struct slice path, struct slice *out)
{
	char *copy = arena_alloc(a, path.len + 2, 1);

	if (copy == NULL)
		return false;
	if (path.len != 0)
		memcpy(copy, path.ptr, path.len);
	if (path.len == 0 || path.ptr[path.len - 1] != '/')
		copy[path.len] = '/';
	*out = slice_of(copy);
	return true;
}

static bool add_venue(struct venues *v, const struct tape_feed *feed, struct slice io_path,
	const struct config_dialect *dialect, struct err *e)
{
	struct venue *new = &v->list[v->count++];

	new->io_path = io_path;
	new->name_space = feed->name_space;
	new->feed = feed->name;
	new->dialect = dialect;
	return compose_init(&new->compose, dialect, e);
}

/* Feeds of one venue that speak differently could not be told apart by their clients. */
static bool same_dialect(
	const struct venue *v, const struct tape_feed *feed, const char *dialect, struct err *e)
{
	if (strcmp(v->dialect->json, dialect) == 0)
		return true;
	return err_set(e, ERR_CONFIG,
		"the feeds '%.*s' and '%.*s' share the namespace '%.*s' at '%.*s', but speak different "
		"dialects; choose one of them with --feed",
		(int)v->feed.len, v->feed.ptr, (int)feed->name.len, feed->name.ptr,
		(int)v->name_space.len, v->name_space.ptr, (int)v->io_path.len, v->io_path.ptr);
}

static struct venue *find(const struct venues *v, struct slice io_path, struct slice name_space)
{
	for (size_t i = 0; i < v->count; i++)
		if (slice_equal(v->list[i].io_path, io_path) &&
			slice_equal(v->list[i].name_space, name_space))
			return &v->list[i];
	return NULL;
}

const struct venue *venues_find(
	const struct venues *v, struct slice io_path, struct slice name_space)
{
	return find(v, io_path, name_space);
}

static bool add_feed(
	struct venues *v, const struct tape_feed *feed, const struct venue **out, struct err *e)
{
	struct config_dialect *dialect = arena_alloc(&v->arena, 1, sizeof(*dialect));
	struct slice io_path;
	char name[160];

	if (dialect == NULL || !copy_io_path(&v->arena, feed->io_path, &io_path))
		return no_memory(e);
	(void)snprintf(name, sizeof(name), "the dialect of feed '%.*s'",
		(int)(feed->name.len < 100 ? feed->name.len : 100), feed->name.ptr);
	if (!config_dialect_read(dialect, &v->arena, name, feed->dialect, e))
		return false;
	*out = find(v, io_path, feed->name_space);
	if (*out != NULL)
		return same_dialect(*out, feed, dialect->json, e);
	if (!add_venue(v, feed, io_path, dialect, e))
		return false;
	*out = &v->list[v->count - 1];
	return true;
}

static uint64_t hash_of(struct slice path, struct slice params)
{
	return map_hash(map_hash(0, path), params);
}

static bool same_streams(const void *item, const void *key)
{
	const struct venue_streams *a = item;
	const struct venue_streams *b = key;

	return slice_equal(a->path, b->path) && slice_equal(a->params, b->params);
}

static bool same_path(const void *item, const void *key)
{
	const struct venue_streams *a = item;
	const struct slice *path = key;

	return slice_equal(a->path, *path);
}

/* The entry for the stream's name, a new one if need be; NULL when out of memory. */
static struct venue_streams *entry_of(
	struct venues *v, struct venue *venue, const struct tape_stream *s)
{
	const struct venue_streams key = { .path = s->path, .params = s->params };
	uint64_t hash = hash_of(s->path, s->params);
	struct venue_streams *entry = map_find(&venue->streams, hash, same_streams, &key);

	if (entry != NULL)
		return entry;
	entry = arena_alloc(&v->arena, 1, sizeof(*entry));
	if (entry == NULL || !map_add(&venue->streams, hash, entry))
		return NULL;
	*entry = key;
	hash = map_hash(0, s->path);
	if (map_find(&venue->paths, hash, same_path, &s->path) == NULL &&
		!map_add(&venue->paths, hash, entry))
		return NULL;
	return entry;
}

static bool make_packet(struct venues *v, struct venue_stream *s)
{
	const struct venue *venue = s->venue;
	bool is_root = slice_is(venue->name_space, "/");
	struct buf b;
	bool ok;

	buf_init(&b, SIZE_MAX / 2);
	ok = buf_append_str(&b, "42") &&
		(is_root ||
			(buf_append_slice(&b, venue->name_space) && buf_append_char(&b, ','))) &&
		buf_append_char(&b, '[') && buf_append_slice(&b, s->text.name) &&
		buf_append_char(&b, ',');
	s->packet = (struct slice){ ok ? arena_copy(&v->arena, buf_slice(&b)) : NULL, b.len };
	buf_release(&b);
	return s->packet.ptr != NULL;
}

static bool add_stream(
	struct venues *v, const struct tape_stream *s, size_t place, struct venue *venue)
{
	struct venue_stream *new = &v->streams[place];
	struct venue_streams *entry = entry_of(v, venue, s);
	size_t *list;

	if (entry == NULL)
		return false;
	list = arena_alloc(&v->arena, entry->count + 1, sizeof(*list));
	if (list == NULL)
		return false;
	if (entry->count != 0)
		memcpy(list, entry->list, entry->count * sizeof(*list));
	list[entry->count++] = place;
	entry->list = list;
	new->venue = venue;
	return compose_stream_init(&new->text, &venue->compose, s->path, s->params, &v->arena) &&
		make_packet(v, new);
}

bool venues_init(struct venues *v, const struct tape *tape, struct err *e)
{
	size_t n_feeds;
	const struct tape_feed *feeds = tape_feeds(tape, &n_feeds);
	const struct tape_stream *streams;
	const struct venue **of_feed;
	bool ok = true;

	*v = (struct venues){ .count = 0 };
	streams = tape_streams(tape, &v->n_streams);
	v->list = arena_alloc(&v->arena, n_feeds + 1, sizeof(*v->list));
	v->streams = arena_alloc(&v->arena, v->n_streams + 1, sizeof(*v->streams));
	of_feed = arena_alloc(&v->arena, n_feeds + 1, sizeof(*of_feed));
	if (v->list == NULL || v->streams == NULL || of_feed == NULL)
		ok = no_memory(e);
	for (size_t i = 0; i < n_feeds && ok; i++)
		ok = add_feed(v, &feeds[i], &of_feed[i], e);
	for (size_t i = 0; i < v->n_streams && ok; i++) {
		const struct venue *venue = of_feed[streams[i].feed];

		ok = add_stream(v, &streams[i], i, &v->list[venue - v->list]) || no_memory(e);
	}
	if (!ok)
		venues_release(v);
	return ok;
}

void venues_release(struct venues *v)
{
	for (size_t i = 0; i < v->count; i++) {
		compose_release(&v->list[i].compose);
		map_release(&v->list[i].streams);
		map_release(&v->list[i].paths);
	}
	arena_release(&v->arena);
	*v = (struct venues){ .count = 0 };
}

/* ---- understanding ---- */

/* What a client asks for, in its own words and in ours. */
struct asked {
	struct buf path;
	struct buf params; /* canonical */
};

/* As much of a client's own text as an answer shows, whole characters only. */
static int shown(struct slice text)
{
	size_t len = text.len;

	if (len > SHOWN_MAX)
		for (len = SHOWN_MAX; len != 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80;)
			len--;
	return (int)len;
}

static bool fail(struct venue_request *out, const char *what, struct slice text)
{
	(void)snprintf(out->error, sizeof(out->error), "%s '%.*s'", what, shown(text), text.ptr);
	return true;
}

static bool say(struct venue_request *out, const char *text)
{
	(void)snprintf(out->error, sizeof(out->error), "%s", text);
	return true;
}

static bool look_up(const struct venue *v, struct asked *a, struct venue_request *out)
{
	const struct venue_streams key = { .path = buf_slice(&a->path),
		.params = buf_slice(&a->params) };

	out->streams = map_find(&v->streams, hash_of(key.path, key.params), same_streams, &key);
	if (out->streams != NULL)
		return true;
	if (map_find(&v->paths, map_hash(0, key.path), same_path, &key.path) == NULL)
		return fail(out, "unknown path", key.path);
	(void)snprintf(out->error, sizeof(out->error), "unknown params %.*s of path '%.*s'",
		shown(key.params), key.params.ptr, shown(key.path), key.path.ptr);
	return true;
}

static bool find_streams(const struct venue *v, struct slice path, struct slice params,
	struct asked *a, struct venue_request *out)
{
	struct err e;

	if (path.ptr == NULL || json_type_of(path) != JSON_STRING)
		return say(out, "no path");
	if (!json_string_decode(path, &a->path, &e))
		return e.code != ERR_NOMEM && fail(out, "unreadable path", path);
	if (params.ptr == NULL || json_type_of(params) == JSON_NULL)
		params = slice_of("{}");
	if (!json_canon(params, &a->params, &e))
		return e.code != ERR_NOMEM && fail(out, "unreadable params", params);
	/* An empty text has no bytes to point at. */
	if (!buf_reserve(&a->path, 1))
		return false;
	return look_up(v, a, out);
}

/* True if the event is the one that `emit` describes. */
static bool is_asking(const struct config_emit *emit, struct slice name, struct slice arguments,
	struct json_template_value values[2])
{
	return json_string_is(name, slice_of(emit->event)) &&
		json_template_match(slice_of(emit->args), arguments, values, 2);
}

bool venue_understand(
	const struct venue *v, struct slice name, struct slice arguments, struct venue_request *out)
{
	const struct config_dialect *d = v->dialect;
	struct json_template_value values[] = { { .placeholder = "$path" },
		{ .placeholder = "$params" } };
	struct asked a;
	bool ok;

	*out = (struct venue_request){ .ask = VENUE_NOTHING };
	if (is_asking(&d->subscribe, name, arguments, values))
		out->ask = VENUE_SUBSCRIBE;
	else if (is_asking(&d->unsubscribe, name, arguments, values))
		out->ask = VENUE_UNSUBSCRIBE;
	else if (json_string_is(name, slice_of(d->subscribe.event)))
		return say(out, "the arguments are not those of this feed's subscribe");
	else
		return fail(out, "unknown event", name);
	buf_init(&a.path, NAME_BYTES_MAX);
	buf_init(&a.params, NAME_BYTES_MAX);
	ok = find_streams(v, values[0].json, values[1].json, &a, out);
	buf_release(&a.path);
	buf_release(&a.params);
	return ok;
}
