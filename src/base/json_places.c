#include "base/json_places.h"

#include "base/json.h"

#include <stdlib.h>

#define NO_INDEX SIZE_MAX

/* The array index that a step may mean: digits without a leading zero. */
static size_t index_of(struct slice name)
{
	size_t index = 0;

	if (name.len == 0 || (name.ptr[0] == '0' && name.len > 1))
		return NO_INDEX;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < '0' || name.ptr[i] > '9' || index > (NO_INDEX - 10) / 10)
			return NO_INDEX;
		index = index * 10 + (size_t)(name.ptr[i] - '0');
	}
	return index;
}

static bool is_plain(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == '"' || name.ptr[i] == '\\')
			return false;
	}
	return true;
}

/* Reads the step behind a '/' into `out`, with ~0 and ~1 decoded, and moves `*at` to the next '/' or the
 * end. */
static bool read_step(const char **at, char *out, size_t *len)
{
	*len = 0;
	for (++*at; **at != '\0' && **at != '/'; ++*at) {
		char c = **at;

		if (c == '~') {
			++*at;
			if (**at != '0' && **at != '1')
				return false;
			c = **at == '0' ? '~' : '/';
		}
		out[(*len)++] = c;
	}
	return true;
}

/* The step `name` below `parent`, which is added if it is new; NULL if there are too many. */
static struct json_place *step_below(
	struct json_places *places, struct json_place *parent, struct slice name)
{
	uint8_t *link = &parent->child;
	struct json_place *p;

	for (; *link != 0; link = &p->sibling) {
		p = &places->list[*link];
		if (slice_equal(p->name, name))
			return p;
	}
	if (places->count == JSON_PLACES_MAX)
		return NULL;
	*link = (uint8_t)places->count++;
	p = &places->list[*link];
	*p = (struct json_place){
		.name = name, .index = index_of(name), .is_plain = is_plain(name)
	};
	return p;
}

/* Adds one pointer; `*names` is where the next name goes. */
static bool add_pointer(struct json_places *places, const char *pointer, enum event_slot slot,
	char **names, struct err *e)
{
	struct json_place *p = &places->list[0];
	const char *at = pointer;

	if (*at != '\0' && *at != '/')
		return err_set(e, ERR_CONFIG,
			"'%s' is no JSON Pointer: it begins with '/', or is empty for all of it",
			pointer);
	while (*at == '/') {
		size_t len;

		if (!read_step(&at, *names, &len))
			return err_set(e, ERR_CONFIG,
				"'%s' is no JSON Pointer: '~' must be written ~0 (and '/' in a key ~1)",
				pointer);
		p = step_below(places, p, (struct slice){ *names, len });
		if (p == NULL)
			return err_set(e, ERR_LIMIT,
				"'%s' is one step too many: a dialect's places have at most %d",
				pointer, JSON_PLACES_MAX - 1);
		*names += len;
	}
	p->slots |= (uint8_t)(1U << slot);
	return true;
}

struct json_places *json_places_new(const char *const pointers[EVENT_SLOTS], struct err *e)
{
	struct json_places *places;
	size_t size = sizeof(*places);
	char *names;

	for (int slot = 0; slot < EVENT_SLOTS; slot++)
		size += pointers[slot] != NULL ? strlen(pointers[slot]) : 0;
	places = calloc(1, size);
	if (places == NULL) {
		err_set(e, ERR_NOMEM, "cannot prepare the places of an event: out of memory");
		return NULL;
	}
	places->count = 1;
	names = places->names;
	for (int slot = 0; slot < EVENT_SLOTS; slot++) {
		if (pointers[slot] != NULL &&
			!add_pointer(places, pointers[slot], (enum event_slot)slot, &names, e)) {
			json_places_free(places);
			return NULL;
		}
	}
	return places;
}

void json_places_free(struct json_places *places)
{
	free(places);
}

const struct json_place *json_place_of_key(
	const struct json_places *places, const struct json_place *parent, struct slice key)
{
	const struct json_place *p;

	for (unsigned i = parent->child; i != 0; i = p->sibling) {
		p = &places->list[i];
		if (json_string_is(key, p->name))
			return p;
	}
	return NULL;
}

const struct json_place *json_place_of_index(
	const struct json_places *places, const struct json_place *parent, size_t index)
{
	const struct json_place *p;

	for (unsigned i = parent->child; i != 0; i = p->sibling) {
		p = &places->list[i];
		if (p->index == index)
			return p;
	}
	return NULL;
}
