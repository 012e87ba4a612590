#include "base/timestamp.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"

#include <assert.h>
#include <stddef.h>

#define US_PER_S INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)
#define DAYS_PER_ERA 146097 /* the calendar repeats after 400 years */
#define YEAR_MAX 9999

/* Enough to be out of range with any digits, too little for a sum to overflow. */
#define EXPONENT_MAX INT64_C(1000000000000000)

#define SHOWN_MAX 80 /* bytes of a refused text in its error */

/* ---- the calendar ---- */

/* Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the leap
 * day is the last of its year and the months before it have a regular rhythm (153 days every 5 months). */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - 719468; /* 0000-03-01 to 1970-01-01 */
}

/* The reverse of days_of. */
static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	int64_t day_of_era = z - era * DAYS_PER_ERA;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
				      day_of_era / (DAYS_PER_ERA - 1)) /
		365;
	int64_t day_of_year = day_of_era -
		(365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
	*month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	*year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

static int days_in_month(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && is_leap ? 29 : days[month - 1];
}

/* ---- reading ---- */

struct cursor {
	const char *at;
	const char *end;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes exactly `count` digits. */
static bool take_digits(struct cursor *c, int count, int *value)
{
	*value = 0;
	for (int i = 0; i < count; i++) {
		if (c->at == c->end || !is_digit(*c->at))
			return false;
		*value = *value * 10 + (*c->at++ - '0');
	}
	return true;
}

/* Takes one byte if it is one of `choice`. */
static bool take_any(struct cursor *c, const char *choice)
{
	if (c->at == c->end || *c->at == '\0' || strchr(choice, *c->at) == NULL)
		return false;
	c->at++;
	return true;
}

/* Takes the digits of a fraction of a second; those beyond the sixth are cut. */
static bool take_fraction(struct cursor *c, int64_t *us)
{
	int64_t unit = US_PER_S / 10;

	if (c->at == c->end || !is_digit(*c->at))
		return false;
	for (*us = 0; c->at < c->end && is_digit(*c->at); c->at++) {
		*us += unit * (*c->at - '0');
		unit /= 10;
	}
	return true;
}

/* Takes Z, +hh, +hhmm or +hh:mm, or nothing at the end; gives seconds to subtract. */
static bool take_zone(struct cursor *c, int64_t *offset_s)
{
	int hours;
	int minutes = 0;
	bool is_west;

	*offset_s = 0;
	if (c->at == c->end || take_any(c, "Zz"))
		return true;
	is_west = *c->at == '-';
	if (!take_any(c, "+-") || !take_digits(c, 2, &hours) || hours > 23)
		return false;
	if (c->at < c->end) {
		take_any(c, ":");
		if (!take_digits(c, 2, &minutes) || minutes > 59)
			return false;
	}
	*offset_s = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

/* Takes the time of a day, as microseconds from its start; in the extended form colons stand between. */
static bool take_time(struct cursor *c, bool is_extended, int64_t *us)
{
	int hour;
	int minute;
	int second = 0;
	int64_t fraction = 0;

	if (!take_digits(c, 2, &hour) || (is_extended && !take_any(c, ":")) ||
		!take_digits(c, 2, &minute))
		return false;
	if (is_extended ? take_any(c, ":") : c->at < c->end && is_digit(*c->at)) {
		if (!take_digits(c, 2, &second))
			return false;
		if (take_any(c, ".,") && !take_fraction(c, &fraction))
			return false;
	}
	if (hour > 24 || minute > 59 || second > 60)
		return false;
	if (hour == 24 && (minute != 0 || second != 0 || fraction != 0))
		return false;
	*us = (hour * 3600 + minute * 60 + second) * US_PER_S + fraction;
	return true;
}

/* Takes a date, and says whether it was written with dashes. */
static bool take_date(struct cursor *c, bool *is_extended, int64_t *days)
{
	int year;
	int month;
	int day;

	if (!take_digits(c, 4, &year))
		return false;
	*is_extended = take_any(c, "-");
	if (!take_digits(c, 2, &month) || (*is_extended && !take_any(c, "-")) ||
		!take_digits(c, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	*days = days_of(year, month, day);
	return true;
}

/* Reads a whole ISO 8601 text. A date alone needs its dashes: without them it is a number. */
static bool read_iso(struct slice text, int64_t *us)
{
	struct cursor c = { text.ptr, text.ptr + text.len };
	bool is_extended;
	int64_t days;
	int64_t time_us = 0;
	int64_t offset_s = 0;

	if (!take_date(&c, &is_extended, &days))
		return false;
	if (take_any(&c, "Tt ")) {
		if (!take_time(&c, is_extended, &time_us) || !take_zone(&c, &offset_s))
			return false;
	} else if (!is_extended) {
		return false;
	}
	*us = (days * S_PER_DAY - offset_s) * US_PER_S + time_us;
	return c.at == c.end;
}

/* A decimal number: the value of `digits` (a point may stand between) with `point` digits before the
 * decimal point; fewer than none for 0.00x. */
struct decimal {
	struct slice digits; /* from the first that is not 0 */
	int64_t point;
	bool is_negative;
};

/* Takes an exponent's digits; a value beyond EXPONENT_MAX stays there. */
static bool take_exponent(struct cursor *c, int64_t *exponent)
{
	bool is_negative;

	if (c->at == c->end)
		return false;
	is_negative = *c->at == '-';
	take_any(c, "+-");
	if (c->at == c->end)
		return false;
	for (*exponent = 0; c->at < c->end; c->at++) {
		if (!is_digit(*c->at))
			return false;
		if (*exponent < EXPONENT_MAX)
			*exponent = *exponent * 10 + (*c->at - '0');
	}
	if (is_negative)
		*exponent = -*exponent;
	return true;
}

/* Reads a number as JSON writes it (leading zeros allowed). */
static bool read_decimal(struct slice text, struct decimal *d)
{
	struct cursor c = { text.ptr, text.ptr + text.len };
	const char *first = NULL; /* the first digit that is not 0 */
	const char *point = NULL;
	const char *end;
	int64_t exponent = 0;

	d->is_negative = take_any(&c, "-");
	if (c.at == c.end || !is_digit(*c.at))
		return false;
	for (; c.at < c.end && (is_digit(*c.at) || (*c.at == '.' && point == NULL)); c.at++) {
		if (*c.at == '.')
			point = c.at;
		else if (*c.at != '0' && first == NULL)
			first = c.at;
	}
	end = c.at;
	if (end[-1] == '.' || (take_any(&c, "eE") && !take_exponent(&c, &exponent)) ||
		c.at != c.end)
		return false;
	if (point == NULL)
		point = end;
	if (first == NULL)
		first = end;
	d->digits = (struct slice){ first, (size_t)(end - first) };
	d->point = exponent + (point - first) + (first > point ? 1 : 0);
	return true;
}

/* Turns a number into microseconds by its size; false: out of range. */
static bool us_of_decimal(const struct decimal *d, int64_t *us)
{
	int64_t keep = d->point; /* the digits up to the microsecond */
	const char *at = d->digits.ptr;
	const char *end = at + d->digits.len;

	*us = 0;
	if (d->digits.len == 0)
		return true;
	if (d->point <= 11)
		keep += 6;
	else if (d->point <= 14)
		keep += 3;
	else if (d->point > 17)
		keep -= 3;
	if (keep > 18)
		return false;
	for (; keep > 0; keep--) {
		if (at < end && *at == '.')
			at++;
		*us = *us * 10 + (at < end ? *at++ - '0' : 0);
	}
	if (d->is_negative)
		*us = -*us;
	return true;
}

bool timestamp_parse_text(struct slice text, int64_t *us, struct err *e)
{
	char shown[SHOWN_MAX];
	struct decimal d;
	int64_t value = 0;
	bool is_in_range = true;

	if (text.len > 0 && read_decimal(text, &d)) {
		is_in_range = us_of_decimal(&d, &value);
	} else if (text.len == 0 || !read_iso(text, &value)) {
		log_peer_text(shown, sizeof(shown), text);
		return err_set(e, ERR_INPUT,
			"'%s' is no time: neither ISO 8601 (2014-09-15T09:04:00Z) nor a number",
			shown);
	}
	if (!is_in_range || value < TIMESTAMP_MIN_US || value > TIMESTAMP_MAX_US) {
		log_peer_text(shown, sizeof(shown), text);
		return err_set(
			e, ERR_INPUT, "'%s' is outside the years 0000 to %d", shown, YEAR_MAX);
	}
	*us = value;
	return true;
}

bool timestamp_parse(struct slice json_token, int64_t *us, struct err *e)
{
	struct slice content;
	struct buf decoded;
	bool ok;

	if (json_token.len == 0)
		return err_set(e, ERR_INPUT, "a time is missing");
	switch (json_type_of(json_token)) {
	case JSON_NUMBER:
		return timestamp_parse_text(json_token, us, e);
	case JSON_STRING:
		break;
	default:
		return err_set(e, ERR_INPUT, "a time must be a string or a number");
	}
	assert(json_token.len >= 2);
	content = (struct slice){ json_token.ptr + 1, json_token.len - 2 };
	if (memchr(content.ptr, '\\', content.len) == NULL)
		return timestamp_parse_text(content, us, e);
	buf_init(&decoded, json_token.len);
	ok = json_string_decode(json_token, &decoded, e) &&
		timestamp_parse_text(buf_slice(&decoded), us, e);
	buf_release(&decoded);
	return ok;
}

/* ---- writing ---- */

/* Writes `value` with at least `width` digits and returns where the next byte goes. */
static char *put_number(char *out, int64_t value, int width)
{
	char digits[20];
	int count = 0;

	while (value > 0 || count < width) {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	}
	while (count > 0)
		*out++ = digits[--count];
	return out;
}

static char *put_pair(char *out, char before, int64_t value)
{
	*out++ = before;
	*out++ = (char)('0' + value / 10);
	*out++ = (char)('0' + value % 10);
	return out;
}

void timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_MAX])
{
	int64_t seconds = us / US_PER_S - (us % US_PER_S < 0 ? 1 : 0);
	int64_t fraction = us % US_PER_S + (us % US_PER_S < 0 ? US_PER_S : 0);
	int64_t days = seconds / S_PER_DAY - (seconds % S_PER_DAY < 0 ? 1 : 0);
	int64_t rest = seconds - days * S_PER_DAY;
	int64_t year;
	int month;
	int day;

	date_of(days, &year, &month, &day);
	if (year < 0)
		*out++ = '-';
	out = put_number(out, year < 0 ? -year : year, 4);
	out = put_pair(out, '-', month);
	out = put_pair(out, '-', day);
	out = put_pair(out, 'T', rest / 3600);
	out = put_pair(out, ':', rest / 60 % 60);
	out = put_pair(out, ':', rest % 60);
	*out++ = '.';
	out = fraction % 1000 == 0 ? put_number(out, fraction / 1000, 3)
				   : put_number(out, fraction, 6);
	*out++ = 'Z';
	*out = '\0';
}

bool timestamp_is_canonical(struct slice json_token, int64_t us)
{
	char text[TIMESTAMP_TEXT_MAX];
	size_t len;

	timestamp_format(us, text);
	len = strlen(text);
	return json_token.len == len + 2 && json_token.ptr[0] == '"' &&
		memcmp(json_token.ptr + 1, text, len) == 0;
}
