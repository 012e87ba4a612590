/*
 * tape: what cursors hand out, for random recordings, choices, orders and positions, against a model that sorts all rows.
 */
#include "tape.h"

#include "store/db.h"
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 4
#define FEEDS 2
#define PATHS 4
#define PARAMS 3
#define EVENTS_MAX 4000
#define ROUNDS 60
#define BASE_US INT64_C(1700000000000000)

struct row {
	int file; /* as they are named; the tape numbers them by age */
	int64_t event_id;
	int feed;
	int path;
	int params;
	int64_t timestamp_us;
	int64_t received_us;
	int64_t seq;
	size_t pad; /* spaces behind the results, so that what is read ahead is not all there is */
	char results[24];
};

static struct scratch scratch;
static struct row rows[EVENTS_MAX];
static size_t n_rows;
static char paths[FILES_MAX][PATH_MAX];
static int n_files;
static int64_t started_us[FILES_MAX];

static const char *const feed_names[FEEDS] = { "f", "g" };
static const char *const path_names[PATHS] = { "a", "b", "c", "quiet" };
static const char *const params_texts[PARAMS] = { "{}", "{\"t\":1}", "{\"t\":\"\xc3\xa4\"}" };

static void must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

static int stream_id(int feed, int path, int params)
{
	return 1 + (feed * PATHS + path) * PARAMS + params;
}

static void make_streams(struct sqlite3 *db)
{
	char sql[400];
	struct err e;

	for (int f = 0; f < FEEDS; f++) {
		(void)snprintf(sql, sizeof(sql),
			"INSERT INTO feed VALUES (%d, '%s', 'http://x', '/', '/socket.io/', '{}')",
			f + 1, feed_names[f]);
		must(db_exec(db, sql, &e), &e);
		for (int p = 0; p < PATHS; p++)
			for (int q = 0; q < PARAMS; q++) {
				(void)snprintf(sql, sizeof(sql),
					"INSERT INTO stream (stream_id, feed_id, path, params) "
					"VALUES (%d, %d, '%s', '%s')",
					stream_id(f, p, q), f + 1, path_names[p], params_texts[q]);
				must(db_exec(db, sql, &e), &e);
			}
	}
	must(db_exec(db, "INSERT INTO connection (connection_id, feed_id, opened) VALUES (1, 1, 1)",
		     &e),
		&e);
}

/* The next seq of the row's key in its file. */
static int64_t next_seq(const struct row *row)
{
	int64_t seq = 0;

	for (const struct row *r = rows; r < row; r++)
		if (r->file == row->file && r->feed == row->feed && r->path == row->path &&
			r->params == row->params && r->timestamp_us == row->timestamp_us)
			seq++;
	return seq;
}

/* Times with many ties; timestamps about in order of arrival, but not quite. */
static void make_rows(struct sqlite3 *db, int file, int count)
{
	int64_t received_us = started_us[file];
	int64_t event_id = random() % 3;
	char sql[400];
	struct err e;

	for (int i = 0; i < count; i++) {
		struct row *r = &rows[n_rows];

		received_us += random() % 3 == 0 ? random() % 4 : 0;
		event_id += 1 + (random() % 5 == 0 ? random() % 9 : 0);
		*r = (struct row){ .file = file,
			.event_id = event_id,
			.feed = (int)(random() % FEEDS),
			.path = (int)(random() % (PATHS - 1)),
			.params = (int)(random() % PARAMS),
			.received_us = received_us,
			.timestamp_us = received_us / 2 + random() % 5,
			.pad = random() % 50 == 0 ? (size_t)random() % 60000 : 0 };
		r->seq = next_seq(r);
		(void)snprintf(
			r->results, sizeof(r->results), "[%d,%lld]", file, (long long)event_id);
		(void)snprintf(sql, sizeof(sql),
			"INSERT INTO event (event_id, stream_id, timestamp, seq, received, "
			"connection_id, results) VALUES (%lld, %d, %lld, %lld, %lld, 1, "
			"printf('%%s%%*s', '%s', %zu, ''))",
			(long long)event_id, stream_id(r->feed, r->path, r->params),
			(long long)r->timestamp_us, (long long)r->seq, (long long)received_us,
			r->results, r->pad);
		must(db_exec(db, sql, &e), &e);
		n_rows++;
	}
}

/* The counters are there in some recordings and not in others. */
static void make_file(int file, int count)
{
	const struct db_options options = {
		.path = paths[file], .may_create = true, .mode = 0600, .cache_kib = 1024
	};
	struct sqlite3 *db;
	struct err e;

	must(db_open(&db, &options, &e), &e);
	must(db_exec(db, "PRAGMA synchronous = OFF; BEGIN", &e), &e);
	make_streams(db);
	make_rows(db, file, count);
	if (random() % 2 == 0)
		must(db_exec(db,
			     "UPDATE stream SET events = n, first = lo, last = hi FROM "
			     "(SELECT stream_id AS id, count(*) AS n, min(timestamp) AS lo, "
			     "max(timestamp) AS hi FROM event GROUP BY stream_id) "
			     "WHERE stream_id = id",
			     &e),
			&e);
	must(db_exec(db, "COMMIT", &e), &e);
	db_close(db);
}

