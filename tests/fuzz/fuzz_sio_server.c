/*
 * Clients of every generation and transport that say anything: the whole path from HTTP to events, with
 * pairs of sockets in place of TCP. The first byte chooses how the client comes; the rest is what it
 * says, message by message, cut at 0xfe, a binary one behind 0xff. What is asserted: whoever joined
 * leaves once; what a WebSocket or a poll brings the client can be read; all connections end.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "net/http_conn.h"
#include "net/sio_server.h"
#include "proto/ws.h"

#define BODY_MAX 5000
#define MESSAGES_MAX 64
#define END_OF_MESSAGE 0xfe
#define IS_BINARY 0xff
#define WS_HEAD \
	" HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
	int fd;
	struct buf got;
	size_t at; /* up to where answers were taken */
};

static struct loop *loop;
static struct http_server *http;
static struct sio_server *server;
static struct timer *stopper;
static int joined_count;

/* ---- the server's owner ---- */

static enum sio_verdict join(void *arg, const struct sio_join *j, struct sio_refusal *refusal)
{
	(void)arg;
	(void)refusal;
	assert(j->auth.len == 0 || *j->auth.ptr == '{' || strchr(" \t\r\n", *j->auth.ptr) != NULL);
	if (slice_is(j->nsp, "/later"))
		return SIO_LATER;
	return slice_is(j->nsp, "/") || slice_is(j->nsp, "/custom") ? SIO_ACCEPT : SIO_REFUSE;
}

static void *joined(void *arg, struct sio_socket *s, const struct sio_join *j)
{
	(void)arg;
	joined_count++;
	if (slice_is(j->nsp, "/later"))
		(void)!sio_socket_confirm(s, slice_of("\"more\":1"));
	return s;
}

static void take_event(void *arg, const struct sio_event *event)
{
	static const struct slice back = SLICE_LITERAL("\"back\"");
	struct slice attachments[SIO_ATTACHMENTS_MAX];
	struct json_iter it;
	struct slice value;

	json_iter_list(&it, event->args);
	while (json_iter_next(&it, NULL, &value))
		assert(value.ptr >= event->args.ptr &&
			value.ptr + value.len <= event->args.ptr + event->args.len);
	for (uint32_t i = 0; i < event->attachments; i++)
		attachments[i] = sio_event_attachment(event, i);
	if (json_string_is(event->name, slice_of("kick")))
		sio_socket_disconnect(arg, event->args.len != 0);
	else if (json_string_is(event->name, slice_of("cut")))
		sio_socket_cut(arg);
	else if (event->has_ack)
		(void)!sio_socket_ack(
			arg, event->ack_id, event->args, attachments, event->attachments);
	else
		(void)!sio_socket_emit(arg, back, event->args, attachments, event->attachments);
}

static void drained(void *arg)
{
	(void)arg;
}

static void left(void *arg, enum eio_end end, bool is_goodbye)
{
	(void)arg;
	(void)end;
	(void)is_goodbye;
	assert(joined_count-- > 0);
}

static void request(void *arg, struct http_exchange *x)
{
	(void)arg;
	if (!sio_server_take(server, x))
		http_exchange_reply(x, 404, NULL, 0, slice_of("none"));
}

static void stop_loop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void turn(void)
{
	timer_start(stopper, 0);
	if (!loop_run(loop))
		abort();
}

static void begin(void)
{
	static const struct sio_server_events events = { .join = join,
		.joined = joined,
		.event = take_event,
		.drained = drained,
		.left = left };
	static const struct eio_server_options options = { .path = "/s/",
		.ping_interval_ms = 60000,
		.ping_timeout_ms = 60000,
		.max_payload = 4000,
		.out_max = 20000,
		.sessions_max = 100,
		.allows_eio3 = true,
		.allows_09 = true };
	static const struct http_server_options http_options = { .host = "127.0.0.1",
		.connections_max = 100,
		.body_max = BODY_MAX,
		.request_us = 60000000,
		.idle_us = 60000000 };
	struct err e;

	if (loop == NULL) {
		loop = loop_new();
		stopper = loop != NULL ? timer_new(loop, stop_loop, NULL) : NULL;
		if (stopper == NULL ||
			!http_server_new(&http, loop, &http_options, request, NULL, &e))
			abort();
	}
	if (!sio_server_new(&server, loop, &options, &events, NULL, &e))
		abort();
}

