#include "config/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "config/file.h"
#include "config/valid.h"

#define ENDPOINTS_MAX 1000000
#define INDEXES_MAX 32
#define COLUMNS_MAX 32
#define PLACE_TEXT_MAX 512

/* The endpoints of a feed while they are read. */
struct endpoints {
	struct list all;     /* struct config_endpoint */
	struct list lines;   /* uint32_t for each: its line in the params_file, or 0 */
	struct list entries; /* struct config_entry */
};

bool read_endpoint_path(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct slice *path = field;
	const char *text;

	if (json_type_of(raw) != JSON_STRING)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (!reader_text(r, at, raw, &text))
		return false;
	if (!valid_text(text))
		return reader_refuse(r, o, at, raw, o->allowed);
	*path = slice_of(text);
	return true;
}

bool read_params(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	return reader_canonical(r, at, raw, field);
}

static bool read_columns(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, struct config_index *index)
{
	struct list columns = { 0 };

	if (!reader_strings(r, o, at, raw, valid_text, "a column's name", &columns))
		return false;
	if (columns.count == 0 || columns.count > COLUMNS_MAX)
		return reader_fail(
			r, at, "has %zu columns; allowed: 1 to %d", columns.count, COLUMNS_MAX);
	index->columns = columns.items;
	index->n_columns = columns.count;
	return true;
}

bool read_index(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config_draft *draft = field;
	struct place element = { .up = at };
	struct list indexes = { 0 };
	struct json_iter it;
	struct slice value;

	if (json_type_of(raw) != JSON_ARRAY)
		return reader_refuse(r, o, at, raw, o->allowed);
	json_iter_init(&it, raw);
	for (; json_iter_next(&it, NULL, &value); element.index++) {
		struct config_index *index = reader_list_add(r, &indexes, sizeof(*index));

		if (index == NULL || !read_columns(r, o, &element, value, index))
			return false;
	}
	if (indexes.count > INDEXES_MAX)
		return reader_fail(
			r, at, "has %zu elements; allowed: at most %d", indexes.count, INDEXES_MAX);
	draft->endpoint.indexes = indexes.items;
	draft->endpoint.n_indexes = indexes.count;
	return true;
}

static bool add_endpoint(struct reader *r, struct endpoints *list, const struct place *at,
	const struct config_endpoint *endpoint, uint32_t line)
{
	struct config_endpoint *added;
	uint32_t *added_line;

	if (list->all.count == ENDPOINTS_MAX)
		return reader_fail(
			r, at, "is one too many: a feed has at most %d endpoints", ENDPOINTS_MAX);
	added = reader_list_add(r, &list->all, sizeof(*added));
	added_line = added != NULL ? reader_list_add(r, &list->lines, sizeof(*added_line)) : NULL;
	if (added_line == NULL)
		return false;
	*added = *endpoint;
	*added_line = line;
	return true;
}

/* Checks one line of a params_file; what is wrong is named by file and line, not by place. */
static bool read_line(struct reader *r, struct slice line, uint32_t number,
	const struct config_draft *draft, struct slice *params)
{
	struct reader of_file = *r;
	char name[64];
	struct place at = { .name = name };
	struct err why;
	bool ok;

	of_file.file = draft->params_file;
	(void)snprintf(name, sizeof(name), "line %u", number);
	if (!utf8_valid(line))
		ok = reader_fail(&of_file, &at, "is not UTF-8");
	else if (!json_validate(line, NULL, &why))
		ok = reader_fail(&of_file, &at, "is %s; allowed: one JSON object", why.text);
	else if (json_type_of(line) != JSON_OBJECT)
		ok = reader_fail(&of_file, &at, "is no object; allowed: one JSON object");
	else
		ok = reader_canonical(&of_file, &at, line, params);
	r->scratch = of_file.scratch; /* it may have grown */
	return ok;
}

static bool read_lines(struct reader *r, struct endpoints *list, const struct place *at,
	struct slice text, struct config_draft *draft)
{
	uint32_t number = 1;

	for (size_t begin = 0; begin < text.len; number++) {
		const char *end = memchr(text.ptr + begin, '\n', text.len - begin);
		struct slice line = { text.ptr + begin,
			(end != NULL ? (size_t)(end - text.ptr) : text.len) - begin };

		begin += line.len + 1;
		line = reader_trim(line);
		if (line.len != 0 &&
			(!read_line(r, line, number, draft, &draft->endpoint.params) ||
				!add_endpoint(r, list, at, &draft->endpoint, number)))
			return false;
	}
	return true;
}

static bool read_params_file(struct reader *r, struct endpoints *list, const struct place *at,
	struct config_draft *draft)
{
	size_t before = list->all.count;
	struct place member = { .up = at, .name = "params_file" };
	struct buf text;
	struct err why;
	bool ok;

