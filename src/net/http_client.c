#include "net/http_client.h"

#include "base/buf.h"
#include "base/log.h"
#include "proto/gunzip.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 30000

struct http_call {
	struct transfer transfer; /* first: `done` of transfers casts back */
	struct loop_reap reap;
	struct loop *loop;
	struct transfers *transfers;
	struct curl_slist *headers;
	struct cookies *cookies;
	const struct url *address;
	struct buf body;
	struct gunzip *gunzip; /* the answer is compressed; NULL: it is not */
	size_t head_bytes;
	int redirects;
	bool follows;
	bool is_once;
	bool is_sent;
	bool is_too_large;
	bool takes_gzip;
	bool is_bad_gzip;
	void (*arrived)(void *arg);
	void (*done)(void *arg, const struct http_answer *);
	void *arg;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_call *c = arg;
	struct slice piece = { bytes, size * count };
	struct err e = { .code = ERR_LIMIT };
	bool ok = c->gunzip != NULL ? gunzip_take(c->gunzip, piece, &c->body, &e)
				    : buf_append_slice(&c->body, piece);

	c->is_too_large = !ok && e.code == ERR_LIMIT;
	c->is_bad_gzip = !ok && e.code != ERR_LIMIT;
	if (ok && c->arrived != NULL)
		c->arrived(c->arg);
	return ok ? piece.len : 0;
}

/* The value of a header line with this name; false if it is another one. */
static bool header_is(struct slice line, const char *name, struct slice *value)
{
	size_t len = strlen(name);

	if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0)
		return false;
	*value = ws_header_trim((struct slice){ line.ptr + len + 1, line.len - len - 1 });
	return true;
}

/* Hands a Set-Cookie header to the feed's cookies. */
static void take_cookie(struct http_call *c, struct slice line)
{
	struct slice value;

	if (c->cookies != NULL && header_is(line, "set-cookie", &value))
		cookies_take(c->cookies, c->address, value);
}

/* Compression is undone here, because libcurl does not say when a compressed answer was cut off. */
static bool take_coding(struct http_call *c, struct slice line)
{
	struct slice value;

	if (!c->takes_gzip || !header_is(line, "content-encoding", &value) ||
		!(value.len == 4 && strncasecmp(value.ptr, "gzip", 4) == 0))
		return true;
	gunzip_free(c->gunzip);
	c->gunzip = gunzip_new();
	return c->gunzip != NULL;
}

/* libcurl keeps every header of an answer; endless ones must not fill the memory. */
static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_call *c = arg;
	struct slice line = { bytes, size * count };

	while (line.len != 0 && strchr("\r\n", line.ptr[line.len - 1]) != NULL)
		line.len--;
	take_cookie(c, line);
	c->head_bytes += size * count;
	c->is_too_large = c->is_too_large || c->head_bytes > HTTP_HEAD_MAX;
	return c->is_too_large || !take_coding(c, line) ? 0 : size * count;
}

/* Called before a request is sent, and again before libcurl repeats it on another connection. */
static int allow_sending(
	void *arg, char *to_address, char *from_address, int to_port, int from_port)
{
	struct http_call *c = arg;
	bool again = c->is_sent;

	(void)to_address;
	(void)from_address;
	(void)to_port;
	(void)from_port;
	c->is_sent = true;
	return again && c->is_once ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* True if two URLs have the same scheme, host and port. */
static bool same_origin(const char *a, const char *b)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *ua = curl_url();
	CURLU *ub = curl_url();
	bool same = ua != NULL && ub != NULL &&
		curl_url_set(ua, CURLUPART_URL, a, 0) == CURLUE_OK &&
		curl_url_set(ub, CURLUPART_URL, b, 0) == CURLUE_OK;

	for (size_t i = 0; same && i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *pa = NULL;
		char *pb = NULL;

		same = curl_url_get(ua, parts[i], &pa, CURLU_DEFAULT_PORT) == CURLUE_OK &&
			curl_url_get(ub, parts[i], &pb, CURLU_DEFAULT_PORT) == CURLUE_OK &&
			strcasecmp(pa, pb) == 0;
		curl_free(pa);
		curl_free(pb);
	}
	curl_url_cleanup(ua);
	curl_url_cleanup(ub);
	return same;
}

