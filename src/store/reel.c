#include "store/reel.h"

#include "store/db.h"
#include "store/life.h"
#include "store/reel_file.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_STEP 256

#define EVENT_COLUMNS \
	("SELECT event_id, stream_id, timestamp, seq, received, connection_id, timestamp_text, " \
	 "results, extra, %s FROM event ")

/* Few recordings have attachments; the others need not look for them. */
#define HAS_ATTACHMENTS "EXISTS (SELECT 1 FROM attachment a WHERE a.event_id = event.event_id)"

#define CLOCK \
	"SELECT received, timestamp FROM event WHERE event_id BETWEEN ?1 AND ?2 AND chosen(stream_id)"

static const char *const statements_sql[REEL_STATEMENTS] = {
	[REEL_SCAN] = "WHERE event_id BETWEEN ?1 AND ?2 ORDER BY event_id",
	[REEL_SCAN_CHOSEN] = "WHERE event_id BETWEEN ?1 AND ?2 AND chosen(stream_id) "
			     "ORDER BY event_id",
	[REEL_FETCH] = "WHERE event_id = ?1",
	[REEL_AT] = "SELECT event_id, received FROM event WHERE event_id BETWEEN ?1 AND ?2 "
		    "ORDER BY event_id LIMIT 1",
	/* All of it is in the key index, which ends with event_id. */
	[REEL_KEYS] = "SELECT timestamp, seq, event_id FROM event "
		      "WHERE stream_id = ?1 AND (timestamp, seq) > (?2, ?3) AND timestamp <= ?4 "
		      "AND +event_id <= ?5 ORDER BY timestamp, seq LIMIT ?6",
	[REEL_IDS] = "SELECT event_id FROM event WHERE stream_id = ?1 AND +event_id <= ?2",
	[REEL_FIRST_KEY] = "SELECT timestamp FROM event WHERE stream_id = ?1 "
			   "ORDER BY timestamp LIMIT 1",
	[REEL_LAST_KEY] = "SELECT timestamp FROM event WHERE stream_id = ?1 AND timestamp <= ?2 "
			  "AND +event_id <= ?3 ORDER BY timestamp DESC, seq DESC LIMIT 1",
	[REEL_CLOCK_BEFORE] = CLOCK " ORDER BY event_id DESC LIMIT 1",
	[REEL_CLOCK_AFTER] = CLOCK " ORDER BY event_id LIMIT 1",
	[REEL_ATTACHMENTS] = "SELECT data FROM attachment WHERE event_id = ?1 ORDER BY number",
};

static const char span_sql[] =
	"SELECT (SELECT started FROM series), "
	"	(SELECT event_id FROM event ORDER BY event_id LIMIT 1), "
	"	(SELECT received FROM event ORDER BY event_id LIMIT 1), "
	"	(SELECT event_id FROM event ORDER BY event_id DESC LIMIT 1), "
	"	(SELECT received FROM event ORDER BY event_id DESC LIMIT 1), "
	"	EXISTS (SELECT 1 FROM attachment)";

static const char feeds_sql[] =
	"SELECT feed_id, name, namespace, io_path, dialect FROM feed ORDER BY feed_id";

static const char streams_sql[] =
	"SELECT stream_id, feed_id, path, params, events, first, last FROM stream ORDER BY stream_id";

bool reel_failed(struct reel *r, struct err *e)
{
	(void)db_error(r->db, e);
	return err_prefix(e, "cannot read '%s'", r->path);
}

static bool no_memory(const struct reel *r, struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
}

struct sqlite3_stmt *reel_statement(struct reel *r, enum reel_statement which, struct err *e)
{
	bool is_event = which == REEL_SCAN || which == REEL_SCAN_CHOSEN || which == REEL_FETCH;
	char sql[512];
	int len = 0;

	if (r->statements[which] != NULL)
		return r->statements[which];
	if (is_event)
		len = snprintf(sql, sizeof(sql), EVENT_COLUMNS,
			r->has_attachments ? HAS_ATTACHMENTS : "0");
	(void)snprintf(sql + len, sizeof(sql) - (size_t)len, "%s", statements_sql[which]);
	if (!db_prepare(r->db, &r->statements[which], sql, e))
		(void)err_prefix(e, "cannot read '%s'", r->path);
	return r->statements[which];
}

