#include "store/apply.h"

#include "store/verify.h"
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define T0 1478304000000000 /* 2016-11-05T00:00:00Z */
#define SECOND INT64_C(1000000)
#define WINDOW (5 * SECOND)
#define STREAMS 6
#define EVENTS_MAX 6000

static struct scratch scratch;
static struct duplicates *duplicates;
static struct applier *a;
static struct retention *retention;
static int64_t run_id;
static int64_t batch_number;
static int64_t now_us;

/* The model: what was received, and what should be there. */
static struct {
	int stream;
	int64_t received_us;
	size_t bytes;
	bool is_gone;
} model[EVENTS_MAX + 1];
static int last_id;

/* Streams 0 to 3 are of feed 1, the others of feed 2; 0 and 1 have a part of their own. */
static int64_t feed_of(int stream)
{
	return stream < 4 ? 1 : 2;
}

static struct slice path_of(int stream)
{
	static const char *const paths[STREAMS] = { "a", "b", "c", "d", "a", "b" };

	return slice_of(paths[stream]);
}

static struct batch_stream stream_of(int stream)
{
	return (struct batch_stream){ feed_of(stream), path_of(stream), slice_of("{}") };
}

static void commit(struct batch *b)
{
	const struct apply_mark mark = { run_id, ++batch_number, now_us };
	struct err e;

	assert_int_equal(applier_apply(a, b, &mark, &e), APPLY_STORED);
	batch_free(b);
}

static void plan_rows(struct row_plan *rows)
{
	const struct apply_plan plan = { rows, retention };
	struct err e;

	assert_int_equal(applier_plan(a, &plan, &e), APPLY_STORED);
}

static void open_recording(void)
{
	const struct db_options options = { .path = scratch_file(&scratch, "market.db"),
		.may_create = true,
		.mode = 0600,
		.cache_kib = 1024 };
	struct err e;

	assert_true(applier_open(&a, &options, duplicates, &e));
	assert_true(applier_start_run(a, now_us, &run_id, &e));
	batch_number = 0;
}

static int set_up(void **state)
{
	struct batch *b;

	(void)state;
	scratch_open(&scratch);
	duplicates = duplicates_new(WINDOW);
	now_us = T0;
	last_id = 0;
	open_recording();
	b = batch_new();
	for (int64_t i = 1; i <= 2; i++) {
		char name[2] = { (char)('e' + i), '\0' };
		const struct store_feed feed = { name, "http://127.0.0.1", "/", "/socket.io/",
			"{}" };

		assert_true(batch_add_feed(b, i, &feed));
		assert_true(batch_add_opened(b, i, i, now_us, (struct slice){ 0 }));
	}
	commit(b);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	applier_close(a);
	a = NULL;
	retention_free(retention);
	retention = NULL;
	duplicates_free(duplicates);
	scratch_close(&scratch);
	return 0;
}

static void add_event(struct batch *b, int stream, size_t bytes, int64_t behind_us)
{
	char *results = malloc(bytes + 1);
	struct batch_event event = { .feed_id = feed_of(stream),
		.connection_id = feed_of(stream),
		.timestamp_us = now_us - behind_us,
		.received_us = now_us,
		.path = path_of(stream),
		.params = slice_of("{}") };

	memset(results, ' ', bytes);
	memcpy(results, "[{\"n\":1}]", 9);
	results[bytes] = '\0';
	event.results = (struct slice){ results, bytes };
	assert_true(batch_add_event(b, &event));
	if (stream == 2)
		assert_true(batch_add_attachment(b, 0, slice_of("data")));
	free(results);
	last_id++;
	assert_true(last_id <= EVENTS_MAX);
	model[last_id].stream = stream;
	model[last_id].received_us = now_us;
	model[last_id].bytes = bytes;
	model[last_id].is_gone = false;
}

