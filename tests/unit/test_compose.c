/*
 * compose: what is written of an event is recorded as the same event again, in every dialect.
 */
#include "unit.h"

#include "base/json.h"
#include "base/json_canon.h"
#include "base/json_scan.h"
#include "base/timestamp.h"
#include "compose.h"

/* What a recorder keeps of an event. */
struct kept {
	struct buf name, path, params, timestamp, results, extra;
	bool has_timestamp, has_extra;
};

static void copy_slice(struct buf *to, struct slice from)
{
	buf_init(to, 1 << 20);
	if (from.ptr != NULL)
		assert_true(buf_append_slice(to, from));
}

static void keep_extra(
	struct kept *k, const struct event_scan *scan, const struct json_places *places)
{
	buf_init(&k->extra, 1 << 20);
	k->has_extra = scan->has_members || scan->more.len != 0;
	assert_true(buf_append_char(&k->extra, '{'));
	if (scan->has_members) {
		assert_true(buf_append_str(&k->extra, "\"members\":"));
		assert_true(json_scan_members(scan, places, &k->extra));
	}
	if (scan->has_members && scan->more.len != 0)
		assert_true(buf_append_char(&k->extra, ','));
	if (scan->more.len != 0)
		assert_true(buf_printf(
			&k->extra, "\"args\":[%.*s]", (int)scan->more.len, scan->more.ptr));
	assert_true(buf_append_char(&k->extra, '}'));
}

static void keep(struct kept *k, const struct compose *c, const char *payload)
{
	struct event_scan scan;
	struct slice token;
	struct err e;
	int64_t us;

	if (!json_scan_event(slice_of(payload), c->places, &scan, &e))
		fail_msg("%s: %s", payload, e.text);
	token = c->dialect->data.path == NULL ? scan.name : scan.slot[EVENT_PATH];
	buf_init(&k->path, 1000);
	assert_true(json_string_decode(token, &k->path, &e));
	copy_slice(&k->name, scan.name);
	copy_slice(&k->results, scan.slot[EVENT_RESULTS]);
	assert_non_null(scan.slot[EVENT_RESULTS].ptr);
	buf_init(&k->params, 1000);
	if (scan.slot[EVENT_PARAMS].ptr == NULL)
		assert_true(buf_append_str(&k->params, "{}"));
	else
		assert_true(json_canon(scan.slot[EVENT_PARAMS], &k->params, &e));
	token = scan.slot[EVENT_TIMESTAMP];
	k->has_timestamp = token.ptr != NULL;
	copy_slice(&k->timestamp, token);
	if (token.ptr != NULL)
		assert_true(timestamp_parse(token, &us, &e));
	keep_extra(k, &scan, c->places);
}

static void release(struct kept *k)
{
	struct buf *all[] = { &k->name, &k->path, &k->params, &k->timestamp, &k->results,
		&k->extra };

	for (size_t i = 0; i < COUNT(all); i++)
		buf_release(all[i]);
}

static void write_again(struct buf *out, const struct compose *c, const struct kept *k)
{
	struct compose_event event = { .results = buf_slice(&k->results) };
	struct compose_stream stream;
	struct arena arena = { 0 };

	if (k->has_timestamp)
		event.timestamp = buf_slice(&k->timestamp);
	if (k->has_extra)
		event.extra = buf_slice(&k->extra);
	buf_init(out, 1 << 20);
	assert_true(compose_stream_init(
		&stream, c, buf_slice(&k->path), buf_slice(&k->params), &arena));
	assert_true(buf_append_char(out, '[') && buf_append_slice(out, stream.name) &&
		buf_append_char(out, ','));
	assert_true(compose_arguments(c, &stream, &event, out));
	assert_true(buf_append(out, "]", 2));
	arena_release(&arena);
}

static void same(const struct buf *a, const struct buf *b, const char *what, const char *payload,
	const char *written)
{
	if (!slice_equal(buf_slice(a), buf_slice(b)))
		fail_msg("%s differs: %s became %s: '%.*s', not '%.*s'", what, payload, written,
			(int)b->len, b->data, (int)a->len, a->data);
}

