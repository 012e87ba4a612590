#include "proto/ws_handshake.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <openssl/evp.h>

#include "base/log.h"

#define KEY_BYTES 16
#define PEER_TEXT_SIZE 200

/* The constant that proves that the server has read the request as a WebSocket's (RFC 6455, 1.3). */
static const char accept_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
static const char http_start[] = "HTTP/";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_ctl(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* ---- keys ---- */

bool ws_key_new(char key[WS_KEY_SIZE])
{
	unsigned char bytes[KEY_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return false;
	(void)EVP_EncodeBlock((unsigned char *)key, bytes, sizeof(bytes));
	return true;
}

static bool is_base64_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '+' ||
		c == '/';
}

static bool is_key(struct slice key)
{
	if (key.len != WS_KEY_SIZE - 1 || memcmp(key.ptr + key.len - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < key.len - 2; i++) {
		if (!is_base64_char(key.ptr[i]))
			return false;
	}
	return true;
}

bool ws_accept_key(const char *key, char accept[WS_ACCEPT_SIZE])
{
	char text[WS_KEY_SIZE + sizeof(accept_guid)];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len = 0;

	if (!is_key(slice_of(key)))
		return false;
	memcpy(text, key, WS_KEY_SIZE - 1);
	memcpy(text + WS_KEY_SIZE - 1, accept_guid, sizeof(accept_guid));
	if (EVP_Digest(text, strlen(text), digest, &digest_len, EVP_sha1(), NULL) != 1)
		return false;
	(void)EVP_EncodeBlock((unsigned char *)accept, digest, (int)digest_len);
	return true;
}

/* ---- client ---- */

static bool is_visible(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_ctl(s.ptr[i]) || s.ptr[i] == ' ')
			return false;
	}
	return s.len != 0;
}

static bool check_request(const struct ws_request *request, struct err *e)
{
	if (!is_visible(request->target) || request->target.ptr[0] != '/')
		return err_set(e, ERR_INPUT,
			"the target of a WebSocket request must be a path "
			"without spaces or control characters");
	if (!is_visible(request->host))
		return err_set(e, ERR_INPUT,
			"the Host header of a WebSocket request is empty or "
			"holds spaces or control characters");
	if (!ws_header_value_valid(request->cookie))
		return err_set(e, ERR_INPUT, "a cookie holds control characters");
	for (size_t i = 0; i < request->header_count; i++) {
		if (!ws_header_name_valid(request->headers[i].name) ||
			!ws_header_value_valid(request->headers[i].value))
			return err_set(e, ERR_INPUT,
				"header %zu of a WebSocket request is malformed", i + 1);
	}
	return true;
}

static bool append_header(struct buf *out, struct slice name, struct slice value)
{
	return buf_append_slice(out, name) && buf_append_str(out, ": ") &&
		buf_append_slice(out, value) && buf_append_str(out, "\r\n");
}

static bool append_request(struct buf *out, const struct ws_request *request)
{
	bool ok = buf_append_str(out, "GET ") && buf_append_slice(out, request->target) &&
		buf_append_str(out, " HTTP/1.1\r\nHost: ") &&
		buf_append_slice(out, request->host) &&
		buf_append_str(out,
			"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ") &&
		buf_append_str(out, request->key) && buf_append_str(out, "\r\n");

	if (ok && request->cookie.len != 0)
		ok = append_header(out, slice_of("Cookie"), request->cookie);
	if (ok && request->offers_deflate)
		ok = append_header(
			out, slice_of("Sec-WebSocket-Extensions"), slice_of(WS_DEFLATE_OFFER));
	for (size_t i = 0; ok && i < request->header_count; i++)
		ok = append_header(out, request->headers[i].name, request->headers[i].value);
	return ok && buf_append_str(out, "\r\n");
}

bool ws_request(struct buf *out, const struct ws_request *request, struct err *e)
{
	size_t before = out->len;

	if (!check_request(request, e))
		return false;
	if (append_request(out, request))
		return true;
	out->len = before;
	return err_set(e, ERR_LIMIT, "no room for a WebSocket request with a target of %zu bytes",
		request->target.len);
}

/* "HTTP/1.1 101 Switching Protocols"; the reason may be missing, even its space. */
static bool parse_status_line(struct slice line, struct ws_response *out)
{
	const char *space = memchr(line.ptr, ' ', line.len);
	struct slice rest;

	if (space == NULL)
		return false;
	rest = ws_header_trim((struct slice){ space, (size_t)(line.ptr + line.len - space) });
	if (rest.len < 3 || !is_digit(rest.ptr[0]) || !is_digit(rest.ptr[1]) ||
		!is_digit(rest.ptr[2]) || (rest.len > 3 && rest.ptr[3] != ' '))
		return false;
	out->status = (rest.ptr[0] - '0') * 100 + (rest.ptr[1] - '0') * 10 + (rest.ptr[2] - '0');
	out->reason = ws_header_trim((struct slice){ rest.ptr + 3, rest.len - 3 });
	return out->status >= 100;
}

