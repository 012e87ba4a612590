#include "base/utf8.h"

#include <assert.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool is_ascii(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return (word & HIGH_BITS) == 0;
}

/* The size of the character at `at`, whose first byte is no ASCII; 0 if it is malformed or cut. The
 * second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF. */
static size_t char_size(const unsigned char *at, const unsigned char *end)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t size;

	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	size = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if ((size_t)(end - at) < size)
		return 0;
	if (*at == 0xe0)
		low = 0xa0;
	else if (*at == 0xed)
		high = 0x9f;
	else if (*at == 0xf0)
		low = 0x90;
	else if (*at == 0xf4)
		high = 0x8f;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return size;
}

bool utf8_valid(struct slice text)
{
	const unsigned char *at = (const unsigned char *)text.ptr;
	const unsigned char *end;

	if (text.len == 0) /* `ptr` may be NULL then */
		return true;
	end = at + text.len;
	while (at < end) {
		if (*at >= 0x80) {
			size_t size = char_size(at, end);

			if (size == 0)
				return false;
			at += size;
			continue;
		}
		if (end - at >= 8 && is_ascii(at))
			at += 8;
		else
			at++;
	}
	return true;
}

size_t utf8_showable(struct slice text)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t size;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	size = char_size(p, p + text.len);
	if (size == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* C1 */
		return 0;
	if (size == 3 && p[0] == 0xe2 && p[1] == 0x80 && /* U+200E, U+200F, U+2028 to U+202E */
		(p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae)))
		return 0;
	if (size == 3 && p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
		return 0; /* U+2066 to U+2069 */
	return size;
}

size_t utf8_encode(uint32_t code_point, char out[UTF8_CHAR_MAX])
{
	assert(code_point <= 0x10ffff);
	if (code_point < 0x80) {
		out[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		out[0] = (char)(0xc0 | code_point >> 6);
		out[1] = (char)(0x80 | (code_point & 0x3f));
		return 2;
	}
	if (code_point < 0x10000) {
		out[0] = (char)(0xe0 | code_point >> 12);
		out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code_point & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code_point >> 18);
	out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code_point & 0x3f));
	return 4;
}

bool utf8_mend(struct slice text, struct buf *out)
{
	const char *end = text.ptr + text.len;
	bool ok = true;

	for (const char *at = text.ptr; at < end && ok;) {
		size_t size = (unsigned char)*at < 0x80
			? 1
			: char_size((const unsigned char *)at, (const unsigned char *)end);

		ok = size != 0 ? buf_append(out, at, size) : buf_append_str(out, REPLACEMENT);
		at += size != 0 ? size : 1;
	}
	return ok;
}
