/*
 * listen: the address that a server listens on, and under which names others may call it.
 */
#ifndef TAPEDECK_REPLAY_LISTEN_H
#define TAPEDECK_REPLAY_LISTEN_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define LISTEN_HOST_MAX 256
#define LISTEN_HELP \
	"HOST:PORT such as 127.0.0.1:3000, [::1]:3000 or :3000 (all addresses); port 0: any free one"

/* Reads HOST:PORT; the host without brackets. */
bool listen_read(const char *text, char host[LISTEN_HOST_MAX], uint16_t *port) MUST_CHECK;

/* True if only this machine can reach it. */
bool listen_is_loopback(const char *host);

/* True if a request's Host is an address, localhost, or the host that we listen on. Any other name may be one that a web page
 * has made to mean this machine (DNS rebinding). */
bool listen_is_called(const char *host, struct slice called);

#endif
