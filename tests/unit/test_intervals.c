/*
 * intervals: what is wanted, covered and wrong, in the tables and in the view gap; and what a crash leaves.
 */
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include "store/writer.h"

#include <stdio.h>

static struct scratch scratch;
static char database[PATH_MAX];
static struct writer *writer;
static int64_t feed_id;

static void wake(void *arg)
{
	(void)arg;
}

static void open_recording(void)
{
	struct writer_options o = {
		.path = database, .mode = 0600, .buffer_bytes = 16 << 20, .duplicate_window_us = 1
	};
	struct store_feed feed = { "f", "u", "/", "/", "{}" };
	struct err e;

	if (!writer_open(&writer, &o, &e) || !writer_feed(writer, &feed, &feed_id, &e))
		fail_msg("%s", e.text);
}

static bool is_started;

static void start(void)
{
	struct err e;

	if (!is_started)
		assert_true(writer_start(writer, wake, NULL, &e));
	is_started = true;
}

static void close_recording(int64_t watermark_us)
{
	uint64_t lost;

	start();
	is_started = false;
	assert_true(writer_close(writer, watermark_us, 10000, &lost));
}

static const char *query(const char *sql)
{
	sqlite3 *db = NULL;
	const char *text;

	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	text = rows_of(db, sql);
	(void)sqlite3_close(db);
	return text;
}

/* As a killed process leaves it: the run has not ended. */
static void crash(int64_t last_alive_us)
{
	char sql[100];

	close_recording(last_alive_us);
	(void)snprintf(sql, sizeof(sql),
		"UPDATE run SET ended = NULL WHERE run_id = "
		"(SELECT max(run_id) FROM run)");
	(void)query(sql);
}

static struct batch_stream stream_of(const char *path)
{
	return (struct batch_stream){ feed_id, slice_of(path), SLICE_LITERAL("{}") };
}

static void want(const char *path, int64_t at_us)
{
	struct batch_stream s = stream_of(path);

	assert_true(batch_add_wanted(writer_batch(writer), &s, at_us));
}

static void unwant(const char *path, int64_t at_us)
{
	struct batch_stream s = stream_of(path);

	assert_true(batch_add_unwanted(writer_batch(writer), &s, at_us));
}

static void cover(const char *path, int64_t started_us, int64_t ended_us)
{
	struct batch_stream s = stream_of(path);

	assert_true(batch_add_covered(writer_batch(writer), &s, started_us, ended_us));
}

static void outage(const char *path, int64_t at_us, const char *cause)
{
	struct batch_outage o = { .feed_id = feed_id, .at_us = at_us, .cause = cause };

	if (path != NULL) {
		o.path = slice_of(path);
		o.params = slice_of("{}");
	}
	assert_true(batch_add_outage(writer_batch(writer), &o));
}

static void connect_at(int64_t connection_id, int64_t at_us, int64_t last_received_us)
{
	struct batch *b = writer_batch(writer);
	const struct batch_established joined = { .protocol = "eio4",
		.transport = "websocket",
		.pid = SLICE_LITERAL("secret-of-socket") };

	assert_true(batch_add_opened(b, connection_id, feed_id, at_us, (struct slice){ 0 }));
	assert_true(batch_add_established(b, connection_id, at_us, &joined));
	if (last_received_us != 0)
		assert_true(batch_add_alive(b, connection_id, last_received_us));
}

static const char *gaps(void)
{
	return query("SELECT path, started, ended, cause FROM gap ORDER BY path, started");
}

static void wanting_twice_is_wanting_once(void **state)
{
	(void)state;
	open_recording();
	want("p", 10);
	want("p", 20);
	unwant("p", 30);
	unwant("p", 40);
	want("p", 50);
	close_recording(60);
	assert_string_equal(
		query("SELECT started, ended FROM wanted ORDER BY started"), "10|30\n50|NULL\n");
}

