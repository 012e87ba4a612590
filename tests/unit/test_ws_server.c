/*
 * ws_server: connections of versions 13 and 8 and of hixie-76 with clients that are good, slow,
 * silent or hostile.
 */
#include "peer.h"

#include "net/ws_server.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define UPGRADE \
	"GET /x?y HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define V8 "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Origin: http://h\r\n"
#define KEYED "Sec-WebSocket-Key: " KEY "\r\n"
#define ACCEPTED "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define HIXIE \
	"GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nUpgrade: WebSocket\r\n" \
	"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n"
#define HIXIE_BODY "^n:ds[4U"
#define HIXIE_ANSWER "8jKS'y:G*Co,Wxa-"

enum reaction { ECHO, FREE, CLOSE, NOTHING, PAUSE };

static struct http_server *http;
static struct ws_server *ws;
static struct ws_server_options options;
static enum reaction reaction;
static bool is_accepting;
static int messages, drained, ended;
static enum ws_opcode opcode;
static struct buf payload; /* of the latest message */
static enum ws_server_end how;
static struct err why;

static void free_connection(void)
{
	ws_server_free(ws);
	ws = NULL;
}

static void take_message(void *arg, enum ws_opcode op, struct slice data)
{
	assert_ptr_equal(arg, &messages);
	assert_false(is_accepting);
	messages++;
	opcode = op;
	payload.len = 0;
	assert_true(buf_append_slice(&payload, data));
	if (reaction == ECHO)
		assert_true(ws_server_send(ws, op, data));
	else if (reaction == FREE)
		free_connection();
	else if (reaction == CLOSE)
		ws_server_close(ws, 1001);
	else if (reaction == PAUSE)
		ws_server_pause(ws, true);
}

static void take_drained(void *arg)
{
	assert_ptr_equal(arg, &messages);
	drained++;
	if (reaction == FREE)
		free_connection();
}

static void take_ended(void *arg, enum ws_server_end end, const struct err *e)
{
	assert_ptr_equal(arg, &messages);
	ended++;
	how = end;
	why = *e;
	free_connection();
}

static const struct ws_server_events events = { take_message, take_drained, take_ended };

static void take_request(void *arg, struct http_exchange *x)
{
	struct err e;

	(void)arg;
	if (!ws_server_is_upgrade(x)) {
		http_exchange_reply(x, 200, NULL, 0, slice_of("plain"));
		return;
	}
	is_accepting = true;
	if (!ws_server_accept(&ws, loop, x, &options, &events, &messages, &e))
		assert_true(strlen(e.text) > 0);
	is_accepting = false;
}

static struct peer connect_peer(void)
{
	return peer_connect(http_server_port(http));
}

static struct peer connect_websocket(void)
{
	struct peer p = connect_peer();

	peer_say(&p, UPGRADE V13 KEYED "\r\n");
	AWAIT(peer_has(&p, ACCEPTED));
	p.got.len = 0;
	assert_non_null(ws);
	return p;
}

/* Sends a client's frame, masked with zeros. */
static void send_frame(struct peer *p, unsigned char first, const void *data, size_t len)
{
	unsigned char head[14] = { first };
	size_t n = 2;

	if (len < 126) {
		head[1] = (unsigned char)(0x80 | len);
	} else {
		head[1] = 0x80 | 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)((uint64_t)len >> 8 * (7 - i));
		n = 10;
	}
	peer_send(p, head, n + 4);
	if (len != 0)
		peer_send(p, data, len);
}

static void say_frame(struct peer *p, unsigned char first, const char *text)
{
	send_frame(p, first, text, strlen(text));
}

static void assert_got(struct peer *p, struct slice want)
{
	AWAIT(peer_has_bytes(p, want.len));
	assert_int_equal(p->got.len, want.len);
	assert_memory_equal(p->got.data, want.ptr, want.len);
}

#define GOT(literal) ((struct slice)SLICE_LITERAL(literal))

/* ---- handshakes ---- */

static void versions_13_and_8_are_accepted(void **state)
{
	static const char *const requests[] = { UPGRADE V13 KEYED "\r\n", UPGRADE V8 KEYED "\r\n",
		"GET / HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\n" V13 KEYED "\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct peer p = connect_peer();

		peer_say(&p, requests[i]);
		AWAIT(peer_has(&p, ACCEPTED));
		assert_memory_equal(p.got.data, "HTTP/1.1 101 ", 13);
		assert_false(peer_has(&p, "Sec-WebSocket-Extensions"));
		p.got.len = 0;
		say_frame(&p, 0x81, "Hello");
		assert_got(&p, GOT("\x81\x05Hello"));
		free_connection();
		peer_close(&p);
	}
}

