#include "store/summary.h"

#include "base/buf.h"
#include "store/db.h"
#include "store/life.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

/* `received` never decreases with event_id, so its ends are those of the key. */
static const char whole_sql[] =
	"SELECT (SELECT count(*) FROM stream), (SELECT count(*) FROM feed), "
	"	(SELECT sum(events) FROM stream), (SELECT min(first) FROM stream), "
	"	(SELECT max(last) FROM stream), "
	"	(SELECT received FROM event ORDER BY event_id LIMIT 1), "
	"	(SELECT received FROM event ORDER BY event_id DESC LIMIT 1), "
	"	count(*), sum(rejected_events) "
	"FROM connection";

static const char feeds_sql[] =
	"SELECT f.feed_id, f.name, f.url, l.protocol FROM feed f "
	"LEFT JOIN (SELECT feed_id, max(connection_id) AS latest FROM connection "
	"	WHERE established IS NOT NULL GROUP BY feed_id) USING (feed_id) "
	"LEFT JOIN connection l ON l.connection_id = latest ORDER BY f.feed_id";

/* The view is worked out once, not once a stream. The seconds of a gap that is open end now, as the view has it, and so
 * does what is wanted: within a step of a statement that is one and the same instant. */
static const char streams_sql[] =
	"WITH moment AS MATERIALIZED ("
	"	SELECT max(CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER), "
	"		coalesce((SELECT last_alive FROM run ORDER BY run_id DESC LIMIT 1), 0)) AS now), "
	"want AS MATERIALIZED ("
	"	SELECT stream_id, max(ended IS NULL) AS is_wanted, "
	"		sum(max(0, coalesce(ended, now) - started)) AS us "
	"	FROM wanted, moment GROUP BY stream_id), "
	"hole AS MATERIALIZED ("
	"	SELECT feed, path, params, count(*) AS gaps, "
	"		sum(CAST(round(seconds * 1e6) AS INTEGER)) AS us, "
	"		max(started) FILTER (WHERE ended IS NULL) AS open_since, "
	"		max(cause) FILTER (WHERE ended IS NULL) AS cause, "
	"		max(detail) FILTER (WHERE ended IS NULL) AS detail "
	"	FROM gap GROUP BY feed, path, params) "
	"SELECT s.feed_id, s.path, s.params, s.events, s.first, s.last, s.last_received, "
	"	s.clock_offset, w.is_wanted, w.us, h.gaps, h.us, h.cause, h.detail, h.open_since "
	"FROM stream s JOIN feed f USING (feed_id) LEFT JOIN want w USING (stream_id) "
	"LEFT JOIN hole h ON h.feed = f.name AND h.path = s.path AND h.params = s.params "
	"ORDER BY s.feed_id, s.path, s.params";

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

/* A number, or SUMMARY_NONE. */
static int64_t time_of(struct sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? SUMMARY_NONE
							 : sqlite3_column_int64(st, i);
}

/* Copies a column; NULL stays. False when out of memory. */
static bool keep(struct summary *s, struct slice *out, struct sqlite3_stmt *st, int i)
{
	struct slice text = db_column(st, i);

	*out = (struct slice){ 0 };
	if (text.ptr == NULL)
		return true;
	*out = (struct slice){ arena_copy(&s->arena, text), text.len };
	return out->ptr != NULL;
}

/* Copies an address without what could be a credential: user and password, the query, a fragment. The
 * configuration lets neither in, but the file may be anybody's. */
static bool keep_url(struct summary *s, struct slice *out, struct slice url)
{
	const char *end = url.ptr + url.len;
	const char *scheme = memmem(url.ptr, url.len, "://", 3);
	const char *start = scheme != NULL ? scheme + 3 : url.ptr;
	const char *tail = start;
	const char *at;
	struct buf shown;
	bool ok;

	while (tail < end && *tail != '?' && *tail != '#')
		tail++;
	/* Even where a password holds a '/'. */
	at = memrchr(start, '@', (size_t)(tail - start));
	buf_init(&shown, url.len + 8);
	ok = buf_append(&shown, url.ptr, (size_t)(start - url.ptr));
	if (at != NULL) {
		ok = ok && buf_append_str(&shown, "***");
		start = at;
	}
	ok = ok && buf_append(&shown, start, (size_t)(tail - start)) &&
		(tail == end || buf_printf(&shown, "%c***", *tail));
	*out = (struct slice){ ok ? arena_copy(&s->arena, buf_slice(&shown)) : NULL, shown.len };
	buf_release(&shown);
	return out->ptr != NULL;
}

static bool read_run(struct sqlite3 *db, struct summary *s, struct err *e)
{
	struct life life;

	if (!life_read(db, &life, e))
		return false;
	s->last_alive_us = life.last_alive_us;
	s->is_recording = life.is_alive;
	return true;
}

