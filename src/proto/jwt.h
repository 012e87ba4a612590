/*
 * jwt: when a JSON Web Token was issued and when it expires (RFC 7519).
 *
 * The recorder must only know when to fetch the next one; the signature is the server's concern, so
 * nothing is verified here. Limit: JWT_PAYLOAD_MAX. The decoded payload is wiped.
 */
#ifndef TAPEDECK_PROTO_JWT_H
#define TAPEDECK_PROTO_JWT_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JWT_PAYLOAD_MAX 16384 /* base64url characters */

struct jwt_times {
	bool has_exp;
	bool has_iat;
	int64_t exp; /* seconds since 1970-01-01 UTC; decimals are cut */
	int64_t iat;
};

/* False if `token` is no JWT: three parts, the second a JSON object in base64url. A member that is no
 * number, negative or beyond the year 9999 counts as absent. */
bool jwt_times(struct slice token, struct jwt_times *out) MUST_CHECK;

#endif
