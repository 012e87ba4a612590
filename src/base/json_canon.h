/*
 * json_canon: one text for all the ways to write the same params.
 *
 * Streams are told apart by path and params, so {"b":1, "a":"\u0041"} and {"a":"A","b":1} must be one text:
 * keys sorted by the bytes of their UTF-8, no white space, strings decoded and escaped minimally, at every
 * level. Numbers stay as received (1.10 is not 1.1: a feed that tells them apart shall be able to). A lone
 * surrogate, which UTF-8 cannot express, is written \udxxx in lower case. Limit: JSON_DEPTH_MAX.
 */
#ifndef TAPEDECK_BASE_JSON_CANON_H
#define TAPEDECK_BASE_JSON_CANON_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

/* Appends the canonical text of a value that json_skip has checked. False: a key is given twice in one
 * object (ERR_INPUT), it is nested too deep or `out` is full (ERR_LIMIT), or out of memory; `out` is then
 * as before. */
bool json_canon(struct slice value, struct buf *out, struct err *e) MUST_CHECK;

#endif
