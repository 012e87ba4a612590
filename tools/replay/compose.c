#include "compose.h"

#include "base/json.h"

#include <stdint.h>

/* The name of an event where the feed used any and none was kept. */
#define NAME_FOR_ANY "data"

bool compose_init(struct compose *c, const struct config_dialect *dialect, struct err *e)
{
	const char *const pointers[EVENT_SLOTS] = {
		[EVENT_PATH] = dialect->data.path,
		[EVENT_PARAMS] = dialect->data.params,
		[EVENT_TIMESTAMP] = dialect->data.timestamp,
		[EVENT_RESULTS] = dialect->data.results,
	};

	*c = (struct compose){ .dialect = dialect, .places = json_places_new(pointers, e) };
	return c->places != NULL;
}

void compose_release(struct compose *c)
{
	json_places_free(c->places);
	c->places = NULL;
}

/* ---- the first argument: the tree of places, and what is left beside them ---- */

struct writer {
	const struct json_places *places;
	const struct compose_stream *stream;
	const struct compose_event *event; /* NULL: the stream's text is being made */
	struct compose_stream *text;       /* whose holes are noted then */
	struct buf *out;
};

/* Writes the value at `p`; `left` is what the recording has of it beside the places, or NULL. `*is_there` false:
 * there is nothing to write. */
static bool write_place(
	struct writer *w, const struct json_place *p, const struct slice *left, bool *is_there);

static bool has_slot(const struct json_place *p, enum event_slot slot)
{
	return (p->slots >> slot & 1) != 0;
}

/* Of several at one place the first of these holds the others. */
static enum event_slot slot_of(const struct json_place *p)
{
	static const enum event_slot order[] = { EVENT_RESULTS, EVENT_PARAMS, EVENT_TIMESTAMP };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (has_slot(p, order[i]))
			return order[i];
	return EVENT_PATH;
}

static struct slice value_of(const struct writer *w, enum event_slot slot)
{
	switch (slot) {
	case EVENT_PATH:
		return w->stream->path;
	case EVENT_PARAMS:
		return w->stream->params;
	case EVENT_TIMESTAMP:
		return w->event->timestamp;
	default:
		return w->event->results;
	}
}

static bool write_slot(struct writer *w, enum event_slot slot, bool *is_there)
{
	struct slice value;

	*is_there = true;
	if (w->event == NULL && (slot == EVENT_TIMESTAMP || slot == EVENT_RESULTS)) {
		w->text->holes[w->text->n_holes++] = (struct compose_hole){ w->out->len, slot };
		if (slot == EVENT_TIMESTAMP)
			w->text->needs_timestamp = true;
		return true;
	}
	value = value_of(w, slot);
	*is_there = value.ptr != NULL;
	return value.ptr == NULL || buf_append_slice(w->out, value);
}

/* Takes back what was appended for a value that turned out to be nothing. */
static void take_back(struct writer *w, size_t before, size_t *count, size_t count_before)
{
	w->out->len = before;
	*count = count_before;
}

static bool write_key(struct writer *w, struct slice key, bool is_token, size_t *count)
{
	return ((*count)++ == 0 || buf_append_char(w->out, ',')) &&
		(is_token ? buf_append_slice(w->out, key) : json_string_encode(key, w->out)) &&
		buf_append_char(w->out, ':');
}

static bool write_member(struct writer *w, const struct json_place *p, const struct slice *key,
	const struct slice *left, size_t *count)
{
	size_t before = w->out->len;
	size_t count_before = *count;
	bool is_there;

	if (!write_key(w, key != NULL ? *key : p->name, key != NULL, count) ||
		!write_place(w, p, left, &is_there))
		return false;
	if (!is_there)
		take_back(w, before, count, count_before);
	return true;
}

static bool has_member(const struct writer *w, const struct json_place *parent,
	const struct json_place *p, const struct slice *left)
{
	struct json_iter it;
	struct slice key;
	struct slice value;

	if (left == NULL)
		return false;
	json_iter_init(&it, *left);
	while (json_iter_next(&it, &key, &value))
		if (json_place_of_key(w->places, parent, key) == p)
			return true;
	return false;
}

