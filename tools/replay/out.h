/*
 * out: much text to standard output, fast.
 *
 * Bytes are gathered and written in large pieces. A failure is remembered: what is put after it goes nowhere, and whoever
 * puts asks out_is_ok now and then. The owner embeds it.
 */
#ifndef TAPEDECK_REPLAY_OUT_H
#define TAPEDECK_REPLAY_OUT_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUT_BYTES ((size_t)256 << 10)

struct out {
	int fd;
	int error; /* errno of the write that failed; 0: none has */
	size_t len;
	char *bytes;
};

bool out_open(struct out *o, int fd, struct err *e) MUST_CHECK;
void out_release(struct out *o);

void out_bytes(struct out *o, const void *bytes, size_t len);
void out_number(struct out *o, int64_t number);
/* The bytes as they are, but spaces for line breaks. */
void out_line(struct out *o, struct slice text);

static inline void out_char(struct out *o, char c)
{
	if (o->len == OUT_BYTES)
		out_bytes(o, &c, 1);
	else
		o->bytes[o->len++] = c;
}

static inline void out_slice(struct out *o, struct slice text)
{
	out_bytes(o, text.ptr, text.len);
}

static inline void out_text(struct out *o, const char *text)
{
	out_slice(o, slice_of(text));
}

static inline bool out_is_ok(const struct out *o)
{
	return o->error == 0;
}

/* Writes what was gathered. */
void out_flush(struct out *o);

/* False if something could not be written; `e` says why. A reader who has gone away has seen enough: false, too, with no
 * text in `e`. */
bool out_end(struct out *o, struct err *e) MUST_CHECK;

#endif
