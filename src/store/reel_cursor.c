#include "store/reel_cursor.h"

#include "store/db.h"
#include "store/reel_file.h"
#include "store/reel_merge.h"
#include "store/reel_scan.h"

#include <sqlite3.h>
#include <stdlib.h>

/* Keys may have so many times the memory that events have. */
#define KEYS_SHARE 4

struct reel_cursor {
	struct reel *reel;
	enum reel_order order;
	int64_t from_us;
	int64_t to_us;
	struct reel_position position; /* that was sought last */
	struct reel_scan scan;         /* REEL_RECEIVED */
	struct reel_merge *merge;      /* REEL_TIMESTAMP; NULL: not begun */
};

bool reel_cursor_new(struct reel_cursor **out, struct reel *r, enum reel_order order,
	int64_t from_us, int64_t to_us, struct err *e)
{
	struct reel_cursor *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
	c->reel = r;
	c->order = order;
	c->from_us = from_us;
	c->to_us = to_us;
	c->scan.reel = r;
	c->position = (struct reel_position){ from_us, INT64_MIN };
	*out = c;
	return true;
}

void reel_cursor_free(struct reel_cursor *c)
{
	if (c == NULL)
		return;
	reel_merge_free(c->merge);
	reel_scan_release(&c->scan);
	free(c);
}

void reel_cursor_seek(struct reel_cursor *c, const struct reel_position *position)
{
	c->position = *position;
	if (position->time_us < c->from_us)
		c->position = (struct reel_position){ c->from_us, INT64_MIN };
	c->scan.is_placed = false;
	reel_merge_free(c->merge);
	c->merge = NULL;
}

int64_t reel_cursor_bound(const struct reel_cursor *c)
{
	const struct reel *r = c->reel;
	bool by_time = c->order == REEL_TIMESTAMP;
	int64_t first_us = by_time ? r->first_us : r->span.first_received_us;

	if (r->n_chosen == 0 || r->span.first_received_us == REEL_NONE)
		return INT64_MAX;
	if (c->position.time_us > first_us)
		first_us = c->position.time_us;
	if (first_us > c->to_us || (!by_time && first_us > r->span.last_received_us))
		return INT64_MAX;
	return first_us;
}

bool reel_cursor_read(struct reel_cursor *c, struct event_slice *out, size_t max_bytes, bool *ended,
	struct err *e)
{
	if (c->order == REEL_RECEIVED) {
		if (!reel_scan_place(&c->scan, c->to_us, &c->position, e) ||
			!reel_scan_read(&c->scan, out, max_bytes, ended, e))
			return false;
		if (*ended) {
			reel_scan_release(&c->scan);
			reel_rest(c->reel);
		}
		return true;
	}
	*ended = reel_cursor_bound(c) == INT64_MAX;
	if (*ended)
		return true;
	if (c->merge == NULL &&
		!reel_merge_new(
			&c->merge, c->reel, &c->position, c->to_us, KEYS_SHARE * max_bytes, e))
		return false;
	if (!reel_merge_read(c->merge, out, max_bytes, ended, e))
		return false;
	if (*ended) {
		reel_cursor_seek(c, &(struct reel_position){ INT64_MAX, INT64_MAX });
		reel_rest(c->reel);
	}
	return true;
}

bool reel_cursor_last(struct reel_cursor *c, int64_t *time_us, struct err *e)
{
	if (c->order == REEL_RECEIVED)
		return reel_scan_last(&c->scan, c->from_us, c->to_us, time_us, e);
	return reel_merge_last(c->reel, c->from_us, c->to_us, time_us, e);
}

bool reel_cursor_find(struct reel_cursor *c, int64_t event_id, struct reel_position *out,
	bool *found, struct err *e)
{
	struct reel *r = c->reel;
	struct sqlite3_stmt *st = reel_statement(r, REEL_FETCH, e);
	struct stored_event event;
	bool ok;

	*found = false;
	if (st == NULL)
		return false;
	if (event_id > r->last_id)
		return true;
	(void)sqlite3_bind_int64(st, 1, event_id);
	ok = db_first(st, found, e) || err_prefix(e, "cannot read '%s'", r->path);
	if (ok && *found) {
		*found = reel_take_event(r, st, &event);
		*out = (struct reel_position){
			c->order == REEL_RECEIVED ? event.received_us : event.timestamp_us, event_id
		};
		*found = *found && out->time_us >= c->from_us && out->time_us <= c->to_us;
	}
	(void)sqlite3_reset(st);
	return ok;
}
