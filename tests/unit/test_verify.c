/*
 * verify: a sound recording has no finding, and each kind of damage has its own.
 */
#include "scratch.h"
#include "unit.h"

#include "store/verify.h"
#include "store/writer.h"

#include <sqlite3.h>
#include <stdio.h>

static struct scratch scratch;
static char database[PATH_MAX];
static char told[4000];

static void wake(void *arg)
{
	(void)arg;
}

static void tell(void *arg, const char *finding)
{
	size_t len = strlen(told);
	int *count = arg;

	(*count)++;
	(void)snprintf(told + len, sizeof(told) - len, "%s\n", finding);
}

static void add_event(struct batch *b, int64_t feed_id, int64_t number, int64_t timestamp_us)
{
	char results[32];
	struct batch_event event = { .feed_id = feed_id,
		.connection_id = 1,
		.timestamp_us = timestamp_us,
		.received_us = 100 + number,
		.path = SLICE_LITERAL("p"),
		.params = SLICE_LITERAL("{}") };

	(void)snprintf(results, sizeof(results), "[%lld]", (long long)number);
	event.results = slice_of(results);
	if (number % 10 == 0)
		event.timestamp_text = slice_of("7");
	assert_true(batch_add_event(b, &event));
}

/* Events, some with one key, attachments, intervals. */
static void record(void)
{
	struct writer_options o = {
		.path = database, .mode = 0600, .buffer_bytes = 16 << 20, .duplicate_window_us = 1
	};
	struct store_feed feed = { "f", "u", "/", "/", "{}" };
	struct batch_stream stream = { 1, SLICE_LITERAL("p"), SLICE_LITERAL("{}") };
	struct writer *w = NULL;
	struct batch *b;
	uint64_t lost;
	struct err e;

	if (!writer_open(&w, &o, &e) || !writer_feed(w, &feed, &stream.feed_id, &e))
		fail_msg("%s", e.text);
	b = writer_batch(w);
	assert_true(batch_add_opened(b, 1, stream.feed_id, 1, (struct slice){ 0 }));
	assert_true(batch_add_wanted(b, &stream, 1));
	assert_true(batch_add_covered(b, &stream, 10, 500));
	for (int64_t i = 0; i < 100; i++)
		add_event(b, stream.feed_id, i, i % 10 == 0 ? 7000000 : i);
	assert_true(batch_add_attachment(b, 0, slice_of("x")));
	assert_true(writer_start(w, wake, NULL, &e));
	assert_true(writer_close(w, 600, 10000, &lost));
}

/* Damages the recording and says what is found. */
static int findings_after(const char *sql)
{
	sqlite3 *db = NULL;
	struct err e;
	int count = 0;

	told[0] = '\0';
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	if (!verify(database, tell, &count, &e))
		fail_msg("%s", e.text);
	return count;
}

static void a_sound_recording_has_no_finding(void **state)
{
	(void)state;
	record();
	assert_int_equal(findings_after(""), 0);
}

static void each_damage_is_found(void **state)
{
	static const struct {
		const char *sql;
		const char *finding;
	} damages[] = {
		{ "DELETE FROM event WHERE timestamp = 7000000 AND seq = 3", "the highest seq is" },
		{ "DELETE FROM event WHERE timestamp = 7000000 AND seq = 0", "the highest seq is" },
		{ "UPDATE stream SET events = 7", "it counts 7 events" },
		{ "UPDATE stream SET last = 1", "to 1, there are" },
		{ "UPDATE connection SET stored_events = 9, received_events = 9",
			"it counts 9 stored" },
		{ "UPDATE connection SET received_events = 9", "it received 9 events" },
		{ "UPDATE event SET received = 1 WHERE event_id = 50", "the one before it later" },
		{ "UPDATE event SET results = '[1' WHERE event_id = 5",
			"event 5: its results are not JSON" },
		{ "UPDATE event SET extra = 'x' WHERE event_id = 5",
			"event 5: its extra is not JSON" },
		{ "UPDATE event SET timestamp_text = '8' WHERE event_id = 11",
			"event 11: its timestamp is not" },
		{ "UPDATE event SET timestamp_text = 'x' WHERE event_id = 11",
			"event 11: its timestamp_text is no" },
		{ "UPDATE attachment SET event_id = 12345", "does not exist" },
		{ "UPDATE coverage SET ended = 2", "\"coverage\"" },
		{ "UPDATE coverage SET ended = NULL", "is open, and the last run has ended" },
		{ "INSERT INTO wanted VALUES (1, 5, NULL)", "and again from 5" },
		{ "INSERT INTO outage (feed_id, started, cause) VALUES (1, 1, 'a'), (1, 2, 'b')",
			"2 outages are open" },
		{ "UPDATE event SET stream_id = 99 WHERE event_id = 5",
			"refers to a row of \"stream\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(damages); i++) {
		(void)remove(database);
		(void)remove(scratch_file(&scratch, "v.db-wal"));
		(void)remove(scratch_file(&scratch, "v.db-shm"));
		record();
		assert_true(findings_after(damages[i].sql) > 0);
		if (strstr(told, damages[i].finding) == NULL)
			fail_msg("after %s: %s", damages[i].sql, told);
	}
}

static void many_of_a_kind_are_summed_up(void **state)
{
	(void)state;
	record();
	assert_int_equal(findings_after("UPDATE event SET extra = 'x'"), VERIFY_SHOWN + 1);
	assert_non_null(strstr(told, "90 more events"));
}

static void a_page_that_is_damaged_is_found(void **state)
{
	char garbage[64];
	struct err e;
	int count = 0;
	FILE *file;

	(void)state;
	record();
	assert_int_equal(findings_after("PRAGMA wal_checkpoint(TRUNCATE)"), 0);
	file = fopen(database, "r+b");
	assert_non_null(file);
	memset(garbage, 0xa5, sizeof(garbage));
	assert_int_equal(fseek(file, 3 * 8192, SEEK_SET), 0);
	assert_int_equal(fwrite(garbage, 1, sizeof(garbage), file), sizeof(garbage));
	assert_int_equal(fclose(file), 0);
	told[0] = '\0';
	/* The rest may be unreadable over it. */
	assert_true(!verify(database, tell, &count, &e) || count > 0);
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	(void)snprintf(database, sizeof(database), "%s", scratch_file(&scratch, "v.db"));
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
		WITH_SCRATCH(a_sound_recording_has_no_finding),
		WITH_SCRATCH(each_damage_is_found),
		WITH_SCRATCH(many_of_a_kind_are_summed_up),
		WITH_SCRATCH(a_page_that_is_damaged_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
