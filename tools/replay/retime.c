#include "retime.h"

#include "base/json_scan.h"
#include "base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>

#define FRACTION_DIGITS_MAX 6 /* there is nothing finer than a microsecond */

/* What stands between the quotes, or the number. */
static struct slice content_of(struct slice token)
{
	if (token.len >= 2 && token.ptr[0] == '"')
		return (struct slice){ token.ptr + 1, token.len - 2 };
	return token;
}

static size_t count_digits(struct slice text, size_t from)
{
	size_t i = from;

	while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9')
		i++;
	return i - from;
}

/* The length of a number's whole part and of its decimals; false if it is not written that way. */
static bool measure(struct slice text, size_t *whole, size_t *decimals)
{
	size_t from = text.len != 0 && text.ptr[0] == '-' ? 1 : 0;
	size_t end;

	*whole = count_digits(text, from);
	*decimals = 0;
	end = from + *whole;
	if (end < text.len && text.ptr[end] == '.') {
		*decimals = count_digits(text, end + 1);
		end += 1 + *decimals;
	}
	return *whole != 0 && end == text.len;
}

/* How many microseconds, or for nanoseconds parts of one, the last whole digit of a number is: as base/timestamp.h
 * tells the units apart. */
static void unit_of(size_t whole, int64_t *divisor, int64_t *factor)
{
	*factor = whole > 17 ? 1000 : 1;
	*divisor = whole > 14 ? 1 : whole > 11 ? 1000 : 1000000;
}

size_t retime_token(struct slice token, int64_t us, char out[RETIME_TOKEN_MAX])
{
	struct slice text = content_of(token);
	const char *quote = text.ptr != token.ptr ? "\"" : "";
	char iso[TIMESTAMP_TEXT_MAX];
	int64_t divisor, factor;
	size_t whole, decimals;
	int len;

	if (us < 0 || !measure(text, &whole, &decimals)) {
		timestamp_format(us, iso);
		return (size_t)snprintf(out, RETIME_TOKEN_MAX, "\"%s\"", iso);
	}
	unit_of(whole, &divisor, &factor);
	len = snprintf(out, RETIME_TOKEN_MAX, "%s%" PRId64, quote, us / divisor * factor);
	if (decimals != 0 && divisor != 1) {
		char fraction[FRACTION_DIGITS_MAX + 1];
		int width = divisor == 1000 ? 3 : 6;

		(void)snprintf(fraction, sizeof(fraction), "%0*d", width, (int)(us % divisor));
		len += snprintf(out + len, RETIME_TOKEN_MAX - (size_t)len, ".%.*s",
			(int)(decimals < FRACTION_DIGITS_MAX ? decimals : FRACTION_DIGITS_MAX),
			fraction);
	}
	len += snprintf(out + len, RETIME_TOKEN_MAX - (size_t)len, "%s", quote);
	return (size_t)len;
}

bool retime_arguments(
	const struct json_places *places, int64_t us, struct buf *arguments, struct buf *scratch)
{
	static const char head[] = "[\"\",";
	char token[RETIME_TOKEN_MAX];
	struct event_scan scan;
	struct slice was;
	size_t before;
	struct err e;

	scratch->len = 0;
	if (!buf_append_str(scratch, head) || !buf_append_slice(scratch, buf_slice(arguments)) ||
		!buf_append_char(scratch, ']') ||
		!json_scan_event(buf_slice(scratch), places, &scan, &e))
		return false;
	was = scan.slot[EVENT_TIMESTAMP];
	if (was.ptr == NULL)
		return true;
	before = (size_t)(was.ptr - scratch->data) - (sizeof(head) - 1);
	arguments->len = before;
	return buf_append(arguments, token, retime_token(was, us, token)) &&
		buf_append(arguments, was.ptr + was.len,
			scratch->len - 1 - (size_t)(was.ptr + was.len - scratch->data));
}