static int64_t content_length(struct slice headers)
{
	struct slice value;
	int64_t length = 0;

	if (!ws_header_find_single(headers, "Content-Length", &value) || value.len == 0 ||
		value.len > 18)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return -1;
		length = length * 10 + (value.ptr[i] - '0');
	}
	return length;
}

/* True unless the bytes so far exclude an HTTP answer; a peer of another protocol may never end a line. */
static bool may_be_http(struct slice in)
{
	size_t n = in.len < strlen(http_start) ? in.len : strlen(http_start);

	return n == 0 || strncasecmp(in.ptr, http_start, n) == 0;
}

/* Looks at the extensions that the server wants to use, which must be those that were offered. */
static bool check_extensions(bool offers_deflate, struct ws_response *response, struct err *e)
{
	struct slice headers = response->headers, value;
	char text[PEER_TEXT_SIZE];

	while (ws_header_find(&headers, "Sec-WebSocket-Extensions", &value)) {
		if (offers_deflate && !ws_deflate_agree(&response->deflate, value, e))
			return false;
		if (!offers_deflate && value.len != 0)
			return err_set(e, ERR_PROTOCOL,
				"the server uses a WebSocket extension that was not offered: "
				"\"%s\"",
				log_peer_text(text, sizeof(text), value));
	}
	return true;
}

/* Checks an answer with status 101 (RFC 6455, 4.1). */
static bool check_switch(
	struct ws_response *response, const struct ws_request *request, struct err *e)
{
	struct slice headers = response->headers, value;
	char text[PEER_TEXT_SIZE], accept[WS_ACCEPT_SIZE];

	if (ws_header_find_bad(headers, &value))
		return err_set(e, ERR_PROTOCOL,
			"the server's WebSocket handshake has a malformed header: \"%s\"",
			log_peer_text(text, sizeof(text), value));
	if (!ws_header_has_token(headers, "Upgrade", "websocket"))
		return err_set(e, ERR_PROTOCOL,
			"the server's WebSocket handshake lacks 'Upgrade: websocket'");
	if (!ws_header_has_token(headers, "Connection", "upgrade"))
		return err_set(e, ERR_PROTOCOL,
			"the server's WebSocket handshake lacks 'Connection: Upgrade'");
	if (!ws_header_find_single(headers, "Sec-WebSocket-Accept", &value))
		return err_set(e, ERR_PROTOCOL,
			"the server's WebSocket handshake lacks a single 'Sec-WebSocket-Accept'");
	if (!ws_accept_key(request->key, accept) || !slice_is(value, accept))
		return err_set(e, ERR_PROTOCOL,
			"the server's Sec-WebSocket-Accept does not fit our key; is a cache between us?");
	return check_extensions(request->offers_deflate, response, e);
}

static void refuse_status(const struct ws_response *response, struct err *e)
{
	bool is_denied = response->status == 401 || response->status == 403;
	char reason[PEER_TEXT_SIZE];

	err_set(e, is_denied ? ERR_DENIED : ERR_PROTOCOL,
		"the server answered the WebSocket handshake with HTTP %d%s%s", response->status,
		response->reason.len != 0 ? " " : "",
		log_peer_text(reason, sizeof(reason), response->reason));
}

enum ws_handshake_result ws_response_parse(struct slice in, size_t *used,
	const struct ws_request *request, struct ws_response *out, struct err *e)
{
	char text[PEER_TEXT_SIZE];
	struct slice line = { "", 0 };
	enum ws_header_result head;

	*used = 0;
	*out = (struct ws_response){ .content_length = -1 };
	if (!may_be_http(in)) {
		err_set(e, ERR_PROTOCOL, "the server's answer is not HTTP: \"%s\"",
			log_peer_text(text, sizeof(text), in));
		return WS_HS_BAD;
	}
	head = ws_header_split(in, used, &line, &out->headers, e);
	if (head != WS_HEADER_DONE)
		return head == WS_HEADER_MORE ? WS_HS_MORE : WS_HS_BAD;
	if (!parse_status_line(line, out)) {
		*out = (struct ws_response){ .content_length = -1 };
		err_set(e, ERR_PROTOCOL, "the server's status line is malformed: \"%s\"",
			log_peer_text(text, sizeof(text), line));
		return WS_HS_BAD;
	}
	out->content_length = content_length(out->headers);
	if (out->status != 101) {
		refuse_status(out, e);
		return WS_HS_BAD;
	}
	return check_switch(out, request, e) ? WS_HS_DONE : WS_HS_BAD;
}

