#include "net/sio_server.h"

#include "net/sio_client.h"

#include <stdlib.h>

/* ---- what the engine asks ---- */

/* In 0.9 a client is refused here or not at all, so the namespace is asked, too. */
static bool admit(void *arg, const struct generation *generation, const struct http_exchange *x,
	struct eio_refusal *refusal)
{
	struct sio_server *s = arg;
	struct sio_join j = {
		.generation = generation,
		.nsp = SLICE_LITERAL("/"),
		.query = http_exchange_query(x),
	};
	struct sio_refusal words = { .message = "not authorized" };

	if (s->events->admit != NULL && !s->events->admit(s->arg, generation, x, refusal))
		return false;
	if (generation != &generation_09)
		return true;
	s->verdict_09 = s->events->join(s->arg, &j, &words);
	return s->verdict_09 != SIO_REFUSE;
}

static void *opened(void *arg, struct eio_session *session, const struct http_exchange *x)
{
	return sio_client_new(arg, session, http_exchange_query(x));
}

static const struct eio_server_events engine_events = {
	.admit = admit,
	.opened = opened,
	.message = sio_client_message,
	.drained = sio_client_drained,
	.closed = sio_client_closed,
};

/* ---- life ---- */

bool sio_server_new(struct sio_server **out, struct loop *l,
	const struct eio_server_options *options, const struct sio_server_events *events, void *arg,
	struct err *e)
{
	struct eio_server_options o = *options;
	struct sio_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "cannot serve '%s': out of memory", options->path);
	s->loop = l;
	s->events = events;
	s->arg = arg;
	s->join_us = (int64_t)SIO_JOIN_MS * 1000;
	buf_init(&s->data, SIZE_MAX / 2);
	buf_init(&s->text, SIZE_MAX / 2);
	o.escapes_text = true;
	if (!eio_server_new(&s->engine, l, &o, &engine_events, s, e)) {
		free(s);
		return false;
	}
	*out = s;
	return true;
}

void sio_server_free(struct sio_server *s)
{
	if (s == NULL)
		return;
	eio_server_free(s->engine);
	while (!LIST_EMPTY(&s->leaving))
		sio_socket_tell(LIST_FIRST(&s->leaving));
	buf_release(&s->data);
	buf_release(&s->text);
	free(s);
}

void sio_server_set_join_ms(struct sio_server *s, uint32_t ms)
{
	s->join_us = (int64_t)ms * 1000;
}

bool sio_server_take(struct sio_server *s, struct http_exchange *x)
{
	return eio_server_take(s->engine, x);
}

size_t sio_server_clients(const struct sio_server *s)
{
	return eio_server_sessions(s->engine);
}

struct slice sio_event_attachment(const struct sio_event *event, uint32_t n)
{
	return sio_assembler_attachment(event->assembler, n);
}
