#include "server.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "block.h"
#include "proto/generation.h"

#include <stdio.h>
#include <stdlib.h>

#define CODE_DENIED 401
#define CODE_BUSY 503

/* A client in one namespace. One of an older generation is in "/" even where there is no feed: it gets nothing there. */
struct server_client {
	LIST_ENTRY(server_client) link;
	struct server *server;
	struct sio_socket *socket;
	const struct venue *venue;    /* NULL: no feed is here */
	struct player_client *player; /* NULL then */
	int64_t exp_s;                /* when its token ends; 0: it has none */
	char id[LOST_ID_LENGTH + 1];  /* with which it may come back; empty: it may not */
};

/* ---- may it come in? ---- */

/* The token, from the handshake's query or, of Engine.IO 4, from what came along with the request to join. */
static void find_token(const struct sio_join *j, struct buf *out)
{
	struct slice token;
	struct err e;

	if (http_query_member(j->query, "token", out) || j->auth.len == 0)
		return;
	if (json_member(j->auth, "token", &token) && json_type_of(token) == JSON_STRING &&
		!json_string_decode(token, out, &e))
		out->len = 0;
}

static enum jwt_verdict check_token(
	const struct server *s, const struct sio_join *j, struct jwt_owner *owner)
{
	enum jwt_verdict verdict;
	struct buf token;

	buf_init(&token, JWT_TOKEN_MAX + 1);
	find_token(j, &token);
	verdict = jwt_issue_check(s->issue, buf_slice(&token), clock_wall_us() / 1000000, owner);
	if (token.data != NULL)
		explicit_bzero(token.data, token.cap);
	buf_release(&token);
	return verdict;
}

static enum sio_verdict refuse(struct sio_refusal *refusal, int code, const char *message)
{
	(void)snprintf(refusal->message, sizeof(refusal->message), "%s", message);
	(void)snprintf(refusal->data, sizeof(refusal->data), "{\"code\":%d,\"message\":\"%s\"}",
		code, message);
	return SIO_REFUSE;
}

static bool may_resume(const struct server *s, const struct sio_join *j)
{
	return s->lost != NULL && j->generation == &generation_eio4;
}

static enum sio_verdict join(void *arg, const struct sio_join *j, struct sio_refusal *refusal)
{
	struct server_site *site = arg;
	struct server *s = site->server;
	const struct venue *venue = venues_find(&s->venues, site->io_path, j->nsp);
	struct jwt_owner owner = { .exp_s = 0 };
	enum jwt_verdict verdict = JWT_GOOD;

	if (venue == NULL && !(j->generation->joins_unasked && slice_is(j->nsp, "/"))) {
		(void)snprintf(refusal->message, sizeof(refusal->message), "Invalid namespace");
		return SIO_REFUSE;
	}
	if (s->key != NULL)
		verdict = check_token(s, j, &owner);
	if (verdict != JWT_GOOD)
		return refuse(refusal, CODE_DENIED, jwt_verdict_text(verdict));
	if (venue == NULL)
		return SIO_ACCEPT;
	if (fault_refuses(&s->options->faults, ++s->attempts))
		return refuse(refusal, CODE_BUSY, "refused");
	if (s->key != NULL &&
		player_in_hole(s->player, player_clock_find(s->player, slice_of(owner.id))))
		return refuse(refusal, CODE_BUSY, "the recording has a gap here");
	return may_resume(s, j) ? SIO_LATER : SIO_ACCEPT;
}

/* In a hole of the tape the feed is not there at all. */
static bool admit(void *arg, const struct generation *g, const struct http_exchange *x,
	struct eio_refusal *refusal)
{
	const struct server_site *site = arg;

	(void)g;
	(void)x;
	if (site->server->is_stopping) {
		*refusal = (struct eio_refusal){ CODE_BUSY, "the replay ends" };
		return false;
	}
	if (!player_in_hole(site->server->player, NULL))
		return true;
	*refusal = (struct eio_refusal){ CODE_BUSY, "the recording has a gap here" };
	return false;
}

