/*
 * socketio: Socket.IO packets: their shape in every generation, and the grammar of those on Engine.IO 3
 * and 4 (Socket.IO 1 to 4), which is one.
 *
 *   <type>[<attachments>-][<namespace>[?<query>],][<ack id>][<JSON>]
 *
 * The JSON of an event or ack must begin as an array; its grammar is left to whoever reads it. A binary
 * packet is followed by its attachments, each a binary message; the assembler collects them. Pure:
 * decoders borrow from the caller's bytes. Protocol: github.com/socketio/socket.io-protocol.
 */
#ifndef TAPEDECK_PROTO_SOCKETIO_H
#define TAPEDECK_PROTO_SOCKETIO_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIO_ATTACHMENTS_MAX 64
#define SIO_ASSEMBLED_MAX ((size_t)16 << 20) /* a binary packet and its attachments together */
#define SIO_ID_DIGITS_MAX 15                 /* an ack id is a JavaScript number */

enum sio_type {
	SIO_CONNECT,
	SIO_DISCONNECT,
	SIO_EVENT,
	SIO_ACK,
	SIO_ERROR, /* revision 5 calls it CONNECT_ERROR */
	SIO_BINARY_EVENT,
	SIO_BINARY_ACK,
};

struct generation;

struct sio_packet {
	enum sio_type type;
	bool has_id;
	uint64_t id;
	uint32_t attachments; /* 0 unless the type is a binary one */
	struct slice nsp;     /* "/" where the packet names none */
	struct slice query;   /* what follows '?' in the namespace; usually empty */
	struct slice data;    /* JSON; empty: none */
};

/* Reads the text of one packet on Engine.IO; `scratch` is not needed (see struct generation). */
bool sio_decode(
	struct slice text, struct buf *scratch, struct sio_packet *out, struct err *e) MUST_CHECK;

/* Appends a packet's text. An empty `nsp` stands for "/". The caller has filled it as sio_decode would. */
bool sio_encode(const struct sio_packet *packet, struct buf *out) MUST_CHECK;

/* Renders the data of a refusal (SIO_ERROR) for a person into `out` (size > 0): the member "message", or
 * the text of a string, or else the JSON. Escaped, cut, withheld where it quotes a secret. Returns `out`. */
const char *sio_error_text(struct slice data, char *out, size_t size);

/* The name of a type, for messages. */
const char *sio_type_name(enum sio_type type);

/*
 * The assembler turns the data of EIO_MESSAGE packets into whole Socket.IO packets. It copies a binary
 * packet's text, as its attachments come later; a packet without attachments passes through and borrows from
 * the input, or, where its generation writes it in another shape, from the assembler.
 */
enum sio_result {
	SIO_MORE,   /* attachments are due */
	SIO_PACKET, /* `out` is a whole packet, borrowed until the next call */
	SIO_BAD,    /* `e` says why; the connection must be closed */
};

struct sio_assembler;

/* One for each connection; NULL when out of memory. */
struct sio_assembler *sio_assembler_new(void) MUST_CHECK;

/* Accepts NULL. */
void sio_assembler_free(struct sio_assembler *a);

/* Takes the data of a text message. A packet while attachments are due is SIO_BAD. */
enum sio_result sio_assembler_text(struct sio_assembler *a, const struct generation *generation,
	struct slice text, struct sio_packet *out, struct err *e) MUST_CHECK;

/* Takes the data of a binary message: the next attachment. One that nobody announced is SIO_BAD, and so is
 * any of a generation without binary. */
enum sio_result sio_assembler_binary(struct sio_assembler *a, const struct generation *generation,
	struct slice bytes, struct sio_packet *out, struct err *e) MUST_CHECK;

/* Attachment `n` (below packet.attachments) of the packet that was just handed out. */
struct slice sio_assembler_attachment(const struct sio_assembler *a, uint32_t n);

/* The number of attachments that are due. */
uint32_t sio_assembler_due(const struct sio_assembler *a);

#endif