/* ---- the client ---- */

static void client_connect(struct client *c)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0 ||
		!http_conn_new(http, fds[0]))
		abort();
	http->count++;
	c->fd = fds[1];
	c->at = 0;
	buf_init(&c->got, (size_t)1 << 20);
}

static void client_close(struct client *c)
{
	(void)close(c->fd);
	buf_release(&c->got);
}

/* Lets the server work, and reads what it says. */
static void client_read(struct client *c)
{
	ssize_t n = 1;

	turn();
	turn();
	while (n > 0) {
		if (!buf_reserve(&c->got, 4096))
			abort();
		n = recv(c->fd, c->got.data + c->got.len, 4096, 0);
		if (n > 0)
			c->got.len += (size_t)n;
	}
}

static void client_send(struct client *c, const void *bytes, size_t len)
{
	(void)!send(c->fd, bytes, len, MSG_NOSIGNAL);
	client_read(c);
}

static void client_say(struct client *c, const char *text)
{
	client_send(c, text, strlen(text));
}

/* Takes the body of the next answer; false if there is none. */
static bool take_answer(struct client *c, struct slice *body)
{
	static const char length[] = "Content-Length: ";
	const char *from, *end, *at;

	if (!buf_append_char(&c->got, '\0'))
		abort();
	c->got.len--;
	from = c->got.data + c->at;
	end = strstr(from, "\r\n\r\n");
	at = strstr(from, length);
	if (end == NULL || at == NULL)
		return false;
	assert(at < end);
	*body = (struct slice){ end + 4, strtoul(at + strlen(length), NULL, 10) };
	c->at = (size_t)(body->ptr - c->got.data) + body->len;
	assert(c->at <= c->got.len);
	return true;
}

static const struct generation *const generations[] = { &generation_eio4, &generation_eio3,
	&generation_09 };

/* Finds the sid in the answer to a handshake, and makes the address of the session. */
static void begin_polling(
	struct client *c, const struct generation *g, bool is_text, char *target, size_t size)
{
	struct slice body;
	const char *sid;
	int len;

	if (g == &generation_09) {
		client_say(c, "GET /s/1/ HTTP/1.1\r\nHost: x\r\n\r\n");
		assert(take_answer(c, &body));
		(void)snprintf(target, size, "/s/1/xhr-polling/%.20s", body.ptr);
		return;
	}
	(void)snprintf(
		target, size, "/s/?EIO=%d&transport=polling%s", g->eio, is_text ? "&b64=1" : "");
	client_say(c, "GET ");
	client_say(c, target);
	client_say(c, " HTTP/1.1\r\nHost: x\r\n\r\n");
	assert(take_answer(c, &body));
	sid = memmem(body.ptr, body.len, "\"sid\":\"", 7);
	assert(sid != NULL);
	len = (int)strlen(target);
	(void)snprintf(target + len, size - (size_t)len, "&sid=%.20s", sid + 7);
}

/* What a poll brings can be taken apart. */
static void check_body(const struct generation *g, struct slice body)
{
	struct payload_reader reader;
	enum payload_result result;
	struct slice message;
	bool is_binary;
	struct err e;

	if (body.len == 0 || *body.ptr == '{' || slice_is(body, "too many clients"))
		return;
	payload_reader_init(&reader, g, body);
	do
		result = payload_reader_next(&reader, &is_binary, &message, &e);
	while (result == PAYLOAD_MESSAGE);
	assert(result == PAYLOAD_END);
	payload_reader_release(&reader);
}

/* What a WebSocket brings are messages. */
static void check_frames(struct client *c)
{
	struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
	struct slice in = buf_slice(&c->got);
	struct ws_message message;
	enum ws_result result;
	const char *end;
	struct err e;

	end = in.len != 0 ? memmem(in.ptr, in.len, "\r\n\r\n", 4) : NULL;
	if (end != NULL && in.len >= 12 && memcmp(in.ptr + 9, "101", 3) == 0) {
		in.len -= (size_t)(end + 4 - in.ptr);
		in.ptr = end + 4;
		do {
			result = ws_decode(d, &in, &message, &e);
			assert(result != WS_BAD);
		} while (result != WS_MORE);
	}
	ws_decoder_free(d);
}

