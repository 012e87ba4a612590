#include "store/intervals.h"

#include "store/db.h"

#include <sqlite3.h>
#include <stdlib.h>

enum {
	BEGIN_WANTED,
	END_WANTED,
	SET_COVERED,
	DELETE_COVERED,
	FIND_OUTAGE,
	BEGIN_OUTAGE,
	END_OUTAGE,
	DELETE_OUTAGE,
	FORGET_COVERED,
	CUT_COVERED,
	FORGET_WANTED,
	CUT_WANTED,
	FORGET_OUTAGES,
	FORGET_FEED_OUTAGES,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[BEGIN_WANTED] = "INSERT INTO wanted (stream_id, started) SELECT ?1, ?2 WHERE NOT EXISTS "
			 "(SELECT 1 FROM wanted WHERE stream_id = ?1 AND ended IS NULL) "
			 "ON CONFLICT (stream_id, started) DO UPDATE SET ended = NULL",
	[END_WANTED] = "UPDATE wanted SET ended = max(?2, started) "
		       "WHERE stream_id = ?1 AND ended IS NULL",
	[SET_COVERED] = "INSERT INTO coverage (stream_id, started, ended) VALUES (?1, ?2, ?3) "
			"ON CONFLICT (stream_id, started) DO UPDATE SET ended = excluded.ended",
	[DELETE_COVERED] = "DELETE FROM coverage WHERE stream_id = ?1 AND started = ?2",
	[FIND_OUTAGE] = "SELECT outage_id, started, cause FROM outage "
			"WHERE feed_id = ?1 AND stream_id IS ?2 AND ended IS NULL",
	[BEGIN_OUTAGE] = "INSERT INTO outage (feed_id, stream_id, started, cause, detail) "
			 "VALUES (?1, ?2, ?3, ?4, ?5)",
	[END_OUTAGE] = "UPDATE outage SET ended = ?2 WHERE outage_id = ?1",
	[DELETE_OUTAGE] = "DELETE FROM outage WHERE outage_id = ?1",
	[FORGET_COVERED] = "DELETE FROM coverage WHERE stream_id = ?1 AND ended <= ?2",
	[CUT_COVERED] = "UPDATE coverage SET started = ?2 WHERE stream_id = ?1 AND started < ?2",
	[FORGET_WANTED] = "DELETE FROM wanted WHERE stream_id = ?1 AND ended <= ?2",
	[CUT_WANTED] = "UPDATE wanted SET started = ?2 WHERE stream_id = ?1 AND started < ?2",
	[FORGET_OUTAGES] = "DELETE FROM outage WHERE stream_id = ?1 AND ended <= ?2",
	[FORGET_FEED_OUTAGES] =
		"DELETE FROM outage WHERE outage_id IN (SELECT o.outage_id FROM "
		"(SELECT feed_id, min(coalesce(retained_from, 0)) AS at FROM stream GROUP BY feed_id) k "
		"JOIN outage o ON o.feed_id = k.feed_id AND o.stream_id IS NULL AND o.ended <= k.at)",
};