/* ---- it is in ---- */

static bool text_member(struct slice object, const char *name, struct buf *out)
{
	struct slice value;
	struct err e;

	return object.len != 0 && json_member(object, name, &value) &&
		json_type_of(value) == JSON_STRING && json_string_decode(value, out, &e) &&
		out->len != 0;
}

static void confirm(struct server_client *c)
{
	char more[LOST_ID_LENGTH + 16];

	(void)snprintf(more, sizeof(more), "\"pid\":\"%s\"", c->id);
	(void)!sio_socket_confirm(c->socket, slice_of(more));
}

static void caught_up(void *arg)
{
	confirm(arg);
}

/* Finds what was kept of a client that was lost, if this is one. */
static bool take_lost(struct server_client *c, const struct sio_join *j, struct lost_client *was,
	struct mark *offset)
{
	struct server *s = c->server;
	struct buf id, text;
	bool is_found;

	buf_init(&id, LOST_SID_SIZE);
	buf_init(&text, BLOCK_OFFSET_MAX);
	is_found = text_member(j->auth, "pid", &id) && text_member(j->auth, "offset", &text) &&
		block_offset_read(buf_slice(&text), offset) &&
		lost_take(s->lost, buf_slice(&id), c->venue, clock_mono_us(), was);
	buf_release(&id);
	buf_release(&text);
	return is_found;
}

/* It goes on under its old names, by its old clock, whatever its token is now. */
static bool come_back(struct server_client *c, struct lost_client *was, const struct mark *offset)
{
	struct server *s = c->server;

	c->player = player_client_new(s->player, was->saved.clock, c->socket, s->attempts, true, c);
	if (c->player == NULL) {
		player_saved_release(&was->saved);
		return false;
	}
	memcpy(c->id, was->id, sizeof(was->id));
	player_client_resume(c->player, &was->saved, offset);
	return sio_socket_set_sid(c->socket, was->sid);
}

/* Whose clock a new client goes by. */
static struct player_clock *hold_clock(struct server_client *c, const struct jwt_owner *owner)
{
	struct server *s = c->server;
	struct eio_session *session = sio_socket_session(c->socket);

	if (owner->exp_s != 0)
		return player_clock_hold(s->player, slice_of(owner->id), owner->exp_s);
	return player_clock_hold(
		s->player, (struct slice){ (const char *)&session, sizeof(session) }, 0);
}

static bool enter(struct server_client *c, const struct sio_join *j)
{
	struct server *s = c->server;
	struct jwt_owner owner = { .exp_s = 0 };
	bool is_later = may_resume(s, j);
	struct lost_client was;
	struct player_clock *k;
	struct mark offset;

	if (s->key != NULL && check_token(s, j, &owner) == JWT_GOOD)
		c->exp_s = owner.exp_s;
	if (is_later && take_lost(c, j, &was, &offset))
		return come_back(c, &was, &offset);
	k = hold_clock(c, &owner);
	if (k == NULL)
		return false;
	c->player = player_client_new(s->player, k, c->socket, s->attempts, is_later, c);
	player_clock_release(k);
	if (c->player == NULL)
		return false;
	if (!is_later)
		return true;
	if (!lost_make_id(c->id))
		return false;
	confirm(c);
	return true;
}

static void client_free(struct server_client *c)
{
	if (c->player != NULL)
		player_client_free(c->player);
	LIST_REMOVE(c, link);
	free(c);
}

static void *joined(void *arg, struct sio_socket *socket, const struct sio_join *j)
{
	struct server_site *site = arg;
	struct server *s = site->server;
	struct server_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->server = s;
	c->socket = socket;
	c->venue = venues_find(&s->venues, site->io_path, j->nsp);
	LIST_INSERT_HEAD(&s->clients, c, link);
	if (c->venue != NULL && !enter(c, j)) {
		client_free(c);
		return NULL;
	}
	log_line(LOG_DEBUG, "a client has come", log_text("protocol", j->generation->name),
		log_peer("namespace", j->nsp), log_text("sid", sio_socket_sid(socket)));
	return c;
}

