/*
 * player: plays a tape to clients, each at the pace of its clock.
 *
 * A clock (schedule.h) belongs to all clients, to a token or to a connection. Each client reads the tape with a
 * place of its own: one that is slow to take what it gets lags by itself and misses nothing. All work is done in
 * turns of a few milliseconds, client after client, so that nobody holds up another.
 *
 *   clock's timer, a client that takes again, a subscription --> queue --> turn: the client is given what is due
 *
 * Loop thread only.
 */
#ifndef TAPEDECK_REPLAY_PLAYER_H
#define TAPEDECK_REPLAY_PLAYER_H

#include "base/compiler.h"
#include "base/err.h"
#include "fault.h"
#include "net/loop.h"
#include "schedule.h"
#include "tape.h"
#include "venue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYER_CLOCKS_MAX 20000 /* beyond it those go that nobody uses */

enum player_start {
	PLAYER_ON_SUBSCRIBE, /* when all streams are subscribed, or no subscription has come for a while */
	PLAYER_AT_ONCE,
	PLAYER_PAUSED, /* somebody has to resume */
};

enum player_gaps { PLAYER_SKIP, PLAYER_SILENCE, PLAYER_DISCONNECT };

struct player_options {
	int64_t speed;
	bool loops;
	bool is_shared; /* one clock for all */
	enum player_start start;
	int64_t settle_us;
	enum player_gaps gaps;
	bool closes_at_end;    /* clients are sent away at the end */
	bool retimes;          /* timestamps are moved to now */
	struct faults *faults; /* must outlive the player */
};

struct player;
struct player_clock;
struct player_client;
struct sio_socket;

struct player_events {
	/* A client that came back has been given all that it missed. */
	void (*caught_up)(void *client_arg);
	/* The recordings cannot be read any more: nothing is played from here on. */
	void (*failed)(void *arg, const struct err *e);
};

/* The tape holds at least one event; it, the venues and the events must outlive the player. */
bool player_new(struct player **out, struct loop *l, struct tape *tape, const struct venues *v,
	const struct player_options *options, const struct player_events *events, void *arg,
	struct err *e) MUST_CHECK;
/* All clients must be gone. Accepts NULL. */
void player_free(struct player *p);

/* How long the tape is, as it is played. */
int64_t player_length(const struct player *p);

/* ---- clocks ---- */

/* The clock of an owner (any bytes), a new one if need be, or the shared one; NULL when out of memory. It is kept until
 * player_clock_release, at least; the clock of a token beyond that, until `kept_until_s` (wall clock; 0: no longer). */
struct player_clock *player_clock_hold(
	struct player *p, struct slice owner, int64_t kept_until_s) MUST_CHECK;
void player_clock_hold_again(struct player_clock *k);
void player_clock_release(struct player_clock *k);

/* True if clients are cut off in a hole of the tape, and this clock (NULL: the shared one, if there is one) is in one. */
bool player_in_hole(struct player *p, const struct player_clock *k);

/* The clock of an owner, or NULL; not held. */
struct player_clock *player_clock_find(struct player *p, struct slice owner);

/* ---- clients ---- */

/* A client that has come. `number` names its faults. NULL when out of memory. Holds the clock. */
struct player_client *player_client_new(struct player *p, struct player_clock *k,
	struct sio_socket *socket, uint64_t number, bool has_offsets, void *arg) MUST_CHECK;

/* Its socket is gone. */
void player_client_free(struct player_client *c);

/* False when out of memory. */
bool player_client_subscribe(
	struct player_client *c, const struct venue_streams *streams) MUST_CHECK;

/* False if it was not subscribed. */
bool player_client_unsubscribe(struct player_client *c, const struct venue_streams *streams);

/* Its socket takes more. */
void player_client_drained(struct player_client *c);

/* What is kept of a client that was lost. */
struct player_saved {
	struct player_clock *clock; /* held */
	uint8_t *wanted;            /* a bit for each stream; NULL: none */
	size_t n_wanted;
	struct mark mark;
};

/* Takes what is to be kept out of a client whose socket is gone. */
void player_client_save(struct player_client *c, struct player_saved *out);
void player_saved_release(struct player_saved *s);

/* Gives a new client on that clock what was kept, which is then empty, and everything behind the event at `offset`, up
 * to what the clock has played; then `caught_up` comes. */
void player_client_resume(
	struct player_client *c, struct player_saved *saved, const struct mark *offset);

/* ---- control ---- */

enum player_do { PLAYER_PAUSE, PLAYER_RESUME, PLAYER_STEP, PLAYER_SEEK, PLAYER_SPEED };

/* Acts on all clocks, and for pause, resume and speed on those to come, too. `value`: where to, or the speed. */
void player_control(struct player *p, enum player_do what, int64_t value);

struct player_status {
	enum schedule_state state; /* of the clock that is furthest, of those that are most alive */
	int64_t position_us;
	int64_t from_us;
	int64_t to_us;
	int64_t speed;
	size_t clients;
	size_t clocks;
	uint64_t emitted; /* events, to all clients together */
};

void player_status(struct player *p, struct player_status *out);

#endif
