/*
 * unit: what every unit test includes, and helpers that several share.
 */
#ifndef TAPEDECK_TESTS_UNIT_H
#define TAPEDECK_TESTS_UNIT_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void assert_slice(struct slice got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	if (got.len != 0)
		assert_memory_equal(got.ptr, want, got.len);
}

#endif
