/*
 * reel_file: what the parts of a reel share (store/reel, store/reel_cursor, store/reel_scan, ...).
 */
#ifndef TAPEDECK_STORE_REEL_FILE_H
#define TAPEDECK_STORE_REEL_FILE_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/event_slice.h"
#include "store/reel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

enum reel_statement {
	REEL_SCAN,        /* events from ?1 to ?2, by id */
	REEL_SCAN_CHOSEN, /* the same, only of chosen streams */
	REEL_FETCH,       /* the event ?1 */
	REEL_AT,          /* id and received of the first event from ?1 to ?2 */
	REEL_KEYS, /* of stream ?1: keys behind (?2, ?3) up to the timestamp ?4, and ids up to ?5; at most ?6 */
	REEL_IDS,       /* ids of stream ?1 up to ?2, in no order */
	REEL_FIRST_KEY, /* the least timestamp of stream ?1 */
	REEL_LAST_KEY,  /* the greatest timestamp of stream ?1 up to ?2, and ids up to ?3 */
	REEL_CLOCK_BEFORE, /* received and timestamp of the last event of a chosen stream from ?1 to ?2 */
	REEL_CLOCK_AFTER, /* ... of the first */
	REEL_ATTACHMENTS,
	REEL_STATEMENTS
};

struct reel_chosen {
	int64_t stream_id;
	size_t place;
};

struct reel {
	struct sqlite3 *db;
	char *path;
	struct reel_span span;
	int64_t first_id; /* of the events; greater than last_id if there are none */
	int64_t last_id;  /* what comes later is not seen */
	bool has_attachments;
	struct reel_chosen *chosen; /* by stream_id */
	size_t n_chosen;
	bool is_everything_chosen;
	uint64_t chosen_events; /* by the counters */
	int64_t *ids;           /* store/reel_ids */
	size_t n_ids;
	size_t ids_users;
	bool has_many;    /* chosen events, so that `ids` is of no use */
	int64_t first_us; /* of the chosen streams, by their counters */
	struct sqlite3_stmt *statements[REEL_STATEMENTS]; /* those that were needed so far */
};

/* The statement, ready to be bound; NULL with `e` filled. */
struct sqlite3_stmt *reel_statement(
	struct reel *r, enum reel_statement which, struct err *e) MUST_CHECK;

/* One transaction for several statements: costs less, and they see the same. */
bool reel_begin(struct reel *r, struct err *e) MUST_CHECK;
void reel_end(struct reel *r);

/* Gives back the memory of pages that were read: a long series has many files that are over. */
void reel_rest(struct reel *r);

/* Fills `e` with SQLite's last error, the path in front; returns false. */
bool reel_failed(struct reel *r, struct err *e);

/* The place of a stream; false if it is left out. */
bool reel_place(const struct reel *r, int64_t stream_id, size_t *place);

/* The row of REEL_SCAN, REEL_SCAN_CHOSEN or REEL_FETCH; false: of a stream that is left out. */
bool reel_take_event(const struct reel *r, struct sqlite3_stmt *st, struct stored_event *out);

/* Finds where events with `received` >= `us` begin: no event at or behind `*event_id` was received before. */
bool reel_find_received(struct reel *r, int64_t us, int64_t *event_id, struct err *e) MUST_CHECK;

#endif
