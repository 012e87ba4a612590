#include "net/ws_server.h"

#include "base/log.h"
#include "net/sendq.h"
#include "net/ws_upgrade.h"
#include "proto/ws_hixie.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE ((size_t)64 << 10)
#define READ_BUDGET ((size_t)256 << 10) /* a turn of the loop */
#define FRAME_EXTRA 16                  /* bytes of a frame around its payload, at most */
#define DIRECT_MIN ((size_t)8 << 10)    /* frames from this size on are written without a copy */
#define CLOSE_US 1000000                /* for the client's close frame, or for ours to be taken */
#define HANDSHAKE_US 10000000           /* for each of the eight bytes of hixie-76 */

enum state { HANDSHAKE, OPEN, CLOSING, LEAVING, ENDED };

/* A connection of hixie-76. */
struct hixie {
	struct ws_hixie_decoder decoder;
	struct buf head; /* of our answer, until the handshake is complete */
	uint32_t numbers[2];
	char body[WS_HIXIE_BODY]; /* of the client's request */
	size_t body_len;
};

/* Why the connection ends, where that cannot be said at once. */
struct ending {
	enum ws_server_end how;
	struct err e;
};

struct ws_server {
	struct loop_reap reap;
	struct loop *loop;
	struct http_server *http;
	const struct ws_server_events *events;
	void *arg;
	struct ws_server_options options;
	enum state state;
	int fd;
	struct event *readable;
	struct event *writable;
	struct ws_decoder *decoder; /* NULL: none is needed before the next byte */
	struct hixie *hixie;        /* NULL: RFC 6455 */
	struct buf early;           /* what came with the handshake */
	struct sendq out;
	struct buf pong;       /* the payload of the latest ping while nothing can be written */
	struct ending *ending; /* see `is_doomed`, and LEAVING */
	bool is_doomed;        /* it ends when the loop comes round */
	bool has_pong;
	bool is_blocked; /* the socket takes nothing; `writable` waits for it */
	bool is_paused;
	bool was_high;
	bool is_freed;
};

/* ---- life and death ---- */

static void hixie_free(struct hixie *h)
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
	if (c->state == ENDED)
		return;
	c->state = ENDED;
	event_free(c->readable);
	event_free(c->writable);
	http_server_give_back(c->http, c->fd, abruptly);
	c->fd = -1;
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

static void end(struct ws_server *c, enum ws_server_end how, const struct err *e)
{
	if (c->state == ENDED)
		return;
	detach(c, how == WS_SERVER_LOST || how == WS_SERVER_STUCK);
	c->events->ended(c->arg, how, e);
}

static void end_with(
	struct ws_server *c, enum ws_server_end how, enum err_code code, const char *why)
{
	struct err e;

	(void)err_set(&e, code, "%s", why);
	end(c, how, &e);
}

/* Keeps why the connection ends; what is said first counts. */
static void set_ending(struct ws_server *c, enum ws_server_end how, const struct err *e)
{
	if (c->ending == NULL)
		c->ending = malloc(sizeof(*c->ending));
	else
		return;
	if (c->ending != NULL)
		*c->ending = (struct ending){ how, *e };
}

/* Ends the connection when the loop comes round: the caller may not be called back now. */
static void end_soon(
	struct ws_server *c, enum ws_server_end how, enum err_code code, const char *why)
{
	struct err e;

	(void)err_set(&e, code, "%s", why);
	set_ending(c, how, &e);
	c->is_doomed = true;
	event_active(c->writable, EV_WRITE, 0);
}

