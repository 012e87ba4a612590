#include "record/handshake.h"

#include "base/json.h"
#include "record/dialect.h"

static bool append_pair(struct buf *out, const char *name, struct slice value)
{
	return buf_append_char(out, '&') && url_encode(slice_of(name), out) &&
		buf_append_char(out, '=') && url_encode(value, out);
}

bool handshake_target(const struct config_feed *feed, const struct secret *token, struct buf *out)
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
