/*
 * player_parts: what the files of the player share.
 */
#ifndef TAPEDECK_REPLAY_PLAYER_PARTS_H
#define TAPEDECK_REPLAY_PLAYER_PARTS_H

#include "base/buf.h"
#include "block_cache.h"
#include "player.h"

#include <sys/queue.h>

#define PLAYER_BUCKETS 1024
#define PLAYER_BUDGET ((size_t)256 << 10) /* bytes for a client in a row */

LIST_HEAD(player_clock_list, player_clock);
LIST_HEAD(player_client_list, player_client);
TAILQ_HEAD(player_queue, player_client);

struct player {
	struct loop *loop;
	struct player_options options;
	const struct player_events *events;
	void *arg;
	struct tape *tape;
	const struct venues *venues;
	struct timeline timeline;
	struct block_cache *cache;
	struct player_clock *shared; /* NULL: each has its own */
	struct player_clock_list clocks;
	struct player_clock_list buckets[PLAYER_BUCKETS];
	size_t n_clocks;
	size_t n_clients;
	bool is_held;     /* clocks to come begin paused */
	int64_t begin_us; /* and here: what has been sought last */
	bool has_failed;
	bool is_turning;           /* the queue is looked after already */
	struct player_queue queue; /* clients that have something to do */
	struct timer *turn;        /* goes on with the queue */
	struct player_client_list cutting;
	struct timer *cut; /* looks after those */
	struct timer *janitor;
	uint64_t emitted;
	struct buf arguments; /* scratch */
	struct buf scratch;
};

struct player_clock {
	LIST_ENTRY(player_clock) link;
	LIST_ENTRY(player_clock) in_bucket;
	struct player *player;
	struct schedule schedule;
	struct player_client_list clients;
	struct timer *timer;
	int64_t fires_us; /* when the timer does */
	unsigned holders;
	int64_t kept_until_s;
	uint8_t *wanted; /* while it waits: the streams that somebody has subscribed; NULL: none */
	size_t n_wanted;
	size_t owner_len;
	char owner[];
};

enum player_phase {
	PLAYER_LIVE,
	PLAYER_CATCHING_UP, /* is given what it missed */
	PLAYER_CUTTING,     /* will be cut when it has been sent what waits */
	PLAYER_OVER,        /* nothing more is sent */
};

/* An event that is held back to change places with others. */
struct player_held {
	struct slice name; /* borrowed from the stream's text */
	struct buf bytes;  /* its arguments, then its attachments */
	size_t arguments;  /* their length */
	size_t *ends;      /* where each attachment ends in `bytes` */
	size_t n_attachments;
};

/* The faults of one client. */
struct player_faults {
	struct fault_streams streams;
	bool is_delayed; /* the next event has been told when it comes */
	int64_t comes_us;
	int64_t left; /* events until the connection is cut; 0: it is not */
	size_t n_held;
	struct player_held held[FAULT_WINDOW_MAX];
};

struct player_client {
	TAILQ_ENTRY(player_client) in_queue;
	LIST_ENTRY(player_client) in_clock;
	LIST_ENTRY(player_client) in_cutting;
	struct player *player;
	struct player_clock *clock;
	struct sio_socket *socket;
	void *arg;
	enum player_phase phase;
	bool is_queued;
	bool has_offsets;
	bool has_cut;
	uint32_t seeks; /* of the clock, that it knows of */
	uint8_t *wanted;
	size_t n_wanted;
	struct mark mark; /* it has been given everything up to it */
	struct block_place place;
	struct mark goal; /* while it catches up */
	struct mark cut;  /* its connection is cut before what is at or behind it */
	int64_t cut_until_us;
	int64_t came_us;              /* when it came: nothing was due for it before */
	int64_t due_us;               /* when there is something for it */
	struct player_faults *faults; /* NULL: none */
};

static inline bool player_bit(const uint8_t *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

/* ---- player.c ---- */

/* Puts the client into the queue, for the next turn. */
void player_enqueue(struct player_client *c);

/* Has the clock's timer fire by then. */
void player_clock_wake(struct player_clock *k, int64_t due_us, int64_t now_us);

/* What is due has changed for all its clients. */
void player_clock_wake_all(struct player_clock *k);

/* Starts a clock that waits. */
void player_clock_start(struct player_clock *k, int64_t now_us);

/* The recordings cannot be read. */
void player_fail(struct player *p, const struct err *e);

/* ---- player_client.c ---- */

/* Has the client begin behind that mark. */
void player_client_place(struct player_client *c, const struct mark *mark);

/* ---- player_pump.c ---- */

enum pump_result {
	PUMP_MORE,  /* there is more for it, in another turn */
	PUMP_LATER, /* there is something at `due_us`, or when it takes again */
};

/* Gives a client what is due. */
enum pump_result player_pump(struct player_client *c, int64_t now_us) MUST_CHECK;

/* Cuts its connection once what waits has been sent. */
void player_cut_soon(struct player_client *c, int64_t now_us);

/* ---- player_emit.c ---- */

enum emit_result {
	EMIT_DONE,
	EMIT_WAIT, /* not yet: `due_us` says when */
	EMIT_OVER, /* the client is gone, or will be */
};

/* True if the client's events go one by one, as something is done to each of them. */
bool player_is_slow(const struct player_client *c);

/* Sends one event, with the faults that befall it. `*sent` is added to. */
enum emit_result player_emit(struct player_client *c, struct block *b,
	const struct block_event *event, int64_t now_us, size_t *sent) MUST_CHECK;

/* Sends what is held back to change places: there is nothing more to change with. */
enum emit_result player_emit_held(struct player_client *c, int64_t now_us, size_t *sent) MUST_CHECK;

/* Faults of a client; NULL when out of memory, or `*ok` and there are none. */
struct player_faults *player_faults_new(const struct faults *f, uint64_t number, bool *ok);
void player_faults_free(struct player_faults *f);

#endif