static void other_requests_are_answered_with_their_status(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
		{ UPGRADE KEYED "\r\n", "HTTP/1.1 426 " },
		{ UPGRADE KEYED "Sec-WebSocket-Version: 7\r\n\r\n", "HTTP/1.1 426 " },
		{ UPGRADE V13 "\r\n", "HTTP/1.1 400 " },
		{ UPGRADE V13 "Sec-WebSocket-Key: x\r\n\r\n", "HTTP/1.1 400 " },
		{ "POST / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" V13 KEYED
		  "\r\n",
			"HTTP/1.1 405 " },
		{ "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Key1: 12\r\nSec-WebSocket-Key2: 1 1\r\n\r\n",
			"HTTP/1.1 400 " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_peer();

		peer_say(&p, cases[i].request);
		AWAIT(peer_has(&p, cases[i].status));
		assert_true(peer_has(&p, "Sec-WebSocket-Version: 13, 8\r\n"));
		assert_null(ws);
		peer_say(&p, "GET / HTTP/1.1\r\n\r\n"); /* the connection lives */
		AWAIT(peer_has(&p, "plain"));
		peer_close(&p);
	}
}

static void frames_that_come_with_the_handshake_are_handed_out_after_it(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_send(&p, UPGRADE V13 KEYED "\r\n\x81\x81\0\0\0\0a\x82\x81\0\0\0\0b",
		strlen(UPGRADE V13 KEYED) + 2 + 14);
	AWAIT(messages == 2);
	AWAIT(peer_has(&p,
		ACCEPTED "\x81\x01"
			 "a\x82\x01"
			 "b"));
	peer_close(&p);
}

static void hixie_76_is_spoken_however_its_bytes_come(void **state)
{
	static const char wire[] = HIXIE "\r\n" HIXIE_BODY "\0Hello\xff\x80\x02xy\0World\xff\xff";
	static const size_t steps[] = { 1, 3, sizeof(wire) };

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct peer p = connect_peer();
		size_t len = sizeof(wire), head_len; /* with the NUL, which ends the close frame */
		int before = ended;

		for (size_t at = 0; at < len; at += steps[i]) {
			peer_send(&p, wire + at, len - at < steps[i] ? len - at : steps[i]);
			if (steps[i] == 1 && at > strlen(HIXIE))
				turn();
		}
		AWAIT(peer_ended(&p));
		assert_true(peer_has(
			&p, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\n"));
		assert_true(peer_has(&p, "\r\nSec-WebSocket-Origin: http://example.com\r\n"));
		assert_true(peer_has(&p, "\r\nSec-WebSocket-Location: ws://example.com/demo\r\n"));
		assert_true(peer_has(&p, "\r\n\r\n" HIXIE_ANSWER));
		head_len = (size_t)((const char *)memmem(p.got.data, p.got.len, HIXIE_ANSWER, 16) +
			16 - p.got.data);
		assert_int_equal(p.got.len - head_len, 16);
		assert_memory_equal(p.got.data + head_len, "\0Hello\xff\0World\xff\xff\0", 16);
		assert_int_equal(ended, before + 1);
		assert_int_equal(how, WS_SERVER_CLOSED);
		peer_close(&p);
	}
}

/* A proxy may pass the eight bytes on as a body. */
static void hixie_76_with_a_body_is_answered(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, HIXIE "Content-Length: 8\r\n\r\n" HIXIE_BODY);
	AWAIT(peer_has(&p, "\r\n\r\n" HIXIE_ANSWER));
	peer_close(&p);
}

static void what_is_sent_before_the_handshake_is_complete_follows_it(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, HIXIE "\r\n^n:ds");
	AWAIT(ws != NULL);
	assert_false(ws_server_takes_frames(ws));
	assert_true(ws_server_send(ws, WS_OP_TEXT, slice_of("1::")));
	assert_false(ws_server_send(ws, WS_OP_BINARY, slice_of("none here")));
	turn();
	assert_false(peer_has(&p, "HTTP"));
	peer_say(&p, "[4U");
	AWAIT(peer_has(&p, "1::\xff"));
	assert_memory_equal(p.got.data + p.got.len - 21,
		HIXIE_ANSWER "\0"
			     "1::\xff",
		21);
	peer_close(&p);
}

