/*
 * buf, err, map: the small things everything stands on.
 */
#include "unit.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

static void a_full_buffer_refuses_and_stays_as_it_was(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_true(buf_append_str(&b, "12345678"));
	assert_false(buf_append_str(&b, "abc"));
	assert_slice(buf_slice(&b), "12345678");
	assert_true(buf_append_str(&b, "ab"));
	assert_false(buf_append_char(&b, 'c'));
	assert_true(buf_append(&b, "", 0));
	assert_slice(buf_slice(&b), "12345678ab");
	buf_consume(&b, 8);
	assert_slice(buf_slice(&b), "ab");
	buf_release(&b);
	assert_int_equal(b.max, 10);
}

static void printf_grows_as_needed(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (int i = 0; i < 1000; i++)
		assert_true(buf_printf(&b, "%03d,", i));
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data + 3996, "999,", 4);
	buf_reset(&b, 100);
	assert_null(b.data);
	buf_release(&b);
}

static void an_error_is_cut_not_overrun(void **state)
{
	struct err e;
	char longer[2 * ERR_TEXT_MAX];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_false(err_set(&e, ERR_LIMIT, "%s", longer));
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_false(err_prefix(&e, "cannot open '%s'", "f"));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_memory_equal(e.text, "cannot open 'f': xxx", 20);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

struct entry {
	char key[16];
};

static bool same(const void *item, const void *key)
{
	return strcmp(((const struct entry *)item)->key, key) == 0;
}

static void a_map_finds_all_and_only_what_was_added(void **state)
{
	static struct entry entries[5000];
	struct map m = { 0 };

	(void)state;
	assert_null(map_find(&m, 1, same, "x"));
	for (size_t i = 0; i < COUNT(entries); i++) {
		(void)snprintf(entries[i].key, sizeof(entries[i].key), "key%zu", i);
		assert_true(map_add(&m, map_hash(0, slice_of(entries[i].key)), &entries[i]));
	}
	for (size_t i = 0; i < COUNT(entries); i++)
		assert_ptr_equal(
			map_find(&m, map_hash(0, slice_of(entries[i].key)), same, entries[i].key),
			&entries[i]);
	assert_null(map_find(&m, map_hash(0, slice_of("key5000")), same, "key5000"));
	/* The same hash is not yet the same key. */
	assert_null(map_find(&m, map_hash(0, slice_of("key1")), same, "other"));
	map_release(&m);
	assert_int_equal(m.count, 0);
}

static void a_hash_depends_on_every_byte_and_the_seed(void **state)
{
	char text[] = "0123456789abcdefghij";
	uint64_t whole = map_hash(0, slice_of(text));

	(void)state;
	assert_true(whole == map_hash(0, slice_of("0123456789abcdefghij")));
	assert_true(whole != map_hash(1, slice_of(text)));
	for (size_t i = 0; text[i] != '\0'; i++) {
		text[i] ^= 1;
		assert_true(whole != map_hash(0, slice_of(text)));
		text[i] ^= 1;
	}
	/* Moving a border between two parts is another key. */
	assert_true(map_hash(map_hash(0, slice_of("ab")), slice_of("c")) !=
		map_hash(map_hash(0, slice_of("a")), slice_of("bc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_buffer_refuses_and_stays_as_it_was),
		cmocka_unit_test(printf_grows_as_needed),
		cmocka_unit_test(an_error_is_cut_not_overrun),
		cmocka_unit_test(a_map_finds_all_and_only_what_was_added),
		cmocka_unit_test(a_hash_depends_on_every_byte_and_the_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
