#include "base/json_canon.h"

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>

#define MEMBERS_INLINE 16 /* as many open members need no allocation */
#define KEY_SHOWN_MAX 80  /* bytes of a key in an error text */

/* A member whose canonical text, "key":value, is at `from` of the output. */
struct member {
	struct slice key; /* the token as received */
	size_t from;
	size_t end;
};

/* One call. Each object's members are written as they come and put in order when it ends, so that nothing
 * is read twice. Those of the objects that are still open lie behind each other in `members`. */
struct canon {
	const char *at;
	const char *text_end;
	struct buf *out;
	struct err *e;
	struct member *members;
	size_t count;
	size_t cap;
	struct member inline_members[MEMBERS_INLINE];
};

static bool full(struct canon *c)
{
	return err_set(c->e, ERR_LIMIT,
		"the canonical text is longer than %zu bytes, or memory is short", c->out->max);
}

static bool append(struct canon *c, const char *bytes, size_t len)
{
	return buf_append(c->out, bytes, len) || full(c);
}

static bool has_escape(struct slice token)
{
	return memchr(token.ptr, '\\', token.len) != NULL;
}

/* Moves over white space; the byte there, or NUL at the end. */
static char peek(struct canon *c)
{
	c->at = json_space_end(c->at, c->text_end);
	return c->at < c->text_end ? *c->at : '\0';
}

/* The token of the string at `at`, which is left alone. */
static struct slice string_token(const struct canon *c)
{
	const char *end = c->at + 1;

	while (end < c->text_end && *end != '"')
		end += *end == '\\' && c->text_end - end > 1 ? 2 : 1;
	return (struct slice){ c->at, (size_t)(end - c->at) + 1 };
}

/* Writes a string token decoded and escaped minimally, and moves behind it. */
static bool write_string(struct canon *c, struct slice token)
{
	const char *at = token.ptr;
	const char *end = at + token.len;

	c->at = end;
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		const char *plain_end = escape != NULL ? escape : end;

		if (!append(c, at, (size_t)(plain_end - at)))
			return false;
		at = plain_end;
		if (escape != NULL && !json_char_encode(json_escape_read(&at, end), c->out))
			return full(c);
	}
	return true;
}

/* A string token read as decoded bytes, a character at a time. */
struct decoder {
	const char *at;
	const char *end;
	char bytes[UTF8_CHAR_MAX];
	size_t len;
	size_t next;
};

/* The next decoded byte, or -1 behind the last. */
static int decoder_byte(struct decoder *d)
{
	if (d->next < d->len)
		return (unsigned char)d->bytes[d->next++];
	if (d->at == d->end)
		return -1;
	if (*d->at != '\\')
		return (unsigned char)*d->at++;
	d->len = utf8_encode(json_escape_read(&d->at, d->end), d->bytes);
	d->next = 1;
	return (unsigned char)d->bytes[0];
}

/* Orders two key tokens by the bytes of what they say. */
static int compare_keys(struct slice a, struct slice b)
{
	struct decoder x = { .at = a.ptr + 1, .end = a.ptr + a.len - 1 };
	struct decoder y = { .at = b.ptr + 1, .end = b.ptr + b.len - 1 };
	int order;

	if (!has_escape(a) && !has_escape(b)) {
		size_t shared = (a.len < b.len ? a.len : b.len) - 2;

		order = memcmp(x.at, y.at, shared);
		return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
	}
	do {
		int byte = decoder_byte(&x);

		order = byte - decoder_byte(&y);
		if (byte < 0)
			break;
	} while (order == 0);
	return order;
}

