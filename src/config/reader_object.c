#include "config/reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"

#define ALLOWED_MAX 256
#define KEY_SHOWN_MAX 60
#define NUMBER_MAX 32

/* What the value may be by the row's type, where the row does not say it itself. */
static const char *allowed_text(const struct option *o, char out[ALLOWED_MAX])
{
	char least[UNITS_TEXT_MAX];
	size_t len = 0;

	if (o->allowed != NULL)
		return o->allowed;
	switch (o->type) {
	case OPTION_DURATION:
		(void)snprintf(out, ALLOWED_MAX, UNITS_DURATION_HELP ", from %s to 36500d",
			units_duration_text(least, (int64_t)o->least));
		break;
	case OPTION_SIZE:
		(void)snprintf(out, ALLOWED_MAX, UNITS_SIZE_HELP ", from %s to 1048576GiB",
			units_size_text(least, (uint64_t)o->least));
		break;
	case OPTION_BOOL:
		return "true, false";
	case OPTION_COUNT:
		(void)snprintf(out, ALLOWED_MAX, "a whole number from %g to %g", o->least, o->most);
		break;
	case OPTION_RATIO:
		(void)snprintf(out, ALLOWED_MAX, "a number from %g to %g", o->least, o->most);
		break;
	case OPTION_ENUM:
		for (size_t i = 0; o->names[i] != NULL; i++)
			len += (size_t)snprintf(out + len, ALLOWED_MAX - len, "%s\"%s\"",
				i != 0 ? ", " : "", o->names[i]);
		break;
	case OPTION_TEXT:
	case OPTION_FILE:
	case OPTION_CUSTOM:
		return "a text";
	}
	return out;
}

static bool refuse(
	struct reader *r, const struct option *o, const struct place *at, struct slice raw)
{
	char allowed[ALLOWED_MAX];

	return reader_refuse(r, o, at, raw, allowed_text(o, allowed));
}

static bool read_text_option(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	const char *text;

	if (json_type_of(raw) != JSON_STRING)
		return refuse(r, o, at, raw);
	if (!reader_text(r, at, raw, &text))
		return false;
	if (o->is_valid != NULL && !o->is_valid(text))
		return refuse(r, o, at, raw);
	if (o->type == OPTION_FILE && !reader_path(r, text, &text))
		return false;
	memcpy(field, &text, sizeof(text));
	return true;
}

/* Durations and sizes: the text is short and has no escapes, so the token is read as it stands. */
static bool read_unit_option(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct slice text;
	enum units_result result;
	int64_t us = 0;
	uint64_t bytes = 0;

	if (json_type_of(raw) != JSON_STRING)
		return refuse(r, o, at, raw);
	text = (struct slice){ raw.ptr + 1, raw.len - 2 };
	if (o->type == OPTION_DURATION)
		result = units_duration(text, &us);
	else
		result = units_size(text, &bytes);
	if (result != UNITS_OK || us < (o->type == OPTION_DURATION ? (int64_t)o->least : 0) ||
		bytes < (o->type == OPTION_SIZE ? (uint64_t)o->least : 0))
		return refuse(r, o, at, raw);
	if (o->type == OPTION_DURATION)
		memcpy(field, &us, sizeof(us));
	else
		memcpy(field, &bytes, sizeof(bytes));
	return true;
}

static bool read_number_option(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	char text[NUMBER_MAX];
	double value;
	uint32_t count;

	if (json_type_of(raw) != JSON_NUMBER || raw.len >= sizeof(text))
		return refuse(r, o, at, raw);
	memcpy(text, raw.ptr, raw.len);
	text[raw.len] = '\0';
	value = strtod(text, NULL);
	if (!(value >= o->least && value <= o->most))
		return refuse(r, o, at, raw);
	if (o->type == OPTION_RATIO) {
		memcpy(field, &value, sizeof(value));
		return true;
	}
	count = (uint32_t)value;
	if ((double)count != value)
		return refuse(r, o, at, raw);
	memcpy(field, &count, sizeof(count));
	return true;
}

