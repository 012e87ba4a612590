#include "store/apply.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/row_table.h"
#include "store/verify.h"
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include <string.h>

#define T0 1478304000000000 /* 2016-11-05T00:00:00Z */

static struct scratch scratch;
static struct db_options options;
static struct duplicates *duplicates;
static struct applier *a;
static int64_t run_id;
static int64_t batch_number;
static int64_t clock_us;

static void open_recording(void)
{
	struct err e;

	options = (struct db_options){ .path = scratch_file(&scratch, "market.db"),
		.may_create = true,
		.mode = 0600,
		.cache_kib = 1024 };
	assert_true(applier_open(&a, &options, duplicates, &e));
	assert_true(applier_start_run(a, T0, &run_id, &e));
	batch_number = 0;
}

static void close_recording(void)
{
	applier_close(a);
	a = NULL;
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	duplicates = duplicates_new(900000000);
	clock_us = T0;
	open_recording();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_recording();
	duplicates_free(duplicates);
	scratch_close(&scratch);
	return 0;
}

static void commit(struct batch *b)
{
	const struct apply_mark mark = { run_id, ++batch_number, clock_us };
	struct err e;
	enum apply_result result = applier_apply(a, b, &mark, &e);

	if (result != APPLY_STORED)
		print_error("%s\n", e.text);
	assert_int_equal(result, APPLY_STORED);
	batch_free(b);
}

static void add_feed(void)
{
	struct batch *b = batch_new();
	const struct store_feed feed = { "test", "http://127.0.0.1", "/", "/socket.io/", "{}" };

	assert_true(batch_add_feed(b, 1, &feed));
	assert_true(batch_add_opened(b, 1, 1, clock_us, (struct slice){ 0 }));
	commit(b);
}

static void add_event(struct batch *b, const char *path, const char *params, const char *results)
{
	const struct batch_event event = { .feed_id = 1,
		.connection_id = 1,
		.timestamp_us = clock_us,
		.received_us = clock_us,
		.path = slice_of(path),
		.params = slice_of(params),
		.results = slice_of(results) };

	clock_us += 1000000;
	assert_true(batch_add_event(b, &event));
}

/* One event in a commit of its own. */
static void event(const char *path, const char *params, const char *results)
{
	struct batch *b = batch_new();

	add_event(b, path, params, results);
	commit(b);
}

/* What is configured: path and table of streams, table NULL: none; ends with a path NULL. */
struct want {
	const char *path;
	const char *params;
	const char *table;
};

static void configure(const struct want *wants, const char *const *index, size_t columns)
{
	struct row_plan *plan = row_plan_new();
	struct err e;

	for (; wants->path != NULL; wants++) {
		size_t table = ROW_PLAN_NO_TABLE;

		if (wants->table != NULL) {
			assert_true(row_plan_table(plan, wants->table, &table));
			if (columns != 0)
				assert_true(row_plan_index(plan, table, index, columns));
		}
		assert_true(row_plan_source(
			plan, 1, slice_of(wants->path), slice_of(wants->params), table));
	}
	assert_int_equal(applier_plan(a, &(struct apply_plan){ .rows = plan }, &e), APPLY_STORED);
	row_plan_free(plan);
}

static void configure_one(const char *path, const char *params, const char *table)
{
	configure((struct want[]){ { path, params, table }, { 0 } }, NULL, 0);
}

/* One stream, into t; the indexes each end with NULL, and all with one that names no column. */
static void configure_indexes(const char *params, const char *const (*indexes)[4])
{
	struct row_plan *plan = row_plan_new();
	size_t table;
	struct err e;

	assert_true(row_plan_table(plan, "t", &table));
	for (; (*indexes)[0] != NULL; indexes++) {
		size_t columns = 0;

		while ((*indexes)[columns] != NULL)
			columns++;
		assert_true(row_plan_index(plan, table, *indexes, columns));
	}
	assert_true(row_plan_source(plan, 1, slice_of("p"), slice_of(params), table));
	assert_int_equal(applier_plan(a, &(struct apply_plan){ .rows = plan }, &e), APPLY_STORED);
	row_plan_free(plan);
}

/* Does the chores in the smallest slices; how many it took. */
static int do_chores(void)
{
	bool more = true;
	int slices = 0;
	struct err e;

	for (; more; slices++) {
		assert_int_equal(
			applier_chore(a, &(struct trim_clock){ 0 }, &more, &e), APPLY_STORED);
		assert_true(slices < 100000);
	}
	return slices;
}

static void assert_rows(const char *sql, const char *expected)
{
	assert_string_equal(rows_of(applier_db(a), sql), expected);
}

