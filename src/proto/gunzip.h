/*
 * gunzip: undoes the content coding gzip (RFC 9110, 8.4.1.3; the format is RFC 1952), piece by piece.
 *
 * Several members one after another are one content (RFC 1952, 2.2). An end that was cut off shows: a content
 * is complete only behind the trailer of a member, whose checksum and length zlib compares. Pure: no I/O.
 */
#ifndef TAPEDECK_PROTO_GUNZIP_H
#define TAPEDECK_PROTO_GUNZIP_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

struct gunzip;

/* NULL when out of memory. */
struct gunzip *gunzip_new(void) MUST_CHECK;

/* Accepts NULL. */
void gunzip_free(struct gunzip *g);

/* Appends what the next bytes stand for to `out`, whose limit is the limit. False: ERR_LIMIT if `out` is full,
 * ERR_INPUT if the bytes are no gzip, ERR_NOMEM. */
bool gunzip_take(struct gunzip *g, struct slice bytes, struct buf *out, struct err *e) MUST_CHECK;

/* True if nothing is missing: no byte was taken, or the last one ended a member. */
bool gunzip_is_complete(const struct gunzip *g);

#endif
