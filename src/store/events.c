#include "store/events.h"

#include "store/db.h"
#include "store/event_sql.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { INSERT_EVENT, INSERT_ATTACHMENT, FIND_EQUAL, FIND_ATTACHMENTS, FIND_SESSION, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
	[INSERT_EVENT] = ("INSERT INTO event (stream_id, timestamp, seq, timestamp_text, received, "
			  "connection_id, results, extra, event_id) "
			  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
	[INSERT_ATTACHMENT] = "INSERT INTO attachment (event_id, number, data) VALUES (?1, ?2, ?3)",
	[FIND_EQUAL] = EVENT_SQL_EQUAL,
	[FIND_ATTACHMENTS] = EVENT_SQL_ATTACHMENTS,
	[FIND_SESSION] = "SELECT coalesce(min(o.connection_id), ?1) FROM connection c "
			 "JOIN connection o USING (pid) WHERE c.connection_id = ?1",
};

/* Which session a connection carries: that of the first connection with the same private id. */
struct session {
	int64_t connection_id;
	int64_t session_id;
};

#define SESSIONS_MAX 64 /* remembered; others are read again */

struct events {
	struct sqlite3 *db;
	struct streams *streams;
	struct duplicates *duplicates;
	struct row_tables *rows;
	struct earlier *earlier; /* may be NULL */
	int64_t first_id;        /* of the next event, where the file is empty; 0: SQLite counts */
	struct sqlite3_stmt *statement[STATEMENTS];
	struct session session[SESSIONS_MAX];
	size_t sessions;
};

/* An event with what follows it in its batch. */
struct incoming {
	const struct batch_record *record;
	const struct batch *batch;
	const struct batch_cursor *rest;
	struct stream *stream;
	struct delivery delivery; /* by the session: its connections are one */
	bool has_timestamp;
};

bool events_new(struct events **out, struct sqlite3 *db, struct streams *streams,
	struct duplicates *duplicates, struct row_tables *rows, struct err *e)
{
	struct events *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	*v = (struct events){
		.db = db, .streams = streams, .duplicates = duplicates, .rows = rows
	};
	if (!db_prepare_all(db, v->statement, statement_sql, STATEMENTS, e) ||
		!db_number(db,
			"SELECT event_id + 1 FROM series WHERE NOT EXISTS (SELECT 1 FROM event)",
			&v->first_id, e)) {
		events_free(v);
		return false;
	}
	*out = v;
	return true;
}

void events_look_back(struct events *v, struct earlier *earlier)
{
	v->earlier = earlier;
}

void events_free(struct events *v)
{
	if (v == NULL)
		return;
	db_finalize_all(v->statement, STATEMENTS);
	free(v);
}

/* ---- the same event by another connection ---- */

void events_forget_sessions(struct events *v)
{
	v->sessions = 0;
}

static bool session_of(struct events *v, int64_t connection_id, int64_t *session_id, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[FIND_SESSION];
	bool found;

	for (size_t i = 0; i < v->sessions; i++)
		if (v->session[i].connection_id == connection_id) {
			*session_id = v->session[i].session_id;
			return true;
		}
	(void)sqlite3_bind_int64(st, 1, connection_id);
	if (!db_first(st, &found, e))
		return false;
	*session_id = found ? sqlite3_column_int64(st, 0) : connection_id;
	(void)sqlite3_reset(st);
	if (v->sessions == SESSIONS_MAX)
		v->sessions = 0;
	v->session[v->sessions++] = (struct session){ connection_id, *session_id };
	return true;
}

/* True if a row's attachments are those that follow the event in its batch. */
static bool same_attachments(struct sqlite3_stmt *st, int64_t event_id, const struct incoming *in,
	bool *same, struct err *e)
{
	struct batch_cursor rest = *in->rest;
	struct batch_record r;
	bool found;

	(void)sqlite3_bind_int64(st, 1, event_id);
	for (*same = true; *same;) {
		bool has_next = batch_next(in->batch, &rest, &r) && r.kind == BATCH_ATTACHMENT;

		if (!db_first(st, &found, e))
			return false;
		*same = found == has_next;
		if (!found || !has_next)
			break;
		*same = sqlite3_column_int64(st, 0) == r.number[0] &&
			slice_equal(db_column(st, 1), r.text[0]);
	}
	(void)sqlite3_reset(st);
	return true;
}

