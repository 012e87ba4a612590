#include "proto/socketio.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

#define PEER_TEXT_SIZE 64
#define ERROR_TEXT_MAX 65536 /* bytes of a refusal's message that are looked at */

static const char *const type_names[] = {
	[SIO_CONNECT] = "connect",
	[SIO_DISCONNECT] = "disconnect",
	[SIO_EVENT] = "event",
	[SIO_ACK] = "ack",
	[SIO_ERROR] = "error",
	[SIO_BINARY_EVENT] = "binary event",
	[SIO_BINARY_ACK] = "binary ack",
};
#define TYPES (sizeof(type_names) / sizeof(*type_names))

const char *sio_type_name(enum sio_type type)
{
	assert(type < TYPES);
	return type_names[type];
}

static bool is_event(enum sio_type type)
{
	return type == SIO_EVENT || type == SIO_BINARY_EVENT;
}

static bool is_ack(enum sio_type type)
{
	return type == SIO_ACK || type == SIO_BINARY_ACK;
}

static bool is_binary(enum sio_type type)
{
	return type == SIO_BINARY_EVENT || type == SIO_BINARY_ACK;
}

static struct slice skipped(struct slice s, size_t n)
{
	return (struct slice){ s.ptr + n, s.len - n };
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes the digits at the front of `rest`; false if there are more than `digits_max`. */
static bool take_number(struct slice *rest, size_t digits_max, uint64_t *value, size_t *digits)
{
	size_t n = 0;

	*value = 0;
	while (n < rest->len && n <= digits_max && rest->ptr[n] >= '0' && rest->ptr[n] <= '9')
		*value = *value * 10 + (uint64_t)(rest->ptr[n++] - '0');
	*rest = skipped(*rest, n);
	*digits = n;
	return n <= digits_max;
}

/* "51-": the number of binary messages that follow. */
static bool take_attachments(struct slice *rest, struct sio_packet *out, struct err *e)
{
	uint64_t count;
	size_t digits;

	if (!take_number(rest, SIO_ID_DIGITS_MAX, &count, &digits) || count > SIO_ATTACHMENTS_MAX)
		return err_set(e, ERR_LIMIT, "a Socket.IO %s announces more than %d attachments",
			sio_type_name(out->type), SIO_ATTACHMENTS_MAX);
	if (count == 0 || rest->len == 0 || *rest->ptr != '-')
		return err_set(e, ERR_PROTOCOL,
			"a Socket.IO %s does not say how many attachments it has",
			sio_type_name(out->type));
	out->attachments = (uint32_t)count;
	*rest = skipped(*rest, 1);
	return true;
}

/* "/feed?key=value,": up to the comma, or to the end of a packet that holds nothing else. */
static void take_namespace(struct slice *rest, struct sio_packet *out)
{
	const char *comma, *mark;
	struct slice nsp = *rest;

	out->nsp = slice_of("/");
	if (rest->len == 0 || *rest->ptr != '/')
		return;
	comma = memchr(rest->ptr, ',', rest->len);
	if (comma != NULL)
		nsp.len = (size_t)(comma - nsp.ptr);
	*rest = skipped(*rest, comma != NULL ? nsp.len + 1 : nsp.len);
	mark = memchr(nsp.ptr, '?', nsp.len);
	if (mark != NULL) {
		out->query = skipped(nsp, (size_t)(mark - nsp.ptr) + 1);
		nsp.len = (size_t)(mark - nsp.ptr);
	}
	out->nsp = nsp;
}

/* Only what can be acked, and an ack, has an id; in other packets digits are data. */
static bool take_id(struct slice *rest, struct sio_packet *out, struct err *e)
{
	size_t digits;

	if (!is_event(out->type) && !is_ack(out->type))
		return true;
	if (!take_number(rest, SIO_ID_DIGITS_MAX, &out->id, &digits))
		return err_set(e, ERR_LIMIT, "the id of a Socket.IO %s has more than %d digits",
			sio_type_name(out->type), SIO_ID_DIGITS_MAX);
	out->has_id = digits != 0;
	if (is_ack(out->type) && !out->has_id)
		return err_set(e, ERR_PROTOCOL, "a Socket.IO ack without an id");
	return true;
}

/* Looks at the first byte of the JSON. A refusal of Socket.IO 1 and 2 carries whatever value the server's
 * author chose, so any will do there. */
static bool check_data(const struct sio_packet *packet, struct err *e)
{
	struct slice data = packet->data;
	char first = '\0';
	char text[PEER_TEXT_SIZE];
	const char *allowed;

	while (data.len != 0 && is_space(*data.ptr))
		data = skipped(data, 1);
	if (data.len != 0)
		first = *data.ptr;
	if (is_event(packet->type) || is_ack(packet->type))
		allowed = "[";
	else if (packet->type == SIO_CONNECT)
		allowed = "{\"";
	else if (packet->type == SIO_ERROR)
		allowed = "{\"[tfn-0123456789";
	else
		allowed = "";
	if (first == '\0' && packet->data.len == 0 && *allowed != '[')
		return true;
	if (first != '\0' && strchr(allowed, first) != NULL)
		return true;
	return err_set(e, ERR_PROTOCOL, "a Socket.IO %s with unexpected data: \"%s\"",
		sio_type_name(packet->type), log_peer_text(text, sizeof(text), packet->data));
}

bool sio_decode(struct slice text, struct buf *scratch, struct sio_packet *out, struct err *e)
{
	char quoted[PEER_TEXT_SIZE];
	struct slice rest;
	unsigned type = TYPES;

	scratch->len = 0;
	*out = (struct sio_packet){ .query = { "", 0 } };
	if (text.len != 0)
		type = (unsigned)(unsigned char)*text.ptr - '0';
	if (type >= TYPES)
		return err_set(e, ERR_PROTOCOL, "no Socket.IO packet: \"%s\"",
			log_peer_text(quoted, sizeof(quoted), text));
	out->type = (enum sio_type)type;
	rest = skipped(text, 1);
	if (is_binary(out->type) && !take_attachments(&rest, out, e))
		return false;
	take_namespace(&rest, out);
	if (!take_id(&rest, out, e))
		return false;
	out->data = rest;
	return check_data(out, e);
}

/* Everything before the JSON. */
static bool append_head(const struct sio_packet *packet, struct buf *out)
{
	bool is_root = packet->nsp.len == 0 || slice_is(packet->nsp, "/");
	bool ok = buf_append_char(out, (char)('0' + (int)packet->type));

	if (ok && is_binary(packet->type))
		ok = buf_printf(out, "%u-", packet->attachments);
	if (ok && (!is_root || packet->query.len != 0)) {
		ok = is_root ? buf_append_char(out, '/') : buf_append_slice(out, packet->nsp);
		if (ok && packet->query.len != 0)
			ok = buf_append_char(out, '?') && buf_append_slice(out, packet->query);
		ok = ok && buf_append_char(out, ',');
	}
	if (ok && packet->has_id)
		ok = buf_printf(out, "%llu", (unsigned long long)packet->id);
	return ok;
}

bool sio_encode(const struct sio_packet *packet, struct buf *out)
{
	size_t before = out->len;

	assert(packet->type < TYPES);
	assert(is_binary(packet->type) == (packet->attachments != 0));
	if (append_head(packet, out) && buf_append_slice(out, packet->data))
		return true;
	out->len = before;
	return false;
}

const char *sio_error_text(struct slice data, char *out, size_t size)
{
	struct slice value, token;
	struct json_iter it;
	struct buf text;
	struct err e;

	if (data.len == 0)
		return log_peer_text(out, size, slice_of("no reason given"));
	if (!utf8_valid(data) || !json_validate(data, NULL, &e))
		return log_peer_text(out, size, data);
	json_iter_list(&it, data);
	if (!json_iter_next(&it, NULL, &value))
		return log_peer_text(out, size, data);
	token = value;
	if (json_type_of(value) == JSON_OBJECT && !json_member(value, "message", &token))
		return log_peer_text(out, size, value);
	buf_init(&text, ERROR_TEXT_MAX);
	if (json_type_of(token) == JSON_STRING && json_string_decode(token, &text, &e) &&
		text.len != 0)
		value = buf_slice(&text);
	(void)log_peer_text(out, size, value);
	buf_release(&text);
	return out;
}
