#include "net/sio_client.h"

#include "base/json.h"
#include "net/eio_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MEMORY ((size_t)64 << 10)

/* ---- life ---- */

struct sio_socket *sio_socket_new(struct sio_client *c, struct slice nsp)
{
	struct sio_socket *s = calloc(1, sizeof(*s) + nsp.len);

	if (s == NULL)
		return NULL;
	if (c->generation->joins_unasked) {
		(void)strncpy(s->sid, eio_session_sid(c->session), EIO_SID_MAX);
	} else if (!eio_sid_make(s->sid)) {
		free(s);
		return NULL;
	}
	s->server = c->server;
	s->client = c;
	s->generation = c->generation;
	memcpy(s->nsp, nsp.ptr, nsp.len);
	s->nsp_len = nsp.len;
	LIST_INSERT_HEAD(&c->sockets, s, link);
	c->count++;
	timer_stop(c->joining);
	return s;
}

struct sio_socket *sio_socket_find(const struct sio_client *c, struct slice nsp)
{
	struct sio_socket *s;

	LIST_FOREACH(s, &c->sockets, link)
	if (slice_equal(sio_socket_nsp(s), nsp))
		return s;
	return NULL;
}

void sio_socket_tell(struct sio_socket *s)
{
	if (s->is_told)
		return;
	s->is_told = true;
	LIST_REMOVE(s, link);
	if (s->is_joined)
		s->server->events->left(s->arg, s->end, s->is_goodbye);
}

static void reaped(struct loop_reap *reap)
{
	struct sio_socket *s = (struct sio_socket *)(void *)((char *)reap -
		offsetof(struct sio_socket, reap));

	sio_socket_tell(s);
	free(s);
}

void sio_socket_leave(struct sio_socket *s, enum eio_end end, bool is_goodbye)
{
	struct sio_client *c = s->client;

	assert(c != NULL);
	LIST_REMOVE(s, link);
	LIST_INSERT_HEAD(&s->server->leaving, s, link);
	s->client = NULL;
	s->end = end;
	s->is_goodbye = is_goodbye;
	if (--c->count == 0)
		timer_start(c->joining, s->server->join_us);
	loop_reap_later(s->server->loop, &s->reap, reaped);
}

void sio_socket_join(struct sio_socket *s, const struct sio_join *j)
{
	s->arg = s->server->events->joined(s->server->arg, s, j);
	s->is_joined = s->arg != NULL;
	if (!s->is_joined)
		sio_socket_disconnect(s, false);
}

/* ---- sending ---- */

