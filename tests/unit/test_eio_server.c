/*
 * eio_server: what its owner sees, and when: each end is told once, whatever happens inside the
 * callbacks, and nothing is told after it.
 */
#include "peer.h"

#include "net/eio_server.h"
#include "net/ws_server.h"
#include "proto/ws.h"

#define SESSIONS_MAX 16
#define WS_HEAD \
	" HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
#define OUT_MAX ((size_t)1 << 20)

struct seen {
	struct eio_session *session;
	int messages, drained, closed;
	enum eio_end end;
};

static struct http_server *http;
static struct eio_server *engine;
static struct seen seen[SESSIONS_MAX];
static size_t seen_count;
static bool fails_to_open, closes_at_once;

static void *opened(void *arg, struct eio_session *s, const struct http_exchange *x)
{
	assert_ptr_equal(arg, &engine);
	assert_true(http_exchange_path(x).len != 0);
	assert_true(seen_count < SESSIONS_MAX);
	if (fails_to_open)
		return NULL;
	seen[seen_count] = (struct seen){ .session = s };
	if (closes_at_once)
		eio_session_close(s, false);
	return &seen[seen_count++];
}

static void send_text(struct eio_session *s, const char *text)
{
	assert_true(eio_session_send(s, false, slice_of(text)));
}

/* Plain messages, and frames of several messages that were made before, in turns. */
static void send_mixed(struct eio_session *s)
{
	struct buf frames;

	assert_true(eio_session_takes_frames(s));
	buf_init(&frames, 1000);
	assert_true(ws_encode(&frames, WS_SERVER, WS_OP_TEXT, slice_of("42")) &&
		ws_encode(&frames, WS_SERVER, WS_OP_TEXT, slice_of("43")));
	send_text(s, "1");
	assert_true(eio_session_send_frames(s, buf_slice(&frames)));
	send_text(s, "4");
	buf_release(&frames);
}

static void fill(struct eio_session *s)
{
	static char text[20001];

	memset(text, 'x', sizeof(text) - 1);
	while (!eio_session_is_full(s))
		send_text(s, text);
}

static void message(void *arg, bool is_binary, struct slice data)
{
	struct seen *s = arg;

	assert_int_equal(s->closed, 0);
	assert_false(is_binary);
	s->messages++;
	if (slice_is(data, "close"))
		eio_session_close(s->session, false);
	else if (slice_is(data, "cut"))
		eio_session_close(s->session, true);
	else if (slice_is(data, "twice"))
		eio_session_close(s->session, false), eio_session_close(s->session, true);
	else if (slice_is(data, "mixed"))
		send_mixed(s->session);
	else if (slice_is(data, "fill"))
		fill(s->session);
	if (slice_is(data, "close") || slice_is(data, "cut") || slice_is(data, "twice"))
		assert_false(eio_session_send(s->session, false, data));
}

static void drained(void *arg)
{
	struct seen *s = arg;

	assert_int_equal(s->closed, 0);
	assert_false(eio_session_is_full(s->session));
	s->drained++;
}

static void closed(void *arg, enum eio_end end, const struct err *e)
{
	struct seen *s = arg;

	assert_int_equal(s->closed, 0);
	assert_true(*e->text != '\0');
	s->closed++;
	s->end = end;
}

static void request(void *arg, struct http_exchange *x)
{
	(void)arg;
	assert_true(eio_server_take(engine, x));
}

static int begin(void **state)
{
	static const struct eio_server_events events = {
		.opened = opened, .message = message, .drained = drained, .closed = closed
	};
	struct http_server_options h = { .host = "127.0.0.1",
		.connections_max = 64,
		.body_max = 100000,
		.request_us = 60000000,
		.idle_us = 60000000 };
	struct eio_server_options o = { .path = "/e/",
		.ping_interval_ms = 60000,
		.ping_timeout_ms = 60000,
		.max_payload = 100000,
		.out_max = OUT_MAX,
		.sessions_max = SESSIONS_MAX,
		.allows_eio3 = true,
		.allows_09 = true };
	struct err e;

	(void)state;
	seen_count = 0;
	fails_to_open = closes_at_once = false;
	loop = loop_new();
	return loop != NULL && http_server_new(&http, loop, &h, request, NULL, &e) &&
			eio_server_new(&engine, loop, &o, &events, &engine, &e)
		? 0
		: -1;
}