/* Ends the connection as was decided before. */
static void end_as_set(struct ws_server *c)
{
	if (c->ending != NULL)
		end(c, c->ending->how, &c->ending->e);
	else
		end_with(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
}

void ws_server_set_events(struct ws_server *c, const struct ws_server_events *events, void *arg)
{
	c->events = events;
	c->arg = arg;
}

/* ---- writing ---- */

static struct timeval timeval_of(int64_t us)
{
	return (struct timeval){ us / 1000000, us % 1000000 };
}

/* Waits until the socket takes more. */
static void block(struct ws_server *c)
{
	int64_t us = c->state == LEAVING ? CLOSE_US : c->options.stuck_us;
	struct timeval limit = timeval_of(us);

	c->is_blocked = true;
	(void)event_add(c->writable, us != 0 ? &limit : NULL);
}

/* What is queued goes out at the end of this turn, together with what else is queued in it. */
static void flush_soon(struct ws_server *c)
{
	if (sendq_pending(&c->out) > WS_SERVER_HIGH)
		c->was_high = true;
	if (!c->is_blocked && c->state != HANDSHAKE)
		event_active(c->writable, EV_WRITE, 0);
}

/* Queues a frame, whatever waits. */
static bool queue_frame(struct ws_server *c, enum ws_opcode opcode, struct slice payload)
{
	bool ok = payload.len <= SIZE_MAX / 8 && sendq_reserve(&c->out, payload.len + FRAME_EXTRA);

	if (ok && c->hixie != NULL)
		ok = ws_hixie_encode(&c->out.bytes, payload);
	else if (ok)
		ok = ws_encode(&c->out.bytes, WS_SERVER, opcode, payload);
	if (!ok) {
		end_soon(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return false;
	}
	flush_soon(c);
	return true;
}

static bool queue_close(struct ws_server *c, uint16_t code)
{
	return sendq_reserve(&c->out, WS_CONTROL_MAX + FRAME_EXTRA) &&
		(c->hixie != NULL ? ws_hixie_encode_close(&c->out.bytes)
				  : ws_encode_close(&c->out.bytes, WS_SERVER, code,
					    (struct slice){ "", 0 }));
}

/* False if nothing may be queued now. */
static bool may_queue(struct ws_server *c)
{
	if ((c->state != OPEN && c->state != HANDSHAKE) || c->is_doomed)
		return false;
	if (sendq_pending(&c->out) < c->options.out_max)
		return true;
	end_soon(c, WS_SERVER_STUCK, ERR_LIMIT,
		"the client reads more slowly than it is sent messages");
	return false;
}

bool ws_server_send(struct ws_server *c, enum ws_opcode opcode, struct slice payload)
{
	assert(opcode == WS_OP_TEXT || opcode == WS_OP_BINARY);
	if (c->hixie != NULL && opcode != WS_OP_TEXT)
		return false;
	return may_queue(c) && queue_frame(c, opcode, payload);
}

bool ws_server_takes_frames(const struct ws_server *c)
{
	return c->hixie == NULL;
}

bool ws_server_send_frames(struct ws_server *c, struct slice frames)
{
	assert(ws_server_takes_frames(c));
	if (!may_queue(c))
		return false;
	if (frames.len >= DIRECT_MIN && !c->is_blocked) {
		if (!sendq_write(&c->out, c->fd, frames)) {
			end_soon(c, WS_SERVER_LOST, ERR_NETWORK, strerror(errno));
			return false;
		}
		if (sendq_pending(&c->out) != 0)
			block(c);
	} else if (!sendq_reserve(&c->out, frames.len) ||
		!buf_append_slice(&c->out.bytes, frames)) {
		end_soon(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return false;
	}
	flush_soon(c);
	return true;
}

size_t ws_server_pending(const struct ws_server *c)
{
	return sendq_pending(&c->out);
}

/* A ping is answered, but while nothing can be written only the latest (RFC 6455, 5.5.3): a client that sends
 * pings and does not read must not fill our memory. */
static void answer_ping(struct ws_server *c, struct slice payload)
{
	if (c->state != OPEN || c->is_doomed)
		return;
	if (!c->is_blocked && sendq_pending(&c->out) <= WS_SERVER_HIGH) {
		(void)queue_frame(c, WS_OP_PONG, payload);
		return;
	}
	buf_init(&c->pong, WS_CONTROL_MAX);
	buf_reset(&c->pong, WS_CONTROL_MAX);
	c->has_pong = buf_append_slice(&c->pong, payload);
}

/* All is written. */
static void flushed(struct ws_server *c)
{
	if (c->state == LEAVING) {
		end_as_set(c);
		return;
	}
	if (c->has_pong && c->state == OPEN) {
		c->has_pong = false;
		(void)queue_frame(c, WS_OP_PONG, buf_slice(&c->pong));
		buf_release(&c->pong);
	}
	if (c->state == CLOSING) {
		struct timeval limit = timeval_of(CLOSE_US);

		(void)event_add(c->readable, &limit);
	}
}

static void flush(struct ws_server *c)
{
	if (!sendq_write(&c->out, c->fd, (struct slice){ 0 })) {
		if (c->state == LEAVING)
			end_as_set(c);
		else
			end_with(c, WS_SERVER_LOST, ERR_NETWORK, strerror(errno));
		return;
	}
	if (sendq_pending(&c->out) != 0)
		block(c);
	else
		flushed(c);
	if (c->state == OPEN && c->was_high && sendq_pending(&c->out) < WS_SERVER_LOW) {
		c->was_high = false;
		if (c->events->drained != NULL)
			c->events->drained(c->arg);
	}
}

static void writable_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ws_server *c = arg;

	(void)fd;
	c->is_blocked = false; /* the event is not pending any more */
	if (c->is_doomed)
		end_as_set(c);
	else if ((what & EV_TIMEOUT) == 0)
		flush(c);
	else if (c->state == LEAVING)
		end_as_set(c);
	else
		end_with(c, WS_SERVER_STUCK, ERR_TIMEOUT,
			"the client has not read for too long what is sent to it");
}

/* ---- closing ---- */

void ws_server_close(struct ws_server *c, uint16_t code)
{
	if (c->state == HANDSHAKE) {
		end_soon(c, WS_SERVER_CLOSED, ERR_NETWORK, "closed");
		return;
	}
	if (c->state != OPEN || c->is_doomed)
		return;
	if (!queue_close(c, code)) {
		end_soon(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return;
	}
	c->state = CLOSING;
	(void)event_add(c->readable, NULL);
	flush_soon(c);
}

/* Sends a last frame and is done when it is written; nothing is read any more. */
static void leave(struct ws_server *c, uint16_t code, enum ws_server_end how, const struct err *e)
{
	bool is_first = c->state == OPEN;

	set_ending(c, how, e);
	c->state = LEAVING;
	(void)event_del(c->readable);
	if (is_first && !queue_close(c, code)) {
		end_as_set(c);
		return;
	}
	if (!c->is_blocked)
		flush(c);
}

static void take_close(struct ws_server *c, const struct ws_message *m)
{
	char reason[128];
	struct err e;

	if (m->close_code == WS_CLOSE_NONE)
		(void)err_set(&e, ERR_NETWORK, "the client closed the WebSocket");
	else
		(void)err_set(&e, ERR_NETWORK, "the client closed the WebSocket, code %u%s%s",
			m->close_code, m->payload.len != 0 ? ": " : "",
			log_peer_text(reason, sizeof(reason), m->payload));
	leave(c, m->close_code, WS_SERVER_CLOSED, &e);
}

static void take_too_large(struct ws_server *c)
{
	struct err e;

	(void)err_set(&e, ERR_LIMIT, "a message of the client is larger than %zu bytes",
		c->options.message_max);
	leave(c, WS_CLOSE_TOO_BIG, WS_SERVER_BROKEN, &e);
}

/* ---- reading ---- */

static enum ws_result decode(
	struct ws_server *c, struct slice *in, struct ws_message *m, struct err *e)
{
	if (c->hixie != NULL)
		return ws_hixie_decode(&c->hixie->decoder, in, m, e);
	if (c->decoder == NULL)
		c->decoder = ws_decoder_new(WS_SERVER, c->options.message_max);
	if (c->decoder != NULL)
		return ws_decode(c->decoder, in, m, e);
	*m = (struct ws_message){ .close_code = WS_CLOSE_INTERNAL };
	(void)err_set(e, ERR_NOMEM, "out of memory");
	return WS_BAD;
}

/* Hands out what the decoder makes of the bytes. */
static void take_frames(struct ws_server *c, struct slice in)
{
	while (c->state == OPEN || c->state == CLOSING) {
		struct ws_message m;
		struct err e;
		enum ws_result result = decode(c, &in, &m, &e);

		switch (result) {
		case WS_MORE:
			if (c->decoder != NULL && ws_decoder_is_draining(c->decoder))
				take_too_large(c);
			return;
		case WS_TEXT:
		case WS_BINARY:
			if (c->state == OPEN && !c->is_doomed)
				c->events->message(c->arg, m.opcode, m.payload);
			break;
		case WS_TOO_LARGE:
			take_too_large(c);
			break;
		case WS_PING:
			answer_ping(c, m.payload);
			break;
		case WS_PONG:
			break;
		case WS_CLOSE:
			take_close(c, &m);
			break;
		case WS_BAD:
			leave(c, m.close_code, WS_SERVER_BROKEN, &e);
			break;
		}
	}
}

/* The handshake of hixie-76 is complete: its answer goes in front of what was queued meanwhile. */
static bool answer_hixie(struct ws_server *c)
{
	struct hixie *h = c->hixie;
	bool ok = ws_hixie_answer(&h->head, h->numbers, h->body) &&
		buf_append_slice(&h->head, buf_slice(&c->out.bytes));

	if (!ok) {
		end_with(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return false;
	}
	sendq_release(&c->out);
	c->out.bytes = h->head;
	buf_init(&h->head, 0);
	c->state = OPEN;
	(void)event_remove_timer(c->readable);
	flush_soon(c);
	return true;
}

/* Takes the bytes that complete the handshake; false if it is not complete. */
static bool take_hixie_body(struct ws_server *c, struct slice *in)
{
	struct hixie *h = c->hixie;
	size_t n = WS_HIXIE_BODY - h->body_len;

	n = in->len < n ? in->len : n;
	if (n != 0)
		memcpy(h->body + h->body_len, in->ptr, n);
	h->body_len += n;
	in->ptr += n;
	in->len -= n;
	return h->body_len == WS_HIXIE_BODY && answer_hixie(c);
}

static void take_bytes(struct ws_server *c, struct slice in)
{
	if (c->state != HANDSHAKE || take_hixie_body(c, &in))
		take_frames(c, in);
}

static void take_early(struct ws_server *c)
{
	struct buf early = c->early;

	buf_init(&c->early, 0);
	take_bytes(c, buf_slice(&early));
	buf_release(&early);
}

static bool is_reading(const struct ws_server *c)
{
	return c->state == HANDSHAKE || c->state == CLOSING || (c->state == OPEN && !c->is_paused);
}

/* The stream has ended or is broken. */
static void take_end(struct ws_server *c, const char *why)
{
	if (c->state == CLOSING)
		end_with(c, WS_SERVER_CLOSED, ERR_NETWORK, "closed");
	else
		end_with(c, WS_SERVER_LOST, ERR_NETWORK, why);
}

static void read_socket(struct ws_server *c)
{
	char bytes[READ_SIZE];
	size_t total = 0;
	ssize_t n = READ_SIZE;

	while (is_reading(c) && total < READ_BUDGET && (size_t)n == sizeof(bytes)) {
		n = recv(c->fd, bytes, sizeof(bytes), 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n <= 0) {
			take_end(c,
				n == 0 ? "the client ended the connection without a close frame"
				       : strerror(errno));
			return;
		}
		total += (size_t)n;
		take_bytes(c, (struct slice){ bytes, (size_t)n });
	}
}

static void readable_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ws_server *c = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0) {
		if (c->state == CLOSING)
			end_with(c, WS_SERVER_CLOSED, ERR_NETWORK, "closed");
		else
			end_with(c, WS_SERVER_LOST, ERR_TIMEOUT,
				"the client did not complete the WebSocket handshake");
		return;
	}
	if (c->early.len != 0 || c->state == HANDSHAKE)
		take_early(c);
	read_socket(c);
	/* A connection that waits for its next message costs no decoder. */
	if (c->decoder != NULL && ws_decoder_is_idle(c->decoder)) {
		ws_decoder_free(c->decoder);
		c->decoder = NULL;
	}
}

void ws_server_pause(struct ws_server *c, bool pause)
{
	if (c->is_paused == pause)
		return;
	c->is_paused = pause;
	if (c->state != OPEN)
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

/* Makes what a connection needs before it is taken, so that a failure can still be answered. */
static struct ws_server *server_new(const struct ws_server_options *options, bool is_hixie)
{
	struct ws_server *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->options = *options;
	c->fd = -1;
	sendq_init(&c->out);
	buf_init(&c->pong, WS_CONTROL_MAX);
	if (!is_hixie)
		return c;
	c->hixie = calloc(1, sizeof(*c->hixie));
	if (c->hixie == NULL) {
		free(c);
		return NULL;
	}
	ws_hixie_decoder_init(&c->hixie->decoder, options->message_max);
	return c;
}

/* Takes the bytes that may have been sent as the request's body. */
static void take_request_body(struct hixie *h, struct slice body)
{
	h->body_len = body.len < WS_HIXIE_BODY ? body.len : WS_HIXIE_BODY;
	if (h->body_len != 0)
		memcpy(h->body, body.ptr, h->body_len);
}

/* Puts the connection under our own events; false when out of memory, and then it is closed. */
static bool take(struct ws_server *c, struct http_exchange *x)
{
	struct timeval limit = timeval_of(HANDSHAKE_US);
	struct http_taken taken;

	http_exchange_take(x, &taken);
	c->fd = taken.fd;
	c->early = taken.early;
	c->http = taken.server;
	c->readable = event_new(loop_base(c->loop), c->fd, EV_READ | EV_PERSIST, readable_ready, c);
	c->writable = event_new(loop_base(c->loop), c->fd, EV_WRITE, writable_ready, c);
	if (c->readable != NULL && c->writable != NULL &&
		event_add(c->readable, c->hixie != NULL ? &limit : NULL) == 0) {
		c->state = c->hixie != NULL ? HANDSHAKE : OPEN;
		if (c->early.len != 0 || c->hixie != NULL)
			event_active(c->readable, EV_READ, 0);
		flush_soon(c);
		return true;
	}
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	http_server_give_back(c->http, c->fd, true);
	c->state = ENDED;
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
	c = server_new(options, answer.is_hixie);
	if (c == NULL) {
		buf_release(&answer.head);
		http_exchange_drop(x);
		return err_set(e, ERR_NOMEM, "cannot accept a WebSocket: out of memory");
	}
	c->loop = l;
	c->events = events;
	c->arg = arg;
	if (answer.is_hixie) {
		c->hixie->head = answer.head;
		memcpy(c->hixie->numbers, answer.numbers, sizeof(answer.numbers));
		take_request_body(c->hixie, http_exchange_body(x));
	} else {
		c->out.bytes = answer.head;
	}
	if (!take(c, x)) {
		ws_server_free(c);
		return err_set(e, ERR_NOMEM, "cannot accept a WebSocket: out of memory");
	}
	*out = c;
	return true;
}
