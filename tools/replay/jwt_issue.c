#include "jwt_issue.h"

#include "proto/payload.h"

#include <jwt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define SECRET_BYTES 32
#define BASIC_MAX ((size_t)32 << 10)

struct jwt_issue {
	int64_t lifetime_s;
	unsigned char secret[SECRET_BYTES];
};

static bool random_bytes(void *out, size_t size, struct err *e)
{
	if (getrandom(out, size, 0) == (ssize_t)size)
		return true;
	return err_set(e, ERR_SYSTEM, "the kernel has no random bytes");
}

bool jwt_issue_new(struct jwt_issue **out, int64_t lifetime_s, struct err *e)
{
	struct jwt_issue *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return err_set(e, ERR_NOMEM, "cannot make tokens: out of memory");
	j->lifetime_s = lifetime_s;
	if (!random_bytes(j->secret, sizeof(j->secret), e)) {
		free(j);
		return false;
	}
	*out = j;
	return true;
}

void jwt_issue_free(struct jwt_issue *j)
{
	if (j == NULL)
		return;
	explicit_bzero(j->secret, sizeof(j->secret));
	free(j);
}

static bool make_id(char out[JWT_ID_LENGTH + 1], struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[JWT_ID_LENGTH / 2];

	if (!random_bytes(bytes, sizeof(bytes), e))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[JWT_ID_LENGTH] = '\0';
	return true;
}

bool jwt_issue_token(const struct jwt_issue *j, int64_t now_s, struct buf *out, struct err *e)
{
	char id[JWT_ID_LENGTH + 1];
	char *text = NULL;
	jwt_t *jwt = NULL;
	bool ok;

	if (!make_id(id, e))
		return false;
	ok = jwt_new(&jwt) == 0 &&
		jwt_set_alg(jwt, JWT_ALG_HS256, j->secret, sizeof(j->secret)) == 0 &&
		jwt_add_grant_int(jwt, "iat", (long)now_s) == 0 &&
		jwt_add_grant_int(jwt, "exp", (long)(now_s + j->lifetime_s)) == 0 &&
		jwt_add_grant(jwt, "jti", id) == 0;
	if (ok)
		text = jwt_encode_str(jwt);
	ok = text != NULL && buf_append_str(out, text);
	jwt_free(jwt);
	free(text);
	return ok || err_set(e, ERR_NOMEM, "cannot make a token: out of memory");
}

/* Reads what a token with a good signature says. */
static bool read_owner(jwt_t *jwt, struct jwt_owner *owner)
{
	const char *id = jwt_get_grant(jwt, "jti");

	if (jwt_get_alg(jwt) != JWT_ALG_HS256 || id == NULL || strlen(id) != JWT_ID_LENGTH)
		return false;
	memcpy(owner->id, id, JWT_ID_LENGTH + 1);
	owner->exp_s = jwt_get_grant_int(jwt, "exp");
	return true;
}

enum jwt_verdict jwt_issue_check(
	const struct jwt_issue *j, struct slice token, int64_t now_s, struct jwt_owner *owner)
{
	char text[JWT_TOKEN_MAX + 1];
	jwt_t *jwt = NULL;
	bool is_ours;

	if (token.len == 0)
		return JWT_MISSING;
	if (token.len > JWT_TOKEN_MAX || memchr(token.ptr, '\0', token.len) != NULL)
		return JWT_BAD;
	memcpy(text, token.ptr, token.len);
	text[token.len] = '\0';
	is_ours = jwt_decode(&jwt, text, j->secret, sizeof(j->secret)) == 0 &&
		read_owner(jwt, owner);
	jwt_free(jwt);
	if (!is_ours)
		return JWT_BAD;
	return now_s < owner->exp_s ? JWT_GOOD : JWT_EXPIRED;
}

const char *jwt_verdict_text(enum jwt_verdict verdict)
{
	static const char *const texts[] = { [JWT_GOOD] = "",
		[JWT_MISSING] = "no token",
		[JWT_BAD] = "invalid token",
		[JWT_EXPIRED] = "token expired" };

	return texts[verdict];
}

/* True if the bytes are the key and a colon. */
static bool is_key(struct slice key, struct slice given)
{
	unsigned char differs = given.len != key.len + 1;

	for (size_t i = 0; i < key.len; i++)
		differs |= (unsigned char)(key.ptr[i] ^ (i < given.len ? given.ptr[i] : '\0'));
	return (differs | (given.len > key.len ? given.ptr[key.len] ^ ':' : 1)) == 0;
}

enum basic_verdict jwt_basic_check(const struct secret *key, struct slice value)
{
	static const char scheme[] = "Basic ";
	struct buf given;
	enum basic_verdict verdict = BASIC_BAD;

	if (value.ptr == NULL)
		return BASIC_MISSING;
	if (value.len < sizeof(scheme) || value.len > BASIC_MAX ||
		strncasecmp(value.ptr, scheme, sizeof(scheme) - 1) != 0)
		return BASIC_BAD;
	value.ptr += sizeof(scheme) - 1;
	value.len -= sizeof(scheme) - 1;
	while (value.len != 0 && *value.ptr == ' ') {
		value.ptr++;
		value.len--;
	}
	buf_init(&given, BASIC_MAX);
	if (buf_reserve(&given, value.len) && payload_base64_decode(value, &given) &&
		given.len != 0)
		verdict = is_key(secret_reveal(key), buf_slice(&given)) ? BASIC_GOOD : BASIC_WRONG;
	if (given.data != NULL)
		explicit_bzero(given.data, given.cap);
	buf_release(&given);
	return verdict;
}
