/*
 * secret: an API key or a token, kept apart from ordinary text.
 *
 * Nothing that formats text (err, log, printf) takes a `struct secret`, so a secret cannot slip into a
 * message; the only way to its bytes is secret_reveal, whose callers are few and write to a socket.
 * The bytes are wiped when freed. Text that came from a peer may quote a secret back: secret_quotes
 * tells, and such text is withheld.
 */
#ifndef TAPEDECK_BASE_SECRET_H
#define TAPEDECK_BASE_SECRET_H

#include "base/compiler.h"
#include "base/slice.h"

struct secret;

/* Copies `bytes`; NULL when out of memory. The caller frees it. */
struct secret *secret_new(struct slice bytes) MUST_CHECK;

/* Wipes and frees; accepts NULL. */
void secret_free(struct secret *s);

/* The bytes, NUL-terminated, valid until secret_free. Only for what goes into a request. */
struct slice secret_reveal(const struct secret *s);

/* True if `text` holds a part of any living secret that would help to guess it. Any thread. */
bool secret_quotes(struct slice text);

#endif
