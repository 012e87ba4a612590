/*
 * http_request, http_chunked: heads of requests of any age, queries, and bodies in chunks.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/http_chunked.h"
#include "proto/http_request.h"

#define GET "GET / HTTP/1.1\r\n"

/* Reads a head from memory that ends behind it, so that ASan sees a byte too far. */
static bool read_head(const char *text, char **copy, struct http_request *out, struct http_fault *f)
{
	size_t len = strlen(text);

	*copy = malloc(len);
	assert_non_null(*copy);
	memcpy(*copy, text, len);
	return http_request_read((struct slice){ *copy, len }, out, f);
}

/* ---- the border of a head ---- */

/* Finds the end of the head as its bytes come in pieces of `step`. */
static size_t find_end(struct slice in, size_t step)
{
	size_t seen = 0, end = 0;

	for (size_t n = step; end == 0; n += step) {
		size_t cut = n < in.len ? n : in.len;

		end = http_head_end((struct slice){ in.ptr, cut }, &seen);
		assert_true(end <= cut && seen <= cut);
		if (cut == in.len)
			break;
	}
	return end;
}

static void the_end_of_a_head_is_found_however_it_comes(void **state)
{
	static const struct {
		struct slice in;
		size_t end;
	} cases[] = {
		{ SLICE_LITERAL(GET "Host: x\r\n\r\nbody\r\n\r\n"), 27 },
		{ SLICE_LITERAL("GET / HTTP/1.1\nHost: x\n\nbody"), 24 },
		{ SLICE_LITERAL("GET / HTTP/1.1\r\n\nbody"), 17 },
		{ SLICE_LITERAL("GET / HTTP/1.1\n\r\nbody"), 17 },
		{ SLICE_LITERAL("GET / HTTP/1.1\r\nHost: x\r\n"), 0 },
		{ SLICE_LITERAL("GET / HTTP/1.1\r\nHost: x\r\n\r"), 0 },
		{ SLICE_LITERAL("a\n\r\r\n\n"), 6 },
		{ SLICE_LITERAL("\r\r\r\r"), 0 },
		{ SLICE_LITERAL(""), 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.len + 1; step++)
			assert_int_equal(find_end(cases[i].in, step), cases[i].end);
	}
	assert_int_equal(http_blank_lines((struct slice)SLICE_LITERAL("\r\n\n\rGET")), 4);
	assert_int_equal(http_blank_lines((struct slice)SLICE_LITERAL("GET")), 0);
	assert_int_equal(http_blank_lines((struct slice)SLICE_LITERAL("")), 0);
}

/* ---- heads ---- */

