#include "proto/engineio.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

#define PEER_TEXT_SIZE 64

/* The types by number; on a WebSocket's text the number is a digit. */
static const char *const type_names[] = {
	[EIO_OPEN] = "open",
	[EIO_CLOSE] = "close",
	[EIO_PING] = "ping",
	[EIO_PONG] = "pong",
	[EIO_MESSAGE] = "message",
	[EIO_UPGRADE] = "upgrade",
	[EIO_NOOP] = "noop",
};
#define TYPES (sizeof(type_names) / sizeof(*type_names))

const char *eio_type_name(enum eio_type type)
{
	assert(type < TYPES);
	return type_names[type];
}

bool eio_text_decode(struct slice message, struct eio_packet *out, struct err *e)
{
	char text[PEER_TEXT_SIZE];
	unsigned type;

	if (message.len == 0)
		return err_set(e, ERR_PROTOCOL, "an empty Engine.IO packet");
	type = (unsigned)(unsigned char)*message.ptr - '0';
	if (type >= TYPES)
		return err_set(e, ERR_PROTOCOL, "no Engine.IO packet: \"%s\"",
			log_peer_text(text, sizeof(text), message));
	*out = (struct eio_packet){ .type = (enum eio_type)type,
		.data = { message.ptr + 1, message.len - 1 } };
	return true;
}

bool eio_text_encode(const struct eio_packet *packet, struct buf *out)
{
	size_t before = out->len;

	assert(packet->type < TYPES && !packet->is_binary);
	if (buf_append_char(out, (char)('0' + (int)packet->type)) &&
		buf_append_slice(out, packet->data))
		return true;
	out->len = before;
	return false;
}

/* ---- the open packet ---- */

static bool is_whole_number(struct slice token)
{
	for (size_t i = 0; i < token.len; i++) {
		if (token.ptr[i] < '0' || token.ptr[i] > '9')
			return false;
	}
	return token.len != 0 && token.len <= 15;
}

static uint64_t number_of(struct slice token)
{
	uint64_t value = 0;

	for (size_t i = 0; i < token.len; i++)
		value = value * 10 + (uint64_t)(token.ptr[i] - '0');
	return value;
}

static bool read_interval(struct slice open, const char *name, uint32_t *out, struct err *e)
{
	struct slice token;
	char text[PEER_TEXT_SIZE];

	if (!json_member(open, name, &token))
		return err_set(e, ERR_PROTOCOL, "the server's open packet lacks '%s'", name);
	if (!is_whole_number(token) || number_of(token) == 0 ||
		number_of(token) > EIO_INTERVAL_MAX_MS)
		return err_set(e, ERR_PROTOCOL,
			"the server's open packet says '%s' is %s; it must be a whole number of 1 "
			"to %d ms",
			name, log_peer_text(text, sizeof(text), token), EIO_INTERVAL_MAX_MS);
	*out = (uint32_t)number_of(token);
	return true;
}

/* The sid goes into URLs, logs and the recording, so it must be short and printable. */
static bool read_sid(struct slice open, char sid[EIO_SID_MAX + 1], struct err *e)
{
	struct slice token;
	struct buf b;
	bool ok;

	if (!json_member(open, "sid", &token) || json_type_of(token) != JSON_STRING)
		return err_set(e, ERR_PROTOCOL, "the server's open packet lacks a string 'sid'");
	buf_init(&b, 6 * EIO_SID_MAX + 2);
	ok = json_string_decode(token, &b, e) && b.len != 0 && b.len <= EIO_SID_MAX;
	for (size_t i = 0; ok && i < b.len; i++)
		ok = b.data[i] > 0x20 && b.data[i] < 0x7f;
	if (ok) {
		memcpy(sid, b.data, b.len);
		sid[b.len] = '\0';
	} else {
		err_set(e, ERR_PROTOCOL,
			"the 'sid' of the server's open packet is not 1 to %d visible ASCII "
			"characters",
			EIO_SID_MAX);
	}
	buf_release(&b);
	return ok;
}

static bool lists_websocket(struct slice open)
{
	struct slice list, item;
	struct json_iter it;

	if (!json_member(open, "upgrades", &list) || json_type_of(list) != JSON_ARRAY)
		return false;
	json_iter_init(&it, list);
	while (json_iter_next(&it, NULL, &item)) {
		if (json_type_of(item) == JSON_STRING &&
			json_string_is(item, slice_of("websocket")))
			return true;
	}
	return false;
}

bool eio_open_decode(struct slice data, struct eio_open *out, struct err *e)
{
	struct slice token, open;
	struct json_iter it;

	*out = (struct eio_open){ 0 };
	if (!utf8_valid(data))
		return err_set(e, ERR_PROTOCOL, "the server's open packet is not UTF-8");
	if (!json_validate(data, NULL, e))
		return err_prefix(e, "the server's open packet");
	json_iter_list(&it, data);
	if (!json_iter_next(&it, NULL, &open) || json_type_of(open) != JSON_OBJECT)
		return err_set(e, ERR_PROTOCOL, "the server's open packet is not a JSON object");
	if (!read_sid(open, out->sid, e) ||
		!read_interval(open, "pingInterval", &out->ping_interval_ms, e) ||
		!read_interval(open, "pingTimeout", &out->ping_timeout_ms, e))
		return false;
	out->upgrades_websocket = lists_websocket(open);
	/* A server without a limit says null, which is as good as nothing. */
	if (json_member(open, "maxPayload", &token) && is_whole_number(token))
		out->max_payload = number_of(token);
	return true;
}

bool eio_open_encode(const struct eio_open *open, struct buf *out)
{
	size_t before = out->len;
	bool ok = buf_append_str(out, "{\"sid\":") &&
		json_string_encode(slice_of(open->sid), out) &&
		buf_printf(out, ",\"upgrades\":[%s],\"pingInterval\":%u,\"pingTimeout\":%u",
			open->upgrades_websocket ? "\"websocket\"" : "", open->ping_interval_ms,
			open->ping_timeout_ms);

	if (ok && open->max_payload != 0)
		ok = buf_printf(out, ",\"maxPayload\":%llu", (unsigned long long)open->max_payload);
	if (ok && buf_append_char(out, '}'))
		return true;
	out->len = before;
	return false;
}
