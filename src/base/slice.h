/*
 * slice: bytes that belong to someone else.
 *
 * A slice is valid as long as its owner says; functions that keep the bytes copy them.
 */
#ifndef TAPEDECK_BASE_SLICE_H
#define TAPEDECK_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *ptr;
	size_t len;
};

/* A slice of a string literal, usable as an initialiser. */
#define SLICE_LITERAL(s) \
	{ \
		(s), sizeof(s) - 1 \
	}

static inline struct slice slice_of(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *s)
{
	return slice_equal(a, slice_of(s));
}

#endif
