#include "net/sio_client.h"

#include "base/json.h"
#include "net/eio_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void destroy(struct loop_reap *reap)
{
	struct sio_client *c = (struct sio_client *)(void *)((char *)reap -
		offsetof(struct sio_client, reap));

	sio_assembler_free(c->assembler);
	timer_free(c->joining);
	buf_release(&c->query);
	free(c);
}

static void break_off(struct sio_client *c, const struct err *e)
{
	eio_session_end(c->session, EIO_END_BROKEN, EIO_LEAVE_NOW, e);
}

static void fail(struct sio_client *c, enum err_code code, const char *why)
{
	eio_session_fail(c->session, EIO_END_BROKEN, EIO_LEAVE_NOW, code, why);
}

static void fail_memory(struct sio_client *c)
{
	eio_session_fail(c->session, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
}

/* The client is in no namespace, and has had its time. */
static void join_late(void *arg)
{
	struct sio_client *c = arg;

	eio_session_close(c->session, false);
}

void sio_client_drained(void *arg)
{
	struct sio_socket *all[SIO_NSPS_MAX];
	struct sio_client *c = arg;
	struct sio_socket *s;
	size_t count = 0;

	LIST_FOREACH(s, &c->sockets, link)
	all[count++] = s;
	/* Any of them may be sent away meanwhile; the objects stay until the end of the turn. */
	for (size_t i = 0; i < count; i++)
		if (all[i]->client != NULL && all[i]->is_joined)
			c->server->events->drained(all[i]->arg);
}

void sio_client_closed(void *arg, enum eio_end end, const struct err *e)
{
	struct sio_client *c = arg;

	(void)e;
	while (!LIST_EMPTY(&c->sockets)) {
		struct sio_socket *s = LIST_FIRST(&c->sockets);

		sio_socket_leave(s, end, false);
		sio_socket_tell(s);
	}
	timer_stop(c->joining);
	loop_reap_later(c->server->loop, &c->reap, destroy);
}

/* ---- joining ---- */

/* Clients of 0.9 know a reason by its number only; that of missing rights makes the namespace
 * fail. */
static void refuse_09(struct sio_client *c, struct slice nsp)
{
	struct buf *text = &c->server->text;

	text->len = 0;
	if (buf_append_str(text, "7::") && buf_append_slice(text, nsp) &&
		buf_append_str(text, ":2"))
		(void)!eio_session_send(c->session, false, buf_slice(text));
	else
		fail_memory(c);
}

/* Makes the JSON that says why, in the server's buffer. */
static bool make_refusal(struct sio_client *c, const struct sio_refusal *refusal)
{
	struct buf *data = &c->server->data;
	bool has_data = *refusal->data != '\0';

	data->len = 0;
	if (c->generation->joins_unasked)
		return has_data ? buf_append_str(data, refusal->data)
				: json_string_encode(slice_of(refusal->message), data);
	return buf_append_str(data, "{\"message\":") &&
		json_string_encode(slice_of(refusal->message), data) &&
		(!has_data ||
			(buf_append_str(data, ",\"data\":") &&
				buf_append_str(data, refusal->data))) &&
		buf_append_char(data, '}');
}

static void refuse(struct sio_client *c, struct slice nsp, const struct sio_refusal *refusal)
{
	struct sio_packet packet = { .type = SIO_ERROR, .nsp = nsp };

	if (c->generation == &generation_09) {
		refuse_09(c, nsp);
		return;
	}
	if (!make_refusal(c, refusal)) {
		fail_memory(c);
		return;
	}
	packet.data = buf_slice(&c->server->data);
	(void)sio_client_send(c, &packet);
}

static void join(struct sio_client *c, const struct sio_join *j)
{
	struct sio_server *server = c->server;
	struct sio_refusal refusal = { .message = "not authorized" };
	enum sio_verdict verdict = server->verdict_09;
	struct sio_socket *s;

	if (c->generation != &generation_09 || !slice_is(j->nsp, "/"))
		verdict = server->events->join(server->arg, j, &refusal);
	if (verdict == SIO_REFUSE) {
		refuse(c, j->nsp, &refusal);
		return;
	}
	s = sio_socket_new(c, j->nsp);
	if (s == NULL)
		fail_memory(c);
	else if (verdict == SIO_LATER || sio_socket_confirm(s, (struct slice){ NULL, 0 }))
		sio_socket_join(s, j);
}

/* The query of a namespace is asked first. */
static void join_with_query(struct sio_client *c, struct sio_join *j, struct slice query)
{
	struct buf both;

	if (query.len == 0) {
		join(c, j);
		return;
	}
	buf_init(&both, query.len + 1 + c->query.len);
	if (buf_append_slice(&both, query) && buf_append_char(&both, '&') &&
		buf_append_slice(&both, buf_slice(&c->query))) {
		j->query = buf_slice(&both);
		join(c, j);
	} else {
		fail_memory(c);
	}
	buf_release(&both);
}

/* A client of an older generation may ask for what it has; it is told so again. */
static void take_connect_again(struct sio_client *c, struct sio_socket *s)
{
	struct sio_packet packet = { .type = SIO_CONNECT, .nsp = sio_socket_nsp(s) };

	if (!c->generation->joins_unasked)
		fail(c, ERR_PROTOCOL, "a client joins a namespace twice");
	else if (s->is_confirmed)
		(void)sio_client_send(c, &packet);
}

static bool is_object(struct slice json, struct err *e)
{
	struct slice value;
	struct json_iter it;

	if (!json_validate(json, NULL, e))
		return false;
	json_iter_list(&it, json);
	return (json_iter_next(&it, NULL, &value) && json_type_of(value) == JSON_OBJECT) ||
		err_set(e, ERR_PROTOCOL, "the data of a Socket.IO connect is no object");
}

static void take_connect(struct sio_client *c, const struct sio_packet *packet)
{
	struct sio_socket *s = sio_socket_find(c, packet->nsp);
	struct sio_join j = {
		.generation = c->generation,
		.nsp = packet->nsp,
		.query = buf_slice(&c->query),
		.auth = c->generation->joins_unasked ? (struct slice){ NULL, 0 } : packet->data,
	};
	struct err e;

	if (s != NULL)
		take_connect_again(c, s);
	else if (packet->nsp.len > SIO_NSP_MAX || c->count >= SIO_NSPS_MAX)
		fail(c, ERR_LIMIT, "a client joins too many namespaces, or one with a long name");
	else if (j.auth.len != 0 && !is_object(j.auth, &e))
		break_off(c, &e);
	else
		join_with_query(c, &j, packet->query);
}

/* ---- packets in a namespace ---- */

/* Takes the name and the arguments of an event apart. */
static bool read_event(struct slice data, struct sio_event *out, struct err *e)
{
	struct slice array, name;
	struct json_iter it;

	if (!json_validate(data, NULL, e))
		return err_prefix(e, "a Socket.IO event");
	json_iter_list(&it, data);
	if (!json_iter_next(&it, NULL, &array) || json_type_of(array) != JSON_ARRAY)
		return err_set(e, ERR_PROTOCOL, "the data of a Socket.IO event is no array");
	json_iter_init(&it, array);
	if (!json_iter_next(&it, NULL, &name) || json_type_of(name) != JSON_STRING)
		return err_set(e, ERR_PROTOCOL, "a Socket.IO event without a name");
	out->name = name;
	out->args = (struct slice){ it.at, (size_t)(it.end - it.at) };
	return true;
}

static void take_event(struct sio_client *c, struct sio_socket *s, const struct sio_packet *packet)
{
	struct sio_event event = {
		.has_ack = packet->has_id,
		.ack_id = packet->id,
		.attachments = packet->attachments,
		.assembler = c->assembler,
	};
	struct err e;

	if (!read_event(packet->data, &event, &e))
		break_off(c, &e);
	else if (s->is_joined)
		s->server->events->event(s->arg, &event);
}

/* In 0.9 who leaves "/" leaves altogether. */
static void take_disconnect(struct sio_client *c, struct sio_socket *s)
{
	bool ends = c->generation == &generation_09 && slice_is(sio_socket_nsp(s), "/");

	sio_socket_leave(s, EIO_END_CLIENT, true);
	if (ends)
		eio_session_fail(c->session, EIO_END_CLIENT, EIO_LEAVE_NOW, ERR_NONE,
			"the client said goodbye");
}

static void take_packet(struct sio_client *c, const struct sio_packet *packet)
{
	struct sio_socket *s;

	if (packet->type == SIO_CONNECT) {
		take_connect(c, packet);
		return;
	}
	s = sio_socket_find(c, packet->nsp);
	if (s == NULL) {
		/* A client of Engine.IO 4 has to join first. What is on its way when we send it
		 * away is no fault. */
		if (!c->generation->joins_unasked && !c->has_sent_away)
			fail(c, ERR_PROTOCOL, "a packet for a namespace that the client is not in");
		return;
	}
	switch (packet->type) {
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		take_event(c, s, packet);
		break;
	case SIO_DISCONNECT:
		take_disconnect(c, s);
		break;
	case SIO_ERROR:
		fail(c, ERR_PROTOCOL, "an error packet from a client");
		break;
	case SIO_ACK: /* we ask for none */
	case SIO_BINARY_ACK:
	case SIO_CONNECT:
		break;
	}
}

void sio_client_message(void *arg, bool is_binary, struct slice data)
{
	struct sio_client *c = arg;
	struct sio_packet packet;
	enum sio_result result;
	struct err e;

	result = is_binary ? sio_assembler_binary(c->assembler, c->generation, data, &packet, &e)
			   : sio_assembler_text(c->assembler, c->generation, data, &packet, &e);
	if (result == SIO_BAD)
		break_off(c, &e);
	else if (result == SIO_PACKET)
		take_packet(c, &packet);
}

/* ---- the beginning ---- */

static struct sio_client *client_new(
	struct sio_server *server, struct eio_session *session, struct slice query)
{
	struct sio_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->server = server;
	c->session = session;
	c->generation = eio_session_generation(session);
	c->assembler = sio_assembler_new();
	c->joining = timer_new(server->loop, join_late, c);
	buf_init(&c->query, query.len);
	if (c->assembler != NULL && c->joining != NULL && buf_append_slice(&c->query, query))
		return c;
	destroy(&c->reap);
	return NULL;
}

struct sio_client *sio_client_new(
	struct sio_server *server, struct eio_session *session, struct slice query)
{
	struct sio_client *c = client_new(server, session, query);

	if (c == NULL)
		return NULL;
	timer_start(c->joining, server->join_us);
	if (c->generation->joins_unasked) {
		struct sio_join j = {
			.generation = c->generation,
			.nsp = SLICE_LITERAL("/"),
			.query = buf_slice(&c->query),
		};

		join(c, &j);
	}
	return c;
}
