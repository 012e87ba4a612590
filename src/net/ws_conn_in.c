#include "net/ws_conn.h"

#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE ((size_t)64 << 10)
#define READ_BUDGET ((size_t)256 << 10) /* a turn of the loop */

/* ---- the end of the stream ---- */

/* Sends a last frame and is done when it is written; nothing is read any more. */
static void leave(struct ws_server *c, uint16_t code, enum ws_server_end how, const struct err *e)
{
	bool is_first = c->state == WS_CONN_OPEN;

	ws_conn_set_ending(c, how, e);
	c->state = WS_CONN_LEAVING;
	(void)event_del(c->readable);
	if (is_first && !ws_conn_queue_close(c, code))
		ws_conn_end_as_set(c);
	else
		ws_conn_flush(c);
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

/* The client has ended the stream, or it broke. */
static void take_end(struct ws_server *c, const char *why)
{
	if (c->state == WS_CONN_CLOSING)
		ws_conn_end_with(c, WS_SERVER_CLOSED, ERR_NETWORK, "closed");
	else
		ws_conn_end_with(c, WS_SERVER_LOST, ERR_NETWORK, why);
}

/* ---- frames ---- */

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
	while (c->state == WS_CONN_OPEN || c->state == WS_CONN_CLOSING) {
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
			if (c->state == WS_CONN_OPEN && !c->is_doomed)
				c->events->message(c->arg, m.opcode, m.payload);
			break;
		case WS_TOO_LARGE:
			take_too_large(c);
			break;
		case WS_PING:
			ws_conn_answer_ping(c, m.payload);
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

/* ---- the handshake of hixie-76 ---- */

/* It is complete: its answer goes in front of what was queued meanwhile. */
static bool answer_hixie(struct ws_server *c)
{
	struct ws_conn_hixie *h = c->hixie;
	bool ok = ws_hixie_answer(&h->head, h->numbers, h->body) &&
		buf_append_slice(&h->head, buf_slice(&c->out.bytes));

	if (!ok) {
		ws_conn_end_with(c, WS_SERVER_LOST, ERR_NOMEM, "out of memory");
		return false;
	}
	sendq_release(&c->out);
	c->out.bytes = h->head;
	buf_init(&h->head, 0);
	timer_free(c->timeout);
	c->timeout = NULL;
	c->state = WS_CONN_OPEN;
	ws_conn_flush_soon(c);
	return true;
}

/* Takes the bytes behind the client's head; false if they are not all here. */
static bool take_hixie_body(struct ws_server *c, struct slice *in)
{
	struct ws_conn_hixie *h = c->hixie;
	size_t n = WS_HIXIE_BODY - h->body_len;

	n = in->len < n ? in->len : n;
	if (n != 0) {
		memcpy(h->body + h->body_len, in->ptr, n);
		h->body_len += n;
		in->ptr += n;
		in->len -= n;
	}
	return h->body_len == WS_HIXIE_BODY && answer_hixie(c);
}

/* ---- the socket ---- */

static void take_bytes(struct ws_server *c, struct slice in)
{
	if (c->state != WS_CONN_HANDSHAKE || take_hixie_body(c, &in))
		take_frames(c, in);
}

/* Takes what came with the handshake. */
static void take_early(struct ws_server *c)
{
	struct buf early = c->early;

	buf_init(&c->early, 0);
	take_bytes(c, buf_slice(&early));
	buf_release(&early);
}

static bool is_reading(const struct ws_server *c)
{
	return c->state == WS_CONN_HANDSHAKE || c->state == WS_CONN_CLOSING ||
		(c->state == WS_CONN_OPEN && !c->is_paused);
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

void ws_conn_readable(int fd, short what, void *arg)
{
	struct ws_server *c = arg;

	(void)fd;
	(void)what;
	if (c->early.len != 0 || c->state == WS_CONN_HANDSHAKE)
		take_early(c);
	read_socket(c);
	/* A connection that waits for its next message costs no decoder. */
	if (c->decoder != NULL && ws_decoder_is_idle(c->decoder)) {
		ws_decoder_free(c->decoder);
		c->decoder = NULL;
	}
}
