#include "record/nearest.h"

#include <stddef.h>

static size_t shorter(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein distance, a row at a time. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[NEAREST_PATH_MAX + 1];
	size_t a_len = shorter(a.len, NEAREST_PATH_MAX);
	size_t b_len = shorter(b.len, NEAREST_PATH_MAX);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			size_t replaced = diagonal + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);

			row[j] = shorter(replaced, shorter(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_len];
}

const struct config_endpoint *nearest_endpoint(const struct config_feed *feed, struct slice path)
{
	const struct config_endpoint *nearest = &feed->endpoints[0];
	size_t least = distance(nearest->path, path);
	size_t tries = 1;

	for (size_t i = 1; i < feed->n_endpoints && least != 0 && tries < NEAREST_TRIES; i++) {
		const struct config_endpoint *endpoint = &feed->endpoints[i];
		size_t d;

		/* The endpoints of a params_file share their path. */
		if (endpoint->path.ptr == endpoint[-1].path.ptr)
			continue;
		d = distance(endpoint->path, path);
		tries++;
		if (d < least) {
			least = d;
			nearest = endpoint;
		}
	}
	return nearest;
}
