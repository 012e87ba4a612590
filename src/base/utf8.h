/*
 * utf8: checks and writes UTF-8 (RFC 3629).
 *
 * JSON and WebSocket text must be UTF-8; the check runs once over every byte that arrives, so runs of
 * ASCII go eight bytes at a time. Pure: no state, no allocation but of a caller's buffer.
 */
#ifndef TAPEDECK_BASE_UTF8_H
#define TAPEDECK_BASE_UTF8_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_CHAR_MAX 4 /* bytes of the longest character */

/* True if `text` is UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. U+0000 is fine. */
bool utf8_valid(struct slice text) MUST_CHECK;

/* The size of the character at the front of `text` (not empty) if it may be shown in a terminal as it is. 0 if
 * it is malformed, a control character, or changes the direction or the lines of the text around it: its first
 * byte should then be shown escaped. */
size_t utf8_showable(struct slice text) MUST_CHECK;

/* Writes a code point (at most 0x10ffff) and returns its size in bytes. Surrogates are written as three
 * bytes, too: whoever must not have them checks before. */
size_t utf8_encode(uint32_t code_point, char out[UTF8_CHAR_MAX]);

/* Appends `text` with U+FFFD for each byte that is not part of a character. */
bool utf8_mend(struct slice text, struct buf *out) MUST_CHECK;

#endif
