#include "server.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

/* An answer that comes later: a fault. */
struct server_answer {
	LIST_ENTRY(server_answer) link;
	struct server *server;
	struct http_exchange *x;
	struct timer *timer;
	int status;
};

#define ORIGIN \
	{ \
		SLICE_LITERAL("Access-Control-Allow-Origin"), SLICE_LITERAL("*") \
	}
#define NO_STORE \
	{ \
		SLICE_LITERAL("Cache-Control"), SLICE_LITERAL("no-store") \
	}

/* Web pages of other origins may ask, as the feed's do; the key they must have. */
static void reply(struct http_exchange *x, int status, struct slice body)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		NO_STORE,
		ORIGIN,
		{ SLICE_LITERAL("WWW-Authenticate"),
			SLICE_LITERAL("Basic realm=\"tapedeck-replay\"") },
	};

	http_exchange_reply(x, status, headers, status == 401 ? 4 : 3, body);
}

static void reply_text(struct http_exchange *x, int status, const char *text)
{
	char body[256];
	int len = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", text);

	reply(x, status, (struct slice){ body, (size_t)len });
}

static void reply_options(struct http_exchange *x)
{
	static const struct ws_header headers[] = {
		ORIGIN,
		{ SLICE_LITERAL("Access-Control-Allow-Methods"), SLICE_LITERAL("POST") },
		{ SLICE_LITERAL("Access-Control-Allow-Headers"),
			SLICE_LITERAL("Authorization, Content-Type") },
		{ SLICE_LITERAL("Access-Control-Max-Age"), SLICE_LITERAL("600") },
	};

	http_exchange_reply(x, 204, headers, 4, (struct slice){ "", 0 });
}

static void reply_method(struct http_exchange *x)
{
	static const char body[] = "{\"error\":\"POST asks for a token\"}\n";
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		{ SLICE_LITERAL("Allow"), SLICE_LITERAL("POST, OPTIONS") },
		ORIGIN,
	};

	http_exchange_reply(x, 405, headers, 3, (struct slice){ body, sizeof(body) - 1 });
}

/* Issues a token. */
static void reply_token(struct server *s, struct http_exchange *x)
{
	struct buf token, body;
	struct err e;
	bool ok;

	buf_init(&token, JWT_TOKEN_MAX);
	buf_init(&body, 2 * JWT_TOKEN_MAX);
	ok = jwt_issue_token(s->issue, clock_wall_us() / 1000000, &token, &e) &&
		buf_append_str(&body, "{\"token\":") &&
		json_string_encode(buf_slice(&token), &body) && buf_append_str(&body, "}\n");
	if (ok)
		reply(x, 200, buf_slice(&body));
	else
		reply_text(x, 503, "no token can be made now");
	if (token.data != NULL)
		explicit_bzero(token.data, token.cap);
	if (body.data != NULL)
		explicit_bzero(body.data, body.cap);
	buf_release(&token);
	buf_release(&body);
}

static void reply_now(struct server *s, struct http_exchange *x, int status)
{
	if (status != 0)
		reply_text(x, status, "refused on purpose");
	else
		reply_token(s, x);
}

/* ---- later ---- */

static void answer_free(struct server_answer *a)
{
	LIST_REMOVE(a, link);
	timer_free(a->timer);
	free(a);
}

static void answer_due(void *arg)
{
	struct server_answer *a = arg;

	reply_now(a->server, a->x, a->status);
	answer_free(a);
}

static void asker_gone(void *arg)
{
	answer_free(arg);
}

static void reply_later(struct server *s, struct http_exchange *x, int status, int64_t delay_us)
{
	struct server_answer *a = calloc(1, sizeof(*a));

	if (a != NULL)
		a->timer = timer_new(s->loop, answer_due, a);
	if (a == NULL || a->timer == NULL) {
		free(a);
		reply_text(x, 503, "out of memory");
		return;
	}
	a->server = s;
	a->x = x;
	a->status = status;
	LIST_INSERT_HEAD(&s->answers, a, link);
	http_exchange_hold(x, asker_gone, a);
	timer_start(a->timer, delay_us);
}

void server_jwt_close(struct server *s)
{
	while (!LIST_EMPTY(&s->answers))
		answer_free(LIST_FIRST(&s->answers));
}

/* ---- the way in ---- */

/* Without a key anybody gets a token, so that clients that fetch one need not be changed. */
static enum basic_verdict check_key(const struct server *s, const struct http_exchange *x)
{
	struct slice value = { NULL, 0 };

	if (s->key == NULL)
		return BASIC_GOOD;
	if (!http_exchange_header(x, "Authorization", &value))
		value = (struct slice){ NULL, 0 };
	return jwt_basic_check(s->key, value);
}

void server_jwt_take(struct server *s, struct http_exchange *x)
{
	struct slice method = http_exchange_method(x);
	int64_t delay_us;
	int status;

	if (slice_is(method, "OPTIONS")) {
		reply_options(x);
		return;
	}
	if (!slice_is(method, "POST")) {
		reply_method(x);
		return;
	}
	switch (check_key(s, x)) {
	case BASIC_GOOD:
		break;
	case BASIC_BAD:
		reply_text(x, 400, "the Authorization header is not of the form Basic");
		return;
	case BASIC_MISSING:
		reply_text(x, 401, "an API key is needed, as the user of HTTP Basic");
		return;
	case BASIC_WRONG:
		log_line(LOG_WARN, "a token was asked for with a wrong API key",
			log_int("tokens_before", (int64_t)s->token_requests));
		reply_text(x, 401, "the API key is wrong");
		return;
	}
	status = fault_jwt(&s->options->faults, ++s->token_requests, &delay_us);
	if (delay_us != 0)
		reply_later(s, x, status, delay_us);
	else
		reply_now(s, x, status);
}
