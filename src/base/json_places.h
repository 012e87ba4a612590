/*
 * json_places: where a feed's dialect keeps the parts of an event.
 *
 * Each place is a JSON Pointer (RFC 6901) into the event's first argument; "" is all of it. One place may
 * lie inside another. The pointers form a tree, as "/message/data" and "/message/data/timestamp" share two
 * steps; json_scan walks it along with the text. Whoever makes the places frees them; made, they are
 * read-only. Limit: JSON_PLACES_MAX.
 */
#ifndef TAPEDECK_BASE_JSON_PLACES_H
#define TAPEDECK_BASE_JSON_PLACES_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_slot { EVENT_PATH, EVENT_PARAMS, EVENT_TIMESTAMP, EVENT_RESULTS, EVENT_SLOTS };

#define JSON_PLACES_MAX 64 /* the root and all steps: a bit each in a word */

/* A step of the tree. */
struct json_place {
	struct slice name; /* the key */
	size_t index;      /* the same as an array's index, SIZE_MAX if it is none */
	bool is_plain;     /* `name` needs no escape, so that a key may hold it as it is */
	uint8_t slots;     /* a bit for each slot whose place it is; 0: only on the way to one */
	uint8_t child;     /* the first step below; 0: none */
	uint8_t sibling;   /* the next step beside; 0: none */
};

struct json_places {
	struct json_place list[JSON_PLACES_MAX]; /* list[0] is the first argument itself */
	unsigned count;
	char names[]; /* what the names point to */
};

/* Compiles one pointer for each slot; NULL: the slot has no place. NULL and `e` when a pointer is
 * malformed (ERR_CONFIG), there are too many steps (ERR_LIMIT), or out of memory. */
struct json_places *json_places_new(
	const char *const pointers[EVENT_SLOTS], struct err *e) MUST_CHECK;

/* Accepts NULL. */
void json_places_free(struct json_places *places);

/* The step below `parent` that an object's key (a checked string token) leads to, or NULL. */
const struct json_place *json_place_of_key(
	const struct json_places *places, const struct json_place *parent, struct slice key);

/* The step below `parent` that an array's index leads to, or NULL. */
const struct json_place *json_place_of_index(
	const struct json_places *places, const struct json_place *parent, size_t index);

#endif
