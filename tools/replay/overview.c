#include "overview.h"

#include "overview_make.h"
#include "server.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

/* Somebody who waits for the answer. */
struct asker {
	LIST_ENTRY(asker) link;
	struct http_exchange *x;
};

struct overview {
	struct overview_source source;
	struct bell *bell; /* the thread is done */
	pthread_t thread;
	bool has_thread;
	bool is_known; /* `text` is the answer; read on the loop after the bell */
	bool has_failed;
	struct buf text;
	struct err why;
	LIST_HEAD(, asker) askers;
};

/* The thread. */
static void *run(void *arg)
{
	struct overview *o = arg;

	o->has_failed = !overview_make(&o->source, &o->text, &o->why);
	bell_ring(o->bell);
	return NULL;
}

static void answer(struct overview *o, struct http_exchange *x)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		{ SLICE_LITERAL("Cache-Control"), SLICE_LITERAL("no-store") },
	};

	if (o->has_failed)
		server_reply_error(x, 500, o->why.text);
	else
		http_exchange_reply(x, 200, headers, 2, buf_slice(&o->text));
}

static void asker_free(struct asker *a)
{
	LIST_REMOVE(a, link);
	free(a);
}

static void done(void *arg)
{
	struct overview *o = arg;

	(void)pthread_join(o->thread, NULL);
	o->has_thread = false;
	o->is_known = true;
	while (!LIST_EMPTY(&o->askers)) {
		struct asker *a = LIST_FIRST(&o->askers);
		struct http_exchange *x = a->x;

		asker_free(a);
		answer(o, x);
	}
	/* What failed may work the next time. */
	if (o->has_failed) {
		o->is_known = false;
		buf_release(&o->text);
	}
}

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot serve: out of memory");
}

bool overview_new(struct overview **out, struct loop *l, const char *const *paths, size_t n_paths,
	const struct tape_choice *choice, bool needs_token, struct err *e)
{
	struct overview *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return no_memory(e);
	o->source = (struct overview_source){ paths, n_paths, choice, needs_token };
	buf_init(&o->text, SIZE_MAX / 2);
	o->bell = bell_new(l, done, o);
	if (o->bell == NULL) {
		free(o);
		return no_memory(e);
	}
	*out = o;
	return true;
}

void overview_free(struct overview *o)
{
	if (o == NULL)
		return;
	if (o->has_thread)
		(void)pthread_join(o->thread, NULL);
	while (!LIST_EMPTY(&o->askers))
		asker_free(LIST_FIRST(&o->askers));
	bell_free(o->bell);
	buf_release(&o->text);
	free(o);
}

static void asker_gone(void *arg)
{
	asker_free(arg);
}

static bool start(struct overview *o)
{
	if (o->has_thread)
		return true;
	o->has_thread = pthread_create(&o->thread, NULL, run, o) == 0;
	return o->has_thread;
}

void overview_reply(struct overview *o, struct http_exchange *x)
{
	struct asker *a;

	if (o->is_known) {
		answer(o, x);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL || !start(o)) {
		free(a);
		http_exchange_drop(x);
		return;
	}
	a->x = x;
	LIST_INSERT_HEAD(&o->askers, a, link);
	http_exchange_hold(x, asker_gone, a);
}
