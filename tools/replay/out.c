#include "out.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool out_open(struct out *o, int fd, struct err *e)
{
	*o = (struct out){ .fd = fd, .bytes = malloc(OUT_BYTES) };
	return o->bytes != NULL || err_set(e, ERR_NOMEM, "cannot print: out of memory");
}

void out_release(struct out *o)
{
	free(o->bytes);
	*o = (struct out){ 0 };
}

static void write_all(struct out *o, const char *bytes, size_t len)
{
	while (len != 0 && o->error == 0) {
		ssize_t n = write(o->fd, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			/* Whoever shares the descriptor does not want to wait; we do. */
			(void)poll(&(struct pollfd){ .fd = o->fd, .events = POLLOUT }, 1, -1);
		} else if (errno != EINTR) {
			o->error = errno;
		}
	}
}

void out_flush(struct out *o)
{
	write_all(o, o->bytes, o->len);
	o->len = 0;
}

void out_bytes(struct out *o, const void *bytes, size_t len)
{
	if (len > OUT_BYTES - o->len) {
		out_flush(o);
		if (len >= OUT_BYTES) {
			write_all(o, bytes, len);
			return;
		}
	}
	if (len != 0)
		memcpy(o->bytes + o->len, bytes, len);
	o->len += len;
}

void out_number(struct out *o, int64_t number)
{
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (number < 0)
		digits[--at] = '-';
	out_bytes(o, digits + at, sizeof(digits) - at);
}

void out_line(struct out *o, struct slice text)
{
	const char *at = text.ptr;
	const char *end = text.len != 0 ? at + text.len : at;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		const char *cr = memchr(at, '\r', (size_t)((lf != NULL ? lf : end) - at));
		const char *stop = cr != NULL ? cr : lf;

		if (stop == NULL) {
			out_bytes(o, at, (size_t)(end - at));
			return;
		}
		out_bytes(o, at, (size_t)(stop - at));
		out_char(o, ' ');
		at = stop + 1;
	}
}

bool out_end(struct out *o, struct err *e)
{
	out_flush(o);
	if (o->error == 0)
		return true;
	*e = (struct err){ .code = ERR_SYSTEM };
	if (o->error != EPIPE)
		(void)err_set(
			e, ERR_SYSTEM, "cannot write to standard output: %s", strerror(o->error));
	return false;
}
