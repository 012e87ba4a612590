/*
 * sio_client: what the files of sio_server share: the server, its clients and their sockets.
 *
 * A client is a session of the engine; it lives as long as that. Its sockets, one for each
 * namespace, may come and go. One that is gone is destroyed at the end of the turn, after its owner
 * was told.
 */
#ifndef TAPEDECK_NET_SIO_CLIENT_H
#define TAPEDECK_NET_SIO_CLIENT_H

#include "net/sio_server.h"
#include "proto/socketio.h"

#include <sys/queue.h>

LIST_HEAD(sio_socket_list, sio_socket);

struct sio_server {
	struct loop *loop;
	struct eio_server *engine;
	const struct sio_server_events *events;
	void *arg;
	int64_t join_us;
	struct sio_socket_list leaving; /* gone, but their owners were not told yet */
	struct buf data;                /* the JSON of a packet that is being made */
	struct buf text;                /* the packet */
	enum sio_verdict verdict_09;    /* on the handshake that is being handled */
};

struct sio_client {
	struct loop_reap reap;
	struct sio_server *server;
	struct eio_session *session;
	const struct generation *generation;
	struct sio_assembler *assembler;
	struct timer *joining; /* runs while the client is in no namespace */
	struct buf query;      /* of the handshake */
	struct sio_socket_list sockets;
	size_t count;
	bool has_sent_away; /* a socket: what the client still says to it is no error */
};

struct sio_socket {
	struct loop_reap reap;
	const struct generation *generation;
	struct sio_client *client; /* NULL once the socket is gone */
	struct sio_server *server;
	LIST_ENTRY(sio_socket) link; /* in its client's list or in `leaving` */
	void *arg;
	enum eio_end end;
	bool is_joined; /* the owner knows it */
	bool is_confirmed;
	bool is_goodbye;
	bool is_told;
	char sid[EIO_SID_MAX + 1];
	size_t nsp_len;
	char nsp[];
};

/* ---- sio_client.c: what clients say ---- */

/* A client whose session has begun; NULL when out of memory. It is put into "/" where its
 * generation does so. */
struct sio_client *sio_client_new(
	struct sio_server *server, struct eio_session *session, struct slice query) MUST_CHECK;

void sio_client_message(void *arg, bool is_binary, struct slice data);
void sio_client_drained(void *arg);
void sio_client_closed(void *arg, enum eio_end end, const struct err *e);

/* ---- sio_socket.c: sockets, and what is said to them ---- */

/* Adds a socket; NULL when out of memory. It is then in its client's list. */
struct sio_socket *sio_socket_new(struct sio_client *c, struct slice nsp) MUST_CHECK;

struct sio_socket *sio_socket_find(const struct sio_client *c, struct slice nsp);

/* Takes the socket out of its client; the owner is told at the end of the turn. */
void sio_socket_leave(struct sio_socket *s, enum eio_end end, bool is_goodbye);

/* Tells the owner now, of a socket that has left. */
void sio_socket_tell(struct sio_socket *s);

/* Gives the socket to its owner. */
void sio_socket_join(struct sio_socket *s, const struct sio_join *j);

/* Sends a packet; false if the session has ended or ends with this. */
bool sio_client_send(struct sio_client *c, const struct sio_packet *packet);

#endif
