/*
 * token: fetches the JWT of a feed and knows when it is due for a new one.
 *
 * POST to token.url with the API key as HTTP Basic user. A fetch that fails is tried again with backoff
 * until it succeeds, whatever the error. A token lives for exp - iat if it says both, else until exp, else
 * for the configured lifetime, counted from the request on the monotonic clock; it serves to
 * its end, and from `refresh` of its life on a new one is being fetched. The API key is read anew for each fetch.
 */
#ifndef TAPEDECK_RECORD_TOKEN_H
#define TAPEDECK_RECORD_TOKEN_H

#include "base/compiler.h"
#include "base/secret.h"
#include "config/config.h"
#include "net/cookies.h"
#include "net/loop.h"
#include "net/transfers.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_MAX 16384 /* bytes */
/* The token's address is asked no more often, whatever it answers. */
#define TOKEN_EVERY_US 1000000

struct token;

/* Both come from the loop, each time that a fetch has ended. */
struct token_events {
	void (*ready)(void *arg);
	/* `is_answered`: there was an answer, or there is no key to ask with; else the server was not reached. */
	void (*failed)(void *arg, bool is_answered);
};

/* The feed's configuration and cookies must outlive it. NULL when out of memory. */
struct token *token_new(struct loop *l, struct transfers *ts, const struct config_feed *feed,
	struct cookies *cookies, const struct token_events *events, void *arg) MUST_CHECK;

/* Accepts NULL. */
void token_free(struct token *t);

/* The token, if there is one that lives; else NULL. Valid until the next call of any function. */
const struct secret *token_current(struct token *t);

/* Starts to fetch, unless a fetch or its backoff is under way. */
void token_fetch(struct token *t);

/* The server has refused this token: it is forgotten. The first refusal in a row has a new one fetched at
 * once, the next ones with backoff; token_accept ends the row. */
void token_refuse(struct token *t);
void token_accept(struct token *t);

/* The configuration was read again: if the API key has changed, or there is no token, one is fetched. */
void token_reload(struct token *t);

/* Reads a token endpoint's answer: an object with the member `member`, or a bare JSON string. NULL and
 * `e` if there is no usable token in it. The caller frees it. */
struct secret *token_parse(struct slice body, const char *member, struct err *e) MUST_CHECK;

/* How long a token lives in microseconds, by its claims or `lifetime_us`; `now_s` in seconds since 1970. */
int64_t token_life(struct slice token, int64_t lifetime_us, int64_t now_s);

#endif
