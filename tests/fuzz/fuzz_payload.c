/*
 * Bodies of a hostile peer, of every generation. The first byte chooses the generation and whether the text
 * may be encoded twice. What is asserted: text is UTF-8; what was handed out survives writing and reading;
 * the end is final; and a fault leaves what was not handed out.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/engineio3.h"
#include "proto/generation.h"

#define BODY_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct generation *const generations[] = { &generation_09, &generation_eio3,
	&generation_eio4 };

/* Appends each message, as the owner of a session would: only what is a packet is ever written. */
static void append(const struct generation *g, bool in_binary, bool is_binary, struct slice message,
	struct buf *body)
{
	struct eio_packet packet;
	struct err e;

	if (in_binary)
		assert(eio3_binary_append(body, is_binary, message));
	else if (g->packet_decode(GENERATION_SERVER, is_binary, message, &packet, &e))
		assert(g->payload_append(body, is_binary, message));
}

/* Reads a body; writes what it holds to `again`, if that is not NULL. Returns the number of messages. */
static size_t read_body(const struct generation *g, struct slice body, bool is_double,
	bool in_binary, struct buf *again, struct buf *log)
{
	enum payload_result result, last;
	struct payload_reader r;
	struct slice message;
	bool is_binary;
	struct err e = { 0 };
	size_t count = 0;

	payload_reader_init(&r, g, body);
	r.is_double = is_double;
	while ((result = payload_reader_next(&r, &is_binary, &message, &e)) == PAYLOAD_MESSAGE) {
		assert(is_binary || (message.len != 0 && utf8_valid(message)));
		assert(!is_binary || g->has_binary);
		assert(message.len <= body.len && ++count <= body.len);
		if (again != NULL)
			append(g, in_binary, is_binary, message, again);
		if (log != NULL)
			assert(buf_append_char(log, is_binary ? 'b' : 't') &&
				buf_append(log, &message.len, sizeof(message.len)) &&
				buf_append_slice(log, message));
	}
	assert((result == PAYLOAD_BAD) == (e.text[0] != '\0'));
	assert(result == PAYLOAD_END || body.len == 0 || r.rest.len != 0);
	last = payload_reader_next(&r, &is_binary, &message, &e);
	assert(last == result);
	payload_reader_release(&r);
	return count;
}

/* Writes what a body holds, and reads that twice: nothing may change any more. */
static void check(const struct generation *g, struct slice body, bool is_double, bool in_binary)
{
	struct buf first, second, first_log, second_log;

	buf_init(&first, BODY_MAX);
	buf_init(&second, BODY_MAX);
	buf_init(&first_log, BODY_MAX);
	buf_init(&second_log, BODY_MAX);
	(void)read_body(g, body, is_double, in_binary, &first, NULL);
	if (first.len != 0) {
		(void)read_body(g, buf_slice(&first), false, in_binary, &second, &first_log);
		(void)read_body(g, buf_slice(&second), false, in_binary, NULL, &second_log);
		assert(slice_equal(buf_slice(&first), buf_slice(&second)));
		assert(slice_equal(buf_slice(&first_log), buf_slice(&second_log)));
	}
	buf_release(&first);
	buf_release(&second);
	buf_release(&first_log);
	buf_release(&second_log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct generation *g;
	struct slice body;

	if (size == 0)
		return 0;
	g = generations[(data[0] & 0x7f) % 3];
	body = (struct slice){ (const char *)data + 1, size - 1 };
	check(g, body, data[0] >= 0x80, false);
	if (g == &generation_eio3)
		check(g, body, data[0] >= 0x80, true);
	return 0;
}
