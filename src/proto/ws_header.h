/*
 * ws_header: the head of an HTTP/1 message, its first line and its headers.
 *
 * What the WebSocket handshake needs of HTTP in both roles. Tolerates what real peers send: any case, odd
 * spaces, bare LF line ends. Pure: everything borrows from the caller's bytes. Limits: WS_HEADERS_MAX for
 * the head, WS_HEADER_LINES_MAX for its headers.
 */
#ifndef TAPEDECK_PROTO_WS_HEADER_H
#define TAPEDECK_PROTO_WS_HEADER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define WS_HEADERS_MAX ((size_t)64 << 10)
#define WS_HEADER_LINES_MAX 256

struct ws_header {
	struct slice name;
	struct slice value; /* without the spaces around it */
};

enum ws_header_result {
	WS_HEADER_MORE, /* its end is not here; nothing is consumed */
	WS_HEADER_DONE, /* `*used` bytes are the head, with its empty line */
	WS_HEADER_BAD,  /* it is above a limit */
};

/* Splits the head at the front of `in` into its first line and the block of its headers. */
enum ws_header_result ws_header_split(struct slice in, size_t *used, struct slice *first,
	struct slice *headers, struct err *e) MUST_CHECK;

/* Takes the next header from the front of the block `*rest`; false at its end. Lines that are no header
 * are passed over. */
bool ws_header_next(struct slice *rest, struct ws_header *out) MUST_CHECK;

/* Takes headers from the front of `*rest` up to one called `name` (in any case); false if none is left.
 * Calling again finds the next one, as there may be several Set-Cookie. */
bool ws_header_find(struct slice *rest, const char *name, struct slice *value) MUST_CHECK;

/* The value of a header that may come once only; false if it is missing or repeated. */
bool ws_header_find_single(struct slice headers, const char *name, struct slice *value) MUST_CHECK;

/* True if one of the headers called `name` lists `token`: "Connection: keep-alive, Upgrade". */
bool ws_header_has_token(struct slice headers, const char *name, const char *token);

/* Finds a line that is no header; a folded one counts as such (RFC 9112, 5.2). */
bool ws_header_find_bad(struct slice headers, struct slice *line) MUST_CHECK;

/* True if the text may stand as a header's name (a method has the same grammar), or as its value. */
bool ws_header_name_valid(struct slice name);
bool ws_header_value_valid(struct slice value);

/* The text without the blanks around it. */
struct slice ws_header_trim(struct slice s);

#endif
