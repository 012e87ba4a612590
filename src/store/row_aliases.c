#include "store/row_aliases.h"

#include <stdlib.h>
#include <string.h>

/* A member's name, as it stands in the JSON, and its column. */
struct alias {
	struct slice token; /* behind the alias */
	enum row_origin origin;
	size_t column;
};

struct alias_key {
	struct slice token;
	enum row_origin origin;
};

static uint64_t hash_of(const struct alias_key *k)
{
	return map_hash((uint64_t)k->origin, k->token);
}

static bool same_alias(const void *item, const void *key)
{
	const struct alias *alias = item;
	const struct alias_key *k = key;

	return alias->origin == k->origin && slice_equal(alias->token, k->token);
}

void row_aliases_release(struct row_aliases *a)
{
	for (size_t i = 0; i < a->map.capacity; i++)
		free(a->map.slots[i].item);
	map_release(&a->map);
}

bool row_aliases_find(
	const struct row_aliases *a, enum row_origin origin, struct slice token, size_t *column)
{
	struct alias_key k = { token, origin };
	const struct alias *alias = map_find(&a->map, hash_of(&k), same_alias, &k);

	if (alias != NULL)
		*column = alias->column;
	return alias != NULL;
}

bool row_aliases_keep(
	struct row_aliases *a, enum row_origin origin, struct slice token, size_t column)
{
	struct alias_key k = { token, origin };
	struct alias *alias = malloc(sizeof(*alias) + token.len);

	if (alias == NULL)
		return false;
	memcpy(alias + 1, token.ptr, token.len);
	*alias = (struct alias){ .token = { (const char *)(alias + 1), token.len },
		.origin = origin,
		.column = column };
	if (map_add(&a->map, hash_of(&k), alias))
		return true;
	free(alias);
	return false;
}

bool row_aliases_are_full(const struct row_aliases *a)
{
	return a->map.count >= ROW_ALIASES_MAX;
}
