/*
 * duplicates: two connections' deliveries of one event make one row, as multisets, by the window.
 *
 * The whole way of an event into the recording is compared with a model that knows nothing but the rule: a
 * list of rows, each with all of its deliveries.
 */
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include "store/apply.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW 1000
enum { MODEL_ROWS = 4000, MODEL_DELIVERIES = 16, CONNECTIONS = 6 };

/* ---- the marks alone ---- */

static void marks_are_kept_or_dropped_with_their_commit(void **state)
{
	struct duplicates *d = duplicates_new(WINDOW);
	const struct duplicates_row row = { 1, 10, 100 };
	const struct delivery second = { 11, 200 };

	(void)state;
	assert_false(duplicates_match(d, &row, &(struct delivery){ 10, 150 })); /* its own */
	assert_true(duplicates_match(d, &row, &second));
	assert_true(duplicates_mark(d, &row, &second));
	assert_false(duplicates_match(d, &row, &second));
	duplicates_drop(d);
	assert_true(duplicates_match(d, &row, &second));
	assert_true(duplicates_mark(d, &row, &second));
	duplicates_keep(d);
	duplicates_drop(d);
	assert_false(duplicates_match(d, &row, &second));
	duplicates_free(d);
}

/* Each delivery carries the window on. */
static void the_window_counts_from_the_nearest_delivery(void **state)
{
	struct duplicates *d = duplicates_new(WINDOW);
	const struct duplicates_row row = { 1, 10, 100 };

	(void)state;
	assert_true(duplicates_match(d, &row, &(struct delivery){ 11, 100 + WINDOW }));
	assert_false(duplicates_match(d, &row, &(struct delivery){ 11, 101 + WINDOW }));
	assert_true(duplicates_mark(d, &row, &(struct delivery){ 11, 1000 }));
	assert_true(duplicates_match(d, &row, &(struct delivery){ 12, 1000 + WINDOW }));
	assert_false(duplicates_match(d, &row, &(struct delivery){ 12, 1001 + WINDOW }));
	duplicates_set_window(d, 2 * WINDOW);
	assert_true(duplicates_match(d, &row, &(struct delivery){ 12, 1001 + WINDOW }));
	duplicates_free(d);
}

/* ---- the recording and its model ---- */

struct model_row {
	int stream;
	int64_t timestamp; /* 0: none */
	int content;
	struct delivery delivery[MODEL_DELIVERIES];
	size_t deliveries;
};

static struct model_row model[MODEL_ROWS];
static size_t model_rows;
static uint64_t model_duplicates;

static struct scratch scratch;
static char database[PATH_MAX];
static struct duplicates *duplicates;
static struct applier *applier;
static struct batch *batch;
static struct apply_mark mark;

/* Sessions: connections 4 and 5 go on with those of 2 and 3. */
static int64_t session_of(int64_t connection)
{
	return connection >= 4 ? connection - 2 : connection;
}

static void model_take(
	int stream, int64_t timestamp, int content, int64_t since, struct delivery delivery)
{
	struct model_row *row;

	for (size_t i = 0; i < model_rows; i++) {
		bool known = false;
		bool near = false;

		row = &model[i];
		if (row->stream != stream || row->timestamp != timestamp ||
			row->content != content ||
			(timestamp == 0 &&
				(since == 0 || row->delivery[0].received_us < since ||
					row->delivery[0].received_us <
						delivery.received_us - WINDOW)))
			continue;
		for (size_t j = 0; j < row->deliveries; j++) {
			int64_t apart = delivery.received_us - row->delivery[j].received_us;

			known = known || row->delivery[j].connection_id == delivery.connection_id;
			near = near || apart <= WINDOW;
		}
		if (known || !near)
			continue;
		assert_true(row->deliveries < MODEL_DELIVERIES);
		row->delivery[row->deliveries++] = delivery;
		model_duplicates++;
		return;
	}
	assert_true(model_rows < MODEL_ROWS);
	model[model_rows++] = (struct model_row){ stream, timestamp, content, { delivery }, 1 };
}

