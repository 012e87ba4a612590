#include "store/streams.h"

#include "base/map.h"
#include "store/db.h"
#include "store/event_sql.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { FIND, CREATE, NEWEST, FIRST, NEXT_SEQ, UPDATE, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
	[FIND] = "SELECT stream_id, events, first, last_received, clock_offset, bytes, "
		 "retained_from, last FROM stream "
		 "WHERE feed_id = ?1 AND path = ?2 AND params = ?3",
	[CREATE] = "INSERT INTO stream (feed_id, path, params) VALUES (?1, ?2, ?3)",
	[NEWEST] = EVENT_SQL_NEWEST,
	[FIRST] = "SELECT timestamp FROM event WHERE stream_id = ?1 "
		  "ORDER BY timestamp, seq LIMIT 1",
	[NEXT_SEQ] = EVENT_SQL_NEXT_SEQ,
	[UPDATE] = "UPDATE stream SET events = ?2, first = ?3, last = ?4, last_received = ?5, "
		   "clock_offset = ?6, bytes = ?7, retained_from = ?8 WHERE stream_id = ?1",
};

struct streams {
	struct sqlite3 *db;
	struct sqlite3_stmt *statement[STATEMENTS];
	struct map map;
	struct earlier *earlier; /* may be NULL */
	struct stream *dirty;
	int64_t rows;
	size_t name_bytes;
};

struct stream_key {
	int64_t feed_id;
	struct slice path;
	struct slice params;
};

bool streams_new(struct streams **out, struct sqlite3 *db, struct err *e)
{
	struct streams *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->db = db;
	if (!db_prepare_all(db, s->statement, statement_sql, STATEMENTS, e) ||
		!db_number(db, "SELECT count(*) FROM stream", &s->rows, e)) {
		streams_free(s);
		return false;
	}
	*out = s;
	return true;
}

static void forget(struct streams *s)
{
	for (size_t i = 0; i < s->map.capacity; i++)
		free(s->map.slots[i].item);
	map_release(&s->map);
	s->dirty = NULL;
	s->name_bytes = 0;
}

void streams_free(struct streams *s)
{
	if (s == NULL)
		return;
	forget(s);
	db_finalize_all(s->statement, STATEMENTS);
	free(s);
}

static bool same_stream(const void *item, const void *key)
{
	const struct stream *stream = item;
	const struct stream_key *k = key;

	return stream->feed_id == k->feed_id && slice_equal(stream->path, k->path) &&
		slice_equal(stream->params, k->params);
}

static void bind_key(struct sqlite3_stmt *st, const struct stream_key *k)
{
	(void)sqlite3_bind_int64(st, 1, k->feed_id);
	(void)sqlite3_bind_text(st, 2, k->path.ptr, (int)k->path.len, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 3, k->params.ptr, (int)k->params.len, SQLITE_STATIC);
}

/* Takes over the newest key that a query finds, if it is newer than what is known. */
static bool take_newest(struct sqlite3_stmt *st, struct stream *stream, struct err *e)
{
	int64_t us;
	int64_t seq;
	bool found;

	(void)sqlite3_bind_int64(st, 1, stream->stream_id);
	if (!db_first(st, &found, e))
		return false;
	us = sqlite3_column_int64(st, 0);
	seq = sqlite3_column_int64(st, 1);
	(void)sqlite3_reset(st);
	if (!found ||
		(stream->has_events &&
			(us < stream->newest_us ||
				(us == stream->newest_us && seq <= stream->newest_seq))))
		return true;
	stream->has_events = true;
	stream->newest_us = us;
	stream->newest_seq = seq;
	return true;
}

