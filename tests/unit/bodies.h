/*
 * bodies: what the tests of every generation's long-polling ask of a reader.
 */
#ifndef TAPEDECK_TESTS_BODIES_H
#define TAPEDECK_TESTS_BODIES_H

#include "unit.h"

#include <stdlib.h>

#include "proto/generation.h"

#define BODY_MESSAGES_MAX 4

struct body_message {
	bool is_binary;
	struct slice bytes;
};

struct body_case {
	struct slice body;
	struct body_message messages[BODY_MESSAGES_MAX];
	size_t count;
	bool is_double;
	bool is_open_ended; /* the last message ends with the body, so that a cut one is a shorter one */
};

static inline bool body_is_prefix(struct slice part, struct slice whole)
{
	return part.len < whole.len &&
		(part.len == 0 || memcmp(part.ptr, whole.ptr, part.len) == 0);
}

/* Reads the first `cut` bytes, from memory that ends there, so that ASan sees a byte too far. What is handed
 * out must be what the whole body holds, in order. */
static inline enum payload_result body_read(
	const struct generation *g, const struct body_case *c, size_t cut, size_t *count)
{
	char *copy = malloc(cut != 0 ? cut : 1);
	enum payload_result result;
	struct payload_reader r;
	struct slice message;
	bool is_binary = true;
	struct err e = { 0 };

	assert_non_null(copy);
	memcpy(copy, c->body.ptr, cut);
	payload_reader_init(&r, g, (struct slice){ copy, cut });
	r.is_double = c->is_double;
	for (*count = 0;
		(result = payload_reader_next(&r, &is_binary, &message, &e)) == PAYLOAD_MESSAGE;
		++*count) {
		const struct body_message *want = &c->messages[*count];

		assert_true(*count < c->count);
		assert_int_equal(is_binary, want->is_binary);
		if (!slice_equal(message, want->bytes)) {
			assert_true(c->is_open_ended && r.rest.len == 0 && cut < c->body.len);
			assert_true(body_is_prefix(message, want->bytes));
		}
	}
	if (result == PAYLOAD_BAD) {
		assert_int_equal(e.code, ERR_PROTOCOL);
		assert_true(r.rest.len != 0 || cut == 0);
	}
	/* What is over stays over. */
	assert_int_equal(payload_reader_next(&r, &is_binary, &message, &e), result);
	payload_reader_release(&r);
	free(copy);
	return result;
}

static inline void assert_bodies(
	const struct generation *g, const struct body_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t n;

		assert_int_equal(body_read(g, &cases[i], cases[i].body.len, &n), PAYLOAD_END);
		assert_int_equal(n, cases[i].count);
		for (size_t cut = 0; cut < cases[i].body.len; cut++)
			(void)body_read(g, &cases[i], cut, &n);
	}
}

/* Each body must be refused at once. */
static inline void assert_bad_bodies(
	const struct generation *g, const struct slice *bodies, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct body_case c = { .body = bodies[i] };
		size_t n;

		if (body_read(g, &c, bodies[i].len, &n) != PAYLOAD_BAD)
			fail_msg("accepted: %.*s", (int)bodies[i].len, bodies[i].ptr);
	}
}

/* Reads what was appended, once in each order of growth: what is appended is handed out. */
static inline void assert_round_trip(const struct generation *g,
	bool (*append)(struct buf *body, bool is_binary, struct slice message),
	const struct body_message *messages, size_t count)
{
	struct body_case c = { .count = 0 };
	struct buf body;
	size_t n;

	buf_init(&body, (size_t)1 << 20);
	for (size_t i = 0; i < count; i++) {
		assert_true(append(&body, messages[i].is_binary, messages[i].bytes));
		c.messages[c.count++] = messages[i];
		c.body = buf_slice(&body);
		assert_int_equal(body_read(g, &c, body.len, &n), PAYLOAD_END);
		assert_int_equal(n, i + 1);
	}
	/* A full body stays as it was. */
	for (size_t max = 0; max < body.len; max++) {
		struct buf full;
		size_t len = 0;

		buf_init(&full, max);
		for (size_t i = 0; i < count; i++) {
			len = full.len;
			if (!append(&full, messages[i].is_binary, messages[i].bytes))
				break;
			len = SIZE_MAX;
		}
		assert_int_equal(full.len, len);
		if (len != 0)
			assert_memory_equal(full.data, body.data, len);
		buf_release(&full);
	}
	buf_release(&body);
}

#endif
