#include "store/row_plan.h"

#include "base/buf.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GROWTH_MIN 16

struct row_plan *row_plan_new(void)
{
	return calloc(1, sizeof(struct row_plan));
}

void row_plan_free(struct row_plan *plan)
{
	if (plan == NULL)
		return;
	for (size_t i = 0; i < plan->n_tables; i++) {
		free(plan->tables[i].name);
		free(plan->tables[i].indexes);
	}
	for (size_t i = 0; i < plan->n_sources; i++)
		free(plan->sources[i].text);
	free(plan->tables);
	free(plan->sources);
	free(plan);
}

/* Room for one more in an array that has doubled each time it was full. */
static bool grow(void **items, size_t count, size_t size)
{
	void *grown;

	if (count != 0 && (count < GROWTH_MIN || (count & (count - 1)) != 0))
		return true;
	grown = realloc(*items, (count < GROWTH_MIN ? GROWTH_MIN : count * 2) * size);
	if (grown == NULL)
		return false;
	*items = grown;
	return true;
}

bool row_plan_table(struct row_plan *plan, const char *name, size_t *table)
{
	void *tables = plan->tables;
	struct row_plan_table *new;

	for (*table = 0; *table < plan->n_tables; ++*table)
		if (strcasecmp(plan->tables[*table].name, name) == 0)
			return true;
	if (!grow(&tables, plan->n_tables, sizeof(*plan->tables)))
		return false;
	plan->tables = tables;
	new = &plan->tables[plan->n_tables];
	*new = (struct row_plan_table){ .name = strdup(name), .indexes = strdup("[]") };
	if (new->name == NULL || new->indexes == NULL) {
		free(new->name);
		free(new->indexes);
		return false;
	}
	plan->n_tables++;
	return true;
}

static bool write_index(struct buf *out, const char *const *columns, size_t n_columns)
{
	for (size_t i = 0; i < n_columns; i++)
		if (!buf_append_char(out, i == 0 ? '[' : ',') ||
			!json_string_encode(slice_of(columns[i]), out))
			return false;
	return buf_append_char(out, ']');
}

static bool has_index(const char *indexes, struct slice index)
{
	struct json_iter it;
	struct slice one;

	json_iter_init(&it, slice_of(indexes));
	while (json_iter_next(&it, NULL, &one))
		if (slice_equal(one, index))
			return true;
	return false;
}

bool row_plan_index(
	struct row_plan *plan, size_t table, const char *const *columns, size_t n_columns)
{
	struct row_plan_table *t = &plan->tables[table];
	size_t len = strlen(t->indexes) - 1; /* without the closing bracket */
	struct buf index;
	char *grown;
	bool ok = false;

	buf_init(&index, SIZE_MAX);
	if (!write_index(&index, columns, n_columns))
		goto done;
	ok = has_index(t->indexes, buf_slice(&index));
	if (ok)
		goto done;
	grown = realloc(t->indexes, len + index.len + 3);
	if (grown == NULL)
		goto done;
	t->indexes = grown;
	if (len > 1)
		grown[len++] = ',';
	memcpy(grown + len, index.data, index.len);
	memcpy(grown + len + index.len, "]", 2);
	ok = true;
done:
	buf_release(&index);
	return ok;
}

bool row_plan_source(struct row_plan *plan, int64_t feed_id, struct slice path, struct slice params,
	size_t table)
{
	void *sources = plan->sources;
	char *text = malloc(path.len + params.len + 1);

	if (text == NULL || !grow(&sources, plan->n_sources, sizeof(*plan->sources))) {
		free(text);
		return false;
	}
	plan->sources = sources;
	if (path.len != 0)
		memcpy(text, path.ptr, path.len);
	memcpy(text + path.len, params.ptr, params.len);
	plan->sources[plan->n_sources++] = (struct row_plan_source){ .text = text,
		.feed_id = feed_id,
		.path = { text, path.len },
		.params = { text + path.len, params.len },
		.table = table };
	return true;
}
