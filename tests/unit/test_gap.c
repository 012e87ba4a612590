/*
 * The view gap, instant by instant: wanted and not covered, with the cause of that instant.
 */
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPAN = 80, STREAMS = 3, ROUNDS = 300, CAUSES = 4 };

static const char *const causes[CAUSES] = { "network", "token", "refused", "silent" };

/* What holds at an instant; a cause is its number and one, 0: none. */
static struct {
	bool wanted[STREAMS][SPAN];
	bool covered[STREAMS][SPAN];
	int outage[STREAMS + 1][SPAN]; /* the last is the feed's */
} model;

static struct scratch scratch;
static struct sqlite3 *db;

static void run(const char *sql)
{
	struct err e;

	if (!db_exec(db, sql, &e))
		fail_msg("%s: %s", sql, e.text);
}

/* Intervals of one subject one after another, with or without room between them. */
static bool next_interval(int *at, int *from, int *to)
{
	*from = *at + rand() % 12;
	*to = *from + 1 + rand() % 15;
	*at = *to;
	return *to <= SPAN;
}

static void add_intervals(int stream)
{
	char sql[200];
	int from;
	int to;

	for (int at = rand() % 10; next_interval(&at, &from, &to); at++) {
		(void)snprintf(sql, sizeof(sql), "INSERT INTO wanted VALUES (%d, %d, %d)",
			stream + 1, from, to);
		run(sql);
		for (int t = from; t < to; t++)
			model.wanted[stream][t] = true;
	}
	/* Two connections at once: rows may overlap. */
	for (int side = 0; side < 2; side++)
		for (int at = rand() % 20; next_interval(&at, &from, &to); at += 1 + rand() % 10) {
			(void)snprintf(sql, sizeof(sql),
				"INSERT INTO coverage VALUES (%d, %d, %d) ON CONFLICT DO NOTHING",
				stream + 1, from, to);
			run(sql);
			for (int t = from; t < to && sqlite3_changes(db) != 0; t++)
				model.covered[stream][t] = true;
		}
}

/* `subject` STREAMS: the whole feed. */
static void add_outages(int subject)
{
	char sql[200];
	char stream[16] = "NULL";
	int from;
	int to;

	if (subject < STREAMS)
		(void)snprintf(stream, sizeof(stream), "%d", subject + 1);
	for (int at = rand() % 10; next_interval(&at, &from, &to);) {
		int cause = rand() % CAUSES;

		(void)snprintf(sql, sizeof(sql),
			"INSERT INTO outage (feed_id, stream_id, started, ended, cause) "
			"VALUES (1, %s, %d, %d, '%s')",
			stream, from, to, causes[cause]);
		run(sql);
		for (int t = from; t < to; t++)
			model.outage[subject][t] = cause + 1;
	}
}

static const char *expected_at(int stream, int t)
{
	if (!model.wanted[stream][t] || model.covered[stream][t])
		return NULL;
	if (model.outage[stream][t] != 0)
		return causes[model.outage[stream][t] - 1];
	if (model.outage[STREAMS][t] != 0)
		return causes[model.outage[STREAMS][t] - 1];
	return "starting";
}

static void compare_with_view(void)
{
	const char *seen[STREAMS][SPAN] = { { NULL } };
	char texts[STREAMS * SPAN][12];
	size_t rows = 0;
	sqlite3_stmt *st = NULL;

	assert_int_equal(
		sqlite3_prepare_v2(
			db, "SELECT path, started, ended, cause, seconds FROM gap", -1, &st, NULL),
		SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		int stream = atoi((const char *)sqlite3_column_text(st, 0));
		int from = sqlite3_column_int(st, 1);
		int to = sqlite3_column_int(st, 2);

		assert_true(rows < STREAMS * SPAN && from < to && to <= SPAN);
		assert_true(sqlite3_column_double(st, 4) * 1e6 - (to - from) < 0.01);
		(void)snprintf(texts[rows], sizeof(texts[rows]), "%s",
			(const char *)sqlite3_column_text(st, 3));
		for (int t = from; t < to; t++) {
			assert_null(seen[stream][t]); /* no instant is told twice */
			seen[stream][t] = texts[rows];
		}
		rows++;
	}
	(void)sqlite3_finalize(st);
	for (int stream = 0; stream < STREAMS; stream++)
		for (int t = 0; t < SPAN; t++) {
			const char *expected = expected_at(stream, t);

			assert_int_equal(expected == NULL, seen[stream][t] == NULL);
			if (expected != NULL)
				assert_string_equal(seen[stream][t], expected);
		}
}

static void any_intervals_give_the_gaps_of_each_instant(void **state)
{
	(void)state;
	srand(5);
	run("INSERT INTO feed VALUES (1, 'f', 'u', '/', '/', '{}');"
	    "INSERT INTO stream (stream_id, feed_id, path, params) VALUES (1, 1, '0', '{}'), "
	    "(2, 1, '1', '{}'), (3, 1, '2', '{}');"
	    "INSERT INTO run VALUES (1, 1, 1000, 1000, 1, 'v', 'h')");
	for (int round = 0; round < ROUNDS; round++) {
		memset(&model, 0, sizeof(model));
		run("BEGIN");
		for (int stream = 0; stream < STREAMS; stream++) {
			add_intervals(stream);
			add_outages(stream);
		}
		add_outages(STREAMS);
		compare_with_view();
		run("ROLLBACK");
	}
}

/* The daemon's clock is an hour ahead of the system's, which was set back. */
static void a_gap_is_open_though_the_clock_was_set_back(void **state)
{
	(void)state;
	run("BEGIN");
	run("CREATE TEMP TABLE hour_ahead AS SELECT (strftime('%s', 'now') + 3600) * 1000000 AS us;"
	    "INSERT INTO feed VALUES (1, 'f', 'u', '/', '/', '{}');"
	    "INSERT INTO stream (stream_id, feed_id, path, params) VALUES (1, 1, '0', '{}');"
	    "INSERT INTO run SELECT 1, us - 9000000, us, NULL, 1, 'v', 'h' FROM hour_ahead;"
	    "INSERT INTO wanted SELECT 1, us - 9000000, NULL FROM hour_ahead;"
	    "INSERT INTO coverage SELECT 1, us - 8000000, us - 3000000 FROM hour_ahead;"
	    "INSERT INTO outage (feed_id, started, cause) SELECT 1, us - 3000000, 'network' "
	    "FROM hour_ahead");
	assert_string_equal(
		rows_of(db,
			"SELECT cause, (started - us) / 1000000, ended IS NULL, seconds "
			"FROM gap, hour_ahead ORDER BY started"),
		"starting|-9|0|1.0\nnetwork|-3|1|3.0\n");
	run("ROLLBACK");
}

static int set_up(void **state)
{
	struct db_options o = { .may_create = true, .mode = 0600, .cache_kib = 1024 };
	struct err e;

	(void)state;
	scratch_open(&scratch);
	o.path = scratch_file(&scratch, "g.db");
	return db_open(&db, &o, &e) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	db_close(db);
	scratch_close(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gap_is_open_though_the_clock_was_set_back),
		cmocka_unit_test(any_intervals_give_the_gaps_of_each_instant),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
