#define ZLIB_CONST /* zlib.h: the input is const */
#include "proto/ws_deflate.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include <zlib.h>

#include "base/log.h"
#include "proto/ws_header.h"

#define WINDOW_BITS_MIN 8
#define WINDOW_BITS_MAX 15
#define PEER_TEXT_SIZE 200

/* ---- the answer to the offer ---- */

enum parameter { SERVER_FRESH, SERVER_WINDOW, CLIENT_FRESH, CLIENT_WINDOW, PARAMETERS };

static const struct {
	const char *name;
	bool is_window; /* has a number of bits as its value; else none */
} parameters[PARAMETERS] = {
	[SERVER_FRESH] = { "server_no_context_takeover", false },
	[SERVER_WINDOW] = { "server_max_window_bits", true },
	[CLIENT_FRESH] = { "client_no_context_takeover", false },
	[CLIENT_WINDOW] = { "client_max_window_bits", true },
};

/* Takes what stands before the next separator off the front; false at the end. A separator within quotes
 * counts, too: no value that could be accepted holds one. */
static bool next_part(struct slice *rest, char separator, struct slice *part)
{
	const char *end;

	if (rest->ptr == NULL)
		return false;
	end = rest->len != 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
	if (end == NULL) {
		*part = ws_header_trim(*rest);
		*rest = (struct slice){ NULL, 0 };
		return true;
	}
	*part = ws_header_trim((struct slice){ rest->ptr, (size_t)(end - rest->ptr) });
	rest->len -= (size_t)(end + 1 - rest->ptr);
	rest->ptr = end + 1;
	return true;
}

/* The ABNF of names in RFC 7692 is one of quoted strings, which ignore case (RFC 5234, 2.3). */
static bool is_name(struct slice s, const char *name)
{
	return s.len == strlen(name) && strncasecmp(s.ptr, name, s.len) == 0;
}

/* Reads "8" to "15", bare or as a quoted string; 0 if it is neither. */
static int read_bits(struct slice s)
{
	int bits = 0;

	if (s.len >= 2 && *s.ptr == '"' && s.ptr[s.len - 1] == '"')
		s = (struct slice){ s.ptr + 1, s.len - 2 };
	if (s.len == 0 || s.len > 2 || *s.ptr == '0')
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return 0;
		bits = bits * 10 + (s.ptr[i] - '0');
	}
	return bits >= WINDOW_BITS_MIN && bits <= WINDOW_BITS_MAX ? bits : 0;
}

/* Reads "name" or "name=value"; `seen` has a bit for each parameter that came before. */
static bool read_parameter(struct slice text, unsigned *seen, struct ws_deflate_terms *terms)
{
	const char *equals = text.len != 0 ? memchr(text.ptr, '=', text.len) : NULL;
	size_t n = equals != NULL ? (size_t)(equals - text.ptr) : text.len;
	struct slice name = ws_header_trim((struct slice){ text.ptr, n });
	int which = 0, bits = 0;

	while (which < PARAMETERS && !is_name(name, parameters[which].name))
		which++;
	if (which == PARAMETERS || (*seen & 1U << which) != 0 ||
		parameters[which].is_window != (equals != NULL))
		return false;
	*seen |= 1U << which;
	if (equals != NULL) {
		bits = read_bits(ws_header_trim((struct slice){ equals + 1, text.len - n - 1 }));
		if (bits == 0)
			return false;
	}
	if (which == SERVER_FRESH)
		terms->is_fresh = true;
	if (which == SERVER_WINDOW)
		terms->window_bits = bits;
	return true;
}

/* Reads one extension: "permessage-deflate; server_max_window_bits=10". */
static bool read_extension(struct slice text, struct ws_deflate_terms *terms, struct err *e)
{
	struct slice rest = text, part;
	char quoted[PEER_TEXT_SIZE];
	unsigned seen = 0;

	if (!next_part(&rest, ';', &part) || !is_name(part, "permessage-deflate"))
		return err_set(e, ERR_PROTOCOL,
			"the server uses a WebSocket extension that was not offered: \"%s\"",
			log_peer_text(quoted, sizeof(quoted), text));
	if (terms->is_agreed)
		return err_set(e, ERR_PROTOCOL,
			"the server agrees twice to the WebSocket extension permessage-deflate");
	*terms = (struct ws_deflate_terms){ .is_agreed = true, .window_bits = WINDOW_BITS_MAX };
	while (next_part(&rest, ';', &part)) {
		if (!read_parameter(part, &seen, terms))
			return err_set(e, ERR_PROTOCOL,
				"the server agrees to permessage-deflate with a bad parameter: "
				"\"%s\"",
				log_peer_text(quoted, sizeof(quoted), part));
	}
	return true;
}

bool ws_deflate_agree(struct ws_deflate_terms *terms, struct slice value, struct err *e)
{
	struct slice part;

	/* A list may have empty elements (RFC 9110, 5.6.1.2). */
	while (next_part(&value, ',', &part)) {
		if (part.len != 0 && !read_extension(part, terms, e))
			return false;
	}
	return true;
}

/* ---- the inflater ---- */

/* What a sender cuts off the end of every message (RFC 7692, 7.2.1): length and complement of the empty
 * block that flushes its compressor. */
