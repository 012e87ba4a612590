#include "proto/http_chunked.h"

#define SIZE_DIGITS_MAX 15

static enum http_chunked_result fail(struct http_fault *fault, int status, const char *why)
{
	*fault = (struct http_fault){ status, why };
	return HTTP_CHUNKED_BAD;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void begin_line(struct http_chunked *c, enum http_chunked_state state)
{
	c->state = state;
	c->line_len = 0;
	c->digits = 0;
	c->has_cr = false;
}

/* The line in front of a chunk has ended: its size is known. */
static enum http_chunked_result end_size(
	struct http_chunked *c, const struct buf *body, struct http_fault *fault)
{
	if (c->digits == 0)
		return fail(fault, 400, "a chunk has no size");
	if (c->left > body->max - body->len)
		return fail(fault, 413, "the body is too large");
	begin_line(c, c->left != 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER);
	return HTTP_CHUNKED_MORE;
}

static enum http_chunked_result take_size_char(
	struct http_chunked *c, char ch, const struct buf *body, struct http_fault *fault)
{
	int digit = c->state == HTTP_CHUNK_SIZE ? hex_value(ch) : -1;

	if (ch == '\n')
		return end_size(c, body, fault);
	if (c->has_cr || ++c->line_len > HTTP_CHUNK_LINE_MAX)
		return fail(fault, 400, "the line in front of a chunk is malformed");
	if (ch == '\r') {
		c->has_cr = true;
	} else if (digit >= 0 && c->digits < SIZE_DIGITS_MAX) {
		c->left = c->left * 16 + (uint64_t)digit;
		c->digits++;
	} else if (c->state == HTTP_CHUNK_SIZE) {
		if (c->digits == 0 || (ch != ';' && ch != ' ' && ch != '\t'))
			return fail(fault, 400, "the size of a chunk is malformed");
		c->state = HTTP_CHUNK_EXTENSION;
	}
	return HTTP_CHUNKED_MORE;
}

/* Behind the data of a chunk stands a line end. */
static enum http_chunked_result take_data_end(
	struct http_chunked *c, char ch, struct http_fault *fault)
{
	if (ch == '\r' && !c->has_cr) {
		c->has_cr = true;
		return HTTP_CHUNKED_MORE;
	}
	if (ch != '\n')
		return fail(fault, 400, "a chunk is longer than its size");
	begin_line(c, HTTP_CHUNK_SIZE);
	c->left = 0;
	return HTTP_CHUNKED_MORE;
}

/* Trailers end with an empty line. */
static enum http_chunked_result take_trailer_char(
	struct http_chunked *c, char ch, struct http_fault *fault)
{
	if (++c->trailers_len > HTTP_TRAILER_MAX)
		return fail(fault, 431, "the trailers are too large");
	if (ch == '\n') {
		if (c->line_len == 0)
			return HTTP_CHUNKED_DONE;
		c->line_len = 0;
	} else if (ch != '\r') {
		c->line_len++;
	}
	return HTTP_CHUNKED_MORE;
}

static enum http_chunked_result take_data(
	struct http_chunked *c, struct slice *in, struct buf *body, struct http_fault *fault)
{
	size_t n = in->len < c->left ? in->len : (size_t)c->left;

	if (!buf_append(body, in->ptr, n))
		return fail(fault, 503, "out of memory");
	in->ptr += n;
	in->len -= n;
	c->left -= n;
	if (c->left == 0)
		begin_line(c, HTTP_CHUNK_DATA_END);
	return HTTP_CHUNKED_MORE;
}

enum http_chunked_result http_chunked_read(
	struct http_chunked *c, struct slice *in, struct buf *body, struct http_fault *fault)
{
	enum http_chunked_result result = HTTP_CHUNKED_MORE;

	while (result == HTTP_CHUNKED_MORE && in->len != 0) {
		char ch = *in->ptr;

		if (c->state == HTTP_CHUNK_DATA) {
			result = take_data(c, in, body, fault);
			continue;
		}
		in->ptr++;
		in->len--;
		if (c->state == HTTP_CHUNK_DATA_END)
			result = take_data_end(c, ch, fault);
		else if (c->state == HTTP_CHUNK_TRAILER)
			result = take_trailer_char(c, ch, fault);
		else
			result = take_size_char(c, ch, body, fault);
	}
	return result;
}
