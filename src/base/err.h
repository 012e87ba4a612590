/*
 * err: why something failed, for a person.
 *
 * A function that can fail returns false and fills a `struct err` that its caller owns. The text states
 * the fact, the subject in quotes, the cause and the way out; it never holds a secret. The code tells a
 * caller how to react, where it reacts at all.
 */
#ifndef TAPEDECK_BASE_ERR_H
#define TAPEDECK_BASE_ERR_H

#include "base/compiler.h"

#include <stdbool.h>

enum err_code {
	ERR_NONE,
	ERR_NOMEM,       /* an allocation failed */
	ERR_SYSTEM,      /* a system call failed */
	ERR_CONFIG,      /* the configuration or the command line is wrong */
	ERR_INPUT,       /* bytes from outside are not what the grammar asks for */
	ERR_LIMIT,       /* a named limit was reached */
	ERR_NETWORK,     /* name lookup, TCP or a proxy failed, or the connection was cut */
	ERR_TLS,         /* the certificate or the TLS handshake is bad */
	ERR_CONNREFUSED, /* the address refuses TCP */
	ERR_TIMEOUT,     /* the peer took too long */
	ERR_PROTOCOL,    /* the peer breaks its protocol, or speaks another */
	ERR_DENIED,      /* the peer understood and refused: key, token, request */
	ERR_STORE,       /* the recording cannot be opened, read or written */
};

#define ERR_TEXT_MAX 512

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX];
};

/* Fills `e` (cut at ERR_TEXT_MAX - 1 bytes) and returns false, so that a caller can return it. */
bool err_set(struct err *e, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "<prefix>: " in front of the text; keeps the code; returns false. */
bool err_prefix(struct err *e, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