/* Events at random, out of order now and then, with equal timestamps now and then. */
static void record(int events)
{
	struct batch *b = batch_new();

	for (int i = 0; i < events; i++) {
		now_us += rand() % 3 == 0 ? 0 : rand() % 400000;
		add_event(b, rand() % STREAMS, 9 + (size_t)(rand() % 400),
			rand() % 5 == 0 ? rand() % (30 * SECOND) : 0);
	}
	commit(b);
}

/* Does what there is to do, a slice at a time; how many slices. */
static int do_chores(void)
{
	const struct trim_clock clock = { now_us, WINDOW, 0 };
	bool more = true;
	int slices = 0;
	struct err e;

	for (; more; slices++) {
		enum apply_result result = applier_chore(a, &clock, &more, &e);

		if (result != APPLY_STORED)
			print_error("%s\n", e.text);
		assert_int_equal(result, APPLY_STORED);
		assert_true(slices < 100000);
	}
	return slices;
}

static bool is_in(size_t part, int stream)
{
	size_t parts[RETENTION_LEVELS];

	retention_parts_of(retention, feed_of(stream), path_of(stream), slice_of("{}"), parts);
	return parts[0] == part || parts[1] == part || parts[2] == part;
}

/* What one round should do. */
static void model_round(void)
{
	for (size_t p = 0; p < retention->n_parts; p++) {
		uint64_t sum = 0;

		for (int i = 1; i <= last_id; i++)
			sum += !model[i].is_gone && is_in(p, model[i].stream) ? model[i].bytes : 0;
		for (int i = 1; i < last_id && retention->parts[p].bytes != 0; i++) {
			if (sum <= retention->parts[p].bytes ||
				model[i].received_us >= now_us - WINDOW)
				break;
			if (!model[i].is_gone && is_in(p, model[i].stream)) {
				model[i].is_gone = true;
				sum -= model[i].bytes;
			}
		}
	}
	for (size_t p = 0; p < retention->n_parts; p++)
		for (int i = 1; i < last_id; i++) /* the newest stays */
			if (retention->parts[p].age_us != 0 && is_in(p, model[i].stream) &&
				model[i].received_us < now_us - retention->parts[p].age_us &&
				model[i].received_us < now_us - WINDOW)
				model[i].is_gone = true;
}

static void check_events(void)
{
	struct sqlite3_stmt *st = NULL;
	int expected = 1;

	assert_int_equal(sqlite3_prepare_v2(applier_db(a), "SELECT event_id FROM event ORDER BY 1",
				 -1, &st, NULL),
		SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		while (expected <= last_id && model[expected].is_gone)
			expected++;
		assert_int_equal(sqlite3_column_int(st, 0), expected);
		expected++;
	}
	while (expected <= last_id && model[expected].is_gone)
		expected++;
	assert_int_equal(expected, last_id + 1);
	(void)sqlite3_finalize(st);
}

static void tell(void *arg, const char *finding)
{
	(void)arg;
	fail_msg("%s", finding);
}

/* Whatever is missing of a stream was received before the instant from which it is complete. */
static void check_instants(void)
{
	char sql[200];

	for (int i = 1; i <= last_id; i++) {
		if (!model[i].is_gone)
			continue;
		(void)snprintf(sql, sizeof(sql),
			"SELECT count(*) FROM stream WHERE feed_id = %lld AND path = '%s' "
			"AND retained_from > %lld",
			(long long)feed_of(model[i].stream), path_of(model[i].stream).ptr,
			(long long)model[i].received_us);
		assert_string_equal(rows_of(applier_db(a), sql), "1\n");
	}
}

static void check_all(void)
{
	struct err e;

	check_events();
	check_instants();
	assert_true(verify(scratch_file(&scratch, "market.db"), tell, NULL, &e));
	/* Nothing is known of what was before, and attachments have gone with their events. */
	assert_string_equal(rows_of(applier_db(a),
				    "SELECT count(*) FROM coverage JOIN stream USING (stream_id) "
				    "WHERE started < retained_from UNION ALL "
				    "SELECT count(*) FROM wanted JOIN stream USING (stream_id) "
				    "WHERE started < retained_from UNION ALL "
				    "SELECT (SELECT count(*) FROM attachment) - (SELECT count(*) "
				    "FROM event JOIN stream USING (stream_id) WHERE path = 'c')"),
		"0\n0\n0\n");
}

