/*
 * block, block_cache, venue: the events behind any mark, whoever was there before; frames; offsets; what clients ask for.
 */
#include "unit.h"

#include "base/json.h"
#include "block_cache.h"
#include "proto/ws.h"
#include "scratch.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdlib.h>

#define EVENTS 6000
#define BASE_US INT64_C(1700000000000000)
#define ROUNDS 3000

static const char *const dialect =
	"{\"subscribe\":{\"event\":\"sub\",\"args\":[{\"op\":\"add\",\"path\":\"$path\",\"params\":\"$params\"}],"
	"\"ack\":true},"
	"\"unsubscribe\":{\"event\":\"sub\",\"args\":[{\"op\":\"del\",\"path\":\"$path\",\"params\":\"$params\"}],"
	"\"ack\":true},"
	"\"data\":{\"event\":\"d\",\"path\":\"/path\",\"params\":\"/params\",\"timestamp\":\"/t\",\"results\":\"/r\"}}";

struct bench {
	struct scratch scratch;
	const char *path;
	struct tape *tape;
	struct venues venues;
	struct block_cache *cache;
};

static void run(struct sqlite3 *db, const char *sql)
{
	struct err e;

	if (!db_exec(db, sql, &e))
		fail_msg("%s: %s", sql, e.text);
}

/* Events in threes at one time, every 100th with 100 KB, every 700th with an attachment, every 11th with more members. */
static void make_file(struct bench *b)
{
	const struct db_options options = {
		.path = b->path, .may_create = true, .mode = 0600, .cache_kib = 1024
	};
	struct sqlite3 *db;
	struct err e;
	char sql[1500];

	assert_true(db_open(&db, &options, &e));
	run(db, "PRAGMA synchronous = OFF; BEGIN");
	(void)snprintf(sql, sizeof(sql),
		"INSERT INTO feed VALUES (1, 'f', 'http://x', '/n', '/io', '%s')", dialect);
	run(db, sql);
	run(db, "INSERT INTO connection (connection_id, feed_id, opened) VALUES (1, 1, 1)");
	run(db,
		"INSERT INTO stream (stream_id, feed_id, path, params) VALUES (1, 1, 'p', '{}'), "
		"(2, 1, 'q', '{\"a\":1}'), (3, 1, '', '{}')");
	(void)snprintf(sql, sizeof(sql),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, results, extra) "
		"SELECT i, i %% 3 + 1, %lld + i, 0, %lld + i / 3, 1, '[' || i || printf('%%*s', "
		"CASE WHEN i %% 100 = 0 THEN 100000 ELSE 1 END, '') || ']', "
		"CASE WHEN i %% 11 = 0 THEN '{\"members\":{\"m\":' || i || '}}' END FROM n",
		EVENTS, (long long)BASE_US, (long long)BASE_US);
	run(db, sql);
	run(db, "INSERT INTO attachment SELECT event_id, 0, x'0001ff' FROM event WHERE event_id % 700 = 0");
	run(db, "COMMIT");
	db_close(db);
}

static void setup(struct bench *b)
{
	const struct tape_choice choice = { .from_us = TAPE_NONE, .to_us = TAPE_NONE };
	const char *paths[1];
	struct err e;

	scratch_open(&b->scratch);
	b->path = scratch_file(&b->scratch, "tape.db");
	make_file(b);
	paths[0] = b->path;
	if (!tape_open(&b->tape, paths, 1, &choice, &e) || !venues_init(&b->venues, b->tape, &e) ||
		!block_cache_new(&b->cache, b->tape, &e))
		fail_msg("%s", e.text);
}

static void teardown(struct bench *b)
{
	block_cache_free(b->cache);
	venues_release(&b->venues);
	tape_close(b->tape);
	scratch_close(&b->scratch);
}

/* The mark behind event `i`, counted from 1; 0: before all. */
static struct mark behind(int64_t i)
{
	if (i == 0)
		return mark_before(7, BASE_US);
	return (struct mark){ 7, BASE_US + i / 3, 0, i };
}