/* Binds where an equal event can lie: at the same timestamp, or, without one, in the time since when two
 * connections deliver. */
static void bind_range(struct sqlite3_stmt *st, const struct incoming *in, int64_t window_us)
{
	int64_t from = in->record->number[BATCH_EVENT_TIMESTAMP];
	int64_t to = from;

	if (!in->has_timestamp) {
		from = in->delivery.received_us - window_us;
		if (from < in->record->number[BATCH_EVENT_SINCE])
			from = in->record->number[BATCH_EVENT_SINCE];
	}
	(void)sqlite3_bind_int64(st, 2, from);
	(void)sqlite3_bind_int64(st, 3, to);
	(void)sqlite3_bind_int(st, 4, in->has_timestamp ? 0 : 1);
}

/* Where to look: a file's two statements. */
struct place {
	struct sqlite3_stmt *equal;
	struct sqlite3_stmt *attachments;
};

/* The first row of a file that is this event; `out->event_id` stays 0 if there is none. */
static bool find_in(struct events *v, const struct place *place, const struct incoming *in,
	struct duplicates_row *out, struct err *e)
{
	struct sqlite3_stmt *st = place->equal;
	const struct batch_record *r = in->record;
	bool ok = true;
	bool found = true;

	(void)sqlite3_bind_int64(st, 1, in->stream->stream_id);
	bind_range(st, in, duplicates_window(v->duplicates));
	(void)sqlite3_bind_int64(st, 5, r->number[BATCH_EVENT_CONNECTION]);
	db_bind_text(st, 6, r->text[BATCH_EVENT_RESULTS]);
	db_bind_text(st, 7, r->text[BATCH_EVENT_EXTRA]);
	while (ok && out->event_id == 0) {
		struct duplicates_row row;
		bool same = false;

		if (!db_first(st, &found, e))
			return false;
		if (!found)
			break;
		row = (struct duplicates_row){ .event_id = sqlite3_column_int64(st, 0),
			.received_us = sqlite3_column_int64(st, 2) };
		ok = session_of(v, sqlite3_column_int64(st, 1), &row.connection_id, e);
		if (!ok || !duplicates_match(v->duplicates, &row, &in->delivery))
			continue;
		ok = same_attachments(place->attachments, row.event_id, in, &same, e);
		if (ok && same)
			*out = row;
	}
	(void)sqlite3_reset(st);
	return ok;
}

/* The same in all files, the oldest first. */
static bool find_row(
	struct events *v, const struct incoming *in, struct duplicates_row *out, struct err *e)
{
	const struct place own = { v->statement[FIND_EQUAL], v->statement[FIND_ATTACHMENTS] };

	for (size_t i = earlier_count(v->earlier); i-- > 0 && out->event_id == 0;) {
		const struct place place = { earlier_query(v->earlier, i, EARLIER_EQUAL),
			earlier_query(v->earlier, i, EARLIER_ATTACHMENTS) };

		if (place.equal != NULL && place.attachments != NULL &&
			!find_in(v, &place, in, out, e))
			return false;
	}
	return out->event_id != 0 || find_in(v, &own, in, out, e);
}

/* False only where it is sure that no stored event can be this one. */
static bool may_be_stored(const struct events *v, const struct incoming *in)
{
	int64_t rival_us = stream_rival_us(in->stream, in->delivery.connection_id);

	if (!in->stream->has_events || rival_us == 0 ||
		in->delivery.received_us - rival_us > duplicates_window(v->duplicates))
		return false;
	if (!in->has_timestamp)
		return in->record->number[BATCH_EVENT_SINCE] != 0;
	return in->record->number[BATCH_EVENT_TIMESTAMP] <= in->stream->newest_us;
}

