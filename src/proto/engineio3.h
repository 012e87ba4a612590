/*
 * engineio3: what Engine.IO 3 has beside the table generation_eio3.
 *
 * Bodies come in two framings, told apart by their first byte: text, "<length>:<packet>..." with
 * the length in UTF-16 units, and binary, which a server may choose when it was not asked for b64.
 * Socket.IO 1 encodes the text framing as UTF-8 twice. The table reads both and writes text.
 */
#ifndef TAPEDECK_PROTO_ENGINEIO3_H
#define TAPEDECK_PROTO_ENGINEIO3_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>

/* Appends `text` with one of two UTF-8 encodings undone: every character is taken as a byte. False,
 * with `out` as it was, if the text was not encoded twice (a character above U+00FF, or the bytes
 * are no UTF-8), or `out` is full. ASCII is the same either way. */
bool eio3_text_undo(struct slice text, struct buf *out) MUST_CHECK;

/* Appends the binary message that a text stands for which begins with 'b': so clients of Socket.IO
 * 1 send bytes even over a WebSocket. False, with `out` as it was, if it is none, or `out` is
 * full. */
bool eio3_base64_undo(struct slice text, struct buf *out) MUST_CHECK;

/* Appends a message in the binary framing, for a client that did not ask for b64: some read nothing
 * else. The body is then application/octet-stream. False when `body` is full, which is then as it
 * was. */
bool eio3_binary_append(struct buf *body, bool is_binary, struct slice message) MUST_CHECK;

#endif
