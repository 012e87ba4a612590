/*
 * ws_handshake: the HTTP/1.1 exchange that opens a WebSocket (RFC 6455, section 4, both roles).
 *
 * Writes and reads heads only; the parsers borrow from the caller's bytes. The limits are those of
 * ws_header. The one extension we offer is permessage-deflate, where asked to; we grant none.
 */
#ifndef TAPEDECK_PROTO_WS_HANDSHAKE_H
#define TAPEDECK_PROTO_WS_HANDSHAKE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/ws_deflate.h"
#include "proto/ws_header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_KEY_SIZE 25    /* 24 characters and a NUL */
#define WS_ACCEPT_SIZE 29 /* 28 characters and a NUL */

/* What a client asks for; all of it borrowed. */
struct ws_request {
	struct slice target; /* path and query */
	struct slice host;   /* the Host header: name, and port where it is not the scheme's */
	const char *key;     /* from ws_key_new */
	struct slice cookie; /* empty: none */
	const struct ws_header *headers; /* further ones, already checked */
	size_t header_count;
	bool offers_deflate; /* WS_DEFLATE_OFFER */
};

struct ws_response {
	int status;                      /* 0 if the status line could not be read */
	struct slice reason;             /* may be empty */
	struct slice headers;            /* for ws_header_next and ws_header_find */
	int64_t content_length;          /* of the body that follows the head; -1: not said */
	struct ws_deflate_terms deflate; /* what became of the offer */
};

/* What a server was asked for; borrowed from the request's bytes. */
struct ws_upgrade {
	struct slice method;
	struct slice target;
	struct slice headers;
	char key[WS_KEY_SIZE];
	int version;       /* 13 (RFC 6455), or 8, an earlier draft with the same frames */
	int refuse_status; /* of WS_HS_BAD: the HTTP status to answer with */
};

enum ws_handshake_result {
	WS_HS_MORE, /* the head is not complete; nothing is consumed */
	WS_HS_DONE, /* `*used` bytes are the head; frames may follow in the same bytes */
	WS_HS_BAD,  /* `e` says why; `*used` is the head's length where its end was found, else 0 */
};

/* Fills `key` with a fresh random key; false if the kernel has no randomness. */
bool ws_key_new(char key[WS_KEY_SIZE]) MUST_CHECK;

/* Writes what a server must answer to `key`. False if that is no key: 16 bytes in base64. */
bool ws_accept_key(const char *key, char accept[WS_ACCEPT_SIZE]) MUST_CHECK;

/* Appends the request. The target may hold a token: the caller wipes `out` when it is sent. A line break
 * or NUL in any part is refused. */
bool ws_request(struct buf *out, const struct ws_request *request, struct err *e) MUST_CHECK;

/* Reads the server's answer to `request` (of which only `key` and `offers_deflate` matter) from the front of
 * `in`. DONE: 101 with everything in order. BAD with `out->status` set: another answer, readable through
 * `out`, whose body follows the head. */
enum ws_handshake_result ws_response_parse(struct slice in, size_t *used,
	const struct ws_request *request, struct ws_response *out, struct err *e) MUST_CHECK;

/* Reads a client's request from the front of `in`. */
enum ws_handshake_result ws_request_parse(
	struct slice in, size_t *used, struct ws_upgrade *out, struct err *e) MUST_CHECK;

/* Appends the answer that accepts the request with this key; false as ws_accept_key, or `out` is full. Of the
 * subprotocols that the client lists the first is taken, as browsers fail without one; `protocol`: the value
 * of Sec-WebSocket-Protocol, empty if there is none. */
bool ws_response(struct buf *out, const char *key, struct slice protocol) MUST_CHECK;

#endif
