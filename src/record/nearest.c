#include "record/nearest.h"

#include "base/nearest.h"

#include <stddef.h>

const struct config_endpoint *nearest_endpoint(const struct config_feed *feed, struct slice path)
{
	const struct config_endpoint *nearest = &feed->endpoints[0];
	size_t least = nearest_distance(nearest->path, path);
	size_t tries = 1;

	for (size_t i = 1; i < feed->n_endpoints && least != 0 && tries < NEAREST_TRIES; i++) {
		const struct config_endpoint *endpoint = &feed->endpoints[i];
		size_t d;

		/* The endpoints of a params_file share their path. */
		if (endpoint->path.ptr == endpoint[-1].path.ptr)
			continue;
		d = nearest_distance(endpoint->path, path);
		tries++;
		if (d < least) {
			least = d;
			nearest = endpoint;
		}
	}
	return nearest;
}
