#include "base/json_scan.h"

#include "base/json.h"

#include <stdint.h>

/* Scanning recurses along the tree of places only, so that its depth is the dialect's, not the peer's. */
_Static_assert(JSON_PLACES_MAX + 1 < JSON_DEPTH_MAX, "a place can always be reached");

struct scanner {
	struct slice text;
	size_t pos;
	const struct json_places *places;
	uint64_t seen; /* the places met, a bit each */
	struct event_scan *out;
	struct err *e;
};

/* Moves over white space; the byte there, or NUL at the end (which no text has elsewhere). */
static inline char peek(struct scanner *s)
{
	const char *end = s->text.ptr + s->text.len;
	const char *at = json_space_end(s->text.ptr + s->pos, end);

	s->pos = (size_t)(at - s->text.ptr);
	return at < end ? *at : '\0';
}

static bool skip(struct scanner *s, unsigned depth)
{
	return json_skip_nested(s->text, &s->pos, depth, s->e);
}

/* Goes on behind a member or an element: at the comma `*more` is true, at the closing bracket false. */
static inline bool scan_comma(struct scanner *s, char closing, bool *more)
{
	char c = peek(s);

	if (c != ',' && c != closing)
		return json_fail(
			s->text, s->pos, closing == '}' ? "',' or '}'" : "',' or ']'", s->e);
	s->pos++;
	*more = c == ',';
	return true;
}

static bool scan_place(struct scanner *s, const struct json_place *p, unsigned depth, bool *left);

/* Scans the value of a member or an element that leads to `p`, or to no place (NULL). */
static bool scan_step(struct scanner *s, const struct json_place *p, unsigned depth, bool *left)
{
	uint64_t bit;

	if (p == NULL) {
		*left = true;
		return skip(s, depth);
	}
	bit = UINT64_C(1) << (p - s->places->list);
	if ((s->seen & bit) != 0)
		return err_set(s->e, ERR_INPUT, "the member '%.*s' is given twice",
			(int)p->name.len, p->name.ptr);
	s->seen |= bit;
	return scan_place(s, p, depth, left);
}

/* Reads the key at `pos`, and finds the place below `parent` that it leads to, or NULL. A key that is one
 * of the names as it stands, as nearly all are, is not looked at twice. */
static bool scan_key(struct scanner *s, const struct json_place *parent, unsigned depth,
	const struct json_place **found)
{
	struct slice key = { s->text.ptr + s->pos, 0 };
	size_t room = s->text.len - s->pos;
	const struct json_place *p;

	for (unsigned i = parent->child; i != 0; i = p->sibling) {
		p = &s->places->list[i];
		if (p->is_plain && p->name.len + 2 <= room && key.ptr[p->name.len + 1] == '"' &&
			memcmp(key.ptr + 1, p->name.ptr, p->name.len) == 0) {
			s->pos += p->name.len + 2;
			*found = p;
			return true;
		}
	}
	if (!skip(s, depth))
		return false;
	key.len = (size_t)(s->text.ptr + s->pos - key.ptr);
	*found = json_place_of_key(s->places, parent, key);
	return true;
}

static bool scan_member(
	struct scanner *s, const struct json_place *parent, unsigned depth, bool *left)
{
	const struct json_place *p = NULL;

	if (peek(s) != '"')
		return json_fail(s->text, s->pos, "a key in quotes", s->e);
	if (!scan_key(s, parent, depth, &p))
		return false;
	if (peek(s) != ':')
		return json_fail(s->text, s->pos, "':'", s->e);
	s->pos++;
	return scan_step(s, p, depth, left);
}

/* Scans the container at `pos`, which lies on the way to a place. `*left`: it holds something else, too
 * (an empty one counts: it is what is left). */
static bool scan_container(
	struct scanner *s, const struct json_place *p, unsigned depth, char closing, bool *left)
{
	bool more = true;

	s->pos++;
	*left = peek(s) == closing;
	if (*left) {
		s->pos++;
		return true;
	}
	for (size_t i = 0; more; i++) {
		bool here = false;
		bool ok = closing == '}'
			? scan_member(s, p, depth, &here)
			: scan_step(s, json_place_of_index(s->places, p, i), depth, &here);

		if (!ok || !scan_comma(s, closing, &more))
			return false;
		*left = *left || here;
	}
	return true;
}

/* Scans the value at a place or on the way to one. `*left`: it holds what no place takes. */
static bool scan_place(struct scanner *s, const struct json_place *p, unsigned depth, bool *left)
{
	char first = peek(s);
	struct slice value = { s->text.ptr + s->pos, 0 };
	bool ok;

	*left = true;
	if (p->child != 0 && (first == '{' || first == '['))
		ok = scan_container(s, p, depth + 1, first == '{' ? '}' : ']', left);
	else
		ok = skip(s, depth);
	if (!ok)
		return false;
	value.len = (size_t)(s->text.ptr + s->pos - value.ptr);
	for (unsigned slot = 0; slot < EVENT_SLOTS; slot++) {
		if ((p->slots >> slot & 1) != 0)
			s->out->slot[slot] = value;
	}
	if (p->slots != 0)
		*left = false;
	return true;
}

