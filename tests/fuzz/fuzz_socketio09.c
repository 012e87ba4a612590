/*
 * Packets and handshakes of a hostile peer of Socket.IO 0.9. What is asserted: what was rewritten into the
 * common shape keeps the limits, is JSON where it was read as such, and survives writing and reading; so
 * does a handshake.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "proto/generation.h"
#include "proto/socketio09.h"

#define TEXT_MAX ((size_t)1 << 26)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_handshake(struct slice in)
{
	struct sio09_handshake h, again;
	struct err e = { 0 };
	struct buf out;

	if (!sio09_handshake_decode(in, &h, &e)) {
		assert(e.text[0] != '\0');
		return;
	}
	assert(h.sid[0] != '\0' && strlen(h.sid) <= EIO_SID_MAX);
	assert(strpbrk(h.sid, "/?#: ") == NULL);
	assert(h.heartbeat_ms <= EIO_INTERVAL_MAX_MS && h.close_ms <= EIO_INTERVAL_MAX_MS);
	buf_init(&out, 1000);
	assert(sio09_handshake_encode(&h, &out));
	assert(sio09_handshake_decode(buf_slice(&out), &again, &e));
	assert(strcmp(h.sid, again.sid) == 0 && h.heartbeat_ms == again.heartbeat_ms);
	assert(h.close_ms == again.close_ms && h.has_websocket == again.has_websocket);
	assert(h.has_polling == again.has_polling);
	buf_release(&out);
}

static void check_engine(struct slice in)
{
	struct eio_packet client, server;
	struct err e;

	assert(generation_09.packet_decode(GENERATION_CLIENT, false, in, &client, &e));
	assert(generation_09.packet_decode(GENERATION_SERVER, false, in, &server, &e));
	assert((client.type == EIO_PING) == (server.type == EIO_PONG));
	assert(client.type != EIO_MESSAGE || slice_equal(client.data, in));
}

static void check_data(const struct sio_packet *p)
{
	struct err e;

	assert(p->attachments == 0 && p->id < 1000000000000000 && p->nsp.len != 0);
	assert(p->has_id || p->id == 0);
	if (p->type == SIO_EVENT)
		assert(*p->data.ptr == '[');
	if (p->type == SIO_EVENT || (p->type == SIO_ERROR && p->data.len != 0))
		assert(json_validate(p->data, NULL, &e));
}

static void check_packet(struct slice in)
{
	struct sio_packet packet, again;
	struct buf scratch, scratch_again, out;
	struct err e = { 0 };

	buf_init(&scratch, TEXT_MAX);
	buf_init(&scratch_again, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	if (!generation_09.sio_decode(in, &scratch, &packet, &e)) {
		assert(e.text[0] != '\0');
	} else {
		check_data(&packet);
		assert(generation_09.sio_encode(&packet, &out));
		assert(generation_09.sio_decode(buf_slice(&out), &scratch_again, &again, &e));
		assert(again.type == packet.type && again.has_id == packet.has_id);
		assert(again.id == packet.id && slice_equal(again.nsp, packet.nsp));
		assert(slice_equal(again.query, packet.query));
		assert(slice_equal(again.data, packet.data));
	}
	buf_release(&scratch);
	buf_release(&scratch_again);
	buf_release(&out);
}

/* What is no packet to read may still be given to be written. */
static void check_writing(struct slice in)
{
	static const enum sio_type types[] = { SIO_EVENT, SIO_ACK, SIO_ERROR };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct sio_packet packet = { .type = types[i], .nsp = { "/", 1 }, .data = in };
		struct buf out;

		buf_init(&out, TEXT_MAX);
		assert(generation_09.sio_encode(&packet, &out) || out.len == 0);
		buf_release(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };

	check_handshake(in);
	check_engine(in);
	check_writing(in);
	if (utf8_valid(in)) /* transports let nothing else through */
		check_packet(in);
	return 0;
}
