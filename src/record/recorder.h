/*
 * recorder: all feeds of a configuration, the recording that they share, and the way in and out.
 */
#ifndef TAPEDECK_RECORD_RECORDER_H
#define TAPEDECK_RECORD_RECORDER_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "net/loop.h"

#include <stdbool.h>

struct recorder;

/* Opens the recording and prepares the feeds; nothing connects yet. `l` must outlive it, `config` is shared. */
bool recorder_new(
	struct recorder **out, struct loop *l, struct config *config, struct err *e) MUST_CHECK;

/* Starts the writer and every feed. */
bool recorder_start(struct recorder *r, struct err *e) MUST_CHECK;

/* Goes on with another configuration, which is shared: feeds and endpoints come and go, the others are not
 * touched; the API keys are read again. What needs a restart is logged and stays as it is. */
void recorder_reload(struct recorder *r, struct config *config);

/* Hands every connection of every feed over to a new one. */
void recorder_handover(struct recorder *r);

/* Ends every session in an orderly way, then stops the loop; at most about 3.5 s. */
void recorder_stop(struct recorder *r);

/* After the loop has ended: commits what was received, closes the recording, frees everything. False if
 * events were lost, which has been logged. */
bool recorder_close(struct recorder *r) MUST_CHECK;

#endif
