/*
 * http_chunked: takes the chunks of an HTTP/1.1 request's body apart (RFC 9112, 7.1).
 *
 * Fed with any pieces. Extensions and trailers are passed over. Limits: HTTP_CHUNK_LINE_MAX for the
 * line in front of a chunk, HTTP_TRAILER_MAX for all trailers; the maximum of `body` is the one for
 * the body.
 */
#ifndef TAPEDECK_PROTO_HTTP_CHUNKED_H
#define TAPEDECK_PROTO_HTTP_CHUNKED_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "proto/http_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNK_LINE_MAX 256
#define HTTP_TRAILER_MAX 8192

enum http_chunked_state {
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK_EXTENSION,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_END,
	HTTP_CHUNK_TRAILER,
};

/* Zeroed by its owner. */
struct http_chunked {
	enum http_chunked_state state;
	uint64_t left;   /* of the chunk's size while it is read, then of its data */
	size_t line_len; /* characters of the line so far */
	size_t digits;
	size_t trailers_len;
	bool has_cr; /* the last character of the line was a CR */
};

enum http_chunked_result {
	HTTP_CHUNKED_MORE, /* all input is consumed */
	HTTP_CHUNKED_DONE, /* the body is complete; what follows is left in `in` */
	HTTP_CHUNKED_BAD,  /* `fault` says how to answer */
};

/* Takes bytes from the front of `in` and appends the body's to `body`. */
enum http_chunked_result http_chunked_read(struct http_chunked *c, struct slice *in,
	struct buf *body, struct http_fault *fault) MUST_CHECK;

#endif
