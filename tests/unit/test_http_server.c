/*
 * http_server: requests of odd and of hostile clients, held ones, taken ones, limits and times.
 */
#include "peer.h"

#include "net/http_server.h"

#define MS ((int64_t)1000)
#define LONG (60 * 1000 * MS)
#define MUCH ((size_t)12 << 20) /* more than the system's buffers hold */

static struct http_server *server;
static struct http_exchange *held;
static struct http_taken taken;
static int asked, gone;
static bool is_inside; /* of a reply by the test */

static const struct ws_header plain[] = { { SLICE_LITERAL("Content-Type"),
	SLICE_LITERAL("text/plain") } };

static void note_gone(void *arg)
{
	assert_ptr_equal(arg, &gone);
	gone++;
	held = NULL;
}

/* "GET /path?query body" */
static void echo(struct http_exchange *x)
{
	struct buf text;

	buf_init(&text, (size_t)64 << 20);
	assert_true(buf_append_slice(&text, http_exchange_method(x)) &&
		buf_append_char(&text, ' ') && buf_append_slice(&text, http_exchange_path(x)) &&
		buf_append_char(&text, '?') && buf_append_slice(&text, http_exchange_query(x)) &&
		buf_append_char(&text, ' ') && buf_append_slice(&text, http_exchange_body(x)) &&
		buf_append_char(&text, '.'));
	http_exchange_reply(x, 200, plain, 1, buf_slice(&text));
	buf_release(&text);
}

static void send_much(struct http_exchange *x)
{
	struct buf body;

	buf_init(&body, MUCH);
	assert_true(buf_reserve(&body, body.max));
	memset(body.data, 'x', body.max);
	body.len = body.max;
	http_exchange_reply(x, 200, plain, 1, buf_slice(&body));
	buf_release(&body);
}

static void take_request(void *arg, struct http_exchange *x)
{
	struct slice path = http_exchange_path(x);

	assert_ptr_equal(arg, &asked);
	assert_false(is_inside);
	asked++;
	if (slice_is(path, "/hold")) {
		assert_null(held);
		held = x;
		http_exchange_hold(x, note_gone, &gone);
	} else if (slice_is(path, "/take")) {
		http_exchange_take(x, &taken);
	} else if (slice_is(path, "/drop")) {
		http_exchange_drop(x);
	} else if (slice_is(path, "/none")) {
		http_exchange_reply(x, 204, plain, 1, (struct slice){ 0 });
	} else if (slice_is(path, "/much")) {
		send_much(x);
	} else if (slice_is(path, "/free")) {
		http_server_free(server);
		server = NULL;
	} else {
		echo(x);
	}
}

/* Starts a server with other limits than set_up's. */
static void start(const struct http_server_options *options)
{
	struct err e;

	http_server_free(server);
	server = NULL;
	if (!http_server_new(&server, loop, options, take_request, &asked, &e))
		fail_msg("%s", e.text);
	assert_true(http_server_port(server) != 0);
}

static struct http_server_options usual(void)
{
	return (struct http_server_options){ .host = "127.0.0.1",
		.connections_max = 100,
		.body_max = 1000,
		.request_us = LONG,
		.idle_us = LONG };
}

static struct peer connect_peer(void)
{
	return peer_connect(http_server_port(server));
}

/* ---- requests ---- */

static void an_answer_is_whole(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
	AWAIT(peer_has(&p, "GET /a?b=c ."));
	assert_memory_equal(p.got.data, "HTTP/1.1 200 OK\r\n", 17);
	assert_true(peer_has(&p, "\r\nContent-Type: text/plain\r\n"));
	assert_true(peer_has(&p, "\r\nContent-Length: 12\r\n"));
	assert_true(peer_has(&p, "\r\nDate: ") && peer_has(&p, " GMT\r\n"));
	assert_false(peer_has(&p, "Connection:") || peer_has(&p, "chunked"));
	peer_say(&p, "HEAD /a HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\nGET /end HTTP/1.1\r\n\r\n");
	AWAIT(peer_has(&p, "GET /end? ."));
	assert_true(peer_has(&p, "Content-Length: 10\r\n\r\nHTTP/1.1 204 No Content\r\n"));
	assert_int_equal(peer_count(&p, "Content-Length"), 3);
	peer_close(&p);
}

