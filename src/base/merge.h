/*
 * merge: which of several sorted sources comes next.
 *
 * A heap over the heads of the sources, with which a k-way merge costs log k comparisons an item. The merge knows keys
 * alone; what a source is, and how its next item is found, is the caller's business: he takes the top, and says with
 * which key that source goes on, or that it has ended. A key may also be a lower bound: a source that is expensive to
 * look into is asked for its true key when it has come to the top, and not before. Equal keys come in the order of the
 * sources' numbers. Pure: no I/O.
 */
#ifndef TAPEDECK_BASE_MERGE_H
#define TAPEDECK_BASE_MERGE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_head {
	int64_t time_us;
	int64_t id;    /* decides between equal times of one group */
	size_t group;  /* decides between equal times */
	size_t source; /* the caller's number for it */
};

struct merge {
	struct merge_head *heads; /* a heap: the first is the least */
	size_t count;
	size_t capacity;
};

/* A zeroed merge has no sources. Makes room for `count` of them; false when out of memory. */
bool merge_reserve(struct merge *m, size_t count) MUST_CHECK;

/* Adds a source; there must be room. */
void merge_add(struct merge *m, struct merge_head head);

/* The least head, NULL if no source is left. Valid until the merge is changed. */
const struct merge_head *merge_top(const struct merge *m);

/* The source at the top goes on with this time and id. */
void merge_advance(struct merge *m, int64_t time_us, int64_t id);

/* The source at the top has ended. */
void merge_end(struct merge *m);

/* Forgets all sources and keeps the memory. */
void merge_clear(struct merge *m);

void merge_release(struct merge *m);

/* Less than 0, 0, more than 0: `a` comes before, is, comes after `b`. */
int merge_compare(const struct merge_head *a, const struct merge_head *b);

#endif
