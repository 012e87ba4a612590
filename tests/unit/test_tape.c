/*
 * tape: what it tells of recordings, their streams, holes and gaps; files that are written, trimmed or damaged meanwhile.
 * The order of events is the affair of test_tape_order.
 */
#include "tape.h"

#include "base/clock.h"
#include "store/db.h"
#include "scratch.h"
#include "tape_gaps.h"
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct scratch scratch;
static struct err err;

static void must(bool ok)
{
	if (!ok)
		fail_msg("%s", err.text);
}

static const char *path_of(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, PATH_MAX, "%s", scratch_file(&scratch, name));
	return path;
}

/* A connection that writes; a new recording if there is none. */
static struct sqlite3 *open_db(const char *name)
{
	const struct db_options o = {
		.path = path_of(name), .may_create = true, .mode = 0600, .cache_kib = 1000
	};
	struct sqlite3 *db;

	must(db_open(&db, &o, &err));
	return db;
}

static void run(const char *name, const char *sql)
{
	struct sqlite3 *db = open_db(name);

	if (!db_exec(db, sql, &err))
		fail_msg("%s: %s", sql, err.text);
	db_close(db);
}

/* Streams 1 and 2 of feed f, 3 of feed g; ours are 10 s ahead of the feeds' clocks. */
static void make(const char *name)
{
	run(name,
		"INSERT INTO feed VALUES (1, 'f', 'http://f', '/n', '/s/', '{\"d\":1}'), "
		"	(2, 'g', 'http://g', '/', '/socket.io/', '{}');"
		"INSERT INTO connection (connection_id, feed_id, opened) VALUES (4, 1, 1);"
		"INSERT INTO stream (stream_id, feed_id, path, params, events) VALUES "
		"	(1, 1, 'a', '{}', 2), (2, 1, 'a', '{\"x\":1}', 1), (3, 2, 'b', '{}', 0);"
		"INSERT INTO event (event_id, stream_id, timestamp, seq, timestamp_text, received, "
		"	connection_id, results, extra) VALUES "
		"	(1, 1, 90000000, 0, NULL, 100000000, 4, '[1]', NULL), "
		"	(2, 1, 90000000, 1, '\"90\"', 100000000, 4, '', '{\"args\":[2]}'), "
		"	(5, 2, 190000000, 0, '', 200000000, 4, '[3]', NULL);"
		"INSERT INTO attachment VALUES (2, 1, x'0002'), (2, 0, x'01'), (2, 2, x'')");
}

static struct tape_choice everything(enum tape_order order)
{
	return (struct tape_choice){ .from_us = TAPE_NONE, .to_us = TAPE_NONE, .order = order };
}

static struct tape *open_tape(const struct tape_choice *choice, const char *a, const char *b)
{
	const char *const paths[] = { path_of(a), b != NULL ? path_of(b) : NULL };
	struct tape *t;

	must(tape_open(&t, paths, b != NULL ? 2 : 1, choice, &err));
	return t;
}

static struct tape_cursor *cursor_of(struct tape *t)
{
	struct tape_cursor *c;

	must(tape_cursor_new(&c, t, &err));
	return c;
}

static bool next(struct tape_cursor *c, struct tape_event *event)
{
	enum tape_result result = tape_cursor_next(c, event, &err);

	if (result == TAPE_FAILED)
		fail_msg("%s", err.text);
	return result == TAPE_EVENT;
}

/* Reads to the end; how many there were. */
static size_t count_events(struct tape_cursor *c)
{
	struct tape_event event;
	size_t count = 0;

	while (next(c, &event))
		count++;
	return count;
}

/* ---- what is in it ---- */

