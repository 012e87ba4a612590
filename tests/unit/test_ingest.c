/*
 * ingest: every event ends in `event` or in `rejected`, byte for byte.
 */
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include "base/log.h"
#include "record/ingest.h"

static struct scratch scratch;
static char database[PATH_MAX];
static struct writer *writer;
static struct ingest ingest;
static struct endpoints set;

static const struct config_endpoint endpoints[] = {
	{ .path = SLICE_LITERAL("p"), .params = SLICE_LITERAL("{}") },
};

static const struct config_feed default_feed = {
	.name = "f",
	.dialect = { .data = { .event = "data",
			     .path = "/path",
			     .params = "/params",
			     .timestamp = "/timestamp",
			     .results = "/results" },
		.data_is_default = true },
	.endpoints = endpoints,
	.n_endpoints = COUNT(endpoints),
};

static const struct config_feed bitbank_feed = {
	.name = "bitbank",
	.dialect = { .data = { .event = "message",
			     .path = "/room_name",
			     .timestamp = "/message/data/timestamp",
			     .results = "/message/data" } },
	.endpoints = endpoints,
	.n_endpoints = COUNT(endpoints),
};

static const struct config_feed bitflyer_feed = {
	.name = "bitflyer",
	.dialect = { .data = { .event = "*", .results = "" } },
	.endpoints = endpoints,
	.n_endpoints = COUNT(endpoints),
};

static void begin(const struct config_feed *feed)
{
	struct writer_options o = { .path = database, .mode = 0600, .buffer_bytes = 64 << 20 };
	struct store_feed row = { "f", "u", "/", "/", "{}" };
	int64_t feed_id = 0;
	struct err e;

	endpoints_init(&set, 1);
	if (!writer_open(&writer, &o, &e) || !writer_feed(writer, &row, &feed_id, &e) ||
		!endpoints_update(&set, feed, &e) ||
		!ingest_init(&ingest, writer, feed, &set, feed_id, &e))
		fail_msg("%s", e.text);
	assert_true(batch_add_opened(writer_batch(writer), 1, feed_id, 1, (struct slice){ 0 }));
}

static void wake(void *arg)
{
	(void)arg;
}

static void end(void)
{
	uint64_t lost;
	struct err e;

	ingest_release(&ingest);
	endpoints_release(&set);
	assert_true(writer_start(writer, wake, NULL, &e));
	assert_true(writer_close(writer, 1, 10000, &lost));
}

static void take(const char *payload)
{
	struct ingest_event event = {
		.connection_id = 1, .received_us = 5000000, .payload = slice_of(payload)
	};

	assert_true(ingest_take(&ingest, &event));
}

static const char *rows(const char *sql)
{
	sqlite3 *db = NULL;
	const char *text;

	assert_int_equal(sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	text = rows_of(db, sql);
	(void)sqlite3_close(db);
	return text;
}

static const char *events(void)
{
	return rows("SELECT path, params, timestamp, timestamp_text, results, extra FROM event "
		    "JOIN stream USING (stream_id) ORDER BY event_id");
}

static const char *rejections(void)
{
	return rows("SELECT reason, CAST(bytes AS TEXT) FROM rejected ORDER BY rejected_id");
}

static void an_event_keeps_its_bytes(void **state)
{
	(void)state;
	begin(&default_feed);
	take("[\"data\",{\"path\":\"p\",\"params\":{},\"timestamp\":\"1970-01-01T00:00:01.000Z\","
	     "\"results\":[ {\"a\": 1.10, \"b\":-0,\"c\":1e400, \"d\":12345678901234567890,"
	     "\"e\":\"\\u00e9\\/\xf0\x9f\x98\x80\"} ]}]");
	take(" [ \"data\" , { \"results\" : null , \"timestamp\" : 2.5 , \"params\" : "
	     "{ \"b\" : 1 , \"a\" : \"\\u0041\" } , \"path\" : \"\\u0070\" } ] ");
	take("[\"data\",{\"path\":\"p\",\"timestamp\":\"3\",\"results\":[]}]");
	end();
	assert_string_equal(events(),
		"p|{}|1000000|NULL|[ {\"a\": 1.10, \"b\":-0,\"c\":1e400, \"d\":12345678901234567890,"
		"\"e\":\"\\u00e9\\/\xf0\x9f\x98\x80\"} ]|NULL\n"
		"p|{\"a\":\"A\",\"b\":1}|2500000|2.5|null|NULL\n"
		"p|{}|3000000|\"3\"|[]|NULL\n");
	assert_string_equal(rejections(), "");
}

static void whatever_else_came_is_kept_in_extra(void **state)
{
	(void)state;
	begin(&default_feed);
	take("[\"data\",{\"path\":\"p\",\"method\":\"GET\",\"timestamp\":1,\"n\":[1.0],\"results\":1}]");
	take("[\"data\",{\"path\":\"p\",\"timestamp\":1,\"results\":1},\"more\", 2.0]");
	take("[\"data\",{\"path\":\"p\",\"timestamp\":1,\"results\":1,\"z\":{}},null]");
	end();
	assert_string_equal(rows("SELECT extra FROM event ORDER BY event_id"),
		"{\"members\":{\"method\":\"GET\",\"n\":[1.0]}}\n"
		"{\"args\":[\"more\", 2.0]}\n"
		"{\"members\":{\"z\":{}},\"args\":[null]}\n");
}

static void what_is_not_understood_is_rejected_with_its_reason(void **state)
{
	static const struct {
		const char *payload;
		const char *reason;
	} cases[] = {
		{ "[\"data\",{\"timestamp\":1,\"results\":1}]", "no path" },
		{ "[\"data\",{\"path\":7,\"timestamp\":1,\"results\":1}]",
			"the path is not a string" },
		{ "[\"data\",{\"path\":\"\\ud800\",\"timestamp\":1,\"results\":1}]",
			"unreadable path" },
		{ "[\"data\",{\"path\":\"a\\u0000\",\"timestamp\":1,\"results\":1}]", "zero byte" },
		{ "[\"data\",{\"path\":\"p\",\"results\":1}]", "no timestamp" },
		{ "[\"data\",{\"path\":\"p\",\"timestamp\":\"soon\",\"results\":1}]",
			"unreadable timestamp" },
		{ "[\"data\",{\"path\":\"p\",\"timestamp\":null,\"results\":1}]",
			"unreadable timestamp" },
		{ "[\"data\",{\"path\":\"p\",\"timestamp\":1}]", "no results" },
		{ "[\"data\",{\"path\":\"p\",\"timestamp\":1,\"params\":{\"a\":1,\"a\":2},\"results\":1}]",
			"unreadable params" },
		{ "[\"data\",\"text\"]", "not an object" },
		{ "[\"data\",[1]]", "not an object" },
		{ "[\"data\"]", "no argument" },
		{ "[\"data\",{]", "not JSON" },
		{ "[7,{}]", "" },
	};
	const char *at;

	(void)state;
	begin(&default_feed);
	for (size_t i = 0; i < COUNT(cases); i++)
		take(cases[i].payload);
	end();
	assert_string_equal(events(), "");
	at = rejections();
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *line_end = strchr(at, '\n');
		const char *reason = strstr(at, cases[i].reason);
		const char *payload = strstr(at, cases[i].payload);

		assert_non_null(line_end);
		if (reason == NULL || reason > line_end || payload == NULL || payload > line_end)
			fail_msg("case %zu: %s", i, at);
		at = line_end + 1;
	}
	assert_string_equal(at, "");
}

