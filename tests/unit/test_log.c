/*
 * log, secret, clock: lines that nobody can forge, and nothing in them that must not be there.
 */
#include "scratch.h"
#include "unit.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

static struct scratch scratch;
static char content[65536];

/* Writes one line with fields of all kinds and returns it. */
static const char *logged(enum log_format format, struct slice peer)
{
	const char *path = scratch_file(&scratch, "log");
	struct err e;
	FILE *f;
	size_t n;

	(void)unlink(path);
	assert_true(log_open(LOG_INFO, format, path, &e));
	log_line(LOG_DEBUG, "not shown", log_int("n", 1));
	log_line(LOG_WARN, "it happened", log_text("word", "bare"), log_text("empty", ""),
		log_text("two", "two words"), log_int("n", -5), log_real("s", 1.25),
		log_peer("peer", peer));
	log_close();
	f = fopen(scratch_file(&scratch, "log"), "rb");
	assert_non_null(f);
	n = fread(content, 1, sizeof(content) - 1, f);
	(void)fclose(f);
	content[n] = '\0';
	return content;
}

static void a_text_line_has_time_level_and_fields(void **state)
{
	const char *line = logged(LOG_TEXT, slice_of("x=\"y\"\n\033[2J\\"));

	(void)state;
	assert_int_equal(line[10], 'T');
	assert_string_equal(line + 24,
		" warn  it happened word=bare empty=\"\" two=\"two words\" n=-5 s=1.2 "
		"peer=\"x=\\\"y\\\"\\x0a\\x1b[2J\\\\\"\n");
}

static void a_json_line_parses_and_keeps_the_values(void **state)
{
	const char *line = logged(LOG_JSON, slice_of("a \"quote\"\n\x01\xc3\xa9"));
	json_t *root = json_loads(line, 0, NULL);

	(void)state;
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "level")), "warn");
	assert_string_equal(json_string_value(json_object_get(root, "message")), "it happened");
	assert_int_equal(json_integer_value(json_object_get(root, "n")), -5);
	assert_string_equal(
		json_string_value(json_object_get(root, "peer")), "a \"quote\"\n\x01\xc3\xa9");
	json_decref(root);
}

static void a_peer_cannot_flood_a_line(void **state)
{
	static char flood[100000];

	(void)state;
	memset(flood, 'z', sizeof(flood));
	assert_true(strlen(logged(LOG_TEXT, (struct slice){ flood, sizeof(flood) })) < 600);
	memset(flood, '\n', sizeof(flood));
	assert_true(strlen(logged(LOG_JSON, (struct slice){ flood, sizeof(flood) })) < 4000);
}

static void a_line_is_valid_utf8_and_keeps_its_direction(void **state)
{
	static const char nasty[] =
		"\xff\xc3 \xc2\x9b \xe2\x80\xae \xe2\x81\xa6 \xc3\xa9 \xf0\x9f\x98\x80 \xe2\x80";

	(void)state;
	for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
		const char *line = logged((enum log_format)format, slice_of(nasty));

		assert_true(utf8_valid(slice_of(line)));
		assert_null(strstr(line, "\xc2\x9b"));
		assert_null(strstr(line, "\xe2\x80\xae"));
		assert_null(strstr(line, "\xe2\x81\xa6"));
		assert_non_null(strstr(line, "\xc3\xa9 \xf0\x9f\x98\x80"));
	}
}

