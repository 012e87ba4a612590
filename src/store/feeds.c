#include "store/feeds.h"

#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The session is lost for good where it was ended in an orderly way. After a crash all that were open ended
 * at one instant, and what they covered is known until the earliest of their last bytes. */
static const char known_sql[] =
	"SELECT protocol, pid, resume_offset, "
	"	CASE WHEN close_reason = 'crash' THEN (SELECT min(min(o.closed, o.last_received)) "
	"		FROM connection o WHERE o.feed_id = c.feed_id AND o.closed = c.closed "
	"			AND o.close_reason = 'crash' AND o.established IS NOT NULL) "
	"	ELSE last_received END, "
	"	close_reason IN ('stopped', 'disconnected', 'handover') "
	"FROM connection c WHERE feed_id = ?1 AND established IS NOT NULL "
	"ORDER BY connection_id DESC LIMIT 1";
static const char covered_sql[] =
	"SELECT path, params FROM stream s WHERE feed_id = ?1 AND "
	"	(SELECT c.ended FROM coverage c WHERE c.stream_id = s.stream_id AND c.started <= ?2 "
	"		ORDER BY c.started DESC LIMIT 1) >= ?2";
static const char wanted_sql[] = "SELECT path, params FROM wanted JOIN stream USING (stream_id) "
				 "WHERE feed_id = ?1 AND wanted.ended IS NULL";

static bool read_known(struct sqlite3_stmt *st, struct store_known *out, struct err *e)
{
	const char *protocol = (const char *)sqlite3_column_text(st, 0);
	const char *pid = (const char *)sqlite3_column_text(st, 1);
	const char *offset = (const char *)sqlite3_column_text(st, 2);

	(void)snprintf(
		out->protocol, sizeof(out->protocol), "%s", protocol != NULL ? protocol : "");
	out->resume_us = sqlite3_column_int64(st, 3);
	if (sqlite3_column_int(st, 4) != 0 || pid == NULL || offset == NULL)
		return true;
	out->pid = strdup(pid);
	out->offset = strdup(offset);
	if (out->pid != NULL && out->offset != NULL)
		return true;
	store_known_release(out);
	return err_set(e, ERR_NOMEM, "out of memory");
}

bool feeds_known(struct sqlite3 *db, int64_t feed_id, struct store_known *out, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	bool ok;

	*out = (struct store_known){ 0 };
	if (!db_prepare(db, &st, known_sql, e))
		return false;
	(void)sqlite3_bind_int64(st, 1, feed_id);
	ok = db_first(st, &found, e) && (!found || read_known(st, out, e));
	(void)sqlite3_finalize(st);
	return ok;
}

void store_known_release(struct store_known *known)
{
	free(known->pid);
	free(known->offset);
	known->pid = NULL;
	known->offset = NULL;
}

bool feeds_names(struct sqlite3 *db, feeds_name_fn *take, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st, "SELECT name, feed_id FROM feed", e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found &&
			!take(arg, (const char *)sqlite3_column_text(st, 0),
				sqlite3_column_int64(st, 1)))
			ok = err_set(e, ERR_NOMEM, "out of memory");
	}
	(void)sqlite3_finalize(st);
	return ok;
}

/* Hands every row of a statement over and finalizes it. */
static bool take_all(struct sqlite3_stmt *st, feeds_stream_fn *take, void *arg, struct err *e)
{
	bool found = true;
	bool ok = true;

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			take(arg, db_column(st, 0), db_column(st, 1));
	}
	(void)sqlite3_finalize(st);
	return ok;
}

bool feeds_covered_at(struct sqlite3 *db, int64_t feed_id, int64_t at_us, feeds_stream_fn *take,
	void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;

	if (!db_prepare(db, &st, covered_sql, e))
		return false;
	(void)sqlite3_bind_int64(st, 1, feed_id);
	(void)sqlite3_bind_int64(st, 2, at_us);
	return take_all(st, take, arg, e);
}

bool feeds_wanted(
	struct sqlite3 *db, int64_t feed_id, feeds_stream_fn *take, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;

	if (!db_prepare(db, &st, wanted_sql, e))
		return false;
	(void)sqlite3_bind_int64(st, 1, feed_id);
	return take_all(st, take, arg, e);
}
