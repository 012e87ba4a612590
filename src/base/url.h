/*
 * url: the addresses that a configuration names (RFC 3986, the part of it that feeds need).
 *
 * Accepts http, https, ws and wss. What could leak or surprise is refused: user and password (they would
 * end up in messages), fragments, spaces and control characters. The result owns its bytes.
 */
#ifndef TAPEDECK_BASE_URL_H
#define TAPEDECK_BASE_URL_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define URL_HOST_MAX 253
#define URL_PATH_MAX 1023

struct url {
	bool is_tls;       /* https, wss */
	bool is_websocket; /* ws, wss */
	bool is_ipv6;  /* the host is an IPv6 address and needs brackets in a URL or Host header */
	bool has_port; /* the text names the port */
	bool has_query;
	uint16_t port;               /* the scheme's where the text names none */
	char host[URL_HOST_MAX + 1]; /* in lower case, an IPv6 address without its brackets */
	char path[URL_PATH_MAX + 1]; /* as written; "/" where the text has none */
};

/* Reads `text`. No error quotes a part that may hold a password or a token. */
bool url_parse(struct slice text, struct url *out, struct err *e) MUST_CHECK;

/* Appends the value of a Host header: host, and the port where it is not the scheme's. */
bool url_host_header(const struct url *url, struct buf *out) MUST_CHECK;

/* Appends `text` with everything but RFC 3986's unreserved characters percent-encoded. */
bool url_encode(struct slice text, struct buf *out) MUST_CHECK;

#endif