/* A reader that has gone to lunch costs lines of the log, not the recording. */
static void a_stuck_reader_is_not_waited_for(void **state)
{
	const char *fifo = scratch_file(&scratch, "fifo");
	char bytes[65536];
	struct err e;
	ssize_t n;
	int reader;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	reader = open(fifo, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_true(log_open(LOG_INFO, LOG_TEXT, fifo, &e));
	for (int i = 0; i < 10000; i++)
		log_line(LOG_INFO, "a line that nobody reads", log_int("n", i));
	while ((n = read(reader, bytes, sizeof(bytes))) > 0)
		continue;
	log_line(LOG_INFO, "read again", log_int("n", 1));
	n = read(reader, bytes, sizeof(bytes) - 1);
	assert_true(n > 0);
	bytes[n] = '\0';
	assert_non_null(strstr(bytes, " lines were dropped)\n"));
	assert_non_null(strstr(bytes, "read again"));
	log_close();
	(void)close(reader);
}

static void text_that_quotes_a_secret_is_withheld(void **state)
{
	struct secret *s = secret_new(slice_of("canary-0123456789-abcdefgh"));
	char out[128];

	(void)state;
	assert_non_null(s);
	assert_slice(secret_reveal(s), "canary-0123456789-abcdefgh");
	assert_null(strstr(logged(LOG_TEXT, slice_of("bad token 0123456789-abc!")), "0123456789"));
	assert_null(strstr(logged(LOG_JSON, slice_of("canary-0123456789-abcdefgh")), "canary"));
	assert_null(strstr(log_peer_text(out, sizeof(out), slice_of("x0123456789-abx")), "0123"));
	assert_string_equal(log_peer_text(out, sizeof(out), slice_of("canary\n")), "canary\\x0a");
	secret_free(s);
	assert_false(secret_quotes(slice_of("canary-0123456789-abcdefgh")));
}

static void a_short_secret_counts_as_a_whole(void **state)
{
	struct secret *s = secret_new(slice_of("abc"));
	struct secret *empty = secret_new((struct slice){ 0 });

	(void)state;
	assert_true(secret_quotes(slice_of("xxabcxx")));
	assert_false(secret_quotes(slice_of("xxabxcx")));
	assert_false(secret_quotes((struct slice){ 0 }));
	secret_free(s);
	secret_free(empty);
	secret_free(NULL);
}

static void a_log_file_that_cannot_be_opened_is_named(void **state)
{
	struct err e;

	(void)state;
	assert_false(log_open(LOG_INFO, LOG_TEXT, "/nonexistent/dir/log", &e));
	assert_non_null(strstr(e.text, "'/nonexistent/dir/log'"));
}

static void time_stamps_never_decrease_and_begin_at_the_floor(void **state)
{
	struct clock c;
	int64_t wall = clock_wall_us();
	int64_t last;
	int64_t by;

	(void)state;
	clock_start(&c, 0);
	assert_true(clock_now(&c) >= wall && clock_now(&c) < wall + 5000000);
	clock_start(&c, wall + INT64_C(3600000000));
	last = clock_now(&c);
	assert_true(last >= wall + INT64_C(3600000000));
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_now(&c);

		assert_true(now >= last);
		last = now;
	}
	/* That the wall clock lags behind the floor is known, not a jump. */
	assert_false(clock_check(&c, &by));
}

static void a_jump_of_the_wall_clock_is_reported_once(void **state)
{
	struct clock c;
	int64_t before;
	int64_t by = 0;

	(void)state;
	clock_start(&c, 0);
	before = clock_now(&c);
	c.anchor_wall_us -= 5000000; /* as if the wall clock had gone 5 s ahead of us */
	assert_true(clock_check(&c, &by));
	assert_true(by > 4900000 && by < 5900000);
	assert_true(clock_now(&c) >= before); /* the anchor has moved along */
	assert_true(clock_now(&c) - clock_wall_us() > -1000000);
	assert_false(clock_check(&c, &by));

	c.anchor_wall_us += 86400000000; /* as if it had gone back by a day */
	before = clock_now(&c);
	assert_true(clock_check(&c, &by));
	assert_true(by < -86300000000);
	assert_true(clock_now(&c) >= before); /* we do not follow */
	assert_false(clock_check(&c, &by));
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_line_has_time_level_and_fields),
		cmocka_unit_test(a_json_line_parses_and_keeps_the_values),
		cmocka_unit_test(a_peer_cannot_flood_a_line),
		cmocka_unit_test(a_line_is_valid_utf8_and_keeps_its_direction),
		cmocka_unit_test(a_stuck_reader_is_not_waited_for),
		cmocka_unit_test(text_that_quotes_a_secret_is_withheld),
		cmocka_unit_test(a_short_secret_counts_as_a_whole),
		cmocka_unit_test(a_log_file_that_cannot_be_opened_is_named),
		cmocka_unit_test(time_stamps_never_decrease_and_begin_at_the_floor),
		cmocka_unit_test(a_jump_of_the_wall_clock_is_reported_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
