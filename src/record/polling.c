#include "record/polling.h"

#include "proto/detect.h"

#include <stdio.h>
#include <stdlib.h>

/* A POST carries so much at the most: below what any version takes by default (1,000,000 bytes), and
 * small enough to be answered soon. */
#define POST_MAX ((size_t)128 << 10)
#define POST_TIMEOUT_MS 30000
#define OUT_KEEP ((size_t)64 << 10)
/* Messages that are handed out in one turn of the loop: an answer may hold millions. */
#define MESSAGES_A_TURN 4096

struct polling {
	struct loop_reap reap;
	const struct access *access;
	const struct generation *generation;
	const struct polling_events *events;
	void *arg;
	char sid[EIO_SID_MAX + 1];
	int64_t timeout_ms;
	size_t body_max;
	uint64_t nonce;
	struct timer *kick; /* starts what is due, never inside a caller's call */
	struct http_call *get;
	struct http_call *post;
	struct buf pending; /* of the handshake's answer */
	struct http_call
		*held; /* owns the answer that is being read; NULL: `pending` does, or none is */
	struct payload_reader reader;
	struct slice body; /* that is being read */
	bool is_reading;
	struct buf out; /* messages, each behind its length as a size_t */
	bool is_double; /* text may be encoded twice */
	bool is_paused;
	bool is_draining;
	bool is_over; /* ended or freed: nothing is reported any more */
};

static void go_on(struct polling *p);

static void destroy(struct loop_reap *reap)
{
	struct polling *p = (struct polling *)(void *)((char *)reap -
		offsetof(struct polling, reap));

	if (p->is_reading)
		payload_reader_release(&p->reader);
	buf_release(&p->pending);
	buf_release(&p->out);
	free(p);
}

/* Lets go of everything that could fire. */
static void silence(struct polling *p)
{
	p->is_over = true;
	timer_free(p->kick);
	p->kick = NULL;
	http_call_free(p->get);
	http_call_free(p->post);
	http_call_free(p->held); /* its bytes live to the end of the loop's turn */
	p->get = NULL;
	p->post = NULL;
	p->held = NULL;
}

void polling_free(struct polling *p)
{
	if (p == NULL)
		return;
	silence(p);
	loop_reap_later(p->access->loop, &p->reap, destroy);
}

static void end(struct polling *p, enum session_end why, const char *detail)
{
	if (p->is_over)
		return;
	silence(p);
	p->events->ended(p->arg, why, detail);
}

/* The server answers a request of a session that was accepted with something else than 200. */
static void end_refused(struct polling *p, const char *what, const struct http_answer *answer)
{
	char said[160];
	char detail[ERR_TEXT_MAX];
	enum detect_kind kind = detect_answer(answer->status, answer->body, said, sizeof(said));

	(void)snprintf(detail, sizeof(detail), "the server answered a %s with HTTP %d%s%s", what,
		answer->status, said[0] != '\0' ? ": " : "", said);
	if (kind == DETECT_SID)
		end(p, SESSION_UNKNOWN_SID, detail);
	else if (kind == DETECT_DENIED && p->access->token != NULL)
		end(p, SESSION_TOKEN, detail);
	else
		end(p, SESSION_REFUSED, detail);
}

static void end_lost(struct polling *p, const char *what, const struct err *e)
{
	char detail[ERR_TEXT_MAX];

	(void)snprintf(detail, sizeof(detail), "a %s got no answer: %.400s", what, e->text);
	end(p, e->code == ERR_NOMEM ? SESSION_OVERLOAD : SESSION_NETWORK, detail);
}

/* The answer is read to its end, or of no use any more. */
static void let_go(struct polling *p)
{
	payload_reader_release(&p->reader);
	p->is_reading = false;
	http_call_free(p->held);
	p->held = NULL;
	buf_reset(&p->pending, 0);
}

/* Hands out messages of the answer that is being read, as long as reading is not paused. */
static void read_on(struct polling *p)
{
	enum payload_result result = PAYLOAD_MESSAGE;
	bool is_binary = false;
	struct slice message;
	struct err e;

	for (int i = 0; i < MESSAGES_A_TURN && result == PAYLOAD_MESSAGE; i++) {
		if (p->is_over || p->is_paused)
			return;
		result = payload_reader_next(&p->reader, &is_binary, &message, &e);
		if (result == PAYLOAD_MESSAGE)
			p->events->message(p->arg, is_binary, message);
	}
	if (p->is_over)
		return;
	if (result == PAYLOAD_MESSAGE) {
		timer_start(p->kick, 0);
		return;
	}
	if (result == PAYLOAD_BAD) {
		p->events->bad(p->arg, e.text, p->body);
		end(p, SESSION_PROTOCOL, e.text);
		return;
	}
	let_go(p);
	go_on(p);
}

static void begin_reading(struct polling *p, struct slice body)
{
	p->body = body;
	p->is_reading = true;
	payload_reader_init(&p->reader, p->generation, body);
	p->reader.is_double = p->is_double;
}

static void stirred(void *arg)
{
	struct polling *p = arg;

	if (!p->is_over)
		p->events->stirred(p->arg);
}

static void got(void *arg, const struct http_answer *answer)
{
	struct polling *p = arg;
	struct http_call *call = p->get;

	p->get = NULL;
	if (answer->status != 200) {
		if (answer->status == 0)
			end_lost(p, "poll", &answer->e);
		else
			end_refused(p, "poll", answer);
		http_call_free(call); /* last: the answer's bytes are its */
		return;
	}
	p->held = call;
	begin_reading(p, answer->body);
	p->events->arrived(p->arg);
	read_on(p);
}