static void events_carry_all_that_was_recorded(void **state)
{
	const struct tape_choice choice = everything(TAPE_RECEIVED);
	const struct slice *data;
	struct tape_event event;
	struct tape_cursor *c;
	struct tape *t;
	size_t count;

	(void)state;
	make("a.db");
	t = open_tape(&choice, "a.db", NULL);
	c = cursor_of(t);
	assert_true(next(c, &event));
	assert_null(event.timestamp_text.ptr);
	assert_null(event.extra.ptr);
	assert_false(event.has_attachments);
	must(tape_cursor_attachments(c, &data, &count, &err));
	assert_int_equal(count, 0);
	assert_true(next(c, &event));
	assert_slice(event.timestamp_text, "\"90\"");
	assert_slice(event.extra, "{\"args\":[2]}");
	assert_non_null(event.results.ptr);
	assert_int_equal(event.results.len, 0);
	assert_int_equal(event.connection_id, 4);
	assert_int_equal(event.seq, 1);
	assert_true(event.has_attachments);
	must(tape_cursor_attachments(c, &data, &count, &err));
	assert_int_equal(count, 3);
	assert_slice(data[0], "\1");
	assert_int_equal(data[1].len, 2);
	assert_memory_equal(data[1].ptr, "\0\2", 2);
	assert_int_equal(data[2].len, 0);
	assert_true(next(c, &event));
	assert_non_null(event.timestamp_text.ptr);
	assert_int_equal(event.timestamp_text.len, 0);
	assert_false(event.has_attachments);
	assert_false(next(c, &event));
	assert_false(next(c, &event));
	tape_cursor_free(c);
	tape_close(t);
}

static void streams_of_several_recordings_are_one(void **state)
{
	const struct tape_choice choice = everything(TAPE_RECEIVED);
	const struct tape_stream *streams;
	const struct tape_feed *feeds;
	struct tape *t;
	size_t count;

	(void)state;
	make("a.db");
	make("b.db");
	run("b.db",
		"UPDATE feed SET name = 'h' WHERE feed_id = 2; UPDATE feed SET dialect = '{\"d\":2}' "
		"WHERE feed_id = 1; INSERT INTO run VALUES (1, 1, 50, NULL, 1, 'v', 'h')");
	t = open_tape(&choice, "b.db", "a.db");
	feeds = tape_feeds(t, &count);
	assert_int_equal(count, 3);
	streams = tape_streams(t, &count);
	assert_int_equal(count, 4); /* that of g and that of h are two */
	for (size_t i = 0; i < count; i++) {
		const struct tape_feed *feed = &feeds[streams[i].feed];

		if (slice_is(streams[i].path, "b")) {
			assert_false(slice_is(feed->name, "f"));
			assert_int_equal(streams[i].events, 0);
			continue;
		}
		assert_slice(feed->name, "f");
		assert_slice(feed->dialect, "{\"d\":2}"); /* a.db has never been alive */
		assert_slice(feed->name_space, "/n");
		assert_slice(feed->io_path, "/s/");
		assert_int_equal(streams[i].events, slice_is(streams[i].params, "{}") ? 4 : 2);
	}
	tape_close(t);
}

static void feeds_are_those_of_what_is_chosen(void **state)
{
	struct slice name = SLICE_LITERAL("a");
	struct tape_choice choice = everything(TAPE_RECEIVED);
	struct tape *t;
	size_t count;

	(void)state;
	make("a.db");
	choice.paths = &name;
	choice.n_paths = 1;
	t = open_tape(&choice, "a.db", NULL);
	assert_slice(tape_feeds(t, &count)[0].name, "f");
	assert_int_equal(count, 1);
	assert_int_equal(tape_streams(t, &count)[1].feed, 0);
	assert_int_equal(count, 2);
	tape_close(t);
	choice = everything(TAPE_RECEIVED);
	name = slice_of("g");
	choice.feeds = &name;
	choice.n_feeds = 1;
	t = open_tape(&choice, "a.db", NULL);
	assert_slice(tape_feeds(t, &count)[0].name, "g");
	assert_int_equal(count, 1);
	tape_close(t);
}

static void what_is_chosen_and_not_there_is_named_with_the_nearest(void **state)
{
	static const struct {
		const char *feed, *path, *params, *says;
	} cases[] = {
		{ "ff", NULL, NULL,
			"--feed 'ff': no stream in the recordings has it; the nearest is 'f'" },
		{ NULL, "aa", NULL,
			"--path 'aa': no stream in the recordings has it; the nearest is 'a'" },
		{ NULL, NULL, "{\"x\":2}",
			"--params '{\"x\":2}': no stream in the recordings has it; the "
			"nearest is '{\"x\":1}'" },
		{ "g", "a", NULL, "'g': it is in the recordings, but no stream has it together" },
	};

	(void)state;
	make("a.db");
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *const path = path_of("a.db");
		struct tape_choice choice = everything(TAPE_RECEIVED);
		struct slice feed = slice_of(cases[i].feed != NULL ? cases[i].feed : "");
		struct slice p = slice_of(cases[i].path != NULL ? cases[i].path : "");
		struct slice params = slice_of(cases[i].params != NULL ? cases[i].params : "");
		struct tape *t;

		choice.feeds = &feed;
		choice.n_feeds = cases[i].feed != NULL;
		choice.paths = &p;
		choice.n_paths = cases[i].path != NULL;
		choice.params = &params;
		choice.n_params = cases[i].params != NULL;
		assert_false(tape_open(&t, &path, 1, &choice, &err));
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s", err.text);
	}
}