static int finish(void **state)
{
	(void)state;
	eio_server_free(engine);
	for (size_t i = 0; i < seen_count; i++)
		assert_int_equal(seen[i].closed, 1);
	http_server_free(http);
	loop_free(loop);
	return 0;
}

/* ---- clients ---- */

static struct peer ask(const char *target, const char *rest)
{
	struct peer p = peer_connect(http_server_port(http));

	peer_say(&p, "GET ");
	peer_say(&p, target);
	peer_say(&p, rest);
	return p;
}

static struct peer open_websocket(void)
{
	struct peer p = ask("/e/?EIO=4&transport=websocket", WS_HEAD);

	AWAIT(peer_has(&p, "pingTimeout"));
	return p;
}

/* Sends texts in frames, all at once. */
static void say_frames(struct peer *p, const char *const *texts, size_t count)
{
	struct buf frames;

	buf_init(&frames, 1000);
	for (size_t i = 0; i < count; i++)
		assert_true(ws_encode(&frames, WS_CLIENT, WS_OP_TEXT, slice_of(texts[i])));
	peer_send(p, frames.data, frames.len);
	buf_release(&frames);
}

static void say_frame(struct peer *p, const char *text)
{
	say_frames(p, &text, 1);
}

/* A polling session: the newest in `seen`. */
static struct seen *open_polling(void)
{
	struct peer p = ask("/e/?EIO=4&transport=polling", " HTTP/1.1\r\nHost: x\r\n\r\n");

	AWAIT(peer_has(&p, "pingTimeout"));
	peer_close(&p);
	return &seen[seen_count - 1];
}

static struct peer poll_session(const struct seen *s)
{
	char target[200];

