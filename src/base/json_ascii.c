#include "base/json_ascii.h"

#include <stdint.h>

#include "base/utf8.h"

#define ESCAPE_LEN 6 /* \uXXXX */

static bool append_unit(struct buf *out, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";
	char escape[ESCAPE_LEN] = { '\\', 'u', digits[unit >> 12 & 15], digits[unit >> 8 & 15],
		digits[unit >> 4 & 15], digits[unit & 15] };

	return buf_append(out, escape, sizeof(escape));
}

/* Appends the escape of the character at `*at`, which is UTF-8 of more than one byte, and moves behind it. */
static bool append_char(struct buf *out, const char **at)
{
	unsigned char first = (unsigned char)*(*at)++;
	int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	uint32_t c = first & (0x3fU >> more);

	while (more-- > 0)
		c = c << 6 | ((unsigned char)*(*at)++ & 0x3fU);
	if (c < 0x10000)
		return append_unit(out, c);
	c -= 0x10000;
	return append_unit(out, 0xd800 + (c >> 10)) && append_unit(out, 0xdc00 + (c & 0x3ff));
}

bool json_ascii(struct slice json, struct buf *out)
{
	const char *at = json.ptr;
	const char *end = json.ptr;
	size_t before = out->len;
	bool ok = utf8_valid(json);

	if (json.len != 0) /* else `ptr` may be NULL */
		end += json.len;
	while (ok && at < end) {
		const char *from = at;

		while (at < end && (unsigned char)*at < 0x80)
			at++;
		ok = buf_append(out, from, (size_t)(at - from)) &&
			(at == end || append_char(out, &at));
	}
	if (!ok)
		out->len = before;
	return ok;
}
