#include "proto/socketio09_packet.h"

#include <assert.h>

#include "base/json.h"
#include "base/log.h"

#define PEER_TEXT_SIZE 64

enum type { DISCONNECT, CONNECT, HEARTBEAT, MESSAGE, JSON, EVENT, ACK, ERROR, NOOP, TYPES };

/* A packet taken apart. */
struct parts {
	enum type type;
	struct slice id; /* digits, and '+' where the answer may carry data */
	struct slice endpoint;
	struct slice data;
};

/* The reasons of an error that have numbers. */
static const char *const reasons[] = { "transport not supported", "client not handshaken",
	"unauthorized" };
#define REASONS (sizeof(reasons) / sizeof(*reasons))

static struct slice skipped(struct slice s, size_t n)
{
	return (struct slice){ s.ptr + n, s.len - n };
}

/* ---- reading ---- */

/* Takes what stands before the next colon, and the colon; false if there is none, and all is taken. */
static bool take_part(struct slice *rest, struct slice *part)
{
	const char *colon = rest->len != 0 ? memchr(rest->ptr, ':', rest->len) : NULL;

	*part = *rest;
	if (colon == NULL) {
		if (rest->len != 0) /* else `ptr` may be NULL */
			*rest = skipped(*rest, rest->len);
		return false;
	}
	part->len = (size_t)(colon - rest->ptr);
	*rest = skipped(*rest, part->len + 1);
	return true;
}

static bool split(struct slice text, struct parts *out, struct err *e)
{
	char quoted[PEER_TEXT_SIZE];
	struct slice rest = text;
	struct slice type;

	if (!take_part(&rest, &type) || type.len != 1 || *type.ptr < '0' ||
		*type.ptr >= '0' + TYPES || !take_part(&rest, &out->id))
		return err_set(e, ERR_PROTOCOL, "no Socket.IO packet: \"%s\"",
			log_peer_text(quoted, sizeof(quoted), text));
	out->type = (enum type)(*type.ptr - '0');
	(void)take_part(&rest, &out->endpoint);
	out->data = rest;
	return true;
}

/* Reads "1" or "1+"; nothing, too. Whether the sender wants data with the answer makes no difference. */
static bool read_id(struct slice text, struct sio_packet *out, struct err *e)
{
	char quoted[PEER_TEXT_SIZE];
	struct slice digits = text;

	if (digits.len != 0 && digits.ptr[digits.len - 1] == '+')
		digits.len--;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return err_set(e, ERR_PROTOCOL,
				"the id of a Socket.IO packet is no number: \"%s\"",
				log_peer_text(quoted, sizeof(quoted), text));
		if (i == SIO_ID_DIGITS_MAX)
			return err_set(e, ERR_LIMIT,
				"the id of a Socket.IO packet has more than %d digits",
				SIO_ID_DIGITS_MAX);
		out->id = out->id * 10 + (uint64_t)(digits.ptr[i] - '0');
	}
	out->has_id = digits.len != 0;
	return true;
}

static bool fail_full(const struct buf *scratch, struct err *e)
{
	return err_set(e, ERR_LIMIT,
		"a Socket.IO packet is longer than %zu bytes, or memory is short", scratch->max);
}

/* Finds the members of an event's object; `args` stays empty if there are none. */
static bool find_members(struct slice json, struct slice *name, struct slice *args, struct err *e)
{
	struct slice key, value;
	struct json_iter it;

	*name = *args = (struct slice){ NULL, 0 };
	json_iter_init(&it, json);
	while (it.is_object && json_iter_next(&it, &key, &value)) {
		struct slice *member = json_string_is(key, slice_of("name")) ? name : args;

		if (member == args && !json_string_is(key, slice_of("args")))
			continue;
		if (member->ptr != NULL)
			return err_set(e, ERR_PROTOCOL, "a Socket.IO event has a member twice");
		*member = value;
	}
	if (name->ptr == NULL || json_type_of(*name) != JSON_STRING)
		return err_set(e, ERR_PROTOCOL, "a Socket.IO event without a name");
	if (args->ptr == NULL || json_type_of(*args) == JSON_NULL)
		*args = slice_of("[]");
	if (json_type_of(*args) != JSON_ARRAY)
		return err_set(e, ERR_PROTOCOL, "the 'args' of a Socket.IO event are no array");
	return true;
}

