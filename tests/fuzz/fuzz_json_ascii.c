/*
 * Text of any kind. What is asserted: UTF-8 and nothing else is taken; what is written is ASCII and no
 * other; and JSON stays the same value.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "base/json_ascii.h"
#include "base/json_canon.h"
#include "base/utf8.h"

#define TEXT_MAX ((size_t)1 << 26)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(struct slice before, struct slice after)
{
	struct buf a, b;
	struct err e;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	assert(json_validate(after, NULL, &e));
	if (json_canon(before, &a, &e)) {
		assert(json_canon(after, &b, &e));
		assert(slice_equal(buf_slice(&a), buf_slice(&b)));
	}
	buf_release(&a);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	struct buf out;
	struct err e;
	bool ok;

	buf_init(&out, TEXT_MAX);
	ok = json_ascii(in, &out);
	assert(ok == utf8_valid(in) && (ok || out.len == 0));
	for (size_t i = 0; i < out.len; i++)
		assert((unsigned char)out.data[i] < 0x80);
	if (ok && json_validate(in, NULL, &e))
		check_value(in, buf_slice(&out));
	buf_release(&out);
	return 0;
}