static void rows_are_stored_with_their_event(void **state)
{
	(void)state;
	add_feed();
	configure_one("prices", "{\"ticker\":\"AAPL\"}", "prices");
	event("prices", "{\"ticker\":\"AAPL\"}",
		"[{\"ts\":\"2016-11-05\",\"close\":\"109.5\",\"id\":\"005930\"},"
		"{\"close\":1.10,\"up\":true,\"more\":{\"a\": [1]}}]");
	event("prices", "{\"ticker\":\"AAPL\"}", "[]");
	event("prices", "{\"ticker\":\"AAPL\"}", "null");
	event("other", "{}", "[{\"close\":1}]");
	assert_rows(
		"SELECT _row & 16777215, event_id, (timestamp - 1478304000000000) / 1000000, ticker, "
		"ts, close, typeof(close), id, up, more FROM prices ORDER BY _row",
		"0|1|0|AAPL|2016-11-05|109.5|real|005930|NULL|NULL\n"
		"1|1|0|AAPL|NULL|1.10|text|NULL|1|{\"a\": [1]}\n");
	assert_rows("SELECT count(*) FROM row_note", "0\n");
}

static void what_is_no_array_of_objects_leaves_a_note(void **state)
{
	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	event("p", "{}", "{\"a\":1}");
	event("p", "{}", "[1,{\"a\":2},\"x\"]");
	event("p", "{}", "\"text\"");
	event("p", "{}", "{\"a\":3}");
	assert_rows("SELECT event_id, _row & 16777215, a FROM t", "2|1|2\n");
	assert_rows("SELECT note, events, first_id, last_id FROM row_note ORDER BY note",
		"an element of results is no object|1|2|2\n"
		"results is no array of objects|3|1|4\n");
}

static void names_that_clash_are_told_apart(void **state)
{
	(void)state;
	add_feed();
	configure_one("p", "{\"_row\":9,\"ticker\":\"P\",\"timestamp\":7}", "t");
	event("p", "{\"_row\":9,\"ticker\":\"P\",\"timestamp\":7}", "[{\"a\":1}]");
	event("p", "{\"_row\":9,\"ticker\":\"P\",\"timestamp\":7}",
		"[{\"TICKER\":\"R\",\"timestamp\":\"x\",\"event_id\":5,\"row_timestamp\":\"y\","
		"\"_ROW\":6,\"_more\":8,\"A\":2,\"a\":3}]");
	assert_rows(
		"SELECT param_ticker, param_timestamp, param__row, TICKER, row_timestamp, "
		"row_event_id, row_timestamp_2, row__ROW, row__more, a, _more FROM t ORDER BY _row",
		"P|7|9|NULL|NULL|NULL|NULL|NULL|NULL|1|NULL\n"
		"P|7|9|R|x|5|y|6|8|2|{\"a\":3}\n");
	assert_rows(
		"SELECT source, member, column FROM row_column WHERE column LIKE '%ticker' ORDER BY 1",
		"member|TICKER|TICKER\nparam|ticker|param_ticker\n");
}

static void an_index_follows_the_member_that_it_names(void **state)
{
	static const char *const index[] = { "ticker", "ts", "timestamp" };

	(void)state;
	add_feed();
	configure((struct want[]){ { "p", "{\"ticker\":\"P\"}", "t" }, { 0 } }, index, 3);
	assert_rows("SELECT group_concat(name) FROM pragma_index_info('t:1:ticker,ts,timestamp')",
		"ticker,ts,timestamp\n");
	event("p", "{\"ticker\":\"P\"}", "[{\"ts\":1}]");
	event("p", "{\"ticker\":\"P\"}", "[{\"ticker\":\"R\"}]");
	assert_rows("SELECT group_concat(name) FROM pragma_index_info('t:1:ticker,ts,timestamp')",
		"ticker,ts,timestamp\n");
	assert_rows("SELECT param_ticker, ticker, ts FROM t ORDER BY _row", "P|NULL|1\nP|R|NULL\n");
	assert_rows(
		"SELECT detail LIKE '%USING INDEX t:1:ticker,ts,timestamp (ticker=? AND ts>?)' FROM "
		"(SELECT 1 AS detail) LIMIT 0",
		"");
}

static void indexes_whose_columns_read_the_same_are_all_made(void **state)
{
	static const char *const indexes[][4] = { { "a,b" }, { "a", "b" }, { "a", "b_" },
		{ NULL } };

	(void)state;
	add_feed();
	for (int start = 0; start < 2; start++) {
		configure_indexes("{}", indexes);
		assert_rows(
			"SELECT l.name, group_concat(i.name, '|') FROM pragma_index_list('t') l, "
			"pragma_index_info(l.name) i GROUP BY 1 ORDER BY 1",
			"t:1:a,b|a,b\nt:1:a,b_|a|b\nt:1:a,b__|a|b_\n");
		close_recording();
		open_recording();
	}
}

static void an_index_of_a_param_that_makes_room_leaves_the_others(void **state)
{
	static const char *const indexes[][4] = { { "timestamp" }, { "param_ticker", "n" },
		{ NULL } };

	(void)state;
	add_feed();
	configure_indexes("{\"ticker\":\"A\"}", indexes);
	assert_rows(
		"SELECT name FROM sqlite_schema WHERE tbl_name = 't' AND type = 'index' ORDER BY name",
		"t:1:param_ticker,n\nt:1:timestamp\n");
}

