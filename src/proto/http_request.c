#include "proto/http_request.h"

#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool fail(struct http_fault *fault, int status, const char *why)
{
	*fault = (struct http_fault){ status, why };
	return false;
}

static bool equal_nocase(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* ---- the borders of a head ---- */

size_t http_head_end(struct slice in, size_t *seen)
{
	while (*seen < in.len) {
		const char *lf = memchr(in.ptr + *seen, '\n', in.len - *seen);
		size_t next;

		if (lf == NULL) {
			*seen = in.len;
			return 0;
		}
		*seen = (size_t)(lf - in.ptr);
		next = *seen + 1;
		if (next < in.len && in.ptr[next] == '\n')
			return next + 1;
		if (next + 1 < in.len && in.ptr[next] == '\r' && in.ptr[next + 1] == '\n')
			return next + 2;
		if (next == in.len || (next + 1 == in.len && in.ptr[next] == '\r'))
			return 0;
		*seen = next;
	}
	return 0;
}

size_t http_blank_lines(struct slice in)
{
	size_t n = 0;

	while (n < in.len && (in.ptr[n] == '\r' || in.ptr[n] == '\n'))
		n++;
	return n;
}

/* ---- the request line ---- */

static bool is_target(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
			return false;
	}
	return s.len != 0;
}

/* Drops scheme and authority of "http://host/path". */
static struct slice without_origin(struct slice target)
{
	static const char *const schemes[] = { "http://", "https://", "ws://", "wss://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (target.len < n || strncasecmp(target.ptr, schemes[i], n) != 0)
			continue;
		while (n < target.len && strchr("/?#", target.ptr[n]) == NULL)
			n++;
		return (struct slice){ target.ptr + n, target.len - n };
	}
	return target;
}

/* False: the target is neither a path nor "*". */
static bool split_target(struct slice sent, struct http_request *out)
{
	struct slice target = without_origin(sent);
	bool has_origin = target.ptr != sent.ptr;
	const char *end = target.len != 0 ? memchr(target.ptr, '#', target.len) : NULL;

	if (end != NULL)
		target.len = (size_t)(end - target.ptr);
	out->target = target;
	out->path = target;
	end = target.len != 0 ? memchr(target.ptr, '?', target.len) : NULL;
	if (end != NULL) {
		out->path.len = (size_t)(end - target.ptr);
		out->query = (struct slice){ end + 1, target.len - out->path.len - 1 };
	}
	if (out->path.len == 0) { /* "http://host?query" */
		out->path = slice_of("/");
		return has_origin;
	}
	return *out->path.ptr == '/' || slice_is(target, "*");
}

static bool read_version(struct slice version, struct http_request *out, struct http_fault *fault)
{
	if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 || !is_digit(version.ptr[5]) ||
		version.ptr[6] != '.' || !is_digit(version.ptr[7]))
		return fail(fault, 400, "the request line is malformed");
	if (version.ptr[5] != '1')
		return fail(fault, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	out->minor = version.ptr[7] == '0' ? 0 : 1;
	return true;
}

/* "GET /path?query HTTP/1.1" */
static bool read_line(struct slice line, struct http_request *out, struct http_fault *fault)
{
	const char *space = line.len != 0 ? memchr(line.ptr, ' ', line.len) : NULL;
	size_t n = space != NULL ? (size_t)(space - line.ptr) : 0;
	struct slice rest = ws_header_trim((struct slice){ line.ptr + n, line.len - n });
	const char *last = rest.len != 0 ? memrchr(rest.ptr, ' ', rest.len) : NULL;
	struct slice target;

	out->method = (struct slice){ line.ptr, n };
	if (last == NULL || !ws_header_name_valid(out->method))
		return fail(fault, 400, "the request line is malformed");
	target = ws_header_trim((struct slice){ rest.ptr, (size_t)(last - rest.ptr) });
	rest.len -= (size_t)(last + 1 - rest.ptr);
	rest.ptr = last + 1;
	if (!read_version(rest, out, fault))
		return false;
	if (!is_target(target) || !split_target(target, out))
		return fail(fault, 400, "the target of the request is malformed");
	return true;
}

/* ---- the headers that say where the request ends ---- */

static bool read_length(struct slice value, uint64_t *out)
{
	uint64_t n = 0;

	if (value.len == 0 || value.len > 18)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return false;
		n = n * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	*out = n;
	return true;
}