static void the_same_file_counts_once_and_the_oldest_is_the_first(void **state)
{
	const struct tape_choice choice = everything(TAPE_RECEIVED);
	const char *paths[4];
	struct tape_cursor *c;
	struct tape *t;

	(void)state;
	make("a.db");
	make("b.db");
	run("b.db", "UPDATE event SET received = received - 1");
	make("c.db");
	run("c.db", "INSERT INTO series VALUES (1, NULL, NULL, 0, 0)");
	(void)symlink("a.db", path_of("link.db"));
	paths[0] = path_of("a.db");
	paths[1] = path_of("link.db");
	paths[2] = path_of("c.db");
	paths[3] = path_of("b.db");
	must(tape_open(&t, paths, 4, &choice, &err));
	assert_int_equal(tape_recordings(t), 3);
	assert_string_equal(tape_recording_path(t, 0), paths[2]);
	assert_string_equal(tape_recording_path(t, 1), paths[3]);
	assert_string_equal(tape_recording_path(t, 2), paths[0]);
	c = cursor_of(t);
	assert_int_equal(count_events(c), 9);
	tape_cursor_free(c);
	tape_close(t);
}

/* ---- holes ---- */

static void check_holes(const struct tape_choice *choice, const char *second, const char *want)
{
	struct tape *t = open_tape(choice, "a.db", second);
	char got[400] = "";
	size_t len = 0;
	size_t count;
	const struct tape_hole *holes = tape_holes(t, &count);

	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%lld-%lld ",
			(long long)(holes[i].from_us / 1000000),
			(long long)(holes[i].to_us / 1000000));
	assert_string_equal(got, want);
	tape_close(t);
}

static void holes_are_where_no_chosen_stream_was_covered(void **state)
{
	struct tape_choice choice = everything(TAPE_RECEIVED);
	struct slice path = SLICE_LITERAL("b");

	(void)state;
	make("a.db");
	check_holes(&choice, NULL, "");
	run("a.db",
		"INSERT INTO run VALUES (1, 1, 900000000, NULL, 1, 'v', 'h');"
		"INSERT INTO coverage VALUES (1, 100000000, 150000000), (1, 180000000, 200000000), "
		"	(2, 120000000, 160000000), (2, 200000000, 210000000), (2, 400000000, 400000000),"
		"	(3, 300000000, 310000000), (3, 500000000, NULL)");
	check_holes(&choice, NULL, "160-180 210-300 310-500 ");
	make("b.db");
	run("b.db",
		"INSERT INTO coverage VALUES (1, 150000000, 170000000), (1, 305000000, 499000000), "
		"	(1, 900000000, 910000000)");
	check_holes(&choice, "b.db", "170-180 210-300 499-500 ");
	choice.from_us = 175000000;
	choice.to_us = 250000000;
	check_holes(&choice, "b.db", "175-180 210-250 ");
	choice = everything(TAPE_RECEIVED);
	choice.paths = &path;
	choice.n_paths = 1;
	check_holes(&choice, "b.db", "310-500 ");
}

static void open_coverage_ends_with_the_last_sign_of_life_unless_it_goes_on(void **state)
{
	const struct tape_choice choice = everything(TAPE_RECEIVED);
	char sql[200];

	(void)state;
	make("a.db");
	run("a.db",
		"INSERT INTO coverage VALUES (1, 100000000, NULL);"
		"INSERT INTO run VALUES (1, 1, 150000000, NULL, 1, 'v', 'h')");
	make("b.db");
	run("b.db", "INSERT INTO coverage VALUES (2, 170000000, 180000000)");
	check_holes(&choice, "b.db", "150-170 ");
	(void)snprintf(
		sql, sizeof(sql), "UPDATE run SET last_alive = %lld", (long long)clock_wall_us());
	run("a.db", sql);
	check_holes(&choice, "b.db", "");
}