/* The order matters: a crash is told from the connections that are still open. */
static const char recover_sql[] =
	/* How far each feed is known to have been recorded. */
	"CREATE TEMP TABLE crashed (feed_id INTEGER PRIMARY KEY, seen INTEGER, at INTEGER);"
	"INSERT INTO crashed SELECT f.feed_id, r.last_alive, min(r.last_alive, coalesce("
	"	(SELECT min(c.last_received) FROM connection c WHERE c.feed_id = f.feed_id "
	"		AND c.closed IS NULL AND c.established IS NOT NULL), r.last_alive)) "
	"FROM feed f, (SELECT last_alive, ended FROM run ORDER BY run_id DESC LIMIT 1) r "
	"WHERE r.ended IS NULL;"
	"CREATE TEMP TABLE dangling (stream_id INTEGER, started INTEGER, at INTEGER, "
	"	PRIMARY KEY (stream_id, started)) WITHOUT ROWID;"
	"INSERT INTO dangling SELECT c.stream_id, c.started, coalesce(k.at, "
	"	(SELECT coalesce(ended, last_alive) FROM run ORDER BY run_id DESC LIMIT 1), "
	"	c.started) "
	"FROM coverage c JOIN stream s USING (stream_id) LEFT JOIN crashed k USING (feed_id) "
	"WHERE c.ended IS NULL;"
	"DELETE FROM coverage WHERE (stream_id, started) IN "
	"	(SELECT stream_id, started FROM dangling WHERE at <= started);"
	"UPDATE coverage SET ended = (SELECT d.at FROM dangling d "
	"	WHERE d.stream_id = coverage.stream_id AND d.started = coverage.started) "
	"WHERE ended IS NULL;"
	"DELETE FROM outage WHERE ended IS NULL AND stream_id IS NOT NULL AND started >= "
	"	(SELECT at FROM crashed k WHERE k.feed_id = outage.feed_id);"
	"UPDATE outage SET ended = (SELECT at FROM crashed k WHERE k.feed_id = outage.feed_id) "
	"WHERE ended IS NULL AND stream_id IS NOT NULL AND feed_id IN (SELECT feed_id FROM crashed);"
	"UPDATE connection SET close_reason = 'crash', closed = max(opened, "
	"	(SELECT seen FROM crashed k WHERE k.feed_id = connection.feed_id)) "
	"WHERE closed IS NULL AND feed_id IN (SELECT feed_id FROM crashed);"
	"INSERT INTO outage (feed_id, started, cause) SELECT feed_id, at, 'crash' FROM crashed k "
	"WHERE NOT EXISTS (SELECT 1 FROM outage o WHERE o.feed_id = k.feed_id "
	"		AND o.stream_id IS NULL AND o.ended IS NULL) "
	"	AND EXISTS (SELECT 1 FROM stream s JOIN wanted w USING (stream_id) "
	"		WHERE s.feed_id = k.feed_id AND w.ended IS NULL);"
	"DROP TABLE dangling;";

struct intervals {
	struct streams *streams;
	struct earlier *earlier; /* may be NULL */
	struct sqlite3_stmt *statement[STATEMENTS];
};

bool intervals_new(
	struct intervals **out, struct sqlite3 *db, struct streams *streams, struct err *e)
{
	struct intervals *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	v->streams = streams;
	if (!db_prepare_all(db, v->statement, statement_sql, STATEMENTS, e)) {
		intervals_free(v);
		return false;
	}
	*out = v;
	return true;
}

void intervals_look_back(struct intervals *v, struct earlier *earlier)
{
	v->earlier = earlier;
}

void intervals_free(struct intervals *v)
{
	if (v == NULL)
		return;
	db_finalize_all(v->statement, STATEMENTS);
	free(v);
}

static bool take_wanted(
	struct intervals *v, int64_t stream_id, const struct batch_record *r, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[r->kind == BATCH_WANTED ? BEGIN_WANTED : END_WANTED];

	(void)sqlite3_bind_int64(st, 1, stream_id);
	(void)sqlite3_bind_int64(st, 2, r->number[1]);
	return db_step(st, e);
}

static bool take_covered(struct intervals *v, const struct stream *stream,
	const struct batch_record *r, struct err *e)
{
	/* What was before has been cut off. */
	int64_t started = r->number[1] > stream->retained_us ? r->number[1] : stream->retained_us;
	int64_t ended = r->number[2];
	bool is_empty = ended != 0 && ended <= started;
	struct sqlite3_stmt *st = v->statement[is_empty ? DELETE_COVERED : SET_COVERED];

	if (!earlier_cover(v->earlier, stream->stream_id, r->number[1], ended, e))
		return false;
	(void)sqlite3_bind_int64(st, 1, stream->stream_id);
	(void)sqlite3_bind_int64(st, 2, started);
	if (!is_empty && ended == 0)
		(void)sqlite3_bind_null(st, 3);
	else if (!is_empty)
		(void)sqlite3_bind_int64(st, 3, ended);
	return db_step(st, e);
}

static void bind_subject(struct sqlite3_stmt *st, const struct batch_record *r, int64_t stream_id)
{
	(void)sqlite3_bind_int64(st, 1, r->number[0]);
	if (stream_id != 0)
		(void)sqlite3_bind_int64(st, 2, stream_id);
	else
		(void)sqlite3_bind_null(st, 2);
}

/* Ends an outage; one without length never was. */
static bool end_outage(
	struct intervals *v, int64_t outage_id, int64_t started, int64_t at, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[at > started ? END_OUTAGE : DELETE_OUTAGE];

	(void)sqlite3_bind_int64(st, 1, outage_id);
	if (at > started)
		(void)sqlite3_bind_int64(st, 2, at);
	return db_step(st, e);
}

