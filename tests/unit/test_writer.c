/*
 * writer: every batch is stored exactly once, whatever the disk does meanwhile.
 */
#include "faulty_vfs.h"
#include "scratch.h"
#include "unit.h"

#include "base/clock.h"
#include "store/writer.h"

#include <time.h>

static struct scratch scratch;
static char database[PATH_MAX];
static atomic_int wakes;

static void wake(void *arg)
{
	(void)arg;
	atomic_fetch_add(&wakes, 1);
}

static void pass_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

static int64_t query(const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

static struct writer *open_writer(size_t buffer_bytes, int64_t *feed_id)
{
	struct writer_options o = {
		.path = database, .mode = 0600, .sync_full = true, .buffer_bytes = buffer_bytes
	};
	struct store_feed feed = { "feed", "http://h", "/", "/socket.io/", "{}" };
	struct writer *w = NULL;
	struct err e;

	if (!writer_open(&w, &o, &e) || !writer_feed(w, &feed, feed_id, &e) ||
		!writer_start(w, wake, NULL, &e))
		fail_msg("%s", e.text);
	return w;
}

static void add_event(struct writer *w, int64_t feed_id, int64_t number, int64_t timestamp_us)
{
	char path[32];
	char results[64];
	struct batch_event event = { .feed_id = feed_id,
		.connection_id = 1,
		.timestamp_us = timestamp_us,
		.received_us = 1000 + number,
		.params = SLICE_LITERAL("{}") };

	(void)snprintf(path, sizeof(path), "p%lld", (long long)(number % 7));
	(void)snprintf(results, sizeof(results), "[%lld]", (long long)number);
	event.path = slice_of(path);
	event.results = slice_of(results);
	assert_true(batch_add_event(writer_batch(w), &event));
}

static bool writer_has_stored(struct writer *w, int64_t events)
{
	struct writer_stats stats;

	writer_get_stats(w, &stats);
	return (int64_t)stats.stored_events >= events;
}

static void close_writer(struct writer *w, int64_t watermark_us)
{
	uint64_t lost = 77;

	assert_true(writer_close(w, watermark_us, 10000, &lost));
	assert_int_equal(lost, 0);
}

/* Exactly once, in order, with the counters to match. */
static void assert_stored(int64_t events)
{
	assert_int_equal(query("SELECT count(*) FROM event"), events);
	assert_int_equal(query("SELECT count(DISTINCT results) FROM event"), events);
	assert_int_equal(
		query("SELECT count(*) FROM event WHERE results <> '[' || (event_id - 1) || ']'"),
		0);
	assert_int_equal(query("SELECT sum(events) FROM stream"), events);
	assert_int_equal(
		query("SELECT stored_events FROM connection WHERE connection_id = 1"), events);
	assert_int_equal(
		query("SELECT received_events FROM connection WHERE connection_id = 1"), events);
	assert_int_equal(
		query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
		1);
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	(void)snprintf(database, sizeof(database), "%s", scratch_file(&scratch, "w.db"));
	atomic_store(&wakes, 0);
	atomic_store(&faulty_writes, 0);
	atomic_store(&faulty_syncs, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

static void everything_submitted_is_stored_in_order(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(64 << 20, &feed_id);

	(void)state;
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	for (int64_t i = 0; i < 5000; i++) {
		add_event(w, feed_id, i, i);
		if (i % 100 == 99)
			writer_submit(w, 1000 + i);
	}
	close_writer(w, 9000);
	assert_stored(5000);
	assert_true(atomic_load(&wakes) > 0);
	assert_int_equal(query("SELECT ended FROM run"), 9000);
	assert_int_equal(query("SELECT last_alive FROM run"), 9000);
}

static void a_run_without_a_thread_ends_too(void **state)
{
	struct writer_options o = { .path = database, .mode = 0600, .buffer_bytes = 1 << 20 };
	struct writer *w = NULL;
	struct err e;
	uint64_t lost;

	(void)state;
	assert_true(writer_open(&w, &o, &e));
	assert_true(writer_close(w, 5, 1000, &lost));
	assert_int_equal(query("SELECT count(*) FROM run WHERE ended = 5"), 1);
}

/* Equal timestamps count up, also behind newer ones, and across a restart that has to look them up. */
static void seq_counts_events_of_one_key(void **state)
{
	static const int64_t timestamps[] = { 10, 10, 20, 10, 20, 30, 10 };
	int64_t feed_id;

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct writer *w = open_writer(1 << 20, &feed_id);

		if (run == 0)
			assert_true(batch_add_opened(
				writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
		for (size_t i = 0; i < COUNT(timestamps); i++)
			add_event(w, feed_id, 7 * (int64_t)i, timestamps[i]); /* one stream */
		close_writer(w, 100);
	}
	assert_int_equal(query("SELECT count(*) FROM stream"), 1);
	assert_int_equal(query("SELECT group_concat(seq, '') = '01234567' FROM "
			       "(SELECT seq FROM event WHERE timestamp = 10 ORDER BY event_id)"),
		1);
	assert_int_equal(query("SELECT max(seq) FROM event WHERE timestamp = 20"), 3);
	assert_int_equal(query("SELECT max(seq) FROM event WHERE timestamp = 30"), 1);
	assert_int_equal(query("SELECT first * 1000 + last FROM stream"), 10030);
	assert_int_equal(query("SELECT events FROM stream"), 14);
}

static void ids_and_time_go_on_where_the_last_run_ended(void **state)
{
	int64_t feed_id;
	int64_t again;
	struct writer *w = open_writer(1 << 20, &feed_id);

	(void)state;
	assert_int_equal(writer_next_connection_id(w), 1);
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	add_event(w, feed_id, 0, 1);
	close_writer(w, INT64_C(4000000000000000));
	w = open_writer(1 << 20, &again);
	assert_int_equal(again, feed_id);
	assert_true(writer_floor_us(w) == INT64_C(4000000000000000));
	assert_int_equal(writer_next_connection_id(w), 2);
	close_writer(w, INT64_C(4000000000000001));
	assert_int_equal(query("SELECT count(*) FROM run"), 2);
}

/* The sync fails after the frames were written: the commit reports an error. If the checkpoint of the close
 * fails as well, the frames are still there when the file is opened again, and repeating the batch would
 * store everything twice; if it succeeds, SQLite drops them, and not repeating would lose everything. */
static void a_commit_that_failed_is_settled_whether_it_reached_the_file(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(64 << 20, &feed_id);

	(void)state;
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	for (int64_t i = 0; i < 1000; i++) {
		add_event(w, feed_id, i, i);
		if (i % 100 != 99)
			continue;
		writer_submit(w, 1000 + i);
		while (!writer_has_stored(w, i + 1))
			pass_ms(5);
		atomic_store(&faulty_syncs, i % 200 == 99 ? 1 : 2);
	}
	close_writer(w, 9000);
	assert_int_equal(atomic_load(&faulty_syncs), 0);
	assert_stored(1000);
}

static void a_full_disk_is_waited_out(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(64 << 20, &feed_id);
	struct writer_stats stats;
	int patience = 500;

	(void)state;
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	atomic_store(&faulty_writes, 1000000);
	for (int64_t i = 0; i < 300; i++)
		add_event(w, feed_id, i, i);
	writer_submit(w, 2000);
	do {
		pass_ms(10);
		writer_get_stats(w, &stats);
	} while (!stats.is_failing && --patience > 0);
	assert_true(stats.is_failing);
	assert_int_equal(stats.stored_events, 0);
	atomic_store(&faulty_writes, 0);
	patience = 1000;
	do {
		pass_ms(10);
		writer_get_stats(w, &stats);
	} while (stats.stored_events != 300 && --patience > 0);
	assert_int_equal(stats.stored_events, 300);
	assert_false(stats.is_failing);
	close_writer(w, 9000);
	assert_stored(300);
}

/* At the end the disk still refuses: the number of lost events is told, and nothing hangs. */
static void what_the_disk_never_takes_is_counted_as_lost(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(64 << 20, &feed_id);
	uint64_t lost = 0;
	int64_t began = clock_mono_us();

	(void)state;
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	atomic_store(&faulty_writes, 1000000);
	for (int64_t i = 0; i < 300; i++)
		add_event(w, feed_id, i, i);
	assert_false(writer_close(w, 2000, 300, &lost));
	assert_int_equal(lost, 300);
	assert_true(clock_mono_us() - began < 10000000);
	atomic_store(&faulty_writes, 0);
	assert_int_equal(query("SELECT count(*) FROM event"), 0);
	assert_int_equal(query("SELECT count(*) FROM run WHERE ended IS NULL"), 1);
}

static void another_writer_is_waited_for(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(64 << 20, &feed_id);
	sqlite3 *other = NULL;

	(void)state;
	assert_int_equal(sqlite3_open(database, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	add_event(w, feed_id, 0, 0);
	writer_submit(w, 2000);
	pass_ms(1500); /* longer than one wait for the lock */
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	close_writer(w, 9000);
	assert_stored(1);
}

static void the_buffer_has_an_end(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(1 << 20, &feed_id);
	int64_t n = 0;

	(void)state;
	assert_true(batch_add_opened(writer_batch(w), 1, feed_id, 1, (struct slice){ 0 }));
	atomic_store(&faulty_writes, 1000000);
	while (!writer_is_full(w) && n < 1000000) {
		add_event(w, feed_id, n, n);
		n++;
		if (writer_wants_submit(w))
			writer_submit(w, 1000 + n);
	}
	assert_true(n > 100 && n < 20000);
	assert_false(writer_has_room(w));
	atomic_store(&faulty_writes, 0);
	writer_submit(w, 1000 + n);
	for (int patience = 1000; !writer_has_room(w) && patience > 0; patience--)
		pass_ms(10);
	assert_true(writer_has_room(w));
	close_writer(w, 1000 + n);
	assert_stored(n);
}

static void what_is_not_an_event_is_stored_too(void **state)
{
	int64_t feed_id;
	struct writer *w = open_writer(1 << 20, &feed_id);
	struct batch *b = writer_batch(w);

	(void)state;
	assert_true(batch_add_opened(b, 1, feed_id, 11, (struct slice){ 0 }));
	assert_true(batch_add_established(b, 1, 12,
		&(struct batch_established){ .protocol = "eio4",
			.transport = "websocket",
			.sid = SLICE_LITERAL("sid"),
			.pid = SLICE_LITERAL("pid"),
			.recovered = 5 }));
	assert_true(batch_add_rejected(b, 1, 13, "no path", (struct slice){ "\0x", 2 }));
	add_event(w, feed_id, 0, 5);
	assert_true(batch_add_attachment(b, 0, (struct slice){ "\1\0\2", 3 }));
	assert_true(batch_add_attachment(b, 1, (struct slice){ 0 }));
	assert_true(batch_add_alive(b, 1, 14));
	assert_true(batch_add_clock_step(b, 15, -3000000));
	assert_true(batch_add_opened(b, 2, feed_id, 16, (struct slice){ 0 }));
	assert_true(batch_add_closed(b, 2, 17, 0, "unreachable", "no route"));
	close_writer(w, 20);
	assert_int_equal(
		query("SELECT count(*) FROM connection WHERE connection_id = 1 AND opened = 11 "
		      "AND established = 12 AND protocol = 'eio4' AND transport = 'websocket' "
		      "AND sid = 'sid' AND last_received = 14 AND closed IS NULL "
		      "AND received_events = 2 AND stored_events = 1 AND rejected_events = 1"),
		1);
	assert_int_equal(
		query("SELECT count(*) FROM connection WHERE connection_id = 2 AND closed = 17 "
		      "AND last_received IS NULL AND close_reason = 'unreachable' "
		      "AND close_detail = 'no route'"),
		1);
	assert_int_equal(query("SELECT count(*) FROM rejected WHERE received = 13 AND "
			       "reason = 'no path' AND bytes = x'0078'"),
		1);
	assert_int_equal(query("SELECT count(*) FROM attachment WHERE event_id = 1 AND "
			       "(number = 0 AND data = x'010002' OR number = 1 AND data = x'')"),
		2);
	assert_int_equal(query("SELECT by FROM clock_step WHERE at = 15"), -3000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			everything_submitted_is_stored_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_run_without_a_thread_ends_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(seq_counts_events_of_one_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			ids_and_time_go_on_where_the_last_run_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_commit_that_failed_is_settled_whether_it_reached_the_file, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_is_waited_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_disk_never_takes_is_counted_as_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_writer_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_buffer_has_an_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_not_an_event_is_stored_too, set_up, tear_down),
	};

	faulty_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
