#include "store/reel_coverage.h"

#include "store/db.h"
#include "store/reel_file.h"

#include <sqlite3.h>

/* Events that are looked at for one that is chosen. */
#define CLOCK_IDS 100000

static const char coverage_sql[] =
	"SELECT started, coalesce(ended, ?1) FROM coverage WHERE chosen(stream_id) ORDER BY started";

bool reel_coverage(struct reel *r, reel_coverage_fn *fn, void *arg, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(r->db, &st, coverage_sql, e) ||
		err_prefix(e, "cannot read '%s'", r->path);

	if (ok)
		(void)sqlite3_bind_int64(
			st, 1, r->span.is_recording ? INT64_MAX : r->span.last_alive_us);
	while (ok) {
		int64_t from_us;
		int64_t to_us;

		ok = db_first(st, &found, e) || err_prefix(e, "cannot read '%s'", r->path);
		if (!ok || !found)
			break;
		from_us = sqlite3_column_int64(st, 0);
		to_us = sqlite3_column_int64(st, 1);
		if (from_us < to_us)
			ok = fn(arg, from_us, to_us, e);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool take_clock(struct reel *r, enum reel_statement which, int64_t first_id, int64_t last_id,
	struct reel_clock *out, bool *found, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, which, e);

	if (st == NULL)
		return false;
	(void)sqlite3_bind_int64(st, 1, first_id);
	(void)sqlite3_bind_int64(st, 2, last_id);
	if (!db_first(st, found, e))
		return err_prefix(e, "cannot read '%s'", r->path);
	if (*found)
		*out = (struct reel_clock){ sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1) };
	(void)sqlite3_reset(st);
	return true;
}

bool reel_clock_before(
	struct reel *r, int64_t us, struct reel_clock *out, bool *found, struct err *e)
{
	int64_t id = r->last_id + 1;

	if (us < INT64_MAX && !reel_find_received(r, us + 1, &id, e))
		return false;
	return take_clock(r, REEL_CLOCK_BEFORE,
		(uint64_t)id - (uint64_t)r->first_id > CLOCK_IDS ? id - CLOCK_IDS : r->first_id,
		id - 1, out, found, e);
}

bool reel_clock_after(
	struct reel *r, int64_t us, struct reel_clock *out, bool *found, struct err *e)
{
	int64_t id;

	if (!reel_find_received(r, us, &id, e))
		return false;
	return take_clock(r, REEL_CLOCK_AFTER, id,
		(uint64_t)r->last_id - (uint64_t)id > CLOCK_IDS ? id + CLOCK_IDS : r->last_id, out,
		found, e);
}
