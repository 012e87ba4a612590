/*
 * ws_upgrade: what a client's request for a WebSocket is answered with, whichever of the three
 * kinds it asks for.
 *
 * For the files of ws_server only.
 */
#ifndef TAPEDECK_NET_WS_UPGRADE_H
#define TAPEDECK_NET_WS_UPGRADE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "net/http_server.h"

#include <stdbool.h>
#include <stdint.h>

struct ws_upgrade_answer {
	struct buf head; /* frames may follow in it; the caller releases it */
	bool is_hixie;
	uint32_t numbers[2]; /* of hixie-76: for ws_hixie_answer */
};

/* False: the request was refused, and answered so. */
bool ws_upgrade_read(
	struct http_exchange *x, struct ws_upgrade_answer *out, struct err *e) MUST_CHECK;

#endif