/* ---- storing ---- */

static bool insert_attachments(
	struct events *v, const struct incoming *in, int64_t event_id, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[INSERT_ATTACHMENT];
	struct batch_cursor rest = *in->rest;
	struct batch_record r;

	while (batch_next(in->batch, &rest, &r) && r.kind == BATCH_ATTACHMENT) {
		(void)sqlite3_bind_int64(st, 1, event_id);
		(void)sqlite3_bind_int64(st, 2, r.number[0]);
		/* A NULL pointer would bind NULL, not an empty blob. */
		(void)sqlite3_bind_blob64(st, 3, r.text[0].len != 0 ? r.text[0].ptr : "",
			r.text[0].len, SQLITE_STATIC);
		if (!db_step(st, e))
			return false;
	}
	return true;
}

static bool insert(struct events *v, const struct incoming *in, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[INSERT_EVENT];
	const struct batch_record *r = in->record;
	struct row_event row = { .timestamp_us = r->number[BATCH_EVENT_TIMESTAMP],
		.params = in->stream->params,
		.results = r->text[BATCH_EVENT_RESULTS] };
	const struct streams_event placed = { row.timestamp_us, in->delivery.received_us,
		row.results.len };
	int64_t seq;

	if (!streams_place(v->streams, in->stream, &placed, &seq, e))
		return false;
	(void)sqlite3_bind_int64(st, 1, in->stream->stream_id);
	(void)sqlite3_bind_int64(st, 2, r->number[BATCH_EVENT_TIMESTAMP]);
	(void)sqlite3_bind_int64(st, 3, seq);
	db_bind_text(st, 4, r->text[BATCH_EVENT_TIMESTAMP_TEXT]);
	(void)sqlite3_bind_int64(st, 5, in->delivery.received_us);
	(void)sqlite3_bind_int64(st, 6, r->number[BATCH_EVENT_CONNECTION]);
	db_bind_text(st, 7, r->text[BATCH_EVENT_RESULTS]);
	db_bind_text(st, 8, r->text[BATCH_EVENT_EXTRA]);
	if (v->first_id != 0)
		(void)sqlite3_bind_int64(st, 9, v->first_id);
	else
		(void)sqlite3_bind_null(st, 9);
	if (!db_step(st, e))
		return false;
	v->first_id = 0;
	row.event_id = sqlite3_last_insert_rowid(v->db);
	return insert_attachments(v, in, row.event_id, e) &&
		row_tables_put(v->rows, in->stream->stream_id, &row, e);
}

bool events_take(struct events *v, const struct batch_record *r, const struct batch *batch,
	const struct batch_cursor *rest, enum event_fate *fate, struct err *e)
{
	const struct slice text = r->text[BATCH_EVENT_TIMESTAMP_TEXT];
	struct incoming in = { .record = r,
		.batch = batch,
		.rest = rest,
		.delivery = { .received_us = r->number[BATCH_EVENT_RECEIVED] },
		.has_timestamp = text.ptr == NULL || text.len != 0 };
	struct duplicates_row row = { 0 };

	if (!session_of(v, r->number[BATCH_EVENT_CONNECTION], &in.delivery.connection_id, e) ||
		!streams_get(v->streams, r->number[BATCH_EVENT_FEED], r->text[BATCH_EVENT_PATH],
			r->text[BATCH_EVENT_PARAMS], &in.stream, e) ||
		(may_be_stored(v, &in) && !find_row(v, &in, &row, e)))
		return false;
	stream_note_delivery(in.stream, in.delivery.connection_id, in.delivery.received_us);
	*fate = row.event_id != 0 ? EVENT_DUPLICATE : EVENT_STORED;
	if (*fate == EVENT_STORED)
		return insert(v, &in, e);
	return duplicates_mark(v->duplicates, &row, &in.delivery) ||
		err_set(e, ERR_NOMEM, "out of memory");
}