static void requests_come_in_any_pieces(void **state)
{
	static const char text[] = "\r\n\nPOST http://h/a HTTP/1.1\nContent-Length: 3\n\nabc"
				   "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "2;x\r\nab\r\n1\r\nc\r\n0\r\nA: b\r\n\r\n"
				   "PUT /c HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
				   "OPTIONS * HTTP/1.1\r\n\r\nDELETE /d HTTP/1.1\r\n\r\n";
	static const size_t steps[] = { 1, 2, 7, sizeof(text) - 1 };

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct peer p = connect_peer();

		for (size_t at = 0; at < sizeof(text) - 1; at += steps[i]) {
			size_t left = sizeof(text) - 1 - at;

			peer_send(&p, text + at, left < steps[i] ? left : steps[i]);
			if (i < 2 && at % 16 == 0)
				turn();
		}
		AWAIT(peer_has(&p, "DELETE /d? ."));
		assert_true(peer_has(&p, "POST /a? abc.") && peer_has(&p, "POST /b? abc."));
		assert_true(peer_has(&p, "PUT /c? .") && peer_has(&p, "OPTIONS *? ."));
		assert_int_equal(peer_count(&p, "HTTP/1.1 200 OK"), 5);
		peer_close(&p);
	}
}

static void many_pipelined_requests_are_answered_in_order(void **state)
{
	struct peer p = connect_peer();
	struct buf text, want;
	struct slice rest;

	(void)state;
	buf_init(&text, 1000000);
	for (int i = 0; i < 5000; i++)
		assert_true(buf_printf(&text, "GET /%d HTTP/1.1\r\n\r\n", i));
	peer_send(&p, text.data, text.len);
	AWAIT(peer_has(&p, "GET /4999? ."));
	assert_int_equal(asked, 5000);
	rest = buf_slice(&p.got);
	buf_init(&want, 100);
	for (int i = 0; i < 5000; i++) {
		const char *at;

		want.len = 0;
		assert_true(buf_printf(&want, "GET /%d? .", i));
		at = memmem(rest.ptr, rest.len, want.data, want.len);
		assert_non_null(at);
		rest.len -= (size_t)(at - rest.ptr);
		rest.ptr = at;
	}
	buf_release(&want);
	buf_release(&text);
	peer_close(&p);
}

static void a_body_that_waits_to_be_asked_for_is_asked_for(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, "POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	AWAIT(peer_has(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
	assert_int_equal(asked, 0);
	peer_say(&p, "abc");
	AWAIT(peer_has(&p, "POST /? abc."));
	peer_say(&p, "POST / HTTP/1.1\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n");
	AWAIT(peer_ended(&p));
	assert_int_equal(peer_count(&p, "100 Continue"), 1);
	assert_int_equal(peer_count(&p, "413 Content Too Large"), 1);
	peer_close(&p);
}

static void connections_are_kept_or_closed_as_the_client_wants(void **state)
{
	static const struct {
		const char *request, *says; /* NULL: nothing about it */
		bool is_kept;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", NULL, true },
		{ "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "Connection: close\r\n", false },
		{ "GET / HTTP/1.0\r\n\r\n", "Connection: close\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: keep-alive\r\n",
			true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_peer();

		peer_say(&p, cases[i].request);
		AWAIT(peer_has(&p, "GET /? ."));
		assert_int_equal(
			peer_has(&p, cases[i].says != NULL ? cases[i].says : "Connection:"),
			cases[i].says != NULL);
		if (cases[i].is_kept) {
			peer_say(&p, "GET /again HTTP/1.1\r\n\r\n");
			AWAIT(peer_has(&p, "GET /again? ."));
		} else {
			AWAIT(peer_ended(&p));
		}
		peer_close(&p);
	}
	AWAIT(http_server_connections(server) == 0);
}

/* A client that has said all that it will, as `nc` does, gets its answer. */
static void a_client_may_end_its_side_after_the_request(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, "GET /much HTTP/1.0\r\n\r\n");
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	AWAIT(peer_ended(&p));
	assert_true(p.got.len > MUCH);
	assert_int_equal(p.got.data[p.got.len - 1], 'x');
	peer_close(&p);
}

/* ---- refusals ---- */

static void what_cannot_be_served_is_refused_and_the_connection_closed(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
		{ "rubbish\r\n\r\n", "400 Bad Request" },
		{ "\x16\x03\x01\x02\n\n", "400 Bad Request" },
		{ "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 Bad Request" },
		{ "BREW / HTTP/1.1\r\n\r\n", "501 Not Implemented" },
		{ "GET / HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported" },
		{ "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", "413 Content Too Large" },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
			"413 Content Too Large" },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
			"400 Bad Request" },
		{ "HEAD / HTTP/1.1\r\nExpect: more\r\n\r\n", "417 Expectation Failed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_peer();

		peer_say(&p, cases[i].request);
		peer_say(&p, "GET /smuggled HTTP/1.1\r\n\r\n");
		AWAIT(peer_ended(&p));
		assert_memory_equal(p.got.data + 9, cases[i].status, strlen(cases[i].status));
		assert_true(peer_has(&p, "Connection: close\r\n"));
		peer_close(&p);
	}
	assert_int_equal(asked, 0);
	AWAIT(http_server_connections(server) == 0);
}

