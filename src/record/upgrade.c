#include "record/upgrade.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE_TIMEOUT_MS 10000 /* servers wait as long for the end of an upgrade */

struct upgrade {
	struct loop_reap reap;
	const struct access *access;
	const struct generation *generation;
	const struct upgrade_events *events;
	void *arg;
	struct ws_client *ws;
	struct timer *timeout;
	bool is_probed;
	bool is_over;
};

static void destroy(struct loop_reap *reap)
{
	free((char *)reap - offsetof(struct upgrade, reap));
}

static void silence(struct upgrade *u)
{
	u->is_over = true;
	ws_client_free(u->ws);
	u->ws = NULL;
	timer_free(u->timeout);
	u->timeout = NULL;
}

void upgrade_free(struct upgrade *u)
{
	if (u == NULL)
		return;
	silence(u);
	loop_reap_later(u->access->loop, &u->reap, destroy);
}

struct ws_client *upgrade_take(struct upgrade *u)
{
	struct ws_client *ws = u->ws;

	assert(u->is_probed && ws != NULL);
	u->ws = NULL;
	return ws;
}

static void fail(struct upgrade *u, const char *why)
{
	char text[ERR_TEXT_MAX];

	if (u->is_over)
		return;
	(void)snprintf(text, sizeof(text), "%s", why); /* it may lie in what is freed now */
	silence(u);
	u->events->failed(u->arg, text);
}

static void opened(void *arg)
{
	struct upgrade *u = arg;
	struct eio_packet probe = { .type = EIO_PING, .data = slice_of("probe") };
	struct buf message;
	bool is_binary;
	bool ok;

	buf_init(&message, 64);
	ok = u->generation->packet_encode(GENERATION_CLIENT, &probe, &message, &is_binary) &&
		ws_client_send(u->ws, WS_OP_TEXT, buf_slice(&message));
	buf_release(&message);
	if (!ok)
		fail(u, "the probe cannot be sent");
}

static void arrived(void *arg)
{
	(void)arg;
}

static void message_came(void *arg, enum ws_result kind, const struct ws_message *message)
{
	struct upgrade *u = arg;
	struct eio_packet packet;
	struct err e;

	if (u->is_probed || kind != WS_TEXT ||
		!u->generation->packet_decode(
			GENERATION_CLIENT, false, message->payload, &packet, &e) ||
		packet.type != EIO_PONG || !slice_is(packet.data, "probe")) {
		fail(u, "the server does not answer the probe as it should");
		return;
	}
	u->is_probed = true;
	timer_stop(u->timeout);
	u->events->probed(u->arg);
}

static void ended(void *arg, const struct ws_end *end)
{
	fail(arg, end->e.text);
}

static void cookie(void *arg, struct slice header)
{
	struct upgrade *u = arg;

	handshake_cookie(u->access, header);
}

static const struct ws_client_events ws_events = {
	.opened = opened,
	.arrived = arrived,
	.message = message_came,
	.ended = ended,
	.set_cookie = cookie,
};

static void timed_out(void *arg)
{
	fail(arg, "the server did not answer the probe in time");
}

bool upgrade_new(struct upgrade **out, const struct access *access, const struct generation *g,
	const char *sid, const struct upgrade_events *events, void *arg, struct err *e)
{
	struct handshake_target target = { .generation = g, .is_websocket = true, .sid = sid };
	struct upgrade *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	u->access = access;
	u->generation = g;
	u->events = events;
	u->arg = arg;
	u->timeout = timer_new(access->loop, timed_out, u);
	if (u->timeout == NULL)
		(void)err_set(e, ERR_NOMEM, "out of memory");
	if (u->timeout == NULL ||
		!handshake_websocket(&u->ws, access, &target, PROBE_TIMEOUT_MS, &ws_events, u, e)) {
		upgrade_free(u);
		return false;
	}
	timer_start(u->timeout, 2 * PROBE_TIMEOUT_MS * INT64_C(1000));
	*out = u;
	return true;
}