static bool is_empty_container(struct slice value)
{
	enum json_type type = json_type_of(value);
	struct json_iter it;
	struct slice inner;

	if (type != JSON_OBJECT && type != JSON_ARRAY)
		return false;
	json_iter_init(&it, value);
	return !json_iter_next(&it, NULL, &inner);
}

/* Scans the arguments; `pos` is behind the comma before the first. */
static bool scan_arguments(struct scanner *s)
{
	struct event_scan *out = s->out;
	size_t from;
	bool more = false;

	peek(s);
	from = s->pos;
	if (!scan_place(s, &s->places->list[0], 1, &out->has_members))
		return false;
	out->argument = (struct slice){ s->text.ptr + from, s->pos - from };
	if (out->has_members && is_empty_container(out->argument))
		out->has_members = false;
	if (!scan_comma(s, ']', &more))
		return false;
	peek(s);
	from = s->pos;
	while (more) {
		if (!skip(s, 1))
			return false;
		out->more = (struct slice){ s->text.ptr + from, s->pos - from };
		if (!scan_comma(s, ']', &more))
			return false;
	}
	return true;
}

bool json_scan_event(
	struct slice text, const struct json_places *places, struct event_scan *out, struct err *e)
{
	struct scanner s = { .text = text, .places = places, .out = out, .e = e };
	bool more = false;

	*out = (struct event_scan){ .has_members = false };
	if (text.len == 0 || peek(&s) != '[')
		return err_set(e, ERR_INPUT, "no event: the payload is no array");
	s.pos++;
	if (peek(&s) != '"')
		return err_set(e, ERR_INPUT, "no event: the first element is no string");
	out->name.ptr = text.ptr + s.pos;
	if (!skip(&s, 1))
		return false;
	out->name.len = (size_t)(text.ptr + s.pos - out->name.ptr);
	if (!scan_comma(&s, ']', &more) || (more && !scan_arguments(&s)))
		return false;
	if (peek(&s) != '\0' || s.pos < text.len)
		return json_fail(text, s.pos, "the end", e);
	return true;
}

/* ---- what is left ---- */

static bool append_left(const struct json_places *places, const struct json_place *p,
	struct slice value, struct buf *out);

/* Appends a member unless nothing of it is left; `*any`: there is one before it. */
static bool append_member(const struct json_places *places, const struct json_place *p,
	struct slice key, struct slice value, struct buf *out, bool *any)
{
	size_t before = out->len;
	size_t mark;

	if ((*any && !buf_append_char(out, ',')) || !buf_append_slice(out, key) ||
		!buf_append_char(out, ':'))
		return false;
	mark = out->len;
	if (!append_left(places, json_place_of_key(places, p, key), value, out))
		return false;
	if (out->len == mark)
		out->len = before;
	else
		*any = true;
	return true;
}

/* Appends an element, null if nothing of it is left; `*any`: there is one that is kept. */
static bool append_element(const struct json_places *places, const struct json_place *p,
	size_t index, struct slice value, struct buf *out, bool *any)
{
	size_t mark;

	if (index > 0 && !buf_append_char(out, ','))
		return false;
	mark = out->len;
	if (!append_left(places, json_place_of_index(places, p, index), value, out))
		return false;
	if (out->len == mark)
		return buf_append_str(out, "null");
	*any = true;
	return true;
}

/* Appends what is left of a value that leads to `p`, or to no place (NULL): all of it. */
static bool append_left(const struct json_places *places, const struct json_place *p,
	struct slice value, struct buf *out)
{
	size_t before = out->len;
	struct json_iter it;
	struct slice key;
	struct slice inner;
	bool any = false;

	if (p == NULL)
		return buf_append_slice(out, value);
	if (p->slots != 0)
		return true;
	json_iter_init(&it, value);
	if (p->child == 0 || (*value.ptr != '{' && *value.ptr != '[') || is_empty_container(value))
		return buf_append_slice(out, value);
	if (!buf_append_char(out, *value.ptr))
		return false;
	for (size_t i = 0; json_iter_next(&it, &key, &inner); i++) {
		bool ok = it.is_object ? append_member(places, p, key, inner, out, &any)
				       : append_element(places, p, i, inner, out, &any);

		if (!ok)
			return false;
	}
	if (!any) {
		out->len = before;
		return true;
	}
	return buf_append_char(out, it.is_object ? '}' : ']');
}

bool json_scan_members(
	const struct event_scan *scan, const struct json_places *places, struct buf *out)
{
	size_t before = out->len;

	if (!scan->has_members)
		return true;
	if (!append_left(places, &places->list[0], scan->argument, out)) {
		out->len = before;
		return false;
	}
	return true;
}

bool json_scan_take_offset(struct event_scan *scan, struct slice *offset)
{
	struct slice last = scan->argument;
	struct slice before = { NULL, 0 }; /* the last but one of `more` */
	struct json_iter it;
	struct slice value;

	json_iter_list(&it, scan->more);
	while (json_iter_next(&it, NULL, &value)) {
		before = last;
		last = value;
	}
	if (last.ptr == NULL || json_type_of(last) != JSON_STRING)
		return false;
	*offset = last;
	if (scan->more.len == 0)
		*scan = (struct event_scan){ .name = scan->name };
	else if (before.ptr == scan->argument.ptr)
		scan->more = (struct slice){ NULL, 0 };
	else
		scan->more.len = (size_t)(before.ptr + before.len - scan->more.ptr);
	return true;
}