/* A client that was lost, or cut off on purpose, may come back; one that said goodbye, was sent away or broke the
 * protocol may not. */
static bool is_lost(const struct server_client *c, enum eio_end end, bool is_goodbye)
{
	return c->id[0] != '\0' && !is_goodbye && end != EIO_END_BROKEN && !c->server->is_stopping;
}

static void left(void *arg, enum eio_end end, bool is_goodbye)
{
	struct server_client *c = arg;
	struct server *s = c->server;

	if (is_lost(c, end, is_goodbye)) {
		struct lost_client lost = { .venue = c->venue };

		memcpy(lost.id, c->id, sizeof(lost.id));
		(void)snprintf(lost.sid, sizeof(lost.sid), "%s", sio_socket_sid(c->socket));
		player_client_save(c->player, &lost.saved);
		lost_keep(s->lost, &lost, clock_mono_us());
	}
	log_line(LOG_DEBUG, "a client has gone", log_text("sid", sio_socket_sid(c->socket)));
	client_free(c);
}

void server_say_goodbye(struct server *s)
{
	struct server_client *c;

	LIST_FOREACH(c, &s->clients, link)
	{
		struct eio_session *session = sio_socket_session(c->socket);

		if (session != NULL)
			eio_session_close(session, false);
	}
}

void server_expire(struct server *s, int64_t now_s)
{
	struct server_client *c = LIST_FIRST(&s->clients);

	while (c != NULL) {
		struct server_client *next = LIST_NEXT(c, link);

		if (c->exp_s != 0 && c->exp_s <= now_s) {
			c->exp_s = 0;
			sio_socket_disconnect(c->socket, true);
		}
		c = next;
	}
}

/* ---- what it asks ---- */

/* Does what is asked; the error for the client, or NULL. */
static const char *obey(struct server_client *c, struct venue_request *r)
{
	if (r->streams == NULL)
		return r->error;
	if (r->ask == VENUE_UNSUBSCRIBE)
		return player_client_unsubscribe(c->player, r->streams) ? NULL : "not subscribed";
	return player_client_subscribe(c->player, r->streams) ? NULL : "out of memory";
}

static void answer(struct server_client *c, uint64_t ack_id, const char *error)
{
	struct buf text;

	buf_init(&text, 8 * VENUE_ERROR_MAX);
	if (error == NULL ? buf_append_str(&text, "null")
			  : json_string_encode(slice_of(error), &text))
		(void)!sio_socket_ack(c->socket, ack_id, buf_slice(&text), NULL, 0);
	buf_release(&text);
}

static void event(void *arg, const struct sio_event *event)
{
	struct server_client *c = arg;
	struct venue_request r = { .error = "no feed is served in this namespace" };
	const char *error = r.error;

	if (c->venue != NULL) {
		error = "out of memory";
		if (venue_understand(c->venue, event->name, event->args, &r))
			error = obey(c, &r);
	}
	if (error != NULL)
		log_line(LOG_DEBUG, "a client's request is refused",
			log_text("sid", sio_socket_sid(c->socket)),
			log_peer("why", slice_of(error)));
	if (event->has_ack)
		answer(c, event->ack_id, error);
}

static void drained(void *arg)
{
	struct server_client *c = arg;

	if (c->player != NULL)
		player_client_drained(c->player);
}

const struct sio_server_events server_client_events = {
	.admit = admit,
	.join = join,
	.joined = joined,
	.event = event,
	.drained = drained,
	.left = left,
};

static void failed(void *arg, const struct err *e)
{
	struct server *s = arg;

	log_line(LOG_ERROR, "the recording cannot be played on", log_err(e));
	s->has_failed = true;
	server_stop(s);
}

const struct player_events server_player_events = {
	.caught_up = caught_up,
	.failed = failed,
};
