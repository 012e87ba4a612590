/*
 * map: finds an item by a key that the item itself holds.
 *
 * Open addressing over pointers; the caller computes the hash with map_hash and compares keys. Items are
 * borrowed: releasing the map does not free them. The hash is keyed with random bytes, so that a peer
 * that chooses names cannot make look-ups slow (SipHash-1-3, Aumasson and Bernstein 2012).
 */
#ifndef TAPEDECK_BASE_MAP_H
#define TAPEDECK_BASE_MAP_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t hash;
	void *item; /* NULL: free */
};

struct map {
	struct map_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

/* Hash of `bytes`; chain several parts by passing the hash so far as `seed` (0 at first). */
uint64_t map_hash(uint64_t seed, struct slice bytes);

/* The item with this hash for which `same(item, key)` holds, or NULL. */
void *map_find(const struct map *m, uint64_t hash, bool (*same)(const void *item, const void *key),
	const void *key);

/* Adds an item that is not there yet; false when out of memory. */
bool map_add(struct map *m, uint64_t hash, void *item) MUST_CHECK;

/* Forgets all items and frees the table; a zeroed map is empty. */
void map_release(struct map *m);

#endif
