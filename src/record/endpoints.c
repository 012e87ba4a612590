#include "record/endpoints.h"

#include <stdlib.h>
#include <string.h>

struct name {
	struct slice path;
	struct slice params;
};

static uint64_t hash_of(struct slice path, struct slice params)
{
	return map_hash(map_hash(0, path), params);
}

static bool same_endpoint(const void *item, const void *key)
{
	const struct endpoint *endpoint = item;
	const struct name *name = key;

	return slice_equal(endpoint->path, name->path) &&
		slice_equal(endpoint->params, name->params);
}

void endpoints_init(struct endpoints *s, unsigned links)
{
	*s = (struct endpoints){ .links = links };
}

void endpoints_release(struct endpoints *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->all[i]);
	free(s->all);
	map_release(&s->map);
	*s = (struct endpoints){ .links = s->links };
}

static struct endpoint *new_endpoint(const struct config_endpoint *config)
{
	struct endpoint *endpoint = calloc(
		1, sizeof(*endpoint) + config->path.len + config->params.len);
	char *text;

	if (endpoint == NULL)
		return NULL;
	text = (char *)(endpoint + 1);
	if (config->path.len != 0)
		memcpy(text, config->path.ptr, config->path.len);
	memcpy(text + config->path.len, config->params.ptr, config->params.len);
	endpoint->path = (struct slice){ text, config->path.len };
	endpoint->params = (struct slice){ text + config->path.len, config->params.len };
	endpoint->hash = hash_of(endpoint->path, endpoint->params);
	return endpoint;
}

/* The link that has the fewest. */
static unsigned least_link(const struct endpoints *s)
{
	unsigned least = 0;

	for (unsigned i = 1; i < s->links; i++)
		if (s->on_link[i] < s->on_link[least])
			least = i;
	return least;
}

/* Drops what was appended behind the first `count`. */
static void cut_back(struct endpoints *s, size_t count)
{
	bool ok = true;

	while (s->count > count)
		free(s->all[--s->count]);
	map_release(&s->map);
	for (size_t i = 0; i < count; i++)
		ok = ok && map_add(&s->map, s->all[i]->hash, s->all[i]);
	/* Without the map events are stored all the same; they only look like those of unknown streams. */
}

/* Appends the endpoints of `feed` that are not there, without a link yet; those that are there are kept. */
static bool append_new(struct endpoints *s, const struct config_feed *feed)
{
	for (size_t i = 0; i < feed->n_endpoints; i++) {
		const struct config_endpoint *config = &feed->endpoints[i];
		struct endpoint *endpoint = endpoints_find(s, config->path, config->params);

		if (endpoint == NULL) {
			endpoint = new_endpoint(config);
			if (endpoint == NULL)
				return false;
			s->all[s->count++] = endpoint;
			if (!map_add(&s->map, endpoint->hash, endpoint))
				return false;
			endpoint->is_removed = true;
		}
		endpoint->is_kept = true;
	}
	return true;
}

/* What cannot fail: links, marks, cadences. */
static void settle(struct endpoints *s, const struct config_feed *feed)
{
	for (size_t i = 0; i < s->count; i++) {
		struct endpoint *endpoint = s->all[i];

		if (endpoint->is_kept && endpoint->is_removed) {
			/* One that comes back while it is still held stays where it is held. */
			if (endpoint->subscription[0].state == SUBSCRIPTION_NONE &&
				endpoint->subscription[1].state == SUBSCRIPTION_NONE)
				endpoint->link = least_link(s);
			s->on_link[endpoint->link]++;
		} else if (!endpoint->is_kept && !endpoint->is_removed) {
			s->on_link[endpoint->link]--;
		}
		endpoint->is_removed = !endpoint->is_kept;
		endpoint->is_kept = false;
	}
	s->has_cadence = false;
	for (size_t i = 0; i < feed->n_endpoints; i++) {
		const struct config_endpoint *config = &feed->endpoints[i];
		struct endpoint *endpoint = endpoints_find(s, config->path, config->params);

		if (endpoint != NULL)
			endpoint->expect_every_us = config->expect_every_us;
		s->has_cadence = s->has_cadence || config->expect_every_us != 0;
	}
}

bool endpoints_update(struct endpoints *s, const struct config_feed *feed, struct err *e)
{
	size_t count = s->count;
	struct endpoint **grown = realloc(
		s->all, (count + feed->n_endpoints) * sizeof(struct endpoint *));

	if (grown == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->all = grown;
	if (!append_new(s, feed)) {
		cut_back(s, count);
		for (size_t i = 0; i < count; i++)
			s->all[i]->is_kept = false;
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	settle(s, feed);
	s->changes++;
	return true;
}

static bool is_held(const struct endpoint *endpoint)
{
	for (int side = 0; side < SIDES; side++)
		if (endpoint->subscription[side].state != SUBSCRIPTION_NONE)
			return true;
	return false;
}

void endpoints_purge(struct endpoints *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (s->all[i]->is_removed && !is_held(s->all[i]))
			free(s->all[i]);
		else
			s->all[kept++] = s->all[i];
	}
	if (kept == s->count)
		return;
	cut_back(s, s->count = kept);
	s->changes++;
}

struct endpoint *endpoints_find(const struct endpoints *s, struct slice path, struct slice params)
{
	const struct name name = { path, params };

	return map_find(&s->map, hash_of(path, params), same_endpoint, &name);
}