static void comes_back(const struct config_dialect *dialect, const char *payload)
{
	struct compose c;
	struct kept k, back;
	struct buf text;
	struct err e;

	assert_true(compose_init(&c, dialect, &e));
	keep(&k, &c, payload);
	write_again(&text, &c, &k);
	keep(&back, &c, text.data);
	if (strcmp(dialect->data.event, "*") != 0)
		same(&k.name, &back.name, "name", payload, text.data);
	same(&k.path, &back.path, "path", payload, text.data);
	same(&k.params, &back.params, "params", payload, text.data);
	same(&k.timestamp, &back.timestamp, "timestamp", payload, text.data);
	same(&k.results, &back.results, "results", payload, text.data);
	same(&k.extra, &back.extra, "extra", payload, text.data);
	assert_int_equal(k.has_timestamp, back.has_timestamp);
	assert_int_equal(k.has_extra, back.has_extra);
	release(&k);
	release(&back);
	buf_release(&text);
	compose_release(&c);
}

#define DIALECT(event_, path_, params_, timestamp_, results_) \
	{ \
		.data = { \
			.event = (event_), \
			.path = (path_), \
			.params = (params_), \
			.timestamp = (timestamp_), \
			.results = (results_) \
		} \
	}

static const struct config_dialect usual = DIALECT(
	"data", "/path", "/params", "/timestamp", "/results");
static const struct config_dialect rooms = DIALECT(
	"message", "/room_name", NULL, "/message/data/timestamp", "/message/data");
static const struct config_dialect names = DIALECT("*", NULL, NULL, "/timestamp", "");
static const struct config_dialect deep = DIALECT("d", "/a/b/p", "/a/q", "/a/t~1s", "/a/b/\"r\"");
static const struct config_dialect arrays = DIALECT("d", "/0", NULL, "/1/t", "/2");
static const struct config_dialect numbered = DIALECT("d", "/0", NULL, "/x/1", "/x/3");