static void in_the_feeds_time_holes_are_told_by_the_feeds_clock(void **state)
{
	struct tape_choice choice = everything(TAPE_TIMESTAMP);

	(void)state;
	make("a.db");
	/* The clocks differ by 10 s before the hole, by 10 s after it, and by 30 s much later. */
	run("a.db",
		"INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, "
		"	results) VALUES (9, 1, 470000000, 0, 500000000, 4, '1');"
		"INSERT INTO coverage VALUES (1, 100000000, 150000000), (1, 180000000, 230000000), "
		"	(1, 450000000, 600000000), (1, 700000000, 800000000)");
	check_holes(&choice, NULL, "140-170 220-420 570-670 ");
	choice.from_us = 150000000;
	choice.to_us = 400000000;
	check_holes(&choice, NULL, "150-170 220-400 ");
}

/* ---- gaps ---- */

static void check_gaps(const struct tape_choice *choice, const char *second, const char *want)
{
	struct tape *t = open_tape(choice, "a.db", second);
	struct tape_gaps *gaps;
	struct tape_gap gap;
	char got[600] = "";
	size_t len = 0;
	size_t count;

	must(tape_gaps_open(&gaps, t, &err));
	while (tape_gaps_next(gaps, &gap, &err) == TAPE_EVENT)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s:%lld=%lld-%lld %.*s;",
			(int)tape_streams(t, &count)[gap.stream].params.len,
			tape_streams(t, &count)[gap.stream].params.ptr,
			(long long)(gap.time_us / 1000000), (long long)(gap.started_us / 1000000),
			gap.ended_us != TAPE_NONE ? (long long)(gap.ended_us / 1000000) : -1,
			(int)gap.cause.len, gap.cause.ptr);
	assert_string_equal(got, want);
	tape_gaps_close(gaps);
	tape_close(t);
}

static void gaps_are_those_of_the_view_for_what_is_chosen(void **state)
{
	struct tape_choice choice = everything(TAPE_RECEIVED);
	struct slice path = SLICE_LITERAL("a");

	(void)state;
	make("a.db");
	make("b.db");
	for (int i = 0; i < 2; i++)
		run(i == 0 ? "a.db" : "b.db",
			"INSERT INTO run VALUES (1, 1, 900000000, 900000000, 1, 'v', 'h');"
			"INSERT INTO wanted VALUES (1, 100000000, 300000000), (2, 90000000, 300000000), "
			"	(3, 50000000, 310000000);"
			"INSERT INTO coverage VALUES (1, 110000000, 200000000), "
			"	(1, 250000000, 300000000), (2, 90000000, 250000000);"
			"INSERT INTO outage (feed_id, started, ended, cause) "
			"	VALUES (1, 200000000, 260000000, 'network')");
	choice.paths = &path;
	choice.n_paths = 1;
	check_gaps(&choice, NULL,
		"{}:100=100-110 starting;{}:200=200-250 network;{\"x\":1}:250=250-260 network;"
		"{\"x\":1}:260=260-300 starting;");
	choice.from_us = 110000001;
	choice.to_us = 250000000;
	check_gaps(&choice, NULL, "{}:200=200-250 network;{\"x\":1}:250=250-260 network;");
	run("b.db",
		"UPDATE wanted SET started = started + 1; UPDATE coverage SET started = started + 1");
	check_gaps(&choice, "b.db",
		"{}:200=200-250 network;{}:200=200-250 network;{\"x\":1}:250=250-260 network;"
		"{\"x\":1}:250=250-260 network;");
	choice = everything(TAPE_TIMESTAMP);
	choice.from_us = 249000000;
	path = slice_of("b");
	choice.paths = &path;
	choice.n_paths = 1;
	check_gaps(
		&choice, NULL, "{}:50=50-310 starting;"); /* nothing of g came: no clock is known */
	path = slice_of("a");
	check_gaps(&choice, NULL, "{\"x\":1}:240=250-260 network;{\"x\":1}:250=260-300 starting;");
}

/* ---- recordings that are not at rest ---- */

