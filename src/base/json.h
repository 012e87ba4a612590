/*
 * json: the grammar of JSON (RFC 8259) over bytes that stay where they are.
 *
 * Nothing is built and nothing re-serialised: a value is the slice of its own bytes, so `1.10` stays
 * `1.10` and a long integer keeps its digits. One pass checks the full grammar; the cursors below then
 * walk checked text and trust it. (json.c holds the grammar, json_value.c what walks checked text.)
 *
 * All text must be valid UTF-8 (utf8_valid); that is not checked again here. Slices borrow from the
 * caller's text. Limit: JSON_DEPTH_MAX containers inside each other. No recursion, no allocation,
 * except that decoded and encoded strings are appended to the caller's buffer.
 */
#ifndef TAPEDECK_BASE_JSON_H
#define TAPEDECK_BASE_JSON_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 128

/* Checks the value that begins at `*pos` (white space allowed before it) and leaves `*pos` behind it.
 * Otherwise `*pos` is the offset of the byte that breaks the grammar, and `e` names it: ERR_INPUT, or
 * ERR_LIMIT for a value that is nested too deep. */
bool json_skip(struct slice text, size_t *pos, struct err *e) MUST_CHECK;

/* The same inside `depth` containers that the caller has opened; they count for JSON_DEPTH_MAX. */
bool json_skip_nested(struct slice text, size_t *pos, unsigned depth, struct err *e) MUST_CHECK;

/* Checks that `text` is exactly one value. If not, `*at` (may be NULL) is the offset of the fault. */
bool json_validate(struct slice text, size_t *at, struct err *e) MUST_CHECK;

/* Says what breaks the grammar at `pos` in the words of json_skip and returns false: "not JSON at byte 17:
 * expected ':', found 'x'". For those who walk a text themselves. */
bool json_fail(struct slice text, size_t pos, const char *expected, struct err *e);

/* Moves over white space. */
static inline const char *json_space_end(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* Where `offset` lies for a person with an editor; both count from 1, columns are characters. */
void json_line_column(struct slice text, size_t offset, size_t *line, size_t *column);

/* ---- checked text ---- */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* The type of a value; the slice begins with the value's first byte. */
enum json_type json_type_of(struct slice value);

/* A cursor over the members of an object or the elements of an array. */
struct json_iter {
	const char *at;
	const char *end;
	bool is_object;
};

/* Starts before the first member or element; a value that is no container has none. */
void json_iter_init(struct json_iter *it, struct slice container);

/* Starts before the first of several values that are separated by commas, without brackets. */
void json_iter_list(struct json_iter *it, struct slice values);

/* The next member or element, without the white space around it; false behind the last one. `key` (may
 * be NULL) is the string token with its quotes; for elements it is left alone. */
bool json_iter_next(struct json_iter *it, struct slice *key, struct slice *value);

/* Finds the first member whose decoded key is `name`. False if there is none, or `object` is no object. */
bool json_member(struct slice object, const char *name, struct slice *value);

/* True if the string token says exactly `text` (UTF-8) once decoded. */
bool json_string_is(struct slice token, struct slice text);

/* Appends what the string token says, as UTF-8. Refuses a lone surrogate (ERR_INPUT), which UTF-8 cannot
 * express; `out` is then as before. \u0000 becomes a zero byte: who needs a C string compares lengths. */
bool json_string_decode(struct slice token, struct buf *out, struct err *e) MUST_CHECK;

/* Appends UTF-8 as a string token with quotes; only '"', '\' and control characters are escaped. */
bool json_string_encode(struct slice utf8, struct buf *out) MUST_CHECK;

/* Appends the part between the quotes that json_string_encode would write for one code point; a lone
 * surrogate becomes \udxxx. */
bool json_char_encode(uint32_t code_point, struct buf *out) MUST_CHECK;

/* Reads the escape at `*at` (its backslash) and moves `*at` behind it. Two escapes that form a surrogate
 * pair are one code point; a lone surrogate is returned as it is. */
uint32_t json_escape_read(const char **at, const char *end);

#endif