static void a_head_may_be_32_kib_and_no_larger(void **state)
{
	static const struct {
		const char *start, *end;
		size_t size;
		const char *answer;
	} cases[] = {
		{ "GET /?", " HTTP/1.1\r\n\r\n", 9500, "GET /?xxx" },
		{ "GET /?", " HTTP/1.1\r\n\r\n", HTTP_SERVER_HEAD_MAX, "GET /?xxx" },
		{ "GET /?", " HTTP/1.1\r\n\r\n", HTTP_SERVER_HEAD_MAX + 1,
			"431 Request Header Fields Too Large" },
		{ "GET / HTTP/1.1\r\nA: ", "\r\n\r\n", HTTP_SERVER_HEAD_MAX, "GET /? ." },
		{ "GET / HTTP/1.1\r\nA: ", "", HTTP_SERVER_HEAD_MAX + 1,
			"431 Request Header Fields Too Large" },
		{ "GET /", "", HTTP_SERVER_HEAD_MAX + 1, "414 URI Too Long" },
		{ "", "", (size_t)1 << 20, "414 URI Too Long" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_peer();
		struct buf text;

		buf_init(&text, cases[i].size);
		assert_true(buf_append_str(&text, cases[i].start));
		while (text.len + strlen(cases[i].end) < cases[i].size)
			assert_true(buf_append_char(&text, 'x'));
		assert_true(buf_append_str(&text, cases[i].end));
		peer_send(&p, text.data, text.len);
		AWAIT(peer_has(&p, cases[i].answer));
		buf_release(&text);
		peer_close(&p);
	}
}

/* The answer must arrive although the client goes on sending: a socket that is closed with unread
 * bytes would take the answer along. */
static void a_client_that_sends_too_much_reads_why(void **state)
{
	struct peer p = connect_peer();
	char *bytes = calloc(1, 1000000);
	size_t sent = 0;

	(void)state;
	assert_non_null(bytes);
	peer_say(&p, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
	while (sent < 1000000) {
		sent += peer_send_some(&p, bytes + sent, 1000000 - sent);
		turn();
	}
	AWAIT(peer_has(&p, "413 Content Too Large"));
	AWAIT(peer_ended(&p));
	free(bytes);
	peer_close(&p);
	AWAIT(http_server_connections(server) == 0);
}

/* ---- times ---- */

static void a_request_that_comes_too_slowly_is_cut(void **state)
{
	static const struct {
		const char *start, *answer;
	} cases[] = { { "GET / HT", "408 Request Timeout" },
		{ "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", "408 Request Timeout" },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
			"408 Request Timeout" },
		{ "", NULL }, { "\r\n", NULL } };
	struct http_server_options options = usual();

	(void)state;
	options.request_us = 100 * MS;
	start(&options);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer p = connect_peer();

		peer_say(&p, cases[i].start);
		/* A byte now and then keeps nothing alive. */
		while (!peer_ended(&p)) {
			if (cases[i].answer != NULL)
				(void)peer_send_some(&p, "1", 1);
			turn();
		}
		if (cases[i].answer != NULL)
			assert_true(peer_has(&p, cases[i].answer));
		else
			assert_int_equal(p.got.len, 0);
		peer_close(&p);
	}
	AWAIT(http_server_connections(server) == 0);
	assert_int_equal(asked, 0);
}

