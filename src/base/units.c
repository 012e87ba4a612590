#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

#define FRACTION_DIGITS 3
#define WHOLE_MAX ((uint64_t)1000000000000000000)

struct unit {
	const char *name;
	uint64_t value;
};

/* Largest first: the order in which a value is tried on when it is printed. */
static const struct unit duration_units[] = { { "d", UNITS_D }, { "h", UNITS_H }, { "m", UNITS_M },
	{ "s", UNITS_S }, { "ms", UNITS_MS }, { NULL, 0 } };
static const struct unit size_units[] = { { "GiB", UNITS_GIB }, { "MiB", UNITS_MIB },
	{ "KiB", UNITS_KIB }, { "B", 1 }, { NULL, 0 } };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads the digits at the front and takes them off; a number beyond WHOLE_MAX stays there. */
static size_t take_digits(struct slice *text, uint64_t *value)
{
	size_t n = 0;

	*value = 0;
	for (; n < text->len && is_digit(text->ptr[n]); n++) {
		*value = *value * 10 + (uint64_t)(text->ptr[n] - '0');
		if (*value > WHOLE_MAX)
			*value = WHOLE_MAX;
	}
	if (n != 0)
		*text = (struct slice){ text->ptr + n, text->len - n };
	return n;
}

/* Takes ".5", at most three digits, off the front: thousandths. No fraction is a good one, too. */
static bool take_fraction(struct slice *text, uint64_t *thousandths)
{
	size_t digits;

	*thousandths = 0;
	if (text->len == 0 || *text->ptr != '.')
		return true;
	*text = (struct slice){ text->ptr + 1, text->len - 1 };
	digits = take_digits(text, thousandths);
	if (digits == 0 || digits > FRACTION_DIGITS)
		return false;
	for (; digits < FRACTION_DIGITS; digits++)
		*thousandths *= 10;
	return true;
}

static enum units_result parse(
	struct slice text, const struct unit *units, uint64_t max, uint64_t *value)
{
	uint64_t whole, thousandths, sum;

	if (take_digits(&text, &whole) == 0 || !take_fraction(&text, &thousandths))
		return UNITS_SYNTAX;
	while (units->name != NULL && !slice_is(text, units->name))
		units++;
	if (units->name == NULL)
		return UNITS_SYNTAX;
	if (whole > max / units->value)
		return UNITS_LARGE;
	/* No unit is so large that a thousand of it would not fit. */
	sum = whole * units->value + thousandths * units->value / 1000;
	if (sum > max)
		return UNITS_LARGE;
	*value = sum;
	return UNITS_OK;
}

enum units_result units_duration(struct slice text, int64_t *us)
{
	uint64_t value;
	enum units_result result = parse(text, duration_units, UNITS_DURATION_MAX_US, &value);

	if (result == UNITS_OK)
		*us = (int64_t)value;
	return result;
}

enum units_result units_size(struct slice text, uint64_t *bytes)
{
	return parse(text, size_units, UNITS_SIZE_MAX, bytes);
}

const char *units_duration_text(char out[UNITS_TEXT_MAX], int64_t us)
{
	const struct unit *u = duration_units;
	uint64_t value = us > 0 ? (uint64_t)us : 0;

	if (value == 0) {
		(void)snprintf(out, UNITS_TEXT_MAX, "0s");
		return out;
	}
	while (u[1].name != NULL && value % u->value != 0)
		u++;
	if (value % u->value == 0)
		(void)snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 "%s", value / u->value, u->name);
	else
		(void)snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 ".%03" PRIu64 "%s", value / u->value,
			value % u->value, u->name);
	return out;
}

const char *units_size_text(char out[UNITS_TEXT_MAX], uint64_t bytes)
{
	const struct unit *u = size_units;

	while (u[1].name != NULL && (bytes == 0 || bytes % u->value != 0))
		u++;
	(void)snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 "%s", bytes / u->value, u->name);
	return out;
}