static void open_recording(void)
{
	struct db_options o = {
		.path = database, .may_create = true, .mode = 0600, .cache_kib = 1024
	};
	struct err e;

	duplicates = duplicates_new(WINDOW);
	mark = (struct apply_mark){ .batch = 0 };
	if (!applier_open(&applier, &o, duplicates, &e) ||
		!applier_start_run(applier, 1, &mark.run_id, &e))
		fail_msg("%s", e.text);
	batch = batch_new();
	for (int64_t i = 0; i < CONNECTIONS; i++) {
		char pid[16];

		(void)snprintf(pid, sizeof(pid), "pid%d", (int)session_of(i));
		assert_true(batch_add_opened(batch, i, 1, 1, slice_of(pid)));
	}
}

static void commit(void)
{
	struct err e;

	mark.batch++;
	if (applier_apply(applier, batch, &mark, &e) != APPLY_STORED)
		fail_msg("%s", e.text);
	batch_free(batch);
	batch = batch_new();
}

static void close_recording(void)
{
	batch_free(batch);
	applier_close(applier);
	duplicates_free(duplicates);
	(void)remove(database);
	(void)remove(scratch_file(&scratch, "d.db-wal"));
	(void)remove(scratch_file(&scratch, "d.db-shm"));
}

/* The content is in one of the three things that are compared. */
static void deliver(
	int stream, int64_t timestamp, int content, int64_t since, int64_t connection, int64_t now)
{
	char path[16];
	char results[32];
	char extra[32];
	struct batch_event event = { .feed_id = 1,
		.connection_id = connection,
		.timestamp_us = timestamp != 0 ? timestamp : now,
		.received_us = now,
		.since_us = since,
		.params = SLICE_LITERAL("{}") };

	(void)snprintf(path, sizeof(path), "p%d", stream);
	(void)snprintf(results, sizeof(results), "[%d]", content % 3 == 0 ? content : 0);
	(void)snprintf(extra, sizeof(extra), "{\"args\":[%d]}", content);
	event.path = slice_of(path);
	event.results = slice_of(results);
	if (content % 3 == 1)
		event.extra = slice_of(extra);
	if (timestamp == 0)
		event.timestamp_text = slice_of("");
	assert_true(batch_add_event(batch, &event));
	if (content % 3 == 2)
		assert_true(batch_add_attachment(batch, 0, slice_of(extra)));
	model_take(stream, timestamp, content, since,
		(struct delivery){ session_of(connection), now });
}

/* Row by row, in the order of arrival. */
static void assert_same(void)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	size_t i = 0;

	assert_int_equal(sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
			"SELECT path, timestamp_text IS '', timestamp, connection_id, received, "
			"(SELECT count(*) FROM attachment a WHERE a.event_id = e.event_id) "
			"FROM event e JOIN stream USING (stream_id) ORDER BY event_id",
			-1, &st, NULL),
		SQLITE_OK);
	for (; sqlite3_step(st) == SQLITE_ROW; i++) {
		const struct model_row *row = &model[i];

		assert_true(i < model_rows);
		assert_int_equal(atoi((const char *)sqlite3_column_text(st, 0) + 1), row->stream);
		assert_int_equal(sqlite3_column_int(st, 1), row->timestamp == 0);
		if (row->timestamp != 0)
			assert_true(sqlite3_column_int64(st, 2) == row->timestamp);
		assert_int_equal(
			session_of(sqlite3_column_int64(st, 3)), row->delivery[0].connection_id);
		assert_true(sqlite3_column_int64(st, 4) == row->delivery[0].received_us);
		assert_int_equal(sqlite3_column_int(st, 5), row->content % 3 == 2 ? 1 : 0);
	}
	assert_int_equal(i, model_rows);
	(void)sqlite3_finalize(st);
	assert_string_equal(rows_of(db,
				    "SELECT count(*) FROM event GROUP BY stream_id, timestamp, seq "
				    "HAVING count(*) > 1"),
		"");
	(void)sqlite3_close(db);
}

static uint64_t duplicates_in_file(void)
{
	int64_t n;
	struct err e;

	assert_true(
		applier_number(applier, "SELECT sum(duplicate_events) FROM connection", &n, &e));
	return (uint64_t)n;
}

static void begin_model(void)
{
	model_rows = 0;
	model_duplicates = 0;
	open_recording();
}

static void end_model(void)
{
	commit();
	assert_same();
	assert_true(duplicates_in_file() == model_duplicates);
	close_recording();
}

/* Few contents, few timestamps that also jump back, times that pass the window now and then, any cut into
 * commits: what is stored is what the rule says. */
