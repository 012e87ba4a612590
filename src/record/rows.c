#include "record/rows.h"

/* Adds an endpoint with the table that it names. */
static bool add_endpoint(
	struct row_plan *plan, int64_t feed_id, const struct config_endpoint *endpoint)
{
	size_t table = ROW_PLAN_NO_TABLE;

	if (endpoint->table != NULL && !row_plan_table(plan, endpoint->table, &table))
		return false;
	for (size_t i = 0; table != ROW_PLAN_NO_TABLE && i < endpoint->n_indexes; i++)
		if (!row_plan_index(plan, table, endpoint->indexes[i].columns,
			    endpoint->indexes[i].n_columns))
			return false;
	return row_plan_source(plan, feed_id, endpoint->path, endpoint->params, table);
}

static bool add_feed(struct row_plan *plan, struct writer *w, const struct config_feed *feed)
{
	int64_t feed_id;

	if (!writer_feed_id(w, feed->name, &feed_id))
		return true;
	for (size_t i = 0; i < feed->n_endpoints; i++)
		if (!add_endpoint(plan, feed_id, &feed->endpoints[i]))
			return false;
	return true;
}

static bool has_table(const struct config *config)
{
	for (size_t i = 0; i < config->n_feeds; i++)
		for (size_t k = 0; k < config->feeds[i].n_endpoints; k++)
			if (config->feeds[i].endpoints[k].table != NULL)
				return true;
	return false;
}

bool rows_configure(struct writer *w, const struct config *config, struct err *e)
{
	struct row_plan *plan = row_plan_new();
	bool ok = plan != NULL;

	/* Without a table the streams do not matter, and there may be many. */
	for (size_t i = 0; ok && has_table(config) && i < config->n_feeds; i++)
		ok = add_feed(plan, w, &config->feeds[i]);
	if (!ok) {
		row_plan_free(plan);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	writer_plan_rows(w, plan);
	return true;
}
