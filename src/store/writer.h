/*
 * writer: the thread that owns the writing SQLite connection.
 *
 * The loop thread fills the open batch and submits it; the writer takes whole batches, commits each in
 * one transaction and says so. All functions belong to the loop thread, but the wake callback, which
 * the writer thread calls. When a commit fails the batch is kept and tried again, with backoff, for as
 * long as it takes: the recording is reopened, and the batch number in `run` tells whether the commit
 * that reported an error had reached the file after all.
 *
 *   loop thread   open batch --submit--> queue --take--> writer thread --commit--> file
 *                 ^ full: stop reading sockets           | stored: wake(arg)
 */
#ifndef TAPEDECK_STORE_WRITER_H
#define TAPEDECK_STORE_WRITER_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/apply.h"
#include "store/batch.h"
#include "store/feeds.h"
#include "store/retention.h"
#include "store/row_plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct writer;

struct writer_options {
	const char *path;
	mode_t mode;
	bool sync_full;
	size_t buffer_bytes; /* for all batches and SQLite's page cache together */
	int64_t duplicate_window_us;
	bool rotates; /* a plain file becomes the first of a series */
};

struct writer_stats {
	uint64_t stored_events;
	uint64_t
		duplicate_events; /* that another connection had delivered before; not among the stored */
	int64_t stored_until_us; /* everything received before it is committed */
	int64_t lag_us;          /* how long the oldest record has waited that is not stored */
	int64_t commit_us;       /* how long the last commit took */
	int64_t streams;         /* rows of `stream` */
	size_t queued_bytes;     /* handed over and not yet stored, with the open batch */
	bool is_failing;         /* the last commit failed, or could not begin */
	int64_t file_started_us; /* from when on the file records; 0: it is not of a series */
	uint64_t file_bytes;
};

/* Opens and locks the recording, starts a run. No thread runs yet. */
bool writer_open(
	struct writer **out, const struct writer_options *options, struct err *e) MUST_CHECK;

/* The latest time stamp in the recording: ours must not begin before it. */
int64_t writer_floor_us(const struct writer *w);

/* An id for a new connection; ids go on where the last run ended. */
int64_t writer_next_connection_id(struct writer *w);

/* The id of a feed, with its row in the open batch; a new name gets a new one. */
bool writer_feed(struct writer *w, const struct store_feed *feed, int64_t *feed_id,
	struct err *e) MUST_CHECK;

/* The id of a feed that has one. */
bool writer_feed_id(const struct writer *w, const char *name, int64_t *feed_id) MUST_CHECK;

/* Only before writer_start: what the recording knows of a feed (store/feeds), and the end of what is wanted of
 * all feeds but `ids`. */
bool writer_feed_known(
	struct writer *w, int64_t feed_id, struct store_known *out, struct err *e) MUST_CHECK;
bool writer_covered_at(struct writer *w, int64_t feed_id, int64_t at_us, feeds_stream_fn *take,
	void *arg, struct err *e) MUST_CHECK;
bool writer_wanted(struct writer *w, int64_t feed_id, feeds_stream_fn *take, void *arg,
	struct err *e) MUST_CHECK;
bool writer_retire_feeds(struct writer *w, const int64_t *ids, size_t count, int64_t at_us,
	struct err *e) MUST_CHECK;

/* Takes effect with the next commit. */
void writer_configure(struct writer *w, int64_t duplicate_window_us, bool sync_full);

/* Takes over which row tables are configured, with the next commit; the writer frees `plan`. */
void writer_plan_rows(struct writer *w, struct row_plan *plan);

/* The same for what is to be kept. */
void writer_plan_retention(struct writer *w, struct retention *retention);

/* Starts the thread. `wake` is called on the writer thread after each commit, must not block, and must
 * stay callable until writer_close. */
bool writer_start(struct writer *w, void (*wake)(void *arg), void *arg, struct err *e) MUST_CHECK;

/* The batch to add records to; NULL when out of memory. Valid until the next submit. */
struct batch *writer_batch(struct writer *w);

/* Hands the open batch over, with everything received before `watermark_us`. Unless it is large it waits
 * while another one waits to be taken: fewer, larger commits are cheaper. An empty one is handed over
 * too, so that `run.last_alive` goes on. */
void writer_submit(struct writer *w, int64_t watermark_us);

/* Hands the open batch over as the last one of this file; what comes after it goes into the next file of the series.
 * If that cannot be made it is logged, and the file goes on. */
void writer_rotate(struct writer *w, int64_t watermark_us);

/* True when the open batch is large enough to be submitted before the commit interval is over. */
bool writer_wants_submit(const struct writer *w);

/* True if the open batch holds anything. */
bool writer_has_open(const struct writer *w);

/* True when the memory given to the writer is used up: stop reading sockets. */
bool writer_is_full(struct writer *w);

/* True when so much of it is free again that reading may go on. */
bool writer_has_room(struct writer *w);

/* False if the recording's file is no longer at its path: removed, or renamed, or another is there. What is
 * stored then goes where nobody will look. */
bool writer_is_in_place(struct writer *w);

void writer_get_stats(struct writer *w, struct writer_stats *out);

/* Stores what is left, ends the run, joins the thread and frees everything; at most about `timeout_ms`.
 * False if events could not be stored: `*lost` of them. The process must then exit soon, because the
 * thread may hang in a system call. Accepts a writer that was never started. */
bool writer_close(
	struct writer *w, int64_t watermark_us, int timeout_ms, uint64_t *lost) MUST_CHECK;

#endif
