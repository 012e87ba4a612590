#include "base/json_template.h"

#include "base/json.h"
#include "base/json_canon.h"

#include <stdint.h>

/* The length of the string token at the front of `text`, quotes included. */
static size_t string_length(struct slice text)
{
	size_t i = 1;

	while (i < text.len && text.ptr[i] != '"')
		i += text.ptr[i] == '\\' ? 2 : 1;
	return i < text.len ? i + 1 : text.len;
}

/* True if `rest`, which stands behind a string, makes a key of it. */
static bool makes_key(struct slice rest)
{
	const char *end = rest.ptr + rest.len;
	const char *at = json_space_end(rest.ptr, end);

	return at < end && *at == ':';
}

/* What takes the place of the string `token`. A key stays as it is, since params cannot be one. */
static struct slice replacement(struct slice token, struct slice rest,
	const struct json_template_value *values, size_t count)
{
	if (makes_key(rest))
		return token;
	for (size_t i = 0; i < count; i++)
		if (json_string_is(token, slice_of(values[i].placeholder)))
			return values[i].json;
	return token;
}

bool json_template_expand(struct slice template, const struct json_template_value *values,
	size_t count, struct buf *out)
{
	size_t at = 0;

	while (at < template.len) {
		struct slice rest = { template.ptr + at, template.len - at };
		const char *quote = memchr(rest.ptr, '"', rest.len);
		size_t plain = quote != NULL ? (size_t)(quote - rest.ptr) : rest.len;
		struct slice token = { rest.ptr + plain, rest.len - plain };

		if (!buf_append(out, rest.ptr, plain))
			return false;
		if (quote == NULL)
			break;
		token.len = string_length(token);
		at += plain + token.len;
		rest = (struct slice){ template.ptr + at, template.len - at };
		if (!buf_append_slice(out, replacement(token, rest, values, count)))
			return false;
	}
	return true;
}

/* ---- the way back ---- */

struct match {
	struct json_template_value *values;
	size_t count;
};

static struct json_template_value *placeholder_of(const struct match *m, struct slice token)
{
	if (json_type_of(token) != JSON_STRING)
		return NULL;
	for (size_t i = 0; i < m->count; i++)
		if (json_string_is(token, slice_of(m->values[i].placeholder)))
			return &m->values[i];
	return NULL;
}

/* Two values that are no containers: the same text once both are written in one way. */
static bool same_scalar(struct slice a, struct slice b)
{
	struct err e;
	struct buf text;
	bool is_same = false;
	size_t middle;

	if (json_type_of(a) != json_type_of(b))
		return false;
	buf_init(&text, SIZE_MAX / 2);
	if (json_canon(a, &text, &e)) {
		middle = text.len;
		is_same = json_canon(b, &text, &e) && text.len == 2 * middle &&
			memcmp(text.data, text.data + middle, middle) == 0;
	}
	buf_release(&text);
	return is_same;
}

static bool match_value(const struct match *m, struct slice template, const struct slice *value);

static bool match_object(const struct match *m, struct slice template, struct slice value)
{
	struct json_iter it;
	struct slice key;
	struct slice part;

	json_iter_init(&it, template);
	while (json_iter_next(&it, &key, &part)) {
		struct json_iter members;
		struct slice name;
		struct slice found;
		bool is_there = false;

		json_iter_init(&members, value);
		while (!is_there && json_iter_next(&members, &name, &found))
			is_there = same_scalar(name, key);
		if (!match_value(m, part, is_there ? &found : NULL))
			return false;
	}
	return true;
}

static bool match_elements(const struct match *m, struct json_iter *template, struct json_iter *it)
{
	struct slice part;
	struct slice element;

	while (json_iter_next(template, NULL, &part)) {
		bool is_there = json_iter_next(it, NULL, &element);

		if (!match_value(m, part, is_there ? &element : NULL))
			return false;
	}
	return true;
}

/* `value` NULL: nothing stands there. */
static bool match_value(const struct match *m, struct slice template, const struct slice *value)
{
	struct json_template_value *slot = placeholder_of(m, template);
	enum json_type type = json_type_of(template);
	struct json_iter parts;
	struct json_iter it;

	if (slot != NULL) {
		slot->json = value != NULL ? *value : (struct slice){ NULL, 0 };
		return true;
	}
	if (value == NULL || json_type_of(*value) != type)
		return false;
	if (type == JSON_OBJECT)
		return match_object(m, template, *value);
	if (type != JSON_ARRAY)
		return same_scalar(template, *value);
	json_iter_init(&parts, template);
	json_iter_init(&it, *value);
	return match_elements(m, &parts, &it);
}

bool json_template_match(struct slice template, struct slice arguments,
	struct json_template_value *values, size_t count)
{
	struct match m = { values, count };
	struct json_iter parts;
	struct json_iter it;

	for (size_t i = 0; i < count; i++)
		values[i].json = (struct slice){ NULL, 0 };
	json_iter_init(&parts, template);
	json_iter_list(&it, arguments);
	return match_elements(&m, &parts, &it);
}
