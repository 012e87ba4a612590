#include "store/reel_scan.h"

#include "store/db.h"
#include "store/reel_file.h"
#include "store/reel_ids.h"

#include <sqlite3.h>

/* Where streams are passed over, a call looks at so many ids: some 10 ms. */
#define WINDOW_IDS 65536

static int64_t middle_of(int64_t low, int64_t high)
{
	return low + (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
}

bool reel_find_received(struct reel *r, int64_t us, int64_t *event_id, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, REEL_AT, e);
	int64_t low = r->first_id;
	int64_t high = r->last_id + 1;
	int rc = SQLITE_ROW;

	if (st == NULL || !reel_begin(r, e))
		return false;
	while (low < high && (rc == SQLITE_ROW || rc == SQLITE_DONE)) {
		int64_t middle = middle_of(low, high);

		(void)sqlite3_bind_int64(st, 1, middle);
		(void)sqlite3_bind_int64(st, 2, high - 1);
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW && sqlite3_column_int64(st, 1) < us)
			low = sqlite3_column_int64(st, 0) + 1;
		else if (rc == SQLITE_ROW || rc == SQLITE_DONE)
			high = middle;
		else
			(void)reel_failed(r, e);
		(void)sqlite3_reset(st);
	}
	reel_end(r);
	*event_id = low;
	return low >= high;
}

/* The id behind which everything was received after `to_us`. */
static bool find_end(struct reel *r, int64_t to_us, int64_t *end_id, struct err *e)
{
	*end_id = r->last_id;
	if (r->span.last_received_us == REEL_NONE || to_us >= r->span.last_received_us)
		return true;
	if (!reel_find_received(r, to_us + 1, end_id, e))
		return false;
	(*end_id)--;
	return true;
}

bool reel_scan_place(
	struct reel_scan *s, int64_t to_us, const struct reel_position *position, struct err *e)
{
	struct reel *r = s->reel;
	int64_t us = position->time_us;

	if (s->is_placed)
		return true;
	if (!s->uses_ids && !reel_ids_take(r, &s->uses_ids, e))
		return false;
	if (!find_end(r, to_us, &s->end_id, e))
		return false;
	/* Behind all events of that time: at the first one of the next. */
	if (position->event_id == INT64_MAX && us < INT64_MAX)
		us++;
	if (r->span.first_received_us == REEL_NONE || us > r->span.last_received_us)
		s->next_id = r->last_id + 1;
	else if (us <= r->span.first_received_us)
		s->next_id = r->first_id;
	else if (!reel_find_received(r, us, &s->next_id, e))
		return false;
	if (position->event_id != INT64_MAX && position->event_id >= s->next_id)
		s->next_id = position->event_id + 1;
	s->is_placed = true;
	return true;
}

/* True while there are rows; `*error` if it ended for another reason than that there are no more, or that the slice is
 * full. */
static bool step(struct reel_scan *s, struct sqlite3_stmt *st, struct event_slice *out,
	bool *failed, struct err *e)
{
	struct stored_event event;
	int rc = sqlite3_step(st);

	if (rc == SQLITE_DONE)
		return false;
	*failed = rc != SQLITE_ROW;
	if (*failed) {
		(void)reel_failed(s->reel, e);
		return false;
	}
	if (reel_take_event(s->reel, st, &event) && !event_slice_add(out, &event)) {
		*failed = true;
		return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", s->reel->path);
	}
	s->next_id = event.event_id + 1;
	return true;
}

void reel_scan_release(struct reel_scan *s)
{
	if (s->uses_ids)
		reel_ids_drop(s->reel);
	s->uses_ids = false;
}

