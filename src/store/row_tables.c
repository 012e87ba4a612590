#include "store/row_tables.h"

#include "store/row_chores.h"
#include "store/row_review.h"
#include "store/row_set.h"

#include <stdlib.h>

struct row_tables {
	struct row_set set;
	struct row_chores *chores;
	struct streams *streams;
};

bool row_tables_new(
	struct row_tables **out, struct sqlite3 *db, struct streams *streams, struct err *e)
{
	struct row_tables *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->streams = streams;
	if (!row_set_init(&r->set, db, e) || !row_chores_new(&r->chores, &r->set, e)) {
		row_tables_free(r);
		return false;
	}
	*out = r;
	return true;
}

void row_tables_free(struct row_tables *r)
{
	if (r == NULL)
		return;
	row_chores_free(r->chores);
	row_set_release(&r->set);
	free(r);
}

bool row_tables_configure(struct row_tables *r, const struct row_plan *plan, struct err *e)
{
	static const struct row_plan nothing = { 0 };

	return row_review(&r->set, r->streams, plan != NULL ? plan : &nothing, e);
}

bool row_tables_put(
	struct row_tables *r, int64_t stream_id, const struct row_event *event, struct err *e)
{
	return row_set_put_event(&r->set, stream_id, event, e);
}

bool row_tables_chore(struct row_tables *r, int64_t until_us, bool *more, struct err *e)
{
	return row_chores_run(r->chores, until_us, more, e);
}
