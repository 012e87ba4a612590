/*
 * http_client: POST requests that carry a secret and have small answers.
 *
 * TLS is verified, names are resolved without blocking the loop. A redirect is followed (at most
 * HTTP_REDIRECTS_MAX times, again as a POST) only within the same scheme, host and port: elsewhere the
 * credentials would go along. Bodies above HTTP_BODY_MAX end the request.
 */
#ifndef TAPEDECK_NET_HTTP_CLIENT_H
#define TAPEDECK_NET_HTTP_CLIENT_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "net/transfers.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_BODY_MAX ((size_t)1 << 20)
#define HTTP_REDIRECTS_MAX 5

/* Texts and the secret are copied or used at once. */
struct http_request {
	const char *url;
	const struct secret *user; /* HTTP Basic user name with an empty password; NULL: none */
	const char *ca_file;       /* NULL: the system's */
	const char *proxy;         /* NULL: as the environment says */
	int64_t timeout_ms;        /* for everything together */
};

/* `status` 0: no answer came, `e` says why. Borrowed for the time of the callback. */
struct http_answer {
	int status;
	struct slice body;
	struct err e;
};

struct http_call;

/* Sends an empty POST. `done` is called once, from the loop, unless the call is freed before. */
bool http_post(struct http_call **out, struct loop *l, struct transfers *ts,
	const struct http_request *request, void (*done)(void *arg, const struct http_answer *),
	void *arg, struct err *e) MUST_CHECK;

/* Ends the call at any time, also inside `done`; accepts NULL. */
void http_call_free(struct http_call *c);

#endif
