/*
 * journal: what the recording is told beside events: when a stream was wanted and covered, and what was wrong.
 *
 * Adds records to the writer's open batch. Out of memory is logged and nothing else: a lost line here must not
 * end a connection that still brings events.
 */
#ifndef TAPEDECK_RECORD_JOURNAL_H
#define TAPEDECK_RECORD_JOURNAL_H

#include "record/endpoints.h"
#include "store/writer.h"

#include <stdint.h>

struct journal {
	struct writer *writer;
	int64_t feed_id;
	const char *feed; /* its name, for the log */
};

void journal_wanted(const struct journal *j, struct slice path, struct slice params, int64_t at_us);
void journal_unwanted(
	const struct journal *j, struct slice path, struct slice params, int64_t at_us);

/* A side begins or ends to cover the endpoint, unless it does or does not already. */
void journal_cover(const struct journal *j, struct endpoint *endpoint, int side, int64_t at_us);
void journal_uncover(const struct journal *j, struct endpoint *endpoint, int side, int64_t at_us);

/* An outage of the endpoint alone begins, or the open one ends. */
void journal_outage(const struct journal *j, struct endpoint *endpoint, int64_t at_us,
	const char *cause, const char *detail);
void journal_outage_end(const struct journal *j, struct endpoint *endpoint, int64_t at_us);

/* An outage of the whole feed begins; `cause` NULL: the open one ends. */
void journal_feed_outage(
	const struct journal *j, int64_t at_us, const char *cause, const char *detail);

#endif
