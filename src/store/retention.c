#include "store/retention.h"

#include <stdlib.h>
#include <string.h>

struct key {
	int64_t feed_id;
	struct slice path;
	struct slice params;
};

static uint64_t hash_of(const struct key *k)
{
	return map_hash(map_hash((uint64_t)k->feed_id, k->path), k->params);
}

static bool same_stream(const void *item, const void *key)
{
	const struct retention_stream *s = item;
	const struct key *k = key;

	return s->feed_id == k->feed_id && slice_equal(s->path, k->path) &&
		slice_equal(s->params, k->params);
}

struct retention *retention_new(int64_t age_us, uint64_t bytes)
{
	struct retention *r = calloc(1, sizeof(*r));
	const struct retention_part all = { .age_us = age_us, .bytes = bytes };
	size_t part;

	if (r == NULL || retention_add(r, &all, &part))
		return r;
	retention_free(r);
	return NULL;
}

void retention_free(struct retention *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->streams.capacity; i++) {
		struct retention_stream *s = r->streams.slots[i].item;

		if (s != NULL)
			free(s->text);
		free(s);
	}
	map_release(&r->streams);
	free(r->parts);
	free(r);
}

bool retention_add(struct retention *r, const struct retention_part *part, size_t *out)
{
	struct retention_part *grown = realloc(r->parts, (r->n_parts + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	r->parts = grown;
	*out = r->n_parts++;
	r->parts[*out] = *part;
	return true;
}

bool retention_add_stream(
	struct retention *r, size_t part, int64_t feed_id, struct slice path, struct slice params)
{
	const struct key k = { feed_id, path, params };
	uint64_t hash = hash_of(&k);
	struct retention_stream *s;

	if (map_find(&r->streams, hash, same_stream, &k) != NULL)
		return true;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return false;
	*s = (struct retention_stream){
		.text = malloc(path.len + params.len + 1), .feed_id = feed_id, .part = part
	};
	if (s->text == NULL || !map_add(&r->streams, hash, s)) {
		free(s->text);
		free(s);
		return false;
	}
	if (path.len != 0)
		memcpy(s->text, path.ptr, path.len);
	if (params.len != 0)
		memcpy(s->text + path.len, params.ptr, params.len);
	s->path = (struct slice){ s->text, path.len };
	s->params = (struct slice){ s->text + path.len, params.len };
	return true;
}

bool retention_limits(const struct retention *r)
{
	for (size_t i = 0; r != NULL && i < r->n_parts; i++)
		if (r->parts[i].age_us != 0 || r->parts[i].bytes != 0)
			return true;
	return false;
}

int64_t retention_longest(const struct retention *r)
{
	int64_t all_us = r->parts[RETENTION_ALL].age_us;
	int64_t longest_us = 0;

	for (size_t i = 1; i < r->n_parts; i++) {
		int64_t age_us = r->parts[i].age_us;

		if (r->parts[i].feed_id == 0)
			continue;
		if (age_us == 0 || (all_us != 0 && all_us < age_us))
			age_us = all_us;
		if (age_us == 0)
			return 0;
		if (age_us > longest_us)
			longest_us = age_us;
	}
	return longest_us != 0 ? longest_us : all_us;
}

void retention_parts_of(const struct retention *r, int64_t feed_id, struct slice path,
	struct slice params, size_t out[RETENTION_LEVELS])
{
	const struct key k = { feed_id, path, params };
	const struct retention_stream *s = map_find(&r->streams, hash_of(&k), same_stream, &k);

	out[0] = RETENTION_ALL;
	out[1] = RETENTION_NO_PART;
	out[2] = s != NULL ? s->part : RETENTION_NO_PART;
	for (size_t i = 1; i < r->n_parts; i++)
		if (r->parts[i].feed_id == feed_id)
			out[1] = i;
}
