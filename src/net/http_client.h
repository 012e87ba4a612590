/*
 * http_client: single HTTP requests, for tokens and long-polling.
 *
 * TLS is verified, names are resolved without blocking the loop. A redirect is followed (at most
 * HTTP_REDIRECTS_MAX times, with the same method) only where the request says so, and only within the same
 * scheme, host and port: elsewhere the credentials would go along. Bodies above their limit, counted after
 * decompression, and heads above HTTP_HEAD_MAX end the request.
 */
#ifndef TAPEDECK_NET_HTTP_CLIENT_H
#define TAPEDECK_NET_HTTP_CLIENT_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "net/cookies.h"
#include "net/transfers.h"
#include "proto/ws_header.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_BODY_MAX ((size_t)1 << 20)
#define HTTP_HEAD_MAX ((size_t)256 << 10)
#define HTTP_REDIRECTS_MAX 5

enum http_method { HTTP_GET, HTTP_POST };

/* All of it is copied or used at once, but the cookies. */
struct http_request {
	enum http_method method;
	const char *url;           /* may hold a token; appears in no message */
	struct slice body;         /* of a POST */
	const char *content_type;  /* of a POST with a body */
	const struct secret *user; /* HTTP Basic user name with an empty password; NULL: none */
	const struct ws_header *headers; /* further ones, already checked */
	size_t header_count;
	struct cookies *cookies;   /* must outlive the call; NULL: none are sent or kept */
	const struct url *address; /* of `url`, for its cookies; must outlive the call */
	bool takes_gzip;
	void (*arrived)(void *arg); /* bytes of the answer's body have come; NULL: of no interest */
	bool follows;               /* redirects */
	bool is_once; /* not sent again by itself when a kept connection turns out to be dead: what
	                      * the server had answered into it would be lost unseen */
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: as the environment says */
	int64_t timeout_ms;  /* for everything together */
	size_t body_max;     /* 0: HTTP_BODY_MAX */
};

/* `status` 0: no answer came, `e` says why. Borrowed for the time of the callback. */
struct http_answer {
	int status;
	struct slice body;
	struct err e;
};

struct http_call;

/* Sends a request. `done` is called once, from the loop, unless the call is freed before. */
bool http_send(struct http_call **out, struct loop *l, struct transfers *ts,
	const struct http_request *request, void (*done)(void *arg, const struct http_answer *),
	void *arg, struct err *e) MUST_CHECK;

/* Ends the call at any time, also inside `done`; accepts NULL. */
void http_call_free(struct http_call *c);

#endif
