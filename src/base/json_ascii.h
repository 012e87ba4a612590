/*
 * json_ascii: JSON whose every character beyond ASCII is escaped.
 *
 * Servers of Socket.IO 1 expect what a client sends to be UTF-8 twice, later ones once; ASCII is the same
 * either way. The value stays the same JSON value.
 */
#ifndef TAPEDECK_BASE_JSON_ASCII_H
#define TAPEDECK_BASE_JSON_ASCII_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>

/* Appends `json`, UTF-8, with \uXXXX for what is not ASCII. False, with `out` as it was, if it is not UTF-8 or
 * `out` is full. */
bool json_ascii(struct slice json, struct buf *out) MUST_CHECK;

#endif