static const char flush_tail[] = { 0x00, 0x00, '\xff', '\xff' };

/* zlib's data_type after a step (zlib.h, at inflate). */
enum { UNUSED_BITS = 63, LAST_BLOCK = 64, BLOCK_END = 128 };

struct ws_inflater {
	z_stream stream;
	bool is_fresh;
	bool is_at_border; /* all input so far is whole blocks and ends with a byte */
	bool is_ended;     /* the last block said that it is the last one */
	bool is_full;      /* the last piece filled the room: there may be more without input */
	bool in_tail;
	struct slice tail;
	char piece[WS_INFLATE_PIECE_MAX];
};

struct ws_inflater *ws_inflater_new(const struct ws_deflate_terms *terms)
{
	struct ws_inflater *f = calloc(1, sizeof(*f));
	/* A zlib that is told 8 makes a stream of 9. */
	int bits = terms->window_bits > WINDOW_BITS_MIN ? terms->window_bits : WINDOW_BITS_MIN + 1;

	assert(terms->is_agreed && bits <= WINDOW_BITS_MAX);
	if (f == NULL)
		return NULL;
	f->is_fresh = terms->is_fresh;
	f->is_at_border = true;
	if (inflateInit2(&f->stream, -bits) != Z_OK) {
		free(f);
		return NULL;
	}
	return f;
}

void ws_inflater_free(struct ws_inflater *f)
{
	if (f == NULL)
		return;
	(void)inflateEnd(&f->stream);
	free(f);
}

static enum ws_inflate_result fail(struct err *e, const char *what)
{
	err_set(e, ERR_PROTOCOL, "a compressed message of the peer is corrupt: %s", what);
	return WS_INFLATE_BAD;
}

/* One step of zlib, which stops at the end of each block, as only there it tells where it stands. */
static enum ws_inflate_result step(struct ws_inflater *f, struct slice *in, struct err *e)
{
	z_stream *z = &f->stream;
	int code;

	if (f->is_ended && in->len != 0) {
		/* Blocks may go on behind a last one, with the same window (RFC 7692, 7.2.3.4). The
		 * documented inflateReset forgets the window. */
		(void)inflateResetKeep(z);
		f->is_ended = false;
	}
	z->next_in = (const unsigned char *)in->ptr;
	z->avail_in = (uInt)in->len;
	z->next_out = (unsigned char *)f->piece;
	z->avail_out = sizeof(f->piece);
	code = inflate(z, Z_BLOCK);
	in->ptr += in->len - z->avail_in;
	in->len = z->avail_in;
	f->is_full = z->avail_out == 0;
	switch (code) {
	case Z_BUF_ERROR: /* no byte in or out; it may still have met a block's end in the bits it held */
		if ((z->data_type & BLOCK_END) == 0)
			return WS_INFLATE_END;
		break;
	case Z_OK:
	case Z_STREAM_END:
		break;
	case Z_MEM_ERROR:
		err_set(e, ERR_NOMEM, "cannot inflate a WebSocket message: out of memory");
		return WS_INFLATE_BAD;
	default:
		return fail(e, z->msg != NULL ? z->msg : "zlib refuses it");
	}
	f->is_ended = code == Z_STREAM_END ||
		(z->data_type & (BLOCK_END | LAST_BLOCK)) == (BLOCK_END | LAST_BLOCK);
	f->is_at_border = f->is_ended || (z->data_type & (BLOCK_END | UNUSED_BITS)) == BLOCK_END;
	return z->avail_out == sizeof(f->piece) ? WS_INFLATE_END : WS_INFLATE_PIECE;
}

/* Steps until there is a piece, or no input is left. */
static enum ws_inflate_result drain(struct ws_inflater *f, struct slice *in, struct err *e)
{
	enum ws_inflate_result result = WS_INFLATE_END;

	while (result == WS_INFLATE_END && (in->len != 0 || f->is_full))
		result = step(f, in, e);
	return result;
}

enum ws_inflate_result ws_inflate(
	struct ws_inflater *f, struct slice *in, bool is_last, struct slice *out, struct err *e)
{
	enum ws_inflate_result result = WS_INFLATE_END;

	assert(in->len <= UINT_MAX && (in->len == 0 || !f->in_tail));
	if (!f->in_tail)
		result = drain(f, in, e);
	/* A message that ends with whole blocks has not lost its tail: it is empty, its blocks ended with
	 * a last one, or its sender forgot to cut. With a tail behind it, it could not end with any. */
	if (result == WS_INFLATE_END && is_last && !f->in_tail && !f->is_at_border) {
		f->in_tail = true;
		f->tail = (struct slice){ flush_tail, sizeof(flush_tail) };
	}
	if (f->in_tail)
		result = drain(f, &f->tail, e);
	*out = (struct slice){ f->piece, 0 };
	if (result == WS_INFLATE_PIECE)
		out->len = sizeof(f->piece) - f->stream.avail_out;
	if (result != WS_INFLATE_END || !is_last)
		return result;
	f->in_tail = false;
	if (!f->is_at_border)
		return fail(e, "it ends inside a block");
	if (f->is_fresh)
		(void)inflateReset(&f->stream);
	return WS_INFLATE_END;
}