bool sio_client_send(struct sio_client *c, const struct sio_packet *packet)
{
	struct buf *text = &c->server->text;

	buf_reset(text, KEEP_MEMORY);
	if (c->generation->sio_encode(packet, text))
		return eio_session_send(c->session, false, buf_slice(text));
	eio_session_fail(c->session, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
	return false;
}

/* Makes the array of an event or an ack in the server's buffer. */
static bool make_data(struct sio_server *server, struct slice name, struct slice args)
{
	struct buf *data = &server->data;

	buf_reset(data, KEEP_MEMORY);
	return buf_append_char(data, '[') && buf_append_slice(data, name) &&
		(name.len == 0 || args.len == 0 || buf_append_char(data, ',')) &&
		buf_append_slice(data, args) && buf_append_char(data, ']');
}

/* Sends an event or an ack; its data is in the server's buffer, if there was memory for it. */
static bool send_packet(struct sio_socket *s, bool has_data, struct sio_packet *packet,
	const struct slice *attachments, size_t count)
{
	struct eio_session *session;

	if (s->client == NULL)
		return false;
	session = s->client->session;
	if (!has_data) {
		eio_session_fail(
			session, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
		return false;
	}
	if (!s->generation->has_binary)
		count = 0;
	if (count != 0)
		packet->type = packet->type == SIO_EVENT ? SIO_BINARY_EVENT : SIO_BINARY_ACK;
	packet->attachments = (uint32_t)count;
	packet->nsp = sio_socket_nsp(s);
	packet->data = buf_slice(&s->server->data);
	if (!sio_client_send(s->client, packet))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!eio_session_send(session, true, attachments[i]))
			return false;
	return true;
}

bool sio_socket_emit(struct sio_socket *s, struct slice name, struct slice args,
	const struct slice *attachments, size_t count)
{
	struct sio_packet packet = { .type = SIO_EVENT };

	return send_packet(s, make_data(s->server, name, args), &packet, attachments, count);
}

bool sio_socket_ack(struct sio_socket *s, uint64_t ack_id, struct slice args,
	const struct slice *attachments, size_t count)
{
	struct sio_packet packet = { .type = SIO_ACK, .has_id = true, .id = ack_id };
	struct slice no_name = { NULL, 0 };

	return send_packet(s, make_data(s->server, no_name, args), &packet, attachments, count);
}

bool sio_socket_send_text(struct sio_socket *s, struct slice text)
{
	return s->client != NULL && eio_session_send(s->client->session, false, text);
}

bool sio_socket_takes_frames(const struct sio_socket *s)
{
	return s->client != NULL && eio_session_takes_frames(s->client->session);
}

bool sio_socket_send_frames(struct sio_socket *s, struct slice frames)
{
	return s->client != NULL && eio_session_send_frames(s->client->session, frames);
}

bool sio_socket_is_full(const struct sio_socket *s)
{
	return s->client != NULL && eio_session_is_full(s->client->session);
}

/* The data of the answer to CONNECT, where there is any. */
static bool make_answer(struct sio_socket *s, struct slice more)
{
	struct buf *data = &s->server->data;

	buf_reset(data, KEEP_MEMORY);
	return buf_append_str(data, "{\"sid\":") && json_string_encode(slice_of(s->sid), data) &&
		(more.len == 0 || buf_append_char(data, ',')) && buf_append_slice(data, more) &&
		buf_append_char(data, '}');
}

bool sio_socket_confirm(struct sio_socket *s, struct slice more)
{
	struct sio_packet packet = { .type = SIO_CONNECT };
	bool ok = true;

	assert(!s->is_confirmed);
	s->is_confirmed = true;
	if (!s->generation->joins_unasked) {
		ok = make_answer(s, more);
		packet.data = buf_slice(&s->server->data);
	}
	packet.nsp = sio_socket_nsp(s);
	return ok && s->client != NULL && sio_client_send(s->client, &packet);
}

/* ---- sending away ---- */

/* In 0.9 the packet that leaves "/" is the last one of a session. */
void sio_socket_disconnect(struct sio_socket *s, bool close)
{
	struct sio_packet packet = { .type = SIO_DISCONNECT, .nsp = sio_socket_nsp(s) };
	struct sio_client *c = s->client;

	if (c == NULL)
		return;
	if (s->generation == &generation_09 && slice_is(packet.nsp, "/"))
		close = true;
	else
		(void)sio_client_send(c, &packet);
	c->has_sent_away = true;
	sio_socket_leave(s, EIO_END_SERVER, true);
	if (close)
		eio_session_close(c->session, false);
}

void sio_socket_cut(struct sio_socket *s)
{
	if (s->client != NULL)
		eio_session_close(s->client->session, true);
}

/* ---- what it is ---- */

const struct generation *sio_socket_generation(const struct sio_socket *s)
{
	return s->generation;
}

struct slice sio_socket_nsp(const struct sio_socket *s)
{
	return (struct slice){ s->nsp, s->nsp_len };
}

const char *sio_socket_sid(const struct sio_socket *s)
{
	return s->sid;
}

struct eio_session *sio_socket_session(const struct sio_socket *s)
{
	return s->client != NULL ? s->client->session : NULL;
}

bool sio_socket_set_sid(struct sio_socket *s, const char *sid)
{
	size_t len = strlen(sid);

	assert(!s->is_confirmed);
	if (len > EIO_SID_MAX)
		return false;
	memcpy(s->sid, sid, len + 1);
	return true;
}
