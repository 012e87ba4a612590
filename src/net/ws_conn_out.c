#include "net/ws_conn.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#define FRAME_EXTRA 16               /* bytes of a frame around its payload, at most */
#define DIRECT_MIN ((size_t)8 << 10) /* frames from this size on are written without a copy */

/* Waits until the socket takes more. */
static void block(struct ws_server *c)
{
	int64_t us = c->state == WS_CONN_OPEN ? c->options.stuck_us : WS_CONN_CLOSE_US;
	struct timeval limit = { us / 1000000, us % 1000000 };

	c->is_blocked = true;
	(void)sendq_has_moved(&c->out, c->fd);
	(void)event_base_update_cache_time(loop_base(c->loop)); /* see timer_start */
	(void)event_add(c->writable, us != 0 ? &limit : NULL);
}

void ws_conn_flush_soon(struct ws_server *c)
{
	if (sendq_pending(&c->out) > WS_SERVER_HIGH)
		c->was_high = true;
	if (!c->is_blocked && c->state != WS_CONN_HANDSHAKE && sendq_pending(&c->out) != 0)
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
		ws_conn_end_soon(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return false;
	}
	ws_conn_flush_soon(c);
	return true;
}

bool ws_conn_queue_close(struct ws_server *c, uint16_t code)
{
	if (!sendq_reserve(&c->out, WS_CONTROL_MAX + FRAME_EXTRA))
		return false;
	return c->hixie != NULL
		? ws_hixie_encode_close(&c->out.bytes)
		: ws_encode_close(&c->out.bytes, WS_SERVER, code, (struct slice){ "", 0 });
}

/* False if nothing may be queued now. */
static bool may_queue(struct ws_server *c)
{
	if ((c->state != WS_CONN_OPEN && c->state != WS_CONN_HANDSHAKE) || c->is_doomed)
		return false;
	if (sendq_pending(&c->out) < c->options.out_max)
		return true;
	ws_conn_end_soon(c, WS_SERVER_STUCK, ERR_LIMIT,
		"the client reads more slowly than messages come for it");
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
	bool is_direct = frames.len >= DIRECT_MIN && !c->is_blocked;

	assert(ws_server_takes_frames(c));
	if (!may_queue(c))
		return false;
	if (is_direct && !sendq_write(&c->out, c->fd, frames)) {
		ws_conn_end_soon(c, WS_SERVER_LOST, ERR_NETWORK, strerror(errno));
		return false;
	}
	if (is_direct && sendq_pending(&c->out) != 0)
		block(c);
	if (!is_direct &&
		(!sendq_reserve(&c->out, frames.len) || !buf_append_slice(&c->out.bytes, frames))) {
		ws_conn_end_soon(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return false;
	}
	ws_conn_flush_soon(c);
	return true;
}

size_t ws_server_pending(const struct ws_server *c)
{
	return sendq_pending(&c->out);
}

/* While nothing can be written only the latest ping is answered (RFC 6455, 5.5.3): a client that
 * sends pings and does not read must not fill our memory. */
void ws_conn_answer_ping(struct ws_server *c, struct slice payload)
{
	if (c->state != WS_CONN_OPEN || c->is_doomed)
		return;
	if (!c->is_blocked && sendq_pending(&c->out) <= WS_SERVER_HIGH) {
		(void)queue_frame(c, WS_OP_PONG, payload);
		return;
	}
	c->pong.len = 0;
	c->has_pong = buf_append_slice(&c->pong, payload);
}

/* All is written. */
static void flushed(struct ws_server *c)
{
	if (c->state == WS_CONN_LEAVING) {
		ws_conn_end_as_set(c);
		return;
	}
	if (c->state == WS_CONN_CLOSING)
		timer_start(c->timeout, WS_CONN_CLOSE_US);
	if (c->state == WS_CONN_OPEN && c->has_pong) {
		c->has_pong = false;
		(void)queue_frame(c, WS_OP_PONG, buf_slice(&c->pong));
		buf_release(&c->pong);
	}
}

static void write_out(struct ws_server *c)
{
	if (!sendq_write(&c->out, c->fd, (struct slice){ 0 })) {
		if (c->state == WS_CONN_LEAVING)
			ws_conn_end_as_set(c);
		else
			ws_conn_end_with(c, WS_SERVER_LOST, ERR_NETWORK, strerror(errno));
		return;
	}
	if (sendq_pending(&c->out) != 0)
		block(c);
	else
		flushed(c);
	if (c->state == WS_CONN_OPEN && c->was_high && sendq_pending(&c->out) < WS_SERVER_LOW) {
		c->was_high = false;
		if (c->events->drained != NULL)
			c->events->drained(c->arg);
	}
}

void ws_conn_flush(struct ws_server *c)
{
	if (c->is_blocked)
		block(c);
	else
		write_out(c);
}

void ws_conn_writable(int fd, short what, void *arg)
{
	struct ws_server *c = arg;

	(void)fd;
	c->is_blocked = false; /* the event is not pending any more */
	if (c->is_doomed)
		ws_conn_end_as_set(c);
	else if ((what & EV_TIMEOUT) == 0)
		write_out(c);
	else if (sendq_has_moved(&c->out, c->fd))
		block(c);
	else if (c->state == WS_CONN_LEAVING)
		ws_conn_end_as_set(c);
	else
		ws_conn_end_with(c, WS_SERVER_STUCK, ERR_TIMEOUT,
			"the client has taken nothing for too long of what is sent to it");
}