static void every_event_comes_back_as_it_was(void **state)
{
	static const struct {
		const struct config_dialect *dialect;
		const char *payload;
	} cases[] = {
		{ &usual,
			"[\"data\",{\"path\":\"p\",\"params\":{},\"timestamp\":1400666400,"
			"\"results\":[1.10,-0,1e400]}]" },
		{ &usual,
			"[\"data\",{\"results\":null,\"path\":\"a\\\"b\\u00e9\xc3\xa9\\u0001\","
			"\"timestamp\":\"2014-05-21T10:00:00.000Z\"}]" },
		{ &usual,
			"[\"data\",{\"path\":\"p\",\"method\":\"get\",\"params\":{\"b\":1,\"a\":2},"
			"\"res\":{\"y\": 1.10},\"timestamp\":1,\"results\": { \"a\" : [ ] } }]" },
		{ &usual,
			"[\"data\",{\"path\":\"p\",\"timestamp\":1,\"results\":0,\"path2\":\"x\"},"
			"\"more\", -0 ,{\"a\":1}]" },
		{ &usual, "[\"data\",{\"path\":\"p\",\"timestamp\":1,\"results\":[]},null]" },
		{ &usual, "[\"data\",{\"path\":\"p\",\"results\":[\"no timestamp\"]}]" },
		{ &usual,
			"[\"data\",{\"path\":\"\",\"params\":{\"n\":[1,{\"z\":null}]},"
			"\"timestamp\":\"5\",\"results\":\"\"}]" },
		{ &rooms,
			"[\"message\",{\"room_name\":\"t\",\"message\":{\"data\":"
			"{\"sell\":\"1\",\"timestamp\":1570080162855},\"pid\":7}}]" },
		{ &rooms,
			"[\"message\",{\"message\":{\"pid\":7,\"data\":{\"x\":1}},\"room_name\":"
			"\"t\",\"z\":{\"message\":1}}]" },
		{ &rooms, "[\"message\",{\"message\":{\"data\":[1,2]},\"room_name\":\"t\"},{}]" },
		{ &names,
			"[\"lightning_ticker\",{\"timestamp\":\"2019-04-11T05:14:12.3739915\","
			"\"ltp\":1.0}]" },
		{ &names, "[\"executions\",[{\"id\":1},{\"id\":2}]]" },
		{ &names, "[\"n\\u00e9\",7,\"more\"]" },
		{ &deep,
			"[\"d\",{\"a\":{\"b\":{\"p\":\"x\",\"\\\"r\\\"\":1},\"q\":{},\"t/s\":2}}]" },
		{ &deep,
			"[\"d\",{\"o\":0,\"a\":{\"o\":1,\"b\":{\"o\":2,\"p\":\"x\",\"\\\"r\\\"\":[]},"
			"\"t/s\":2},\"o2\":[]}]" },
		{ &arrays, "[\"d\",[\"p\",{\"t\":5},{\"r\":1}]]" },
		{ &arrays, "[\"d\",[\"p\",{\"t\":5,\"u\":6},{\"r\":1},\"more\",null]]" },
		{ &arrays, "[\"d\",[\"p\",\"no object\",{\"r\":1}]]" },
		{ &arrays, "[\"d\",{\"0\":\"p\",\"2\":[],\"x\":1}]" },
		{ &numbered, "[\"d\",{\"0\":\"p\",\"x\":[9,5,null,{\"r\":1}]}]" },
		{ &numbered, "[\"d\",{\"0\":\"p\",\"x\":{\"1\":5,\"3\":{\"r\":1},\"4\":0}}]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		comes_back(cases[i].dialect, cases[i].payload);
}

static void writes(const struct config_dialect *dialect, const char *path, const char *params,
	const struct compose_event *event, const char *name, const char *want)
{
	struct compose c;
	struct compose_stream s;
	struct arena arena = { 0 };
	struct buf out;
	struct err e;

	buf_init(&out, 1000);
	assert_true(compose_init(&c, dialect, &e));
	assert_true(compose_stream_init(&s, &c, slice_of(path), slice_of(params), &arena));
	assert_slice(s.name, name);
	assert_true(compose_arguments(&c, &s, event, &out));
	assert_slice(buf_slice(&out), want);
	buf_release(&out);
	compose_release(&c);
	arena_release(&arena);
}

#define EVENT(timestamp_, results_, extra_) \
	(&(const struct compose_event){ .timestamp = { (timestamp_), strlen(timestamp_) }, \
		.results = { (results_), strlen(results_) }, \
		.extra = { (extra_), strlen(extra_) } })
#define PLAIN(timestamp_, results_) \
	(&(const struct compose_event){ .timestamp = { (timestamp_), strlen(timestamp_) }, \
		.results = { (results_), strlen(results_) } })

static void the_members_stand_where_the_dialect_says(void **state)
{
	(void)state;
	writes(&usual, "p\"", "{\"a\":1}", PLAIN("5", "[ 1.10 ]"), "\"data\"",
		"{\"path\":\"p\\\"\",\"params\":{\"a\":1},\"timestamp\":5,\"results\":[ 1.10 ]}");
	writes(&usual, "p", "{}", &(const struct compose_event){ .results = { "0", 1 } },
		"\"data\"", "{\"path\":\"p\",\"params\":{},\"results\":0}");
	writes(&rooms, "p", "{}", PLAIN("5", "{\"timestamp\":5}"), "\"message\"",
		"{\"room_name\":\"p\",\"message\":{\"data\":{\"timestamp\":5}}}");
	writes(&names, "p", "{}", PLAIN("5", "[1]"), "\"p\"", "[1]");
	writes(&deep, "p", "{}", PLAIN("5", "[1]"), "\"d\"",
		"{\"a\":{\"b\":{\"p\":\"p\",\"\\\"r\\\"\":[1]},\"q\":{},\"t/s\":5}}");
	writes(&arrays, "p", "{}", PLAIN("5", "[1]"), "\"d\"", "[\"p\",{\"t\":5},[1]]");
	writes(&usual, "p", "{}",
		EVENT("5", "0", "{\"members\":{\"m\":{\"x\": 1}},\"args\":[1, \"2\"]}"), "\"data\"",
		"{\"path\":\"p\",\"params\":{},\"timestamp\":5,\"results\":0,\"m\":{\"x\": 1}},1, "
		"\"2\"");
}

static void an_extra_that_no_recorder_wrote_does_no_harm(void **state)
{
	static const char *const extras[] = { "", "{", "[]", "7", "{\"members\":7}", "{\"args\":7}",
		"{\"args\":[]}", "{\"members\":[]}", "{\"members\":{\"results\":1}}",
		"{\"x\":[1]}" };

	(void)state;
	for (size_t i = 0; i < COUNT(extras); i++) {
		struct compose c;
		struct compose_stream s;
		struct arena arena = { 0 };
		struct buf out;
		struct err e;

		buf_init(&out, 1000);
		assert_true(compose_init(&c, &usual, &e));
		assert_true(compose_stream_init(&s, &c, slice_of("p"), slice_of("{}"), &arena));
		assert_true(compose_arguments(&c, &s, EVENT("5", "0", extras[i]), &out));
		buf_release(&out);
		compose_release(&c);
		arena_release(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_comes_back_as_it_was),
		cmocka_unit_test(the_members_stand_where_the_dialect_says),
		cmocka_unit_test(an_extra_that_no_recorder_wrote_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
