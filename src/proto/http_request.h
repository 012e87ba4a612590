/*
 * http_request: the head of a client's HTTP/1 request, and what its query holds.
 *
 * Tolerates what clients of any age send: HTTP/1.0 and 1.1, bare LF line ends, an absolute URL as
 * the target, blank lines before the request. Refused is what two readers could understand
 * differently: two lengths, a length beside chunks, folded lines. Pure: everything borrows from the
 * caller's bytes.
 */
#ifndef TAPEDECK_PROTO_HTTP_REQUEST_H
#define TAPEDECK_PROTO_HTTP_REQUEST_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "proto/ws_header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request {
	struct slice method;
	struct slice target;  /* path and query as sent, without scheme and host */
	struct slice path;    /* as sent, without the query; "*" of OPTIONS */
	struct slice query;   /* as sent, without '?'; may be empty */
	struct slice headers; /* for ws_header_next and ws_header_find */
	int minor;            /* HTTP/1.<minor> */
	bool keeps_alive;     /* the client wants the connection to stay */
	bool is_chunked;
	bool expects_continue;
	uint64_t length; /* Content-Length; 0 where the body is chunked or there is none */
};

/* Why a request is refused. */
struct http_fault {
	int status;
	const char *why;
};

/* The length of the head at the front of `in`, with its empty line; 0 if its end is not here.
 * `*seen`, 0 at first, keeps the place, so that a head that comes in small pieces is read once. */
size_t http_head_end(struct slice in, size_t *seen) MUST_CHECK;

/* The length of the blank lines in front of a request. */
size_t http_blank_lines(struct slice in);

/* Reads a whole head. False: `fault` says how to answer. */
bool http_request_read(
	struct slice head, struct http_request *out, struct http_fault *fault) MUST_CHECK;

/* Appends the decoded value of the first member called `name` ('+' is a space); false if there is
 * none, or no room in `out`, which is then as it was. */
bool http_query_member(struct slice query, const char *name, struct buf *out) MUST_CHECK;

/* The words for a status: "Not Found". */
const char *http_status_reason(int status);

#endif
