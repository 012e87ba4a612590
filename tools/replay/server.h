/*
 * server: a tape as a Socket.IO server, with everything that `serve` offers.
 *
 *   HTTP --+-- /jwt                tokens (server_jwt.c)
 *          +-- /, /page/...        the web page (page.h)
 *          +-- /replay             control (control.h)
 *          `-- the feeds' paths    a sio_server each --> clients (server_client.c) --> player
 *
 * Loop thread only.
 */
#ifndef TAPEDECK_REPLAY_SERVER_H
#define TAPEDECK_REPLAY_SERVER_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "jwt_issue.h"
#include "lost.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/sio_server.h"
#include "overview.h"
#include "player.h"
#include "serve_options.h"
#include "tape.h"
#include "venue.h"

#include <sys/queue.h>

struct server;
LIST_HEAD(server_clients, server_client);
LIST_HEAD(server_answers, server_answer);

/* One path of the HTTP server, with the namespaces of its feeds. */
struct server_site {
	struct server *server;
	struct slice io_path;
	struct sio_server *sio;
};

struct server {
	const struct serve_options *options;
	struct loop *loop;
	struct tape_choice choice; /* borrows from the options */
	struct tape *tape;
	struct venues venues;
	struct player *player;
	struct jwt_issue *issue;
	struct secret *key; /* NULL: none is asked for */
	struct http_server *http;
	struct server_site *sites;
	size_t n_sites;
	struct lost *lost; /* NULL: nobody may resume */
	struct overview *overview;
	struct server_clients clients;
	struct server_answers answers; /* about tokens, that are to come later */
	struct timer *second;
	uint64_t attempts; /* of clients to join */
	uint64_t token_requests;
	uint64_t emitted_before; /* when the last second began */
	int64_t second_us;
	bool is_stopping;
	int64_t stops_us; /* when nobody is waited for any more */
	bool has_failed;
};

/* Opens everything and listens. The options must outlive it. */
bool server_open(struct server **out, struct loop *l, const struct serve_options *options,
	struct err *e) MUST_CHECK;

/* Logs where it serves what: who reads that may use it, and end it. */
void server_say_start(const struct server *s);

/* Cuts all clients. Accepts NULL, and one that is half open. */
void server_close(struct server *s);

/* Says goodbye to all clients, waits a moment for them to have it, and ends the loop; called again, at once. */
void server_stop(struct server *s);

/* ---- server_client.c ---- */

extern const struct sio_server_events server_client_events;
extern const struct player_events server_player_events;

/* Closes all sessions, so that their clients see it. */
void server_say_goodbye(struct server *s);

/* Sends away those whose token has ended. */
void server_expire(struct server *s, int64_t now_s);

/* ---- server_jwt.c ---- */

/* Answers a request for a token, perhaps later. */
void server_jwt_take(struct server *s, struct http_exchange *x);

/* Forgets the answers that are to come. */
void server_jwt_close(struct server *s);

/* Answers {"error": text}. */
void server_reply_error(struct http_exchange *x, int status, const char *text);

#endif