/* The places first, then what was left, in its order, with the places inside it. */
static bool write_object(
	struct writer *w, const struct json_place *parent, const struct slice *left, size_t *count)
{
	const struct json_place *p;
	struct json_iter it;
	struct slice key;
	struct slice value;

	for (unsigned i = parent->child; i != 0; i = p->sibling) {
		p = &w->places->list[i];
		if (!has_member(w, parent, p, left) && !write_member(w, p, NULL, NULL, count))
			return false;
	}
	if (left == NULL)
		return true;
	json_iter_init(&it, *left);
	while (json_iter_next(&it, &key, &value)) {
		p = json_place_of_key(w->places, parent, key);
		if (p != NULL) {
			if (!write_member(w, p, &key, &value, count))
				return false;
		} else if (!write_key(w, key, true, count) || !buf_append_slice(w->out, value)) {
			return false;
		}
	}
	return true;
}

static size_t elements_of(
	const struct writer *w, const struct json_place *parent, const struct slice *left)
{
	size_t count = 0;
	struct json_iter it;
	struct slice value;

	if (left != NULL) {
		json_iter_init(&it, *left);
		while (json_iter_next(&it, NULL, &value))
			count++;
	}
	for (unsigned i = parent->child; i != 0; i = w->places->list[i].sibling)
		if (w->places->list[i].index != SIZE_MAX && w->places->list[i].index >= count)
			count = w->places->list[i].index + 1;
	return count;
}

/* An element that only a place had is null in what was left. */
static bool write_element(
	struct writer *w, const struct json_place *p, const struct slice *left, size_t *count)
{
	bool is_there = false;

	if ((*count)++ != 0 && !buf_append_char(w->out, ','))
		return false;
	if (p == NULL)
		return left != NULL ? buf_append_slice(w->out, *left)
				    : buf_append_str(w->out, "null");
	if (left != NULL && json_type_of(*left) == JSON_NULL)
		left = NULL;
	return write_place(w, p, left, &is_there) && (is_there || buf_append_str(w->out, "null"));
}

static bool write_array(
	struct writer *w, const struct json_place *parent, const struct slice *left, size_t *count)
{
	size_t n = elements_of(w, parent, left);
	struct json_iter it;

	if (left != NULL)
		json_iter_init(&it, *left);
	for (size_t i = 0; i < n; i++) {
		struct slice value;
		bool is_left = left != NULL && json_iter_next(&it, NULL, &value);

		if (!write_element(w, json_place_of_index(w->places, parent, i),
			    is_left ? &value : NULL, count))
			return false;
	}
	return true;
}

/* Where the recording does not show it: steps that are all numbers lead into an array. */
static bool is_array(
	const struct writer *w, const struct json_place *parent, const struct slice *left)
{
	if (left != NULL)
		return json_type_of(*left) == JSON_ARRAY;
	for (unsigned i = parent->child; i != 0; i = w->places->list[i].sibling)
		if (w->places->list[i].index == SIZE_MAX)
			return false;
	return true;
}

static bool write_container(
	struct writer *w, const struct json_place *p, const struct slice *left, bool *is_there)
{
	bool as_array = is_array(w, p, left);
	size_t before = w->out->len;
	size_t count = 0;

	if (!buf_append_char(w->out, as_array ? '[' : '{') ||
		!(as_array ? write_array(w, p, left, &count) : write_object(w, p, left, &count)))
		return false;
	*is_there = count != 0 || left != NULL || p == &w->places->list[0];
	if (!*is_there) {
		w->out->len = before;
		return true;
	}
	return buf_append_char(w->out, as_array ? ']' : '}');
}

static bool is_container(struct slice value)
{
	enum json_type type = json_type_of(value);

	return type == JSON_OBJECT || type == JSON_ARRAY;
}

static bool write_place(
	struct writer *w, const struct json_place *p, const struct slice *left, bool *is_there)
{
	if (p->slots != 0)
		return write_slot(w, slot_of(p), is_there);
	if (left != NULL && !is_container(*left)) {
		*is_there = true;
		return buf_append_slice(w->out, *left);
	}
	return write_container(w, p, left, is_there);
}

