#include "store/reel_gaps.h"

#include "base/buf.h"
#include "store/db.h"
#include "store/reel_file.h"

#include <sqlite3.h>
#include <stdlib.h>

struct reel_gaps {
	struct reel *reel;
	struct sqlite3_stmt *row;
	int64_t number;   /* of the next row */
	struct buf texts; /* of the last one */
};

static const char forget_sql[] = "DROP TABLE IF EXISTS temp.chosen_gap";

/* Feeds and streams are looked up for each gap, not the view for each stream. */
static const char fill_sql[] =
	"CREATE TABLE temp.chosen_gap AS "
	"WITH hole AS MATERIALIZED (SELECT * FROM gap) "
	"SELECT s.stream_id AS stream_id, h.started AS started, h.ended AS ended, "
	"	CAST(round(h.seconds * 1e6) AS INTEGER) AS us, h.cause AS cause, h.detail AS detail "
	"FROM hole h CROSS JOIN feed f ON f.name = h.feed "
	"	CROSS JOIN stream s ON s.feed_id = f.feed_id AND s.path = h.path AND s.params = h.params "
	"WHERE chosen(s.stream_id) ORDER BY h.started, s.stream_id";

static const char row_sql[] = "SELECT stream_id, started, ended, us, cause, detail "
			      "FROM temp.chosen_gap WHERE rowid = ?1";

bool reel_gaps_open(struct reel_gaps **out, struct reel *r, struct err *e)
{
	struct reel_gaps *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
	g->reel = r;
	g->number = 1;
	buf_init(&g->texts, SIZE_MAX / 2);
	if (db_exec(r->db, forget_sql, e) && db_exec(r->db, fill_sql, e) &&
		db_prepare(r->db, &g->row, row_sql, e)) {
		*out = g;
		return true;
	}
	reel_gaps_close(g);
	return err_prefix(e, "cannot read the gaps of '%s'", r->path);
}

void reel_gaps_close(struct reel_gaps *g)
{
	if (g == NULL)
		return;
	(void)sqlite3_finalize(g->row);
	buf_release(&g->texts);
	(void)sqlite3_exec(g->reel->db, forget_sql, NULL, NULL, NULL);
	free(g);
}

/* Copies the texts: a statement that is not reset would keep a transaction open on the recording, too. */
static bool take(struct reel_gaps *g, struct reel_gap *out, struct err *e)
{
	struct slice cause = db_column(g->row, 4);
	struct slice detail = db_column(g->row, 5);

	buf_reset(&g->texts, SIZE_MAX);
	if (!buf_append_slice(&g->texts, cause) || !buf_append_slice(&g->texts, detail) ||
		!buf_reserve(&g->texts, 1))
		return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", g->reel->path);
	*out = (struct reel_gap){ .started_us = sqlite3_column_int64(g->row, 1),
		.ended_us = sqlite3_column_type(g->row, 2) == SQLITE_NULL
			? REEL_NONE
			: sqlite3_column_int64(g->row, 2),
		.duration_us = sqlite3_column_int64(g->row, 3),
		.cause = { g->texts.data, cause.len },
		.detail = { detail.ptr != NULL ? g->texts.data + cause.len : NULL, detail.len } };
	return reel_place(g->reel, sqlite3_column_int64(g->row, 0), &out->place) ||
		err_set(e, ERR_STORE, "cannot read the gaps of '%s': a stream is not there",
			g->reel->path);
}

bool reel_gaps_next(struct reel_gaps *g, struct reel_gap *out, bool *found, struct err *e)
{
	bool ok;

	(void)sqlite3_bind_int64(g->row, 1, g->number++);
	ok = db_first(g->row, found, e) ||
		err_prefix(e, "cannot read the gaps of '%s'", g->reel->path);
	ok = ok && (!*found || take(g, out, e));
	(void)sqlite3_reset(g->row);
	return ok;
}