static void every_reader_gets_the_event_behind_its_mark(void **state)
{
	struct block_place places[8] = { { .serial = 0 } };
	int64_t at[8] = { 0 };
	struct bench b;
	struct err e;

	(void)state;
	setup(&b);
	srandom(3);
	for (int round = 0; round < ROUNDS; round++) {
		size_t who = (size_t)random() % 8;
		struct mark mark;
		struct block *block;
		enum tape_result result;

		if (random() % 40 == 0) {
			at[who] = random() % (EVENTS + 1);
			places[who] = (struct block_place){ .serial = 0 };
		}
		block_cache_set_clients(b.cache, (size_t)random() % 3);
		mark = behind(at[who]);
		result = block_cache_find(b.cache, &mark, &places[who], &block, &e);
		if (at[who] == EVENTS) {
			assert_int_equal(result, TAPE_END);
			continue;
		}
		assert_int_equal(result, TAPE_EVENT);
		assert_int_equal(block->events[places[who].index].event_id, at[who] + 1);
		/* It takes some of the block, or all. */
		places[who].index += 1 + (size_t)random() % (block->count - places[who].index);
		at[who] = block->events[places[who].index - 1].event_id;
	}
	teardown(&b);
}

/* A mark between events: of a clock, or of a seek. */
static void a_mark_need_be_no_event(void **state)
{
	struct bench b;
	struct err e;

	(void)state;
	setup(&b);
	for (int64_t us = -1; us <= EVENTS / 3; us += 97) {
		struct block_place place = { .serial = 0 };
		struct mark mark = mark_up_to(0, BASE_US + us);
		struct block *block;

		if (us == EVENTS / 3) {
			assert_int_equal(
				block_cache_find(b.cache, &mark, &place, &block, &e), TAPE_END);
			break;
		}
		assert_int_equal(block_cache_find(b.cache, &mark, &place, &block, &e), TAPE_EVENT);
		assert_int_equal(block->events[place.index].time_us, BASE_US + us + 1);
		assert_true(us < 0 || block->events[place.index].event_id == (us + 1) * 3);
	}
	teardown(&b);
}

/* Takes the frames apart and compares each with the event's text. */
static void frames_hold_the_events_one_by_one(void **state)
{
	struct block_place place = { .serial = 0 };
	struct mark mark = behind(0);
	size_t seen = 0;
	struct bench b;
	struct err e;

	(void)state;
	setup(&b);
	for (;;) {
		struct block *block;
		enum tape_result result = block_cache_find(b.cache, &mark, &place, &block, &e);

		if (result == TAPE_END)
			break;
		assert_int_equal(result, TAPE_EVENT);
		for (size_t i = 0; i < block->count; i++, seen++) {
			enum block_frames_kind kind = i % 2 == 0 ? BLOCK_PLAIN : BLOCK_OFFSETS;
			int64_t id = block->events[i].event_id;
			struct ws_decoder *d = ws_decoder_new(WS_CLIENT, 0);
			struct ws_message m;
			struct slice frame;
			char want[200];

			assert_true(block_make_frames(block, &b.venues, kind));
			frame = block_frames_of(block, kind, i, i + 1);
			if (id % 700 == 0) {
				assert_int_equal(block->events[i].n_attachments, 1);
				assert_int_equal(frame.len, 0);
				ws_decoder_free(d);
				continue;
			}
			assert_int_equal(ws_decode(d, &frame, &m, &e), WS_TEXT);
			assert_int_equal(frame.len, 0);
			(void)snprintf(want, sizeof(want),
				"42/n,[\"d\",{\"path\":\"%s\",\"params\":%s,\"t\":\"2023-11-14T22:13:20.",
				id % 3 == 0           ? "p"
					: id % 3 == 1 ? "q"
						      : "",
				id % 3 == 1 ? "{\"a\":1}" : "{}");
			assert_memory_equal(m.payload.ptr, want, strlen(want));
			(void)snprintf(want, sizeof(want), "\"r\":[%lld ", (long long)id);
			assert_non_null(memmem(m.payload.ptr, m.payload.len, want, strlen(want)));
			assert_int_equal(memmem(m.payload.ptr, m.payload.len, "\"m\":", 4) != NULL,
				id % 11 == 0);
			assert_memory_equal(m.payload.ptr + m.payload.len - 2,
				kind == BLOCK_OFFSETS ? "\"]" : "}]", 2);
			ws_decoder_free(d);
		}
		place.index = block->count;
		mark = block->last;
	}
	assert_int_equal(seen, EVENTS);
	teardown(&b);
}