static void add_part(int64_t feed_id, int64_t age_us, uint64_t bytes, size_t *part)
{
	const struct retention_part p = { feed_id, age_us, bytes };

	assert_true(retention_add(retention, &p, part));
}

static void each_part_keeps_what_its_limits_let_stay(void **state)
{
	size_t part;

	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		srand(seed);
		if (seed != 1) {
			(void)tear_down(NULL);
			(void)set_up(NULL);
		}
		retention = retention_new(
			seed % 2 == 0 ? 90 * SECOND : 0, seed % 3 == 0 ? 60000 : 0);
		if (seed % 4 != 1)
			add_part(1, 40 * SECOND, 0, &part);
		add_part(2, 0, 20000, &part);
		add_part(0, seed % 2 == 1 ? 20 * SECOND : 0, 9000, &part);
		for (int i = 0; i < 2; i++)
			assert_true(retention_add_stream(
				retention, part, 1, path_of(i), slice_of("{}")));
		plan_rows(NULL);
		for (int round = 0; round < 20; round++) {
			record(rand() % 200);
			now_us += 11 * SECOND;
			commit(batch_new());
			(void)do_chores();
			model_round();
			check_events();
		}
		check_all();
	}
}

static void what_spares_an_event_is_looked_at_again_after_a_restart(void **state)
{
	(void)state;
	retention = retention_new(0, 30000);
	plan_rows(NULL);
	record(300);
	now_us += 11 * SECOND;
	(void)do_chores();
	model_round();
	check_all();
	applier_close(a);
	open_recording();
	retention->parts[RETENTION_ALL].bytes = 10000;
	plan_rows(NULL);
	(void)do_chores();
	model_round();
	check_all();
	assert_int_equal(do_chores(), 1); /* the next round is not due */
}

static void what_another_connection_may_deliver_again_stays_and_so_does_the_newest(void **state)
{
	struct batch *b = batch_new();

	(void)state;
	retention = retention_new(1, 1);
	plan_rows(NULL);
	add_event(b, 0, 100, 0);
	now_us += WINDOW;
	add_event(b, 0, 100, 0);
	commit(b);
	(void)do_chores();
	assert_string_equal(rows_of(applier_db(a), "SELECT count(*) FROM event"), "2\n");
	now_us += TRIM_EVERY_US;
	(void)do_chores();
	assert_string_equal(rows_of(applier_db(a),
				    "SELECT events, bytes, first, last, last_received FROM stream"),
		"1|100|1478304005000000|1478304005000000|1478304005000000\n");
}