/* {"name":"data","args":[...]} becomes ["data",...]. */
static bool read_event(struct slice data, struct buf *scratch, struct err *e)
{
	struct slice json, name, args, first;
	struct json_iter it;

	if (!json_validate(data, NULL, e))
		return err_prefix(e, "a Socket.IO event");
	json_iter_list(&it, data);
	(void)json_iter_next(&it, NULL, &json); /* without the space around it */
	if (!find_members(json, &name, &args, e))
		return false;
	json_iter_init(&it, args);
	args = (struct slice){ args.ptr + 1, args.len - 2 };
	if (!json_iter_next(&it, NULL, &first))
		args.len = 0;
	return (buf_append_char(scratch, '[') && buf_append_slice(scratch, name) &&
		       (args.len == 0 || buf_append_char(scratch, ',')) &&
		       buf_append_slice(scratch, args) && buf_append_char(scratch, ']')) ||
		fail_full(scratch, e);
}

/* A text or a JSON value without a name. */
static bool read_message(bool is_json, struct slice data, struct buf *scratch, struct err *e)
{
	if (is_json && !json_validate(data, NULL, e))
		return err_prefix(e, "a Socket.IO message");
	return (buf_append_str(scratch, "[\"message\",") &&
		       (is_json ? buf_append_slice(scratch, data)
				: json_string_encode(data, scratch)) &&
		       buf_append_char(scratch, ']')) ||
		fail_full(scratch, e);
}

/* "1" or "1+[...]": which packet is acked, and with what. */
static bool read_ack(struct slice data, struct sio_packet *out, struct err *e)
{
	struct slice id = { data.ptr, 0 };

	while (id.len < data.len && data.ptr[id.len] != '+' && data.ptr[id.len] != '[')
		id.len++;
	if (!read_id(id, out, e))
		return false;
	if (!out->has_id)
		return err_set(e, ERR_PROTOCOL, "a Socket.IO ack without an id");
	out->data = skipped(data, id.len);
	if (out->data.len != 0 && *out->data.ptr == '+')
		out->data = skipped(out->data, 1);
	if (out->data.len != 0 && *out->data.ptr != '[')
		return err_set(e, ERR_PROTOCOL, "a Socket.IO ack whose data is no array");
	return true;
}

/* "1+0": a reason and an advice, of which there is only one, to reconnect; or words. */
static bool read_error(struct slice data, struct buf *scratch, struct err *e)
{
	struct slice reason = data;

	if (reason.len >= 2 && memcmp(reason.ptr + reason.len - 2, "+0", 2) == 0)
		reason.len -= 2;
	else if (reason.len != 0 && reason.ptr[reason.len - 1] == '+')
		reason.len--;
	if (reason.len == 0)
		return true;
	if (reason.len != 1 || *reason.ptr < '0' || *reason.ptr >= '0' + (char)REASONS)
		reason = data; /* words may end so, too */
	else
		reason = slice_of(reasons[*reason.ptr - '0']);
	return json_string_encode(reason, scratch) || fail_full(scratch, e);
}

/* "/feed?key=value" */
static void read_endpoint(struct slice endpoint, struct sio_packet *out)
{
	const char *mark = endpoint.len != 0 ? memchr(endpoint.ptr, '?', endpoint.len) : NULL;

	if (mark != NULL) {
		out->query = skipped(endpoint, (size_t)(mark - endpoint.ptr) + 1);
		endpoint.len = (size_t)(mark - endpoint.ptr);
	}
	if (endpoint.len != 0)
		out->nsp = endpoint;
}

/* A query may hold colons, and clients write it behind one: "1::/feed:?key=value". */
static bool read_connect(const struct parts *p, struct sio_packet *out, struct err *e)
{
	if (p->endpoint.len != 0 && memchr(p->endpoint.ptr, '?', p->endpoint.len) != NULL) {
		out->query.len = (size_t)(p->data.ptr + p->data.len - out->query.ptr);
		return true;
	}
	if (p->data.len == 0)
		return true;
	if (*p->data.ptr != '?')
		return err_set(e, ERR_PROTOCOL, "a Socket.IO connect with unexpected data");
	out->query = skipped(p->data, 1);
	return true;
}

/* Reads what is peculiar to the type; what is left in `scratch` is the data. */
static bool read_parts(
	const struct parts *p, struct buf *scratch, struct sio_packet *out, struct err *e)
{
	switch (p->type) {
	case DISCONNECT:
		out->type = SIO_DISCONNECT;
		return p->data.len == 0 ||
			err_set(e, ERR_PROTOCOL, "a Socket.IO disconnect with unexpected data");
	case CONNECT:
		out->type = SIO_CONNECT;
		return read_connect(p, out, e);
	case EVENT:
		out->type = SIO_EVENT;
		return read_id(p->id, out, e) && read_event(p->data, scratch, e);
	case MESSAGE:
	case JSON:
		out->type = SIO_EVENT;
		return read_id(p->id, out, e) && read_message(p->type == JSON, p->data, scratch, e);
	case ACK:
		out->type = SIO_ACK;
		return read_ack(p->data, out, e);
	case ERROR:
		out->type = SIO_ERROR;
		return read_error(p->data, scratch, e);
	case HEARTBEAT:
	case NOOP:
	case TYPES:
		break;
	}
	return err_set(e, ERR_PROTOCOL, "a heartbeat where a Socket.IO packet is due");
}