static void an_idle_connection_is_closed(void **state)
{
	struct http_server_options options = usual();
	struct peer p;

	(void)state;
	options.idle_us = 50 * MS;
	start(&options);
	p = connect_peer();
	peer_say(&p, "GET / HTTP/1.1\r\n\r\n");
	AWAIT(peer_ended(&p));
	assert_int_equal(peer_count(&p, "HTTP/1.1"), 1);
	peer_close(&p);
}

static void a_client_that_does_not_read_is_cut(void **state)
{
	struct http_server_options options = usual();
	struct peer p;

	(void)state;
	options.idle_us = 50 * MS;
	start(&options);
	p = connect_peer();
	peer_say(&p, "GET /much HTTP/1.1\r\n\r\nGET /never HTTP/1.1\r\n\r\n");
	AWAIT(asked == 1);
	AWAIT(http_server_connections(server) == 0);
	assert_int_equal(asked, 1);
	peer_close(&p);
}

static void one_that_reads_slowly_is_not_cut(void **state)
{
	struct http_server_options options = usual();
	char bytes[65536];
	struct peer p;

	(void)state;
	options.idle_us = 500 * MS;
	start(&options);
	p = connect_peer();
	peer_say(&p, "GET /much HTTP/1.1\r\n\r\n");
	AWAIT(asked == 1);
	/* For longer than idle_us in all. */
	for (int i = 0; i < 30; i++) {
		int64_t began = clock_mono_us();

		(void)!recv(p.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		while (clock_mono_us() - began < 30 * MS)
			turn();
		assert_int_equal(http_server_connections(server), 1);
	}
	AWAIT(http_server_connections(server) == 0);
	peer_close(&p);
}

/* ---- held ---- */

static void a_held_request_is_answered_later(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, "GET /hold HTTP/1.1\r\nA: b\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
	AWAIT(held != NULL);
	turn();
	assert_int_equal(asked, 1);
	assert_slice(http_exchange_path(held), "/hold");
	is_inside = true;
	http_exchange_reply(held, 200, plain, 1, slice_of("now"));
	is_inside = false;
	AWAIT(peer_has(&p, "GET /next? ."));
	assert_true(peer_has(&p, "nowHTTP/1.1"));
	assert_int_equal(gone, 0);
	peer_close(&p);
	turn();
	assert_int_equal(gone, 0);
}

static void a_client_that_leaves_a_held_request_is_noticed(void **state)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct peer p = connect_peer();

		peer_say(&p,
			i < 2 ? "GET /hold HTTP/1.1\r\n\r\n"
			      : "GET /hold HTTP/1.1\r\n\r\nmore bytes\r\n");
		AWAIT(held != NULL);
		peer_say(&p, "G");
		if (i % 2 == 0)
			assert_int_equal(
				setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		peer_close(&p);
		AWAIT(gone == i + 1);
		assert_null(held);
		AWAIT(http_server_connections(server) == 0);
	}
	assert_int_equal(asked, 4);
}

/* Before the loop has come round to notice it. */
static void whether_a_client_is_still_there_can_be_asked(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct peer p = connect_peer();

		peer_say(&p, "GET /hold HTTP/1.1\r\n\r\n");
		AWAIT(held != NULL);
		assert_true(http_exchange_is_live(held));
		if (i == 1)
			assert_int_equal(peer_send_some(&p, "bytes", 5), 5);
		assert_true(http_exchange_is_live(held));
		assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
		assert_false(http_exchange_is_live(held));
		AWAIT(gone == i + 1);
		peer_close(&p);
	}
}

/* How a client takes an answer that it waits for. */
enum taking { READS, READS_AND_LEAVES, READS_AND_ASKS, LEAVES_UNREAD };

/* Has a held request answered; true if the answer is said to have arrived. `turns`: the server has had time to
 * notice what the client did. */