static void any_deliveries_are_stored_as_the_rule_says(void **state)
{
	(void)state;
	srand(8);
	for (int round = 0; round < 60; round++) {
		int64_t now = 10;

		begin_model();
		for (int i = 0; i < 400; i++) {
			int64_t timestamp = 1 + rand() % 8;

			now += rand() % 20 == 0 ? rand() % (2 * WINDOW) : rand() % 40;
			deliver(rand() % 2, timestamp, rand() % 5, 0, rand() % CONNECTIONS, now);
			if (rand() % 10 == 0)
				commit();
		}
		end_model();
	}
}

static void without_a_timestamp_the_overlap_is_matched_by_content(void **state)
{
	(void)state;
	srand(9);
	for (int round = 0; round < 60; round++) {
		int64_t now = 10;
		int64_t since = 0;

		begin_model();
		for (int i = 0; i < 400; i++) {
			now += 1 + rand() % 40;
			if (rand() % 50 == 0)
				since = since == 0 ? now : 0;
			deliver(0, 0, rand() % 5, since, rand() % CONNECTIONS, now);
			if (rand() % 10 == 0)
				commit();
		}
		end_model();
	}
}

static void expect_rows(size_t rows)
{
	assert_int_equal(model_rows, rows);
	end_model();
}

static void a_once_and_b_once_is_one_row(void **state)
{
	(void)state;
	begin_model();
	deliver(0, 5, 1, 0, 0, 10);
	deliver(0, 5, 1, 0, 1, 20);
	expect_rows(1);
}

static void a_once_and_b_twice_is_two_rows(void **state)
{
	(void)state;
	begin_model();
	deliver(0, 5, 1, 0, 0, 10);
	deliver(0, 5, 1, 0, 1, 20);
	deliver(0, 5, 1, 0, 1, 30);
	expect_rows(2);
	begin_model();
	deliver(0, 5, 1, 0, 0, 10);
	deliver(0, 5, 1, 0, 0, 20);
	deliver(0, 5, 1, 0, 1, 30);
	deliver(0, 5, 1, 0, 1, 40);
	expect_rows(2);
}

/* An exchange that writes local time has the same hour twice; an hour is more than the window. */
static void both_passes_of_an_autumn_hour_are_kept(void **state)
{
	(void)state;
	begin_model();
	for (int pass = 0; pass < 2; pass++)
		for (int minute = 0; minute < 60; minute++)
			for (int64_t connection = 0; connection < 2; connection++)
				deliver(0, 1 + minute, minute % 4, 0, connection,
					10 + pass * 4 * WINDOW + minute * (WINDOW / 15) +
						connection);
	expect_rows(120);
}

/* What was delivered again by a session that goes on is an event of its own. */
static void a_resumed_session_delivers_as_the_one_before_it(void **state)
{
	(void)state;
	begin_model();
	deliver(0, 5, 1, 0, 2, 10);
	deliver(0, 5, 1, 0, 4, 20);
	expect_rows(2);
}

/* A commit that has failed leaves no marks; the one that is tried again finds what it found before. */
static void a_batch_that_is_applied_again_gives_the_same(void **state)
{
	struct err e;

	(void)state;
	begin_model();
	deliver(0, 5, 1, 0, 0, 10);
	commit();
	deliver(0, 5, 1, 0, 1, 20);
	assert_true(db_exec(applier_db(applier),
		"CREATE TRIGGER t BEFORE UPDATE ON run BEGIN "
		"SELECT raise(ABORT, 'no'); END",
		&e));
	assert_int_equal(applier_apply(applier, batch, &mark, &e), APPLY_FAILED);
	assert_true(db_exec(applier_db(applier), "DROP TRIGGER t", &e));
	expect_rows(1);
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	(void)snprintf(database, sizeof(database), "%s", scratch_file(&scratch, "d.db"));
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
		cmocka_unit_test(marks_are_kept_or_dropped_with_their_commit),
		cmocka_unit_test(the_window_counts_from_the_nearest_delivery),
		cmocka_unit_test(any_deliveries_are_stored_as_the_rule_says),
		cmocka_unit_test(without_a_timestamp_the_overlap_is_matched_by_content),
		cmocka_unit_test(a_once_and_b_once_is_one_row),
		cmocka_unit_test(a_once_and_b_twice_is_two_rows),
		cmocka_unit_test(both_passes_of_an_autumn_hour_are_kept),
		cmocka_unit_test(a_resumed_session_delivers_as_the_one_before_it),
		cmocka_unit_test(a_batch_that_is_applied_again_gives_the_same),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