bool reel_begin(struct reel *r, struct err *e)
{
	return db_exec(r->db, "BEGIN", e) || err_prefix(e, "cannot read '%s'", r->path);
}

/* A transaction that only reads has nothing that could fail to be kept. */
void reel_end(struct reel *r)
{
	(void)sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
}

void reel_rest(struct reel *r)
{
	(void)sqlite3_db_release_memory(r->db);
}

bool reel_place(const struct reel *r, int64_t stream_id, size_t *place)
{
	size_t low = 0;
	size_t high = r->n_chosen;

	/* Ids are given in order: mostly there are no holes. */
	if (high != 0 && stream_id >= r->chosen[0].stream_id) {
		uint64_t guess = (uint64_t)stream_id - (uint64_t)r->chosen[0].stream_id;

		if (guess < high && r->chosen[guess].stream_id == stream_id) {
			*place = r->chosen[guess].place;
			return true;
		}
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->chosen[middle].stream_id < stream_id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == r->n_chosen || r->chosen[low].stream_id != stream_id)
		return false;
	*place = r->chosen[low].place;
	return true;
}

/* SQL: whether the stream ?1 is chosen. */
static void chosen_in_sql(struct sqlite3_context *context, int count, struct sqlite3_value **values)
{
	size_t place;

	(void)count;
	sqlite3_result_int(context,
		reel_place(sqlite3_user_data(context), sqlite3_value_int64(values[0]), &place));
}

bool reel_take_event(const struct reel *r, struct sqlite3_stmt *st, struct stored_event *out)
{
	out->event_id = sqlite3_column_int64(st, 0);
	out->timestamp_us = sqlite3_column_int64(st, 2);
	out->seq = sqlite3_column_int64(st, 3);
	out->received_us = sqlite3_column_int64(st, 4);
	out->connection_id = sqlite3_column_int64(st, 5);
	out->timestamp_text = db_column(st, 6);
	out->results = db_column(st, 7);
	out->extra = db_column(st, 8);
	out->has_attachments = sqlite3_column_int(st, 9) != 0;
	return reel_place(r, sqlite3_column_int64(st, 1), &out->place);
}

/* A number, or REEL_NONE. */
static int64_t time_of(struct sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? REEL_NONE : sqlite3_column_int64(st, i);
}

static void take_span(struct reel *r, struct sqlite3_stmt *st)
{
	struct reel_span *s = &r->span;

	s->started_us = time_of(st, 0);
	s->first_received_us = time_of(st, 2);
	s->last_received_us = time_of(st, 4);
	if (s->started_us == REEL_NONE)
		s->started_us = s->first_received_us;
	r->first_id = 1;
	r->last_id = 0;
	if (s->first_received_us != REEL_NONE) {
		r->first_id = sqlite3_column_int64(st, 1);
		r->last_id = sqlite3_column_int64(st, 3);
		if (r->last_id == INT64_MAX) /* so that there is an id behind it */
			r->last_id--;
	}
	r->has_attachments = sqlite3_column_int(st, 5) != 0;
}

static bool read_span(struct reel *r, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	struct life life;
	bool found = false;
	bool ok = life_read(r->db, &life, e) && db_prepare(r->db, &st, span_sql, e) &&
		db_first(st, &found, e);

	if (ok) {
		take_span(r, st);
		r->span.last_alive_us = life.last_alive_us;
		r->span.is_recording = life.is_alive;
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool ready(struct reel *r, int cache_kib, struct err *e)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%d", cache_kib);
	if (sqlite3_create_function_v2(r->db, "chosen", 1,
		    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, r, chosen_in_sql, NULL,
		    NULL, NULL) != SQLITE_OK)
		return db_error(r->db, e);
	return db_exec(r->db, sql, e) && read_span(r, e);
}

bool reel_open(struct reel **out, const char *path, int cache_kib, struct err *e)
{
	struct reel *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->path = strdup(path)) == NULL) {
		free(r);
		return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", path);
	}
	if (db_open_reader(&r->db, path, e)) {
		if (ready(r, cache_kib, e)) {
			*out = r;
			return true;
		}
		(void)err_prefix(e, "cannot read '%s'", path);
	}
	reel_close(r);
	return false;
}

bool reel_look(struct reel *r, struct err *e)
{
	return read_span(r, e) || err_prefix(e, "cannot read '%s'", r->path);
}

