/*
 * out: what is put comes out, whole and in order, whatever the sizes; what cannot be written is told once.
 */
#include "out.h"

#include "base/buf.h"
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct err err;

/* Reads all that comes through a pipe. */
struct sink {
	int fd;
	struct buf got;
};

static void *drain(void *arg)
{
	struct sink *s = arg;
	ssize_t n;

	do {
		char piece[1000];

		n = read(s->fd, piece, sizeof(piece));
		assert_true(n >= 0 && buf_append(&s->got, piece, (size_t)n));
	} while (n != 0);
	return NULL;
}

static void numbers_are_written_in_full(void **state)
{
	static const int64_t numbers[] = { 0, 1, -1, 9, 10, 1400673420000000, INT64_MAX,
		INT64_MIN };
	struct out o;

	(void)state;
	assert_true(out_open(&o, -1, &err));
	for (size_t i = 0; i < COUNT(numbers); i++) {
		char want[32];

		o.len = 0;
		out_number(&o, numbers[i]);
		(void)snprintf(want, sizeof(want), "%lld", (long long)numbers[i]);
		assert_slice((struct slice){ o.bytes, o.len }, want);
	}
	out_release(&o);
}

static void a_line_has_spaces_for_line_breaks(void **state)
{
	static const char *const cases[][2] = { { "", "" }, { "a", "a" }, { "\n", " " },
		{ "\r\n", "  " }, { "a\rb\nc\r\r", "a b c  " }, { "\n\nx", "  x" },
		{ "a\tb", "a\tb" } };
	struct out o;

	(void)state;
	assert_true(out_open(&o, -1, &err));
	for (size_t i = 0; i < COUNT(cases); i++) {
		o.len = 0;
		out_line(&o, slice_of(cases[i][0]));
		assert_slice((struct slice){ o.bytes, o.len }, cases[i][1]);
	}
	o.len = 0;
	out_line(&o, (struct slice){ NULL, 0 });
	assert_int_equal(o.len, 0);
	out_release(&o);
}

/* Pieces of all sizes around that of the buffer, through a pipe whose reader is slow and whose end does not wait. */
static void everything_comes_through_in_order(void **state)
{
	static const size_t sizes[] = { 1, 1000, OUT_BYTES - 1, 1, 1, OUT_BYTES, OUT_BYTES + 1, 7,
		3 * OUT_BYTES, OUT_BYTES - 7, 8 };
	struct sink sink = { 0 };
	struct buf want;
	struct out o;
	pthread_t thread;
	int ends[2];
	unsigned n = 0;

	(void)state;
	buf_init(&want, SIZE_MAX / 2);
	buf_init(&sink.got, SIZE_MAX / 2);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	sink.fd = ends[0];
	assert_int_equal(pthread_create(&thread, NULL, drain, &sink), 0);
	assert_true(out_open(&o, ends[1], &err));
	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *piece = malloc(sizes[i]);

		for (size_t k = 0; k < sizes[i]; k++)
			piece[k] = (char)(n++ * 31 >> 3);
		out_bytes(&o, piece, sizes[i]);
		out_char(&o, 'c');
		assert_true(buf_append(&want, piece, sizes[i]) && buf_append_char(&want, 'c'));
		free(piece);
	}
	assert_true(out_end(&o, &err));
	(void)close(ends[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sink.got.len, want.len);
	assert_memory_equal(sink.got.data, want.data, want.len);
	(void)close(ends[0]);
	out_release(&o);
	buf_release(&want);
	buf_release(&sink.got);
}

static void a_reader_who_has_left_is_no_error_to_tell(void **state)
{
	struct out o;
	int ends[2];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	(void)close(ends[0]);
	assert_true(out_open(&o, ends[1], &err));
	for (size_t i = 0; i < 2 * OUT_BYTES; i++)
		out_char(&o, 'x');
	assert_false(out_is_ok(&o));
	assert_false(out_end(&o, &err));
	assert_string_equal(err.text, "");
	(void)close(ends[1]);
	out_release(&o);
}

static void a_full_disk_is_told(void **state)
{
	struct out o;
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(fd >= 0 && out_open(&o, fd, &err));
	out_text(&o, "x");
	assert_true(out_is_ok(&o));
	assert_false(out_end(&o, &err));
	assert_string_equal(err.text, "cannot write to standard output: No space left on device");
	(void)close(fd);
	out_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_in_full),
		cmocka_unit_test(a_line_has_spaces_for_line_breaks),
		cmocka_unit_test(everything_comes_through_in_order),
		cmocka_unit_test(a_reader_who_has_left_is_no_error_to_tell),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
