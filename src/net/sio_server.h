/*
 * sio_server: Socket.IO on the side of a server: namespaces, events, acks, over eio_server.
 *
 * A socket is one client in one namespace. Every generation looks the same from here: a client of
 * 0.9 and one of Engine.IO 3 are put into "/" by themselves, one of Engine.IO 4 asks. Refusals go
 * out the way each generation does it: 0.9 at the handshake (403), or for another namespace as
 * `7::/nsp:` and the message; Engine.IO 3 as `44` with `data`, or else the message as a string;
 * Engine.IO 4 as `44{"message":...,"data":...}`. A refusal leaves the session open: the client
 * closes it, or it ends when it has been in no namespace for SIO_JOIN_MS. What is sent stays JSON
 * text; nothing is re-serialised, but for what eio_server_options.escapes_text does. Loop thread
 * only.
 */
#ifndef TAPEDECK_NET_SIO_SERVER_H
#define TAPEDECK_NET_SIO_SERVER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "net/eio_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIO_JOIN_MS 45000 /* for a session without a namespace */
#define SIO_NSPS_MAX 32   /* namespaces of one client */
#define SIO_NSP_MAX 256   /* bytes of a namespace's name */

struct sio_server;
struct sio_socket;

/* What a client that comes shows. */
struct sio_join {
	const struct generation *generation;
	struct slice nsp;
	struct slice query; /* of the namespace, if it has one, then that of the handshake */
	struct slice auth;  /* JSON of the CONNECT packet, checked; empty: none */
};

struct sio_refusal {
	char message[128]; /* preset: "not authorized" */
	char data[256];    /* JSON; empty: none */
};

enum sio_verdict {
	SIO_ACCEPT, /* in; the answer is sent, then `joined` is called */
	SIO_REFUSE,
	SIO_LATER, /* in, but sio_socket_confirm sends the answer: missed events go before it */
};

struct sio_event {
	struct slice name; /* JSON string token */
	struct slice args; /* JSON values with commas between, checked; empty: none */
	bool has_ack;
	uint64_t ack_id;
	uint32_t attachments; /* see sio_event_attachment */
	const struct sio_assembler *assembler;
};

struct sio_server_events {
	/* A handshake, before anything else; false: refused with HTTP. May be NULL. */
	bool (*admit)(void *arg, const struct generation *g, const struct http_exchange *x,
		struct eio_refusal *refusal);
	/* May this client join this namespace? For "/" of 0.9 it is asked at the handshake. */
	enum sio_verdict (*join)(void *arg, const struct sio_join *j, struct sio_refusal *refusal);
	/* A socket is there; what is returned goes to the callbacks below. NULL: out of memory, it
	 * is sent away. It may be sent away inside. */
	void *(*joined)(void *arg, struct sio_socket *s, const struct sio_join *j);
	/* Borrowed for the call. */
	void (*event)(void *socket_arg, const struct sio_event *event);
	/* sio_socket_is_full has become false. */
	void (*drained)(void *socket_arg);
	/* Once, at the end of the loop's turn, for every socket that joined; it is gone then.
	 * `is_goodbye`: the client left this namespace with a packet, or sio_socket_disconnect sent
	 * it away; else its session ended. */
	void (*left)(void *socket_arg, enum eio_end end, bool is_goodbye);
};

/* `options->escapes_text` is set whatever it was. `events` must outlive the server. */
bool sio_server_new(struct sio_server **out, struct loop *l,
	const struct eio_server_options *options, const struct sio_server_events *events, void *arg,
	struct err *e) MUST_CHECK;

/* Ends all sessions abruptly; `left` comes at once. To be called before the http_server is freed,
 * and not from inside a callback of the server's or of a request. Accepts NULL. */
void sio_server_free(struct sio_server *s);

/* Ends sessions without a namespace after another time than SIO_JOIN_MS. */
void sio_server_set_join_ms(struct sio_server *s, uint32_t ms);

/* Handles the request if its path is ours; false: it is not, and nothing was done. */
bool sio_server_take(struct sio_server *s, struct http_exchange *x) MUST_CHECK;

/* Sessions that have not ended. */
size_t sio_server_clients(const struct sio_server *s);

const struct generation *sio_socket_generation(const struct sio_socket *s);
struct slice sio_socket_nsp(const struct sio_socket *s);
const char *sio_socket_sid(const struct sio_socket *s); /* the socket's own, not the engine's */
struct eio_session *sio_socket_session(const struct sio_socket *s);

/* For a session that goes on under its old sid; before it is confirmed. False: it is longer than
 * EIO_SID_MAX. */
bool sio_socket_set_sid(struct sio_socket *s, const char *sid) MUST_CHECK;

/* After SIO_LATER, once: sends the answer to CONNECT. `more` is JSON members behind "sid", or
 * empty; only Engine.IO 4 has a place for them. The functions that send return false when the
 * session has ended or ends with this. */
bool sio_socket_confirm(struct sio_socket *s, struct slice more) MUST_CHECK;

/* Sends an event: `name` is a JSON string token, `args` as in struct sio_event; attachments make it
 * a binary one. 0.9 has no binary: there the attachments are left out. */
bool sio_socket_emit(struct sio_socket *s, struct slice name, struct slice args,
	const struct slice *attachments, size_t count) MUST_CHECK;

/* Sends the text of a packet that the caller made with the socket's generation. */
bool sio_socket_send_text(struct sio_socket *s, struct slice text) MUST_CHECK;

/* Frames as of eio_session_send_frames, for the socket's session. */
bool sio_socket_takes_frames(const struct sio_socket *s);
bool sio_socket_send_frames(struct sio_socket *s, struct slice frames) MUST_CHECK;

/* Answers an event that had an ack. */
bool sio_socket_ack(struct sio_socket *s, uint64_t ack_id, struct slice args,
	const struct slice *attachments, size_t count) MUST_CHECK;

struct slice sio_event_attachment(const struct sio_event *event, uint32_t n);

bool sio_socket_is_full(const struct sio_socket *s);

/* Sends the client out of the namespace (`41`; in 0.9 `0::`, which ends the session, too); with
 * `close` its session ends. */
void sio_socket_disconnect(struct sio_socket *s, bool close);

/* Cuts the client's connection as a crash of the server would. */
void sio_socket_cut(struct sio_socket *s);

#endif