/* The row of an event, if it is still there: retention may have taken it. */
static bool fetch(struct reel *r, int64_t event_id, struct event_slice *out, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, REEL_FETCH, e);
	struct stored_event event;
	bool ok = st != NULL;
	bool found;

	if (!ok)
		return false;
	(void)sqlite3_bind_int64(st, 1, event_id);
	ok = db_first(st, &found, e) || err_prefix(e, "cannot read '%s'", r->path);
	if (ok && found && reel_take_event(r, st, &event))
		ok = event_slice_add(out, &event) ||
			err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
	(void)sqlite3_reset(st);
	return ok;
}

static bool read_by_id(
	struct reel_scan *s, struct event_slice *out, size_t max_bytes, struct err *e)
{
	struct reel *r = s->reel;
	size_t i = reel_ids_find(r, s->next_id);
	bool ok = reel_begin(r, e);

	if (!ok)
		return false;
	for (; ok && i < r->n_ids && r->ids[i] <= s->end_id && event_slice_bytes(out) < max_bytes;
		i++) {
		ok = fetch(r, r->ids[i], out, e);
		s->next_id = r->ids[i] + ok;
	}
	if (ok && (i == r->n_ids || r->ids[i] > s->end_id))
		s->next_id = s->end_id + 1;
	reel_end(r);
	return ok;
}

bool reel_scan_read(
	struct reel_scan *s, struct event_slice *out, size_t max_bytes, bool *ended, struct err *e)
{
	struct reel *r = s->reel;
	bool is_all = r->is_everything_chosen;
	struct sqlite3_stmt *st;
	int64_t until = s->end_id;
	bool failed = false;

	*ended = s->next_id > s->end_id;
	if (*ended)
		return true;
	if (s->uses_ids) {
		/* What was read before the damage is good. */
		if (!read_by_id(s, out, max_bytes, e) && event_slice_bytes(out) == 0)
			return false;
		*ended = s->next_id > s->end_id;
		return true;
	}
	st = reel_statement(r, is_all ? REEL_SCAN : REEL_SCAN_CHOSEN, e);
	if (st == NULL)
		return false;
	if (!is_all && (uint64_t)until - (uint64_t)s->next_id >= WINDOW_IDS)
		until = s->next_id + WINDOW_IDS - 1;
	(void)sqlite3_bind_int64(st, 1, s->next_id);
	(void)sqlite3_bind_int64(st, 2, until);
	while (event_slice_bytes(out) < max_bytes && step(s, st, out, &failed, e))
		;
	(void)sqlite3_reset(st);
	/* What was read before the damage is good. */
	if (failed)
		return event_slice_bytes(out) != 0;
	if (event_slice_bytes(out) < max_bytes)
		s->next_id = until + 1;
	*ended = s->next_id > s->end_id;
	return true;
}

/* The last chosen event of those from `first_id` to `last_id`. */
static bool find_last(struct reel *r, int64_t first_id, int64_t last_id, int64_t *received_us,
	bool *found, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, REEL_CLOCK_BEFORE, e);

	if (st == NULL)
		return false;
	(void)sqlite3_bind_int64(st, 1, first_id);
	(void)sqlite3_bind_int64(st, 2, last_id);
	if (!db_first(st, found, e))
		return err_prefix(e, "cannot read '%s'", r->path);
	if (*found)
		*received_us = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return true;
}

bool reel_scan_last(
	struct reel_scan *s, int64_t from_us, int64_t to_us, int64_t *received_us, struct err *e)
{
	struct reel *r = s->reel;
	int64_t end_id;
	int64_t us = REEL_NONE;
	bool found = false;
	bool ok = find_end(r, to_us, &end_id, e) &&
		(s->uses_ids || reel_ids_take(r, &s->uses_ids, e));

	if (ok && !s->uses_ids)
		ok = find_last(r, r->first_id, end_id, &us, &found, e);
	/* Those that are gone meanwhile are passed over. */
	for (size_t i = s->uses_ids ? reel_ids_find(r, end_id + 1) : 0; ok && !found && i-- > 0;)
		ok = find_last(r, r->ids[i], r->ids[i], &us, &found, e);
	*received_us = found && us >= from_us ? us : REEL_NONE;
	return ok;
}