static void odd_names_become_columns_or_go_into_more(void **state)
{
	char results[1024];
	char longest[200];

	(void)state;
	add_feed();
	configure_one("p", "{}", "order");
	memset(longest, 'n', sizeof(longest));
	longest[ROW_COLUMN_NAME_MAX + 1] = '\0';
	(void)snprintf(results, sizeof(results),
		"[{\"order\":1,\"a b\":2,\"x\\\"y\":3,\"\\u00e9\":4,\"]\":5,\"\":6,\"\\u0000\":7,\"\\ud800\":8,"
		"\"%s\":9,\"rowid\":10,\"a'b\":11,\"select\":12}]",
		longest);
	event("p", "{}", results);
	assert_rows(
		"SELECT \"order\", \"a b\", \"x\"\"y\", \"\xc3\xa9\", \"]\", rowid, \"a'b\", \"select\" FROM \"order\"",
		"1|2|3|4|5|10|11|12\n");
	(void)snprintf(results, sizeof(results), "{\"\":6,\"\\u0000\":7,\"\\ud800\":8,\"%s\":9}\n",
		longest);
	assert_rows("SELECT _more FROM \"order\"", results);
}

/* The table t anew and empty, with so many columns, PREFIX0, PREFIX1, ..., which are a user's or hold members. */
static void make_wide(const char *prefix, int columns, bool hold_members)
{
	static char sql[65536];
	size_t len = (size_t)snprintf(sql, sizeof(sql),
		"DROP TABLE t; CREATE TABLE t (_row INTEGER PRIMARY KEY, event_id INTEGER NOT NULL, "
		"timestamp INTEGER NOT NULL");
	struct err e;

	for (int i = 0; i < columns; i++)
		len += (size_t)snprintf(sql + len, sizeof(sql) - len, ", %s%d", prefix, i);
	(void)snprintf(sql + len, sizeof(sql) - len, "); DELETE FROM row_column");
	assert_true(db_exec(applier_db(a), sql, &e));
	if (hold_members)
		assert_true(db_exec(applier_db(a),
			"INSERT INTO row_column SELECT table_id, 'member', i.name, i.name "
			"FROM row_table, pragma_table_info('t') i WHERE cid >= 3",
			&e));
}

/* More members than a table can have columns, in one object. */
static void columns_beyond_the_limit_go_into_more(void **state)
{
	static char results[65536];
	size_t len = (size_t)snprintf(results, sizeof(results), "[{\"c0\":0");

	(void)state;
	add_feed();
	configure_one("p", "{\"ticker\":\"A\"}", "t");
	make_wide("c", ROW_COLUMNS_MAX - 10, true);
	configure_one("p", "{\"ticker\":\"A\"}", "t");
	for (int i = 1; i < 2100; i++)
		len += (size_t)snprintf(results + len, sizeof(results) - len, ",\"c%d\":%d", i, i);
	(void)snprintf(results + len, sizeof(results) - len, "}]");
	event("p", "{\"ticker\":\"A\"}", results);
	event("p", "{\"ticker\":\"A\"}", "[{\"c7\":1},{\"c2099\":2,\"z\":3}]");
	assert_rows("SELECT count(*) FROM pragma_table_info('t')", "1901\n");
	assert_rows(
		"SELECT (SELECT count(*) FROM json_each(_more)), json_extract(_more, '$.c2099'), c1895 "
		"FROM t ORDER BY _row LIMIT 1",
		"204|2099|1895\n");
	assert_rows("SELECT c7, _more FROM t WHERE event_id = 2 ORDER BY _row",
		"1|NULL\nNULL|{\"c2099\":2,\"z\":3}\n");
}

static void an_index_leaves_out_the_columns_that_there_is_no_room_for(void **state)
{
	static const char *const indexes[][4] = { { "new" }, { "new", "newer", "c7" }, { NULL } };

	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	make_wide("c", ROW_COLUMNS_MAX - 3, true);
	configure_indexes("{}", indexes);
	assert_rows(
		"SELECT l.name, i.name FROM pragma_index_list('t') l, pragma_index_info(l.name) i",
		"t:1:c7|c7\n");
	assert_rows("SELECT state FROM row_table ORDER BY table_id", "live\nfilling\n");
	event("p", "{}", "[{\"c7\":1}]");
	assert_rows("SELECT c7 FROM t", "1\n");
}

static void what_was_recorded_before_is_caught_up(void **state)
{
	(void)state;
	add_feed();
	for (int i = 0; i < 40; i++) {
		char results[64];

		(void)snprintf(results, sizeof(results), "[{\"n\":%d},{\"n\":%d}]", i, i + 1000);
		event(i % 2 == 0 ? "even" : "odd", "{}", results);
	}
	configure((struct want[]){ { "even", "{}", "t" }, { "odd", "{}", NULL }, { 0 } }, NULL, 0);
	event("even", "{}", "[{\"n\":40}]"); /* meanwhile */
	assert_rows("SELECT count(*) FROM t", "1\n");
	close_recording(); /* in the middle */
	open_recording();
	configure((struct want[]){ { "even", "{}", "t" }, { "odd", "{}", NULL }, { 0 } }, NULL, 0);
	assert_true(do_chores() > 20);
	assert_rows(
		"SELECT count(*), count(DISTINCT n), sum(n % 2), max(n) FROM t", "41|41|0|1038\n");
	assert_rows("SELECT count(*) FROM t JOIN event USING (event_id, timestamp)", "41\n");
	assert_rows("SELECT count(*) FROM row_source WHERE until_id IS NOT NULL", "0\n");
}

