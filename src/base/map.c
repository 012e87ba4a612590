#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAP_CAPACITY_MIN 64

static uint64_t hash_key[2];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void choose_hash_key(void)
{
	(void)!getrandom(hash_key, sizeof(hash_key), 0);
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

uint64_t map_hash(uint64_t seed, struct slice bytes)
{
	uint64_t v[4];
	uint64_t word = 0;
	size_t i = 0;

	(void)pthread_once(&hash_key_once, choose_hash_key);
	v[0] = hash_key[0] ^ 0x736f6d6570736575;
	v[1] = hash_key[1] ^ seed ^ 0x646f72616e646f6d;
	v[2] = hash_key[0] ^ 0x6c7967656e657261;
	v[3] = hash_key[1] ^ seed ^ 0x7465646279746573;
	for (; i + 8 <= bytes.len; i += 8) {
		memcpy(&word, bytes.ptr + i, 8);
		sip_word(v, word);
	}
	word = 0;
	if (i < bytes.len)
		memcpy(&word, bytes.ptr + i, bytes.len - i);
	sip_word(v, word | (uint64_t)bytes.len << 56);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void *map_find(const struct map *m, uint64_t hash, bool (*same)(const void *item, const void *key),
	const void *key)
{
	if (m->capacity == 0)
		return NULL;
	for (size_t i = hash & (m->capacity - 1); m->slots[i].item != NULL;
		i = (i + 1) & (m->capacity - 1))
		if (m->slots[i].hash == hash && same(m->slots[i].item, key))
			return m->slots[i].item;
	return NULL;
}

static void place(struct map_slot *slots, size_t capacity, uint64_t hash, void *item)
{
	size_t i = hash & (capacity - 1);

	while (slots[i].item != NULL)
		i = (i + 1) & (capacity - 1);
	slots[i] = (struct map_slot){ .hash = hash, .item = item };
}

static bool grow(struct map *m)
{
	size_t capacity = m->capacity != 0 ? m->capacity * 2 : MAP_CAPACITY_MIN;
	struct map_slot *slots = calloc(capacity, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < m->capacity; i++)
		if (m->slots[i].item != NULL)
			place(slots, capacity, m->slots[i].hash, m->slots[i].item);
	free(m->slots);
	m->slots = slots;
	m->capacity = capacity;
	return true;
}

bool map_add(struct map *m, uint64_t hash, void *item)
{
	/* At most three quarters full, so that a miss ends soon. */
	if (m->count + 1 > m->capacity / 4 * 3 && !grow(m))
		return false;
	place(m->slots, m->capacity, hash, item);
	m->count++;
	return true;
}

void map_release(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}