/* Takes the next message from what the client says. */
static bool next_message(struct slice *rest, bool *is_binary, struct slice *message)
{
	const char *end = rest->len != 0 ? memchr(rest->ptr, END_OF_MESSAGE, rest->len) : NULL;

	if (rest->len == 0)
		return false;
	*message = *rest;
	if (end != NULL)
		message->len = (size_t)(end - rest->ptr);
	rest->ptr += message->len + (end != NULL);
	rest->len -= message->len + (end != NULL);
	*is_binary = message->len != 0 && (unsigned char)*message->ptr == IS_BINARY;
	if (*is_binary)
		*message = (struct slice){ message->ptr + 1, message->len - 1 };
	return true;
}

static void speak_frames(struct client *c, struct slice rest)
{
	struct slice message;
	struct buf frame;
	bool is_binary;

	buf_init(&frame, (size_t)1 << 20);
	for (int i = 0; i < MESSAGES_MAX && next_message(&rest, &is_binary, &message); i++) {
		frame.len = 0;
		if (!ws_encode(&frame, WS_CLIENT, is_binary ? WS_OP_BINARY : WS_OP_TEXT, message))
			abort();
		client_send(c, frame.data, frame.len);
	}
	buf_release(&frame);
}

static void websocket(const struct generation *g, struct slice rest)
{
	struct client hand, c;
	char target[200];

	client_connect(&hand);
	client_connect(&c);
	if (g == &generation_09) {
		begin_polling(&hand, g, false, target, sizeof(target));
		memmove(target + 5 + strlen("websocket"), target + 5 + strlen("xhr-polling"),
			strlen(target + 5 + strlen("xhr-polling")) + 1);
		memcpy(target + 5, "websocket", strlen("websocket"));
	} else {
		(void)snprintf(target, sizeof(target), "/s/?EIO=%d&transport=websocket", g->eio);
	}
	client_say(&c, "GET ");
	client_say(&c, target);
	client_say(&c, WS_HEAD);
	speak_frames(&c, rest);
	client_read(&c);
	check_frames(&c);
	client_close(&c);
	client_close(&hand);
}

static void polling(const struct generation *g, bool is_text, struct slice rest)
{
	struct client poll, c;
	struct slice message, body;
	char target[200], head[400];
	bool is_binary;

	client_connect(&poll);
	client_connect(&c);
	begin_polling(&c, g, is_text, target, sizeof(target));
	for (int i = 0; i < MESSAGES_MAX && next_message(&rest, &is_binary, &message); i++) {
		if (is_binary) { /* a poll, in place of a POST */
			(void)snprintf(
				head, sizeof(head), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
			client_say(&poll, head);
		} else if (message.len < BODY_MAX) {
			(void)snprintf(head, sizeof(head),
				"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
				target, message.len);
			client_say(&c, head);
			client_send(&c, message.ptr, message.len);
		}
		client_read(&poll);
		while (take_answer(&poll, &body))
			check_body(g, body);
	}
	client_close(&poll);
	client_close(&c);
}

/* A polling client whose WebSocket says anything. */
static void upgrade(struct slice rest)
{
	struct client hand, c;
	char target[200];
	char *transport;

	client_connect(&hand);
	client_connect(&c);
	begin_polling(&hand, &generation_eio4, true, target, sizeof(target));
	transport = strstr(target, "polling");
	memcpy(transport, "websock", 7);
	memmove(transport + 9, transport + 7, strlen(transport + 7) + 1);
	memcpy(transport + 7, "et", 2);
	client_say(&c, "GET ");
	client_say(&c, target);
	client_say(&c, WS_HEAD);
	speak_frames(&c, rest);
	check_frames(&c);
	client_close(&c);
	client_close(&hand);
}

static void raw(struct slice rest)
{
	struct client c;

	client_connect(&c);
	client_send(&c, rest.ptr, rest.len);
	client_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = { (const char *)data + 1, size - 1 };

	if (size == 0)
		return 0;
	begin();
	if (data[0] % 11 < 3)
		websocket(generations[data[0] % 11], rest);
	else if (data[0] % 11 < 9)
		polling(generations[data[0] % 3], data[0] % 11 < 6, rest);
	else if (data[0] % 11 == 9)
		upgrade(rest);
	else
		raw(rest);
	turn();
	sio_server_free(server);
	for (int i = 0; http_server_connections(http) != 0 && i < 100; i++)
		turn();
	assert(http_server_connections(http) == 0);
	assert(joined_count == 0);
	turn();
	return 0;
}
