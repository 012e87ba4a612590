/*
 * upgrade: opens a WebSocket beside a polling session, to which the session may then move.
 *
 * The probe tells both sides that the WebSocket carries packets; polling goes on until the owner, told by
 * `probed`, has drained it and says so to the server with an EIO_UPGRADE packet. A WebSocket that does not
 * come to that costs nothing: the session stays where it is.
 */
#ifndef TAPEDECK_RECORD_UPGRADE_H
#define TAPEDECK_RECORD_UPGRADE_H

#include "base/compiler.h"
#include "base/err.h"
#include "proto/generation.h"
#include "record/handshake.h"

struct upgrade;

struct upgrade_events {
	/* The server has answered the probe. */
	void (*probed)(void *arg);
	/* Once, and nothing after it; also after `probed`, until upgrade_take. */
	void (*failed)(void *arg, const char *why);
};

bool upgrade_new(struct upgrade **out, const struct access *access, const struct generation *g,
	const char *sid, const struct upgrade_events *events, void *arg, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void upgrade_free(struct upgrade *u);

/* The WebSocket, which the caller owns from now on and whose events it sets. After `probed` only. */
struct ws_client *upgrade_take(struct upgrade *u);

#endif