static bool read_enum_option(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	if (json_type_of(raw) != JSON_STRING)
		return refuse(r, o, at, raw);
	for (unsigned i = 0; o->names[i] != NULL; i++) {
		if (json_string_is(raw, slice_of(o->names[i]))) {
			memcpy(field, &i, sizeof(i));
			return true;
		}
	}
	return refuse(r, o, at, raw);
}

static bool read_option(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *object)
{
	void *field = (char *)object + o->offset;
	bool is_true = raw.len == 4;

	switch (o->type) {
	case OPTION_TEXT:
	case OPTION_FILE:
		return read_text_option(r, o, at, raw, field);
	case OPTION_DURATION:
	case OPTION_SIZE:
		return read_unit_option(r, o, at, raw, field);
	case OPTION_BOOL:
		if (json_type_of(raw) != JSON_BOOL)
			return refuse(r, o, at, raw);
		memcpy(field, &is_true, sizeof(is_true));
		return true;
	case OPTION_COUNT:
	case OPTION_RATIO:
		return read_number_option(r, o, at, raw, field);
	case OPTION_ENUM:
		return read_enum_option(r, o, at, raw, field);
	case OPTION_CUSTOM:
		return o->read(r, o, at, raw, field);
	}
	return false;
}

/* Names the nearest known key, or all of them. */
static bool refuse_key(
	struct reader *r, enum option_place place, const struct place *at, const char *name)
{
	const char *nearest = option_nearest(place, name);
	size_t count, len = 0;
	const struct option *rows = option_rows(place, &count);
	char known[ERR_TEXT_MAX] = "";
	struct place key = { .up = at };
	char shown[KEY_SHOWN_MAX + 1];

	(void)snprintf(shown, sizeof(shown), "%s", name);
	for (char *c = shown; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	key.name = shown;
	if (nearest != NULL)
		return reader_fail(r, &key, "is not a known key; did you mean \"%s\"?", nearest);
	for (size_t i = 0; i < count && len < sizeof(known); i++)
		len += (size_t)snprintf(
			known + len, sizeof(known) - len, "%s%s", i != 0 ? ", " : "", rows[i].name);
	return reader_fail(r, &key, "is not a known key; allowed: %s", known);
}

static bool is_fallback_null(const struct option *o)
{
	return o->fallback != NULL && strcmp(o->fallback, "null") == 0;
}

/* What no member gave: the row's default, which is read as if it stood in the file. */
static bool read_fallbacks(struct reader *r, enum option_place place, const struct place *at,
	uint64_t seen, void *object)
{
	size_t count;
	const struct option *rows = option_rows(place, &count);

	for (size_t i = 0; i < count; i++) {
		struct place member = { .up = at, .name = rows[i].name };

		if ((seen & (uint64_t)1 << i) != 0 || is_fallback_null(&rows[i]))
			continue;
		if (rows[i].fallback == NULL)
			return reader_fail(r, &member, "is missing: %s", rows[i].help);
		if (!read_option(r, &rows[i], &member, slice_of(rows[i].fallback), object))
			return false;
	}
	return true;
}

bool reader_object(struct reader *r, enum option_place place, const struct place *at,
	struct slice raw, void *object)
{
	size_t count;
	const struct option *rows = option_rows(place, &count);
	struct json_iter it;
	struct slice key, value;
	uint64_t seen = 0;

	assert(count <= 64);
	json_iter_init(&it, raw);
	while (json_iter_next(&it, &key, &value)) {
		const char *name;
		const struct option *o;
		struct place member = { .up = at };

		if (!reader_text(r, at, key, &name))
			return false;
		o = option_find(place, name);
		if (o == NULL)
			return refuse_key(r, place, at, name);
		member.name = o->name;
		if ((seen & (uint64_t)1 << (o - rows)) != 0)
			return reader_fail(r, &member, "is given twice");
		seen |= (uint64_t)1 << (o - rows);
		if (json_type_of(value) == JSON_NULL && is_fallback_null(o))
			continue;
		if (!read_option(r, o, &member, value, object))
			return false;
	}
	return read_fallbacks(r, place, at, seen, object);
}