/* Coverage, wanted intervals and gaps are cut to the same instant; what is open stays open, and ends well. */
static void what_is_known_of_a_stream_is_cut_with_its_events(void **state)
{
	const struct batch_stream s = stream_of(0);
	struct batch *b = batch_new();
	char expected[200];

	(void)state;
	retention = retention_new(20 * SECOND, 0);
	plan_rows(NULL);
	assert_true(batch_add_wanted(b, &s, T0));
	assert_true(batch_add_covered(b, &s, T0 + SECOND, T0 + 4 * SECOND));
	assert_true(batch_add_outage(b,
		&(struct batch_outage){
			.feed_id = 1, .at_us = T0 + 4 * SECOND, .cause = "network" }));
	assert_true(batch_add_outage(
		b, &(struct batch_outage){ .feed_id = 1, .at_us = T0 + 7 * SECOND }));
	assert_true(batch_add_covered(b, &s, T0 + 7 * SECOND, 0));
	add_event(b, 0, 50, 0);
	now_us = T0 + 50 * SECOND;
	add_event(b, 0, 60, 0);
	commit(b);
	(void)do_chores();
	(void)snprintf(expected, sizeof(expected), "1|60|%lld\n", (long long)(T0 + 30 * SECOND));
	assert_string_equal(
		rows_of(applier_db(a), "SELECT events, bytes, retained_from FROM stream"),
		expected);
	(void)snprintf(expected, sizeof(expected), "%lld|NULL\n%lld|NULL\n",
		(long long)(T0 + 30 * SECOND), (long long)(T0 + 30 * SECOND));
	assert_string_equal(rows_of(applier_db(a),
				    "SELECT started, ended FROM wanted UNION ALL "
				    "SELECT started, ended FROM coverage"),
		expected);
	assert_string_equal(rows_of(applier_db(a), "SELECT count(*) FROM outage"), "0\n");
	/* The owner of what is open still names it by its first instant. */
	b = batch_new();
	assert_true(batch_add_covered(b, &s, T0 + 7 * SECOND, T0 + 40 * SECOND));
	commit(b);
	(void)snprintf(expected, sizeof(expected), "%lld|%lld\n", (long long)(T0 + 30 * SECOND),
		(long long)(T0 + 40 * SECOND));
	assert_string_equal(
		rows_of(applier_db(a), "SELECT started, ended FROM coverage"), expected);
}

static void rows_go_with_their_events(void **state)
{
	struct row_plan *rows = row_plan_new();
	size_t table;

	(void)state;
	retention = retention_new(0, 5000);
	assert_true(row_plan_table(rows, "ticks", &table));
	for (int i = 0; i < STREAMS; i += 2)
		assert_true(row_plan_source(rows, feed_of(i), path_of(i), slice_of("{}"), table));
	plan_rows(rows);
	record(400);
	now_us += 11 * SECOND;
	(void)do_chores();
	model_round();
	check_all();
	assert_string_equal(
		rows_of(applier_db(a),
			"SELECT count(*) > 0, count(*) - (SELECT count(*) FROM event "
			"JOIN stream USING (stream_id) WHERE feed_id = 1 AND path IN "
			"('a', 'c') OR feed_id = 2 AND path = 'a'), count(DISTINCT event_id) "
			"- count(*) FROM ticks"),
		"1|0|0\n");
	row_plan_free(rows);
}

static void what_was_not_understood_goes_too(void **state)
{
	struct batch *b = batch_new();

	(void)state;
	retention = retention_new(0, 0);
	{
		size_t part;

		add_part(2, 20 * SECOND, 0, &part);
	}
	plan_rows(NULL);
	for (int64_t i = 1; i <= 2; i++)
		assert_true(batch_add_rejected(b, i, now_us, "not JSON", slice_of("x")));
	now_us += 21 * SECOND;
	assert_true(batch_add_rejected(b, 2, now_us, "not JSON", slice_of("x")));
	commit(b);
	(void)do_chores();
	assert_string_equal(
		rows_of(applier_db(a), "SELECT connection_id FROM rejected ORDER BY 1"), "1\n2\n");
}

static void the_file_shrinks_when_much_of_it_is_free(void **state)
{
	(void)state;
	retention = retention_new(0, 0);
	plan_rows(NULL);
	for (int i = 0; i < 20; i++)
		record(250);
	retention_free(retention);
	retention = retention_new(0, 20000);
	now_us += 11 * SECOND;
	plan_rows(NULL);
	(void)do_chores();
	assert_string_equal(
		rows_of(applier_db(a),
			"SELECT p.page_count < 100, f.freelist_count * 4 <= p.page_count "
			"FROM pragma_page_count p, pragma_freelist_count f"),
		"1|1\n");
	model_round();
	check_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_part_keeps_what_its_limits_let_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_spares_an_event_is_looked_at_again_after_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_another_connection_may_deliver_again_stays_and_so_does_the_newest,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_known_of_a_stream_is_cut_with_its_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_go_with_their_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_not_understood_goes_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_file_shrinks_when_much_of_it_is_free, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
