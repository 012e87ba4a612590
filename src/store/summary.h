/*
 * summary: what is in a recording, without reading its events.
 *
 * The numbers come from the counters of `stream` and `connection` and from the view `gap`, in one read
 * transaction, so they agree also while a daemon writes, and do not take longer the more events there are.
 * The file is only read. A summary owns its texts until summary_free. Limit: everything about all streams is in
 * memory, some 500 bytes a stream.
 */
#ifndef TAPEDECK_STORE_SUMMARY_H
#define TAPEDECK_STORE_SUMMARY_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUMMARY_NONE INT64_MIN /* a time or a difference that there is not */

struct summary_feed {
	struct slice name;
	struct slice url;      /* what could be a credential in it is replaced by *** */
	struct slice protocol; /* of the last connection that was established; ptr NULL: none was */
};

/* The row of `gap` that has no end; at most one a stream. */
struct summary_open_gap {
	struct slice cause; /* ptr NULL: there is no open gap */
	struct slice detail;
	int64_t started_us;
};

struct summary_stream {
	size_t feed; /* its place in `feeds` */
	struct slice path;
	struct slice params;
	int64_t events;
	int64_t first_us; /* SUMMARY_NONE, like the three after it, if there are no events */
	int64_t last_us;
	int64_t last_received_us;
	int64_t clock_offset_us;
	bool is_wanted;    /* the configuration asks for it now */
	int64_t wanted_us; /* for how long it has been asked for */
	int64_t gaps;
	int64_t gap_us;
	struct summary_open_gap open_gap;
};

struct summary {
	uint64_t bytes;         /* with the -wal file */
	uint64_t wal_bytes;     /* of these in the -wal file */
	int64_t schema_version; /* 0 in a total */
	bool is_recording;      /* a daemon has given a sign of life in the last 5 s */
	int64_t last_alive_us;  /* the last sign of life; SUMMARY_NONE if no daemon ran */
	int64_t first_us;
	int64_t last_us;
	int64_t first_received_us;
	int64_t last_received_us;
	int64_t events;
	int64_t rejected;
	int64_t connections;
	struct summary_feed *feeds;
	size_t n_feeds;
	struct summary_stream *streams; /* by feed, path and params */
	size_t n_streams;
	struct arena arena;
};

/* Reads the recording at `path`. The caller frees. */
bool summary_read(struct summary **out, const char *path, struct err *e) MUST_CHECK;

/* Puts `count` (at least 1) recordings together: feeds that have one name are one, and streams with the same
 * feed, path and params. Counts and durations are added; what holds now (protocol, wanted, an open gap) is that
 * of the recording with the latest sign of life. Texts are borrowed from the summaries, which the caller
 * keeps until the total is freed. */
bool summary_total(struct summary **out, const struct summary *const *all, size_t count,
	struct err *e) MUST_CHECK;

/* Accepts NULL. */
void summary_free(struct summary *s);

#endif