static void posted(void *arg, const struct http_answer *answer)
{
	struct polling *p = arg;
	struct http_call *call = p->post;

	p->post = NULL;
	if (answer->status == 0) {
		end_lost(p, "POST", &answer->e);
	} else if (answer->status != 200) {
		end_refused(p, "POST", answer);
	} else {
		p->events->arrived(p->arg);
		if (!p->is_over)
			go_on(p);
	}
	http_call_free(call);
}

/* The next message of the queue, which stays there. */
static bool peek(const struct polling *p, size_t at, struct slice *message)
{
	size_t len;

	if (at >= p->out.len)
		return false;
	memcpy(&len, p->out.data + at, sizeof(len));
	*message = (struct slice){ p->out.data + at + sizeof(len), len };
	return true;
}

/* Fills a POST with as many messages as it may hold, at least one, and takes them off the queue. */
static bool fill_post(struct polling *p, struct buf *body)
{
	struct slice message;
	size_t at = 0;

	while (peek(p, at, &message) && (at == 0 || body->len + message.len + 64 <= p->body_max)) {
		if (!p->generation->payload_append(body, false, message))
			return false;
		at += sizeof(size_t) + message.len;
	}
	buf_consume(&p->out, at);
	if (p->out.len == 0)
		buf_reset(&p->out, OUT_KEEP);
	return true;
}

static bool start_post(struct polling *p, struct err *e)
{
	struct buf body;
	struct handshake_http request = {
		.target = { .generation = p->generation, .sid = p->sid, .nonce = ++p->nonce },
		.method = HTTP_POST,
		.content_type = p->generation->post_type,
		.timeout_ms = POST_TIMEOUT_MS,
	};
	bool ok;

	buf_init(&body, POLLING_OUT_MAX * 2);
	ok = fill_post(p, &body);
	request.body = buf_slice(&body);
	ok = ok ? handshake_send(&p->post, p->access, &request, posted, p, e)
		: err_set(e, ERR_NOMEM, "out of memory");
	buf_release(&body);
	return ok;
}

static bool start_get(struct polling *p, struct err *e)
{
	struct handshake_http request = {
		.target = { .generation = p->generation, .sid = p->sid, .nonce = ++p->nonce },
		.method = HTTP_GET,
		.timeout_ms = p->timeout_ms,
		.arrived = stirred,
	};

	return handshake_send(&p->get, p->access, &request, got, p, e);
}

/* Starts what is due. */
static void go_on(struct polling *p)
{
	struct err e;

	if (p->is_draining) {
		if (p->get == NULL && p->post == NULL && !p->is_reading)
			p->events->drained(p->arg);
		return;
	}
	if ((p->post == NULL && p->out.len != 0 && !start_post(p, &e)) ||
		(p->get == NULL && !p->is_reading && !p->is_paused && !start_get(p, &e)))
		end_lost(p, "request", &e);
}

static void kicked(void *arg)
{
	struct polling *p = arg;

	bool was_reading = p->is_reading;

	if (was_reading)
		read_on(p); /* goes on by itself when it is through */
	/* What waits to be sent does not wait for what is being read. */
	if (!p->is_over && (!was_reading || p->is_reading))
		go_on(p);
}

/* Whoever has b64 in the configured query asks for the text framing, which Socket.IO 1 encodes twice. We do
 * not ask for it, and get text that is encoded once from every version. */
static bool asks_for_b64(const struct config_feed *feed)
{
	for (size_t i = 0; i < feed->n_query; i++)
		if (strcmp(feed->query[i].name, "b64") == 0)
			return true;
	return false;
}

bool polling_new(struct polling **out, const struct polling_options *o,
	const struct polling_events *events, void *arg, struct err *e)
{
	struct polling *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	p->access = o->access;
	p->generation = o->generation;
	p->events = events;
	p->arg = arg;
	p->timeout_ms = o->timeout_ms;
	p->body_max = o->body_max != 0 && o->body_max < POST_MAX ? o->body_max : POST_MAX;
	p->nonce = 1;
	p->is_double = asks_for_b64(o->access->feed);
	(void)snprintf(p->sid, sizeof(p->sid), "%s", o->sid);
	buf_init(&p->pending, SIZE_MAX / 2);
	buf_init(&p->out, POLLING_OUT_MAX);
	p->kick = timer_new(p->access->loop, kicked, p);
	if (p->kick == NULL || !buf_append_slice(&p->pending, o->pending)) {
		polling_free(p);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	if (p->pending.len != 0)
		begin_reading(p, buf_slice(&p->pending));
	timer_start(p->kick, 0);
	*out = p;
	return true;
}

bool polling_send(struct polling *p, struct slice message)
{
	size_t before = p->out.len;

	if (p->is_over)
		return false;
	if (!buf_append(&p->out, &message.len, sizeof(message.len)) ||
		!buf_append_slice(&p->out, message)) {
		p->out.len = before;
		return false;
	}
	if (p->post == NULL)
		timer_start(p->kick, 0); /* what this turn of the loop says goes in one request */
	return true;
}

size_t polling_pending(const struct polling *p)
{
	return p->out.len;
}

void polling_pause(struct polling *p, bool pause)
{
	p->is_paused = pause;
	if (!pause && !p->is_over)
		timer_start(p->kick, 0);
}

void polling_drain(struct polling *p, bool drain)
{
	p->is_draining = drain;
	if (!p->is_over)
		timer_start(p->kick, 0);
}

bool polling_is_idle(const struct polling *p)
{
	return p->out.len == 0 && p->post == NULL;
}

bool polling_take(struct polling *p, bool (*send)(void *arg, struct slice message), void *arg)
{
	struct slice message;
	size_t at = 0;

	while (peek(p, at, &message)) {
		if (!send(arg, message))
			return false;
		at += sizeof(size_t) + message.len;
	}
	buf_reset(&p->out, 0);
	return true;
}
