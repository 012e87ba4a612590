#include "record/token.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/http_client.h"
#include "proto/jwt.h"
#include "record/backoff.h"

#include <jansson.h>
#include <stdlib.h>

struct token {
	struct loop *loop;
	struct transfers *transfers;
	const struct config_feed *feed;
	const struct token_events *events;
	void *arg;
	struct timer *next; /* the next fetch: a refresh, or another try */
	struct http_call *call;
	struct cookies *cookies;
	struct backoff backoff;
	struct backoff refusals;
	struct secret *secret;
	/* Kept so that a peer's text which quotes them is known for what it is. */
	struct secret *previous;
	struct secret *key;
	int64_t requested_us; /* monotonic; 0: never */
	int64_t expires_us;   /* monotonic */
	bool is_backing_off;  /* the next fetch waits because of a failure or a refusal */
};

static void fetch(void *arg);

struct token *token_new(struct loop *l, struct transfers *ts, const struct config_feed *feed,
	struct cookies *cookies, const struct token_events *events, void *arg)
{
	struct token *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	*t = (struct token){ .loop = l,
		.transfers = ts,
		.feed = feed,
		.cookies = cookies,
		.events = events,
		.arg = arg };
	t->next = timer_new(l, fetch, t);
	if (t->next == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void token_free(struct token *t)
{
	if (t == NULL)
		return;
	http_call_free(t->call);
	timer_free(t->next);
	secret_free(t->secret);
	secret_free(t->previous);
	secret_free(t->key);
	free(t);
}

/* Retires the token; `next` takes its place. */
static void replace(struct token *t, struct secret *next)
{
	if (t->secret != NULL) {
		secret_free(t->previous);
		t->previous = t->secret;
	}
	t->secret = next;
}

const struct secret *token_current(struct token *t)
{
	if (t->secret != NULL && clock_mono_us() >= t->expires_us)
		replace(t, NULL);
	return t->secret;
}

/* Whatever happens, the endpoint is asked at most once in TOKEN_EVERY_US. */
static void fetch_in(struct token *t, int64_t delay_us)
{
	int64_t least = t->requested_us + TOKEN_EVERY_US - clock_mono_us();

	if (t->requested_us != 0 && delay_us < least)
		delay_us = least;
	timer_start(t->next, delay_us);
}

static void fail(struct token *t, const struct err *e, bool is_answered)
{
	int64_t delay = backoff_after_failure(&t->backoff, BACKOFF_MAX_US, backoff_random());

	log_line(LOG_WARN, "cannot fetch the token", log_text("feed", t->feed->name),
		log_text("url", t->feed->token.url_text), log_err(e),
		log_real("retry_s", (double)delay / 1e6),
		log_text("until_then",
			token_current(t) != NULL ? "the old token serves" : "there is none"));
	t->is_backing_off = true;
	fetch_in(t, delay);
	t->events->failed(t->arg, is_answered);
}

static bool usable(const char *text, size_t len, struct err *e)
{
	if (len == 0)
		return err_set(e, ERR_INPUT, "the token in its answer is empty");
	if (len > TOKEN_MAX)
		return err_set(
			e, ERR_LIMIT, "the token in its answer is longer than %d bytes", TOKEN_MAX);
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0')
			return err_set(e, ERR_INPUT,
				"the token in its answer holds a line break or a zero byte");
	return true;
}

struct secret *token_parse(struct slice body, const char *member, struct err *e)
{
	struct secret *secret = NULL;
	json_error_t why;
	/* A zero byte is let through here, so that it is refused with its own words. */
	json_t *root = json_loadb(body.ptr != NULL ? body.ptr : "", body.len,
		JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
	json_t *value = json_is_object(root) ? json_object_get(root, member) : root;

	if (root == NULL) /* jansson's text would quote the answer */
		(void)err_set(e, ERR_INPUT, "its answer is not JSON (%zu bytes)", body.len);
	else if (!json_is_string(value))
		(void)err_set(e, ERR_INPUT,
			"its answer has no text in the member '%s', nor is it a bare string; set token.member",
			member);
	else if (usable(json_string_value(value), json_string_length(value), e)) {
		secret = secret_new(
			(struct slice){ json_string_value(value), json_string_length(value) });
		if (secret == NULL)
			(void)err_set(e, ERR_NOMEM, "out of memory");
	}
	json_decref(root);
	return secret;
}

int64_t token_life(struct slice token, int64_t lifetime_us, int64_t now_s)
{
	struct jwt_times times;
	int64_t life_s;

	if (!jwt_times(token, &times) || !times.has_exp)
		return lifetime_us;
	life_s = times.exp - (times.has_iat ? times.iat : now_s);
	return life_s > 0 ? life_s * 1000000 : 0;
}

static void take(struct token *t, struct secret *secret)
{
	const struct config_token *config = &t->feed->token;
	int64_t life = token_life(
		secret_reveal(secret), config->lifetime_us, clock_wall_us() / 1000000);
	int64_t due_us = t->requested_us + (int64_t)((double)life * config->refresh);
	int64_t now = clock_mono_us();
	struct err e;

	/* One that is over already is of no use, and asking again at once would never end. */
	if (now >= due_us) {
		secret_free(secret);
		(void)err_set(&e, ERR_DENIED,
			"its token lives for %lld s and was over when it came; are both clocks right?",
			(long long)(life / 1000000));
		fail(t, &e, true);
		return;
	}
	replace(t, secret);
	t->expires_us = t->requested_us + life;
	t->backoff.failures = 0;
	t->is_backing_off = false;
	fetch_in(t, due_us - now);
	log_line(LOG_INFO, "token fetched", log_text("feed", t->feed->name),
		log_int("bytes", (int64_t)secret_reveal(secret).len),
		log_int("lifetime_s", life / 1000000),
		log_real("took_s", (double)(clock_mono_us() - t->requested_us) / 1e6));
	t->events->ready(t->arg);
}

static bool status_error(int status, struct err *e)
{
	switch (status) {
	case 401:
	case 403:
		return err_set(e, ERR_DENIED,
			"HTTP %d: the server refuses the API key; check the key that the configuration names",
			status);
	case 404:
	case 405:
		return err_set(e, ERR_PROTOCOL,
			"HTTP %d: nothing there answers a POST; check token.url", status);
	default:
		return err_set(e, ERR_PROTOCOL, "HTTP %d", status);
	}
}

static void answered(void *arg, const struct http_answer *answer)
{
	struct token *t = arg;
	struct secret *secret = NULL;
	struct err e = answer->e;
	bool is_answered = answer->status != 0;

	if (answer->status >= 200 && answer->status < 300)
		secret = token_parse(answer->body, t->feed->token.member, &e);
	else if (answer->status != 0)
		(void)status_error(answer->status, &e);
	http_call_free(t->call);
	t->call = NULL;
	if (secret != NULL)
		take(t, secret);
	else
		fail(t, &e, is_answered);
}

static void fetch(void *arg)
{
	struct token *t = arg;
	struct secret *key = NULL;
	struct err e;

	t->requested_us = clock_mono_us();
	t->is_backing_off = false;
	if (config_api_key(&t->feed->token, &key, &e)) {
		secret_free(t->key);
		t->key = key;
		struct http_request request = {
			.method = HTTP_POST,
			.follows = true,
			.is_once =
				true, /* one that libcurl repeats by itself would come too soon */
			.cookies = t->cookies,
			.address = &t->feed->token.url,
			.url = t->feed->token.url_text,
			.user = key,
			.ca_file = t->feed->ca_file,
			.proxy = t->feed->proxy,
			.timeout_ms = t->feed->token.timeout_us / 1000,
		};

		log_line(LOG_DEBUG, "fetching a token", log_text("feed", t->feed->name));
		if (!http_send(&t->call, t->loop, t->transfers, &request, answered, t, &e))
			fail(t, &e, false);
	} else {
		fail(t, &e, true);
	}
}

void token_fetch(struct token *t)
{
	if (t->call == NULL && !t->is_backing_off)
		fetch_in(t, 0);
}

void token_refuse(struct token *t)
{
	int64_t delay = 0;

	replace(t, NULL);
	if (t->refusals.failures != 0) {
		struct backoff backoff = { t->refusals.failures - 1 };

		delay = backoff_after_failure(&backoff, BACKOFF_MAX_US, backoff_random());
	}
	t->refusals.failures++;
	if (t->call != NULL)
		return;
	t->is_backing_off = true;
	fetch_in(t, delay);
}

void token_reload(struct token *t)
{
	struct secret *key = NULL;
	struct err e;
	bool is_same;

	if (!config_api_key(&t->feed->token, &key, &e)) {
		log_line(LOG_WARN, "cannot read the API key again", log_text("feed", t->feed->name),
			log_err(&e));
		return;
	}
	is_same = t->key != NULL && slice_equal(secret_reveal(key), secret_reveal(t->key));
	secret_free(key);
	if (t->call != NULL || (is_same && t->secret != NULL))
		return;
	t->backoff.failures = 0;
	t->refusals.failures = 0;
	fetch_in(t, 0);
}

void token_accept(struct token *t)
{
	t->refusals.failures = 0;
}
