/*
 * serve: plays recordings as a Socket.IO server.
 */
#include "base/log.h"
#include "command.h"
#include "keys.h"
#include "server.h"

#include <signal.h>

static void stop(void *arg)
{
	server_stop(arg);
}

static bool watch_signals(struct loop *l, struct server *s, struct err *e)
{
	return loop_on_signal(l, SIGTERM, stop, s, e) && loop_on_signal(l, SIGINT, stop, s, e) &&
		loop_on_signal(l, SIGHUP, stop, s, e);
}

/* Serves until somebody ends it; the exit code. */
static int run(struct loop *l, struct server *s)
{
	struct player_status status;
	struct keys *keys;
	struct err e;
	bool ok;

	if (!watch_signals(l, s, &e))
		return command_failed(&e);
	server_say_start(s);
	keys = keys_open(l, s->player, stop, s);
	ok = loop_run(l);
	keys_close(keys);
	player_status(s->player, &status);
	log_line(ok ? LOG_INFO : LOG_ERROR, ok ? "stopped" : "the event loop gave up",
		log_int("emitted", (int64_t)status.emitted));
	return ok && !s->has_failed ? EXIT_DONE : EXIT_FAILED;
}

/* A failure to open: wrong use is told apart from what went wrong. */
static int cannot_open(const struct err *e)
{
	return e->code == ERR_CONFIG ? command_misused("%s", e->text) : command_failed(e);
}

static int serve(const struct serve_options *o)
{
	struct loop *l = loop_new();
	struct server *s = NULL;
	struct err e;
	int code;

	if (l == NULL) {
		(void)err_set(&e, ERR_NOMEM, "cannot serve: out of memory");
		return command_failed(&e);
	}
	if (server_open(&s, l, o, &e))
		code = run(l, s);
	else
		code = cannot_open(&e);
	server_close(s);
	loop_free(l);
	return code;
}

int serve_run(int argc, char **argv)
{
	struct serve_options o;
	int code = EXIT_DONE;
	struct err e;

	if (serve_options_read(&o, argc, argv, &code))
		code = log_open(LOG_INFO, LOG_TEXT, NULL, &e) ? serve(&o) : command_failed(&e);
	serve_options_release(&o);
	return code;
}
