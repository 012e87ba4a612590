/*
 * socketio09_packet: Socket.IO 0.9's packets in the shape of all generations; behind generation_09 only.
 *
 *   <type>:[<id>['+']]:[<endpoint>[?<query>]][:<data>]
 *
 * An event is an object there, {"name":"data","args":[...]}, and becomes ["data",...]; texts and JSON values
 * that were sent without a name become events called "message", as listeners see them. The bytes of
 * arguments stay as they came. Protocol: github.com/LearnBoost/socket.io-spec, revision 1.
 */
#ifndef TAPEDECK_PROTO_SOCKETIO09_PACKET_H
#define TAPEDECK_PROTO_SOCKETIO09_PACKET_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/socketio.h"

#include <stdbool.h>

/* Reads the text of one packet that is no heartbeat and no no-operation. An ack's data may be empty here;
 * that of an error is a JSON string in words. */
bool sio09_decode(
	struct slice text, struct buf *scratch, struct sio_packet *out, struct err *e) MUST_CHECK;

/* Appends a packet's text; there are no binary ones. What a CONNECT would carry is left out. False, with
 * `out` as it was, if it is full or an event does not begin with its name. */
bool sio09_encode(const struct sio_packet *packet, struct buf *out) MUST_CHECK;

#endif
