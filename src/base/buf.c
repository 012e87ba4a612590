#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_CAP_MIN 256

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

bool buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap != 0 ? b->cap : BUF_CAP_MIN;
	char *data;

	if (more > b->max - b->len)
		return false;
	if (b->cap - b->len >= more)
		return true;
	while (cap - b->len < more)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	data = realloc(b->data, cap);
	if (data == NULL)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

bool buf_append(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0)
		return true;
	if (!buf_reserve(b, len))
		return false;
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
	return true;
}

bool buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.ptr, s.len);
}

bool buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

bool buf_append_char(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int needed;

	va_start(args, format);
	needed = vsnprintf(NULL, 0, format, args);
	va_end(args);
	/* vsnprintf ends with a NUL, which needs room but is not part of the content. */
	if (needed < 0 || !buf_reserve(b, (size_t)needed + 1))
		return false;
	va_start(args, format);
	(void)vsnprintf(b->data + b->len, (size_t)needed + 1, format, args);
	va_end(args);
	b->len += (size_t)needed;
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	if (b->len != 0 && n != 0)
		memmove(b->data, b->data + n, b->len);
}

void buf_reset(struct buf *b, size_t keep)
{
	if (b->cap > keep)
		buf_release(b);
	b->len = 0;
}
