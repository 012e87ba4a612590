/*
 * summary: the numbers of a recording are those of its counters and of the view gap, all of one instant; and what
 * several recordings come to together.
 */
#include "scratch.h"
#include "unit.h"

#include "base/clock.h"
#include "store/db.h"
#include "store/migrate.h"
#include "store/summary.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>

static struct scratch scratch;
static struct err err;

/* Opens a recording for writing, a new one if it is not there. */
static struct sqlite3 *open_db(const char *name)
{
	char path[PATH_MAX];
	struct db_options o = {
		.path = path, .may_create = true, .mode = 0600, .cache_kib = 1000, .busy_ms = 5000
	};
	struct sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, name));
	if (!db_open(&db, &o, &err))
		fail_msg("%s", err.text);
	return db;
}

static void run(const char *name, const char *sql)
{
	struct sqlite3 *db = open_db(name);

	if (!db_exec(db, sql, &err))
		fail_msg("%s: %s", sql, err.text);
	db_close(db);
}

static struct summary *read_summary(const char *name)
{
	struct summary *s = NULL;

	if (!summary_read(&s, scratch_file(&scratch, name), &err))
		fail_msg("%s", err.text);
	return s;
}

/* Two feeds; of the three streams one was never asked for; a run that ended at 1000 s. */
static void record(const char *name)
{
	run(name,
		"INSERT INTO feed VALUES (1, 'f', 'https://f.example', '/', '/', '{}'), "
		"	(2, 'g', 'https://g.example', '/', '/', '{}');"
		"INSERT INTO connection (connection_id, feed_id, opened, established, protocol, "
		"	rejected_events) VALUES "
		"	(1, 1, 1, 2, 'eio3', 2), (2, 1, 1, 2, 'eio4', 3), (3, 1, 1, NULL, '0.9', 0);"
		"INSERT INTO stream (stream_id, feed_id, path, params, events, first, last, "
		"	last_received, clock_offset) VALUES "
		"	(7, 1, 'q', '{}', 40, 100, 900, 950, 50), "
		"	(8, 1, 'p', '{\"a\":1}', 2, 300, 1200, 940, -260), "
		"	(9, 2, 'p', '{}', 0, NULL, NULL, NULL, NULL);"
		"INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, "
		"	results) VALUES (5, 7, 100, 0, 110, 1, '1'), (9, 7, 900, 0, 950, 1, '2');"
		"INSERT INTO wanted VALUES (7, 100000000, 900000000), (9, 500000000, NULL);"
		"INSERT INTO coverage VALUES (7, 100000000, 300000000), (7, 500000000, 900000000), "
		"	(9, 600000000, 800000000);"
		"INSERT INTO outage (feed_id, started, ended, cause, detail) VALUES "
		"	(1, 300000000, 400000000, 'network', 'reset'), "
		"	(2, 800000000, NULL, 'stopped', 'by a signal');"
		"INSERT INTO run VALUES (1, 1, 5, NULL, 1, 'v', 'h'), "
		"	(2, 6, 1000000000, 1000000000, 1, 'v', 'h')");
}

static void the_whole_is_what_its_parts_count(void **state)
{
	struct summary *s;

	(void)state;
	record("a.db");
	s = read_summary("a.db");
	assert_int_equal(s->events, 42); /* counted by the streams: only two rows are there */
	assert_int_equal(s->rejected, 5);
	assert_int_equal(s->connections, 3);
	assert_int_equal(s->first_us, 100);
	assert_int_equal(s->last_us, 1200);
	assert_int_equal(s->first_received_us, 110);
	assert_int_equal(s->last_received_us, 950);
	assert_int_equal(s->schema_version, migrations_count);
	assert_false(s->is_recording);
	assert_int_equal(s->last_alive_us, 1000000000);
	assert_true(s->bytes > s->wal_bytes && s->bytes >= 8192);
	assert_int_equal(s->n_feeds, 2);
	assert_slice(s->feeds[0].name, "f");
	assert_slice(s->feeds[0].protocol, "eio4"); /* the one after it failed */
	assert_slice(s->feeds[1].name, "g");
	assert_null(s->feeds[1].protocol.ptr);
	summary_free(s);
}

