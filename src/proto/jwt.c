#include "proto/jwt.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/json.h"
#include "base/utf8.h"

#define JWT_NUMBER_MAX 127
#define JWT_TIME_MAX 253402300799.0 /* 9999-12-31T23:59:59Z */

/* Finds the second of three parts with dots between them. */
static bool find_payload(struct slice token, struct slice *payload)
{
	const char *end, *first, *second;

	if (token.len == 0)
		return false;
	end = token.ptr + token.len;
	first = memchr(token.ptr, '.', token.len);
	if (first == NULL || first == token.ptr)
		return false;
	second = memchr(first + 1, '.', (size_t)(end - first - 1));
	if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
		return false;
	*payload = (struct slice){ first + 1, (size_t)(second - first - 1) };
	return true;
}

/* The character of ordinary base64 for one of base64url; NUL if it is none. */
static unsigned char base64_char(char c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return (unsigned char)c;
	return c == '-' ? '+' : c == '_' ? '/' : '\0';
}

/* Decodes base64url, with or without padding, into `out` (JWT_PAYLOAD_MAX bytes). */
static bool decode_base64url(struct slice text, unsigned char *out, size_t *len)
{
	unsigned char block[JWT_PAYLOAD_MAX + 4];
	size_t n, padding;
	int size;

	while (text.len != 0 && text.ptr[text.len - 1] == '=')
		text.len--;
	if (text.len == 0 || text.len > JWT_PAYLOAD_MAX || text.len % 4 == 1)
		return false;
	for (n = 0; n < text.len; n++) {
		block[n] = base64_char(text.ptr[n]);
		if (block[n] == '\0')
			return false;
	}
	padding = (4 - n % 4) % 4;
	memset(block + n, '=', padding);
	size = EVP_DecodeBlock(out, block, (int)(n + padding));
	OPENSSL_cleanse(block, sizeof(block));
	if (size < (int)padding)
		return false;
	*len = (size_t)size - padding;
	return true;
}

/* A NumericDate: seconds, perhaps with decimals or an exponent. */
static bool read_time(struct slice payload, const char *name, int64_t *out)
{
	char text[JWT_NUMBER_MAX + 1];
	struct slice token;
	double value;

	if (!json_member(payload, name, &token) || json_type_of(token) != JSON_NUMBER ||
		token.len > JWT_NUMBER_MAX)
		return false;
	memcpy(text, token.ptr, token.len);
	text[token.len] = '\0';
	value = strtod(text, NULL);
	if (!(value >= 0 && value <= JWT_TIME_MAX))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_payload(struct slice text, struct jwt_times *out)
{
	struct slice payload;
	struct json_iter it;
	struct err e;

	if (!utf8_valid(text) || !json_validate(text, NULL, &e))
		return false;
	json_iter_list(&it, text);
	if (!json_iter_next(&it, NULL, &payload) || json_type_of(payload) != JSON_OBJECT)
		return false;
	out->has_exp = read_time(payload, "exp", &out->exp);
	out->has_iat = read_time(payload, "iat", &out->iat);
	return true;
}

bool jwt_times(struct slice token, struct jwt_times *out)
{
	unsigned char bytes[JWT_PAYLOAD_MAX];
	struct slice payload;
	bool ok = false;
	size_t len;

	*out = (struct jwt_times){ 0 };
	if (find_payload(token, &payload) && decode_base64url(payload, bytes, &len))
		ok = read_payload((struct slice){ (const char *)bytes, len }, out);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return ok;
}
