/*
 * tapedeckd: parses the command line, builds the objects, runs the loop.
 */
#include "base/log.h"
#include "config/config.h"
#include "net/loop.h"
#include "record/recorder.h"
#include "store/verify.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum command { RUN, CHECK_CONFIG, PRINT_CONFIG, VERIFY };

struct arguments {
	enum command command;
	const char *config; /* VERIFY: the first recording */
	char *const *more;  /* VERIFY: the others */
	size_t n_more;
	enum log_level level;
	enum log_format format;
};

static const char usage[] =
	"usage: tapedeckd [--log-level LEVEL] [--log-format FORMAT] CONFIG\n"
	"       tapedeckd --check-config CONFIG\n"
	"       tapedeckd --print-config CONFIG\n"
	"       tapedeckd --verify RECORDING...\n"
	"\n"
	"Records the Socket.IO feeds that CONFIG names into an SQLite file.\n"
	"\n"
	"  --log-level error|warn|info|debug   how much to log (info)\n"
	"  --log-format text|json              lines for people or for programs (text)\n"
	"  --check-config CONFIG               check the file and say what is wrong with it\n"
	"  --print-config CONFIG               the configuration with every default, secrets hidden\n"
	"  --verify RECORDING...               check recordings and say what is wrong with them, a line each\n"
	"  --version                           the program's version\n"
	"  --help                              this text\n"
	"\n"
	"SIGTERM and SIGINT unsubscribe, commit everything received and exit. SIGHUP reads CONFIG and the\n"
	"API keys again. SIGUSR1 moves every connection to a new one, without a gap.\n"
	"Exit codes: 0 done, 1 failed while running, or --verify found something, 2 wrong usage or\n"
	"configuration.\n";

static bool wrong_usage(const char *what, const char *value)
{
	(void)fprintf(stderr, "tapedeckd: %s '%s'; see 'tapedeckd --help'\n", what, value);
	return false;
}

/* The place of `value` in a list of names, or -1. */
static int choice(const char *value, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(value, names[i]) == 0)
			return i;
	return -1;
}

static bool set_log_level(struct arguments *a, const char *value)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	int i = choice(value, names, 4);

	if (i < 0)
		return wrong_usage("--log-level is error, warn, info or debug, not", value);
	a->level = (enum log_level)i;
	return true;
}

static bool set_log_format(struct arguments *a, const char *value)
{
	static const char *const names[] = { "text", "json" };
	int i = choice(value, names, 2);

	if (i < 0)
		return wrong_usage("--log-format is text or json, not", value);
	a->format = (enum log_format)i;
	return true;
}

static bool set_command(struct arguments *a, enum command command, const char *config)
{
	if (a->config != NULL)
		return wrong_usage("one file is enough, there is also", config);
	a->command = command;
	a->config = config;
	return true;
}

