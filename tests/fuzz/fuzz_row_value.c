/*
 * Fuzz: row_value_of on any JSON value, and on any text in quotes.
 *
 * A value becomes a number only if its text comes back unchanged: an integer by its decimal text, a real by the
 * shortest decimal that means it, which is found here in another way, digit by digit. A short text that would come
 * back must have become a number. All else keeps its text: a string what it says, the rest its own bytes.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "store/row_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_MAX 400 /* the least double has 324 zeros */
#define SHORT 17      /* of a text so short all digits count */

/* Goes on only with what holds. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The fewest digits that mean `real`, and the place of the point among them. */
static int shortest(double real, char *digits, int *point)
{
	char text[40];
	int count = 0;

	for (int n = 0; n < 17; n++) {
		(void)snprintf(text, sizeof(text), "%.*e", n, real);
		if (!(strtod(text, NULL) < real) && !(strtod(text, NULL) > real))
			break;
	}
	*point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	for (const char *at = text; *at != 'e'; at++)
		if (isdigit((unsigned char)*at))
			digits[count++] = *at;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	return count;
}

/* Writes `real` in plain notation, with one digit behind the point at least. */
static void write_plain(double real, char *out)
{
	char digits[40];
	int point;
	int count = shortest(real, digits, &point);

	if (signbit(real) && (real < 0))
		*out++ = '-';
	if (point <= 0)
		*out++ = '0';
	for (int i = 0; i < point; i++)
		*out++ = '0';
	*out = '\0';
	if (point > 0)
		for (int i = 0; i < point && i < count; i++)
			out[i - point] = digits[i];
	*out++ = '.';
	for (int i = point; i < 0; i++)
		*out++ = '0';
	for (int i = point > 0 ? point : 0; i < count; i++)
		*out++ = digits[i];
	if (count <= point)
		*out++ = '0';
	*out = '\0';
}

static bool comes_back_as_integer(const char *text)
{
	char back[32];

	(void)snprintf(back, sizeof(back), "%" PRId64, (int64_t)strtoll(text, NULL, 10));
	return strcmp(back, text) == 0;
}

static bool comes_back_as_real(const char *text)
{
	char back[PLAIN_MAX];
	double real = strtod(text, NULL);

	if (!isfinite(real))
		return false;
	write_plain(real, back);
	return strcmp(back, text) == 0;
}

/* `text` is what a number or a string says. */
static void check_text(const struct row_value *v, struct slice text)
{
	char copy[64] = "";
	char back[PLAIN_MAX];

	if (v->kind == ROW_TEXT)
		must(slice_equal(v->text, text));
	else
		must(text.len < sizeof(copy));
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
		return;
	memcpy(copy, text.ptr, text.len);
	switch (v->kind) {
	case ROW_NULL:
		abort();
	case ROW_INTEGER:
		(void)snprintf(back, sizeof(back), "%" PRId64, v->integer);
		must(strcmp(back, copy) == 0);
		break;
	case ROW_REAL:
		write_plain(v->real, back);
		must(strcmp(back, copy) == 0);
		break;
	case ROW_TEXT:
		must(!comes_back_as_integer(copy));
		must(text.len > SHORT || !comes_back_as_real(copy));
		break;
	}
}

static void check_value(struct slice json)
{
	struct buf scratch;
	struct buf said;
	struct row_value v;
	struct err e;

	buf_init(&scratch, SIZE_MAX);
	buf_init(&said, SIZE_MAX);
	v = row_value_of(json, &scratch);
	switch (json_type_of(json)) {
	case JSON_NULL:
		must(v.kind == ROW_NULL);
		break;
	case JSON_BOOL:
		must(v.kind == ROW_INTEGER && v.integer == (json.len == 4));
		break;
	case JSON_NUMBER:
		check_text(&v, json);
		break;
	case JSON_STRING:
		check_text(&v, json_string_decode(json, &said, &e) ? buf_slice(&said) : json);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		must(v.kind == ROW_TEXT && slice_equal(v.text, json));
		break;
	}
	buf_release(&scratch);
	buf_release(&said);
}

static void check_json(struct slice text)
{
	const char *from;
	struct err e;

	if (!utf8_valid(text) || !json_validate(text, NULL, &e))
		return;
	from = json_space_end(text.ptr, text.ptr + text.len);
	text.len -= (size_t)(from - text.ptr);
	text.ptr = from;
	while (json_space_end(text.ptr + text.len - 1, text.ptr + text.len) == text.ptr + text.len)
		text.len--;
	check_value(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf quoted;

	check_json((struct slice){ (const char *)data, size });
	buf_init(&quoted, SIZE_MAX);
	must(buf_append_char(&quoted, '"') &&
		buf_append_slice(&quoted, (struct slice){ (const char *)data, size }) &&
		buf_append_char(&quoted, '"'));
	check_json(buf_slice(&quoted));
	buf_release(&quoted);
	return 0;
}
