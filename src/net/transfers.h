/*
 * transfers: libcurl's multi handle, driven by the loop.
 *
 * For the files of net only. An easy handle that is added stays in the multi until it is removed; its
 * owner is told once when the transfer is done (for CONNECT_ONLY: when TCP, proxy and TLS stand).
 */
#ifndef TAPEDECK_NET_TRANSFERS_H
#define TAPEDECK_NET_TRANSFERS_H

#include "base/compiler.h"
#include "base/err.h"
#include "net/loop.h"

#include <curl/curl.h>
#include <stdbool.h>

struct transfers;

/* A transfer; embedded in its owner. */
struct transfer {
	CURL *easy;
	void (*done)(struct transfer *t, CURLcode code);
	char error[CURL_ERROR_SIZE]; /* libcurl's words for a failure; may be empty */
	bool is_added;
	bool is_running; /* added and not done */
};

struct transfers *transfers_new(struct loop *l) MUST_CHECK;
void transfers_free(struct transfers *ts);

/* Makes the easy handle with what every transfer of ours needs: `ca_file` and `proxy` may be NULL. */
bool transfer_init(struct transfer *t, const char *url, const char *ca_file, const char *proxy,
	long connect_timeout_ms, struct err *e) MUST_CHECK;

/* Starts; `done` never fires inside this call. */
bool transfer_add(struct transfers *ts, struct transfer *t, struct err *e) MUST_CHECK;

/* Takes the handle out of the multi and keeps it, so that it can be added again; it must be done. */
void transfer_pause(struct transfers *ts, struct transfer *t);

/* Stops and frees the easy handle, which closes its socket; accepts what was never added. The owner's own
 * events on that socket must be gone. Not from inside a libcurl callback. */
void transfer_remove(struct transfers *ts, struct transfer *t);

/* Says in `e` why a transfer failed; returns false. */
bool transfer_error(const struct transfer *t, CURLcode code, struct err *e);

#endif
