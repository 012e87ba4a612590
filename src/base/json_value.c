/*
 * The half of json.h that walks checked text. It trusts the grammar, so it looks only at what decides
 * where something ends, and never past the end of the slice that it was given.
 */
#include "base/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>

#define SURROGATE_FIRST 0xd800
#define SURROGATE_SECOND 0xdc00
#define SURROGATE_LAST 0xdfff

/* Behind the string at `at`: its end is the first quote with an even number of backslashes before it. */
static const char *string_end(const char *at, const char *end)
{
	const char *from = at + 1;

	for (;;) {
		const char *quote = from < end ? memchr(from, '"', (size_t)(end - from)) : NULL;
		const char *before = quote;

		if (quote == NULL)
			return end;
		while (before > from && before[-1] == '\\')
			before--;
		if ((quote - before) % 2 == 0)
			return quote + 1;
		from = quote + 1;
	}
}

static const char *container_end(const char *at, const char *end)
{
	size_t depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = string_end(at, end);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if ((*at == '}' || *at == ']') && --depth == 0)
			return at + 1;
		at++;
	}
	return end;
}

static const char *value_end(const char *at, const char *end)
{
	if (at == end)
		return end;
	if (*at == '"')
		return string_end(at, end);
	if (*at == '{' || *at == '[')
		return container_end(at, end);
	while (at < end && *at != ',' && *at != ' ' && *at != '\n' && *at != '\r' && *at != '\t')
		at++;
	return at;
}

enum json_type json_type_of(struct slice value)
{
	assert(value.len > 0);
	switch (*value.ptr) {
	case 'n':
		return JSON_NULL;
	case 't':
	case 'f':
		return JSON_BOOL;
	case '"':
		return JSON_STRING;
	case '[':
		return JSON_ARRAY;
	case '{':
		return JSON_OBJECT;
	default:
		return JSON_NUMBER;
	}
}

void json_iter_init(struct json_iter *it, struct slice container)
{
	enum json_type type = json_type_of(container);

	*it = (struct json_iter){ .at = container.ptr, .end = container.ptr };
	if ((type == JSON_OBJECT || type == JSON_ARRAY) && container.len >= 2) {
		it->at++;
		it->end += container.len - 1;
		it->is_object = type == JSON_OBJECT;
	}
}

void json_iter_list(struct json_iter *it, struct slice values)
{
	*it = (struct json_iter){ .at = values.ptr, .end = values.ptr };
	if (values.len > 0) /* else `ptr` may be NULL */
		it->end += values.len;
}

bool json_iter_next(struct json_iter *it, struct slice *key, struct slice *value)
{
	const char *at = json_space_end(it->at, it->end);
	const char *from;

	if (at == it->end)
		return false;
	if (it->is_object) {
		from = at;
		at = string_end(at, it->end);
		if (key != NULL)
			*key = (struct slice){ from, (size_t)(at - from) };
		at = json_space_end(at, it->end);
		if (at < it->end)
			at = json_space_end(at + 1, it->end); /* the colon */
	}
	from = at;
	at = value_end(at, it->end);
	*value = (struct slice){ from, (size_t)(at - from) };
	at = json_space_end(at, it->end);
	if (at < it->end)
		at++; /* the comma */
	it->at = at;
	return true;
}

bool json_member(struct slice object, const char *name, struct slice *value)
{
	struct slice text = slice_of(name);
	struct json_iter it;
	struct slice key;
	struct slice found;

	if (json_type_of(object) != JSON_OBJECT)
		return false;
	json_iter_init(&it, object);
	while (json_iter_next(&it, &key, &found)) {
		if (json_string_is(key, text)) {
			*value = found;
			return true;
		}
	}
	return false;
}

static bool is_surrogate(uint32_t code_point)
{
	return code_point >= SURROGATE_FIRST && code_point <= SURROGATE_LAST;
}

