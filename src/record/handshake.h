/*
 * handshake: what a connection says about itself before it is one.
 */
#ifndef TAPEDECK_RECORD_HANDSHAKE_H
#define TAPEDECK_RECORD_HANDSHAKE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/secret.h"
#include "config/config.h"
#include "net/ws_client.h"

#include <stdbool.h>

/* Appends the CONNECT payload of generation 4 with "$token" replaced; nothing if none is configured. The
 * caller wipes it. */
bool handshake_auth(
	const struct config_feed *feed, const struct secret *token, struct buf *out) MUST_CHECK;

/* Starts the WebSocket of a feed; see ws_client_new. The token is only used during the call. */
bool handshake_open(struct ws_client **out, struct loop *l, struct transfers *ts,
	const struct config_feed *feed, const struct secret *token,
	const struct ws_client_events *events, void *arg, struct err *e) MUST_CHECK;

#endif