static void an_offset_reads_back_and_nothing_else_does(void **state)
{
	static const char *const bad[] = { "", "0", "0.1", "0.1.", "0.1.2.3", ".1.2", "0..2",
		"0.1.g", "0.1.2 ", "-1.1.2", "0.1.00000000000000000", "0.1.\"", "0x.1.2" };
	struct mark m = { 0, BASE_US, 3, INT64_C(123456789012) };
	char text[BLOCK_OFFSET_MAX];
	size_t len = block_offset(&m, text);
	struct mark back;

	(void)state;
	assert_true(block_offset_read((struct slice){ text + 1, len - 2 }, &back));
	assert_int_equal(mark_compare(&m, &back), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (block_offset_read(slice_of(bad[i]), &back))
			fail_msg("'%s' was read", bad[i]);
}

static void clients_are_understood_in_the_feed_s_words(void **state)
{
	static const struct {
		const char *name;
		const char *arguments;
		enum venue_ask ask;
		const char *says; /* NULL: there are streams */
	} cases[] = {
		{ "\"sub\"", "{\"op\":\"add\",\"path\":\"p\"}", VENUE_SUBSCRIBE, NULL },
		{ "\"sub\"", "{\"op\":\"del\",\"path\":\"p\",\"params\":null}", VENUE_UNSUBSCRIBE,
			NULL },
		{ "\"s\\u0075b\"", "{\"params\":{ \"a\" : 1 },\"path\":\"\\u0071\",\"op\":\"add\"}",
			VENUE_SUBSCRIBE, NULL },
		{ "\"sub\"", "{\"op\":\"add\",\"path\":\"\"},null", VENUE_SUBSCRIBE, NULL },
		{ "\"sub\"", "{\"op\":\"add\",\"path\":\"q\"}", VENUE_SUBSCRIBE,
			"unknown params {} of path 'q'" },
		{ "\"sub\"", "{\"op\":\"add\",\"path\":\"z\"}", VENUE_SUBSCRIBE,
			"unknown path 'z'" },
		{ "\"sub\"", "{\"op\":\"add\",\"path\":7}", VENUE_SUBSCRIBE, "no path" },
		{ "\"sub\"", "{\"op\":\"add\"}", VENUE_SUBSCRIBE, "no path" },
		{ "\"sub\"", "{\"op\":\"add\",\"path\":\"q\",\"params\":{\"a\":1,\"a\":1}}",
			VENUE_SUBSCRIBE, "unreadable params" },
		{ "\"sub\"", "{\"op\":\"add\",\"path\":\"\\ud800\"}", VENUE_SUBSCRIBE,
			"unreadable path" },
		{ "\"sub\"", "{\"op\":\"more\",\"path\":\"p\"}", VENUE_NOTHING, "not those of" },
		{ "\"sub\"", "", VENUE_NOTHING, "not those of" },
		{ "\"data\"", "{}", VENUE_NOTHING, "unknown event" },
	};
	const struct venue *v;
	struct bench b;

	(void)state;
	setup(&b);
	assert_null(venues_find(&b.venues, slice_of("/io/"), slice_of("/")));
	assert_null(venues_find(&b.venues, slice_of("/io"), slice_of("/n")));
	v = venues_find(&b.venues, slice_of("/io/"), slice_of("/n"));
	assert_non_null(v);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct venue_request r;

		assert_true(venue_understand(
			v, slice_of(cases[i].name), slice_of(cases[i].arguments), &r));
		assert_int_equal(r.ask, cases[i].ask);
		if ((r.streams != NULL) != (cases[i].says == NULL) ||
			(cases[i].says != NULL && strstr(r.error, cases[i].says) == NULL))
			fail_msg("%s gives %s", cases[i].arguments, r.error);
	}
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reader_gets_the_event_behind_its_mark),
		cmocka_unit_test(a_mark_need_be_no_event),
		cmocka_unit_test(frames_hold_the_events_one_by_one),
		cmocka_unit_test(an_offset_reads_back_and_nothing_else_does),
		cmocka_unit_test(clients_are_understood_in_the_feed_s_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