static void streams_are_ordered_and_carry_their_gaps(void **state)
{
	const struct summary_stream *stream;
	struct summary *s;

	(void)state;
	record("a.db");
	s = read_summary("a.db");
	assert_int_equal(s->n_streams, 3);
	stream = &s->streams[0];
	assert_int_equal(stream->feed, 0);
	assert_slice(stream->path, "p");
	assert_slice(stream->params, "{\"a\":1}");
	assert_int_equal(stream->clock_offset_us, -260);
	assert_false(stream->is_wanted);
	assert_int_equal(stream->wanted_us, 0);
	assert_int_equal(stream->gaps, 0);
	stream = &s->streams[1];
	assert_slice(stream->path, "q");
	assert_int_equal(stream->events, 40);
	assert_int_equal(stream->last_received_us, 950);
	assert_false(stream->is_wanted);
	assert_int_equal(stream->wanted_us, 800000000);
	assert_int_equal(stream->gaps, 2); /* the cause changes at 400 s */
	assert_int_equal(stream->gap_us, 200000000);
	assert_null(stream->open_gap.cause.ptr);
	stream = &s->streams[2];
	assert_int_equal(stream->feed, 1);
	assert_int_equal(stream->first_us, SUMMARY_NONE);
	assert_int_equal(stream->clock_offset_us, SUMMARY_NONE);
	assert_true(stream->is_wanted);
	assert_int_equal(stream->gaps, 2);
	assert_int_equal(stream->wanted_us - stream->gap_us, 200000000);
	assert_slice(stream->open_gap.cause, "stopped");
	assert_slice(stream->open_gap.detail, "by a signal");
	assert_int_equal(stream->open_gap.started_us, 800000000);
	summary_free(s);
}

/* The daemon's clock is an hour ahead of the system's, which was set back. */
static void a_gap_is_no_longer_than_what_is_wanted_though_the_clock_was_set_back(void **state)
{
	struct summary *s;

	(void)state;
	record("a.db");
	run("a.db",
		"UPDATE run SET last_alive = (strftime('%s', 'now') + 3600) * 1000000, ended = NULL "
		"WHERE run_id = 2");
	s = read_summary("a.db");
	assert_true(s->is_recording);
	assert_int_equal(s->streams[2].wanted_us - s->streams[2].gap_us, 200000000);
	summary_free(s);
}

/* The last run's sign of life at `us`, its end as SQL: is that recording now? */
static bool is_recording(int64_t us, const char *ended)
{
	char sql[200];
	struct summary *s;
	bool answer;

	(void)snprintf(sql, sizeof(sql),
		"DELETE FROM run; INSERT INTO run VALUES (1, 1, %lld, %s, 1, 'v', 'h')",
		(long long)us, ended);
	run("a.db", sql);
	s = read_summary("a.db");
	assert_int_equal(s->last_alive_us, us);
	answer = s->is_recording;
	summary_free(s);
	return answer;
}

static void recording_is_who_was_alive_5_seconds_ago(void **state)
{
	(void)state;
	assert_true(is_recording(clock_wall_us(), "NULL"));
	assert_true(is_recording(clock_wall_us() + 3600000000, "NULL"));
	assert_false(is_recording(clock_wall_us() - 5100000, "NULL"));
	assert_false(is_recording(clock_wall_us(), "7"));
}

static void a_new_recording_is_empty(void **state)
{
	struct summary *s;

	(void)state;
	run("a.db", "SELECT 1");
	s = read_summary("a.db");
	assert_int_equal(s->n_feeds, 0);
	assert_int_equal(s->n_streams, 0);
	assert_int_equal(s->events, 0);
	assert_int_equal(s->rejected, 0);
	assert_int_equal(s->first_us, SUMMARY_NONE);
	assert_int_equal(s->first_received_us, SUMMARY_NONE);
	assert_int_equal(s->last_alive_us, SUMMARY_NONE);
	assert_false(s->is_recording);
	summary_free(s);
}

