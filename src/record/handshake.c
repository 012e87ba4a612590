#include "record/handshake.h"

#include "base/json.h"
#include "base/json_template.h"

#include <stdio.h>

/* The answer of a poll holds all that the server had to say since the last one. */
#define POLL_BODY_MAX ((size_t)64 << 20)

static bool append_pair(struct buf *out, const char *name, struct slice value)
{
	return buf_append_char(out, '&') && url_encode(slice_of(name), out) &&
		buf_append_char(out, '=') && url_encode(value, out);
}

/* Appends the part that differs between the generations, up to the first members of the query. */
static bool append_place(
	const struct config_feed *feed, const struct handshake_target *t, struct buf *out)
{
	const struct generation *g = t->generation != NULL ? t->generation : &generation_eio4;
	const char *transport = t->is_websocket ? "websocket" : "polling";
	size_t len = strlen(feed->path);
	bool ok = buf_append_str(out, feed->path);

	if (g->eio == 0) {
		if (ok && len != 0 && feed->path[len - 1] != '/')
			ok = buf_append_char(out, '/');
		ok = ok && buf_append_str(out, "1/");
		if (ok && t->sid != NULL)
			ok = buf_printf(out, "%s%s/", t->is_websocket ? "" : "xhr-", transport) &&
				url_encode(slice_of(t->sid), out);
		return ok && buf_printf(out, "?t=%llu", (unsigned long long)t->nonce);
	}
	ok = ok && buf_printf(out, "?EIO=%d&transport=%s", g->eio, transport);
	if (ok && t->nonce != 0)
		ok = buf_printf(out, "&t=%llu", (unsigned long long)t->nonce);
	return ok && (t->sid == NULL || append_pair(out, "sid", slice_of(t->sid)));
}

/* Appends the whole target: place, token, configured query. */
static bool append_target(const struct access *a, const struct handshake_target *t, struct buf *out)
{
	const struct config_feed *feed = a->feed;
	bool ok = append_place(feed, t, out);

	if (ok && a->token != NULL)
		ok = append_pair(out, feed->token.query, secret_reveal(a->token));
	for (size_t i = 0; ok && i < feed->n_query; i++)
		ok = append_pair(out, feed->query[i].name, slice_of(feed->query[i].value));
	return ok;
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

static size_t fill_headers(
	const struct config_feed *feed, struct ws_header headers[CONFIG_PAIRS_MAX])
{
	for (size_t i = 0; i < feed->n_headers; i++)
		headers[i] = (struct ws_header){ slice_of(feed->headers[i].name),
			slice_of(feed->headers[i].value) };
	return feed->n_headers;
}

bool handshake_auth(const struct config_feed *feed, const struct secret *token, struct buf *out)
{
	struct slice auth = slice_of(feed->auth);
	struct json_template_value value = { "$token", slice_of("null") };
	struct buf quoted;
	bool ok;

	if (slice_is(auth, "{}"))
		return true;
	buf_init(&quoted, SIZE_MAX / 2);
	ok = token == NULL || json_string_encode(secret_reveal(token), &quoted);
	if (token != NULL)
		value.json = buf_slice(&quoted);
	ok = ok && json_template_expand(auth, &value, 1, out);
	wipe(&quoted);
	return ok;
}

bool handshake_websocket(struct ws_client **out, const struct access *a,
	const struct handshake_target *t, int64_t timeout_ms, const struct ws_client_events *events,
	void *arg, struct err *e)
{
	struct ws_header headers[CONFIG_PAIRS_MAX];
	struct buf target;
	struct buf cookie;
	struct ws_client_options options = {
		.url = &a->feed->url,
		.target = &target,
		.headers = headers,
		.header_count = fill_headers(a->feed, headers),
		.compression = a->feed->compression,
		.ca_file = a->feed->ca_file,
		.proxy = a->feed->proxy,
		.connect_timeout_ms = timeout_ms,
	};
	bool ok;

	buf_init(&target, WS_HEADERS_MAX);
	buf_init(&cookie, COOKIES_HEADER_MAX);
	ok = append_target(a, t, &target) &&
		cookies_header(a->cookies, &a->feed->url, buf_slice(&target), &cookie);
	if (!ok)
		(void)err_set(e, ERR_LIMIT, "the handshake's address or its cookies are too long");
	options.cookie = buf_slice(&cookie);
	ok = ok && ws_client_new(out, a->loop, a->transfers, &options, events, arg, e);
	wipe(&target);
	wipe(&cookie);
	return ok;
}

void handshake_cookie(const struct access *a, struct slice header)
{
	cookies_take(a->cookies, &a->feed->url, header);
}

/* Appends scheme, host and port: what stands before the target in a URL. */
static bool append_origin(const struct url *url, struct buf *out)
{
	return buf_printf(out, "%s://%s%s%s:%u", url->is_tls ? "https" : "http",
		url->is_ipv6 ? "[" : "", url->host, url->is_ipv6 ? "]" : "", url->port);
}

bool handshake_send(struct http_call **out, const struct access *a,
	const struct handshake_http *request, void (*done)(void *arg, const struct http_answer *),
	void *arg, struct err *e)
{
	struct ws_header headers[CONFIG_PAIRS_MAX];
	struct http_request http = {
		.method = request->method,
		.body = request->body,
		.content_type = request->content_type,
		.headers = headers,
		.header_count = fill_headers(a->feed, headers),
		.cookies = a->cookies,
		.address = &a->feed->url,
		.takes_gzip = true,
		.arrived = request->arrived,
		.is_once = request->target.sid != NULL,
		.ca_file = a->feed->ca_file,
		.proxy = a->feed->proxy,
		.timeout_ms = request->timeout_ms,
		.body_max = POLL_BODY_MAX,
	};
	struct buf url;
	bool ok;

	buf_init(&url, WS_HEADERS_MAX);
	ok = append_origin(&a->feed->url, &url) && append_target(a, &request->target, &url) &&
		buf_append_char(&url, '\0');
	http.url = url.data;
	if (!ok)
		(void)err_set(e, ERR_LIMIT, "the handshake's address is too long");
	else
		ok = http_send(out, a->loop, a->transfers, &http, done, arg, e);
	wipe(&url);
	return ok;
}