static void several_streams_share_a_table(void **state)
{
	const struct want wants[] = { { "p", "{\"ticker\":\"A\"}", "t" },
		{ "q", "{\"venue\":\"X\"}", "T" }, { 0 } };

	(void)state;
	add_feed();
	event("q", "{\"venue\":\"X\"}", "[{\"v\":0}]");
	configure(wants, NULL, 0);
	event("p", "{\"ticker\":\"A\"}", "[{\"v\":1}]");
	event("q", "{\"venue\":\"X\"}", "[{\"v\":2}]");
	(void)do_chores();
	assert_rows(
		"SELECT ticker, venue, v FROM t ORDER BY _row", "NULL|X|0\nA|NULL|1\nNULL|X|2\n");
}

static void changed_indexes_fill_another_table_that_is_swapped_in(void **state)
{
	static const char *const index[] = { "n" };
	const struct want wants[] = { { "p", "{}", "t" }, { 0 } };

	(void)state;
	add_feed();
	configure(wants, NULL, 0);
	for (int i = 0; i < 10; i++)
		event("p", "{}", "[{\"n\":1}]");
	configure(wants, index, 1);
	event("p", "{}", "[{\"n\":2}]");
	assert_rows("SELECT count(*) FROM t", "11\n"); /* the old one serves */
	(void)do_chores();
	assert_rows("SELECT count(*), sum(n) FROM t", "11|12\n");
	assert_rows("SELECT name FROM pragma_index_list('t')", "t:2:n\n");
	assert_rows("SELECT table_id, name, state FROM row_table", "2|t|live\n");
	assert_rows("SELECT count(*) FROM sqlite_schema WHERE name LIKE 't:%' AND type = 'table'",
		"0\n");
	event("p", "{}", "[{\"n\":3}]");
	assert_rows("SELECT count(*), sum(n) FROM t", "12|15\n");
}

static void a_stream_that_moves_takes_its_rows_along(void **state)
{
	(void)state;
	add_feed();
	configure((struct want[]){ { "p", "{}", "t" }, { "q", "{}", "t" }, { 0 } }, NULL, 0);
	event("p", "{}", "[{\"n\":1}]");
	event("q", "{}", "[{\"n\":2}]");
	configure((struct want[]){ { "p", "{}", "t" }, { "q", "{}", "u" }, { 0 } }, NULL, 0);
	event("q", "{}", "[{\"n\":3}]");
	(void)do_chores();
	assert_rows("SELECT n FROM t", "1\n");
	assert_rows("SELECT n FROM u ORDER BY _row", "2\n3\n");
}

static void a_stream_that_is_not_recorded_any_more_leaves_its_rows(void **state)
{
	static const char *const index[] = { "n" };

	(void)state;
	add_feed();
	configure((struct want[]){ { "p", "{}", "t" }, { "q", "{}", "t" }, { 0 } }, NULL, 0);
	event("p", "{}", "[{\"n\":1}]");
	event("q", "{}", "[{\"n\":2}]");
	configure_one("p", "{}", "t");
	event("q", "{}", "[{\"n\":3}]"); /* unconfigured, and yet delivered */
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n");
	configure((struct want[]){ { "p", "{}", "t" }, { 0 } }, index, 1);
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n");
	configure((struct want[]){ { "p", "{}", "t" }, { "q", "{}", "t" }, { 0 } }, index, 1);
	event("q", "{}", "[{\"n\":4}]");
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n3\n4\n");
}

static void a_table_that_is_not_configured_any_more_stays(void **state)
{
	(void)state;
	add_feed();
	event("p", "{}", "[{\"n\":0}]");
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":1}]");
	configure_one("p", "{}", NULL);
	event("p", "{}", "[{\"n\":2}]");
	(void)do_chores(); /* what was behind is caught up nevertheless */
	assert_rows("SELECT n FROM t ORDER BY n", "0\n1\n");
	configure_one("p", "{}", "t");
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "0\n1\n2\n");
}

static void a_table_that_somebody_dropped_comes_again(void **state)
{
	struct err e;

	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a), "DROP TABLE t", &e));
	event("p", "{}", "[{\"n\":2}]"); /* is stored all the same */
	assert_rows("SELECT count(*) FROM event", "2\n");
	close_recording();
	open_recording();
	configure_one("p", "{}", "t");
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n");
	assert_true(db_exec(applier_db(a), "ALTER TABLE t DROP COLUMN n", &e));
	event("p", "{}", "[{\"n\":3}]");
	configure_one("p", "{}", "t");
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n3\n");
}

