/*
 * eio_queue: what waits for a poll, and the bodies that are made of it.
 */
#include "unit.h"

#include "net/eio_queue.h"

#define S(s) SLICE_LITERAL(s)
#define MUCH ((size_t)300 << 10)

static struct eio_queue q;
static struct buf body;

static int begin(void **state)
{
	(void)state;
	eio_queue_init(&q, (size_t)16 << 20);
	buf_init(&body, (size_t)16 << 20);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	eio_queue_release(&q);
	buf_release(&body);
	return 0;
}

static void add(const struct generation *g, bool is_binary, struct slice data)
{
	struct eio_packet packet = { EIO_MESSAGE, is_binary, data };

	assert_true(eio_queue_add(&q, g, &packet));
}

/* Makes the next body, and drops what it holds. */
static void take_body(const struct eio_framing *framing)
{
	size_t at;

	body.len = 0;
	assert_true(eio_queue_body(&q, framing, &body, &at));
	eio_queue_drop(&q, at);
}

static void each_generation_has_its_framing(void **state)
{
	static const struct slice text = S("2[\"\xc3\xa9\"]");
	struct eio_framing f = { .generation = &generation_eio4 };

	(void)state;
	add(&generation_eio4, false, text);
	add(&generation_eio4, true, (struct slice)S("\x01\x02"));
	take_body(&f);
	assert_slice(buf_slice(&body),
		"42[\"\xc3\xa9\"]\x1e"
		"bAQI=");
	assert_int_equal(eio_queue_size(&q), 0);

	f = (struct eio_framing){ .generation = &generation_eio3 };
	add(&generation_eio3, false, text);
	add(&generation_eio3, true, (struct slice)S("\x01\x02"));
	take_body(&f);
	assert_slice(buf_slice(&body), "7:42[\"\xc3\xa9\"]6:b4AQI=");

	f.is_binary = true;
	add(&generation_eio3, false, text);
	add(&generation_eio3, true, (struct slice)S("\x01\x02"));
	take_body(&f);
	assert_true(slice_equal(buf_slice(&body),
		(struct slice)S("\0\x08\xff"
				"42[\"\xc3\xa9\"]\x01\x03\xff"
				"\x04\x01\x02")));
}

static void socket_io_goes_to_engine_io_3_as_ascii(void **state)
{
	struct eio_framing f = { .generation = &generation_eio3, .escapes_text = true };

	(void)state;
	add(&generation_eio3, false, (struct slice)S("2[\"\xc3\xa9\"]"));
	take_body(&f);
	assert_slice(buf_slice(&body), "12:42[\"\\u00e9\"]");
}

static void one_packet_of_09_is_bare_and_several_are_framed(void **state)
{
	struct eio_framing f = { .generation = &generation_09 };

	(void)state;
	add(&generation_09, false, (struct slice)S("1::"));
	take_body(&f);
	assert_slice(buf_slice(&body), "1::");
	add(&generation_09, false, (struct slice)S("1::"));
	add(&generation_09, false, (struct slice)S("3:::\xf0\x9f\x98\x80"));
	take_body(&f);
	assert_slice(buf_slice(&body),
		"\xef\xbf\xbd"
		"3\xef\xbf\xbd"
		"1::\xef\xbf\xbd"
		"6\xef\xbf\xbd"
		"3:::\xf0\x9f\x98\x80");
}

static void a_long_queue_makes_several_bodies(void **state)
{
	struct eio_framing f = { .generation = &generation_eio4 };
	struct buf large;
	size_t total = 0, bodies = 0;

	(void)state;
	buf_init(&large, 5 * MUCH);
	assert_true(buf_reserve(&large, large.max));
	memset(large.data, 'x', large.max);
	for (int i = 0; i < 10; i++)
		add(&generation_eio4, false, (struct slice){ large.data, MUCH });
	add(&generation_eio4, false, (struct slice){ large.data, large.max });
	add(&generation_eio4, false, (struct slice)S("last"));
	while (eio_queue_size(&q) != 0) {
		take_body(&f);
		assert_true(body.len <= EIO_BODY_MAX || body.len == large.max + 1);
		total += body.len;
		bodies++;
	}
	assert_int_equal(bodies, 6);
	assert_slice(buf_slice(&body), "4last");
	/* Twelve types, and a separator in front of each message that does not begin a body. */
	assert_int_equal(total, 10 * MUCH + large.max + strlen("last") + 12 + (12 - bodies));
	buf_release(&large);
}

static void what_is_not_dropped_comes_again(void **state)
{
	struct eio_framing f = { .generation = &generation_eio4 };
	size_t at;

	(void)state;
	add(&generation_eio4, false, (struct slice)S("a"));
	assert_true(eio_queue_body(&q, &f, &body, &at));
	assert_slice(buf_slice(&body), "4a");
	add(&generation_eio4, false, (struct slice)S("b"));
	eio_queue_drop(&q, 0);
	take_body(&f);
	assert_slice(buf_slice(&body),
		"4a\x1e"
		"4b");
	/* What was made before more came is the front of what waits. */
	add(&generation_eio4, false, (struct slice)S("c"));
	body.len = 0;
	assert_true(eio_queue_body(&q, &f, &body, &at));
	for (int i = 0; i < 100; i++)
		add(&generation_eio4, false, (struct slice)S("d"));
	eio_queue_drop(&q, at);
	take_body(&f);
	assert_int_equal(body.len, 100 * 3 - 1);
	assert_null(memchr(body.data, 'c', body.len));
}

static void a_full_queue_is_as_it_was(void **state)
{
	struct eio_packet packet = { EIO_MESSAGE, false, S("0123456789") };
	struct eio_framing f = { .generation = &generation_eio4 };
	size_t size, count = 0;

	(void)state;
	eio_queue_release(&q);
	eio_queue_init(&q, 200);
	while (eio_queue_add(&q, &generation_eio4, &packet))
		count++;
	assert_true(count > 1);
	size = eio_queue_size(&q);
	assert_false(eio_queue_add(&q, &generation_eio4, &packet));
	assert_int_equal(eio_queue_size(&q), size);
	take_body(&f);
	assert_int_equal(body.len, count * 12 - 1);
	assert_true(eio_queue_add(&q, &generation_eio4, &packet));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_generation_has_its_framing, begin, finish),
		cmocka_unit_test_setup_teardown(
			socket_io_goes_to_engine_io_3_as_ascii, begin, finish),
		cmocka_unit_test_setup_teardown(
			one_packet_of_09_is_bare_and_several_are_framed, begin, finish),
		cmocka_unit_test_setup_teardown(a_long_queue_makes_several_bodies, begin, finish),
		cmocka_unit_test_setup_teardown(what_is_not_dropped_comes_again, begin, finish),
		cmocka_unit_test_setup_teardown(a_full_queue_is_as_it_was, begin, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
