/*
 * nearest: what someone probably meant.
 */
#ifndef TAPEDECK_BASE_NEAREST_H
#define TAPEDECK_BASE_NEAREST_H

#include "base/slice.h"

#include <stddef.h>

/* Only the first so many bytes of a text count: it is a hint. */
#define NEAREST_TEXT_MAX 128

/* How many bytes must be added, taken away or replaced to make one of the other (Levenshtein). */
size_t nearest_distance(struct slice a, struct slice b);

#endif
