/*
 * engineio: Engine.IO packets, revisions 3 (Socket.IO 1 and 2) and 4 (Socket.IO 3 and 4).
 *
 * On a WebSocket one message is one packet: text is a type digit and data. A binary message is bare data
 * in revision 4; in revision 3 its first byte is the type as a number. The framing of long-polling bodies
 * lies around such packets and is not handled here. Pure: decoders borrow from the caller's bytes.
 * Protocol: github.com/socketio/engine.io-protocol.
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

/* Reads one WebSocket message; `is_binary` tells its kind. The data is borrowed from `message`. */
bool eio_decode(int revision, bool is_binary, struct slice message, struct eio_packet *out,
	struct err *e) MUST_CHECK;

/* Appends a packet as a WebSocket message of the kind `*is_binary`. Binary packets of revision 4 are
 * messages by nature. False when `out` is full. */
bool eio_encode(
	int revision, const struct eio_packet *packet, struct buf *out, bool *is_binary) MUST_CHECK;

/* Reads the data of an open packet. Strict where a careless reader would hang or spin: both intervals
 * must be whole numbers of 1 ms to a day. Unknown members are ignored. */
bool eio_open_decode(struct slice data, struct eio_open *out, struct err *e) MUST_CHECK;

/* Appends the data of an open packet. */
bool eio_open_encode(const struct eio_open *open, struct buf *out) MUST_CHECK;

/* The name of a type, for messages. */
const char *eio_type_name(enum eio_type type);

#endif
