/*
 * payload: what the framings of long-polling bodies share.
 *
 * Each generation frames its messages in its own way (see payload_next of struct generation), but lengths
 * are decimal and count UTF-16 units, as JavaScript does, and bytes in text are base64. A length only says
 * where a message ends in a body that is all there; nothing is allocated for it. Pure.
 */
#ifndef TAPEDECK_PROTO_PAYLOAD_H
#define TAPEDECK_PROTO_PAYLOAD_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/generation.h"

#include <stdbool.h>
#include <stddef.h>

#define PAYLOAD_DIGITS_MAX 9 /* of a length; more would be a body of a gigabyte */

/* Reads one message's length: at least one digit, of which none is left behind it in `rest`. */
bool payload_length_take(struct slice *rest, size_t *length) MUST_CHECK;

/* The number of UTF-16 units in UTF-8 text. */
size_t payload_units(struct slice text);

/* Takes a text of `units` UTF-16 units from the front of `rest`. False, with `rest` as it was, if there are
 * not so many, if that would split a character, or if what was taken is not UTF-8. */
bool payload_units_take(struct slice *rest, size_t units, struct slice *text) MUST_CHECK;

/* Appends the bytes that base64 stands for. Strict: the standard alphabet, padded, no spaces, no bits left
 * over. False, with `out` as it was, if `text` is none or `out` is full. */
bool payload_base64_decode(struct slice text, struct buf *out) MUST_CHECK;

/* Appends bytes as base64; false, with `out` as it was, if it is full. */
bool payload_base64_encode(struct slice bytes, struct buf *out) MUST_CHECK;

/* The number of characters that payload_base64_encode writes for `size` bytes. */
static inline size_t payload_base64_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

/* Says what is wrong with the body at `at`, which is where the message begins; returns PAYLOAD_BAD. */
enum payload_result payload_bad(struct slice at, const char *fact, struct err *e);

#endif
