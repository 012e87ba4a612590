/*
 * eio_request: what a client of Engine.IO asks for, from the path and the query of its request.
 *
 *   <path>?EIO=4&transport=polling[&sid=...]      Engine.IO; without EIO, or 3 or 2: revision 3
 *   <path>1/[<transport>/<sid>][?disconnect=1]    0.9
 *
 * Pure.
 */
#ifndef TAPEDECK_NET_EIO_REQUEST_H
#define TAPEDECK_NET_EIO_REQUEST_H

#include "base/slice.h"
#include "proto/engineio.h"
#include "proto/generation.h"

#include <stdbool.h>

enum eio_transport { EIO_POLLING, EIO_WEBSOCKET, EIO_OTHER };

struct eio_request {
	const struct generation *generation; /* NULL: EIO names a revision that nobody knows */
	enum eio_transport transport;
	bool has_sid;
	char sid[EIO_SID_MAX + 1]; /* empty if it is too long to be one of ours */
	bool takes_text;           /* Engine.IO 3: b64, so no binary framing */
	bool disconnects;          /* 0.9: the session is to end */
};

/* Reads the request. `base` begins and ends with a slash; it is found without its last one, too.
 * False: the path is not below it. */
bool eio_request_read(
	const char *base, struct slice path, struct slice query, struct eio_request *out);

#endif
