#include "net/ws_server.h"

#include "net/ws_conn.h"
#include "net/ws_upgrade.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_US 10000000 /* for the eight bytes of hixie-76 */

/* ---- the end ---- */

static void hixie_free(struct ws_conn_hixie *h)
{
	if (h == NULL)
		return;
	ws_hixie_decoder_release(&h->decoder);
	buf_release(&h->head);
	free(h);
}

static void destroy(struct loop_reap *reap)
{
	struct ws_server *c = (struct ws_server *)(void *)((char *)reap -
		offsetof(struct ws_server, reap));

	timer_free(c->timeout);
	ws_decoder_free(c->decoder);
	hixie_free(c->hixie);
	free(c->ending);
	buf_release(&c->early);
	buf_release(&c->pong);
	sendq_release(&c->out);
	free(c);
}

/* Lets go of the socket. */
static void detach(struct ws_server *c, bool abruptly)
{
	if (c->state == WS_CONN_ENDED)
		return;
	c->state = WS_CONN_ENDED;
	event_free(c->readable);
	event_free(c->writable);
	timer_free(c->timeout);
	c->timeout = NULL;
	http_server_give_back(c->http, c->fd, abruptly);
}

void ws_server_free(struct ws_server *c)
{
	if (c == NULL)
		return;
	assert(!c->is_freed);
	detach(c, true);
	c->is_freed = true;
	loop_reap_later(c->loop, &c->reap, destroy);
}

void ws_conn_end(struct ws_server *c, enum ws_server_end how, const struct err *e)
{
	if (c->state == WS_CONN_ENDED)
		return;
	detach(c, how == WS_SERVER_LOST || how == WS_SERVER_STUCK);
	c->events->ended(c->arg, how, e);
}

void ws_conn_end_with(
	struct ws_server *c, enum ws_server_end how, enum err_code code, const char *why)
{
	struct err e;

	(void)err_set(&e, code, "%s", why);
	ws_conn_end(c, how, &e);
}

void ws_conn_set_ending(struct ws_server *c, enum ws_server_end how, const struct err *e)
{
	if (c->ending != NULL)
		return;
	c->ending = malloc(sizeof(*c->ending));
	if (c->ending != NULL)
		*c->ending = (struct ws_conn_ending){ how, *e };
}

void ws_conn_end_soon(
	struct ws_server *c, enum ws_server_end how, enum err_code code, const char *why)
{
	struct err e;

	(void)err_set(&e, code, "%s", why);
	ws_conn_set_ending(c, how, &e);
	c->is_doomed = true;
	event_active(c->writable, EV_WRITE, 0);
}

