#include "store/duplicates.h"

#include "base/map.h"

#include <stdlib.h>

/* The deliveries of one event but the one that stored it. */
struct group {
	int64_t event_id;
	struct mark *marks; /* newest first */
	bool is_young;
};

struct mark {
	struct mark *next;      /* of the same group */
	struct mark *next_open; /* of the same commit */
	struct group *group;
	struct delivery delivery;
};

/* Groups move from `old` to `young` when they are marked. When the window has passed since `young` was begun,
 * nothing in `old` can match any more. */
struct duplicates {
	int64_t window_us;
	int64_t begun_us;
	struct map young;
	struct map old;
	struct mark *open;
};

struct duplicates *duplicates_new(int64_t window_us)
{
	struct duplicates *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->window_us = window_us;
	return d;
}

static void free_group(struct group *g)
{
	while (g->marks != NULL) {
		struct mark *m = g->marks;

		g->marks = m->next;
		free(m);
	}
	free(g);
}

/* Frees the groups of one generation that have not moved to the other. */
static void release(struct map *m, bool is_young)
{
	for (size_t i = 0; i < m->capacity; i++) {
		struct group *g = m->slots[i].item;

		if (g != NULL && g->is_young == is_young)
			free_group(g);
	}
	map_release(m);
}

void duplicates_free(struct duplicates *d)
{
	if (d == NULL)
		return;
	release(&d->old, false);
	release(&d->young, true);
	free(d);
}

void duplicates_set_window(struct duplicates *d, int64_t window_us)
{
	d->window_us = window_us;
}

int64_t duplicates_window(const struct duplicates *d)
{
	return d->window_us;
}

static uint64_t hash_of(int64_t event_id)
{
	return map_hash(0, (struct slice){ (const char *)&event_id, sizeof(event_id) });
}

static bool same_event(const void *item, const void *key)
{
	return ((const struct group *)item)->event_id == *(const int64_t *)key;
}

static struct group *find(const struct duplicates *d, int64_t event_id)
{
	uint64_t hash = hash_of(event_id);
	struct group *g = map_find(&d->young, hash, same_event, &event_id);

	return g != NULL ? g : map_find(&d->old, hash, same_event, &event_id);
}

static bool is_near(const struct duplicates *d, int64_t a_us, int64_t b_us)
{
	return (a_us > b_us ? a_us - b_us : b_us - a_us) <= d->window_us;
}

bool duplicates_match(const struct duplicates *d, const struct duplicates_row *row,
	const struct delivery *delivery)
{
	const struct group *g = find(d, row->event_id);
	bool near = is_near(d, row->received_us, delivery->received_us);

	if (row->connection_id == delivery->connection_id)
		return false;
	for (const struct mark *m = g != NULL ? g->marks : NULL; m != NULL; m = m->next) {
		if (m->delivery.connection_id == delivery->connection_id)
			return false;
		near = near || is_near(d, m->delivery.received_us, delivery->received_us);
	}
	return near;
}

/* Forgets what can match no more. Open marks are of this very moment and never among it. */
static void age(struct duplicates *d, int64_t now_us)
{
	if (now_us - d->begun_us <= d->window_us && d->young.count < DUPLICATES_MAX / 2)
		return;
	if (d->open != NULL)
		return;
	release(&d->old, false);
	d->old = d->young;
	d->young = (struct map){ 0 };
	for (size_t i = 0; i < d->old.capacity; i++) {
		struct group *g = d->old.slots[i].item;

		if (g != NULL)
			g->is_young = false;
	}
	d->begun_us = now_us;
}

/* The row's group among the young ones. */
static struct group *take(struct duplicates *d, int64_t event_id)
{
	struct group *g = find(d, event_id);
	bool is_new = g == NULL;

	if (is_new) {
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			return NULL;
		g->event_id = event_id;
	}
	if (!g->is_young && !map_add(&d->young, hash_of(event_id), g)) {
		if (is_new)
			free(g);
		return NULL;
	}
	g->is_young = true;
	return g;
}

bool duplicates_mark(
	struct duplicates *d, const struct duplicates_row *row, const struct delivery *delivery)
{
	struct mark *m = calloc(1, sizeof(*m));
	struct group *g;

	age(d, delivery->received_us);
	g = m != NULL ? take(d, row->event_id) : NULL;
	if (g == NULL) {
		free(m);
		return false;
	}
	*m = (struct mark){
		.next = g->marks, .next_open = d->open, .group = g, .delivery = *delivery
	};
	g->marks = m;
	d->open = m;
	return true;
}

void duplicates_keep(struct duplicates *d)
{
	d->open = NULL;
}

void duplicates_drop(struct duplicates *d)
{
	while (d->open != NULL) {
		struct mark *m = d->open;

		d->open = m->next_open;
		m->group->marks = m->next; /* open marks are the newest of their group */
		free(m);
	}
}
