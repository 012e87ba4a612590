/* Long-polling: a GET waits for what the server has to say, a POST brings what the client says. */
#include "net/eio_reply.h"
#include "net/eio_session.h"

#include <assert.h>
#include <strings.h>

/* A client that leaves its poll: clients of 0.9 do so whenever they have something to say, and ask
 * again; in Engine.IO it is the end. */
static void poll_gone(void *arg)
{
	struct eio_session *s = arg;

	s->poll = NULL;
	if (s->has_ended && s->generation->has_open)
		eio_session_release(s);
	else if (s->has_ended)
		return;
	else if (s->generation->has_open)
		eio_session_fail(s, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NETWORK,
			"the client left its poll");
	else
		eio_session_heard(s);
}

static void fail_memory(struct eio_session *s)
{
	eio_session_fail(s, EIO_END_LOST, EIO_LEAVE_ABRUPTLY, ERR_NOMEM, "out of memory");
}

/* All that waited is sent, or part of it. */
static void flushed(struct eio_session *s)
{
	if (s->has_ended && eio_queue_size(&s->queue) == 0 && !s->owes_close)
		eio_session_release(s);
	else if (eio_queue_size(&s->queue) < WS_SERVER_LOW)
		eio_session_lightened(s);
}

/* True if something waits, be it the close packet behind all else. */
static bool has_something(struct eio_session *s)
{
	struct eio_packet last = { .type = EIO_CLOSE };

	if (eio_queue_size(&s->queue) != 0)
		return true;
	if (!s->owes_close)
		return false;
	s->owes_close = false;
	if (eio_queue_add(&s->queue, s->generation, &last))
		return true;
	eio_session_release(s);
	return false;
}

/* A client of 0.9 may leave its poll just when it is answered, and asks again. */
static bool may_be_asked_again(const struct eio_session *s)
{
	return !s->generation->has_open && !s->has_ended;
}

/* The front of the queue, up to `at`, went out. */
static void sent(struct eio_session *s, size_t at)
{
	if (may_be_asked_again(s)) {
		s->in_doubt = at;
		return;
	}
	eio_queue_drop(&s->queue, at);
	flushed(s);
}

void eio_polling_settle(struct eio_session *s)
{
	size_t at = s->in_doubt;

	if (at == 0)
		return;
	s->in_doubt = 0;
	if (!http_receipt_end(&s->receipt))
		return;
	eio_queue_drop(&s->queue, at);
	flushed(s);
}

void eio_polling_flush(struct eio_session *s)
{
	struct eio_framing framing = {
		.generation = s->generation,
		.is_binary = s->generation == &generation_eio3 && !s->poll_is_text,
		.takes_few = s->poll_takes_few,
		.escapes_text = s->generation == &generation_eio3 &&
			s->server->options.escapes_text,
	};
	struct http_exchange *x = s->poll;
	struct buf body;
	size_t at;

	if (x == NULL || !has_something(s))
		return;
	if (!http_exchange_is_live(x)) {
		http_exchange_drop(x);
		poll_gone(s);
		return;
	}
	buf_init(&body, SIZE_MAX / 2); /* bounded by EIO_BODY_MAX and the largest message */
	if (eio_queue_body(&s->queue, &framing, &body, &at)) {
		s->poll = NULL;
		if (may_be_asked_again(s))
			http_exchange_watch(x, &s->receipt);
		eio_reply(x, 200, framing.is_binary ? EIO_TYPE_BINARY : EIO_TYPE_TEXT,
			buf_slice(&body));
		sent(s, at);
	} else {
		fail_memory(s);
	}
	buf_release(&body);
}

void eio_polling_flush_soon(struct eio_session *s)
{
	if (s->is_dirty)
		return;
	s->is_dirty = true;
	LIST_INSERT_HEAD(&s->server->dirty, s, in_dirty);
	if (!timer_is_running(s->server->flush))
		timer_start(s->server->flush, 0);
}

void eio_polling_release(struct eio_session *s)
{
	struct eio_packet noop = { .type = EIO_NOOP };

	if (s->poll == NULL)
		return;
	if (eio_queue_size(&s->queue) == 0 && !eio_queue_add(&s->queue, s->generation, &noop))
		fail_memory(s);
	else
		eio_polling_flush(s);
}

/* Two polls at once: the client has lost count, or another one uses its sid. Not so in 0.9, where a
 * client that has left a poll may be back before that is noticed. */