/* ---- streams and events ---- */

static bool copy(struct arena *arena, const struct buf *b, size_t from, struct slice *out)
{
	*out = (struct slice){ b->data + from, b->len - from };
	out->ptr = arena_copy(arena, *out);
	return out->ptr != NULL;
}

static bool write_name(const struct compose *c, struct slice path_token, struct buf *out)
{
	const char *event = c->dialect->data.event;

	if (c->dialect->data.path == NULL)
		return buf_append_slice(out, path_token);
	return json_string_encode(slice_of(strcmp(event, "*") != 0 ? event : NAME_FOR_ANY), out);
}

bool compose_stream_init(struct compose_stream *out, const struct compose *c, struct slice path,
	struct slice params, struct arena *arena)
{
	struct writer w = { .places = c->places, .stream = out, .text = out };
	struct buf b;
	bool ignored;
	size_t at;
	bool ok;

	*out = (struct compose_stream){ .n_holes = 0 };
	buf_init(&b, SIZE_MAX / 2);
	w.out = &b;
	ok = json_string_encode(path, &b) && copy(arena, &b, 0, &out->path);
	at = b.len;
	ok = ok && buf_append_slice(&b, params) && copy(arena, &b, at, &out->params);
	at = b.len;
	ok = ok && write_name(c, out->path, &b) && copy(arena, &b, at, &out->name);
	at = b.len;
	ok = ok && write_place(&w, &c->places->list[0], NULL, &ignored) &&
		copy(arena, &b, at, &out->text);
	for (size_t i = 0; i < out->n_holes; i++)
		out->holes[i].at -= at;
	buf_release(&b);
	return ok;
}

static struct slice filling(const struct compose_event *e, enum event_slot slot)
{
	return slot == EVENT_TIMESTAMP ? e->timestamp : e->results;
}

size_t compose_plain_size(const struct compose_stream *s, const struct compose_event *e)
{
	size_t size = s->text.len;

	for (size_t i = 0; i < s->n_holes; i++)
		size += filling(e, s->holes[i].slot).len;
	return size;
}

static char *put(char *out, const char *bytes, size_t len)
{
	memcpy(out, bytes, len);
	return out + len;
}

char *compose_plain(const struct compose_stream *s, const struct compose_event *e, char *out)
{
	size_t at = 0;

	for (size_t i = 0; i < s->n_holes; i++) {
		struct slice value = filling(e, s->holes[i].slot);

		out = put(out, s->text.ptr + at, s->holes[i].at - at);
		out = put(out, value.ptr, value.len);
		at = s->holes[i].at;
	}
	return put(out, s->text.ptr + at, s->text.len - at);
}

/* The parts of `extra`; what is not of its shape counts as nothing, as only another program can have written it. */
static void read_extra(struct slice extra, struct slice *members, struct slice *args)
{
	struct err e;

	*members = (struct slice){ NULL, 0 };
	*args = (struct slice){ NULL, 0 };
	if (extra.ptr == NULL || !json_validate(extra, NULL, &e) || extra.ptr[0] != '{')
		return;
	(void)json_member(extra, "members", members);
	if (json_member(extra, "args", args) && json_type_of(*args) == JSON_ARRAY)
		*args = (struct slice){ args->ptr + 1, args->len - 2 };
	else
		*args = (struct slice){ NULL, 0 };
}

bool compose_arguments(const struct compose *c, const struct compose_stream *s,
	const struct compose_event *e, struct buf *out)
{
	struct writer w = { .places = c->places, .stream = s, .event = e, .out = out };
	struct slice members;
	struct slice args;
	bool ignored;
	size_t size;

	if (compose_is_plain(s, e)) {
		size = compose_plain_size(s, e);
		if (!buf_reserve(out, size))
			return false;
		(void)compose_plain(s, e, out->data + out->len);
		out->len += size;
		return true;
	}
	read_extra(e->extra, &members, &args);
	return write_place(
		       &w, &c->places->list[0], members.ptr != NULL ? &members : NULL, &ignored) &&
		(args.len == 0 || (buf_append_char(out, ',') && buf_append_slice(out, args)));
}
