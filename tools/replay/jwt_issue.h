/*
 * jwt_issue: the tokens of a replay server: HS256 under a secret that is made at the start.
 *
 * A token says when it was issued and when it ends, and carries a random name (`jti`) by which its owner is
 * known again. Pure but for the randomness: the caller says what time it is. Tokens of another run, of
 * another algorithm or with a changed byte are not taken. Limit: JWT_TOKEN_MAX.
 */
#ifndef TAPEDECK_REPLAY_JWT_ISSUE_H
#define TAPEDECK_REPLAY_JWT_ISSUE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JWT_TOKEN_MAX ((size_t)16 << 10)
#define JWT_ID_LENGTH 32

struct jwt_issue;

struct jwt_owner {
	char id[JWT_ID_LENGTH + 1];
	int64_t exp_s; /* the token is good before it; seconds since 1970-01-01 UTC */
};

bool jwt_issue_new(struct jwt_issue **out, int64_t lifetime_s, struct err *e) MUST_CHECK;

/* Wipes the secret; accepts NULL. */
void jwt_issue_free(struct jwt_issue *j);

/* Appends a new token. */
bool jwt_issue_token(
	const struct jwt_issue *j, int64_t now_s, struct buf *out, struct err *e) MUST_CHECK;

enum jwt_verdict { JWT_GOOD, JWT_MISSING, JWT_BAD, JWT_EXPIRED };

/* Looks at a token; `owner` is filled if it is good or has expired. */
enum jwt_verdict jwt_issue_check(const struct jwt_issue *j, struct slice token, int64_t now_s,
	struct jwt_owner *owner) MUST_CHECK;

/* What a refusal says. */
const char *jwt_verdict_text(enum jwt_verdict verdict);

enum basic_verdict { BASIC_GOOD, BASIC_MISSING, BASIC_BAD, BASIC_WRONG };

/* Looks at the value of an Authorization header: Basic, with the key as user and no password. `value` ptr NULL:
 * there is none. The comparison takes as long whatever differs. */
enum basic_verdict jwt_basic_check(const struct secret *key, struct slice value) MUST_CHECK;

#endif
