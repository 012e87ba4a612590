#include "record/handshake.h"

#include "base/json.h"
#include "record/dialect.h"

#define CONNECT_TIMEOUT_MS 20000

static bool append_pair(struct buf *out, const char *name, struct slice value)
{
	return buf_append_char(out, '&') && url_encode(slice_of(name), out) &&
		buf_append_char(out, '=') && url_encode(value, out);
}

/* Appends the target of the WebSocket handshake: path, Engine.IO's query, the token, the configured query. It
 * holds the token: the caller wipes it. False when `out` is full. */
static bool append_target(
	const struct config_feed *feed, const struct secret *token, struct buf *out)
{
	bool ok = buf_printf(out, "%s?EIO=%d&transport=websocket", feed->path,
		feed->protocol == CONFIG_PROTOCOL_EIO3 ? 3 : 4);

	if (ok && token != NULL)
		ok = append_pair(out, feed->token.query, secret_reveal(token));
	for (size_t i = 0; ok && i < feed->n_query; i++)
		ok = append_pair(out, feed->query[i].name, slice_of(feed->query[i].value));
	return ok;
}

bool handshake_auth(const struct config_feed *feed, const struct secret *token, struct buf *out)
{
	struct slice auth = slice_of(feed->auth);
	struct dialect_value value = { "$token", slice_of("null") };
	struct buf quoted;
	bool ok;

	if (slice_is(auth, "{}"))
		return true;
	buf_init(&quoted, SIZE_MAX / 2);
	ok = token == NULL || json_string_encode(secret_reveal(token), &quoted);
	if (token != NULL)
		value.json = buf_slice(&quoted);
	ok = ok && dialect_expand(auth, &value, 1, out);
	if (quoted.data != NULL)
		explicit_bzero(quoted.data, quoted.cap);
	buf_release(&quoted);
	return ok;
}

bool handshake_open(struct ws_client **out, struct loop *l, struct transfers *ts,
	const struct config_feed *feed, const struct secret *token,
	const struct ws_client_events *events, void *arg, struct err *e)
{
	struct ws_header headers[CONFIG_PAIRS_MAX];
	struct buf target;
	struct ws_client_options options = {
		.url = &feed->url,
		.target = &target,
		.headers = headers,
		.header_count = feed->n_headers,
		.ca_file = feed->ca_file,
		.proxy = feed->proxy,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
	};
	bool ok;

	for (size_t i = 0; i < feed->n_headers; i++)
		headers[i] = (struct ws_header){ slice_of(feed->headers[i].name),
			slice_of(feed->headers[i].value) };
	buf_init(&target, WS_HEADERS_MAX);
	ok = append_target(feed, token, &target)
		? ws_client_new(out, l, ts, &options, events, arg, e)
		: err_set(e, ERR_LIMIT, "the handshake's address is too long");
	if (target.data != NULL)
		explicit_bzero(target.data, target.cap);
	buf_release(&target);
	return ok;
}
