#include "store/writer.h"

#include "base/clock.h"
#include "store/earlier.h"
#include "store/retention.h"
#include "store/migrate.h"
#include "store/series.h"
#include "store/verify.h"
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)
#define EDGE (base_us + 10 * SECOND) /* where the second file begins */

static struct scratch scratch;
static char configured[PATH_MAX];
static bool rotates;
static struct writer *w;
static int64_t base_us;
static struct batch_stream stream = { 0, { "p", 1 }, { "{}", 2 } };

static void wake(void *arg)
{
	(void)arg;
}

static void tell(void *arg, const char *finding)
{
	(void)arg;
	fail_msg("%s", finding);
}

static void open_writer(void)
{
	const struct writer_options options = { .path = configured,
		.mode = 0600,
		.buffer_bytes = 4 << 20,
		.duplicate_window_us = 60 * SECOND,
		.rotates = rotates };
	const struct store_feed feed = { "f", "http://127.0.0.1", "/", "/socket.io/", "{}" };
	struct err e;

	if (!writer_open(&w, &options, &e) || !writer_feed(w, &feed, &stream.feed_id, &e) ||
		!writer_start(w, wake, NULL, &e))
		fail_msg("%s", e.text);
}

static void close_writer(int64_t at_us)
{
	uint64_t lost;

	assert_true(writer_close(w, at_us, 10000, &lost));
	w = NULL;
}

static void wait_stored(int64_t until_us)
{
	struct writer_stats stats;
	int64_t give_up_us = clock_mono_us() + 25 * SECOND;

	do {
		assert_true(clock_mono_us() < give_up_us);
		(void)usleep(2000);
		writer_get_stats(w, &stats);
	} while (stats.stored_until_us < until_us);
}

static void store(int64_t until_us)
{
	writer_submit(w, until_us);
	wait_stored(until_us);
}

/* A stream that is covered from the first second on; after 10 the recording goes on in another file. */
static void record_two_files(void)
{
	struct batch *b = writer_batch(w);
	const struct batch_established established = { "eio4", "websocket", slice_of("s"), { 0 },
		0 };
	const struct batch_event event = { .feed_id = stream.feed_id,
		.connection_id = writer_next_connection_id(w),
		.timestamp_us = base_us,
		.received_us = base_us + 2 * SECOND,
		.path = stream.path,
		.params = stream.params,
		.results = slice_of("[]") };

	assert_true(batch_add_opened(
		b, event.connection_id, stream.feed_id, base_us, (struct slice){ 0 }));
	assert_true(batch_add_established(b, event.connection_id, base_us, &established));
	assert_true(batch_add_wanted(b, &stream, base_us + SECOND));
	assert_true(batch_add_covered(b, &stream, base_us + SECOND, 0));
	assert_true(batch_add_event(b, &event));
	writer_rotate(w, EDGE);
	wait_stored(EDGE);
	assert_non_null(writer_batch(w));
	store(base_us + 11 * SECOND);
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	(void)snprintf(configured, sizeof(configured), "%s", scratch_file(&scratch, "market.db"));
	base_us = clock_wall_us() + SECOND;
	rotates = true;
	open_writer();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (w != NULL)
		close_writer(base_us + 100 * SECOND);
	scratch_close(&scratch);
	return 0;
}

