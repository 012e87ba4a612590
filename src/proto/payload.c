#include "proto/payload.h"

#include <limits.h>

#include <openssl/evp.h>

#include "base/log.h"
#include "base/utf8.h"

#define PEER_TEXT_SIZE 64

enum payload_result payload_bad(struct slice at, const char *fact, struct err *e)
{
	char text[PEER_TEXT_SIZE];

	err_set(e, ERR_PROTOCOL, "a body of long-polling %s: \"%s\"", fact,
		log_peer_text(text, sizeof(text), at));
	return PAYLOAD_BAD;
}

/* ---- lengths ---- */

bool payload_length_take(struct slice *rest, size_t *length)
{
	size_t n = 0;

	*length = 0;
	while (n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9') {
		if (n == PAYLOAD_DIGITS_MAX)
			return false;
		*length = *length * 10 + (size_t)(rest->ptr[n++] - '0');
	}
	if (n == 0)
		return false;
	*rest = (struct slice){ rest->ptr + n, rest->len - n };
	return true;
}

/* The size of a character by its first byte; what is no first byte counts as a character by itself, and
 * is found out by the check of the whole. */
static size_t char_size(unsigned char first)
{
	return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t payload_units(struct slice text)
{
	size_t units = 0;

	/* All bytes but continuations begin a character; those of four bytes are a surrogate pair. */
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];

		units += (size_t)((byte & 0xc0) != 0x80) + (size_t)(byte >= 0xf0);
	}
	return units;
}

bool payload_units_take(struct slice *rest, size_t units, struct slice *text)
{
	struct slice taken = { rest->ptr, 0 };

	while (units != 0 && taken.len < rest->len) {
		size_t size = char_size((unsigned char)rest->ptr[taken.len]);
		size_t wide = size == 4 ? 2 : 1;

		if (size > rest->len - taken.len || wide > units)
			return false;
		taken.len += size;
		units -= wide;
	}
	if (units != 0 || !utf8_valid(taken))
		return false;
	if (taken.len != 0) /* else `ptr` may be NULL */
		*rest = (struct slice){ rest->ptr + taken.len, rest->len - taken.len };
	*text = taken;
	return true;
}

/* ---- base64 ---- */

static bool is_base64_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		c == '+' || c == '/';
}

/* Counts the padding; false if the text is not whole groups of four. OpenSSL would skip spaces and take
 * padding anywhere. */
static bool check_base64(struct slice text, size_t *padding)
{
	*padding = 0;
	if (text.len % 4 != 0 || text.len > INT_MAX)
		return false;
	while (*padding < 2 && *padding < text.len && text.ptr[text.len - 1 - *padding] == '=')
		++*padding;
	for (size_t i = 0; i < text.len - *padding; i++) {
		if (!is_base64_char(text.ptr[i]))
			return false;
	}
	return true;
}

bool payload_base64_decode(struct slice text, struct buf *out)
{
	size_t size = text.len / 4 * 3;
	unsigned char *bytes;
	size_t padding;

	if (!check_base64(text, &padding) || !buf_reserve(out, size))
		return false;
	if (size == 0)
		return true;
	bytes = (unsigned char *)out->data + out->len;
	if (EVP_DecodeBlock(bytes, (const unsigned char *)text.ptr, (int)text.len) != (int)size)
		return false;
	/* Padding is decoded as zero bits; others there were left over. */
	for (size_t i = size - padding; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	out->len += size - padding;
	return true;
}

bool payload_base64_encode(struct slice bytes, struct buf *out)
{
	size_t size = payload_base64_size(bytes.len);

	/* OpenSSL ends its text with a NUL, for which there must be room, too. */
	if (bytes.len > INT_MAX / 4 * 3 || !buf_reserve(out, size + 1))
		return false;
	if (bytes.len != 0)
		(void)EVP_EncodeBlock((unsigned char *)out->data + out->len,
			(const unsigned char *)bytes.ptr, (int)bytes.len);
	out->len += size;
	return true;
}
