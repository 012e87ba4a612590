/*
 * eio_reply: how a server of Engine.IO answers over HTTP.
 *
 * Answers may be read by pages of any origin: a page needs nothing here but what its own client
 * sends, and no cookie means anything.
 */
#ifndef TAPEDECK_NET_EIO_REPLY_H
#define TAPEDECK_NET_EIO_REPLY_H

#include "base/slice.h"
#include "net/http_server.h"

#define EIO_TYPE_TEXT "text/plain; charset=UTF-8"
#define EIO_TYPE_JSON "application/json"
#define EIO_TYPE_BINARY "application/octet-stream"

/* The errors that Engine.IO numbers. */
enum eio_error {
	EIO_ERROR_TRANSPORT,
	EIO_ERROR_SID,
	EIO_ERROR_METHOD,
	EIO_ERROR_REQUEST,
	EIO_ERROR_FORBIDDEN,
	EIO_ERROR_VERSION,
};

/* Answers, and ends the exchange. */
void eio_reply(struct http_exchange *x, int status, const char *type, struct slice body);

/* Answers with {"code":...,"message":...}. */
void eio_reply_error(struct http_exchange *x, enum eio_error error);

/* The body of that answer. */
const char *eio_error_body(enum eio_error error);

/* Answers what a browser asks before a request that is not simple. */
void eio_reply_options(struct http_exchange *x);

#endif