/* ---- server ---- */

static bool refuse(struct ws_upgrade *out, int status, const char *what, struct err *e)
{
	out->refuse_status = status;
	return err_set(e, ERR_PROTOCOL, "no WebSocket request: %s", what);
}

/* "GET /socket.io/?EIO=4 HTTP/1.1" */
static bool parse_request_line(struct slice line, struct ws_upgrade *out, struct err *e)
{
	const char *space = line.len != 0 ? memchr(line.ptr, ' ', line.len) : NULL;
	size_t n = space != NULL ? (size_t)(space - line.ptr) : 0;
	struct slice rest = ws_header_trim((struct slice){ line.ptr + n, line.len - n });
	const char *version = rest.len != 0 ? memrchr(rest.ptr, ' ', rest.len) : NULL;

	if (n == 0 || version == NULL)
		return refuse(out, 400, "the request line is malformed", e);
	out->method = (struct slice){ line.ptr, n };
	out->target = ws_header_trim((struct slice){ rest.ptr, (size_t)(version - rest.ptr) });
	rest.len -= (size_t)(version + 1 - rest.ptr);
	if (!ws_header_name_valid(out->method) || !is_visible(out->target))
		return refuse(out, 400, "the request line is malformed", e);
	if (!slice_is((struct slice){ version + 1, rest.len }, "HTTP/1.1"))
		return refuse(out, 400, "it is not HTTP/1.1", e);
	return slice_is(out->method, "GET") || refuse(out, 405, "the method is not GET", e);
}

/* Checks the headers of a request (RFC 6455, 4.2.1). */
static bool check_upgrade(struct ws_upgrade *out, struct err *e)
{
	struct slice value;

	if (ws_header_find_bad(out->headers, &value))
		return refuse(out, 400, "a header is malformed", e);
	if (!ws_header_has_token(out->headers, "Upgrade", "websocket"))
		return refuse(out, 426, "it lacks 'Upgrade: websocket'", e);
	if (!ws_header_has_token(out->headers, "Connection", "upgrade"))
		return refuse(out, 400, "it lacks 'Connection: Upgrade'", e);
	if (!ws_header_find_single(out->headers, "Sec-WebSocket-Version", &value) ||
		!(slice_is(value, "13") || slice_is(value, "8")))
		return refuse(out, 426, "its Sec-WebSocket-Version is not 13", e);
	out->version = value.len == 1 ? 8 : 13;
	if (!ws_header_find_single(out->headers, "Sec-WebSocket-Key", &value) || !is_key(value))
		return refuse(out, 400, "its Sec-WebSocket-Key is missing or malformed", e);
	memcpy(out->key, value.ptr, value.len);
	return true;
}

enum ws_handshake_result ws_request_parse(
	struct slice in, size_t *used, struct ws_upgrade *out, struct err *e)
{
	struct slice line = { "", 0 };
	enum ws_header_result head;

	*used = 0;
	*out = (struct ws_upgrade){ 0 };
	if (in.len != 0 && !ws_header_name_valid((struct slice){ in.ptr, 1 })) {
		(void)refuse(out, 400, "the request line is malformed", e);
		return WS_HS_BAD;
	}
	head = ws_header_split(in, used, &line, &out->headers, e);
	if (head == WS_HEADER_MORE)
		return WS_HS_MORE;
	if (head == WS_HEADER_BAD) {
		out->refuse_status = 431;
		return WS_HS_BAD;
	}
	return parse_request_line(line, out, e) && check_upgrade(out, e) ? WS_HS_DONE : WS_HS_BAD;
}

/* The first of the listed subprotocols; empty if there is none that may be sent back. */
static struct slice first_protocol(struct slice list)
{
	const char *comma = list.len != 0 ? memchr(list.ptr, ',', list.len) : NULL;

	if (comma != NULL)
		list.len = (size_t)(comma - list.ptr);
	list = ws_header_trim(list);
	return ws_header_name_valid(list) ? list : (struct slice){ "", 0 };
}

bool ws_response(struct buf *out, const char *key, struct slice protocol)
{
	struct slice first = first_protocol(protocol);
	char accept[WS_ACCEPT_SIZE];
	size_t before = out->len;
	bool ok = ws_accept_key(key, accept) &&
		buf_printf(out,
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
			accept) &&
		(first.len == 0 || append_header(out, slice_of("Sec-WebSocket-Protocol"), first)) &&
		buf_append_str(out, "\r\n");

	if (!ok)
		out->len = before;
	return ok;
}