static int compare_members(const void *a, const void *b)
{
	return compare_keys(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* Adds a member at the end of `members`, NULL when out of memory. */
static struct member *push_member(struct canon *c)
{
	if (c->count == c->cap) {
		bool is_inline = c->members == c->inline_members;
		struct member *grown = reallocarray(
			is_inline ? NULL : c->members, c->cap * 2, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		if (is_inline)
			memcpy(grown, c->inline_members, sizeof(c->inline_members));
		c->members = grown;
		c->cap *= 2;
	}
	return &c->members[c->count++];
}

static bool refuse_duplicate(struct canon *c, struct slice key)
{
	char shown[KEY_SHOWN_MAX];

	log_peer_text(shown, sizeof(shown), (struct slice){ key.ptr + 1, key.len - 2 });
	return err_set(c->e, ERR_INPUT,
		"the key '%s' is given twice in one object: which value counts?", shown);
}

/* Writes the members from `first` on again in their order; `body` is where their text begins. */
static bool rewrite_members(struct canon *c, const struct member *first, size_t count, size_t body)
{
	size_t len = c->out->len - body;
	char *copy = malloc(len);
	char *to = c->out->data + body;

	if (copy == NULL)
		return err_set(c->e, ERR_NOMEM, "cannot sort the keys of an object: out of memory");
	memcpy(copy, to, len);
	for (size_t i = 0; i < count; i++) {
		size_t size = first[i].end - first[i].from;

		if (i > 0)
			*to++ = ',';
		memcpy(to, copy + (first[i].from - body), size);
		to += size;
	}
	free(copy);
	return true;
}

/* Puts the members from number `first` on, whose text begins at `body`, in the order of their keys. */
static bool sort_members(struct canon *c, size_t first, size_t body)
{
	struct member *list = c->members + first;
	size_t count = c->count - first;
	bool is_sorted = true;

	for (size_t i = 1; i < count && is_sorted; i++)
		is_sorted = compare_members(&list[i - 1], &list[i]) < 0;
	if (is_sorted)
		return true;
	qsort(list, count, sizeof(*list), compare_members);
	for (size_t i = 1; i < count; i++) {
		if (compare_members(&list[i - 1], &list[i]) == 0)
			return refuse_duplicate(c, list[i].key);
	}
	return rewrite_members(c, list, count, body);
}

static bool write_value(struct canon *c, unsigned depth);

/* Writes the member at `at` as it comes. */
static bool write_member(struct canon *c, unsigned depth)
{
	struct slice key = string_token(c);
	size_t from = c->out->len;
	struct member *m;

	if (!write_string(c, key) || !append(c, ":", 1))
		return false;
	peek(c);
	c->at++; /* the colon */
	if (!write_value(c, depth))
		return false;
	m = push_member(c);
	if (m == NULL)
		return err_set(c->e, ERR_NOMEM, "cannot sort the keys of an object: out of memory");
	*m = (struct member){ .key = key, .from = from, .end = c->out->len };
	return true;
}

/* Writes the container at `at`. */
static bool write_container(struct canon *c, unsigned depth)
{
	bool is_object = *c->at == '{';
	char closing = is_object ? '}' : ']';
	size_t first = c->count;
	size_t body;

	if (depth == JSON_DEPTH_MAX)
		return err_set(
			c->e, ERR_LIMIT, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
	if (!append(c, c->at++, 1))
		return false;
	body = c->out->len;
	while (peek(c) != closing && c->at < c->text_end) {
		if (c->out->len > body && !append(c, ",", 1))
			return false;
		if (!(is_object ? write_member(c, depth + 1) : write_value(c, depth + 1)))
			return false;
		if (peek(c) == ',')
			c->at++;
	}
	c->at++;
	if (is_object && !sort_members(c, first, body))
		return false;
	c->count = first;
	return append(c, &closing, 1);
}

/* Writes the value at `at` and moves behind it. Recurses, JSON_DEPTH_MAX deep at most. */
static bool write_value(struct canon *c, unsigned depth)
{
	char first = peek(c);
	const char *from = c->at;

	if (first == '{' || first == '[')
		return write_container(c, depth);
	if (first == '"')
		return write_string(c, string_token(c));
	while (c->at < c->text_end && memchr(",]} \n\r\t", *c->at, 7) == NULL)
		c->at++;
	return append(c, from, (size_t)(c->at - from));
}

bool json_canon(struct slice value, struct buf *out, struct err *e)
{
	struct canon c;
	size_t before = out->len;
	bool ok;

	c.at = value.ptr;
	c.text_end = value.ptr + value.len;
	c.out = out;
	c.e = e;
	c.members = c.inline_members;
	c.count = 0;
	c.cap = MEMBERS_INLINE;
	ok = write_value(&c, 0);
	if (c.members != c.inline_members)
		free(c.members);
	if (!ok)
		out->len = before;
	return ok;
}
