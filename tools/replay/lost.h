/*
 * lost: clients whose connection was lost and who may come back (connection state recovery of Socket.IO 4.6).
 *
 * Each client that may resume is given a private id. When its connection is lost, what it was subscribed to and how far it
 * was is kept under that id for a time; who comes back with the id takes it. Limit: LOST_MAX, the oldest go first.
 */
#ifndef TAPEDECK_REPLAY_LOST_H
#define TAPEDECK_REPLAY_LOST_H

#include "base/compiler.h"
#include "base/slice.h"
#include "player.h"
#include "venue.h"

#include <stdbool.h>
#include <stdint.h>

#define LOST_MAX 10000
#define LOST_ID_LENGTH 20
#define LOST_SID_SIZE 129 /* EIO_SID_MAX and its NUL */

struct lost;

/* A client that is away. */
struct lost_client {
	char id[LOST_ID_LENGTH + 1];
	char sid[LOST_SID_SIZE];
	const struct venue *venue;
	struct player_saved saved;
};

/* NULL when out of memory. */
struct lost *lost_new(int64_t kept_us) MUST_CHECK;

/* To be called before the player's end. Accepts NULL. */
void lost_free(struct lost *l);

/* Writes a new id; false if the kernel has no random bytes. */
bool lost_make_id(char out[LOST_ID_LENGTH + 1]) MUST_CHECK;

/* Keeps a client, whose `saved` it takes; out of memory, it is forgotten. */
void lost_keep(struct lost *l, struct lost_client *client, int64_t now_us);

/* Looks for the client of that id and venue; NULL: there is none, or its time is over. Borrowed until the next call. */
const struct lost_client *lost_find(
	struct lost *l, struct slice id, const struct venue *venue, int64_t now_us);

/* Takes it out. The caller releases what is saved. False as for lost_find. */
bool lost_take(struct lost *l, struct slice id, const struct venue *venue, int64_t now_us,
	struct lost_client *out) MUST_CHECK;

/* Forgets those whose time is over. */
void lost_expire(struct lost *l, int64_t now_us);

#endif