static void make_recordings(unsigned seed)
{
	srandom(seed);
	n_rows = 0;
	n_files = 1 + (int)(random() % FILES_MAX);
	for (int i = 0; i < n_files; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%u-%d.db", seed, i);
		(void)snprintf(paths[i], sizeof(paths[i]), "%s", scratch_file(&scratch, name));
		/* One after the other, or over each other, in any order; never two at one instant. */
		started_us[i] = BASE_US + random() % 2000 * FILES_MAX + i;
	}
	for (int i = 0; i < n_files; i++)
		make_file(i, (int)(random() % (seed % 7 == 0 ? 3 : EVENTS_MAX / FILES_MAX / 4)));
}

/* ---- the model ---- */

static struct tape_choice choice;
static struct slice chosen_feeds[FEEDS];
static struct slice chosen_paths[PATHS];
static struct slice chosen_params[PARAMS];
static const struct row *wanted[EVENTS_MAX];
static size_t n_wanted;

static bool is_among(const struct slice *values, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (slice_is(values[i], text))
			return true;
	return count == 0;
}

static int64_t time_of(const struct row *r)
{
	return choice.order == TAPE_RECEIVED ? r->received_us : r->timestamp_us;
}

/* A file without events is the youngest. */
static int64_t age_of(int file)
{
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].file == file)
			return rows[i].received_us;
	return INT64_MAX;
}

static int compare_files(int a, int b)
{
	int64_t x = age_of(a);
	int64_t y = age_of(b);

	return x != y ? (x > y) - (x < y) : strcmp(paths[a], paths[b]);
}

static int compare_rows(const void *left, const void *right)
{
	const struct row *a = *(const struct row *const *)left;
	const struct row *b = *(const struct row *const *)right;

	if (time_of(a) != time_of(b))
		return time_of(a) < time_of(b) ? -1 : 1;
	if (a->file != b->file)
		return compare_files(a->file, b->file);
	return (a->event_id > b->event_id) - (a->event_id < b->event_id);
}

static size_t choose_some(struct slice *out, const char *const *names, int count)
{
	size_t n = 0;

	if (random() % 2 == 0)
		return 0;
	for (int i = 0; i < count; i++)
		if (random() % 2 == 0)
			out[n++] = slice_of(names[i]);
	return n;
}

static int64_t some_time(void)
{
	int64_t us = BASE_US - 100 + random() % (2200 * FILES_MAX);

	if (n_rows != 0 && random() % 2 == 0)
		us = rows[(size_t)random() % n_rows].received_us;
	return choice.order == TAPE_RECEIVED ? us : us / 2;
}

static void make_choice(void)
{
	choice = (struct tape_choice){ .from_us = TAPE_NONE,
		.to_us = TAPE_NONE,
		.feeds = chosen_feeds,
		.paths = chosen_paths,
		.params = chosen_params,
		.order = random() % 2 == 0 ? TAPE_RECEIVED : TAPE_TIMESTAMP };
	choice.n_feeds = choose_some(chosen_feeds, feed_names, FEEDS);
	choice.n_paths = choose_some(chosen_paths, path_names, PATHS);
	choice.n_params = choose_some(chosen_params, params_texts, PARAMS);
	if (random() % 2 == 0)
		choice.from_us = some_time();
	if (random() % 2 == 0)
		choice.to_us = some_time();
	n_wanted = 0;
	for (size_t i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		if ((choice.from_us == TAPE_NONE || time_of(r) >= choice.from_us) &&
			(choice.to_us == TAPE_NONE || time_of(r) <= choice.to_us) &&
			is_among(chosen_feeds, choice.n_feeds, feed_names[r->feed]) &&
			is_among(chosen_paths, choice.n_paths, path_names[r->path]) &&
			is_among(chosen_params, choice.n_params, params_texts[r->params]))
			wanted[n_wanted++] = r;
	}
	qsort(wanted, n_wanted, sizeof(wanted[0]), compare_rows);
}

/* ---- the checks ---- */

static struct tape *open_tape(void)
{
	const char *named[2 * FILES_MAX];
	size_t n_named = 0;
	struct tape *t;
	struct err e;

	for (int i = 0; i < n_files; i++) {
		named[n_named++] = paths[i];
		if (random() % 3 == 0)
			named[n_named++] = paths[random() % n_files];
	}
	must(tape_open(&t, named, n_named, &choice, &e), &e);
	assert_int_equal(tape_recordings(t), n_files);
	return t;
}

