/*
 * events: puts the events of a batch into the recording, each once.
 *
 * Two connections that deliver the same event make one row (store/duplicates). An event that is newer than
 * everything in its stream, or whose stream no other connection has delivered within the window, needs no
 * look-up. Without a timestamp of its own an event is compared by content alone with what was received since
 * both connections deliver. Connections that carry one session after another (connection state recovery) deliver
 * as one: a server does not send again what was settled. Belongs to an applier, and to its transaction.
 */
#ifndef TAPEDECK_STORE_EVENTS_H
#define TAPEDECK_STORE_EVENTS_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/batch.h"
#include "store/duplicates.h"
#include "store/row_tables.h"
#include "store/streams.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;
struct events;

/* What became of the event records of a batch. */
enum event_fate { EVENT_STORED, EVENT_DUPLICATE };

/* All of these must outlive it. */
bool events_new(struct events **out, struct sqlite3 *db, struct streams *streams,
	struct duplicates *duplicates, struct row_tables *rows, struct err *e) MUST_CHECK;

/* Where to look for what a connection has delivered before the file began; must outlive it. */
void events_look_back(struct events *v, struct earlier *earlier);

/* Accepts NULL. */
void events_free(struct events *v);

/* Connections have come, or have joined: which of them carry one session is read anew. */
void events_forget_sessions(struct events *v);

/* Takes a BATCH_EVENT; `rest` is a cursor behind it in its batch, where its attachments follow. */
bool events_take(struct events *v, const struct batch_record *r, const struct batch *batch,
	const struct batch_cursor *rest, enum event_fate *fate, struct err *e) MUST_CHECK;

#endif