static bool read_framing(struct http_request *out, struct http_fault *fault)
{
	struct slice rest = out->headers, value;
	bool has_length = ws_header_find(&rest, "Content-Length", &value);

	if (has_length &&
		(!read_length(value, &out->length) ||
			ws_header_find(&rest, "Content-Length", &value)))
		return fail(fault, 400, "Content-Length is malformed or repeated");
	rest = out->headers;
	if (!ws_header_find(&rest, "Transfer-Encoding", &value))
		return true;
	if (has_length || out->minor == 0)
		return fail(fault, 400, "Transfer-Encoding is out of place");
	if (!equal_nocase(value, "chunked") || ws_header_find(&rest, "Transfer-Encoding", &value))
		return fail(fault, 501, "no Transfer-Encoding but 'chunked' is known here");
	out->is_chunked = true;
	return true;
}

static bool read_expectation(struct http_request *out, struct http_fault *fault)
{
	struct slice rest = out->headers, value;

	if (out->minor == 0 || !ws_header_find(&rest, "Expect", &value))
		return true;
	if (!equal_nocase(value, "100-continue"))
		return fail(fault, 417, "no expectation but '100-continue' is known here");
	out->expects_continue = true;
	return true;
}

/* Every line is a header, and no blank stands before its colon (RFC 9112, 5.1). */
static bool are_headers_clean(struct slice headers)
{
	struct ws_header header;
	struct slice line;

	if (ws_header_find_bad(headers, &line))
		return false;
	while (ws_header_next(&headers, &header)) {
		if (header.name.ptr[header.name.len] != ':')
			return false;
	}
	return true;
}

bool http_request_read(struct slice head, struct http_request *out, struct http_fault *fault)
{
	struct slice line = { "", 0 };
	size_t used;
	struct err e;

	*out = (struct http_request){ .path = { "", 0 }, .query = { "", 0 } };
	if (ws_header_split(head, &used, &line, &out->headers, &e) != WS_HEADER_DONE)
		return fail(fault, 431, "the headers are too many");
	if (!read_line(line, out, fault))
		return false;
	if (!are_headers_clean(out->headers))
		return fail(fault, 400, "a header is malformed");
	out->keeps_alive = out->minor == 0
		? ws_header_has_token(out->headers, "Connection", "keep-alive")
		: !ws_header_has_token(out->headers, "Connection", "close");
	return read_framing(out, fault) && read_expectation(out, fault);
}

/* ---- the query ---- */

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes one character of an encoded text from the front; a '%' without two digits stands for
 * itself. */
static char decode_char(struct slice *s)
{
	int high = s->len >= 3 && s->ptr[0] == '%' ? hex_value(s->ptr[1]) : -1;
	int low = high >= 0 ? hex_value(s->ptr[2]) : -1;
	char c = low >= 0 ? (char)(high * 16 + low) : s->ptr[0] == '+' ? ' ' : s->ptr[0];
	size_t n = low >= 0 ? 3 : 1;

	s->ptr += n;
	s->len -= n;
	return c;
}

static bool name_is(struct slice encoded, const char *name)
{
	while (encoded.len != 0 && *name != '\0') {
		if (decode_char(&encoded) != *name++)
			return false;
	}
	return encoded.len == 0 && *name == '\0';
}

static bool append_decoded(struct slice value, struct buf *out)
{
	size_t before = out->len;

	if (!buf_reserve(out, value.len)) /* what is decoded is never longer */
		return false;
	while (value.len != 0) {
		if (!buf_append_char(out, decode_char(&value))) {
			out->len = before;
			return false;
		}
	}
	return true;
}

bool http_query_member(struct slice query, const char *name, struct buf *out)
{
	while (query.len != 0) {
		const char *end = memchr(query.ptr, '&', query.len);
		size_t n = end != NULL ? (size_t)(end - query.ptr) : query.len;
		const char *equals = n != 0 ? memchr(query.ptr, '=', n) : NULL;
		size_t name_len = equals != NULL ? (size_t)(equals - query.ptr) : n;
		size_t value_at = equals != NULL ? name_len + 1 : n;

		if (n != 0 && name_is((struct slice){ query.ptr, name_len }, name))
			return append_decoded(
				(struct slice){ query.ptr + value_at, n - value_at }, out);
		n += end != NULL;
		query.ptr += n;
		query.len -= n;
	}
	return false;
}

/* ---- statuses ---- */

const char *http_status_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = { { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 204, "No Content" }, { 301, "Moved Permanently" }, { 302, "Found" },
		{ 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 409, "Conflict" }, { 411, "Length Required" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
		{ 421, "Misdirected Request" }, { 426, "Upgrade Required" },
		{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" } };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Status";
}
