#include "store/row_value.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_DIGITS_MAX 19
#define SURE_DIGITS 15 /* every decimal of so many digits is given back by a double (DBL_DIG) */
#define REAL_DIGITS_MAX 17
#define REAL_LENGTH_MAX 40

/* A number in plain notation, taken apart. */
struct decimal {
	size_t whole;       /* digits before the point */
	size_t fraction;    /* digits behind it */
	size_t significant; /* without leading zeros */
	bool is_negative;
	bool is_zero;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Accepts -?(0|[1-9][0-9]*)(\.[0-9]+)? and nothing else. */
static bool take_apart(struct slice text, struct decimal *out)
{
	const char *at = text.ptr;
	const char *end = at + text.len;
	bool is_leading = true;
	const char *whole;

	*out = (struct decimal){ .is_negative = text.len != 0 && *at == '-' };
	at += out->is_negative;
	for (whole = at; at < end && (is_digit(*at) || (*at == '.' && out->fraction == 0)); at++) {
		if (*at == '.') {
			if (at == whole || out->whole != 0)
				return false;
			out->whole = (size_t)(at - whole);
			continue;
		}
		is_leading = is_leading && *at == '0';
		out->significant += !is_leading;
		out->fraction += out->whole != 0;
	}
	if (at != end || at == whole)
		return false;
	if (out->whole == 0)
		out->whole = (size_t)(at - whole);
	else if (out->fraction == 0)
		return false;
	out->is_zero = is_leading;
	return out->whole == 1 || *whole != '0';
}

static bool as_integer(struct slice text, const struct decimal *d, int64_t *out)
{
	char digits[INTEGER_DIGITS_MAX + 2];
	char back[INTEGER_DIGITS_MAX + 2];

	if (d->fraction != 0 || d->whole > INTEGER_DIGITS_MAX)
		return false;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	*out = strtoll(digits, NULL, 10); /* out of range: the limit, which reads otherwise */
	(void)snprintf(back, sizeof(back), "%" PRId64, *out);
	return strcmp(digits, back) == 0;
}

/* True if the shortest text of more than SURE_DIGITS digits that means `real` has just the digits of `text`. */
static bool comes_back(const char *text, const struct decimal *d, size_t significant, double real)
{
	char back[REAL_LENGTH_MAX];

	/* A shorter one, that means the same, would come back instead. */
	for (int digits = SURE_DIGITS; digits < (int)significant; digits++) {
		(void)snprintf(back, sizeof(back), "%.*e", digits - 1, real);
		if (strtod(back, NULL) == real)
			return false;
	}
	(void)snprintf(back, sizeof(back), "%.*f", (int)d->fraction, real);
	return strcmp(back, text) == 0;
}

static bool as_real(struct slice text, const struct decimal *d, double *out)
{
	char copy[REAL_LENGTH_MAX];
	size_t significant = d->significant;

	if (d->fraction == 0 || text.len >= sizeof(copy))
		return false;
	/* The zero of "100.0" says only that it is a real. */
	if (d->fraction == 1 && text.ptr[text.len - 1] == '0' && !d->is_zero)
		significant--;
	if (significant > REAL_DIGITS_MAX)
		return false;
	/* "1.50" comes back as 1.5, "-0.0" as 0.0. */
	if ((text.ptr[text.len - 1] == '0' && d->fraction != 1) || (d->is_zero && d->is_negative))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*out = strtod(copy, NULL);
	return significant <= SURE_DIGITS || comes_back(copy, d, significant, *out);
}

static struct row_value value_of_text(struct slice text)
{
	struct row_value v = { .kind = ROW_TEXT, .text = text };
	struct decimal d;

	if (text.len == 0 || (*text.ptr != '-' && !is_digit(*text.ptr)) || !take_apart(text, &d))
		return v;
	if (as_integer(text, &d, &v.integer))
		v.kind = ROW_INTEGER;
	else if (as_real(text, &d, &v.real))
		v.kind = ROW_REAL;
	return v;
}

static struct row_value value_of_string(struct slice token, struct buf *scratch)
{
	struct slice inner = { token.ptr + 1, token.len - 2 };
	struct err ignored;

	if (inner.len == 0 || memchr(inner.ptr, '\\', inner.len) == NULL)
		return value_of_text(inner);
	scratch->len = 0;
	if (!json_string_decode(token, scratch, &ignored))
		return (struct row_value){ .kind = ROW_TEXT, .text = token };
	return value_of_text(buf_slice(scratch));
}

struct row_value row_value_of(struct slice json, struct buf *scratch)
{
	switch (json_type_of(json)) {
	case JSON_NULL:
		break;
	case JSON_BOOL:
		return (struct row_value){ .kind = ROW_INTEGER, .integer = *json.ptr == 't' };
	case JSON_NUMBER:
		return value_of_text(json);
	case JSON_STRING:
		return value_of_string(json, scratch);
	case JSON_ARRAY:
	case JSON_OBJECT:
		return (struct row_value){ .kind = ROW_TEXT, .text = json };
	}
	return (struct row_value){ .kind = ROW_NULL };
}

void row_real_text(double real, char out[ROW_REAL_TEXT_MAX])
{
	char digits[REAL_LENGTH_MAX];
	int count = SURE_DIGITS;
	int fraction;
	size_t len;

	do
		(void)snprintf(digits, sizeof(digits), "%.*e", count - 1, real);
	while (strtod(digits, NULL) != real && ++count <= REAL_DIGITS_MAX);
	if (strchr(digits, 'e') == NULL) { /* no number; it is none of ours */
		(void)snprintf(out, ROW_REAL_TEXT_MAX, "%s", digits);
		return;
	}
	fraction = count - 1 - atoi(strchr(digits, 'e') + 1);
	len = (size_t)snprintf(out, ROW_REAL_TEXT_MAX, "%.*f", fraction > 1 ? fraction : 1, real);
	while (len > 2 && out[len - 1] == '0' && out[len - 2] != '.')
		out[--len] = '\0';
}
