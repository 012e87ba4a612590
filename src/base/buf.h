/*
 * buf: a growing byte buffer that knows its limit.
 *
 * The owner embeds it, gives it a maximum once, and releases it. An append that would pass the maximum,
 * or for which there is no memory, fails and leaves the buffer as it was. Pointers into the buffer are
 * valid until the next append, consume or release.
 */
#ifndef TAPEDECK_BASE_BUF_H
#define TAPEDECK_BASE_BUF_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* bytes that `len` never passes */
};

void buf_init(struct buf *b, size_t max);

/* Frees the bytes; the buffer is then as after buf_init. */
void buf_release(struct buf *b);

/* Makes room for `more` bytes behind `len`, so that the caller may write there and add to `len`. */
bool buf_reserve(struct buf *b, size_t more) MUST_CHECK;

bool buf_append(struct buf *b, const void *bytes, size_t len) MUST_CHECK;
bool buf_append_slice(struct buf *b, struct slice s) MUST_CHECK;
bool buf_append_str(struct buf *b, const char *s) MUST_CHECK;
bool buf_append_char(struct buf *b, char c) MUST_CHECK;
bool buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/* Drops `n` bytes from the front. */
void buf_consume(struct buf *b, size_t n);

/* Forgets the content and keeps the memory, unless more than `keep` bytes are allocated. */
void buf_reset(struct buf *b, size_t keep);

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->data, b->len };
}

#endif