static void a_table_that_somebody_renamed_keeps_its_index_and_another_gets_one(void **state)
{
	struct want wants[] = { { "p", "{}", "t" }, { 0 } };
	struct err e;

	(void)state;
	add_feed();
	configure(wants, (const char *const[]){ "n" }, 1);
	event("p", "{}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a), "ALTER TABLE t RENAME TO kept", &e));
	configure(wants, (const char *const[]){ "n" }, 1);
	(void)do_chores();
	event("p", "{}", "[{\"n\":2}]");
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n");
	assert_rows(
		"SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name LIKE 't:%' ORDER BY 1",
		"kept\nt\n");
}

static void a_name_that_is_taken_makes_no_table(void **state)
{
	struct err e;

	(void)state;
	add_feed();
	assert_true(db_exec(applier_db(a), "CREATE TABLE mine (x)", &e));
	configure_one("p", "{}", "mine");
	event("p", "{}", "[{\"n\":1}]");
	(void)do_chores();
	assert_rows("SELECT count(*) FROM mine", "0\n");
	assert_rows("SELECT count(*) FROM row_table", "0\n");
	assert_true(db_exec(applier_db(a), "DROP TABLE mine", &e));
	configure_one("p", "{}", "mine");
	(void)do_chores();
	assert_rows("SELECT n FROM mine", "1\n");
}

static char told[4000];

static void tell(void *arg, const char *finding)
{
	size_t len = strlen(told);

	(void)arg;
	if (strncmp(finding, "row table", 9) == 0)
		(void)snprintf(told + len, sizeof(told) - len, "%s\n", finding);
}

/* What is found in the row tables. */
static const char *findings(void)
{
	struct err e;

	told[0] = '\0';
	if (!verify(scratch_file(&scratch, "market.db"), tell, NULL, &e))
		fail_msg("%s", e.text);
	return told;
}

static void columns_that_a_user_adds_are_his(void **state)
{
	struct err e;

	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a),
		"ALTER TABLE t ADD COLUMN mine; UPDATE t SET mine = 5; CREATE VIEW v AS SELECT n, mine FROM t",
		&e));
	close_recording();
	open_recording();
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":2}]");
	assert_rows("SELECT * FROM v ORDER BY n", "1|5\n2|NULL\n");
}

static void a_view_that_a_user_has_broken_is_in_nobodys_way(void **state)
{
	const char *const index[] = { "param_venue" };
	struct err e;

	(void)state;
	add_feed();
	configure_one("p", "{\"ticker\":\"A\",\"venue\":\"X\"}", "t");
	event("p", "{\"ticker\":\"A\",\"venue\":\"X\"}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a),
		"CREATE VIEW broken AS SELECT * FROM nowhere; CREATE VIEW sound AS SELECT n, ticker FROM t; "
		"CREATE TRIGGER his AFTER INSERT ON t WHEN 0 BEGIN INSERT INTO nowhere VALUES (1); END",
		&e));
	configure((struct want[]){ { "p", "{\"ticker\":\"A\",\"venue\":\"X\"}", "t" }, { 0 } },
		index, 1);
	(void)do_chores();
	event("p", "{\"ticker\":\"A\",\"venue\":\"X\"}", "[{\"n\":2,\"ticker\":\"R\"}]");
	assert_rows("SELECT n, ticker, param_ticker, param_venue FROM t ORDER BY n",
		"1|NULL|A|X\n2|R|A|X\n");
	assert_rows("SELECT state FROM row_table", "live\n");
	assert_string_equal(findings(), "");
}

/* More columns than SQLite has room for; another table, and the events, are stored all the same. */
static void a_table_that_cannot_be_as_configured_stops_nothing_else(void **state)
{
	const char *const index[] = { "n" };
	struct err e;

	(void)state;
	add_feed();
	event("p", "{}", "[{\"n\":1}]");
	configure_one("p", "{}", "t");
	make_wide("mine", 1997, false);
	configure((struct want[]){ { "p", "{}", "t" }, { "p", "{\"q\":1}", "other" }, { 0 } },
		index, 1);
	event("p", "{\"q\":1}", "[{\"n\":2}]");
	event("p", "{}", "[{\"n\":3}]");
	(void)do_chores();
	assert_rows("SELECT count(*) FROM event", "3\n");
	assert_rows("SELECT n FROM other", "2\n");
	assert_rows("SELECT name, state FROM row_table ORDER BY name", "other|live\nt|broken\n");
	assert_true(db_exec(applier_db(a), "DROP TABLE t", &e));
	configure_one("p", "{}", "t");
	(void)do_chores();
	assert_rows("SELECT n FROM t ORDER BY n", "1\n3\n");
}

static void a_member_named_as_a_users_column_gets_another(void **state)
{
	struct err e;

	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a),
		"ALTER TABLE t ADD COLUMN Mine; UPDATE t SET mine = 5; "
		"ALTER TABLE t ADD COLUMN twice AS (n * 2)",
		&e));
	event("p", "{}", "[{\"n\":2,\"mine\":\"theirs\",\"twice\":6}]");
	assert_rows("SELECT n, mine, twice, mine_2, twice_2 FROM t ORDER BY n",
		"1|5|2|NULL|NULL\n2|NULL|4|theirs|6\n");
	close_recording();
	open_recording();
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":3,\"mine\":\"theirs\"}]");
	assert_rows("SELECT n, mine, mine_2 FROM t WHERE n > 1", "2|NULL|theirs\n3|NULL|theirs\n");
	assert_string_equal(findings(), "");
}

