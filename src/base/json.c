#include "base/json.h"

#include <assert.h>
#include <endian.h>

/* A byte value in each byte of a word. */
#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Where the check of a text stands; after a failure `at` is the byte at fault, and `expected` says what
 * should have been there (NULL: nested too deep). */
struct reader {
	const char *at;
	const char *end;
	const char *expected;
};

static bool fail(struct reader *r, const char *expected)
{
	r->expected = expected;
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Marks the bytes of `word` that are zero with their top bit. The lowest mark is always right; a mark
 * above it may be wrong, which does no harm as only the lowest is used. */
static inline uint64_t zero_bytes(uint64_t word)
{
	return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

/* Moves over the bytes of a string that need no look: up to a quote, a backslash, a control character or
 * the end, eight bytes at a time. */
static inline const char *plain_end(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t word;
		uint64_t marks;

		memcpy(&word, at, sizeof(word));
		word = le64toh(word);
		marks = zero_bytes(word ^ EACH_BYTE('"')) | zero_bytes(word ^ EACH_BYTE('\\')) |
			((word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80));
		if (marks != 0)
			return at + __builtin_ctzll(marks) / 8;
		at += 8;
	}
	while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
		at++;
	return at;
}

/* Reads an escape; `at` stands on its backslash. */
static bool read_escape(struct reader *r)
{
	r->at++;
	if (r->at == r->end || *r->at == '\0' || strchr("\"\\/bfnrtu", *r->at) == NULL)
		return fail(r, "an escape (one of \"\\/bfnrtu)");
	if (*r->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, r->at++) {
		if (r->at == r->end || !is_hex(*r->at))
			return fail(r, "a hexadecimal digit");
	}
	return true;
}

/* Reads a string; `at` stands on its first quote. */
static inline bool read_string(struct reader *r)
{
	r->at++;
	for (;;) {
		r->at = plain_end(r->at, r->end);
		if (r->at == r->end)
			return fail(r, "'\"'");
		if (*r->at == '"') {
			r->at++;
			return true;
		}
		if (*r->at != '\\')
			return fail(r, "an escape for a control character");
		if (!read_escape(r))
			return false;
	}
}

static inline bool read_digits(struct reader *r)
{
	const char *at = r->at;

	while (at < r->end && is_digit(*at))
		at++;
	if (at == r->at)
		return fail(r, "a digit");
	r->at = at;
	return true;
}

/* Reads a number; `at` stands on its minus or its first digit. */
static bool read_number(struct reader *r)
{
	if (*r->at == '-')
		r->at++;
	if (r->at < r->end && *r->at == '0')
		r->at++;
	else if (!read_digits(r))
		return false;
	if (r->at < r->end && *r->at == '.') {
		r->at++;
		if (!read_digits(r))
			return false;
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		return read_digits(r);
	}
	return true;
}

static bool read_word(struct reader *r, const char *word)
{
	for (; *word != '\0'; word++, r->at++) {
		if (r->at == r->end || *r->at != *word)
			return fail(r, "true, false or null");
	}
	return true;
}

/* Reads a value that is no container. */
static inline bool read_scalar(struct reader *r)
{
	if (r->at == r->end)
		return fail(r, "a value");
	switch (*r->at) {
	case '"':
		return read_string(r);
	case 't':
		return read_word(r, "true");
	case 'f':
		return read_word(r, "false");
	case 'n':
		return read_word(r, "null");
	default:
		if (*r->at == '-' || is_digit(*r->at))
			return read_number(r);
		return fail(r, "a value");
	}
}

/* Reads a member's key and its colon, with the white space before and between. */
static inline bool read_key(struct reader *r)
{
	r->at = json_space_end(r->at, r->end);
	if (r->at == r->end || *r->at != '"')
		return fail(r, "a key in quotes");
	if (!read_string(r))
		return false;
	r->at = json_space_end(r->at, r->end);
	if (r->at == r->end || *r->at != ':')
		return fail(r, "':'");
	r->at++;
	return true;
}

/* The containers that are open, the innermost last: a bit each, set for an object. */
struct nest {
	uint64_t objects[JSON_DEPTH_MAX / 64];
	unsigned depth;
	unsigned max;
};

static inline bool in_object(const struct nest *n)
{
	return (n->objects[(n->depth - 1) / 64] >> ((n->depth - 1) % 64) & 1) != 0;
}

static inline void nest_push(struct nest *n, bool is_object)
{
	uint64_t bit = UINT64_C(1) << (n->depth % 64);

	if (is_object)
		n->objects[n->depth / 64] |= bit;
	else
		n->objects[n->depth / 64] &= ~bit;
	n->depth++;
}

/* Opens containers until the first value that is complete: a scalar or an empty container. */
static inline bool read_down(struct reader *r, struct nest *n)
{
	for (;;) {
		bool is_object;

		r->at = json_space_end(r->at, r->end);
		if (r->at == r->end || (*r->at != '{' && *r->at != '['))
			return read_scalar(r);
		if (n->depth == n->max)
			return fail(r, NULL);
		is_object = *r->at == '{';
		r->at = json_space_end(r->at + 1, r->end);
		if (r->at < r->end && *r->at == (is_object ? '}' : ']')) {
			r->at++;
			return true;
		}
		nest_push(n, is_object);
		if (is_object && !read_key(r))
			return false;
	}
}

/* Closes the containers that end behind a complete value, up to the comma before the next value. */
static inline bool read_up(struct reader *r, struct nest *n)
{
	while (n->depth > 0) {
		bool is_object = in_object(n);

		r->at = json_space_end(r->at, r->end);
		if (r->at < r->end && *r->at == ',') {
			r->at++;
			return !is_object || read_key(r);
		}
		if (r->at == r->end || *r->at != (is_object ? '}' : ']'))
			return fail(r, is_object ? "',' or '}'" : "',' or ']'");
		r->at++;
		n->depth--;
	}
	return true;
}

static bool read_value(struct reader *r, unsigned depth)
{
	struct nest n = { .max = depth < JSON_DEPTH_MAX ? JSON_DEPTH_MAX - depth : 0 };

	do {
		if (!read_down(r, &n) || !read_up(r, &n))
			return false;
	} while (n.depth > 0);
	return true;
}

bool json_fail(struct slice text, size_t pos, const char *expected, struct err *e)
{
	unsigned char c;

	if (pos >= text.len)
		return err_set(e, ERR_INPUT, "not JSON at byte %zu: expected %s, found the end",
			pos, expected);
	c = (unsigned char)text.ptr[pos];
	if (c > ' ' && c < 0x7f)
		return err_set(e, ERR_INPUT, "not JSON at byte %zu: expected %s, found '%c'", pos,
			expected, c);
	return err_set(e, ERR_INPUT, "not JSON at byte %zu: expected %s, found byte 0x%02x", pos,
		expected, c);
}

bool json_skip_nested(struct slice text, size_t *pos, unsigned depth, struct err *e)
{
	struct reader r;
	bool ok;

	assert(*pos <= text.len);
	if (*pos == text.len) /* nothing, for which `ptr` may be NULL */
		return json_fail(text, *pos, "a value", e);
	r = (struct reader){ .at = text.ptr + *pos, .end = text.ptr + text.len };
	ok = read_value(&r, depth);
	*pos = (size_t)(r.at - text.ptr);
	if (ok)
		return true;
	if (r.expected == NULL)
		return err_set(e, ERR_LIMIT, "JSON is nested deeper than %d levels at byte %zu",
			JSON_DEPTH_MAX, *pos);
	return json_fail(text, *pos, r.expected, e);
}

bool json_skip(struct slice text, size_t *pos, struct err *e)
{
	return json_skip_nested(text, pos, 0, e);
}

bool json_validate(struct slice text, size_t *at, struct err *e)
{
	size_t pos = 0;
	bool ok = json_skip(text, &pos, e);

	if (ok) {
		pos = (size_t)(json_space_end(text.ptr + pos, text.ptr + text.len) - text.ptr);
		ok = pos == text.len || json_fail(text, pos, "the end", e);
	}
	if (at != NULL)
		*at = pos;
	return ok;
}

void json_line_column(struct slice text, size_t offset, size_t *line, size_t *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.ptr[i] == '\n') {
			++*line;
			*column = 1;
		} else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
			++*column;
		}
	}
}