static bool is_overlap(struct eio_session *s)
{
	if (s->poll == NULL)
		return false;
	if (s->generation->has_open)
		return true;
	http_exchange_drop(s->poll);
	s->poll = NULL;
	return false;
}

/* python-engineio (by way of requests or aiohttp) leaves when a body has more packets than it is
 * used to. All others take as many as there are, which matters where the way is long. */
static bool is_python(const struct http_exchange *x)
{
	static const char name[] = "python";
	const size_t len = sizeof(name) - 1;
	struct slice agent;

	if (!http_exchange_header(x, "User-Agent", &agent))
		return false;
	for (size_t i = 0; i + len <= agent.len; i++)
		if (strncasecmp(agent.ptr + i, name, len) == 0)
			return true;
	return false;
}

void eio_polling_get(struct eio_session *s, struct http_exchange *x, const struct eio_request *r)
{
	if (is_overlap(s)) {
		eio_session_fail(
			s, EIO_END_BROKEN, EIO_LEAVE_NOW, ERR_PROTOCOL, "two polls at once");
		eio_reply_error(x, EIO_ERROR_REQUEST);
		return;
	}
	eio_session_heard(s);
	eio_polling_settle(s);
	s->poll = x;
	s->poll_is_text = r->takes_text;
	s->poll_takes_few = s->generation == &generation_eio4 && is_python(x);
	http_exchange_hold(x, poll_gone, s);
	if (s->is_probed)
		eio_polling_release(s);
	else
		eio_polling_flush(s);
}

/* True for text beyond ASCII that stands in the body as it is: it was encoded once, as clients of
 * 2.x do. One of 1.x encodes twice, and what looks like that is undone, until it is known that the
 * client is none. */
static bool is_single(struct slice body, bool is_binary, struct slice message)
{
	bool is_framed_text = *body.ptr >= '0' && *body.ptr <= '9';

	if (is_binary || !is_framed_text || message.ptr < body.ptr ||
		message.ptr >= body.ptr + body.len)
		return false;
	for (size_t i = 0; i < message.len; i++)
		if ((unsigned char)message.ptr[i] >= 0x80)
			return true;
	return false;
}

/* Takes the body apart; false if it, or what is in it, breaks the protocol. */
static bool read_body(struct eio_session *s, struct slice body)
{
	struct payload_reader reader;
	enum payload_result result = PAYLOAD_END;
	struct slice message;
	bool is_binary;
	struct err e;

	payload_reader_init(&reader, s->generation, body);
	reader.is_double = s->generation == &generation_eio3 && s->server->options.escapes_text &&
		!s->is_single;
	while (!s->has_ended) {
		result = payload_reader_next(&reader, &is_binary, &message, &e);
		if (result != PAYLOAD_MESSAGE)
			break;
		if (reader.is_double && is_single(body, is_binary, message))
			reader.is_double = false;
		eio_session_take(s, is_binary, message);
	}
	payload_reader_release(&reader);
	if (s->generation == &generation_eio3 && !reader.is_double)
		s->is_single = true;
	if (result == PAYLOAD_BAD)
		eio_session_end(s, EIO_END_BROKEN, EIO_LEAVE_NOW, &e);
	return !s->has_ended || s->end != EIO_END_BROKEN;
}

/* True if an ended session's client closes it, too: it will not fetch what waits. */
static bool is_closing(const struct eio_session *s, struct slice body)
{
	struct payload_reader reader;
	struct eio_packet packet;
	struct slice message;
	bool closes = false;
	bool is_binary;
	struct err e;

	payload_reader_init(&reader, s->generation, body);
	while (!closes && payload_reader_next(&reader, &is_binary, &message, &e) == PAYLOAD_MESSAGE)
		closes = s->generation->packet_decode(
				 GENERATION_SERVER, is_binary, message, &packet, &e) &&
			packet.type == EIO_CLOSE;
	payload_reader_release(&reader);
	return closes;
}

void eio_polling_post(struct eio_session *s, struct http_exchange *x)
{
	struct slice body = http_exchange_body(x);

	if (body.len > s->server->options.max_payload) {
		eio_reply(x, 413, EIO_TYPE_TEXT, (struct slice){ "", 0 });
		return;
	}
	if (s->has_ended && s->generation->has_open && is_closing(s, body))
		eio_session_release(s);
	eio_session_heard(s);
	if (read_body(s, body))
		eio_reply(x, 200, EIO_TYPE_TEXT, slice_of(s->generation->post_answer));
	else
		eio_reply_error(x, EIO_ERROR_REQUEST);
}
