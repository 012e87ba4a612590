/*
 * Compressed answers of a hostile server. What is asserted: the same whole and byte by byte, and no more than the
 * limit.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/gunzip.h"

#define LIMIT 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether all was well, and whether the end was there. */
static int undo(struct slice all, size_t step, struct buf *out)
{
	struct gunzip *g = gunzip_new();
	struct err e;
	int result;
	bool ok = true;

	if (g == NULL)
		abort();
	for (size_t at = 0; ok && at < all.len; at += step)
		ok = gunzip_take(g,
			(struct slice){ all.ptr + at, all.len - at < step ? all.len - at : step },
			out, &e);
	result = (ok ? 1 : 0) + (ok && gunzip_is_complete(g) ? 1 : 0);
	gunzip_free(g);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice all = { (const char *)data, size };
	struct buf whole;
	struct buf bytewise;
	int result;

	buf_init(&whole, LIMIT);
	buf_init(&bytewise, LIMIT);
	result = undo(all, size + 1, &whole);
	assert(result == undo(all, 1, &bytewise));
	assert(whole.len <= LIMIT);
	if (result != 0)
		assert(slice_equal(buf_slice(&whole), buf_slice(&bytewise)));
	buf_release(&whole);
	buf_release(&bytewise);
	return 0;
}
