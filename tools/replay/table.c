#include "table.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define CELL_TEXT_MAX 128 /* of table_printf */
#define LEFT_OUT "..."
#define KEPT_FRONT ((CELL_WIDTH_MAX - sizeof(LEFT_OUT) + 1 + 1) / 2)
#define KEPT_BACK (CELL_WIDTH_MAX - (sizeof(LEFT_OUT) - 1) - KEPT_FRONT)

/* How many columns of a terminal the character at `at` takes; `*size` bytes. The text is UTF-8. */
static size_t char_width(const char *at, const char *end, size_t *size)
{
	wchar_t wide;
	int bytes = mbtowc(&wide, at, (size_t)(end - at));
	int width;

	*size = bytes > 0 ? (size_t)bytes : 1;
	width = bytes > 0 ? wcwidth(wide) : 1;
	return width >= 0 ? (size_t)width : 1;
}

static size_t width_of(const char *at, const char *end)
{
	size_t width = 0;
	size_t size;

	for (; at < end; at += size)
		width += char_width(at, end, &size);
	return width;
}

/* Where the columns `skip` to the end begin; never inside a character. */
static const char *behind(const char *at, const char *end, size_t skip)
{
	size_t width = 0;
	size_t size;

	while (at < end) {
		width += char_width(at, end, &size);
		if (width > skip)
			break;
		at += size;
	}
	return at;
}

bool table_escape(struct slice text, struct buf *out)
{
	const char *end = text.ptr + text.len;
	bool ok = true;

	for (const char *at = text.ptr; at < end && ok;) {
		size_t size = utf8_showable((struct slice){ at, (size_t)(end - at) });

		ok = size != 0 ? buf_append(out, at, size)
			       : buf_printf(out, "\\x%02x", (unsigned char)*at);
		at += size != 0 ? size : 1;
	}
	return ok;
}

/* Appends what a cell shows of `text`. */
static bool show(struct slice text, struct buf *out)
{
	size_t from = out->len;
	const char *start;
	const char *end;
	const char *front;
	const char *back;
	size_t width;

	if (text.len == 0)
		return true;
	if (!table_escape(text, out))
		return false;
	start = out->data + from;
	end = out->data + out->len;
	width = width_of(start, end);
	if (width <= CELL_WIDTH_MAX)
		return true;
	front = behind(start, end, KEPT_FRONT);
	back = behind(start, end, width - KEPT_BACK);
	/* What is left out is longer than what stands for it. */
	assert((size_t)(back - front) >= sizeof(LEFT_OUT) - 1);
	out->len = (size_t)(front - out->data);
	memcpy(out->data + out->len, LEFT_OUT, sizeof(LEFT_OUT) - 1);
	out->len += sizeof(LEFT_OUT) - 1;
	memmove(out->data + out->len, back, (size_t)(end - back));
	out->len += (size_t)(end - back);
	return true;
}

void table_init(struct table *t, const struct table_column *columns, size_t count)
{
	assert(count != 0 && count <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .columns = columns, .n_columns = count };
	buf_init(&t->cells, SIZE_MAX / 2);
	for (size_t i = 0; i < count; i++)
		table_cell(t, slice_of(columns[i].name));
}

void table_cell(struct table *t, struct slice text)
{
	size_t from = t->cells.len;
	size_t width;

	if (t->failed || !show(text, &t->cells) || !buf_append_char(&t->cells, '\0')) {
		t->failed = true;
		return;
	}
	width = width_of(t->cells.data + from, t->cells.data + t->cells.len - 1);
	if (width > t->widths[t->next])
		t->widths[t->next] = width;
	t->next = (t->next + 1) % t->n_columns;
}

void table_printf(struct table *t, const char *format, ...)
{
	char text[CELL_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(t, slice_of(text));
}

/* A line has no spaces at its end. */
static void print_cell(const struct table *t, size_t column, struct slice cell, FILE *out)
{
	size_t width = width_of(cell.ptr, cell.ptr + cell.len);
	int padding = (int)(t->widths[column] - width);
	bool is_last = column + 1 == t->n_columns;

	if (t->columns[column].is_number)
		(void)fprintf(out, "  %*s%s", padding, "", cell.ptr);
	else
		(void)fprintf(out, "  %s%*s", cell.ptr, is_last ? 0 : padding, "");
	if (is_last)
		(void)fputc('\n', out);
}

bool table_print(const struct table *t, FILE *out)
{
	const char *at = t->cells.data;
	const char *end = at + t->cells.len;

	if (t->failed)
		return false;
	assert(t->next == 0);
	for (size_t i = 0; at < end; i++) {
		struct slice cell = slice_of(at);

		print_cell(t, i % t->n_columns, cell, out);
		at += cell.len + 1;
	}
	return true;
}

void table_release(struct table *t)
{
	buf_release(&t->cells);
}