static void a_row_of_coverage_is_moved_closed_and_deleted(void **state)
{
	(void)state;
	open_recording();
	cover("p", 10, 0);
	cover("p", 10, 30);
	cover("p", 40, 0);
	cover("p", 40, 35);
	cover("q", 5, 5);
	close_recording(60);
	assert_string_equal(query("SELECT started, ended FROM coverage"), "10|30\n");
}

static void an_outage_goes_on_while_its_cause_does(void **state)
{
	(void)state;
	open_recording();
	outage(NULL, 10, "network");
	outage(NULL, 20, "network");
	outage("p", 15, "refused");
	outage(NULL, 30, "token");
	outage("p", 40, NULL);
	outage(NULL, 30, "network"); /* the token's had no length */
	outage(NULL, 25, NULL);      /* ends no earlier than it began */
	outage(NULL, 50, NULL);      /* nothing is open */
	close_recording(60);
	assert_string_equal(query("SELECT stream_id IS NULL, started, ended, cause FROM outage "
				  "ORDER BY 1 DESC, started"),
		"1|10|30|network\n0|15|40|refused\n");
}

static void a_gap_is_split_where_its_cause_changes(void **state)
{
	(void)state;
	open_recording();
	want("p", 100);
	cover("p", 110, 150);
	outage(NULL, 150, "network");
	outage(NULL, 170, "token");
	cover("p", 190, 200);
	outage(NULL, 190, NULL);
	unwant("p", 200);
	close_recording(200);
	assert_string_equal(gaps(), "p|100|110|starting\np|150|170|network\np|170|190|token\n");
}

/* The bytes that the run's last sign of life speaks of may be newer than what the connection has noted. */
static void after_a_crash_coverage_ends_at_the_last_byte_that_was_noted(void **state)
{
	(void)state;
	open_recording();
	want("p", 100);
	connect_at(1, 105, 150);
	cover("p", 110, 0);
	outage("q", 130, "refused");
	crash(170);
	open_recording();
	close_recording(400);
	assert_string_equal(query("SELECT started, ended FROM coverage"), "110|150\n");
	assert_string_equal(query("SELECT closed, close_reason FROM connection"), "170|crash\n");
	assert_string_equal(
		query("SELECT stream_id IS NULL, started, ended, cause FROM outage ORDER BY 1"),
		"0|130|150|refused\n1|150|NULL|crash\n");
}

static void after_a_crash_coverage_ends_at_the_last_sign_of_life_if_that_is_earlier(void **state)
{
	(void)state;
	open_recording();
	want("p", 100);
	connect_at(1, 105, 190);
	cover("p", 110, 0);
	cover("q", 180, 0);
	crash(170);
	open_recording();
	close_recording(400);
	assert_string_equal(query("SELECT path, c.started, c.ended FROM coverage c "
				  "JOIN stream USING (stream_id)"),
		"p|110|170\n");
}

static void a_crash_while_the_feed_was_down_keeps_the_cause(void **state)
{
	(void)state;
	open_recording();
	want("p", 100);
	connect_at(1, 105, 150);
	assert_true(batch_add_closed(writer_batch(writer), 1, 160, 150, "network", ""));
	cover("p", 110, 150);
	outage(NULL, 150, "network");
	crash(170);
	open_recording();
	close_recording(400);
	assert_string_equal(
		query("SELECT started, ended, cause FROM outage"), "150|NULL|network\n");
}

/* ---- what is known of a feed ---- */

static char found[200];

static void note(void *arg, struct slice path, struct slice params)
{
	size_t len = strlen(found);

	(void)arg;
	(void)snprintf(found + len, sizeof(found) - len, "%.*s%.*s ", (int)path.len, path.ptr,
		(int)params.len, params.ptr);
}

static void a_session_that_crashed_or_was_lost_can_be_resumed(void **state)
{
	struct store_known known;
	struct err e;

	(void)state;
	open_recording();
	want("p", 100);
	want("q", 100);
	connect_at(1, 105, 150);
	assert_true(batch_add_offset(writer_batch(writer), 1, slice_of("off-1")));
	cover("p", 110, 0);
	cover("q", 110, 140);
	crash(170);
	open_recording();
	assert_true(writer_feed_known(writer, feed_id, &known, &e));
	assert_string_equal(known.protocol, "eio4");
	assert_string_equal(known.pid, "secret-of-socket");
	assert_string_equal(known.offset, "off-1");
	assert_true(known.resume_us == 150);
	found[0] = '\0';
	assert_true(writer_covered_at(writer, feed_id, known.resume_us, note, NULL, &e));
	assert_string_equal(found, "p{} ");
	store_known_release(&known);
	close_recording(400);
}