	(void)snprintf(target, sizeof(target), "/e/?EIO=4&transport=polling&sid=%s",
		eio_session_sid(s->session));
	return ask(target, " HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void post(const struct seen *s, const char *body)
{
	struct peer p = peer_connect(http_server_port(http));
	char head[300];

	(void)snprintf(head, sizeof(head),
		"POST /e/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: "
		"%zu\r\n\r\n%s",
		eio_session_sid(s->session), strlen(body), body);
	peer_say(&p, head);
	AWAIT(peer_has(&p, "\r\n\r\nok"));
	peer_close(&p);
}

/* ---- tests ---- */

static void an_end_inside_a_message_is_told_once_and_ends_the_messages(void **state)
{
	static const char *const words[] = { "4close", "4cut", "4twice" };

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct peer p = open_websocket();
		const char *texts[] = { "4x", words[i], "4after" };

		say_frames(&p, texts, COUNT(texts));
		AWAIT(seen[i].closed == 1);
		assert_int_equal(seen[i].messages, 2);
		assert_int_equal(seen[i].end, EIO_END_SERVER);
		/* A close frame without a code, or the end of the stream. */
		if (strcmp(words[i], "4cut") != 0)
			AWAIT(peer_has(&p, "\x88"));
		else
			AWAIT(peer_ended(&p));
		peer_close(&p);
	}
	for (size_t i = 0; i < COUNT(words); i++) {
		struct seen *s = open_polling();
		char body[100];

		(void)snprintf(body, sizeof(body),
			"4x\x1e%s\x1e"
			"4after",
			words[i]);
		post(s, body);
		AWAIT(s->closed == 1);
		assert_int_equal(s->messages, 2);
	}
	assert_int_equal(eio_server_sessions(engine), 0);
}

static void frames_and_messages_keep_their_order(void **state)
{
	struct peer p = open_websocket();

	(void)state;
	say_frame(&p, "4mixed");
	AWAIT(peer_has(&p,
		"\x81\x02"
		"41\x81\x02"
		"42\x81\x02"
		"43\x81\x02"
		"44"));
	peer_close(&p);
	AWAIT(seen[0].closed == 1);
	assert_int_equal(seen[0].end, EIO_END_LOST);
	assert_false(eio_session_takes_frames(open_polling()->session));
}

static void an_owner_without_memory_is_told_nothing(void **state)
{
	struct peer p, w, old;

	(void)state;
	fails_to_open = true;
	p = ask("/e/?EIO=4&transport=polling", " HTTP/1.1\r\nHost: x\r\n\r\n");
	w = ask("/e/?EIO=4&transport=websocket", WS_HEAD);
	old = ask("/e/1/", " HTTP/1.1\r\nHost: x\r\n\r\n");
	AWAIT(peer_has(&p, " 503 ") && peer_has(&w, " 503 ") && peer_has(&old, " 503 "));
	assert_int_equal(eio_server_sessions(engine), 0);
	peer_close(&p);
	peer_close(&w);
	peer_close(&old);
}

static void who_is_closed_at_once_hears_of_it(void **state)
{
	struct peer w, p;

	(void)state;
	closes_at_once = true;
	w = open_websocket();
	AWAIT(peer_has(&w, "\x88") && seen[0].closed == 1);
	p = poll_session(open_polling());
	AWAIT(peer_has(&p, "\r\n\r\n1") && seen[1].closed == 1);
	peer_close(&w);
	peer_close(&p);
}

static void a_full_session_is_drained_by_polls(void **state)
{
	struct seen *s = open_polling();
	struct peer p;

	(void)state;
	post(s, "4fill");
	assert_true(eio_session_is_full(s->session));
	assert_true(eio_session_pending(s->session) > WS_SERVER_HIGH);
	assert_int_equal(s->drained, 0);
	p = poll_session(s);
	AWAIT(s->drained == 1);
	assert_int_equal(eio_session_pending(s->session), 0);
	peer_close(&p);
	turn();
	assert_int_equal(s->drained, 1);
}

static void a_full_websocket_is_drained(void **state)
{
	struct peer p = open_websocket();

	(void)state;
	say_frame(&p, "4fill");
	AWAIT(seen[0].messages == 1);
	AWAIT((peer_read(&p), seen[0].drained == 1));
	peer_close(&p);
}

/* Sessions that poll, that are upgrading, that leave, and of 0.9: `finish` frees the engine. */
static void the_end_of_the_server_ends_every_session_once(void **state)
{
	struct peer peers[6];
	char target[200];
	struct seen *s;

	(void)state;
	peers[0] = open_websocket();
	peers[1] = poll_session(open_polling());
	s = open_polling();
	(void)snprintf(target, sizeof(target), "/e/?EIO=4&transport=websocket&sid=%s",
		eio_session_sid(s->session));
	peers[2] = ask(target, WS_HEAD);
	say_frame(&peers[2], "2probe");
	AWAIT(peer_has(&peers[2], "3probe"));
	post(open_polling(), "4close");
	peers[3] = ask("/e/1/", " HTTP/1.1\r\nHost: x\r\n\r\n");
	AWAIT(peer_has(&peers[3], "xhr-polling"));
	peers[4] = open_websocket();
	say_frame(&peers[4], "4fill");
	AWAIT(seen[seen_count - 1].messages == 1);
	peers[5] = ask("/e/1/websocket/nobody", WS_HEAD);
	AWAIT(peer_has(&peers[5], "7:::1+0"));
	assert_int_equal(seen_count, 6);
	assert_int_equal(eio_server_sessions(engine), 5);
	eio_server_free(engine);
	engine = NULL;
	for (size_t i = 0; i < seen_count; i++)
		assert_int_equal(seen[i].closed, 1);
	turn();
	for (size_t i = 0; i < COUNT(peers); i++)
		peer_close(&peers[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_end_inside_a_message_is_told_once_and_ends_the_messages, begin, finish),
		cmocka_unit_test_setup_teardown(
			frames_and_messages_keep_their_order, begin, finish),
		cmocka_unit_test_setup_teardown(
			an_owner_without_memory_is_told_nothing, begin, finish),
		cmocka_unit_test_setup_teardown(who_is_closed_at_once_hears_of_it, begin, finish),
		cmocka_unit_test_setup_teardown(a_full_session_is_drained_by_polls, begin, finish),
		cmocka_unit_test_setup_teardown(a_full_websocket_is_drained, begin, finish),
		cmocka_unit_test_setup_teardown(
			the_end_of_the_server_ends_every_session_once, begin, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
