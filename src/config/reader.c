#include "config/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/json_canon.h"

/* Bytes of a value that a message shows. */
#define SHOWN_MAX 60
#define PLACE_MAX 256
#define LIST_FIRST 16

void *reader_list_add(struct reader *r, struct list *list, size_t size)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity != 0 ? list->capacity * 2 : LIST_FIRST;
		void *items = arena_alloc(r->arena, capacity, size);

		if (items == NULL) {
			reader_nomem(r);
			return NULL;
		}
		if (list->count != 0)
			memcpy(items, list->items, list->count * size);
		list->items = items;
		list->capacity = capacity;
	}
	return (char *)list->items + list->count++ * size;
}

bool reader_nomem(struct reader *r)
{
	return err_set(r->err, ERR_NOMEM, "cannot read '%s': out of memory", r->file);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct slice reader_trim(struct slice text)
{
	while (text.len != 0 && is_space(text.ptr[text.len - 1]))
		text.len--;
	while (text.len != 0 && is_space(*text.ptr))
		text = (struct slice){ text.ptr + 1, text.len - 1 };
	return text;
}

void reader_place_text(const struct place *at, struct buf *out)
{
	if (at == NULL)
		return;
	reader_place_text(at->up, out);
	if (at->name == NULL)
		(void)!buf_printf(out, "[%zu]", at->index);
	else
		(void)!buf_printf(out, "%s%s", out->len != 0 ? "." : "", at->name);
}

bool reader_fail(struct reader *r, const struct place *at, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	struct buf place;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_init(&place, PLACE_MAX);
	reader_place_text(at, &place);
	err_set(r->err, ERR_CONFIG, "%s: %.*s%s%s", r->file, (int)place.len,
		place.data != NULL ? place.data : "", place.len != 0 ? " " : "", text);
	buf_release(&place);
	return false;
}

static const char *kind_of(struct slice raw)
{
	switch (json_type_of(raw)) {
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return raw.len == 4 ? "true" : "false";
	case JSON_NUMBER:
		return "a number";
	case JSON_STRING:
		return "a string";
	case JSON_ARRAY:
		return "a list";
	case JSON_OBJECT:
		return "an object";
	}
	return "no value";
}

static bool takes_string(const struct option *o, struct slice raw)
{
	return json_type_of(raw) == JSON_STRING && o->type != OPTION_BOOL &&
		o->type != OPTION_COUNT && o->type != OPTION_RATIO;
}

/* Writes what a message says about a wrong value. A string is quoted only where the key takes one:
 * elsewhere it may be a secret that was put into the wrong place. */
static void describe(const struct option *o, struct slice raw, char out[SHOWN_MAX + 8])
{
	size_t len = raw.len < SHOWN_MAX ? raw.len : SHOWN_MAX;

	if (o->is_secret || !(json_type_of(raw) == JSON_NUMBER || takes_string(o, raw))) {
		(void)snprintf(out, SHOWN_MAX + 8, "%s", kind_of(raw));
		return;
	}
	/* Never half a character. */
	while (len < raw.len && len != 0 && ((unsigned char)raw.ptr[len] & 0xc0) == 0x80)
		len--;
	(void)snprintf(out, SHOWN_MAX + 8, "%.*s%s", (int)len, raw.ptr, len < raw.len ? "..." : "");
}

bool reader_refuse(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, const char *allowed)
{
	char value[SHOWN_MAX + 8];

	describe(o, raw, value);
	return reader_fail(r, at, "is %s; allowed: %s", value, allowed);
}

bool reader_text(struct reader *r, const struct place *at, struct slice raw, const char **out)
{
	struct err why;
	struct slice text;

	buf_reset(&r->scratch, SIZE_MAX);
	if (!json_string_decode(raw, &r->scratch, &why)) {
		if (why.code != ERR_INPUT)
			return reader_nomem(r);
		return reader_fail(r, at, "holds half a surrogate pair, which is no character");
	}
	text = buf_slice(&r->scratch);
	if (text.len != 0 && memchr(text.ptr, '\0', text.len) != NULL)
		return reader_fail(r, at, "holds a NUL character, which no text here may");
	*out = arena_copy(r->arena, text);
	return *out != NULL || reader_nomem(r);
}

bool reader_path(struct reader *r, const char *path, const char **out)
{
	struct buf whole;
	bool ok;

	if (*path == '/' || *r->directory == '\0') {
		*out = path;
		return true;
	}
	buf_init(&whole, CONFIG_FILE_MAX);
	ok = buf_append_str(&whole, r->directory) && buf_append_str(&whole, path);
	if (ok)
		*out = arena_copy(r->arena, buf_slice(&whole));
	buf_release(&whole);
	return (ok && *out != NULL) || reader_nomem(r);
}

bool reader_canonical(struct reader *r, const struct place *at, struct slice raw, struct slice *out)
{
	struct err why;

	buf_reset(&r->scratch, SIZE_MAX);
	if (!json_canon(raw, &r->scratch, &why))
		return why.code != ERR_INPUT ? reader_nomem(r) : reader_fail(r, at, "%s", why.text);
	out->len = r->scratch.len;
	out->ptr = arena_copy(r->arena, buf_slice(&r->scratch));
	return out->ptr != NULL || reader_nomem(r);
}

bool reader_raw(struct reader *r, const struct place *at, struct slice raw, const char **out)
{
	struct err why;

	buf_reset(&r->scratch, SIZE_MAX);
	/* Only for its checks. Its text would name a key, which may be the secret itself. */
	if (!json_canon(raw, &r->scratch, &why))
		return why.code != ERR_INPUT ? reader_nomem(r)
					     : reader_fail(r, at, "holds a key twice");
	*out = arena_copy(r->arena, raw);
	return *out != NULL || reader_nomem(r);
}

bool reader_url(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	const char **text, struct url *url)
{
	struct err why;

	if (json_type_of(raw) != JSON_STRING)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (!reader_text(r, at, raw, text))
		return false;
	if (!url_parse(slice_of(*text), url, &why))
		return reader_fail(r, at, "is refused: %s; allowed: %s", why.text, o->allowed);
	return true;
}

bool reader_strings(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, bool (*is_valid)(const char *text), const char *what, struct list *out)
{
	struct place element = { .up = at };
	struct json_iter it;
	struct slice value;

	if (json_type_of(raw) != JSON_ARRAY)
		return reader_refuse(r, o, at, raw, o->allowed);
	json_iter_init(&it, raw);
	for (; json_iter_next(&it, NULL, &value); element.index++) {
		const char **text = reader_list_add(r, out, sizeof(*text));

		if (text == NULL)
			return false;
		if (json_type_of(value) != JSON_STRING)
			return reader_refuse(r, o, &element, value, what);
		if (!reader_text(r, &element, value, text))
			return false;
		if (!is_valid(*text))
			return reader_refuse(r, o, &element, value, what);
	}
	return true;
}