static void an_index_may_name_a_users_column(void **state)
{
	struct err e;

	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	event("p", "{}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a),
		"ALTER TABLE t ADD COLUMN Mine; ALTER TABLE t ADD COLUMN twice AS (n * 2)", &e));
	configure((struct want[]){ { "p", "{}", "t" }, { 0 } },
		(const char *const[]){ "mine", "twice", "n" }, 3);
	assert_rows("SELECT group_concat(name) FROM pragma_index_info('t:1:mine,twice,n')",
		"Mine,twice,n\n");
	assert_rows(
		"SELECT group_concat(name) FROM pragma_table_info('t') WHERE cid >= 3", "n,Mine\n");
	(void)do_chores();
	event("p", "{}", "[{\"n\":2}]");
	assert_rows("SELECT n FROM t ORDER BY n", "1\n2\n");
	assert_string_equal(findings(), "");
}

/* The batch that a user's trigger has rolled back is not taken for stored, and the table no more for one to fill. */
static void a_trigger_that_rolls_back_loses_no_event(void **state)
{
	struct apply_mark mark;
	struct batch *b;
	int64_t last;
	struct err e;

	(void)state;
	add_feed();
	configure_one("p", "{}", "t");
	assert_true(db_exec(applier_db(a),
		"CREATE TRIGGER his BEFORE INSERT ON t WHEN new.n = 2 BEGIN SELECT raise(ROLLBACK, 'no'); END",
		&e));
	b = batch_new();
	for (int i = 1; i < 4; i++) {
		char results[16];

		(void)snprintf(results, sizeof(results), "[{\"n\":%d}]", i);
		add_event(b, "p", "{}", results);
	}
	mark = (struct apply_mark){ run_id, batch_number + 1, clock_us };
	assert_int_equal(applier_apply(a, b, &mark, &e), APPLY_FAILED);
	applier_close(a);
	assert_true(applier_open(&a, &options, duplicates, &e));
	assert_true(applier_last_batch(a, run_id, &last, &e));
	assert_int_equal(last, batch_number);
	configure_one("p", "{}", "t");
	commit(b);
	(void)do_chores();
	assert_rows("SELECT event_id, results FROM event",
		"1|[{\"n\":1}]\n2|[{\"n\":2}]\n3|[{\"n\":3}]\n");
	assert_rows("SELECT event_id, n FROM t", "1|1\n2|2\n3|3\n");
}

static void tables_that_are_sound_have_no_finding_at_any_moment(void **state)
{
	const struct want wants[] = { { "p", "{\"n\":1}", "t" }, { "q", "{}", "T" }, { 0 } };
	bool more = true;
	struct err e;

	(void)state;
	add_feed();
	for (int i = 0; i < 10; i++)
		event(i % 3 == 0 ? "q" : "p", i % 3 == 0 ? "{}" : "{\"n\":1}",
			"[{\"n\":2.5,\"N\":\"1.10\",\"timestamp\":3,\"a\":{}},5,{\"\":7}]");
	configure(wants, NULL, 0);
	while (more) {
		assert_string_equal(findings(), "");
		event("q", "{}", "[{\"n\":4,\"new\":null},{}]");
		assert_int_equal(
			applier_chore(a, &(struct trim_clock){ 0 }, &more, &e), APPLY_STORED);
	}
	configure_one("p", "{\"n\":1}", "t");
	event("q", "{}", "[{\"n\":5}]");
	assert_string_equal(findings(), "");
	configure_one("p", "{\"n\":1}", NULL);
	event("p", "{\"n\":1}", "[{\"n\":5}]");
	assert_string_equal(findings(), "");
	configure(wants, NULL, 0);
	assert_string_equal(findings(), "");
	assert_true(db_exec(applier_db(a), "ALTER TABLE t ADD COLUMN mine DEFAULT 5", &e));
	assert_string_equal(findings(), "");
}

/* An event of the past that is caught up after a new one is the first, not the last. */
static void notes_tell_of_the_past_too(void **state)
{
	(void)state;
	add_feed();
	event("p", "{}", "1");
	event("p", "{}", "2");
	configure_one("p", "{}", "t");
	event("p", "{}", "3");
	assert_rows("SELECT events, first_id, last_id FROM row_note", "1|3|3\n");
	assert_string_equal(findings(), "");
	(void)do_chores();
	assert_rows("SELECT events, first_id, last_id FROM row_note", "3|1|3\n");
	assert_string_equal(findings(), "");
}