static void events_of_other_names_are_not_data(void **state)
{
	(void)state;
	begin(&default_feed);
	take("[\"welcome\",{\"path\":\"p\",\"timestamp\":1,\"results\":1}]");
	take("[\"dat\\u0061\",{\"path\":\"p\",\"timestamp\":1,\"results\":1}]");
	end();
	assert_string_equal(events(), "p|{}|1000000|1|1|NULL\n");
	assert_string_equal(rejections(), "");
}

static void nested_places_are_found_and_the_rest_keeps_its_shape(void **state)
{
	(void)state;
	begin(&bitbank_feed);
	take("[\"message\",{\"room_name\":\"ticker_btc_jpy\",\"message\":{\"pid\":1,\"data\":"
	     "{\"sell\":\"1.10\",\"timestamp\":1570080042822}}}]");
	take("[\"message\",{\"room_name\":\"r\",\"message\":{\"data\":{}}}]");
	end();
	assert_string_equal(events(),
		"ticker_btc_jpy|{}|1570080042822000|1570080042822|"
		"{\"sell\":\"1.10\",\"timestamp\":1570080042822}|{\"members\":{\"message\":{\"pid\":1}}}\n"
		"r|{}|5000000||{}|NULL\n"); /* no timestamp: the time of arrival */
}

static void the_name_can_be_the_path_and_the_argument_the_results(void **state)
{
	(void)state;
	begin(&bitflyer_feed);
	take("[\"lightning_ticker_BTC_JPY\",{\"best\":1.10}]");
	take("[\"lightning_executions\",[1,2]]");
	take("[\"nothing\"]");
	end();
	assert_string_equal(events(),
		"lightning_ticker_BTC_JPY|{}|5000000||{\"best\":1.10}|NULL\n"
		"lightning_executions|{}|5000000||[1,2]|NULL\n");
	assert_string_equal(rejections(), "the event has no argument|[\"nothing\"]\n");
}

static void attachments_are_kept_with_their_event(void **state)
{
	const struct slice attachments[] = { { "\0\1", 2 }, { "", 0 } };
	struct ingest_event event = { .connection_id = 1,
		.received_us = 7,
		.payload = SLICE_LITERAL("[\"data\",{\"path\":\"p\",\"timestamp\":1,\"results\":"
					 "{\"_placeholder\":true,\"num\":0}}]"),
		.attachments = attachments,
		.attachment_count = 2 };

	(void)state;
	begin(&default_feed);
	take("[\"data\",{\"path\":\"p\",\"timestamp\":1,\"results\":0}]");
	assert_true(ingest_take(&ingest, &event));
	end();
	assert_string_equal(
		rows("SELECT event_id, number, hex(data) FROM attachment ORDER BY number"),
		"2|0|0001\n2|1|\n");
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

#define WITH_DATABASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DATABASE(an_event_keeps_its_bytes),
		WITH_DATABASE(whatever_else_came_is_kept_in_extra),
		WITH_DATABASE(what_is_not_understood_is_rejected_with_its_reason),
		WITH_DATABASE(events_of_other_names_are_not_data),
		WITH_DATABASE(nested_places_are_found_and_the_rest_keeps_its_shape),
		WITH_DATABASE(the_name_can_be_the_path_and_the_argument_the_results),
		WITH_DATABASE(attachments_are_kept_with_their_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
