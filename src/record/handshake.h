/*
 * handshake: what a connection says about itself before it is one.
 */
#ifndef TAPEDECK_RECORD_HANDSHAKE_H
#define TAPEDECK_RECORD_HANDSHAKE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/secret.h"
#include "config/config.h"

#include <stdbool.h>

/* Appends the target of the WebSocket handshake: path, Engine.IO's query, the token, the configured
 * query. It holds the token: the caller wipes it. False when `out` is full. */
bool handshake_target(
	const struct config_feed *feed, const struct secret *token, struct buf *out) MUST_CHECK;

/* Appends the CONNECT payload of generation 4 with "$token" replaced; nothing if none is configured. The
 * caller wipes it. */
bool handshake_auth(
	const struct config_feed *feed, const struct secret *token, struct buf *out) MUST_CHECK;

#endif