static void what_comes_later_is_not_seen(void **state)
{
	(void)state;
	for (int order = TAPE_RECEIVED; order <= TAPE_TIMESTAMP; order++) {
		const struct tape_choice choice = everything((enum tape_order)order);
		const char *name = order == TAPE_RECEIVED ? "a.db" : "b.db";
		struct tape_cursor *c;
		struct tape_event event;
		struct tape *t;

		make(name);
		t = open_tape(&choice, name, NULL);
		c = cursor_of(t);
		assert_true(next(c, &event));
		run(name,
			"INSERT INTO stream (stream_id, feed_id, path, params) VALUES (9, 1, 'new', '{}');"
			"INSERT INTO event (event_id, stream_id, timestamp, seq, received, "
			"	connection_id, results) VALUES (10, 9, 300000000, 0, 300000000, 4, '1'), "
			"	(11, 1, 80000000, 0, 300000000, 4, '1')");
		assert_int_equal(count_events(c), 2);
		must(tape_cursor_seek(c, 0, &err));
		assert_int_equal(count_events(c), 3);
		tape_cursor_free(c);
		tape_close(t);
		t = open_tape(&choice, name, NULL);
		c = cursor_of(t);
		assert_int_equal(count_events(c), 5);
		tape_cursor_free(c);
		tape_close(t);
	}
}

/* So many that they do not fit into what is read ahead, in both files alike. */
static void make_many(const char *name)
{
	make(name);
	run(name,
		"WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 5099) "
		"INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, "
		"	results) SELECT i, 1 + i % 2, 190000000 + i, 0, 200000000 + i, 4, "
		"	printf('%0500d', i) FROM n");
}

#define SERIES 40
#define OF_EACH 2

/* Numbers events through a series of files, on and on. */
static void *write_series(void *arg)
{
	struct sqlite3 **all = arg;
	char sql[200];
	struct err failure;

	for (int n = 1; n <= SERIES * OF_EACH; n++) {
		(void)snprintf(sql, sizeof(sql),
			"INSERT INTO event (event_id, stream_id, timestamp, seq, received, "
			"connection_id, results) VALUES (%d, 1, %d, 0, %d, 4, '1')",
			n, n, n);
		if (!db_exec(all[(n - 1) / OF_EACH], sql, &failure))
			return all;
		(void)usleep(500);
	}
	return NULL;
}