bool sio09_decode(struct slice text, struct buf *scratch, struct sio_packet *out, struct err *e)
{
	struct parts parts = { 0 };

	scratch->len = 0;
	*out = (struct sio_packet){ .nsp = { "/", 1 }, .query = { "", 0 } };
	if (!split(text, &parts, e))
		return false;
	read_endpoint(parts.endpoint, out);
	if (!read_parts(&parts, scratch, out, e))
		return false;
	if (scratch->len != 0)
		out->data = buf_slice(scratch);
	return true;
}

/* ---- writing ---- */

static bool append_head(enum type type, const struct sio_packet *packet, struct buf *out)
{
	bool ok = buf_printf(out, "%d:", (int)type);

	if (ok && type == EVENT && packet->has_id)
		ok = buf_printf(out, "%llu+", (unsigned long long)packet->id);
	ok = ok && buf_append_char(out, ':');
	if (ok && !slice_is(packet->nsp, "/"))
		ok = buf_append_slice(out, packet->nsp);
	if (ok && packet->query.len != 0)
		ok = buf_append_char(out, '?') && buf_append_slice(out, packet->query);
	return ok;
}

/* ["data",...] becomes {"name":"data","args":[...]}. */
static bool append_event(struct slice data, struct buf *out)
{
	struct slice array, name;
	struct json_iter it;

	json_iter_list(&it, data);
	if (!json_iter_next(&it, NULL, &array) || array.len < 2 ||
		json_type_of(array) != JSON_ARRAY)
		return false;
	json_iter_init(&it, array);
	if (!json_iter_next(&it, NULL, &name) || name.len < 2 || json_type_of(name) != JSON_STRING)
		return false;
	return buf_append_str(out, ":{\"name\":") && buf_append_slice(out, name) &&
		buf_append_str(out, ",\"args\":[") &&
		buf_append(out, it.at, (size_t)(it.end - it.at)) && buf_append_str(out, "]}");
}

static bool append_ack(const struct sio_packet *packet, struct buf *out)
{
	return buf_printf(out, ":%llu", (unsigned long long)packet->id) &&
		(packet->data.len == 0 ||
			(buf_append_char(out, '+') && buf_append_slice(out, packet->data)));
}

/* The number of a reason in words, or REASONS. */
static size_t reason_number(struct slice token)
{
	size_t i = 0;

	while (i < REASONS && !json_string_is(token, slice_of(reasons[i])))
		i++;
	return i;
}

/* The inverse of read_error; JSON that is no string is written as it is. */
static bool append_error(struct slice data, struct buf *out)
{
	struct slice token = data;
	struct json_iter it;
	struct buf text;
	struct err e;
	bool ok;

	buf_init(&text, out->max);
	if (data.len != 0 && json_validate(data, NULL, &e)) {
		json_iter_list(&it, data);
		(void)json_iter_next(&it, NULL, &token); /* without the space around it */
	}
	if (token.len >= 2 && json_type_of(token) == JSON_STRING &&
		token.ptr[token.len - 1] == '"') {
		if (reason_number(token) < REASONS)
			return buf_printf(out, ":%zu+0", reason_number(token));
		if (json_string_decode(token, &text, &e))
			data = buf_slice(&text);
	}
	ok = buf_append_char(out, ':') && buf_append_slice(out, data);
	buf_release(&text);
	return ok;
}

static bool append_packet(const struct sio_packet *packet, struct buf *out)
{
	switch (packet->type) {
	case SIO_CONNECT:
		return append_head(CONNECT, packet, out);
	case SIO_DISCONNECT:
		return append_head(DISCONNECT, packet, out);
	case SIO_EVENT:
		return append_head(EVENT, packet, out) && append_event(packet->data, out);
	case SIO_ACK:
		return append_head(ACK, packet, out) && append_ack(packet, out);
	case SIO_ERROR:
		return append_head(ERROR, packet, out) && append_error(packet->data, out);
	case SIO_BINARY_EVENT:
	case SIO_BINARY_ACK:
		break;
	}
	assert(packet->attachments == 0 && packet->type < SIO_BINARY_EVENT);
	return false;
}

bool sio09_encode(const struct sio_packet *packet, struct buf *out)
{
	size_t before = out->len;

	if (append_packet(packet, out))
		return true;
	out->len = before;
	return false;
}
