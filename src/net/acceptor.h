/*
 * acceptor: listens on a TCP address and hands out the connections that come.
 *
 * Where the process or the system has no descriptor left, a listener that stays readable would
 * spin: accepting pauses for ACCEPTOR_PAUSE_US, and says so once a minute at most. For the files of
 * net only.
 */
#ifndef TAPEDECK_NET_ACCEPTOR_H
#define TAPEDECK_NET_ACCEPTOR_H

#include "base/compiler.h"
#include "base/err.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

#define ACCEPTOR_PAUSE_US 500000

struct acceptor;

/* `accepted` owns the descriptor: non-blocking, close-on-exec, TCP_NODELAY. `host` is an address
 * without brackets or a name; "" or "::" stands for all addresses. Port 0: any free one. */
bool acceptor_new(struct acceptor **out, struct loop *l, const char *host, uint16_t port,
	void (*accepted)(void *arg, int fd), void *arg, struct err *e) MUST_CHECK;

/* Accepts NULL. */
void acceptor_free(struct acceptor *a);

uint16_t acceptor_port(const struct acceptor *a);

#endif