static void a_series_that_grows_is_read_without_a_hole(void **state)
{
	const struct tape_choice choice = everything(TAPE_RECEIVED);
	struct sqlite3 *all[SERIES];
	const char *paths[SERIES];
	static char names[SERIES][PATH_MAX];
	pthread_t thread;
	void *failed;
	size_t seen = 0;

	(void)state;
	for (int i = 0; i < SERIES; i++) {
		char sql[100];

		(void)snprintf(names[i], PATH_MAX, "%s/%02d.db", scratch.dir, i);
		paths[i] = names[i];
		make(strrchr(names[i], '/') + 1);
		all[i] = open_db(strrchr(names[i], '/') + 1);
		(void)snprintf(sql, sizeof(sql),
			"PRAGMA synchronous = OFF; DELETE FROM event; INSERT INTO series VALUES "
			"(%d, NULL, NULL, 0, 0)",
			i + 1);
		must(db_exec(all[i], sql, &err));
	}
	assert_int_equal(pthread_create(&thread, NULL, write_series, all), 0);
	while (seen < SERIES * OF_EACH) {
		struct tape_cursor *c;
		struct tape_event event;
		struct tape *t;
		size_t n = 0;

		must(tape_open(&t, paths, SERIES, &choice, &err));
		c = cursor_of(t);
		while (next(c, &event))
			assert_int_equal(event.event_id, ++n);
		assert_true(n >= seen);
		seen = n;
		tape_cursor_free(c);
		tape_close(t);
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	for (int i = 0; i < SERIES; i++)
		db_close(all[i]);
}

static void what_is_trimmed_meanwhile_is_passed_over(void **state)
{
	(void)state;
	for (int order = TAPE_RECEIVED; order <= TAPE_TIMESTAMP; order++) {
		const struct tape_choice choice = everything((enum tape_order)order);
		const char *name = order == TAPE_RECEIVED ? "a.db" : "b.db";
		struct tape_key key = { 0, 2000 };
		struct tape_event event;
		struct tape_cursor *c;
		struct tape *t;
		bool found;
		size_t count;

		make_many(name);
		t = open_tape(&choice, name, NULL);
		c = cursor_of(t);
		assert_true(next(c, &event));
		run(name, "DELETE FROM event WHERE event_id < 5000");
		count = 1 + count_events(c);
		assert_true(count > 100 && count < 5003); /* what was read ahead is still there */
		must(tape_cursor_seek(c, 0, &err));
		assert_int_equal(count_events(c), 100);
		must(tape_cursor_seek_behind(c, &key, &found, &err));
		assert_false(found);
		tape_cursor_free(c);
		tape_close(t);
	}
}

/* Ids far from each other, some of them where one look ends and the next begins; a stream of them is chosen. */
static void check_sparse(const char *events)
{
	static const int64_t ids[] = { 1, 65536, 65537, 65538, 131072, 131073, 131074, 1000000,
		1065535, 1065536, 1065537, 9000000 };
	struct slice path = SLICE_LITERAL("b");
	struct tape_choice choice = everything(TAPE_RECEIVED);
	struct tape_event event;
	struct tape_cursor *c;
	struct tape *t;
	char sql[300];
	int64_t first_us;
	int64_t last_us;

	run("a.db", "DELETE FROM event");
	for (size_t i = 0; i < COUNT(ids); i++) {
		(void)snprintf(sql, sizeof(sql),
			"INSERT INTO event (event_id, stream_id, timestamp, seq, received, "
			"connection_id, results) VALUES (%lld, 3, 5, %zu, %zu, 4, '1')",
			(long long)ids[i], i, 10 + i);
		run("a.db", sql);
	}
	(void)snprintf(sql, sizeof(sql), "UPDATE stream SET events = %s", events);
	run("a.db", sql);
	choice.paths = &path;
	choice.n_paths = 1;
	choice.to_us = 10 + COUNT(ids) - 2;
	t = open_tape(&choice, "a.db", NULL);
	tape_span(t, &first_us, &last_us);
	assert_int_equal(first_us, 10);
	assert_int_equal(last_us, choice.to_us);
	c = cursor_of(t);
	for (size_t from = 0; from < COUNT(ids); from++) {
		must(tape_cursor_seek(c, 10 + (int64_t)from, &err));
		for (size_t i = from; i + 1 < COUNT(ids); i++) {
			assert_true(next(c, &event));
			assert_int_equal(event.event_id, ids[i]);
		}
		assert_false(next(c, &event));
	}
	tape_cursor_free(c);
	tape_close(t);
}

static void streams_that_are_left_out_are_passed_over(void **state)
{
	(void)state;
	make("a.db");
	check_sparse("0");
	check_sparse("1000000000"); /* so many that their ids are not read */
}

/* Whatever a file holds: nothing overflows, and what is there is found. */
static void times_and_ids_may_be_anything(void **state)
{
	(void)state;
	make("a.db");
	run("a.db",
		"DELETE FROM event; UPDATE stream SET events = 0;"
		"INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, "
		"	results) VALUES (-9223372036854775807, 1, -9223372036854775807, 0, "
		"	-9223372036854775807, 4, '1'), (-5, 2, 9223372036854775806, 5, -1, 4, '2'), "
		"	(0, 99, 3, -4, 0, 4, 'of no stream'), "
		"	(9223372036854775806, 1, 0, 0, 9223372036854775806, 4, '3');"
		"INSERT INTO coverage VALUES (1, -9223372036854775807, -9223372036854775806), "
		"	(1, 5, 4), (2, 9223372036854775805, 9223372036854775807);"
		"INSERT INTO wanted VALUES (1, -9223372036854775807, 9223372036854775807)");
	for (int order = TAPE_RECEIVED; order <= TAPE_TIMESTAMP; order++) {
		struct tape_choice choice = everything((enum tape_order)order);
		struct tape_key key = { 0, -5 };
		struct tape_gaps *gaps;
		struct tape_gap gap;
		struct tape_cursor *c;
		struct tape *t;
		bool found;
		size_t count;

		t = open_tape(&choice, "a.db", NULL);
		c = cursor_of(t);
		assert_int_equal(count_events(c), 3);
		must(tape_cursor_seek(c, INT64_MIN, &err));
		assert_int_equal(count_events(c), 3);
		must(tape_cursor_seek(c, INT64_MAX, &err));
		assert_int_equal(count_events(c), 0);
		must(tape_cursor_seek_behind(c, &key, &found, &err));
		assert_true(found);
		assert_int_equal(count_events(c), order == TAPE_RECEIVED ? 1 : 0);
		(void)tape_holes(t, &count);
		must(tape_gaps_open(&gaps, t, &err));
		while (tape_gaps_next(gaps, &gap, &err) == TAPE_EVENT)
			;
		tape_gaps_close(gaps);
		tape_cursor_free(c);
		tape_close(t);
		choice.from_us = -1;
		choice.to_us = INT64_MAX;
		t = open_tape(&choice, "a.db", NULL);
		c = cursor_of(t);
		assert_int_equal(count_events(c), 2);
		tape_cursor_free(c);
		tape_close(t);
	}
}

static void the_wal_is_not_pinned_between_two_events(void **state)
{
	(void)state;
	for (int order = TAPE_RECEIVED; order <= TAPE_TIMESTAMP; order++) {
		const struct tape_choice choice = everything((enum tape_order)order);
		const char *name = order == TAPE_RECEIVED ? "a.db" : "b.db";
		struct tape_event event;
		struct tape_gaps *gaps;
		struct tape_gap gap;
		struct tape_cursor *c;
		struct sqlite3 *db;
		struct tape *t;
		int64_t busy = 1;

		make_many(name);
		run(name, "INSERT INTO wanted VALUES (1, 100000000, 300000000)");
		t = open_tape(&choice, name, NULL);
		c = cursor_of(t);
		must(tape_gaps_open(&gaps, t, &err));
		assert_int_equal(tape_gaps_next(gaps, &gap, &err), TAPE_EVENT);
		for (int i = 0; i < 2000; i++)
			assert_true(next(c, &event));
		db = open_db(name);
		must(db_exec(db, "UPDATE stream SET events = 7", &err));
		must(db_number(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, &err));
		assert_int_equal(busy, 0);
		db_close(db);
		assert_int_equal(count_events(c), 3003);
		tape_gaps_close(gaps);
		tape_cursor_free(c);
		tape_close(t);
	}
}

static void cursors_do_not_disturb_each_other(void **state)
{
	(void)state;
	for (int order = TAPE_RECEIVED; order <= TAPE_TIMESTAMP; order++) {
		const struct tape_choice choice = everything((enum tape_order)order);
		const char *name = order == TAPE_RECEIVED ? "a.db" : "b.db";
		struct tape_cursor *all[40];
		char number[16];
		struct tape_event event;
		struct tape *t;

		make_many(name);
		t = open_tape(&choice, name, NULL);
		for (size_t i = 0; i < COUNT(all); i++) {
			all[i] = cursor_of(t);
			must(tape_cursor_seek(all[i],
				(order == TAPE_RECEIVED ? 200000100 : 190000100) + (int)i, &err));
		}
		for (int k = 0; k < 4900; k++)
			for (size_t i = 0; i < COUNT(all); i++) {
				assert_true(next(all[i], &event));
				(void)snprintf(number, sizeof(number), "%010d", 100 + k + (int)i);
				assert_int_equal(event.event_id, 100 + k + (int)i);
				assert_int_equal(event.results.len, 500);
				assert_memory_equal(event.results.ptr + 490, number, 10);
			}
		for (size_t i = 0; i < COUNT(all); i++)
			tape_cursor_free(all[i]);
		tape_close(t);
	}
}

static void damage_is_told_after_what_is_sound(void **state)
{
	(void)state;
	for (int order = TAPE_RECEIVED; order <= TAPE_TIMESTAMP; order++) {
		const struct tape_choice choice = everything((enum tape_order)order);
		const char *name = order == TAPE_RECEIVED ? "a.db" : "b.db";
		enum tape_result result;
		struct tape_event event;
		struct tape_cursor *c;
		struct sqlite3 *db;
		struct tape *t;
		int64_t page;
		size_t count = 0;
		int fd;

		make_many(name);
		db = open_db(name);
		must(db_number(db, "PRAGMA wal_checkpoint(TRUNCATE)", &page, &err));
		/* A leaf in the middle of the table. */
		must(db_number(db,
			"SELECT pageno FROM (SELECT pageno, path FROM dbstat WHERE name = 'event' "
			"AND pagetype = 'leaf' ORDER BY path) LIMIT 1 OFFSET 250",
			&page, &err));
		db_close(db);
		assert_true(page > 1);
		t = open_tape(&choice, name, NULL);
		c = cursor_of(t);
		fd = open(path_of(name), O_WRONLY);
		assert_int_equal(
			pwrite(fd, "\377\377\377\377\377\377\377\377", 8, (page - 1) * 8192), 8);
		(void)close(fd);
		while ((result = tape_cursor_next(c, &event, &err)) == TAPE_EVENT)
			count++;
		assert_int_equal(result, TAPE_FAILED);
		assert_true(count > 1000 && count < 5003);
		assert_non_null(strstr(err.text, "malformed"));
		assert_non_null(strstr(err.text, name));
		assert_int_equal(tape_cursor_next(c, &event, &err), TAPE_FAILED);
		must(tape_cursor_seek(c, 0, &err));
		assert_true(next(c, &event));
		tape_cursor_free(c);
		tape_close(t);
	}
}

static void what_is_no_recording_is_refused(void **state)
{
	const struct tape_choice choice = everything(TAPE_RECEIVED);
	struct sqlite3 *db;

	(void)state;
	make("old.db");
	run("old.db", "PRAGMA user_version = 1");
	(void)close(open(path_of("empty.db"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(sqlite3_open(path_of("foreign.db"), &db), SQLITE_OK);
	must(db_exec(db, "CREATE TABLE t (a)", &err));
	db_close(db);
	for (int i = 0; i < 4; i++) {
		static const char *const cases[][2] = { { "old.db", "has version 1" },
			{ "empty.db", "is empty" }, { "foreign.db", "another program" },
			{ "missing.db", "No such file" } };
		const char *paths[2] = { path_of(cases[i][0]), NULL };
		struct tape *t;

		make("good.db");
		paths[1] = path_of("good.db");
		assert_false(tape_open(&t, paths, 1 + (size_t)i % 2, &choice, &err));
		if (strstr(err.text, cases[i][1]) == NULL || strstr(err.text, cases[i][0]) == NULL)
			fail_msg("%s", err.text);
		(void)remove(path_of("good.db"));
		(void)remove(path_of("good.db-wal"));
		(void)remove(path_of("good.db-shm"));
	}
}

static void a_recording_without_events_is_empty(void **state)
{
	const struct tape_choice choice = everything(TAPE_TIMESTAMP);
	struct tape_event event;
	struct tape_cursor *c;
	struct tape *t;
	int64_t first_us;
	int64_t last_us;
	size_t count;

	(void)state;
	run("a.db", "INSERT INTO run VALUES (1, 1, 1, 1, 1, 'v', 'h')");
	t = open_tape(&choice, "a.db", NULL);
	tape_span(t, &first_us, &last_us);
	assert_int_equal(first_us, TAPE_NONE);
	assert_int_equal(last_us, TAPE_NONE);
	(void)tape_streams(t, &count);
	assert_int_equal(count, 0);
	(void)tape_holes(t, &count);
	assert_int_equal(count, 0);
	c = cursor_of(t);
	assert_false(next(c, &event));
	tape_cursor_free(c);
	tape_close(t);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_carry_all_that_was_recorded),
		TEST(streams_of_several_recordings_are_one),
		TEST(feeds_are_those_of_what_is_chosen),
		TEST(what_is_chosen_and_not_there_is_named_with_the_nearest),
		TEST(the_same_file_counts_once_and_the_oldest_is_the_first),
		TEST(holes_are_where_no_chosen_stream_was_covered),
		TEST(open_coverage_ends_with_the_last_sign_of_life_unless_it_goes_on),
		TEST(in_the_feeds_time_holes_are_told_by_the_feeds_clock),
		TEST(gaps_are_those_of_the_view_for_what_is_chosen),
		TEST(what_comes_later_is_not_seen),
		TEST(a_series_that_grows_is_read_without_a_hole),
		TEST(what_is_trimmed_meanwhile_is_passed_over),
		TEST(streams_that_are_left_out_are_passed_over),
		TEST(times_and_ids_may_be_anything),
		TEST(the_wal_is_not_pinned_between_two_events),
		TEST(cursors_do_not_disturb_each_other),
		TEST(damage_is_told_after_what_is_sound),
		TEST(what_is_no_recording_is_refused),
		TEST(a_recording_without_events_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
