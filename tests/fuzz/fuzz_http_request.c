/*
 * Requests of a hostile client, as the server reads them: blank lines, head, body with a length or
 * in chunks, and the next request behind it. What is asserted: a stream gives the same requests
 * whole, byte by byte and in pieces; what is found lies inside the head; bodies keep their limit; a
 * refusal has a status and a reason.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/http_chunked.h"
#include "proto/http_request.h"

#define BODY_MAX 200 /* small, so that it is met */
#define LOG_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads requests one after the other, as net/http_conn does. */
struct reader {
	struct buf in;
	size_t seen;
	bool in_body, is_over;
	struct buf head, body;
	struct http_request request;
	struct http_chunked chunked;
	struct buf *log;
};

static void append(struct buf *to, const void *bytes, size_t len)
{
	if (!buf_append(to, bytes, len))
		abort();
}

static bool is_inside(struct slice part, struct slice whole)
{
	return part.len == 0 || slice_is(part, "/") ||
		(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_request(const struct reader *r)
{
	struct slice head = buf_slice(&r->head), rest = r->request.headers;
	struct ws_header header;
	struct buf value;

	assert(is_inside(r->request.method, head) && r->request.method.len != 0);
	assert(is_inside(r->request.target, head) && is_inside(r->request.path, head));
	assert(is_inside(r->request.query, head) && is_inside(rest, head));
	assert(r->request.path.len != 0);
	while (ws_header_next(&rest, &header))
		assert(ws_header_name_valid(header.name) && ws_header_value_valid(header.value));
	buf_init(&value, r->request.query.len);
	if (http_query_member(r->request.query, "a", &value))
		assert(value.len <= r->request.query.len);
	buf_release(&value);
}

static void refuse(struct reader *r, const struct http_fault *fault)
{
	assert(fault->status >= 400 && fault->status <= 599 && fault->why[0] != '\0');
	append(r->log, &fault->status, sizeof(fault->status));
	r->is_over = true;
}

static void finish(struct reader *r)
{
	append(r->log, r->head.data, r->head.len);
	append(r->log, r->body.data, r->body.len);
	buf_release(&r->head);
	buf_release(&r->body);
	r->in_body = false;
}

static bool take_head(struct reader *r)
{
	struct http_fault fault = { 0 };
	size_t n;

	if (r->seen == 0)
		buf_consume(&r->in, http_blank_lines(buf_slice(&r->in)));
	n = http_head_end(buf_slice(&r->in), &r->seen);
	assert(n <= r->in.len && r->seen <= r->in.len);
	if (n == 0)
		return false;
	append(&r->head, r->in.data, n);
	buf_consume(&r->in, n);
	r->seen = 0;
	if (!http_request_read(buf_slice(&r->head), &r->request, &fault)) {
		refuse(r, &fault);
		return false;
	}
	check_request(r);
	if (r->request.length > BODY_MAX) {
		r->is_over = true;
		return false;
	}
	r->in_body = true;
	r->chunked = (struct http_chunked){ 0 };
	return true;
}

static bool take_body(struct reader *r)
{
	struct slice in = buf_slice(&r->in);
	struct http_fault fault = { 0 };
	enum http_chunked_result result;

	if (!r->request.is_chunked) {
		size_t n = (size_t)r->request.length - r->body.len;

		n = n < in.len ? n : in.len;
		append(&r->body, in.ptr, n);
		buf_consume(&r->in, n);
		if (r->body.len < r->request.length)
			return false;
		finish(r);
		return true;
	}
	result = http_chunked_read(&r->chunked, &in, &r->body, &fault);
	assert(r->body.len <= BODY_MAX && (result != HTTP_CHUNKED_MORE || in.len == 0));
	buf_consume(&r->in, r->in.len - in.len);
	if (result == HTTP_CHUNKED_BAD)
		refuse(r, &fault);
	if (result == HTTP_CHUNKED_DONE)
		finish(r);
	return result == HTTP_CHUNKED_DONE;
}

static void run(struct slice in, size_t step, struct buf *log)
{
	struct reader r = { .log = log };

	buf_init(&r.in, LOG_MAX);
	buf_init(&r.head, LOG_MAX);
	buf_init(&r.body, BODY_MAX);
	for (size_t at = 0; at < in.len && !r.is_over; at += step) {
		append(&r.in, in.ptr + at, in.len - at < step ? in.len - at : step);
		while (!r.is_over && (r.in_body ? take_body(&r) : take_head(&r)))
			;
	}
	buf_release(&r.in);
	buf_release(&r.head);
	buf_release(&r.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	struct buf whole, bytes, pieces;

	buf_init(&whole, LOG_MAX);
	buf_init(&bytes, LOG_MAX);
	buf_init(&pieces, LOG_MAX);
	run(in, size != 0 ? size : 1, &whole);
	run(in, 1, &bytes);
	run(in, 2 + size % 13, &pieces);
	assert(slice_equal(buf_slice(&whole), buf_slice(&bytes)));
	assert(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
	buf_release(&whole);
	buf_release(&bytes);
	buf_release(&pieces);
	return 0;
}
