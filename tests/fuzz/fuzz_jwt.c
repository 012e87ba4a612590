/*
 * Tokens of a hostile token server. What is asserted: times are within their range and absent where the
 * token is no JWT. The input is read as a token, and once more as the payload of one.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "proto/jwt.h"

#define YEAR_9999 253402300799

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check(struct slice token)
{
	struct jwt_times t;
	bool ok = jwt_times(token, &t);

	assert(ok || (!t.has_exp && !t.has_iat));
	assert(t.has_exp || t.exp == 0);
	assert(t.has_iat || t.iat == 0);
	assert(t.exp >= 0 && t.exp <= YEAR_9999 && t.iat >= 0 && t.iat <= YEAR_9999);
	return ok;
}

/* Puts the bytes in base64url between two dots. */
static void check_payload(const uint8_t *data, size_t size)
{
	struct buf token;

	buf_init(&token, 4 * size + 16);
	if (!buf_append_str(&token, "h.") || !buf_reserve(&token, (size + 2) / 3 * 4 + 1))
		abort();
	token.len += (size_t)EVP_EncodeBlock(
		(unsigned char *)token.data + token.len, data, (int)size);
	for (size_t i = 2; i < token.len; i++) {
		if (token.data[i] == '+')
			token.data[i] = '-';
		else if (token.data[i] == '/')
			token.data[i] = '_';
	}
	if (!buf_append_str(&token, ".s"))
		abort();
	if (size >= 2 && data[0] == '{' && data[1] == '}' && size == 2)
		assert(check(buf_slice(&token)));
	else
		(void)check(buf_slice(&token));
	buf_release(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)check((struct slice){ (const char *)data, size });
	if (size != 0 && size < 20000)
		check_payload(data, size);
	return 0;
}
