#include "record/dialect.h"

#include "base/json.h"

bool dialect_init(struct dialect *d, const struct config_dialect *config, struct err *e)
{
	const char *const pointers[EVENT_SLOTS] = {
		[EVENT_PATH] = config->data.path,
		[EVENT_PARAMS] = config->data.params,
		[EVENT_TIMESTAMP] = config->data.timestamp,
		[EVENT_RESULTS] = config->data.results,
	};

	*d = (struct dialect){ .config = config };
	for (int i = 0; i < EVENT_SLOTS; i++)
		if (pointers[i] != NULL && pointers[i][0] != '\0')
			d->needs_object = true;
	if (strcmp(config->data.event, "*") != 0)
		d->data_event = slice_of(config->data.event);
	d->places = json_places_new(pointers, e);
	return d->places != NULL;
}

void dialect_release(struct dialect *d)
{
	json_places_free(d->places);
	d->places = NULL;
}

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
static struct slice replacement(
	struct slice token, struct slice rest, const struct dialect_value *values, size_t count)
{
	if (makes_key(rest))
		return token;
	for (size_t i = 0; i < count; i++)
		if (json_string_is(token, slice_of(values[i].placeholder)))
			return values[i].json;
	return token;
}

bool dialect_expand(
	struct slice template, const struct dialect_value *values, size_t count, struct buf *out)
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

bool dialect_arguments(
	const struct config_emit *emit, struct slice path, struct slice params, struct buf *out)
{
	struct json_iter it;
	struct slice argument;
	struct buf quoted;
	bool is_first = true;
	bool ok;

	buf_init(&quoted, SIZE_MAX / 2);
	ok = json_string_encode(path, &quoted);
	json_iter_init(&it, slice_of(emit->args));
	while (ok && json_iter_next(&it, NULL, &argument)) {
		struct dialect_value values[] = { { "$path", buf_slice(&quoted) },
			{ "$params", params } };

		ok = (is_first || buf_append_char(out, ',')) &&
			dialect_expand(argument, values, 2, out);
		is_first = false;
	}
	buf_release(&quoted);
	return ok;
}