/* Rows of file number `i`; times are seconds after the base. */
static const char *rows_in(size_t i, const char *sql)
{
	static char text[8192];
	char **paths;
	size_t count;
	sqlite3 *db = NULL;
	struct err e;

	assert_true(series_list(configured, &paths, &count, &e));
	assert_true(i < count);
	assert_int_equal(sqlite3_open_v2(paths[i], &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 5000); /* it may be about to be sealed */
	(void)snprintf(text, sizeof(text), "%s", rows_of(db, sql));
	(void)sqlite3_close(db);
	series_list_free(paths, count);
	return text;
}

static const char *intervals_in(size_t i, const char *table)
{
	char sql[400];

	(void)snprintf(sql, sizeof(sql),
		"SELECT round((started - %lld) / 1e6), round((ended - %lld) / 1e6)%s FROM %s "
		"ORDER BY started",
		(long long)base_us, (long long)base_us,
		strcmp(table, "gap") == 0 || strcmp(table, "outage") == 0 ? ", cause" : "", table);
	return rows_in(i, sql);
}

static void one_file_ends_where_the_next_begins(void **state)
{
	(void)state;
	record_two_files();
	assert_string_equal(intervals_in(0, "wanted"), "1.0|10.0\n");
	assert_string_equal(intervals_in(0, "coverage"), "1.0|10.0\n");
	assert_string_equal(intervals_in(1, "wanted"), "10.0|NULL\n");
	assert_string_equal(intervals_in(1, "coverage"), "10.0|NULL\n");
	assert_string_equal(
		rows_in(0, "SELECT close_reason, stored_events FROM connection"), "rotated|1\n");
	assert_string_equal(
		rows_in(1, "SELECT connection_id, close_reason, stored_events FROM connection"),
		"1|NULL|0\n");
}

static void what_is_learned_late_is_written_into_the_file_that_it_is_about(void **state)
{
	struct batch *b;

	(void)state;
	record_two_files();
	b = writer_batch(w);
	assert_true(batch_add_covered(b, &stream, base_us + SECOND, base_us + 7 * SECOND));
	assert_true(batch_add_outage(b,
		&(struct batch_outage){ .feed_id = stream.feed_id,
			.at_us = base_us + 7 * SECOND,
			.cause = "network" }));
	store(base_us + 12 * SECOND);
	assert_string_equal(intervals_in(0, "coverage"), "1.0|7.0\n");
	assert_string_equal(intervals_in(0, "gap"), "7.0|10.0|network\n");
	assert_string_equal(intervals_in(1, "coverage"), "");
	/* The session is resumed: nothing was missed after all. */
	b = writer_batch(w);
	assert_true(batch_add_covered(b, &stream, base_us + SECOND, 0));
	assert_true(batch_add_outage(b,
		&(struct batch_outage){
			.feed_id = stream.feed_id, .at_us = base_us + 7 * SECOND }));
	store(base_us + 14 * SECOND);
	assert_string_equal(intervals_in(0, "coverage"), "1.0|10.0\n");
	assert_string_equal(intervals_in(0, "gap"), "");
	assert_string_equal(intervals_in(1, "coverage"), "10.0|NULL\n");
	assert_string_equal(intervals_in(1, "outage"), "");
}

/* Of a connection that was silent before the rotation it is not known that it lived. */
static void a_crash_reaches_back_into_the_file_before(void **state)
{
	char sql[400];
	sqlite3 *db = NULL;

	(void)state;
	record_two_files();
	close_writer(base_us + 12 * SECOND);
	(void)snprintf(sql, sizeof(sql),
		"UPDATE run SET ended = NULL; UPDATE coverage SET ended = NULL; "
		"UPDATE connection SET closed = NULL, close_reason = NULL, last_received = %lld",
		(long long)(base_us + 8 * SECOND));
	assert_int_equal(sqlite3_open(configured, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	open_writer();
	assert_string_equal(intervals_in(0, "coverage"), "1.0|8.0\n");
	assert_string_equal(intervals_in(0, "gap"), "8.0|10.0|crash\n");
	assert_string_equal(intervals_in(1, "coverage"), "");
}

static void rotated_files_are_sealed_and_sound(void **state)
{
	char **paths;
	size_t count;
	struct stat st;
	struct err e;

	(void)state;
	record_two_files();
	assert_true(batch_add_covered(
		writer_batch(w), &stream, base_us + SECOND, base_us + 12 * SECOND));
	close_writer(base_us + 12 * SECOND);
	assert_true(series_list(configured, &paths, &count, &e));
	assert_int_equal(count, 2);
	assert_int_equal(stat(paths[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	for (size_t i = 0; i < count; i++)
		assert_true(verify(paths[i], tell, NULL, &e));
	series_list_free(paths, count);
	assert_string_equal(rows_in(0, "PRAGMA journal_mode"), "delete\n");
	assert_string_equal(rows_in(1, "PRAGMA journal_mode"), "wal\n");
}

/* A crash between the end of one file and the link to the next. */
static void a_rotation_that_was_cut_off_is_made_up_for(void **state)
{
	char **paths;
	size_t count;
	struct err e;

	(void)state;
	record_two_files();
	close_writer(base_us + 12 * SECOND);
	assert_true(series_list(configured, &paths, &count, &e));
	assert_true(series_link(configured, paths[0], &e));
	open_writer();
	close_writer(base_us + 20 * SECOND);
	assert_string_equal(rows_in(1, "SELECT count(*) FROM run"), "2\n");
	assert_string_equal(rows_in(0, "SELECT count(*) FROM run"), "1\n");
	series_list_free(paths, count);
}

/* Opens the earlier files, of which one may be damaged, and deletes those that ended before this second after the base;
 * which are left, by number. */
static const char *left_after(int64_t second, char *const *paths)
{
	static char left[8];
	const struct db_options options = { .path = configured, .mode = 0600, .cache_kib = 1024 };
	struct retention *retention = retention_new(SECOND, 0);
	struct earlier *earlier;
	const char *behind;
	size_t len = 0;
	struct err e;

	if (!earlier_open(&earlier, configured, paths[2], &options, &e))
		fail_msg("%s", e.text);
	/* They may have been closed before that was done. */
	while ((behind = earlier_behind(earlier)) != NULL)
		earlier_complete(earlier, behind);
	earlier_seal(earlier);
	earlier_expire(earlier, retention, base_us + (second + 1) * SECOND, 0);
	earlier_free(earlier);
	retention_free(retention);
	for (int i = 0; i < 3; i++)
		if (access(paths[i], F_OK) == 0)
			left[len++] = (char)('0' + i);
	left[len] = '\0';
	return left;
}

static void a_damaged_file_keeps_no_other_and_loses_none(void **state)
{
	(void)state;
	for (int damaged = 0; damaged < 2; damaged++) {
		char **paths;
		size_t count;
		struct err e;

		record_two_files();
		writer_rotate(w, base_us + 20 * SECOND);
		wait_stored(base_us + 20 * SECOND);
		assert_non_null(writer_batch(w));
		store(base_us + 21 * SECOND);
		close_writer(base_us + 22 * SECOND);
		assert_true(series_list(configured, &paths, &count, &e));
		assert_int_equal(count, 3);
		assert_int_equal(chmod(paths[damaged], 0600), 0);
		assert_int_equal(truncate(paths[damaged], 50), 0);
		assert_string_equal(left_after(8, paths), "012");
		assert_string_equal(left_after(12, paths), damaged == 0 ? "012" : "12");
		assert_string_equal(left_after(30, paths), damaged == 0 ? "02" : "12");
		series_list_free(paths, count);
		scratch_close(&scratch);
		(void)set_up(state);
	}
}

/* As the program before the last step of the schema has left it, which made the view `gap` anew. */
static void make_older(const char *path, bool has_wal)
{
	sqlite3 *db = NULL;

	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_string_equal(rows_of(db, has_wal ? "PRAGMA journal_mode = WAL" : "SELECT 1"),
		has_wal ? "wal\n" : "1\n");
	assert_string_equal(rows_of(db, "PRAGMA user_version = 5"), "");
	(void)sqlite3_close(db);
	assert_int_equal(chmod(path, has_wal ? 0600 : 0444), 0);
}

static void files_of_an_earlier_version_are_brought_up_to_date(void **state)
{
	char **paths;
	size_t count;
	struct stat st;
	struct err e;

	(void)state;
	record_two_files();
	close_writer(base_us + 12 * SECOND);
	assert_true(series_list(configured, &paths, &count, &e));
	for (int has_wal = 0; has_wal < 2; has_wal++) {
		make_older(paths[0], has_wal != 0);
		open_writer();
		assert_non_null(writer_batch(w));
		store(base_us + 20 * SECOND);
		for (int i = 0;
			i < 2000 && (stat(paths[0], &st) != 0 || (st.st_mode & 0777) != 0444); i++)
			(void)usleep(10000);
		close_writer(base_us + 20 * SECOND);
		assert_int_equal(st.st_mode & 0777, 0444);
		assert_int_equal(atoi(rows_in(0, "PRAGMA user_version")), migrations_count);
		assert_string_equal(rows_in(0, "PRAGMA journal_mode"), "delete\n");
		assert_true(verify(paths[0], tell, NULL, &e));
	}
	series_list_free(paths, count);
}

/* Opens the recording under another name, which must fail. */
static void assert_refused(const char *path, const char *why)
{
	const struct writer_options options = {
		.path = path, .mode = 0600, .buffer_bytes = 4 << 20, .rotates = true
	};
	struct writer *second;
	struct err e;

	assert_false(writer_open(&second, &options, &e));
	if (strstr(e.text, why) == NULL)
		fail_msg("%s", e.text);
}

static void a_recording_is_one_under_every_name(void **state)
{
	char link[PATH_MAX];
	char **paths;
	size_t count;
	struct err e;

	(void)state;
	(void)snprintf(link, sizeof(link), "%s", scratch_file(&scratch, "other.db"));
	assert_int_equal(symlink("market.db", link), 0);
	assert_refused(link, "is being recorded by another tapedeckd");
	assert_int_equal(symlink("other.db", scratch_file(&scratch, "third.db")), 0);
	assert_refused(
		scratch_file(&scratch, "third.db"), "is being recorded by another tapedeckd");
	assert_int_equal(symlink("fourth.db", scratch_file(&scratch, "fourth.db")), 0);
	assert_refused(scratch_file(&scratch, "fourth.db"), "symbolic links");
	assert_true(series_list(configured, &paths, &count, &e));
	assert_int_equal(count, 1);
	assert_refused(paths[0], "is a file of the series");
	series_list_free(paths, count);
}

/* He would go on with the WAL under the old name, and never see what is written into the new one. */
static void a_file_that_somebody_has_open_is_not_renamed(void **state)
{
	const char *plain = scratch_file(&scratch, "plain.db");
	enum series_kind kind;
	char live[PATH_MAX];
	sqlite3 *db = NULL;
	struct err e;

	(void)state;
	close_writer(base_us);
	(void)snprintf(configured, sizeof(configured), "%s", plain);
	rotates = false;
	open_writer();
	close_writer(base_us);
	assert_int_equal(sqlite3_open(configured, &db), SQLITE_OK);
	assert_string_equal(rows_of(db, "SELECT count(*) FROM run"), "1\n");
	rotates = true;
	for (int i = 2; i < 4; i++) {
		open_writer();
		close_writer(base_us);
		assert_true(series_live(configured, &kind, live, &e));
		assert_int_equal(kind, i == 2 ? SERIES_PLAIN : SERIES_LINK);
		if (i == 2)
			assert_string_equal(rows_of(db, "SELECT count(*) FROM run"), "2\n");
		(void)sqlite3_close(db);
		db = NULL;
	}
}

static void names_are_of_the_second_and_lie_beside(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_true(series_path("/a/b.c/market.db", 1478304000999999, path));
	assert_string_equal(path, "/a/b.c/market-20161105T000000Z.db");
	assert_true(series_path("market", 1478304000000000, path));
	assert_string_equal(path, "market-20161105T000000Z.db");
	assert_true(series_beside("market", "x", path));
	assert_string_equal(path, "x");
	assert_true(series_beside("/d/market", "x", path));
	assert_string_equal(path, "/d/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_file_ends_where_the_next_begins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_learned_late_is_written_into_the_file_that_it_is_about, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_crash_reaches_back_into_the_file_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			rotated_files_are_sealed_and_sound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_rotation_that_was_cut_off_is_made_up_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_damaged_file_keeps_no_other_and_loses_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			files_of_an_earlier_version_are_brought_up_to_date, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_recording_is_one_under_every_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_file_that_somebody_has_open_is_not_renamed, set_up, tear_down),
		cmocka_unit_test(names_are_of_the_second_and_lie_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
