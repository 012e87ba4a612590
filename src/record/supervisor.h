/*
 * supervisor: the feeds of a configuration, and their change when it is read again.
 *
 * A feed is known by its name. One whose endpoints alone have changed is updated; one that connects or speaks
 * in another way becomes a second feed beside the first, which is retired when the second has subscribed
 * everything. Each feed shares the configuration that it was made of.
 */
#ifndef TAPEDECK_RECORD_SUPERVISOR_H
#define TAPEDECK_RECORD_SUPERVISOR_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "record/feed.h"
#include "record/session.h"

#include <stdbool.h>
#include <stddef.h>

struct supervisor;

/* `context` is copied, and what it names must outlive it. `stopped` is called once, after supervisor_stop. NULL
 * when out of memory. */
struct supervisor *supervisor_new(
	const struct session_context *context, void (*stopped)(void *arg), void *arg) MUST_CHECK;

/* Accepts NULL. */
void supervisor_free(struct supervisor *s);

/* Makes the feeds and tells the recording what is wanted; before writer_start. The configuration is shared. */
bool supervisor_prepare(struct supervisor *s, struct config *config, struct err *e) MUST_CHECK;

void supervisor_start(struct supervisor *s);

/* Changes the feeds to those of `config`, which is shared, and reads the API keys again. False when out of
 * memory: the feeds that had come to it have changed, no feed has ended. */
bool supervisor_reload(struct supervisor *s, struct config *config, struct err *e) MUST_CHECK;

/* Hands every connection of every feed over. */
void supervisor_handover(struct supervisor *s);

/* True while two connections of a feed record the same. */
bool supervisor_is_handing_over(const struct supervisor *s);

/* Ends everything in an orderly way. */
void supervisor_stop(struct supervisor *s);

/* Stops reading, or says more of the reason; PAUSE_NONE: goes on. */
void supervisor_pause(struct supervisor *s, enum pause_reason reason);
void supervisor_note_alive(struct supervisor *s);

struct supervisor_stats {
	size_t feeds;
	size_t feeds_live;
	uint64_t events;
	uint64_t bytes;
	uint64_t rejected;
};

void supervisor_get_stats(const struct supervisor *s, struct supervisor_stats *out);

#endif
