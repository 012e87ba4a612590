/*
 * generation: one generation of Socket.IO's wire, for both roles.
 *
 * Three are spoken: 0.9, Engine.IO 3 (Socket.IO 1 and 2) and Engine.IO 4 (3 and 4). The handshake tells
 * which; from then on a connection works through the table of its generation, and nothing else asks what
 * it speaks. What travels, on either transport:
 *
 *   body of a poll --payload_reader--> message --packet_decode--> engine packet --sio_decode--> sio_packet
 *   WebSocket message ------------------^
 *
 * A message is text or binary, the same on both transports. Of 0.9, which has one layer only, heartbeats
 * and no-operations are engine packets and all else is the data of an EIO_MESSAGE. Pure: no I/O, no clock;
 * decoders borrow from the caller's bytes or from the scratch that they are given.
 */
#ifndef TAPEDECK_PROTO_GENERATION_H
#define TAPEDECK_PROTO_GENERATION_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "proto/engineio.h"
#include "proto/socketio.h"

#include <stdbool.h>

/* Who we are on the connection; 0.9's heartbeats look alike in both directions. */
enum generation_role { GENERATION_CLIENT, GENERATION_SERVER };

enum payload_result {
	PAYLOAD_MESSAGE,
	PAYLOAD_END, /* the body is used up */
	PAYLOAD_BAD, /* `e` says why; what was handed out before stands, `rest` is lost */
};

/* Takes the body of a poll or of a POST apart. The body must stay until the reader is released. */
struct payload_reader {
	const struct generation *generation;
	struct slice rest; /* what was not handed out yet */
	bool is_double; /* the owner may set it after init; see eio3_text_undo in proto/engineio3.h */
	bool has_begun;
	struct buf scratch;
};

struct generation {
	const char *name; /* "0.9", "eio3", "eio4": as configured, and as in connection.protocol */
	const char *versions; /* of Socket.IO, for a person: "1 or 2" */
	int eio;              /* the query member EIO; 0: there is none */
	bool has_open; /* a session starts with an EIO_OPEN; else the HTTP handshake stands for it */
	bool joins_unasked; /* the server puts every client into "/" by itself */
	bool client_pings;  /* the client sends EIO_PING every interval; else the server does */
	bool can_upgrade;   /* a polling session can move to a WebSocket */
	bool has_binary;
	const char *post_type;   /* Content-Type of a POST */
	const char *post_answer; /* the body that answers it */

	/* The next message of the body; borrowed until the next call. Text is UTF-8. Only 0.9 has empty bodies. */
	enum payload_result (*payload_next)(
		struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e);
	/* Appends a message to the body of a POST or of a poll's answer; false when `body` is full, which
	 * is then as it was. A text has at least one character, and none that JSON escapes. Lengths are right
	 * for any text; but a server of Socket.IO 1 reads only ASCII. */
	bool (*payload_append)(struct buf *body, bool is_binary, struct slice message);

	bool (*packet_decode)(enum generation_role role, bool is_binary, struct slice message,
		struct eio_packet *out, struct err *e);
	/* Appends a packet as a message of the kind `*is_binary`; false when `out` is full. */
	bool (*packet_encode)(enum generation_role role, const struct eio_packet *packet,
		struct buf *out, bool *is_binary);

	/* Reads the text of an EIO_MESSAGE. `scratch` holds what had to be rewritten into the shape that
	 * sio_packet promises; it is emptied first. */
	bool (*sio_decode)(
		struct slice text, struct buf *scratch, struct sio_packet *out, struct err *e);
	/* Appends a packet's text, filled as sio_decode would; false, with `out` as it was, when it is full,
	 * or, in 0.9, an event has no name. 0.9 leaves out what a SIO_CONNECT carries. */
	bool (*sio_encode)(const struct sio_packet *packet, struct buf *out);
	/* Appends a client's request to join `nsp`. `auth` is JSON or empty; only Engine.IO 4 has it. */
	bool (*join_encode)(struct slice nsp, struct slice auth, struct buf *out);
};

extern const struct generation generation_09;
extern const struct generation generation_eio3;
extern const struct generation generation_eio4;

/* The generation of that name; NULL if there is none. */
const struct generation *generation_named(struct slice name);

void payload_reader_init(struct payload_reader *r, const struct generation *g, struct slice body);
void payload_reader_release(struct payload_reader *r);

static inline enum payload_result payload_reader_next(
	struct payload_reader *r, bool *is_binary, struct slice *message, struct err *e)
{
	return r->generation->payload_next(r, is_binary, message, e);
}

/* Appends an event as a packet's text. `args` holds its arguments as JSON values with commas between them,
 * empty for none. */
bool generation_event_encode(const struct generation *g, struct buf *out, struct slice nsp,
	struct slice name, struct slice args, bool has_id, uint64_t id) MUST_CHECK;

#endif