/* The host of a URL that a peer named, for a message. */
static void host_of(const char *url, char *out, size_t size)
{
	CURLU *u = curl_url();
	char *host = NULL;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
		(void)curl_url_get(u, CURLUPART_HOST, &host, 0);
	(void)log_peer_text(out, size, slice_of(host != NULL ? host : "?"));
	curl_free(host);
	curl_url_cleanup(u);
}

/* Goes on to where the server points, if that is the same server. True if the call goes on. */
static bool follow(struct http_call *c, struct http_answer *answer)
{
	const char *here = NULL;
	char *there = NULL;
	CURL *easy = c->transfer.easy;
	char host[256];

	(void)curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &here);
	(void)curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &there);
	if (here == NULL || there == NULL)
		return false;
	if (!same_origin(here, there)) {
		host_of(there, host, sizeof(host));
		(void)err_set(&answer->e, ERR_DENIED,
			"it redirects (HTTP %d) to '%s', which was not followed because the API key would go "
			"there; if that is right, configure that address",
			answer->status, host);
		answer->status = 0;
		return false;
	}
	if (c->redirects++ == HTTP_REDIRECTS_MAX) {
		(void)err_set(&answer->e, ERR_PROTOCOL, "it redirects in circles");
		answer->status = 0;
		return false;
	}
	buf_reset(&c->body, 0);
	gunzip_free(c->gunzip);
	c->gunzip = NULL;
	c->head_bytes = 0;
	c->is_sent = false;
	/* To be added again a handle must first leave the multi; its settings stay. */
	transfer_pause(c->transfers, &c->transfer);
	return curl_easy_setopt(easy, CURLOPT_URL, there) == CURLE_OK &&
		transfer_add(c->transfers, &c->transfer, &answer->e);
}

static void transfer_done(struct transfer *t, CURLcode code)
{
	struct http_call *c = (struct http_call *)t;
	struct http_answer answer = { 0 };
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->is_too_large) {
		(void)err_set(&answer.e, ERR_LIMIT,
			"its answer is larger than %zu bytes, or its headers than %zu", c->body.max,
			HTTP_HEAD_MAX);
	} else if (c->is_bad_gzip ||
		(code == CURLE_OK && c->gunzip != NULL && !gunzip_is_complete(c->gunzip))) {
		(void)err_set(&answer.e, ERR_NETWORK, "its compressed answer is %s",
			c->is_bad_gzip ? "broken" : "cut off");
	} else if (code == CURLE_ABORTED_BY_CALLBACK) {
		(void)err_set(
			&answer.e, ERR_NETWORK, "the connection was closed without an answer");
	} else if (code != CURLE_OK) {
		(void)transfer_error(t, code, &answer.e);
	} else {
		answer.status = (int)status;
		if (c->follows && status >= 300 && status < 400 && follow(c, &answer))
			return;
		answer.body = buf_slice(&c->body);
	}
	c->done(c->arg, &answer);
}

static bool add_header(struct http_call *c, struct slice name, struct slice value)
{
	struct curl_slist *longer = NULL;
	struct buf line;

	buf_init(&line, WS_HEADERS_MAX);
	if (buf_append_slice(&line, name) && buf_append_str(&line, ": ") &&
		buf_append_slice(&line, value) && buf_append_char(&line, '\0'))
		longer = curl_slist_append(c->headers, line.data);
	buf_release(&line);
	if (longer != NULL)
		c->headers = longer;
	return longer != NULL;
}