static void a_client_may_leave_within_its_handshake(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, HIXIE "\r\n^n:ds");
	AWAIT(ws != NULL);
	peer_close(&p);
	AWAIT(ended == 1);
	assert_int_equal(how, WS_SERVER_LOST);
	p = connect_peer();
	peer_say(&p, HIXIE "\r\n^n:ds");
	AWAIT(ws != NULL);
	ws_server_close(ws, 1000);
	assert_int_equal(ended, 1); /* not inside the call */
	AWAIT(ended == 2);
	assert_int_equal(how, WS_SERVER_CLOSED);
	peer_close(&p);
}

/* ---- messages ---- */

static void messages_come_back(void **state)
{
	struct peer p = connect_websocket();
	char *large = calloc(1, 100000);

	(void)state;
	assert_non_null(large);
	say_frame(&p, 0x01, "Hel");
	say_frame(&p, 0x89, "ping");
	say_frame(&p, 0x80, "lo");
	assert_got(&p, GOT("\x8a\x04ping\x81\x05Hello"));
	assert_int_equal(opcode, WS_OP_TEXT);
	p.got.len = 0;
	say_frame(&p, 0x8a, "an unasked pong");
	say_frame(&p, 0x82, "");
	assert_got(&p, GOT("\x82\0"));
	assert_int_equal(opcode, WS_OP_BINARY);
	p.got.len = 0;
	send_frame(&p, 0x82, large, 100000);
	AWAIT(peer_has_bytes(&p, 100010));
	assert_memory_equal(p.got.data, "\x82\x7f\0\0\0\0\0\x01\x86\xa0", 10);
	assert_int_equal(payload.len, 100000);
	free(large);
	peer_close(&p);
}

static uint32_t segments_of(const struct peer *p)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_segs_in;
}

static void what_is_sent_in_one_turn_is_written_at_once(void **state)
{
	struct peer p = connect_websocket();
	uint32_t before = segments_of(&p);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(ws_server_send(ws, WS_OP_TEXT, slice_of("0123456789")));
	assert_int_equal(ws_server_pending(ws), 12000);
	AWAIT(peer_has_bytes(&p, 12000));
	assert_int_equal(ws_server_pending(ws), 0);
	/* Without delay, each write is a segment of its own; so many fit into a few. */
	assert_true(segments_of(&p) - before < 20);
	peer_close(&p);
}

static void frames_are_sent_as_they_are(void **state)
{
	struct peer p = connect_websocket();
	struct buf frames;

	(void)state;
	buf_init(&frames, (size_t)1 << 20);
	assert_true(ws_encode(&frames, WS_SERVER, WS_OP_TEXT, slice_of("one")) &&
		ws_encode(&frames, WS_SERVER, WS_OP_TEXT, slice_of("two")));
	assert_true(ws_server_takes_frames(ws));
	assert_true(ws_server_send_frames(ws, buf_slice(&frames)));
	while (frames.len < 100000)
		assert_true(ws_encode(&frames, WS_SERVER, WS_OP_TEXT, slice_of("three")));
	/* Many are written at once, behind what waits. */
	assert_true(ws_server_send_frames(ws, buf_slice(&frames)));
	assert_int_equal(ws_server_pending(ws), 0);
	assert_true(ws_server_send(ws, WS_OP_TEXT, slice_of("end")));
	AWAIT(peer_has(&p,
		"\x81\x03"
		"end"));
	assert_int_equal(p.got.len, 10 + frames.len + 5);
	assert_memory_equal(p.got.data, frames.data, 10);
	assert_memory_equal(p.got.data + 10, frames.data, frames.len);
	buf_release(&frames);
	peer_close(&p);
}

static void a_paused_connection_is_not_read(void **state)
{
	struct peer p = connect_websocket();

	(void)state;
	reaction = PAUSE;
	say_frame(&p, 0x81, "one");
	AWAIT(messages == 1);
	say_frame(&p, 0x81, "two");
	for (int i = 0; i < 20; i++)
		turn();
	assert_int_equal(messages, 1);
	ws_server_pause(ws, false);
	AWAIT(messages == 2);
	peer_close(&p);
}

static int other_messages;

static void take_other_message(void *arg, enum ws_opcode op, struct slice data)
{
	assert_ptr_equal(arg, &other_messages);
	assert_int_equal(op, WS_OP_TEXT);
	assert_slice(data, "two");
	other_messages++;
}

