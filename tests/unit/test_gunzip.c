/*
 * gunzip: any cut into pieces gives the same, and an end that is missing shows.
 */
#include "unit.h"

#include "proto/gunzip.h"

#include <stdlib.h>
#include <zlib.h>

#define TEXT_MAX ((size_t)1 << 20)

/* `text` as one gzip member, behind what is in `out`. */
static void compress_to(struct buf *out, struct slice text)
{
	static unsigned char bytes[TEXT_MAX];
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text.ptr;
	z.avail_in = (uInt)text.len;
	z.next_out = bytes;
	z.avail_out = sizeof(bytes);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_true(buf_append(out, bytes, sizeof(bytes) - z.avail_out));
	assert_int_equal(deflateEnd(&z), Z_OK);
}

/* Feeds `bytes` in pieces; true if all went well and nothing is missing. */
static bool undo(struct slice bytes, size_t piece, struct buf *out)
{
	struct gunzip *g = gunzip_new();
	bool ok = true;
	struct err e;

	assert_non_null(g);
	for (size_t at = 0; ok && at < bytes.len; at += piece) {
		size_t len = bytes.len - at < piece ? bytes.len - at : piece;

		ok = gunzip_take(g, (struct slice){ bytes.ptr + at, len }, out, &e);
	}
	ok = ok && gunzip_is_complete(g);
	gunzip_free(g);
	return ok;
}

static void members_in_any_pieces_are_one_content(void **state)
{
	static char text[200000];
	struct buf packed;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i * i % 23);
	buf_init(&packed, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	compress_to(&packed, slice_of("first,"));
	compress_to(&packed, slice_of(""));
	compress_to(&packed, (struct slice){ text, sizeof(text) });
	for (size_t piece = 1; piece <= packed.len; piece = piece * 7 + 1) {
		buf_reset(&out, TEXT_MAX);
		assert_true(undo(buf_slice(&packed), piece, &out));
		assert_int_equal(out.len, 6 + sizeof(text));
		assert_memory_equal(out.data, "first,", 6);
		assert_memory_equal(out.data + 6, text, sizeof(text));
	}
	buf_release(&packed);
	buf_release(&out);
}

static void each_cut_but_none_shows(void **state)
{
	struct buf packed;
	struct buf out;

	(void)state;
	buf_init(&packed, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	compress_to(&packed, slice_of("[1],[2],[3],[4],[5],[6]"));
	for (size_t len = 1; len < packed.len; len++) {
		buf_reset(&out, TEXT_MAX);
		assert_false(undo((struct slice){ packed.data, len }, 5, &out));
	}
	buf_reset(&out, TEXT_MAX);
	assert_true(undo(buf_slice(&packed), 5, &out));
	assert_true(undo((struct slice){ 0 }, 5, &out)); /* an answer without a body */
	buf_release(&packed);
	buf_release(&out);
}

static void what_is_changed_is_refused(void **state)
{
	struct buf packed;
	struct buf out;

	(void)state;
	buf_init(&packed, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	compress_to(&packed, slice_of("[1],[2],[3]"));
	/* The checksum and the length are behind the content. */
	for (size_t at = packed.len - 8; at < packed.len; at++) {
		packed.data[at] ^= 1;
		assert_false(undo(buf_slice(&packed), 100, &out));
		packed.data[at] ^= 1;
	}
	assert_false(undo(slice_of("not gzip at all"), 100, &out));
	assert_true(buf_append_str(&packed, "junk behind it"));
	assert_false(undo(buf_slice(&packed), 100, &out));
	buf_release(&packed);
	buf_release(&out);
}

static void a_bomb_stops_at_the_limit(void **state)
{
	static const char zeros[900000];
	struct gunzip *g = gunzip_new();
	struct buf packed;
	struct buf out;
	struct err e;

	(void)state;
	buf_init(&packed, TEXT_MAX);
	buf_init(&out, 50000);
	compress_to(&packed, (struct slice){ zeros, sizeof(zeros) });
	assert_false(gunzip_take(g, buf_slice(&packed), &out, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_true(out.len <= 50000);
	gunzip_free(g);
	buf_release(&packed);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_in_any_pieces_are_one_content),
		cmocka_unit_test(each_cut_but_none_shows),
		cmocka_unit_test(what_is_changed_is_refused),
		cmocka_unit_test(a_bomb_stops_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