static void heads_of_clients_of_any_age_are_read(void **state)
{
	static const struct {
		const char *head, *method, *target, *path, *query;
		int minor;
		bool keeps_alive;
	} cases[] = {
		{ GET "\r\n", "GET", "/", "/", "", 1, true },
		{ "POST /a/b?c=d&e HTTP/1.1\nHost: x\n\n", "POST", "/a/b?c=d&e", "/a/b", "c=d&e", 1,
			true },
		{ "GET /?x=/?y HTTP/1.1\r\nConnection: Close\r\n\r\n", "GET", "/?x=/?y", "/",
			"x=/?y", 1, false },
		{ "GET / HTTP/1.1\r\nConnection: foo, close\r\n\r\n", "GET", "/", "/", "", 1,
			false },
		{ "GET / HTTP/1.0\r\n\r\n", "GET", "/", "/", "", 0, false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", "/", "", 0,
			true },
		{ "GET / HTTP/1.9\r\n\r\n", "GET", "/", "/", "", 1, true },
		{ "GET http://h.example:80/p?q HTTP/1.1\r\n\r\n", "GET", "/p?q", "/p", "q", 1,
			true },
		{ "GET HTTPS://h HTTP/1.1\r\n\r\n", "GET", "", "/", "", 1, true },
		{ "GET ws://h?q=1 HTTP/1.1\r\n\r\n", "GET", "?q=1", "/", "q=1", 1, true },
		{ "GET /p#frag?no HTTP/1.1\r\n\r\n", "GET", "/p", "/p", "", 1, true },
		{ "GET /p?q#frag HTTP/1.1\r\n\r\n", "GET", "/p?q", "/p", "q", 1, true },
		{ "OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS", "*", "*", "", 1, true },
		{ "GET   /spaces   HTTP/1.1 \r\n\r\n", "GET", "/spaces", "/spaces", "", 1, true },
		{ "GET /\xc3\xa9?%00 HTTP/1.1\r\n\r\n", "GET", "/\xc3\xa9?%00", "/\xc3\xa9", "%00",
			1, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request r;
		struct http_fault f;
		char *copy;

		assert_true(read_head(cases[i].head, &copy, &r, &f));
		assert_slice(r.method, cases[i].method);
		assert_slice(r.target, cases[i].target);
		assert_slice(r.path, cases[i].path);
		assert_slice(r.query, cases[i].query);
		assert_int_equal(r.minor, cases[i].minor);
		assert_int_equal(r.keeps_alive, cases[i].keeps_alive);
		assert_int_equal(r.length, 0);
		assert_false(r.is_chunked || r.expects_continue);
		free(copy);
	}
}

static void a_request_says_how_long_it_is(void **state)
{
	static const struct {
		const char *headers;
		uint64_t length;
		bool is_chunked, expects_continue;
	} cases[] = {
		{ "Content-Length: 0\r\n", 0, false, false },
		{ "content-length:12  \r\nExpect: 100-Continue\r\n", 12, false, true },
		{ "Content-Length: 999999999999999999\r\n", 999999999999999999, false, false },
		{ "Transfer-Encoding: Chunked\r\n", 0, true, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request r;
		struct http_fault f;
		char text[200], *copy;

		(void)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n%s\r\n", cases[i].headers);
		assert_true(read_head(text, &copy, &r, &f));
		assert_int_equal(r.length, cases[i].length);
		assert_int_equal(r.is_chunked, cases[i].is_chunked);
		assert_int_equal(r.expects_continue, cases[i].expects_continue);
		free(copy);
	}
}

static void what_two_readers_could_take_differently_is_refused(void **state)
{
	static const struct {
		const char *head;
		int status;
	} cases[] = {
		{ "\r\n\r\n", 400 },
		{ "GET\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ "GET /a b HTTP/1.1\r\n\r\n", 400 },
		{ "GET /a\tb HTTP/1.1\r\n\r\n", 400 },
		{ "GET / http/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/11\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\n\r\n", 505 },
		{ "PRI * HTTP/2.0\r\n\r\n", 505 },
		{ "G(T / HTTP/1.1\r\n\r\n", 400 },
		{ " GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET x HTTP/1.1\r\n\r\n", 400 },
		{ "GET ?q HTTP/1.1\r\n\r\n", 400 },
		{ "GET # HTTP/1.1\r\n\r\n", 400 },
		{ "CONNECT h.example:443 HTTP/1.1\r\n\r\n", 400 },
		{ GET "no header\r\n\r\n", 400 },
		{ GET "Name : value\r\n\r\n", 400 },
		{ GET ": value\r\n\r\n", 400 },
		{ GET "A: b\r\n folded\r\n\r\n", 400 },
		{ GET "A: \x01\r\n\r\n", 400 },
		{ GET "A: b\rc\r\n\r\n", 400 },
		{ GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
		{ GET "Content-Length: 1, 1\r\n\r\n", 400 },
		{ GET "Content-Length: -1\r\n\r\n", 400 },
		{ GET "Content-Length: +1\r\n\r\n", 400 },
		{ GET "Content-Length: 0x1\r\n\r\n", 400 },
		{ GET "Content-Length:\r\n\r\n", 400 },
		{ GET "Content-Length: 18446744073709551617\r\n\r\n", 400 },
		{ GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ GET "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
		{ GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501 },
		{ GET "Transfer-Encoding: identity\r\n\r\n", 501 },
		{ GET "Expect: the impossible\r\n\r\n", 417 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request r;
		struct http_fault f = { 0 };
		char *copy;

		assert_false(read_head(cases[i].head, &copy, &r, &f));
		assert_int_equal(f.status, cases[i].status);
		assert_true(strlen(f.why) > 0);
		free(copy);
	}
}

static void too_many_headers_are_refused(void **state)
{
	struct http_request r;
	struct http_fault f;
	struct buf head;

	(void)state;
	buf_init(&head, 100000);
	assert_true(buf_append_str(&head, GET));
	for (int i = 0; i < WS_HEADER_LINES_MAX + 1; i++)
		assert_true(buf_append_str(&head, "A: b\r\n"));
	assert_true(buf_append_str(&head, "\r\n"));
	assert_false(http_request_read(buf_slice(&head), &r, &f));
	assert_int_equal(f.status, 431);
	buf_release(&head);
}

/* ---- queries ---- */

static void members_of_a_query_are_found_and_decoded(void **state)
{
	static const struct {
		const char *query, *name, *value; /* NULL: not there */
	} cases[] = {
		{ "EIO=4&transport=polling", "EIO", "4" },
		{ "EIO=4&transport=polling", "transport", "polling" },
		{ "EIO=4&transport=polling", "port", NULL },
		{ "a=1&a=2", "a", "1" },
		{ "a", "a", "" },
		{ "a=", "a", "" },
		{ "&&a=b", "a", "b" },
		{ "a=b=c", "a", "b=c" },
		{ "a=%7B%22b%22%3a+1%7d", "a", "{\"b\": 1}" },
		{ "%61=b", "a", "b" },
		{ "a=%", "a", "%" },
		{ "a=%4", "a", "%4" },
		{ "a=%zz%41", "a", "%zzA" },
		{ "ab=1", "a", NULL },
		{ "a=1", "ab", NULL },
		{ "=x", "a", NULL },
		{ "", "a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(buf_append_str(&out, "<"));
		assert_int_equal(http_query_member(slice_of(cases[i].query), cases[i].name, &out),
			cases[i].value != NULL);
		if (cases[i].value != NULL)
			assert_slice((struct slice){ out.data + 1, out.len - 1 }, cases[i].value);
		else
			assert_int_equal(out.len, 1);
		buf_release(&out);
	}
}

static void a_value_that_does_not_fit_leaves_the_buffer_alone(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 3);
	assert_false(http_query_member(slice_of("a=1234"), "a", &out));
	assert_int_equal(out.len, 0);
	assert_true(http_query_member(slice_of("a=123"), "a", &out));
	assert_slice(buf_slice(&out), "123");
	buf_release(&out);
}

/* ---- chunks ---- */

/* Reads chunks in pieces of `step`; what is left of the input goes to `*left`. */
static enum http_chunked_result read_chunks(
	struct slice in, size_t step, struct buf *body, size_t *left, struct http_fault *f)
{
	enum http_chunked_result result = HTTP_CHUNKED_MORE;
	struct http_chunked c = { 0 };

	while (in.len != 0 && result == HTTP_CHUNKED_MORE) {
		struct slice piece = { in.ptr, in.len < step ? in.len : step };
		size_t before = piece.len;

		result = http_chunked_read(&c, &piece, body, f);
		assert_true(result != HTTP_CHUNKED_MORE || piece.len == 0);
		in.ptr += before - piece.len;
		in.len -= before - piece.len;
	}
	*left = in.len;
	return result;
}

static void chunks_are_put_together_however_they_come(void **state)
{
	static const struct {
		struct slice in;
		const char *body;
		size_t left;
	} cases[] = {
		{ SLICE_LITERAL("0\r\n\r\n"), "", 0 },
		{ SLICE_LITERAL("3\r\nabc\r\n0\r\n\r\nGET"), "abc", 3 },
		{ SLICE_LITERAL("1\na\n2\nbc\n0\n\nGET"), "abc", 3 },
		{ SLICE_LITERAL("0a;x=\"y\"\r\n0123456789\r\n00\r\n\r\n"), "0123456789", 0 },
		{ SLICE_LITERAL("A \t;y\r\n0123456789\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n"),
			"0123456789", 0 },
		{ SLICE_LITERAL("000000000000003\r\n\r\n\0\r\n0\r\n\r\n\r\n"), NULL, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.len; step++) {
			struct http_fault f;
			struct buf body;
			size_t left;

			buf_init(&body, 10);
			assert_int_equal(read_chunks(cases[i].in, step, &body, &left, &f),
				HTTP_CHUNKED_DONE);
			assert_int_equal(left, cases[i].left);
			if (cases[i].body != NULL)
				assert_slice(buf_slice(&body), cases[i].body);
			else
				assert_memory_equal(body.data, "\r\n\0", 3);
			buf_release(&body);
		}
	}
}

static void bad_chunks_are_refused(void **state)
{
	static const struct {
		struct slice in;
		int status;
	} cases[] = {
		{ SLICE_LITERAL("\r\nabc"), 400 },
		{ SLICE_LITERAL("x\r\n"), 400 },
		{ SLICE_LITERAL("-1\r\n"), 400 },
		{ SLICE_LITERAL("0x3\r\nabc"), 400 },
		{ SLICE_LITERAL(" 3\r\nabc"), 400 },
		{ SLICE_LITERAL("3\r3\r\nabc"), 400 },
		{ SLICE_LITERAL("3\r\nabcd\r\n"), 400 },
		{ SLICE_LITERAL("3\r\nabc\r\r\n"), 400 },
		{ SLICE_LITERAL("0000000000000003\r\nabc"), 400 },
		{ SLICE_LITERAL("b\r\n"), 413 },
		{ SLICE_LITERAL("ffffffffffffff\r\n"), 413 },
		{ SLICE_LITERAL("6\r\nabcdef\r\n5\r\n"), 413 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.len; step++) {
			struct http_fault f = { 0 };
			struct buf body;
			size_t left;

			buf_init(&body, 10);
			assert_int_equal(
				read_chunks(cases[i].in, step, &body, &left, &f), HTTP_CHUNKED_BAD);
			assert_int_equal(f.status, cases[i].status);
			assert_true(strlen(f.why) > 0);
			buf_release(&body);
		}
	}
}

/* Lines and trailers without an end are cut, be they of one line or of many. */
static void endless_lines_are_refused(void **state)
{
	static const struct {
		const char *start, *endless;
		int status;
	} cases[] = { { "1;", "x", 400 }, { "1 ", " ", 400 }, { "0\r\n", "x", 431 },
		{ "0\r\n", "a: b\r\n", 431 }, { "0\r\n", "\r", 431 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum http_chunked_result result = HTTP_CHUNKED_MORE;
		struct http_chunked c = { 0 };
		struct slice in = slice_of(cases[i].start);
		struct http_fault f = { 0 };
		size_t total = 0;
		struct buf body;

		buf_init(&body, 10);
		assert_int_equal(http_chunked_read(&c, &in, &body, &f), HTTP_CHUNKED_MORE);
		while (result == HTTP_CHUNKED_MORE && total < 100000) {
			in = slice_of(cases[i].endless);
			total += in.len;
			result = http_chunked_read(&c, &in, &body, &f);
		}
		assert_int_equal(result, HTTP_CHUNKED_BAD);
		assert_int_equal(f.status, cases[i].status);
		buf_release(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_head_is_found_however_it_comes),
		cmocka_unit_test(heads_of_clients_of_any_age_are_read),
		cmocka_unit_test(a_request_says_how_long_it_is),
		cmocka_unit_test(what_two_readers_could_take_differently_is_refused),
		cmocka_unit_test(too_many_headers_are_refused),
		cmocka_unit_test(members_of_a_query_are_found_and_decoded),
		cmocka_unit_test(a_value_that_does_not_fit_leaves_the_buffer_alone),
		cmocka_unit_test(chunks_are_put_together_however_they_come),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(endless_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
