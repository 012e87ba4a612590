/*
 * duplicates: which connections have already delivered an event that is stored.
 *
 * Two connections to a feed deliver the same events twice. Deliveries are matched as multisets: the k-th delivery
 * of a content by one connection is the same event as the k-th by another, if they came within the window of
 * each other. So a stored event can be identified with one delivery of each connection: the one that stored it,
 * which its row names, and those that are marked here. Only events that two connections have delivered need
 * memory, and only until the window has passed since the last of their deliveries; DUPLICATES_MAX are held,
 * beyond that the oldest are forgotten. Pure: who finds rows of equal content and in which order is the
 * caller's affair. Times are time stamps in microseconds that do not decrease.
 *
 * Marks belong to a commit: they are open until duplicates_keep, and duplicates_drop takes the open ones back.
 */
#ifndef TAPEDECK_STORE_DUPLICATES_H
#define TAPEDECK_STORE_DUPLICATES_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#define DUPLICATES_MAX 1000000

struct duplicates;

/* A row of equal content. */
struct duplicates_row {
	int64_t event_id;
	int64_t connection_id; /* that stored it */
	int64_t received_us;
};

/* A delivery that may be the same event. */
struct delivery {
	int64_t connection_id;
	int64_t received_us;
};

/* NULL when out of memory. */
struct duplicates *duplicates_new(int64_t window_us) MUST_CHECK;

/* Accepts NULL. */
void duplicates_free(struct duplicates *d);

void duplicates_set_window(struct duplicates *d, int64_t window_us);
int64_t duplicates_window(const struct duplicates *d);

/* True if the delivery is the row's event: its connection is not identified with the row yet, and one that is
 * delivered it within the window. The first row of equal content for which this holds is the one to mark. */
bool duplicates_match(const struct duplicates *d, const struct duplicates_row *row,
	const struct delivery *delivery);

/* Identifies the delivery with the row. False when out of memory. */
bool duplicates_mark(struct duplicates *d, const struct duplicates_row *row,
	const struct delivery *delivery) MUST_CHECK;

void duplicates_keep(struct duplicates *d);
void duplicates_drop(struct duplicates *d);

#endif