static bool take_outage(
	struct intervals *v, int64_t stream_id, const struct batch_record *r, struct err *e)
{
	struct sqlite3_stmt *st = v->statement[FIND_OUTAGE];
	int64_t outage_id = 0;
	int64_t started = 0;
	bool goes_on = false;
	bool found;

	bind_subject(st, r, stream_id);
	if (!db_first(st, &found, e))
		return false;
	if (found) {
		outage_id = sqlite3_column_int64(st, 0);
		started = sqlite3_column_int64(st, 1);
		goes_on = r->text[2].ptr != NULL && slice_equal(db_column(st, 2), r->text[2]);
	}
	(void)sqlite3_reset(st);
	if (goes_on)
		return true;
	if (found && !end_outage(v, outage_id, started, r->number[1], e))
		return false;
	if (r->text[2].ptr == NULL)
		return true;
	if (!earlier_outage(v->earlier,
		    &(struct earlier_outage){
			    r->number[0], stream_id, r->number[1], r->text[2], r->text[3] },
		    e))
		return false;
	st = v->statement[BEGIN_OUTAGE];
	bind_subject(st, r, stream_id);
	(void)sqlite3_bind_int64(st, 3, r->number[1]);
	db_bind_text(st, 4, r->text[2]);
	db_bind_text(st, 5, r->text[3]);
	return db_step(st, e);
}

bool intervals_take(struct intervals *v, const struct batch_record *r, struct err *e)
{
	struct stream *stream = NULL;

	if (r->text[0].ptr != NULL &&
		!streams_get(v->streams, r->number[0], r->text[0], r->text[1], &stream, e))
		return false;
	if (r->kind == BATCH_OUTAGE)
		return take_outage(v, stream != NULL ? stream->stream_id : 0, r, e);
	if (r->kind == BATCH_COVERED)
		return take_covered(v, stream, r, e);
	return take_wanted(v, stream->stream_id, r, e);
}

bool intervals_cut(struct intervals *v, int64_t stream_id, int64_t at_us, struct err *e)
{
	for (int i = FORGET_COVERED; i <= FORGET_OUTAGES; i++) {
		(void)sqlite3_bind_int64(v->statement[i], 1, stream_id);
		(void)sqlite3_bind_int64(v->statement[i], 2, at_us);
		if (!db_step(v->statement[i], e))
			return false;
	}
	return true;
}

bool intervals_cut_feeds(struct intervals *v, struct err *e)
{
	return db_step(v->statement[FORGET_FEED_OUTAGES], e);
}

/* What was not recorded before the crash may reach back into the files before. */
static bool recover_earlier(struct sqlite3 *db, struct earlier *earlier, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st, "SELECT feed_id, at FROM crashed", e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			ok = earlier_crashed(earlier, sqlite3_column_int64(st, 0),
				sqlite3_column_int64(st, 1), e);
	}
	(void)sqlite3_finalize(st);
	return ok && earlier_flush(earlier, e) && db_exec(db, "DROP TABLE crashed", e);
}

bool intervals_recover(struct sqlite3 *db, struct earlier *earlier, struct err *e)
{
	return db_exec(db, recover_sql, e) && recover_earlier(db, earlier, e);
}

bool intervals_retire(
	struct sqlite3 *db, const int64_t *ids, size_t count, int64_t at_us, struct err *e)
{
	char sql[400];

	/* Marked one by one: a list of a thousand ids would be no statement for a fixed buffer. */
	if (!db_exec(db, "CREATE TEMP TABLE kept (feed_id INTEGER PRIMARY KEY)", e))
		return false;
	for (size_t i = 0; i < count; i++) {
		(void)sqlite3_snprintf(sizeof(sql), sql, "INSERT OR IGNORE INTO kept VALUES (%lld)",
			(long long)ids[i]);
		if (!db_exec(db, sql, e))
			return false;
	}
	(void)sqlite3_snprintf(sizeof(sql), sql,
		"UPDATE wanted SET ended = max(%lld, started) WHERE ended IS NULL AND stream_id IN "
		"(SELECT stream_id FROM stream WHERE feed_id NOT IN (SELECT feed_id FROM kept));"
		"UPDATE outage SET ended = max(%lld, started) WHERE ended IS NULL AND feed_id NOT IN "
		"(SELECT feed_id FROM kept);"
		"DROP TABLE kept",
		(long long)at_us, (long long)at_us);
	return db_exec(db, sql, e);
}