/* Also makes room for the feeds and streams: the rows that follow are those of the same snapshot. */
static bool read_whole(struct sqlite3 *db, struct summary *s, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	size_t feeds;
	size_t streams;
	bool ok = db_prepare(db, &st, whole_sql, e) && db_first(st, &found, e);

	if (ok) {
		streams = (size_t)sqlite3_column_int64(st, 0);
		feeds = (size_t)sqlite3_column_int64(st, 1);
		s->events = sqlite3_column_int64(st, 2);
		s->first_us = time_of(st, 3);
		s->last_us = time_of(st, 4);
		s->first_received_us = time_of(st, 5);
		s->last_received_us = time_of(st, 6);
		s->connections = sqlite3_column_int64(st, 7);
		s->rejected = sqlite3_column_int64(st, 8);
		s->streams = arena_alloc(&s->arena, streams, sizeof(*s->streams));
		s->feeds = arena_alloc(&s->arena, feeds, sizeof(*s->feeds));
		s->n_streams = streams;
		s->n_feeds = feeds;
		ok = (s->streams != NULL && s->feeds != NULL) || no_memory(e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

/* `ids` are the keys of the feeds, in their order. */
static bool read_feeds(struct sqlite3 *db, struct summary *s, int64_t *ids, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st, feeds_sql, e);
	size_t n = 0;

	while (ok && n < s->n_feeds) {
		struct summary_feed *feed = &s->feeds[n];

		ok = db_first(st, &found, e);
		if (!ok || !found)
			break;
		ids[n++] = sqlite3_column_int64(st, 0);
		ok = (keep(s, &feed->name, st, 1) && keep_url(s, &feed->url, db_column(st, 2)) &&
			     keep(s, &feed->protocol, st, 3)) ||
			no_memory(e);
	}
	s->n_feeds = n;
	(void)sqlite3_finalize(st);
	return ok;
}

static bool take_stream(
	struct summary *s, struct summary_stream *stream, struct sqlite3_stmt *st, struct err *e)
{
	stream->events = sqlite3_column_int64(st, 3);
	stream->first_us = time_of(st, 4);
	stream->last_us = time_of(st, 5);
	stream->last_received_us = time_of(st, 6);
	stream->clock_offset_us = time_of(st, 7);
	stream->is_wanted = sqlite3_column_int(st, 8) != 0;
	stream->wanted_us = sqlite3_column_int64(st, 9);
	stream->gaps = sqlite3_column_int64(st, 10);
	stream->gap_us = sqlite3_column_int64(st, 11);
	stream->open_gap.started_us = time_of(st, 14);
	return (keep(s, &stream->path, st, 1) && keep(s, &stream->params, st, 2) &&
		       keep(s, &stream->open_gap.cause, st, 12) &&
		       keep(s, &stream->open_gap.detail, st, 13)) ||
		no_memory(e);
}

static bool read_streams(struct sqlite3 *db, struct summary *s, const int64_t *ids, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st, streams_sql, e);
	size_t feed = 0;
	size_t n = 0;

	while (ok && n < s->n_streams) {
		ok = db_first(st, &found, e);
		if (!ok || !found)
			break;
		/* Both come in the order of feed_id. */
		while (feed + 1 < s->n_feeds && ids[feed] != sqlite3_column_int64(st, 0))
			feed++;
		s->streams[n].feed = feed;
		ok = take_stream(s, &s->streams[n++], st, e);
	}
	s->n_streams = n;
	(void)sqlite3_finalize(st);
	return ok;
}

/* SQLite knows where the files are, whatever symbolic links lead to them. */
static void read_sizes(struct sqlite3 *db, struct summary *s)
{
	const char *file = sqlite3_db_filename(db, "main");
	struct stat st;

	if (stat(sqlite3_filename_wal(file), &st) == 0)
		s->wal_bytes = (uint64_t)st.st_size;
	s->bytes = s->wal_bytes;
	if (stat(file, &st) == 0)
		s->bytes += (uint64_t)st.st_size;
}

static bool read_all(struct sqlite3 *db, struct summary *s, struct err *e)
{
	int64_t *ids;

	if (!db_exec(db, "BEGIN", e) ||
		!db_number(db, "PRAGMA user_version", &s->schema_version, e) ||
		!read_run(db, s, e) || !read_whole(db, s, e))
		return false;
	read_sizes(db, s);
	ids = arena_alloc(&s->arena, s->n_feeds, sizeof(*ids));
	if (ids == NULL)
		return no_memory(e);
	return read_feeds(db, s, ids, e) && read_streams(db, s, ids, e);
}

bool summary_read(struct summary **out, const char *path, struct err *e)
{
	struct summary *s = NULL;
	struct sqlite3 *db = NULL;
	bool ok = db_open_reader(&db, path, e);

	if (ok) {
		s = calloc(1, sizeof(*s));
		ok = (s != NULL || no_memory(e)) && read_all(db, s, e);
		ok = ok || err_prefix(e, "cannot read '%s'", path);
	}
	db_close(db);
	if (ok)
		*out = s;
	else
		summary_free(s);
	return ok;
}

void summary_free(struct summary *s)
{
	if (s == NULL)
		return;
	arena_release(&s->arena);
	free(s);
}