/* The code unit of four hexadecimal digits; what is missing or no digit counts as 0. */
static uint32_t hex_unit(const char *at, const char *end)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++, at++) {
		char c = at < end ? *at : '0';
		uint32_t digit = 0;

		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A') + 10;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* Reads \uXXXX, and the \uXXXX behind it if the two are a surrogate pair; `*at` stands on the 'u'. */
static uint32_t read_units(const char **at, const char *end)
{
	uint32_t first = hex_unit(*at + 1, end);
	uint32_t second;

	if (end - *at <= 5) {
		*at = end;
		return first;
	}
	*at += 5;
	if (first < SURROGATE_FIRST || first >= SURROGATE_SECOND)
		return first;
	if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return first;
	second = hex_unit(*at + 2, end);
	if (second < SURROGATE_SECOND || second > SURROGATE_LAST)
		return first;
	*at += 6;
	return 0x10000 + ((first - SURROGATE_FIRST) << 10) + (second - SURROGATE_SECOND);
}

uint32_t json_escape_read(const char **at, const char *end)
{
	char letter;

	assert(*at < end && **at == '\\');
	++*at;
	if (*at == end)
		return '\\';
	if (**at == 'u')
		return read_units(at, end);
	letter = *(*at)++;
	switch (letter) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return (unsigned char)letter; /* the character itself: " \ or / */
	}
}

/* What stands between the quotes. */
static struct slice content_of(struct slice token)
{
	assert(token.len >= 2 && token.ptr[0] == '"');
	return (struct slice){ token.ptr + 1, token.len - 2 };
}

bool json_string_is(struct slice token, struct slice text)
{
	struct slice content = content_of(token);
	const char *at = content.ptr;
	const char *end = at + content.len;
	size_t done = 0;

	if (memchr(at, '\\', content.len) == NULL)
		return slice_equal(content, text);
	while (at < end) {
		char bytes[UTF8_CHAR_MAX] = { *at };
		size_t size = 1;

		if (*at == '\\')
			size = utf8_encode(json_escape_read(&at, end), bytes);
		else
			at++;
		if (size > text.len - done || memcmp(text.ptr + done, bytes, size) != 0)
			return false;
		done += size;
	}
	return done == text.len;
}

/* Appends the character of the escape at `*at`. */
static bool decode_escape(const char **at, const char *end, struct buf *out, struct err *e)
{
	char bytes[UTF8_CHAR_MAX];
	uint32_t code_point = json_escape_read(at, end);

	if (is_surrogate(code_point))
		return err_set(e, ERR_INPUT,
			"a string has half a surrogate pair, \\u%04x, which no text can hold",
			(unsigned)code_point);
	if (!buf_append(out, bytes, utf8_encode(code_point, bytes)))
		return err_set(e, ERR_LIMIT,
			"a string is longer than %zu bytes, or memory is short", out->max);
	return true;
}

bool json_string_decode(struct slice token, struct buf *out, struct err *e)
{
	struct slice content = content_of(token);
	const char *at = content.ptr;
	const char *end = at + content.len;
	size_t before = out->len;

	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		const char *plain_end = escape != NULL ? escape : end;

		if (!buf_append(out, at, (size_t)(plain_end - at))) {
			err_set(e, ERR_LIMIT,
				"a string is longer than %zu bytes, or memory is short", out->max);
			goto fail;
		}
		at = plain_end;
		if (escape != NULL && !decode_escape(&at, end, out, e))
			goto fail;
	}
	return true;
fail:
	out->len = before;
	return false;
}

bool json_char_encode(uint32_t code_point, struct buf *out)
{
	static const char short_escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char bytes[8];

	for (const char *pair = short_escapes; *pair != '\0'; pair += 2) {
		if (code_point == (unsigned char)*pair)
			return buf_append(out, (char[]){ '\\', pair[1] }, 2);
	}
	if (code_point < 0x20 || is_surrogate(code_point)) {
		(void)snprintf(bytes, sizeof(bytes), "\\u%04x", (unsigned)code_point & 0xffff);
		return buf_append(out, bytes, 6);
	}
	return buf_append(out, bytes, utf8_encode(code_point, bytes));
}

/* True for the bytes that a string must escape. */
static bool needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

bool json_string_encode(struct slice utf8, struct buf *out)
{
	size_t before = out->len;
	size_t i = 0;
	bool ok = buf_append_char(out, '"');

	while (ok && i < utf8.len) {
		size_t from = i;

		while (i < utf8.len && !needs_escape(utf8.ptr[i]))
			i++;
		ok = i == from || buf_append(out, utf8.ptr + from, i - from);
		if (ok && i < utf8.len)
			ok = json_char_encode((unsigned char)utf8.ptr[i++], out);
	}
	ok = ok && buf_append_char(out, '"');
	if (!ok)
		out->len = before;
	return ok;
}