static void a_session_that_ended_in_order_cannot_be_resumed(void **state)
{
	static const char *const reasons[] = { "stopped", "disconnected", "handover" };
	struct store_known known;
	struct err e;

	(void)state;
	for (int i = 0; i < 3; i++) {
		open_recording();
		connect_at(i + 1, 105, 150);
		assert_true(batch_add_offset(writer_batch(writer), i + 1, slice_of("off")));
		assert_true(
			batch_add_closed(writer_batch(writer), i + 1, 160, 150, reasons[i], ""));
		close_recording(170);
		open_recording();
		assert_true(writer_feed_known(writer, feed_id, &known, &e));
		assert_null(known.pid);
		assert_string_equal(known.protocol, "eio4");
		close_recording(400);
	}
}

static void feeds_that_are_not_configured_any_more_are_not_wanted(void **state)
{
	struct store_feed other = { "g", "u", "/", "/", "{}" };
	int64_t other_id;
	struct err e;

	(void)state;
	open_recording();
	assert_true(writer_feed(writer, &other, &other_id, &e));
	assert_true(other_id != feed_id);
	want("p", 100);
	outage(NULL, 110, "network");
	close_recording(170);
	open_recording();
	found[0] = '\0';
	assert_true(writer_wanted(writer, feed_id, note, NULL, &e));
	assert_string_equal(found, "p{} ");
	assert_true(writer_retire_feeds(writer, &other_id, 1, 200, &e));
	close_recording(400);
	assert_string_equal(query("SELECT started, ended FROM wanted"), "100|200\n");
	assert_string_equal(query("SELECT started, ended FROM outage"), "110|200\n");
}

/* A feed that leaves and comes back while the daemon runs is the same feed. */
static void a_name_keeps_its_id(void **state)
{
	struct store_feed other = { "g", "u", "/", "/", "{}" };
	struct store_feed again = { "f", "elsewhere", "/", "/", "{}" };
	int64_t other_id;
	int64_t again_id;
	struct err e;

	(void)state;
	open_recording();
	assert_true(writer_feed(writer, &other, &other_id, &e));
	close_recording(10);
	open_recording();
	start();
	assert_true(writer_feed(writer, &again, &again_id, &e));
	assert_true(again_id == feed_id);
	assert_true(writer_feed(writer, &other, &again_id, &e));
	assert_true(again_id == other_id);
	close_recording(400);
	assert_string_equal(
		query("SELECT name, url FROM feed ORDER BY name"), "f|elsewhere\ng|u\n");
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	(void)snprintf(database, sizeof(database), "%s", scratch_file(&scratch, "i.db"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(wanting_twice_is_wanting_once),
		WITH_SCRATCH(a_row_of_coverage_is_moved_closed_and_deleted),
		WITH_SCRATCH(an_outage_goes_on_while_its_cause_does),
		WITH_SCRATCH(a_gap_is_split_where_its_cause_changes),
		WITH_SCRATCH(after_a_crash_coverage_ends_at_the_last_byte_that_was_noted),
		WITH_SCRATCH(
			after_a_crash_coverage_ends_at_the_last_sign_of_life_if_that_is_earlier),
		WITH_SCRATCH(a_crash_while_the_feed_was_down_keeps_the_cause),
		WITH_SCRATCH(a_session_that_crashed_or_was_lost_can_be_resumed),
		WITH_SCRATCH(a_session_that_ended_in_order_cannot_be_resumed),
		WITH_SCRATCH(feeds_that_are_not_configured_any_more_are_not_wanted),
		WITH_SCRATCH(a_name_keeps_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
