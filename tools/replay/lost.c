#include "lost.h"

#include "base/map.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>

#define BUCKETS 1024

struct entry {
	TAILQ_ENTRY(entry) by_age;
	LIST_ENTRY(entry) in_bucket;
	int64_t until_us;
	struct lost_client client;
};

LIST_HEAD(bucket, entry);

struct lost {
	int64_t kept_us;
	size_t count;
	TAILQ_HEAD(, entry) by_age; /* the oldest first */
	struct bucket buckets[BUCKETS];
};

struct lost *lost_new(int64_t kept_us)
{
	struct lost *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->kept_us = kept_us;
	TAILQ_INIT(&l->by_age);
	return l;
}

static void remove_entry(struct lost *l, struct entry *e)
{
	TAILQ_REMOVE(&l->by_age, e, by_age);
	LIST_REMOVE(e, in_bucket);
	l->count--;
}

static void forget(struct lost *l, struct entry *e)
{
	remove_entry(l, e);
	player_saved_release(&e->client.saved);
	free(e);
}

void lost_free(struct lost *l)
{
	if (l == NULL)
		return;
	while (!TAILQ_EMPTY(&l->by_age))
		forget(l, TAILQ_FIRST(&l->by_age));
	free(l);
}

bool lost_make_id(char out[LOST_ID_LENGTH + 1])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bytes[LOST_ID_LENGTH];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < LOST_ID_LENGTH; i++)
		out[i] = digits[bytes[i] % 64];
	out[LOST_ID_LENGTH] = '\0';
	return true;
}

static struct bucket *bucket_of(struct lost *l, struct slice id)
{
	return &l->buckets[map_hash(0, id) % BUCKETS];
}

void lost_expire(struct lost *l, int64_t now_us)
{
	struct entry *oldest = TAILQ_FIRST(&l->by_age);

	while (oldest != NULL && oldest->until_us <= now_us) {
		forget(l, oldest);
		oldest = TAILQ_FIRST(&l->by_age);
	}
}

void lost_keep(struct lost *l, struct lost_client *client, int64_t now_us)
{
	struct entry *e = calloc(1, sizeof(*e));

	lost_expire(l, now_us);
	if (e == NULL) {
		player_saved_release(&client->saved);
		return;
	}
	if (l->count == LOST_MAX)
		forget(l, TAILQ_FIRST(&l->by_age));
	e->client = *client;
	e->until_us = now_us + l->kept_us;
	client->saved = (struct player_saved){ .clock = NULL };
	TAILQ_INSERT_TAIL(&l->by_age, e, by_age);
	LIST_INSERT_HEAD(bucket_of(l, slice_of(e->client.id)), e, in_bucket);
	l->count++;
}

static struct entry *find(
	struct lost *l, struct slice id, const struct venue *venue, int64_t now_us)
{
	struct entry *e;

	lost_expire(l, now_us);
	LIST_FOREACH(e, bucket_of(l, id), in_bucket)
	if (e->client.venue == venue && slice_is(id, e->client.id))
		return e;
	return NULL;
}

const struct lost_client *lost_find(
	struct lost *l, struct slice id, const struct venue *venue, int64_t now_us)
{
	const struct entry *e = find(l, id, venue, now_us);

	return e != NULL ? &e->client : NULL;
}

bool lost_take(struct lost *l, struct slice id, const struct venue *venue, int64_t now_us,
	struct lost_client *out)
{
	struct entry *e = find(l, id, venue, now_us);

	if (e == NULL)
		return false;
	remove_entry(l, e);
	*out = e->client;
	free(e);
	return true;
}
