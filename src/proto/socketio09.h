/*
 * socketio09: the handshake of Socket.IO 0.9; the rest is behind generation_09.
 *
 * GET <path>1/ is answered with one line, "sid:heartbeat timeout:close timeout:transports", times in seconds,
 * empty where the server has none. Packets are "type:id[+]:endpoint[:data]"; several in one body are framed
 * by U+FFFD and their length in UTF-16 units. Protocol: github.com/LearnBoost/socket.io-spec, revision 1.
 */
#ifndef TAPEDECK_PROTO_SOCKETIO09_H
#define TAPEDECK_PROTO_SOCKETIO09_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/engineio.h"

#include <stdbool.h>
#include <stdint.h>

struct sio09_handshake {
	char sid[EIO_SID_MAX + 1]; /* visible ASCII without '/', '?', '#' and ':' */
	uint32_t
		heartbeat_ms; /* the server is gone if it says nothing for so long; 0: it sends none */
	uint32_t close_ms;    /* 0: not said */
	bool has_websocket;
	bool has_polling; /* xhr-polling */
};

/* Reads the answer of a handshake; false with the reason if it is none. */
bool sio09_handshake_decode(
	struct slice body, struct sio09_handshake *out, struct err *e) MUST_CHECK;

/* Appends the answer that says this. */
bool sio09_handshake_encode(const struct sio09_handshake *h, struct buf *out) MUST_CHECK;

#endif
