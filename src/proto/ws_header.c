#include "proto/ws_header.h"

#include <strings.h>

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A character of a header's name or a method (RFC 9110, 5.6.2). */
static bool is_token_char(char c)
{
	return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_ctl(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

struct slice ws_header_trim(struct slice s)
{
	while (s.len != 0 && (*s.ptr == ' ' || *s.ptr == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len != 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool equal_nocase(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* Takes a line off the front, without its CRLF or LF; false if no line end is left. */
static bool next_line(struct slice *rest, struct slice *line)
{
	const char *end = rest->len != 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

	if (end == NULL)
		return false;
	*line = (struct slice){ rest->ptr, (size_t)(end - rest->ptr) };
	rest->len -= line->len + 1;
	rest->ptr = end + 1;
	if (line->len != 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	return true;
}

enum ws_header_result ws_header_split(
	struct slice in, size_t *used, struct slice *first, struct slice *headers, struct err *e)
{
	struct slice rest = { in.ptr, in.len < WS_HEADERS_MAX ? in.len : WS_HEADERS_MAX };
	struct slice line;
	size_t lines = 0;

	*used = 0;
	if (next_line(&rest, first)) {
		headers->ptr = rest.ptr;
		while (lines <= WS_HEADER_LINES_MAX && next_line(&rest, &line)) {
			lines++;
			if (line.len != 0)
				continue;
			headers->len = (size_t)(line.ptr - headers->ptr);
			*used = (size_t)(rest.ptr - in.ptr);
			return WS_HEADER_DONE;
		}
	}
	if (in.len < WS_HEADERS_MAX && lines <= WS_HEADER_LINES_MAX)
		return WS_HEADER_MORE;
	err_set(e, ERR_LIMIT, "the peer's HTTP headers pass the limit of %zu bytes or %d lines",
		WS_HEADERS_MAX, WS_HEADER_LINES_MAX);
	return WS_HEADER_BAD;
}

static bool split_header(struct slice line, struct ws_header *out)
{
	const char *colon = line.len != 0 ? memchr(line.ptr, ':', line.len) : NULL;
	size_t n;

	if (colon == NULL)
		return false;
	n = (size_t)(colon - line.ptr);
	out->name = ws_header_trim((struct slice){ line.ptr, n });
	out->value = ws_header_trim((struct slice){ colon + 1, line.len - n - 1 });
	return out->name.len != 0;
}

bool ws_header_next(struct slice *rest, struct ws_header *out)
{
	struct slice line;

	while (next_line(rest, &line)) {
		if (split_header(line, out))
			return true;
	}
	return false;
}

bool ws_header_find(struct slice *rest, const char *name, struct slice *value)
{
	struct ws_header header;

	while (ws_header_next(rest, &header)) {
		if (equal_nocase(header.name, name)) {
			*value = header.value;
			return true;
		}
	}
	return false;
}

bool ws_header_name_valid(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!is_token_char(name.ptr[i]))
			return false;
	}
	return name.len != 0;
}

bool ws_header_value_valid(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (is_ctl(value.ptr[i]) && value.ptr[i] != '\t')
			return false;
	}
	return true;
}

bool ws_header_find_bad(struct slice headers, struct slice *line)
{
	struct ws_header header;

	while (next_line(&headers, line)) {
		if (line->len != 0 && (*line->ptr == ' ' || *line->ptr == '\t'))
			return true;
		if (!split_header(*line, &header) || !ws_header_name_valid(header.name) ||
			!ws_header_value_valid(header.value))
			return true;
	}
	return false;
}

bool ws_header_has_token(struct slice headers, const char *name, const char *token)
{
	struct slice value;

	while (ws_header_find(&headers, name, &value)) {
		while (value.len != 0) {
			const char *comma = memchr(value.ptr, ',', value.len);
			size_t n = comma != NULL ? (size_t)(comma - value.ptr) : value.len;

			if (equal_nocase(ws_header_trim((struct slice){ value.ptr, n }), token))
				return true;
			n += comma != NULL;
			value.ptr += n;
			value.len -= n;
		}
	}
	return false;
}

bool ws_header_find_single(struct slice headers, const char *name, struct slice *value)
{
	struct slice other;

	return ws_header_find(&headers, name, value) && !ws_header_find(&headers, name, &other);
}