/* True to go on; false when the program is to exit with `*code`. */
static bool parse(int argc, char **argv, struct arguments *a, int *code)
{
	static const struct option options[] = {
		{ "log-level", required_argument, NULL, 'l' },
		{ "log-format", required_argument, NULL, 'f' },
		{ "check-config", required_argument, NULL, 'c' },
		{ "print-config", required_argument, NULL, 'p' },
		{ "verify", required_argument, NULL, 'r' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool ok = true;
	int option;

	*code = EXIT_USAGE;
	while (ok && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'l':
			ok = set_log_level(a, optarg);
			break;
		case 'f':
			ok = set_log_format(a, optarg);
			break;
		case 'c':
			ok = set_command(a, CHECK_CONFIG, optarg);
			break;
		case 'p':
			ok = set_command(a, PRINT_CONFIG, optarg);
			break;
		case 'r':
			ok = set_command(a, VERIFY, optarg);
			break;
		case 'v':
			(void)puts("tapedeckd " TAPEDECK_VERSION);
			*code = EXIT_DONE;
			return false;
		case 'h':
			(void)fputs(usage, stdout);
			*code = EXIT_DONE;
			return false;
		default:
			return false; /* getopt_long has said what is wrong */
		}
	}
	if (ok && a->command == VERIFY) {
		a->more = argv + optind;
		a->n_more = (size_t)(argc - optind);
		optind = argc;
	}
	for (; ok && optind < argc; optind++)
		ok = set_command(a, RUN, argv[optind]);
	if (ok && a->config == NULL) {
		(void)fputs(usage, stderr);
		return false;
	}
	return ok;
}

static int fail(int code, const struct err *e)
{
	(void)fprintf(stderr, "tapedeckd: %s\n", e->text);
	return code;
}

static int check_config(const struct config *config)
{
	size_t endpoints = 0;

	for (size_t i = 0; i < config->n_feeds; i++)
		endpoints += config->feeds[i].n_endpoints;
	(void)printf(
		"%s: ok, %zu feeds, %zu endpoints\n", config->file, config->n_feeds, endpoints);
	return EXIT_DONE;
}

static int print_config(const struct config *config)
{
	struct err e;

	if (!config_print(config, stdout, &e))
		return fail(EXIT_FAILED, &e);
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return EXIT_DONE;
	(void)err_set(&e, ERR_SYSTEM, "cannot write to standard output");
	return fail(EXIT_FAILED, &e);
}

struct verified {
	const char *path;
	bool is_one_of_many; /* findings then name it */
	bool is_sound;
};

static void tell_finding(void *arg, const char *finding)
{
	struct verified *v = arg;

	v->is_sound = false;
	if (v->is_one_of_many)
		(void)printf("%s: ", v->path);
	(void)puts(finding);
}

static int verify_recording(const char *path, bool is_one_of_many)
{
	struct verified v = { path, is_one_of_many, true };
	struct err e;

	if (!verify(path, tell_finding, &v, &e))
		return fail(EXIT_FAILED, &e);
	if (v.is_sound)
		(void)printf("%s: sound\n", path);
	return v.is_sound ? EXIT_DONE : EXIT_FAILED;
}

static int verify_all(const struct arguments *a)
{
	int code = verify_recording(a->config, a->n_more != 0);

	for (size_t i = 0; i < a->n_more; i++)
		if (verify_recording(a->more[i], true) != EXIT_DONE)
			code = EXIT_FAILED;
	return code;
}

static void stop(void *arg)
{
	recorder_stop(arg);
}

/* What a signal acts on. */
struct running {
	struct recorder *recorder;
	const char *config; /* the file */
};

static void reload(void *arg)
{
	const struct running *running = arg;
	struct config *config;
	struct err e;

	if (!config_load(&config, running->config, &e)) {
		log_line(LOG_ERROR, "the configuration cannot be used; nothing has changed",
			log_err(&e));
		return;
	}
	recorder_reload(running->recorder, config);
	config_free(config);
}

static void hand_over(void *arg)
{
	recorder_handover(arg);
}

static bool watch_signals(struct loop *l, struct running *running, struct err *e)
{
	struct recorder *r = running->recorder;

	return loop_on_signal(l, SIGTERM, stop, r, e) && loop_on_signal(l, SIGINT, stop, r, e) &&
		loop_on_signal(l, SIGHUP, reload, running, e) &&
		loop_on_signal(l, SIGUSR1, hand_over, r, e);
}

/* Runs until a signal; the recording is open when this is called and closed when it returns. */
static int record_until_stopped(struct loop *l, struct recorder *r, const char *config)
{
	struct running running = { r, config };
	struct err e;
	bool ok = watch_signals(l, &running, &e) && recorder_start(r, &e);

	if (!ok)
		log_line(LOG_ERROR, "cannot start", log_err(&e));
	else if (!loop_run(l)) {
		log_line(LOG_ERROR, "the event loop has failed", log_int("stopping", 1));
		ok = false;
	}
	if (!recorder_close(r))
		ok = false;
	log_line(LOG_INFO, "stopped", log_int("exit_code", ok ? EXIT_DONE : EXIT_FAILED));
	return ok ? EXIT_DONE : EXIT_FAILED;
}

static int record(struct config *config, const struct arguments *a)
{
	struct loop *l = NULL;
	struct recorder *r;
	struct err e;
	int code;

	if (!log_open(a->level, a->format, config->log_file, &e))
		return fail(EXIT_FAILED, &e);
	l = loop_new();
	if (l == NULL) {
		(void)err_set(&e, ERR_NOMEM, "out of memory");
		return fail(EXIT_FAILED, &e);
	}
	if (recorder_new(&r, l, config, &e)) {
		log_line(LOG_INFO, "recording", log_text("database", config->database),
			log_text("version", TAPEDECK_VERSION),
			log_int("feeds", (int64_t)config->n_feeds));
		code = record_until_stopped(l, r, a->config);
	} else {
		code = fail(e.code == ERR_CONFIG ? EXIT_USAGE : EXIT_FAILED, &e);
	}
	loop_free(l);
	log_close();
	return code;
}

int main(int argc, char **argv)
{
	struct arguments a = { .level = LOG_INFO };
	struct config *config;
	struct err e;
	int code;

	if (!parse(argc, argv, &a, &code))
		return code;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, not the end */
	/* A core file would hold the API key. */
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (a.command == VERIFY)
		return verify_all(&a);
	if (!config_load(&config, a.config, &e))
		return fail(EXIT_USAGE, &e);
	if (a.command == CHECK_CONFIG)
		code = check_config(config);
	else if (a.command == PRINT_CONFIG)
		code = print_config(config);
	else
		code = record(config, &a);
	config_free(config);
	return code;
}
