#include "print.h"

#include "base/arena.h"
#include "base/nearest.h"
#include "store/reel_rows.h"
#include "tape_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* RFC 4180. */
#define LINE_END "\r\n"

/* The table in one recording. */
struct part {
	struct reel_rows *rows; /* NULL: it has none of that name */
	size_t *source;         /* by column of the output: its column, or NOWHERE */
};

#define NOWHERE SIZE_MAX

struct table {
	struct tape *tape;
	struct out *out;
	const char *name;
	struct part *parts;    /* as the recordings are numbered */
	struct slice *columns; /* of all of them */
	size_t n_columns;
	struct arena arena;
};

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot print: out of memory");
}

/* ---- values ---- */

static void put_quoted(struct out *o, struct slice text)
{
	const char *at = text.ptr;
	const char *end = at + text.len;

	out_char(o, '"');
	while (at < end) {
		const char *quote = memchr(at, '"', (size_t)(end - at));
		const char *stop = quote != NULL ? quote + 1 : end;

		out_bytes(o, at, (size_t)(stop - at));
		if (quote != NULL)
			out_char(o, '"');
		at = stop;
	}
	out_char(o, '"');
}

/* An empty text is in quotes: NULL is nothing at all. */
static void put_text(struct out *o, struct slice text)
{
	bool is_plain = text.len != 0;

	for (size_t i = 0; i < text.len && is_plain; i++)
		is_plain = text.ptr[i] != ',' && text.ptr[i] != '"' && text.ptr[i] != '\n' &&
			text.ptr[i] != '\r';
	if (is_plain)
		out_slice(o, text);
	else
		put_quoted(o, text);
}

static void put_value(struct out *o, const struct row_value *value)
{
	char text[ROW_REAL_TEXT_MAX];

	switch (value->kind) {
	case ROW_NULL:
		break;
	case ROW_INTEGER:
		out_number(o, value->integer);
		break;
	case ROW_REAL:
		row_real_text(value->real, text);
		out_text(o, text);
		break;
	case ROW_TEXT:
		put_text(o, value->text);
		break;
	}
}

static void put_row(struct table *t, const struct part *p, const struct row_value *values)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		if (i != 0)
			out_char(t->out, ',');
		if (p->source[i] != NOWHERE)
			put_value(t->out, &values[p->source[i]]);
	}
	out_text(t->out, LINE_END);
}

static void put_header(struct table *t)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		if (i != 0)
			out_char(t->out, ',');
		put_text(t->out, t->columns[i]);
	}
	out_text(t->out, LINE_END);
}

/* ---- columns ---- */

static bool is_same(struct slice a, struct slice b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static size_t find_column(const struct slice *columns, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(columns[i], name))
			return i;
	return NOWHERE;
}

/* Adds the columns that the recordings before this one did not have. */
static bool add_columns(struct table *t, const struct part *p, struct err *e)
{
	size_t count;
	const struct slice *columns = reel_rows_columns(p->rows, &count);
	struct slice *all = arena_alloc(&t->arena, t->n_columns + count, sizeof(*all));

	if (all == NULL)
		return no_memory(e);
	if (t->n_columns != 0)
		memcpy(all, t->columns, t->n_columns * sizeof(*all));
	for (size_t i = 0; i < count; i++)
		if (find_column(all, t->n_columns, columns[i]) == NOWHERE)
			all[t->n_columns++] = columns[i];
	t->columns = all;
	return true;
}

static bool map_columns(struct table *t, struct part *p, struct err *e)
{
	size_t count;
	const struct slice *columns = reel_rows_columns(p->rows, &count);

	p->source = arena_alloc(&t->arena, t->n_columns, sizeof(*p->source));
	if (p->source == NULL)
		return no_memory(e);
	for (size_t i = 0; i < t->n_columns; i++)
		p->source[i] = find_column(columns, count, t->columns[i]);
	return true;
}

/* ---- the table ---- */

struct search {
	struct slice name;
	size_t least;
	char found[128];
};

static bool compare(void *arg, struct slice name, struct err *e)
{
	struct search *s = arg;
	size_t distance = nearest_distance(s->name, name);

	(void)e;
	if (s->found[0] == '\0' || distance < s->least) {
		s->least = distance;
		(void)snprintf(s->found, sizeof(s->found), "%.*s", (int)name.len, name.ptr);
	}
	return true;
}

static bool refuse(const struct table *t, struct err *e)
{
	struct search s = { .name = slice_of(t->name) };

	for (size_t i = 0; i < t->tape->n_reels; i++)
		if (!reel_rows_names(t->tape->reels[i], compare, &s, e))
			return false;
	if (s.found[0] == '\0')
		return err_set(e, ERR_CONFIG,
			"--table '%s': there is no row table in the recordings; the configuration's "
			"\"table\" makes one",
			t->name);
	return err_set(e, ERR_CONFIG,
		"--table '%s': there is no such row table in the recordings; the nearest is '%s'",
		t->name, s.found);
}

static bool open_parts(struct table *t, struct err *e)
{
	bool found = false;

	t->parts = arena_alloc(&t->arena, t->tape->n_reels, sizeof(*t->parts));
	if (t->parts == NULL)
		return no_memory(e);
	for (size_t i = 0; i < t->tape->n_reels; i++) {
		struct part *p = &t->parts[i];

		if (!reel_rows_open(&p->rows, t->tape->reels[i], t->name, e))
			return false;
		if (p->rows == NULL)
			continue;
		found = true;
		if (!add_columns(t, p, e))
			return false;
		if (reel_rows_is_behind(p->rows))
			(void)fprintf(stderr,
				"tapedeck-replay: '%s': the table '%s' is still being filled with "
				"what was recorded before it was configured: rows are missing\n",
				reel_path(t->tape->reels[i]), t->name);
	}
	if (!found)
		return refuse(t, e);
	for (size_t i = 0; i < t->tape->n_reels; i++)
		if (t->parts[i].rows != NULL && !map_columns(t, &t->parts[i], e))
			return false;
	return true;
}

static bool put_event(struct table *t, const struct tape_event *event, struct err *e)
{
	const struct part *p = &t->parts[event->recording];
	const struct row_value *values;
	bool found = p->rows != NULL && reel_rows_has(p->rows, event->stream);

	while (found) {
		if (!reel_rows_next(p->rows, event->event_id, &values, &found, e))
			return false;
		if (found)
			put_row(t, p, values);
	}
	return true;
}

static bool put_all(struct table *t, struct err *e)
{
	struct tape_cursor *c;
	struct tape_event event;
	enum tape_result result = TAPE_END;
	bool ok = tape_cursor_new(&c, t->tape, e);

	if (!ok)
		return false;
	put_header(t);
	while (ok && out_is_ok(t->out) && (result = tape_cursor_next(c, &event, e)) == TAPE_EVENT)
		ok = put_event(t, &event, e);
	tape_cursor_free(c);
	return ok && result != TAPE_FAILED;
}

bool print_table(struct tape *t, const char *name, struct out *o, struct err *e)
{
	struct table table = { .tape = t, .out = o, .name = name };
	bool ok = open_parts(&table, e) && put_all(&table, e);

	for (size_t i = 0; table.parts != NULL && i < t->n_reels; i++)
		reel_rows_close(table.parts[i].rows);
	arena_release(&table.arena);
	return ok;
}