static bool answer_arrives(enum taking taking, bool turns)
{
	struct http_receipt receipt;
	struct peer p = peer_connect(http_server_port(server));
	bool arrived;

	peer_say(&p, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	AWAIT(held != NULL);
	http_exchange_watch(held, &receipt);
	http_exchange_reply(held, 200, plain, 1, slice_of("now"));
	held = NULL;
	if (taking != LEAVES_UNREAD)
		AWAIT(peer_has(&p, "now"));
	if (taking == READS_AND_ASKS)
		peer_say(&p, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
	else if (taking != READS)
		peer_close(&p);
	if (turns)
		AWAIT(taking == READS || receipt.conn == NULL);
	arrived = http_receipt_end(&receipt);
	assert_null(receipt.conn);
	peer_close(&p);
	AWAIT(http_server_connections(server) == 0);
	return arrived;
}

static void whether_an_answer_has_arrived_can_be_asked(void **state)
{
	(void)state;
	for (int turns = 0; turns <= 1; turns++) {
		assert_true(answer_arrives(READS, turns == 1));
		assert_true(answer_arrives(READS_AND_LEAVES, turns == 1));
		assert_true(answer_arrives(READS_AND_ASKS, turns == 1));
		assert_false(answer_arrives(LEAVES_UNREAD, turns == 1));
	}
}

/* What is sent behind a held request is kept, up to a limit, and nothing more is read. */
static void bytes_behind_a_held_request_do_not_pile_up(void **state)
{
	struct peer p = connect_peer();
	size_t total = 0, quiet = 0;
	char bytes[65536];

	(void)state;
	memset(bytes, '\n', sizeof(bytes));
	peer_say(&p, "GET /hold HTTP/1.1\r\n\r\n");
	AWAIT(held != NULL);
	while (quiet < 20) {
		size_t n = peer_send_some(&p, bytes, sizeof(bytes));

		quiet = n == 0 ? quiet + 1 : 0;
		total += n;
		turn();
	}
	assert_true(total < (size_t)32 << 20); /* the rest is in the system's buffers */
	http_exchange_reply(held, 200, plain, 1, slice_of("now"));
	AWAIT(peer_has(&p, "now"));
	peer_say(&p, "GET /after HTTP/1.1\r\n\r\n");
	AWAIT(peer_has(&p, "GET /after? ."));
	peer_close(&p);
}

/* ---- taken, dropped, freed ---- */

static void a_taken_connection_is_the_takers(void **state)
{
	struct peer p = connect_peer();
	char bytes[100];

	(void)state;
	peer_say(&p, "GET /take HTTP/1.1\r\n\r\nearly");
	AWAIT(taken.server != NULL);
	assert_ptr_equal(taken.server, server);
	assert_slice(buf_slice(&taken.early), "early");
	buf_release(&taken.early);
	assert_int_equal(http_server_connections(server), 1);
	assert_int_equal(send(taken.fd, "hello", 5, 0), 5);
	AWAIT(peer_has(&p, "hello"));
	peer_say(&p, "late");
	turn();
	assert_int_equal(recv(taken.fd, bytes, sizeof(bytes), MSG_DONTWAIT), 4);
	assert_int_equal(send(taken.fd, "last", 4, 0), 4);
	peer_say(&p, "never read");
	http_server_give_back(server, taken.fd, false);
	AWAIT(peer_ended(&p));
	assert_true(peer_has(&p, "hellolast"));
	peer_close(&p);
	AWAIT(http_server_connections(server) == 0);
}

static void a_dropped_connection_ends_without_an_answer(void **state)
{
	struct peer p = connect_peer();

	(void)state;
	peer_say(&p, "GET /drop HTTP/1.1\r\n\r\n");
	AWAIT(peer_ended(&p));
	assert_int_equal(p.got.len, 0);
	peer_close(&p);
	assert_int_equal(http_server_connections(server), 0);
}

static void a_server_may_be_freed_inside_a_request(void **state)
{
	struct peer p = connect_peer(), q = connect_peer();

	(void)state;
	peer_say(&q, "GET /hold HTTP/1.1\r\n\r\n");
	AWAIT(held != NULL);
	peer_say(&p, "GET /free HTTP/1.1\r\n\r\nGET /more HTTP/1.1\r\n\r\n");
	AWAIT(peer_ended(&p) && peer_ended(&q));
	assert_int_equal(asked, 2);
	assert_int_equal(gone, 0);
	peer_close(&p);
	peer_close(&q);
}

/* ---- connections ---- */

static void connections_above_the_limit_are_closed(void **state)
{
	struct http_server_options options = usual();
	struct peer a, b, c;

	(void)state;
	options.connections_max = 2;
	start(&options);
	a = connect_peer();
	peer_say(&a, "GET /take HTTP/1.1\r\n\r\n");
	AWAIT(taken.server != NULL);
	b = connect_peer();
	peer_say(&b, "GET / HT");
	AWAIT(http_server_connections(server) == 2);
	c = connect_peer();
	AWAIT(peer_ended(&c));
	peer_close(&c);
	http_server_give_back(server, taken.fd, true); /* a taken one counts no more */
	AWAIT(peer_ended(&a));
	c = connect_peer();
	peer_say(&c, "GET /c HTTP/1.1\r\n\r\n");
	AWAIT(peer_has(&c, "GET /c? ."));
	peer_close(&a);
	peer_close(&b);
	peer_close(&c);
}

static void an_address_that_cannot_be_had_is_named(void **state)
{
	struct http_server_options options = usual();
	struct http_server *other = NULL;
	struct err e;

	(void)state;
	options.port = http_server_port(server);
	assert_false(http_server_new(&other, loop, &options, take_request, NULL, &e));
	assert_non_null(strstr(e.text, "cannot listen on '127.0.0.1'"));
	assert_non_null(strstr(e.text, "in use"));
	options.host = "no such host";
	assert_false(http_server_new(&other, loop, &options, take_request, NULL, &e));
	assert_non_null(strstr(e.text, "cannot listen on 'no such host'"));
	assert_null(other);
}

static void all_addresses_are_listened_on(void **state)
{
	struct http_server_options options = usual();
	struct peer p;

	(void)state;
	options.host = "";
	start(&options);
	p = connect_peer(); /* over IPv4 */
	peer_say(&p, "GET /any HTTP/1.1\r\n\r\n");
	AWAIT(peer_has(&p, "GET /any? ."));
	peer_close(&p);
}

static int set_up(void **state)
{
	struct http_server_options options = usual();

	(void)state;
	held = NULL;
	asked = 0;
	gone = 0;
	taken = (struct http_taken){ 0 };
	loop = loop_new();
	if (loop == NULL)
		return -1;
	start(&options);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_free(server);
	server = NULL;
	loop_free(loop);
	return 0;
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(an_answer_is_whole),
		WITH_SERVER(requests_come_in_any_pieces),
		WITH_SERVER(many_pipelined_requests_are_answered_in_order),
		WITH_SERVER(a_body_that_waits_to_be_asked_for_is_asked_for),
		WITH_SERVER(connections_are_kept_or_closed_as_the_client_wants),
		WITH_SERVER(a_client_may_end_its_side_after_the_request),
		WITH_SERVER(what_cannot_be_served_is_refused_and_the_connection_closed),
		WITH_SERVER(a_head_may_be_32_kib_and_no_larger),
		WITH_SERVER(a_client_that_sends_too_much_reads_why),
		WITH_SERVER(a_request_that_comes_too_slowly_is_cut),
		WITH_SERVER(an_idle_connection_is_closed),
		WITH_SERVER(a_client_that_does_not_read_is_cut),
		WITH_SERVER(one_that_reads_slowly_is_not_cut),
		WITH_SERVER(a_held_request_is_answered_later),
		WITH_SERVER(a_client_that_leaves_a_held_request_is_noticed),
		WITH_SERVER(whether_a_client_is_still_there_can_be_asked),
		WITH_SERVER(whether_an_answer_has_arrived_can_be_asked),
		WITH_SERVER(bytes_behind_a_held_request_do_not_pile_up),
		WITH_SERVER(a_taken_connection_is_the_takers),
		WITH_SERVER(a_dropped_connection_ends_without_an_answer),
		WITH_SERVER(a_server_may_be_freed_inside_a_request),
		WITH_SERVER(connections_above_the_limit_are_closed),
		WITH_SERVER(an_address_that_cannot_be_had_is_named),
		WITH_SERVER(all_addresses_are_listened_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