/* Reads the newest key of a stream that is already in the recording. */
static bool load_newest(struct streams *s, struct stream *stream, struct err *e)
{
	if (!take_newest(s->statement[NEWEST], stream, e))
		return false;
	if (stream->has_events)
		stream->last_us = stream->newest_us;
	for (size_t i = 0; i < earlier_count(s->earlier); i++) {
		struct sqlite3_stmt *st = earlier_query(s->earlier, i, EARLIER_NEWEST);

		if (st != NULL && !take_newest(st, stream, e))
			return false;
	}
	return true;
}

static bool load(
	struct streams *s, const struct stream_key *k, struct stream *stream, struct err *e)
{
	struct sqlite3_stmt *st = s->statement[FIND];
	int rc;

	bind_key(st, k);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		stream->stream_id = sqlite3_column_int64(st, 0);
		stream->events = sqlite3_column_int64(st, 1);
		stream->first_us = sqlite3_column_int64(st, 2);
		stream->last_received_us = sqlite3_column_int64(st, 3);
		stream->clock_offset_us = sqlite3_column_int64(st, 4);
		stream->bytes = sqlite3_column_int64(st, 5);
		stream->retained_us = sqlite3_column_int64(st, 6);
		stream->last_us = sqlite3_column_int64(st, 7);
		stream->delivered_us = stream->last_received_us;
	} else if (rc != SQLITE_DONE) {
		(void)db_error(s->db, e);
	}
	(void)sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		return load_newest(s, stream, e);
	if (rc != SQLITE_DONE)
		return false;
	bind_key(s->statement[CREATE], k);
	if (!db_step(s->statement[CREATE], e))
		return false;
	stream->stream_id = sqlite3_last_insert_rowid(s->db);
	s->rows++;
	return true;
}

static struct stream *new_stream(const struct stream_key *k)
{
	struct stream *stream = calloc(1, sizeof(*stream) + k->path.len + k->params.len);
	char *names;

	if (stream == NULL)
		return NULL;
	names = (char *)(stream + 1);
	if (k->path.len != 0)
		memcpy(names, k->path.ptr, k->path.len);
	memcpy(names + k->path.len, k->params.ptr, k->params.len);
	stream->feed_id = k->feed_id;
	stream->path = (struct slice){ names, k->path.len };
	stream->params = (struct slice){ names + k->path.len, k->params.len };
	return stream;
}

void streams_look_back(struct streams *s, struct earlier *earlier)
{
	s->earlier = earlier;
}

bool streams_get(struct streams *s, int64_t feed_id, struct slice path, struct slice params,
	struct stream **out, struct err *e)
{
	struct stream_key k = { feed_id, path, params };
	uint64_t hash = map_hash(map_hash((uint64_t)feed_id, path), params);
	struct stream *stream = map_find(&s->map, hash, same_stream, &k);