static void check_event(const struct tape *t, const struct tape_event *got, const struct row *want)
{
	size_t count;
	const struct tape_stream *stream = &tape_streams(t, &count)[got->stream];
	const struct tape_feed *feed = &tape_feeds(t, &count)[stream->feed];

	assert_string_equal(tape_recording_path(t, got->recording), paths[want->file]);
	assert_int_equal(got->event_id, want->event_id);
	assert_int_equal(got->time_us, time_of(want));
	assert_int_equal(got->received_us, want->received_us);
	assert_int_equal(got->timestamp_us, want->timestamp_us);
	assert_int_equal(got->seq, want->seq);
	assert_int_equal(got->connection_id, 1);
	assert_slice(feed->name, feed_names[want->feed]);
	assert_slice(stream->path, path_names[want->path]);
	assert_slice(stream->params, params_texts[want->params]);
	assert_int_equal(got->results.len, strlen(want->results) + want->pad);
	assert_memory_equal(got->results.ptr, want->results, strlen(want->results));
	assert_null(got->timestamp_text.ptr);
	assert_null(got->extra.ptr);
	assert_false(got->has_attachments);
}

/* The cursor gives what is wanted from number `at` on; at most `count` of it is looked at. */
static void check_from(const struct tape *t, struct tape_cursor *c, size_t at, size_t count)
{
	struct tape_event event;
	enum tape_result result = TAPE_EVENT;
	struct err e;

	for (; count != 0 && result == TAPE_EVENT; count--, at++) {
		result = tape_cursor_next(c, &event, &e);
		if (result == TAPE_FAILED)
			fail_msg("%s", e.text);
		assert_int_equal(result, at < n_wanted ? TAPE_EVENT : TAPE_END);
		if (result == TAPE_EVENT)
			check_event(t, &event, wanted[at]);
	}
}

static size_t recording_of(const struct tape *t, const struct row *r)
{
	size_t i = 0;

	while (strcmp(tape_recording_path(t, i), paths[r->file]) != 0)
		i++;
	return i;
}

static void check_seeks(const struct tape *t, struct tape_cursor *c)
{
	struct err e;

	for (int i = 0; i < 12; i++) {
		int64_t us = some_time();
		size_t at = 0;
		bool found;

		while (at < n_wanted && time_of(wanted[at]) < us)
			at++;
		must(tape_cursor_seek(c, us, &e), &e);
		check_from(t, c, at, (size_t)random() % 40);
		if (n_wanted == 0)
			continue;
		at = (size_t)random() % n_wanted;
		must(tape_cursor_seek_behind(c,
			     &(struct tape_key){
				     recording_of(t, wanted[at]), wanted[at]->event_id },
			     &found, &e),
			&e);
		assert_true(found);
		check_from(t, c, at + 1, random() % 8 == 0 ? SIZE_MAX : (size_t)random() % 40);
	}
}

static void check_not_found(const struct tape *t, struct tape_cursor *c)
{
	struct tape_key key;
	bool found;
	struct err e;

	for (size_t i = 0; i < n_rows; i += 1 + (size_t)random() % 20) {
		bool is_wanted = false;

		for (size_t k = 0; k < n_wanted && !is_wanted; k++)
			is_wanted = wanted[k] == &rows[i];
		key = (struct tape_key){ recording_of(t, &rows[i]), rows[i].event_id };
		must(tape_cursor_seek_behind(c, &key, &found, &e), &e);
		assert_int_equal(found, is_wanted);
	}
	key = (struct tape_key){ 0, INT64_MAX };
	must(tape_cursor_seek_behind(c, &key, &found, &e), &e);
	assert_false(found);
	key = (struct tape_key){ FILES_MAX, 1 };
	must(tape_cursor_seek_behind(c, &key, &found, &e), &e);
	assert_false(found);
}

static void check_round(void)
{
	struct tape_cursor *c;
	struct tape *t = open_tape();
	int64_t first_us;
	int64_t last_us;
	struct err e;

	tape_span(t, &first_us, &last_us);
	assert_int_equal(first_us, n_wanted != 0 ? time_of(wanted[0]) : TAPE_NONE);
	assert_int_equal(last_us, n_wanted != 0 ? time_of(wanted[n_wanted - 1]) : TAPE_NONE);
	must(tape_cursor_new(&c, t, &e), &e);
	check_from(t, c, 0, SIZE_MAX);
	check_seeks(t, c);
	check_not_found(t, c);
	tape_cursor_free(c);
	tape_close(t);
}

static void cursors_give_what_sorting_all_rows_gives(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		make_recordings(seed);
		for (int i = 0; i < 6; i++) {
			make_choice();
			check_round();
		}
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			cursors_give_what_sorting_all_rows_gives, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
