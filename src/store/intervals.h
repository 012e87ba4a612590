/*
 * intervals: when a stream was wanted and covered, and what was wrong meanwhile.
 *
 * Puts BATCH_WANTED, BATCH_UNWANTED, BATCH_COVERED and BATCH_OUTAGE into the tables wanted, coverage and outage,
 * from which the view `gap` is made; closes after a crash what was left open. Belongs to an applier, and to its
 * transaction.
 */
#ifndef TAPEDECK_STORE_INTERVALS_H
#define TAPEDECK_STORE_INTERVALS_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/batch.h"
#include "store/streams.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct intervals;

/* `db` and `streams` must outlive it. */
bool intervals_new(struct intervals **out, struct sqlite3 *db, struct streams *streams,
	struct err *e) MUST_CHECK;

/* Where to write what is learned about the time before the file began; must outlive it. */
void intervals_look_back(struct intervals *v, struct earlier *earlier);

/* Accepts NULL. */
void intervals_free(struct intervals *v);

/* Cuts what is known of a stream to what was after `at_us`. */
bool intervals_cut(struct intervals *v, int64_t stream_id, int64_t at_us, struct err *e) MUST_CHECK;

/* Forgets the outages of feeds that ended before the earliest instant to which one of their streams is cut. */
bool intervals_cut_feeds(struct intervals *v, struct err *e) MUST_CHECK;

bool intervals_take(struct intervals *v, const struct batch_record *r, struct err *e) MUST_CHECK;

/* Closes what the last run has left open. After a crash a connection ended with the run's last sign of life, and
 * what was covered is known only until the last byte that a connection of the feed has noted, if that is
 * earlier; from there on the feed has an outage. Runs in a transaction of the caller's. */
bool intervals_recover(struct sqlite3 *db, struct earlier *earlier, struct err *e) MUST_CHECK;

/* Ends what is wanted of every feed that is not one of `ids`, and its outages. */
bool intervals_retire(struct sqlite3 *db, const int64_t *ids, size_t count, int64_t at_us,
	struct err *e) MUST_CHECK;

#endif