void reel_close(struct reel *r)
{
	if (r == NULL)
		return;
	db_finalize_all(r->statements, REEL_STATEMENTS);
	db_close(r->db);
	free(r->chosen);
	free(r->ids);
	free(r->path);
	free(r);
}

const struct reel_span *reel_span(const struct reel *r)
{
	return &r->span;
}

const char *reel_path(const struct reel *r)
{
	return r->path;
}

bool reel_feeds(struct reel *r, reel_feed_fn *fn, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(r->db, &st, feeds_sql, e) ||
		err_prefix(e, "cannot read '%s'", r->path);

	while (ok) {
		struct reel_feed feed;

		ok = db_first(st, &found, e) || err_prefix(e, "cannot read '%s'", r->path);
		if (!ok || !found)
			break;
		feed = (struct reel_feed){ sqlite3_column_int64(st, 0), db_column(st, 1),
			db_column(st, 2), db_column(st, 3), db_column(st, 4) };
		ok = fn(arg, &feed, e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

/* A stream without counters is asked for its first event: most have none. */
static bool lower_bound(struct reel *r, const struct reel_stream *s, struct err *e)
{
	int64_t first_us = s->first_us;
	struct sqlite3_stmt *st;
	bool found;

	if (first_us == REEL_NONE) {
		st = reel_statement(r, REEL_FIRST_KEY, e);
		if (st == NULL)
			return false;
		(void)sqlite3_bind_int64(st, 1, s->stream_id);
		if (!db_first(st, &found, e))
			return err_prefix(e, "cannot read '%s'", r->path);
		first_us = found ? sqlite3_column_int64(st, 0) : INT64_MAX;
		(void)sqlite3_reset(st);
	}
	if (first_us < r->first_us)
		r->first_us = first_us;
	return true;
}

static bool choose(struct reel *r, const struct reel_stream *s, size_t place, struct err *e)
{
	struct reel_chosen *chosen;

	if (place == REEL_LEFT_OUT) {
		r->is_everything_chosen = false;
		return true;
	}
	if (r->n_chosen % STREAMS_STEP == 0) {
		chosen = reallocarray(r->chosen, r->n_chosen + STREAMS_STEP, sizeof(*chosen));
		if (chosen == NULL)
			return no_memory(r, e);
		r->chosen = chosen;
	}
	r->chosen[r->n_chosen++] = (struct reel_chosen){ s->stream_id, place };
	r->chosen_events += s->events;
	return lower_bound(r, s, e);
}

bool reel_streams(struct reel *r, reel_stream_fn *fn, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(r->db, &st, streams_sql, e) ||
		err_prefix(e, "cannot read '%s'", r->path);

	while (ok) {
		struct reel_stream stream;
		size_t place = REEL_LEFT_OUT;

		ok = db_first(st, &found, e) || err_prefix(e, "cannot read '%s'", r->path);
		if (!ok || !found)
			break;
		stream = (struct reel_stream){ sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1), db_column(st, 2), db_column(st, 3),
			(uint64_t)sqlite3_column_int64(st, 4), time_of(st, 5), time_of(st, 6) };
		ok = fn(arg, &stream, &place, e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

struct choosing {
	struct reel *reel;
	reel_stream_fn *fn;
	void *arg;
};

static bool ask(void *arg, const struct reel_stream *stream, size_t *place, struct err *e)
{
	const struct choosing *c = arg;

	return c->fn(c->arg, stream, place, e) && choose(c->reel, stream, *place, e);
}

bool reel_choose(struct reel *r, reel_stream_fn *fn, void *arg, struct err *e)
{
	struct choosing c = { r, fn, arg };

	assert(r->chosen == NULL);
	r->is_everything_chosen = true;
	r->first_us = INT64_MAX;
	return reel_streams(r, ask, &c, e);
}

bool reel_attachments(
	struct reel *r, int64_t event_id, reel_attachment_fn *fn, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, REEL_ATTACHMENTS, e);
	bool found = true;
	bool ok = st != NULL;

	if (!ok)
		return false;
	(void)sqlite3_bind_int64(st, 1, event_id);
	while (ok) {
		ok = db_first(st, &found, e) || err_prefix(e, "cannot read '%s'", r->path);
		if (!ok || !found)
			break;
		ok = fn(arg, db_column(st, 0), e);
	}
	(void)sqlite3_reset(st);
	return ok;
}