/* The path of a URL. */
static struct slice path_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host != NULL ? strchr(host + 3, '/') : NULL;

	return slice_of(path != NULL ? path : "/");
}

static bool add_cookies(struct http_call *c, const struct http_request *request)
{
	struct buf value;
	bool ok;

	if (c->cookies == NULL)
		return true;
	buf_init(&value, COOKIES_HEADER_MAX);
	ok = cookies_header(c->cookies, c->address, path_of(request->url), &value) &&
		(value.len == 0 || add_header(c, slice_of("Cookie"), buf_slice(&value)));
	buf_release(&value);
	return ok;
}

static bool set_headers(struct http_call *c, const struct http_request *request)
{
	bool ok = add_cookies(c, request);

	if (ok && request->content_type != NULL)
		ok = add_header(c, slice_of("Content-Type"), slice_of(request->content_type));
	if (ok && request->takes_gzip)
		ok = add_header(c, slice_of("Accept-Encoding"), slice_of("gzip"));
	for (size_t i = 0; ok && i < request->header_count; i++)
		ok = add_header(c, request->headers[i].name, request->headers[i].value);
	return ok && curl_easy_setopt(c->transfer.easy, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK;
}

static bool set_body(struct http_call *c, const struct http_request *request)
{
	CURL *easy = c->transfer.easy;

	if (request->method == HTTP_GET)
		return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)request->body.len) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
			request->body.len != 0 ? request->body.ptr : "") == CURLE_OK;
}

static bool set_options(struct http_call *c, const struct http_request *request)
{
	CURL *easy = c->transfer.easy;
	bool ok = set_body(c, request) && set_headers(c, request) &&
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, c) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_HEADERDATA, c) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, allow_sending) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PREREQDATA, c) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_USERAGENT, "tapedeckd/" TAPEDECK_VERSION) ==
			CURLE_OK;

	if (ok && request->user != NULL)
		ok = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) == CURLE_OK &&
			curl_easy_setopt(easy, CURLOPT_USERNAME,
				secret_reveal(request->user).ptr) == CURLE_OK &&
			curl_easy_setopt(easy, CURLOPT_PASSWORD, "") == CURLE_OK;
	return ok;
}

bool http_send(struct http_call **out, struct loop *l, struct transfers *ts,
	const struct http_request *request, void (*done)(void *arg, const struct http_answer *),
	void *arg, struct err *e)
{
	struct http_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	c->loop = l;
	c->transfers = ts;
	c->transfer.done = transfer_done;
	c->done = done;
	c->arg = arg;
	c->arrived = request->arrived;
	c->takes_gzip = request->takes_gzip;
	c->follows = request->follows;
	c->is_once = request->is_once;
	c->cookies = request->cookies;
	c->address = request->address;
	buf_init(&c->body, request->body_max != 0 ? request->body_max : HTTP_BODY_MAX);
	if (!transfer_init(&c->transfer, request->url, request->ca_file, request->proxy,
		    CONNECT_TIMEOUT_MS, e)) {
		free(c);
		return false;
	}
	if (!set_options(c, request)) {
		http_call_free(c);
		return err_set(e, ERR_NOMEM, "cannot prepare the request: out of memory");
	}
	if (!transfer_add(ts, &c->transfer, e)) {
		http_call_free(c);
		return false;
	}
	*out = c;
	return true;
}

static void destroy(struct loop_reap *reap)
{
	struct http_call *c = (struct http_call *)(void *)((char *)reap -
		offsetof(struct http_call, reap));

	curl_slist_free_all(c->headers);
	gunzip_free(c->gunzip);
	/* The body may hold a token. */
	if (c->body.data != NULL)
		explicit_bzero(c->body.data, c->body.cap);
	buf_release(&c->body);
	free(c);
}

void http_call_free(struct http_call *c)
{
	if (c == NULL)
		return;
	transfer_remove(c->transfers, &c->transfer);
	loop_reap_later(c->loop, &c->reap, destroy);
}
