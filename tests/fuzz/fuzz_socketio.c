/*
 * Socket.IO packets of a hostile peer. What is asserted: the parts of a packet lie inside its bytes and
 * keep the limits; writing it and reading that gives the same packet; the assembler never hands out a
 * packet whose attachments are not all there. Input: lines, each a text message, or a binary one if it
 * begins with '!'.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(struct slice in)
{
	struct sio_packet packet, again;
	char text[64];
	struct buf none = { 0 }; /* this grammar needs no scratch */
	struct buf out;
	struct err e = { 0 };

	if (!sio_decode(in, &none, &packet, &e)) {
		assert(e.text[0] != '\0');
		return;
	}
	assert(packet.attachments <= SIO_ATTACHMENTS_MAX && packet.id < 1000000000000000);
	assert(packet.nsp.len != 0 && *packet.nsp.ptr == '/');
	assert(packet.data.len == 0 || packet.data.ptr + packet.data.len == in.ptr + in.len);
	assert(strlen(sio_error_text(packet.data, text, sizeof(text))) < sizeof(text));
	buf_init(&out, (size_t)1 << 24);
	if (!sio_encode(&packet, &out) || !sio_decode(buf_slice(&out), &none, &again, &e))
		abort();
	assert(again.type == packet.type && again.attachments == packet.attachments);
	assert(again.has_id == packet.has_id && again.id == packet.id);
	assert(slice_equal(again.nsp, packet.nsp) && slice_equal(again.query, packet.query));
	assert(slice_equal(again.data, packet.data));
	buf_release(&out);
}

/* Gives one message to the assembler; false once it is bad. */
static bool assemble(struct sio_assembler *a, struct slice line)
{
	uint32_t due = sio_assembler_due(a);
	bool is_binary = line.len != 0 && *line.ptr == '!';
	struct sio_packet packet;
	enum sio_result result;
	struct err e;

	if (is_binary)
		result = sio_assembler_binary(a, &generation_eio4,
			(struct slice){ line.ptr + 1, line.len - 1 }, &packet, &e);
	else
		result = sio_assembler_text(a, &generation_eio4, line, &packet, &e);
	assert(result == SIO_BAD || is_binary == (due != 0));
	if (result == SIO_MORE)
		assert(sio_assembler_due(a) != 0);
	if (result == SIO_PACKET) {
		assert(sio_assembler_due(a) == 0);
		assert((packet.attachments != 0) == is_binary);
		for (uint32_t i = 0; i < packet.attachments; i++)
			(void)sio_assembler_attachment(a, i);
		if (is_binary)
			assert(slice_equal(sio_assembler_attachment(a, packet.attachments - 1),
				(struct slice){ line.ptr + 1, line.len - 1 }));
	}
	return result != SIO_BAD;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sio_assembler *a = sio_assembler_new();
	const char *at = (const char *)data, *end = at + size;
	bool is_alive = true;

	if (a == NULL)
		abort();
	if (size != 0)
		check_packet((struct slice){ at, size });
	while (size != 0 && is_alive && at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		struct slice line = { at, (size_t)((line_end != NULL ? line_end : end) - at) };

		is_alive = assemble(a, line);
		at += line.len + 1;
	}
	sio_assembler_free(a);
	return 0;
}
