#include "proto/gunzip.h"

#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST /* zlib then does not ask for input that it may write to */
#include <zlib.h>

#define PIECE ((size_t)16 << 10)
#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, and the gzip format alone */

struct gunzip {
	z_stream z;
	bool is_inside; /* a member */
};

struct gunzip *gunzip_new(void)
{
	struct gunzip *g = calloc(1, sizeof(*g));

	if (g != NULL && inflateInit2(&g->z, GZIP_WINDOW) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void gunzip_free(struct gunzip *g)
{
	if (g == NULL)
		return;
	(void)inflateEnd(&g->z);
	free(g);
}

/* One step of zlib: some input, some output. */
static bool step(struct gunzip *g, struct buf *out, struct err *e)
{
	unsigned char piece[PIECE];
	int rc;

	g->is_inside = true;
	g->z.next_out = piece;
	g->z.avail_out = (uInt)sizeof(piece);
	rc = inflate(&g->z, Z_NO_FLUSH);
	if (rc == Z_MEM_ERROR)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return err_set(e, ERR_INPUT, "what should be gzip is not");
	if (!buf_append(out, piece, sizeof(piece) - g->z.avail_out))
		return err_set(e, ERR_LIMIT, "what gzip stands for is too large");
	if (rc == Z_STREAM_END) {
		g->is_inside = false;
		(void)inflateReset(&g->z);
	}
	return true;
}

bool gunzip_take(struct gunzip *g, struct slice bytes, struct buf *out, struct err *e)
{
	while (bytes.len != 0) {
		uInt size = bytes.len < UINT_MAX ? (uInt)bytes.len : UINT_MAX;

		g->z.next_in = (const Bytef *)bytes.ptr;
		g->z.avail_in = size;
		/* All input, and all output that it makes: a full piece may not have been the last. */
		do {
			if (!step(g, out, e))
				return false;
		} while (g->z.avail_in != 0 || (g->is_inside && g->z.avail_out == 0));
		bytes.ptr += size;
		bytes.len -= size;
	}
	return true;
}

bool gunzip_is_complete(const struct gunzip *g)
{
	return !g->is_inside;
}