	buf_init(&text, CONFIG_FILE_MAX);
	ok = config_file_read(draft->params_file, &text, NULL, &why);
	if (!ok && why.code == ERR_NOMEM)
		reader_nomem(r);
	else if (!ok)
		reader_fail(r, &member, "is refused: %s", why.text);
	else
		ok = read_lines(r, list, &member, buf_slice(&text), draft);
	buf_release(&text);
	if (ok && list->all.count == before)
		return reader_fail(r, &member, "is refused: '%s' holds no line with params",
			draft->params_file);
	return ok;
}

static bool read_entry(
	struct reader *r, struct endpoints *list, const struct place *at, struct slice raw)
{
	struct config_draft draft = { 0 };
	struct config_entry *entry = reader_list_add(r, &list->entries, sizeof(*entry));
	size_t first = list->all.count;
	struct slice ignored;
	bool ok;

	if (entry == NULL || !reader_object(r, PLACE_ENDPOINT, at, raw, &draft))
		return false;
	if (draft.params_file != NULL && json_member(raw, "params", &ignored))
		return reader_fail(
			r, at, "has both \"params\" and \"params_file\"; allowed: one of them");
	if (draft.endpoint.n_indexes != 0 && draft.endpoint.table == NULL)
		return reader_fail(r, at, "has an \"index\" and no \"table\" for it");
	if (draft.params_file != NULL)
		ok = read_params_file(r, list, at, &draft);
	else
		ok = add_endpoint(r, list, at, &draft.endpoint, 0);
	*entry = (struct config_entry){ draft.params_file, first, list->all.count - first };
	return ok;
}

static int compare_slices(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = a.ptr != b.ptr && len != 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_streams(const struct config_endpoint *a, const struct config_endpoint *b)
{
	int order = compare_slices(a->path, b->path);

	return order != 0 ? order : compare_slices(a->params, b->params);
}

/* By stream, then in the order of the file. */
static int compare_endpoints(const void *left, const void *right)
{
	const struct config_endpoint *a = *(const struct config_endpoint *const *)left;
	const struct config_endpoint *b = *(const struct config_endpoint *const *)right;
	int order = compare_streams(a, b);

	return order != 0 ? order : (a > b) - (a < b);
}

/* Where an endpoint was written: "feeds[0].endpoints[2], line 7 of 'tickers.ndjson'". */
static void endpoint_place(const struct endpoints *list, const struct place *at, size_t number,
	char out[PLACE_TEXT_MAX])
{
	const struct config_entry *entries = list->entries.items;
	const uint32_t *lines = list->lines.items;
	struct place element = { .up = at };
	struct buf text;

	while (number >= entries[element.index].first + entries[element.index].count)
		element.index++;
	buf_init(&text, PLACE_TEXT_MAX);
	reader_place_text(&element, &text);
	if (lines[number] != 0)
		(void)!buf_printf(&text, ", line %u of '%s'", lines[number],
			entries[element.index].params_file);
	(void)snprintf(out, PLACE_TEXT_MAX, "%.*s", (int)text.len, text.len != 0 ? text.data : "");
	buf_release(&text);
}

static bool refuse_twins(struct reader *r, const struct endpoints *list, const struct place *at,
	const struct config_endpoint *first, const struct config_endpoint *second)
{
	const struct config_endpoint *all = list->all.items;
	char here[PLACE_TEXT_MAX], there[PLACE_TEXT_MAX];

	endpoint_place(list, at, (size_t)(first - all), there);
	endpoint_place(list, at, (size_t)(second - all), here);
	return err_set(r->err, ERR_CONFIG,
		"%s: %s is the same stream as %s: path \"%.60s\", params %.100s; write it once",
		r->file, here, there, first->path.ptr, first->params.ptr);
}

/* Sorted, twins stand side by side: quick with a hundred thousand endpoints, too. */
static bool check_twins(struct reader *r, const struct endpoints *list, const struct place *at)
{
	const struct config_endpoint *all = list->all.items;
	size_t n = list->all.count;
	const struct config_endpoint **sorted = calloc(n + 1, sizeof(*sorted));
	bool ok = true;

	if (sorted == NULL)
		return reader_nomem(r);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &all[i];
	qsort(sorted, n, sizeof(*sorted), compare_endpoints);
	for (size_t i = 1; ok && i < n; i++)
		if (compare_streams(sorted[i - 1], sorted[i]) == 0)
			ok = refuse_twins(r, list, at, sorted[i - 1], sorted[i]);
	free(sorted);
	return ok;
}

bool read_endpoints(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct config_feed *f = field;
	struct endpoints list = { { 0 }, { 0 }, { 0 } };
	struct place element = { .up = at };
	struct json_iter it;
	struct slice value;

	if (json_type_of(raw) != JSON_ARRAY)
		return reader_refuse(r, o, at, raw, o->allowed);
	json_iter_init(&it, raw);
	for (; json_iter_next(&it, NULL, &value); element.index++) {
		if (json_type_of(value) != JSON_OBJECT)
			return reader_refuse(r, o, &element, value, "an object");
		if (!read_entry(r, &list, &element, value))
			return false;
	}
	f->endpoints = list.all.items;
	f->n_endpoints = list.all.count;
	f->entries = list.entries.items;
	f->n_entries = list.entries.count;
	return check_twins(r, &list, at);
}
