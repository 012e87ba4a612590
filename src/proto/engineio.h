/*
 * engineio: what revision 3 (Socket.IO 1 and 2) and revision 4 (Socket.IO 3 and 4) of Engine.IO share.
 *
 * A text packet is a type digit and data, and a session starts with the server's open packet. Binary packets
 * and the framing of long-polling bodies differ: see the tables generation_eio3 and generation_eio4. Pure:
 * decoders borrow from the caller's bytes. Protocol: github.com/socketio/engine.io-protocol.
 */
#ifndef TAPEDECK_PROTO_ENGINEIO_H
#define TAPEDECK_PROTO_ENGINEIO_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define EIO_SID_MAX 128
#define EIO_INTERVAL_MAX_MS (24 * 60 * 60 * 1000) /* a longer heartbeat would never notice a loss */

enum eio_type { EIO_OPEN, EIO_CLOSE, EIO_PING, EIO_PONG, EIO_MESSAGE, EIO_UPGRADE, EIO_NOOP };

struct eio_packet {
	enum eio_type type;
	bool is_binary;
	struct slice data;
};

/* The handshake: what the server says in its open packet. */
struct eio_open {
	char sid[EIO_SID_MAX + 1];
	uint32_t ping_interval_ms;
	uint32_t ping_timeout_ms;
	uint64_t max_payload; /* 0: absent; only Socket.IO 4 servers say it */
	bool upgrades_websocket;
};

/* Reads a text packet. The data is borrowed from `message`. */
bool eio_text_decode(struct slice message, struct eio_packet *out, struct err *e) MUST_CHECK;

/* Appends a text packet. False when `out` is full. */
bool eio_text_encode(const struct eio_packet *packet, struct buf *out) MUST_CHECK;

/* Reads the data of an open packet. Strict where a careless reader would hang or spin: both intervals
 * must be whole numbers of 1 ms to a day. Unknown members are ignored. */
bool eio_open_decode(struct slice data, struct eio_open *out, struct err *e) MUST_CHECK;

/* Appends the data of an open packet. */
bool eio_open_encode(const struct eio_open *open, struct buf *out) MUST_CHECK;

/* The name of a type, for messages. */
const char *eio_type_name(enum eio_type type);

#endif
