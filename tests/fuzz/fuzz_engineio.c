/*
 * Engine.IO packets of a hostile peer. What is asserted: a packet that was read is written as the bytes
 * that it came from; an open packet that was read keeps the limits and survives writing and reading.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const struct generation *g, bool is_binary, struct slice in)
{
	struct eio_packet packet;
	bool is_binary_out;
	struct buf out;
	struct err e;

	if (!g->packet_decode(GENERATION_CLIENT, is_binary, in, &packet, &e))
		return;
	assert(eio_type_name(packet.type) != NULL);
	buf_init(&out, (size_t)1 << 24);
	if (!g->packet_encode(GENERATION_SERVER, &packet, &out, &is_binary_out))
		abort();
	assert(is_binary_out == is_binary && slice_equal(buf_slice(&out), in));
	buf_release(&out);
}

static void check_open(struct slice in)
{
	struct eio_open open, again;
	struct err e = { 0 };
	struct buf out;

	if (!eio_open_decode(in, &open, &e)) {
		assert(e.text[0] != '\0');
		return;
	}
	assert(open.ping_interval_ms >= 1 && open.ping_interval_ms <= EIO_INTERVAL_MAX_MS);
	assert(open.ping_timeout_ms >= 1 && open.ping_timeout_ms <= EIO_INTERVAL_MAX_MS);
	assert(open.sid[0] != '\0' && strlen(open.sid) <= EIO_SID_MAX);
	buf_init(&out, 4096);
	if (!eio_open_encode(&open, &out) || !eio_open_decode(buf_slice(&out), &again, &e))
		abort();
	assert(strcmp(open.sid, again.sid) == 0 && open.max_payload == again.max_payload);
	assert(open.ping_interval_ms == again.ping_interval_ms);
	assert(open.ping_timeout_ms == again.ping_timeout_ms);
	assert(open.upgrades_websocket == again.upgrades_websocket);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };

	check_packet(&generation_eio3, false, in);
	check_packet(&generation_eio4, false, in);
	check_packet(&generation_eio3, true, in);
	check_packet(&generation_eio4, true, in);
	check_open(in);
	return 0;
}
