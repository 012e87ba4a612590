/*
 * cookies: the cookies of one feed, shared by its token requests, its polls and its WebSocket handshakes.
 *
 * A load balancer ties a session to one of its servers by a cookie, so what one request was given the next
 * must show. libcurl reads, keeps and expires them; which ones a request shows is chosen here (RFC 6265),
 * because libcurl 7.88 cuts a request short that has cookies and a token of more than 8 KiB in its address.
 * In memory only, and in no message: they may be as good as a password.
 */
#ifndef TAPEDECK_NET_COOKIES_H
#define TAPEDECK_NET_COOKIES_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "base/url.h"

#include <stdbool.h>

#define COOKIES_HEADER_MAX ((size_t)8 << 10)

struct cookies;

/* NULL when out of memory. */
struct cookies *cookies_new(void) MUST_CHECK;

/* Accepts NULL. */
void cookies_free(struct cookies *c);

/* Keeps the value of a Set-Cookie header that `url` sent; one for a foreign domain is passed over. */
void cookies_take(struct cookies *c, const struct url *url, struct slice header);

/* Appends the value of a Cookie header for a request of `path` (a query behind it is ignored) to `url`;
 * nothing if there are none. False when `out` is full. */
bool cookies_header(
	struct cookies *c, const struct url *url, struct slice path, struct buf *out) MUST_CHECK;

#endif
