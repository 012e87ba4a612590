/*
 * batch: what goes in comes out, in order, byte for byte.
 */
#include "unit.h"

#include "store/batch.h"

#include <stdlib.h>

static struct batch_event sample(struct slice results)
{
	return (struct batch_event){ .feed_id = 1,
		.connection_id = 2,
		.timestamp_us = -3,
		.received_us = INT64_MAX,
		.path = SLICE_LITERAL("p"),
		.params = SLICE_LITERAL("{}"),
		.results = results };
}

static void records_come_back_in_order(void **state)
{
	struct batch *b = batch_new();
	struct batch_cursor cursor = { 0 };
	struct batch_record r;
	struct batch_event e = sample(slice_of("[1.10]"));

	(void)state;
	assert_true(batch_is_empty(b));
	assert_true(batch_add_opened(b, 7, 8, 9, (struct slice){ 0 }));
	assert_true(batch_add_event(b, &e));
	assert_true(batch_add_closed(b, 7, 10, 0, "network", "gone"));
	assert_int_equal(batch_events(b), 1);
	assert_false(batch_is_empty(b));

	assert_true(batch_next(b, &cursor, &r));
	assert_int_equal(r.kind, BATCH_OPENED);
	assert_int_equal(r.number[0], 7);
	assert_int_equal(r.number[1], 8);
	assert_int_equal(r.number[2], 9);
	assert_true(batch_next(b, &cursor, &r));
	assert_int_equal(r.kind, BATCH_EVENT);
	assert_int_equal(r.number[BATCH_EVENT_TIMESTAMP], -3);
	assert_true(r.number[BATCH_EVENT_RECEIVED] == INT64_MAX);
	assert_slice(r.text[BATCH_EVENT_PATH], "p");
	assert_slice(r.text[BATCH_EVENT_RESULTS], "[1.10]");
	assert_true(batch_next(b, &cursor, &r));
	assert_int_equal(r.kind, BATCH_CLOSED);
	assert_slice(r.text[0], "network");
	assert_slice(r.text[1], "gone");
	assert_false(batch_next(b, &cursor, &r));
	batch_free(b);
}

/* An empty text is not an absent one: '' and NULL mean different things in the recording. */
static void absent_and_empty_texts_differ(void **state)
{
	struct batch *b = batch_new();
	struct batch_cursor cursor = { 0 };
	struct batch_record r;
	struct batch_event e = sample(slice_of("null"));

	(void)state;
	e.timestamp_text = slice_of("");
	assert_true(batch_add_event(b, &e));
	assert_true(batch_next(b, &cursor, &r));
	assert_non_null(r.text[BATCH_EVENT_TIMESTAMP_TEXT].ptr);
	assert_int_equal(r.text[BATCH_EVENT_TIMESTAMP_TEXT].len, 0);
	assert_null(r.text[BATCH_EVENT_EXTRA].ptr);
	batch_free(b);
}

/* Many chunks, and records larger than a chunk; the memory held is what batch_bytes says, or less. */
static void records_of_any_size_survive(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 4000, 16384, 262144, 3000000 };
	struct batch *b = batch_new();
	struct batch_cursor cursor = { 0 };
	struct batch_record r;
	char *bytes = malloc(3000000);
	size_t total = 0;

	(void)state;
	assert_non_null(bytes);
	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct batch_event e;

			if (sizes[i] > 100000 && round > 1)
				continue;
			memset(bytes, 'a' + (int)i, sizes[i]);
			e = sample((struct slice){ bytes, sizes[i] });
			assert_true(batch_add_event(b, &e));
			total += sizes[i];
		}
	}
	assert_true(batch_bytes(b) >= total);
	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct slice text;

			if (sizes[i] > 100000 && round > 1)
				continue;
			assert_true(batch_next(b, &cursor, &r));
			text = r.text[BATCH_EVENT_RESULTS];
			assert_int_equal(text.len, sizes[i]);
			for (size_t at = 0; at < text.len; at += 997)
				assert_int_equal(text.ptr[at], 'a' + (int)i);
		}
	}
	assert_false(batch_next(b, &cursor, &r));
	free(bytes);
	batch_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_in_order),
		cmocka_unit_test(absent_and_empty_texts_differ),
		cmocka_unit_test(records_of_any_size_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