	if (stream != NULL) {
		*out = stream;
		return true;
	}
	stream = new_stream(&k);
	if (stream == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!load(s, &k, stream, e)) {
		free(stream);
		return false;
	}
	if (!map_add(&s->map, hash, stream)) {
		free(stream);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	s->name_bytes += path.len + params.len;
	*out = stream;
	return true;
}

/* The seq of an event that is not newer than everything before it. */
static bool look_up_seq(struct streams *s, const struct stream *stream, int64_t timestamp_us,
	int64_t *seq, struct err *e)
{
	size_t files = earlier_count(s->earlier);

	*seq = 0;
	for (size_t i = 0; i <= files; i++) {
		struct sqlite3_stmt *st = i == files
			? s->statement[NEXT_SEQ]
			: earlier_query(s->earlier, i, EARLIER_NEXT_SEQ);
		bool found;

		if (st == NULL)
			continue;
		(void)sqlite3_bind_int64(st, 1, stream->stream_id);
		(void)sqlite3_bind_int64(st, 2, timestamp_us);
		if (!db_first(st, &found, e))
			return false;
		if (found && sqlite3_column_int64(st, 0) > *seq) /* NULL, no such key yet, is 0 */
			*seq = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return true;
}

static void note_dirty(struct streams *s, struct stream *stream)
{
	if (stream->is_dirty)
		return;
	stream->is_dirty = true;
	stream->next_dirty = s->dirty;
	s->dirty = stream;
}

static void count(struct streams *s, struct stream *stream, const struct streams_event *event)
{
	if (stream->events == 0 || event->timestamp_us < stream->first_us)
		stream->first_us = event->timestamp_us;
	if (stream->events == 0 || event->timestamp_us > stream->last_us)
		stream->last_us = event->timestamp_us;
	stream->events++;
	stream->bytes += (int64_t)event->bytes;
	stream->last_received_us = event->received_us;
	stream->clock_offset_us = event->received_us - event->timestamp_us;
	note_dirty(s, stream);
}

bool streams_place(struct streams *s, struct stream *stream, const struct streams_event *event,
	int64_t *seq, struct err *e)
{
	int64_t timestamp_us = event->timestamp_us;

	if (!stream->has_events || timestamp_us > stream->newest_us) {
		*seq = 0;
		stream->has_events = true;
		stream->newest_us = timestamp_us;
		stream->newest_seq = 0;
	} else if (timestamp_us == stream->newest_us) {
		*seq = ++stream->newest_seq;
	} else if (!look_up_seq(s, stream, timestamp_us, seq, e)) {
		return false;
	}
	count(s, stream, event);
	return true;
}

bool streams_cut(struct streams *s, struct stream *stream, int64_t events, int64_t bytes,
	int64_t at_us, struct err *e)
{
	struct sqlite3_stmt *st = s->statement[FIRST];
	bool found;

	stream->retained_us = at_us;
	note_dirty(s, stream);
	if (events == 0)
		return true;
	stream->events -= events;
	stream->bytes -= bytes;
	(void)sqlite3_bind_int64(st, 1, stream->stream_id);
	if (!db_first(st, &found, e))
		return false;
	stream->first_us = found ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	stream->has_events = false;
	return load_newest(s, stream, e);
}

int64_t stream_rival_us(const struct stream *stream, int64_t connection_id)
{
	if (stream->connection_id == connection_id || stream->delivered_us < stream->rival_us)
		return stream->rival_us;
	return stream->delivered_us;
}

void stream_note_delivery(struct stream *stream, int64_t connection_id, int64_t received_us)
{
	stream->rival_us = stream_rival_us(stream, connection_id);
	stream->connection_id = connection_id;
	stream->delivered_us = received_us;
}

static void bind_known(struct sqlite3_stmt *st, int i, int64_t number, bool is_known)
{
	if (is_known)
		(void)sqlite3_bind_int64(st, i, number);
	else
		(void)sqlite3_bind_null(st, i);
}

bool streams_flush(struct streams *s, struct err *e)
{
	struct sqlite3_stmt *st = s->statement[UPDATE];

	while (s->dirty != NULL) {
		struct stream *stream = s->dirty;

		(void)sqlite3_bind_int64(st, 1, stream->stream_id);
		(void)sqlite3_bind_int64(st, 2, stream->events);
		bind_known(st, 3, stream->first_us, stream->events != 0);
		bind_known(st, 4, stream->last_us, stream->events != 0);
		bind_known(st, 5, stream->last_received_us, stream->last_received_us != 0);
		bind_known(st, 6, stream->clock_offset_us, stream->last_received_us != 0);
		(void)sqlite3_bind_int64(st, 7, stream->bytes);
		bind_known(st, 8, stream->retained_us, stream->retained_us != 0);
		if (!db_step(st, e))
			return false;
		s->dirty = stream->next_dirty;
		stream->is_dirty = false;
	}
	return true;
}

void streams_trim(struct streams *s)
{
	if (s->map.count > STREAMS_MAX || s->name_bytes > STREAMS_BYTES_MAX)
		forget(s);
}

int64_t streams_count(const struct streams *s)
{
	return s->rows;
}
