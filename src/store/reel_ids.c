#include "store/reel_ids.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>

/* Fetching an event by its id costs some ten times what passing one over costs. */
#define FEW 16
#define IDS_STEP 4096

static bool no_memory(const struct reel *r, struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
}

static bool add(struct reel *r, int64_t event_id, struct err *e)
{
	int64_t *ids;

	if (r->n_ids % IDS_STEP == 0) {
		ids = reallocarray(r->ids, r->n_ids + IDS_STEP, sizeof(*ids));
		if (ids == NULL)
			return no_memory(r, e);
		r->ids = ids;
	}
	r->ids[r->n_ids++] = event_id;
	return true;
}

static bool read_stream(struct reel *r, int64_t stream_id, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, REEL_IDS, e);
	int rc = SQLITE_ROW;
	bool ok = st != NULL;

	if (!ok)
		return false;
	(void)sqlite3_bind_int64(st, 1, stream_id);
	(void)sqlite3_bind_int64(st, 2, r->last_id);
	while (ok && r->n_ids <= REEL_IDS_MAX && (rc = sqlite3_step(st)) == SQLITE_ROW)
		ok = add(r, sqlite3_column_int64(st, 0), e);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		ok = reel_failed(r, e);
	(void)sqlite3_reset(st);
	return ok;
}

static int compare(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left;
	int64_t b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

static void forget(struct reel *r)
{
	free(r->ids);
	r->ids = NULL;
	r->n_ids = 0;
}

static bool read_ids(struct reel *r, struct err *e)
{
	bool ok = reel_begin(r, e);

	if (!ok)
		return false;
	for (size_t i = 0; i < r->n_chosen && ok && r->n_ids <= REEL_IDS_MAX; i++)
		ok = read_stream(r, r->chosen[i].stream_id, e);
	reel_end(r);
	r->has_many = r->n_ids > REEL_IDS_MAX; /* the counters were wrong */
	if (!ok || r->has_many)
		forget(r);
	else if (r->n_ids != 0)
		qsort(r->ids, r->n_ids, sizeof(*r->ids), compare);
	return ok;
}

bool reel_ids_take(struct reel *r, bool *taken, struct err *e)
{
	uint64_t all = (uint64_t)r->last_id - (uint64_t)r->first_id;

	*taken = false;
	if (r->is_everything_chosen || r->has_many || r->chosen_events > REEL_IDS_MAX ||
		r->chosen_events > all / FEW)
		return true;
	if (r->ids_users == 0 && !read_ids(r, e))
		return false;
	*taken = !r->has_many;
	r->ids_users += *taken;
	return true;
}

void reel_ids_drop(struct reel *r)
{
	assert(r->ids_users != 0);
	if (--r->ids_users == 0)
		forget(r);
}

size_t reel_ids_find(const struct reel *r, int64_t event_id)
{
	size_t low = 0;
	size_t high = r->n_ids;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->ids[middle] < event_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