static void events_can_go_to_another_owner(void **state)
{
	static const struct ws_server_events others = { take_other_message, NULL, take_ended };
	struct peer p = connect_websocket();

	(void)state;
	say_frame(&p, 0x81, "one");
	AWAIT(messages == 1);
	ws_server_set_events(ws, &others, &other_messages);
	say_frame(&p, 0x81, "two");
	AWAIT(other_messages == 1);
	assert_int_equal(messages, 1);
	free_connection();
	AWAIT(peer_ended(&p));
	peer_close(&p);
}

/* ---- broken clients ---- */

static void a_client_that_breaks_the_protocol_reads_why(void **state)
{
	static const struct {
		struct slice frame, answer;
	} cases[] = {
		{ SLICE_LITERAL("\x81\x01x"), SLICE_LITERAL("\x88\x02\x03\xea") },
		{ SLICE_LITERAL("\xc1\x80\0\0\0\0"), SLICE_LITERAL("\x88\x02\x03\xea") },
		{ SLICE_LITERAL("\x83\x80\0\0\0\0"), SLICE_LITERAL("\x88\x02\x03\xea") },
		{ SLICE_LITERAL("\x80\x80\0\0\0\0"), SLICE_LITERAL("\x88\x02\x03\xea") },
		{ SLICE_LITERAL("\x81\x82\0\0\0\0\xc3\x28"), SLICE_LITERAL("\x88\x02\x03\xef") },
		{ SLICE_LITERAL("\x88\x82\0\0\0\0\x03\xed"), SLICE_LITERAL("\x88\x02\x03\xea") },
		/* Too large is known from the header and a byte behind it. */
		{ SLICE_LITERAL("\x82\xff\0\0\0\0\0\x20\0\x01\0\0\0\0x"),
			SLICE_LITERAL("\x88\x02\x03\xf1") },
		{ SLICE_LITERAL("\x82\xff\0\0\0\x20\0\0\0\0\0\0\0\0x"),
			SLICE_LITERAL("\x88\x02\x03\xf1") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_websocket();

		peer_send(&p, cases[i].frame.ptr, cases[i].frame.len);
		say_frame(&p, 0x82, "this is not read as a frame any more");
		AWAIT(ended == (int)i + 1);
		assert_int_equal(how, WS_SERVER_BROKEN);
		assert_true(strlen(why.text) > 0);
		AWAIT(peer_ended(&p));
		assert_got(&p, cases[i].answer);
		peer_close(&p);
	}
	assert_int_equal(messages, 0);
	AWAIT(http_server_connections(http) == 0);
}

static void a_client_that_leaves_is_noticed(void **state)
{
	struct peer p = connect_websocket();

	(void)state;
	peer_close(&p);
	AWAIT(ended == 1);
	assert_int_equal(how, WS_SERVER_LOST);
	assert_non_null(strstr(why.text, "without a close frame"));
	assert_int_equal(http_server_connections(http), 0);
}

/* ---- closing ---- */

static void a_close_frame_is_answered(void **state)
{
	static const struct {
		struct slice frame, answer;
		const char *text;
	} cases[] = {
		{ SLICE_LITERAL("\x88\x80\0\0\0\0"), SLICE_LITERAL("\x88\0"),
			"the client closed the WebSocket" },
		{ SLICE_LITERAL("\x88\x85\0\0\0\0\x03\xe8"
				"bye"),
			SLICE_LITERAL("\x88\x02\x03\xe8"),
			"the client closed the WebSocket, code 1000: bye" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_websocket();

		peer_send(&p, cases[i].frame.ptr, cases[i].frame.len);
		say_frame(&p, 0x81, "too late");
		AWAIT(ended == (int)i + 1);
		assert_int_equal(how, WS_SERVER_CLOSED);
		assert_string_equal(why.text, cases[i].text);
		AWAIT(peer_ended(&p));
		assert_got(&p, cases[i].answer);
		peer_close(&p);
	}
	assert_int_equal(messages, 0);
}

static void a_close_of_ours_follows_what_waits(void **state)
{
	struct peer p = connect_websocket();

	(void)state;
	assert_true(ws_server_send(ws, WS_OP_TEXT, slice_of("last")));
	ws_server_close(ws, 1001);
	assert_false(ws_server_send(ws, WS_OP_TEXT, slice_of("no more")));
	ws_server_close(ws, 1002); /* is closing already */
	assert_got(&p, GOT("\x81\x04last\x88\x02\x03\xe9"));
	say_frame(&p, 0x81, "not handed out");
	say_frame(&p, 0x89, "not answered");
	turn();
	assert_int_equal(ended, 0);
	say_frame(&p, 0x88, "\x03\xe9");
	AWAIT(ended == 1);
	assert_int_equal(how, WS_SERVER_CLOSED);
	AWAIT(peer_ended(&p));
	assert_got(&p, GOT("\x81\x04last\x88\x02\x03\xe9"));
	assert_int_equal(messages, 0);
	peer_close(&p);
}

/* Neither silence nor chatter keeps a closing connection open. */
static void a_client_that_does_not_answer_a_close_is_not_waited_for(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct peer p = connect_websocket();

		reaction = CLOSE;
		say_frame(&p, 0x81, "go");
		AWAIT(peer_has(&p, "\x88\x02\x03\xe9"));
		if (i == 0)
			peer_close(&p);
		while (ended == i) {
			if (i == 1)
				(void)peer_send_some(&p, "\x81\x80\0\0\0\0", 6);
			turn();
		}
		assert_int_equal(how, WS_SERVER_CLOSED);
		peer_close(&p);
	}
}

static void a_connection_may_be_freed_in_its_events(void **state)
{
	struct peer p = connect_websocket();
	struct buf much;

	(void)state;
	reaction = FREE;
	say_frame(&p, 0x81, "one");
	say_frame(&p, 0x81, "two");
	AWAIT(peer_ended(&p));
	assert_int_equal(messages, 1);
	peer_close(&p);
	p = connect_websocket();
	buf_init(&much, WS_SERVER_HIGH + 1);
	assert_true(buf_reserve(&much, much.max));
	memset(much.data, 'x', much.max);
	much.len = much.max;
	assert_true(ws_server_send(ws, WS_OP_BINARY, buf_slice(&much)));
	AWAIT(drained == 1);
	AWAIT(peer_ended(&p));
	assert_int_equal(ended, 0);
	buf_release(&much);
	peer_close(&p);
}

/* ---- clients that do not read ---- */

/* Sends until the socket takes no more and much waits. */
static void fill(void)
{
	static const char bytes[100000];
	int full = 0;

	while (full < 5) {
		if (ws_server_pending(ws) < 8 * sizeof(bytes)) {
			assert_true(ws_server_send(
				ws, WS_OP_BINARY, (struct slice){ bytes, sizeof(bytes) }));
			full = 0;
		} else {
			full++;
		}
		turn();
	}
}

static void a_client_that_does_not_read_is_cut_at_the_limit(void **state)
{
	struct peer p = connect_websocket();
	bool is_open = true;
	char bytes[10000] = { 0 };

	(void)state;
	for (int i = 0; i < 100000 && is_open; i++) {
		is_open = ws_server_send(ws, WS_OP_BINARY, (struct slice){ bytes, sizeof(bytes) });
		if (i % 100 == 0)
			turn();
	}
	assert_false(is_open);
	assert_true(ws_server_pending(ws) < options.out_max + 2 * sizeof(bytes));
	assert_int_equal(ended, 0); /* not inside the call */
	AWAIT(ended == 1);
	assert_int_equal(how, WS_SERVER_STUCK);
	peer_close(&p);
}

static void a_client_that_reads_nothing_for_too_long_is_cut(void **state)
{
	struct peer p;

	(void)state;
	options.stuck_us = 100000;
	p = connect_websocket();
	fill();
	AWAIT(ended == 1);
	assert_int_equal(how, WS_SERVER_STUCK);
	peer_close(&p);
}

static void one_that_reads_slowly_is_not_cut(void **state)
{
	struct peer p;
	size_t got = 0;
	char bytes[65536];

	(void)state;
	options.stuck_us = 500000;
	p = connect_websocket();
	fill();
	assert_true(ws_server_pending(ws) > WS_SERVER_HIGH);
	assert_int_equal(drained, 0);
	/* For longer than stuck_us in all. */
	for (int i = 0; i < 30; i++) {
		int64_t began = clock_mono_us();
		ssize_t n = recv(p.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		got += n > 0 ? (size_t)n : 0;
		while (clock_mono_us() - began < 30000)
			turn();
		assert_int_equal(ended, 0);
	}
	assert_true(got != 0);
	AWAIT((peer_read(&p), ws_server_pending(ws)) == 0);
	assert_int_equal(drained, 1);
	peer_close(&p);
}

static void pings_of_a_client_that_does_not_read_do_not_pile_up(void **state)
{
	struct peer p;
	size_t waits, pings = 0;
	char last[32];

	(void)state;
	options.stuck_us = 0;
	p = connect_websocket();
	fill();
	waits = ws_server_pending(ws);
	for (; pings < 20000; pings++) {
		(void)snprintf(last, sizeof(last), "ping %zu.", pings);
		say_frame(&p, 0x89, last);
	}
	say_frame(&p, 0x81, "the end");
	reaction = NOTHING;
	AWAIT(messages == 1);
	assert_int_equal(ws_server_pending(ws), waits);
	AWAIT(peer_has(&p, last)); /* the latest is answered */
	assert_int_equal(peer_count(&p, "ping "), 1);
	peer_close(&p);
}

static void pings_of_one_that_reads_are_all_answered(void **state)
{
	struct peer p = connect_websocket();

	(void)state;
	for (int i = 0; i < 2000; i++)
		say_frame(&p, 0x89, "ping");
	AWAIT(peer_count(&p, "\x8a\x04ping") == 2000);
	peer_close(&p);
}

/* A close frame finds its way through what waits, or is given up. */
static void closing_a_client_that_does_not_read_ends(void **state)
{
	struct peer p;

	(void)state;
	options.stuck_us = 0;
	p = connect_websocket();
	fill();
	ws_server_close(ws, 1001);
	AWAIT(ended == 1);
	assert_int_equal(how, WS_SERVER_STUCK);
	peer_close(&p);
	p = connect_websocket();
	fill();
	say_frame(&p, 0x88, "\x03\xe8");
	AWAIT(ended == 2);
	assert_int_equal(how, WS_SERVER_CLOSED);
	peer_close(&p);
	p = connect_websocket();
	fill();
	ws_server_close(ws, 1001);
	AWAIT(peer_has(&p, "\x88\x02\x03\xe9"));
	say_frame(&p, 0x88, "\x03\xe9");
	AWAIT(ended == 3);
	assert_int_equal(how, WS_SERVER_CLOSED);
	peer_close(&p);
}

static int set_up(void **state)
{
	static const struct http_server_options http_options = { .host = "127.0.0.1",
		.connections_max = 100,
		.body_max = 1000,
		.request_us = 60000000,
		.idle_us = 60000000 };
	struct err e;

	(void)state;
	options = (struct ws_server_options){
		.message_max = (size_t)2 << 20, .out_max = (size_t)4 << 20, .stuck_us = 60000000
	};
	reaction = ECHO;
	messages = 0;
	other_messages = 0;
	drained = 0;
	ended = 0;
	ws = NULL;
	buf_init(&payload, options.message_max);
	loop = loop_new();
	if (loop == NULL)
		return -1;
	return http_server_new(&http, loop, &http_options, take_request, NULL, &e) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free_connection();
	http_server_free(http);
	loop_free(loop);
	buf_release(&payload);
	return 0;
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(versions_13_and_8_are_accepted),
		WITH_SERVER(other_requests_are_answered_with_their_status),
		WITH_SERVER(frames_that_come_with_the_handshake_are_handed_out_after_it),
		WITH_SERVER(hixie_76_is_spoken_however_its_bytes_come),
		WITH_SERVER(hixie_76_with_a_body_is_answered),
		WITH_SERVER(what_is_sent_before_the_handshake_is_complete_follows_it),
		WITH_SERVER(a_client_may_leave_within_its_handshake),
		WITH_SERVER(messages_come_back),
		WITH_SERVER(what_is_sent_in_one_turn_is_written_at_once),
		WITH_SERVER(frames_are_sent_as_they_are),
		WITH_SERVER(a_paused_connection_is_not_read),
		WITH_SERVER(events_can_go_to_another_owner),
		WITH_SERVER(a_client_that_breaks_the_protocol_reads_why),
		WITH_SERVER(a_client_that_leaves_is_noticed),
		WITH_SERVER(a_close_frame_is_answered),
		WITH_SERVER(a_close_of_ours_follows_what_waits),
		WITH_SERVER(a_client_that_does_not_answer_a_close_is_not_waited_for),
		WITH_SERVER(a_connection_may_be_freed_in_its_events),
		WITH_SERVER(a_client_that_does_not_read_is_cut_at_the_limit),
		WITH_SERVER(a_client_that_reads_nothing_for_too_long_is_cut),
		WITH_SERVER(one_that_reads_slowly_is_not_cut),
		WITH_SERVER(pings_of_a_client_that_does_not_read_do_not_pile_up),
		WITH_SERVER(pings_of_one_that_reads_are_all_answered),
		WITH_SERVER(closing_a_client_that_does_not_read_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