static void no_credential_of_an_address_is_read(void **state)
{
	static const struct {
		const char *url;
		const char *shown;
	} urls[] = {
		{ "https://f.example:8443/a/", "https://f.example:8443/a/" },
		{ "https://me:pass@f.example/", "https://***@f.example/" },
		{ "https://me@f.example", "https://***@f.example" },
		{ "https://me:p/a@ss@f.example/", "https://***@f.example/" },
		{ "wss://f.example/?token=secret", "wss://f.example/?***" },
		{ "wss://f.example#secret", "wss://f.example#***" },
		{ "me:pass@f.example", "***@f.example" },
		{ "https://me:p@f.example/?a=b@c", "https://***@f.example/?***" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		char sql[300];
		struct summary *s;

		(void)snprintf(sql, sizeof(sql),
			"INSERT OR REPLACE INTO feed VALUES (1, 'f', '%s', '/', '/', '{}')",
			urls[i].url);
		run("a.db", sql);
		s = read_summary("a.db");
		assert_slice(s->feeds[0].url, urls[i].shown);
		summary_free(s);
	}
}

static void texts_may_hold_any_byte(void **state)
{
	struct summary *s;

	(void)state;
	record("a.db");
	run("a.db",
		"UPDATE stream SET path = CAST(x'610062ff' AS TEXT), params = '' "
		"WHERE stream_id = 9");
	s = read_summary("a.db");
	assert_int_equal(s->streams[2].path.len, 4);
	assert_memory_equal(s->streams[2].path.ptr, "a\0b\xff", 4);
	assert_slice(s->streams[2].params, "");
	assert_slice(s->streams[2].open_gap.cause, "stopped"); /* found by these texts */
	summary_free(s);
}

static atomic_bool is_over;

/* Each commit moves all counters together. */
static void *keep_counting(void *arg)
{
	while (!atomic_load(&is_over))
		if (!db_exec(arg,
			    "BEGIN; UPDATE stream SET events = events + 1; "
			    "UPDATE connection SET rejected_events = rejected_events + 1; COMMIT",
			    &err))
			return arg;
	return NULL;
}

static void numbers_agree_while_a_daemon_writes(void **state)
{
	struct sqlite3 *db;
	pthread_t writer;
	void *failed;

	(void)state;
	record("a.db");
	run("a.db", "UPDATE stream SET events = 0; UPDATE connection SET rejected_events = 0");
	db = open_db("a.db");
	assert_true(db_set_sync(db, false, &err));
	atomic_store(&is_over, false);
	assert_int_equal(pthread_create(&writer, NULL, keep_counting, db), 0);
	/* Until it has gone on for a while: how many reads that takes is the machine's business. */
	for (int64_t seen = 0; seen < 500;) {
		struct summary *s = read_summary("a.db");

		seen = s->streams[0].events;
		assert_int_equal(s->streams[2].events, seen);
		assert_int_equal(s->events, 3 * seen);
		assert_int_equal(s->rejected, 3 * seen);
		summary_free(s);
	}
	atomic_store(&is_over, true);
	assert_int_equal(pthread_join(writer, &failed), 0);
	assert_null(failed);
	db_close(db);
}

static void total_of_recordings_matches_streams_by_name(void **state)
{
	struct summary *parts[2];
	struct summary *t = NULL;

	(void)state;
	record("a.db");
	record("b.db");
	/* Other ids, another order, a feed and a stream of its own, and a life that is longer. */
	run("b.db",
		"DELETE FROM coverage; DELETE FROM wanted; DELETE FROM event; DELETE FROM outage; "
		"DELETE FROM stream; DELETE FROM connection; DELETE FROM feed;"
		"INSERT INTO feed VALUES (1, 'h', 'https://h.example', '/', '/', '{}'), "
		"	(2, 'f', 'https://new.example', '/', '/', '{}');"
		"INSERT INTO stream (stream_id, feed_id, path, params, events, first, last, "
		"	last_received, clock_offset) VALUES (1, 2, 'q', '{}', 5, 50, 800, 990, 77), "
		"	(2, 1, 'q', '{}', 1, 2000, 2000, 2000, 0);"
		"INSERT INTO wanted VALUES (1, 900000000, 1000000000);"
		"UPDATE run SET last_alive = 2000000000, ended = NULL WHERE run_id = 2");
	parts[0] = read_summary("b.db");
	parts[1] = read_summary("a.db");
	assert_true(summary_total(&t, (const struct summary *const *)parts, 2, &err));
	assert_int_equal(t->n_feeds, 3);
	assert_slice(t->feeds[1].name, "f");
	assert_slice(t->feeds[1].url, "https://new.example"); /* of the one that lived longer */
	assert_slice(t->feeds[1].protocol, "eio4");           /* the only one known */
	assert_int_equal(t->events, 48);
	assert_int_equal(t->first_us, 50);
	assert_int_equal(t->last_us, 2000);
	assert_int_equal(t->bytes, parts[0]->bytes + parts[1]->bytes);
	assert_int_equal(t->n_streams, 4);
	assert_int_equal(t->streams[0].feed, 0);
	assert_int_equal(t->streams[0].events, 1);
	assert_slice(t->streams[1].path, "p");
	assert_slice(t->streams[2].path, "q");
	assert_int_equal(t->streams[2].feed, 1);
	assert_int_equal(t->streams[2].events, 45);
	assert_int_equal(t->streams[2].first_us, 50);
	assert_int_equal(t->streams[2].last_us, 900);
	assert_int_equal(t->streams[2].last_received_us, 990);
	assert_int_equal(t->streams[2].clock_offset_us, 77);
	assert_int_equal(t->streams[2].wanted_us, 900000000);
	assert_int_equal(t->streams[2].gaps, 3);
	assert_int_equal(t->streams[2].gap_us, 300000000);
	assert_slice(t->streams[3].open_gap.cause, "stopped"); /* of the only one that has it */
	summary_free(t);
	summary_free(parts[0]);
	summary_free(parts[1]);
}

static void what_holds_now_is_told_by_the_recording_that_lived_last(void **state)
{
	struct summary *parts[2];

	(void)state;
	record("a.db");
	record("b.db");
	run("b.db", "UPDATE wanted SET ended = 900000000; UPDATE run SET last_alive = 999000000");
	parts[0] = read_summary("a.db");
	parts[1] = read_summary("b.db");
	for (int round = 0; round < 2; round++) {
		struct summary *t = NULL;
		struct summary *first = parts[0];

		assert_true(summary_total(&t, (const struct summary *const *)parts, 2, &err));
		assert_int_equal(t->n_streams, 3);
		assert_true(t->streams[2].is_wanted);
		assert_slice(t->streams[2].open_gap.cause, "stopped");
		assert_int_equal(t->streams[2].gaps, 4);
		summary_free(t);
		parts[0] = parts[1];
		parts[1] = first;
	}
	summary_free(parts[0]);
	summary_free(parts[1]);
}

static void assert_refused(const char *name, const char *words)
{
	struct summary *s = NULL;

	assert_false(summary_read(&s, scratch_file(&scratch, name), &err));
	assert_null(s);
	if (strstr(err.text, words) == NULL || strstr(err.text, name) == NULL)
		fail_msg("%s", err.text);
}

static void what_is_no_recording_is_refused(void **state)
{
	FILE *file;

	(void)state;
	assert_refused("none.db", "No such file");
	file = fopen(scratch_file(&scratch, "empty.db"), "w");
	assert_non_null(file);
	assert_refused("empty.db", "is empty");
	assert_int_equal(fputs("notes of somebody", file) < 0, 0);
	assert_int_equal(fclose(file), 0);
	assert_refused("empty.db", "not an SQLite database");
	run("newer.db", "PRAGMA user_version = 9999");
	run("older.db", "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)");
	assert_refused("newer.db", "9999");
	assert_refused("older.db", "start tapedeckd on it");
	run("other.db", "PRAGMA application_id = 7; PRAGMA wal_checkpoint(TRUNCATE)");
	assert_refused("other.db", "another program");
	run("damaged.db", "DROP VIEW gap");
	assert_refused("damaged.db", "gap");
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

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(the_whole_is_what_its_parts_count),
		WITH_SCRATCH(streams_are_ordered_and_carry_their_gaps),
		WITH_SCRATCH(a_gap_is_no_longer_than_what_is_wanted_though_the_clock_was_set_back),
		WITH_SCRATCH(recording_is_who_was_alive_5_seconds_ago),
		WITH_SCRATCH(a_new_recording_is_empty),
		WITH_SCRATCH(no_credential_of_an_address_is_read),
		WITH_SCRATCH(texts_may_hold_any_byte),
		WITH_SCRATCH(numbers_agree_while_a_daemon_writes),
		WITH_SCRATCH(total_of_recordings_matches_streams_by_name),
		WITH_SCRATCH(what_holds_now_is_told_by_the_recording_that_lived_last),
		WITH_SCRATCH(what_is_no_recording_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