void ws_conn_end_as_set(struct ws_server *c)
{
	if (c->ending != NULL)
		ws_conn_end(c, c->ending->how, &c->ending->e);
	else
		ws_conn_end_with(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
}

static void timed_out(void *arg)
{
	struct ws_server *c = arg;

	if (c->state == WS_CONN_CLOSING)
		ws_conn_end_with(c, WS_SERVER_CLOSED, ERR_NETWORK, "closed");
	else
		ws_conn_end_with(c, WS_SERVER_LOST, ERR_TIMEOUT,
			"the client did not complete the WebSocket handshake in time");
}

void ws_server_close(struct ws_server *c, uint16_t code)
{
	if (c->state == WS_CONN_HANDSHAKE) {
		ws_conn_end_soon(c, WS_SERVER_CLOSED, ERR_NETWORK, "closed");
		return;
	}
	if (c->state != WS_CONN_OPEN || c->is_doomed)
		return;
	c->timeout = timer_new(c->loop, timed_out, c);
	if (c->timeout == NULL || !ws_conn_queue_close(c, code)) {
		ws_conn_end_soon(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return;
	}
	c->state = WS_CONN_CLOSING;
	(void)event_add(c->readable, NULL);
	if (c->is_blocked)
		ws_conn_flush(c);
	else
		ws_conn_flush_soon(c);
}

/* ---- between beginning and end ---- */

void ws_server_set_events(struct ws_server *c, const struct ws_server_events *events, void *arg)
{
	c->events = events;
	c->arg = arg;
}

void ws_server_pause(struct ws_server *c, bool pause)
{
	if (c->is_paused == pause)
		return;
	c->is_paused = pause;
	if (c->state != WS_CONN_OPEN)
		return;
	if (pause) {
		(void)event_del(c->readable);
		return;
	}
	(void)event_add(c->readable, NULL);
	if (c->early.len != 0)
		event_active(c->readable, EV_READ, 0);
}

/* ---- the beginning ---- */

/* Makes what a connection needs beside its socket; takes the answer's head over. */
static struct ws_server *server_new(
	struct loop *l, const struct ws_server_options *options, struct ws_upgrade_answer *answer)
{
	struct ws_server *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = l;
	c->options = *options;
	c->state = answer->is_hixie ? WS_CONN_HANDSHAKE : WS_CONN_OPEN;
	sendq_init(&c->out);
	buf_init(&c->pong, WS_CONTROL_MAX);
	if (answer->is_hixie) {
		c->hixie = calloc(1, sizeof(*c->hixie));
		c->timeout = timer_new(l, timed_out, c);
		if (c->hixie == NULL || c->timeout == NULL) {
			destroy(&c->reap);
			return NULL;
		}
		ws_hixie_decoder_init(&c->hixie->decoder, options->message_max);
		memcpy(c->hixie->numbers, answer->numbers, sizeof(answer->numbers));
		c->hixie->head = answer->head;
	} else {
		c->out.bytes = answer->head;
	}
	buf_init(&answer->head, 0);
	return c;
}

/* The eight bytes may have been sent as the request's body. */
static void take_request_body(struct ws_conn_hixie *h, struct slice body)
{
	h->body_len = body.len < WS_HIXIE_BODY ? body.len : WS_HIXIE_BODY;
	if (h->body_len != 0)
		memcpy(h->body, body.ptr, h->body_len);
}

/* Takes the connection out of HTTP; false when out of memory, and then it is closed. */
static bool take(struct ws_server *c, struct http_exchange *x)
{
	struct event_base *base = loop_base(c->loop);
	struct http_taken taken;

	if (c->hixie != NULL)
		take_request_body(c->hixie, http_exchange_body(x));
	http_exchange_take(x, &taken);
	c->fd = taken.fd;
	c->early = taken.early;
	c->http = taken.server;
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, ws_conn_readable, c);
	c->writable = event_new(base, c->fd, EV_WRITE, ws_conn_writable, c);
	if (c->readable != NULL && c->writable != NULL && event_add(c->readable, NULL) == 0)
		return true;
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	http_server_give_back(c->http, c->fd, true);
	return false;
}

bool ws_server_accept(struct ws_server **out, struct loop *l, struct http_exchange *x,
	const struct ws_server_options *options, const struct ws_server_events *events, void *arg,
	struct err *e)
{
	struct ws_upgrade_answer answer;
	struct ws_server *c;

	if (!ws_upgrade_read(x, &answer, e))
		return false;
	c = server_new(l, options, &answer);
	buf_release(&answer.head);
	if (c == NULL) {
		http_exchange_drop(x);
		return err_set(e, ERR_NOMEM, "cannot accept a WebSocket: out of memory");
	}
	c->events = events;
	c->arg = arg;
	if (!take(c, x)) {
		destroy(&c->reap);
		return err_set(e, ERR_NOMEM, "cannot accept a WebSocket: out of memory");
	}
	if (c->state == WS_CONN_HANDSHAKE)
		timer_start(c->timeout, HANDSHAKE_US);
	if (c->early.len != 0 || c->state == WS_CONN_HANDSHAKE)
		event_active(c->readable, EV_READ, 0);
	ws_conn_flush_soon(c);
	*out = c;
	return true;
}