/* The values of a member named `price` go into a column that a user has added before if it gives them back. */
static void a_column_that_a_user_has_added_takes_its_member_unchanged(void **state)
{
	static const struct {
		const char *sql;
		const char *columns; /* that are there afterwards */
		const char *column;  /* that holds the member */
	} cases[] = {
		{ "ALTER TABLE t ADD COLUMN price", "n,price", "price" },
		{ "ALTER TABLE t ADD COLUMN PRICE BLOB", "n,PRICE", "PRICE" },
		{ "ALTER TABLE t ADD COLUMN price TEXT", "n,price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN Price REAL", "n,Price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price ANY", "n,price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price DEFAULT 7", "n,price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price NOT NULL DEFAULT 7", "n,price,price_2",
			"price_2" },
		{ "ALTER TABLE t ADD COLUMN price CHECK (price > 6 OR price IS NULL)",
			"n,price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price REFERENCES feed", "n,price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price AS (n * 2)", "n,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price; CREATE UNIQUE INDEX u ON t (price)",
			"n,price,price_2", "price_2" },
		{ "ALTER TABLE t ADD COLUMN price; UPDATE t SET price = 'mine'", "n,price,price_2",
			"price_2" },
		{ "ALTER TABLE t ADD COLUMN price TEXT; ALTER TABLE t ADD COLUMN price_2",
			"n,price,price_2,price_3", "price_3" },
	};
	char sql[200];
	struct err e;

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		size_t k = i / 2;

		add_feed();
		configure_one("p", "{}", "t");
		event("p", "{}", "[{\"n\":1}]");
		if (!db_exec(applier_db(a), cases[k].sql, &e))
			fail_msg("%s: %s", cases[k].sql, e.text);
		if (i % 2 != 0) { /* after a restart */
			close_recording();
			open_recording();
			configure_one("p", "{}", "t");
		}
		event("p", "{}", "[{\"n\":1,\"price\":5},{\"Price\":\"005930\"}]");
		close_recording();
		open_recording();
		configure_one("p", "{}", "t");
		event("p", "{}", "[{\"price\":1.5}]");
		assert_rows("SELECT state FROM row_table", "live\n");
		(void)snprintf(sql, sizeof(sql), "%s\n", cases[k].columns);
		assert_rows("SELECT group_concat(name) FROM pragma_table_info('t') WHERE cid >= 3",
			sql);
		(void)snprintf(sql, sizeof(sql), "SELECT %s FROM t ORDER BY _row", cases[k].column);
		assert_rows(sql, "NULL\n5\n005930\n1.5\n");
		(void)snprintf(sql, sizeof(sql),
			"SELECT group_concat(typeof(%s)) FROM (SELECT * FROM t ORDER BY _row)",
			cases[k].column);
		assert_rows(sql, "null,integer,text,real\n");
		assert_string_equal(findings(), "");
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void columns_of_a_user_are_in_nobodys_way(void **state)
{
	static const char *const index[] = { "ticker" };
	struct err e;

	(void)state;
	add_feed();
	configure((struct want[]){ { "p", "{\"ticker\":\"P\"}", "t" }, { 0 } }, index, 1);
	event("p", "{\"ticker\":\"P\"}", "[{\"n\":1}]");
	assert_true(db_exec(applier_db(a),
		"ALTER TABLE t ADD COLUMN param_ticker; ALTER TABLE t ADD COLUMN row_timestamp; "
		"ALTER TABLE t ADD COLUMN _MORE",
		&e));
	event("p", "{\"ticker\":\"P\"}", "[{\"ticker\":\"R\",\"timestamp\":9,\"\":8,\"rowid\":7}]");
	assert_rows(
		"SELECT param_ticker, row_timestamp, _more, param_ticker_2, ticker, rowid FROM t "
		"ORDER BY _row",
		"NULL|NULL|NULL|P|NULL|NULL\nNULL|9|{\"\":8}|P|R|7\n");
	assert_rows("SELECT group_concat(name) FROM pragma_index_info('t:1:ticker')", "ticker\n");
	assert_string_equal(findings(), "");
	close_recording();
	open_recording();
	configure((struct want[]){ { "p", "{\"ticker\":\"P\"}", "t" }, { 0 } }, index, 1);
	event("p", "{\"ticker\":\"P\"}", "[{\"\":6}]");
	assert_rows("SELECT _more, param_ticker_2 FROM t WHERE event_id = 3", "{\"\":6}|P\n");
	assert_rows("SELECT state FROM row_table", "live\n");
	assert_string_equal(findings(), "");
}

static void each_damage_to_a_note_is_found(void **state)
{
#define NOTE "row table \"t\", stream 1: row_note tells of "
#define ARRAY ": results is no array of objects\n"
	static const struct {
		const char *sql;
		const char *finding;
	} damages[] = {
		{ "DELETE FROM row_note", NOTE "no events, there are 2 from 1 to 3" ARRAY },
		{ "UPDATE row_note SET events = 3",
			NOTE "3 events from 1 to 3, there are 2 from 1 to 3" ARRAY },
		{ "UPDATE row_note SET last_id = 2",
			NOTE "2 events from 1 to 2, there are 2 from 1 to 3" ARRAY },
		{ "INSERT INTO row_note VALUES (1, 1, 'x', 1, 2, 2)",
			NOTE "1 events from 2 to 2, there are none: x\n" },
		/* Retention has deleted earlier events. */
		{ "UPDATE row_note SET events = 9; UPDATE stream SET retained_from = 1", "" },
		{ "UPDATE row_note SET events = 1; UPDATE stream SET retained_from = 1",
			NOTE "1 events from 1 to 3, there are 2 from 1 to 3" ARRAY },
		{ "DELETE FROM row_note; UPDATE stream SET retained_from = 1",
			NOTE "no events, there are 2 from 1 to 3" ARRAY },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(damages); i++) {
		add_feed();
		configure_one("p", "{}", "t");
		event("p", "{}", "1");
		event("p", "{}", "[{\"n\":1}]");
		event("p", "{}", "{}");
		assert_string_equal(findings(), "");
		if (!db_exec(applier_db(a), damages[i].sql, &e))
			fail_msg("%s: %s", damages[i].sql, e.text);
		if (strcmp(findings(), damages[i].finding) != 0)
			fail_msg("after %s: %s", damages[i].sql, told);
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void each_damage_to_a_table_is_found(void **state)
{
	static const struct {
		const char *sql;
		const char *finding;
	} damages[] = {
		{ "DELETE FROM t WHERE n = 2", "row table \"t\", event 1: a row is missing\n" },
		{ "DELETE FROM t", "row table \"t\", event 1: a row is missing\n" },
		{ "UPDATE t SET n = 9 WHERE n = 1",
			"row table \"t\", event 1: a row differs from its results\n" },
		{ "UPDATE t SET n = CAST(n AS TEXT) WHERE n = 1",
			"row table \"t\", event 1: a row differs from its results\n" },
		{ "UPDATE t SET timestamp = timestamp + 1 WHERE n = 1",
			"row table \"t\", event 1: a row differs from its results\n" },
		{ "UPDATE t SET ticker = NULL WHERE n = 2",
			"row table \"t\", event 1: a row differs from its results\n" },
		{ "UPDATE t SET _row = _row + 7 WHERE n = 2",
			"row table \"t\", event 1: a row is missing\n" },
		{ "INSERT INTO t (_row, event_id, timestamp) VALUES ((1 << 24) + 2, 1, 5)",
			"row table \"t\", event 1: it has a row that its results do not have\n" },
		{ "INSERT INTO t (_row, event_id, timestamp) VALUES (5 << 24, 5, 5)",
			"row table \"t\", event 5: it has a row, and should have none\n" },
		{ "DELETE FROM row_column WHERE member = 'n'; ALTER TABLE t DROP COLUMN n",
			"row table \"t\", event 1: a member of its rows has no column\n" },
		{ "ALTER TABLE t DROP COLUMN n",
			"row table \"t\": it, or a column of it, has gone\n" },
		{ "DROP TABLE t", "row table \"t\": it, or a column of it, has gone\n" },
		{ "UPDATE row_table SET state = 'broken'",
			"row table \"t\": it was given up, and is filled anew after the next start or SIGHUP\n" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(damages); i++) {
		add_feed();
		configure_one("p", "{\"ticker\":\"A\"}", "t");
		event("p", "{\"ticker\":\"A\"}", "[{\"n\":1},{\"n\":2}]");
		assert_string_equal(findings(), "");
		if (!db_exec(applier_db(a), damages[i].sql, &e))
			fail_msg("%s: %s", damages[i].sql, e.text);
		if (strcmp(findings(), damages[i].finding) != 0)
			fail_msg("after %s: %s", damages[i].sql, told);
		(void)tear_down(state);
		(void)set_up(state);
	}
}

#define BEHAVIOUR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BEHAVIOUR(rows_are_stored_with_their_event),
		BEHAVIOUR(what_is_no_array_of_objects_leaves_a_note),
		BEHAVIOUR(names_that_clash_are_told_apart),
		BEHAVIOUR(an_index_follows_the_member_that_it_names),
		BEHAVIOUR(indexes_whose_columns_read_the_same_are_all_made),
		BEHAVIOUR(an_index_of_a_param_that_makes_room_leaves_the_others),
		BEHAVIOUR(odd_names_become_columns_or_go_into_more),
		BEHAVIOUR(columns_beyond_the_limit_go_into_more),
		BEHAVIOUR(an_index_leaves_out_the_columns_that_there_is_no_room_for),
		BEHAVIOUR(what_was_recorded_before_is_caught_up),
		BEHAVIOUR(several_streams_share_a_table),
		BEHAVIOUR(changed_indexes_fill_another_table_that_is_swapped_in),
		BEHAVIOUR(a_stream_that_moves_takes_its_rows_along),
		BEHAVIOUR(a_stream_that_is_not_recorded_any_more_leaves_its_rows),
		BEHAVIOUR(a_table_that_is_not_configured_any_more_stays),
		BEHAVIOUR(a_table_that_somebody_dropped_comes_again),
		BEHAVIOUR(a_table_that_somebody_renamed_keeps_its_index_and_another_gets_one),
		BEHAVIOUR(a_name_that_is_taken_makes_no_table),
		BEHAVIOUR(columns_that_a_user_adds_are_his),
		BEHAVIOUR(a_view_that_a_user_has_broken_is_in_nobodys_way),
		BEHAVIOUR(a_table_that_cannot_be_as_configured_stops_nothing_else),
		BEHAVIOUR(a_member_named_as_a_users_column_gets_another),
		BEHAVIOUR(an_index_may_name_a_users_column),
		BEHAVIOUR(a_trigger_that_rolls_back_loses_no_event),
		BEHAVIOUR(tables_that_are_sound_have_no_finding_at_any_moment),
		BEHAVIOUR(a_column_that_a_user_has_added_takes_its_member_unchanged),
		BEHAVIOUR(columns_of_a_user_are_in_nobodys_way),
		BEHAVIOUR(notes_tell_of_the_past_too),
		BEHAVIOUR(each_damage_to_a_note_is_found),
		BEHAVIOUR(each_damage_to_a_table_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
