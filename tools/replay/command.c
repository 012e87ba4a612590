#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: tapedeck-replay info [--feed NAME] [--path P] [--params JSON] [--json] RECORDING...\n"
	"       tapedeck-replay print [CHOOSING] [--with-meta | --table NAME] RECORDING...\n"
	"       tapedeck-replay serve [CHOOSING] [SERVING] RECORDING...\n"
	"       tapedeck-replay --version\n"
	"       tapedeck-replay --help\n"
	"\n"
	"Shows or plays what is in recordings of tapedeckd, also while they are being written. Several\n"
	"recordings, or the files of one that is rotated, are played as one.\n"
	"\n"
	"  info            for each RECORDING its size, feeds and streams: counts, first and last, gaps;\n"
	"                  for several, then all of them together\n"
	"    --json        one JSON object instead of tables\n"
	"  print           one JSON object a line for each event\n"
	"    --with-meta   also when it came, its ids, whatever else came with it; and the gaps\n"
	"    --table NAME  CSV of the rows of a row table instead\n"
	"  serve           a Socket.IO server that plays the recording as if it were the feed\n"
	"  --version       the program's version\n"
	"  --help          this text\n"
	"\n"
	"CHOOSING; what is given several times adds up; info, which reads no events, has the second line alone:\n"
	"  --from T, --to T  ISO time, or microseconds since 1970; both ends included\n"
	"  --feed NAME, --path P, --params JSON\n"
	"  --order received|timestamp  what is first, and what --from and --to mean: when an event came, or\n"
	"                  the feed's own time; default: received\n"
	"\n"
	"SERVING; the first is the default:\n"
	"  --listen 127.0.0.1:3000     address and port; port 0: any free one\n"
	"  --speed 1|N|max             0.01 to 1000 times as fast, or as fast as the clients take it\n"
	"  --start on-subscribe|at-once|paused   on-subscribe: when all streams are subscribed, or no\n"
	"  --settle 500ms              subscription has come for so long\n"
	"  --clock client|shared       each token (or connection) at its own time, or all together\n"
	"  --loop                      again and again; else --at-end idle|close: what becomes of clients\n"
	"  --gaps skip|silence|disconnect   where nothing was recorded: jump, wait, or be gone\n"
	"  --time original|now         timestamps as they were, or moved to the replay's start\n"
	"  --api-key-file F, --api-key-env NAME  ask for tokens, which POST /jwt issues for this key\n"
	"  --token-lifetime 5h         --expire-live: an expired token ends its connections, too\n"
	"  --recovery none|2m          clients may resume a lost connection so long (Socket.IO 4.6)\n"
	"  --fault RULE                may repeat: drop:every=1000 drop:every=30s delay:50ms..200ms\n"
	"                              duplicate:rate=0.01 reorder:window=5 refuse:rate=0.2\n"
	"                              jwt:status=401,rate=0.5 jwt:delay=35s\n"
	"  --seed N                    the same faults again\n"
	"  --ping-interval 25s, --ping-timeout 20s, --max-clients 10000\n"
	"A terminal's keys: space pauses and resumes, arrows go 10 s back and on, s is the next event, + and -\n"
	"change the speed, q quits. The same is at http://LISTEN/ with a browser.\n"
	"\n"
	"Exit codes: 0 done, 1 failed while running, 2 wrong usage.\n";

void command_usage(void)
{
	(void)fputs(usage, stderr);
}

int command_help(void)
{
	(void)fputs(usage, stdout);
	return EXIT_DONE;
}

int command_misused(const char *format, ...)
{
	va_list args;

	(void)fputs("tapedeck-replay: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputs("; see 'tapedeck-replay --help'\n", stderr);
	return EXIT_USAGE;
}

int command_refused_option(char *const *argv)
{
	const char *word = argv[optind - 1];

	/* Of short ones in one word the one that was refused. */
	if (optopt != 0 && strncmp(word, "--", 2) != 0)
		return command_misused("there is no option '-%c'", optopt);
	return command_misused("there is no option '%s'", word);
}

int command_failed(const struct err *e)
{
	(void)fprintf(stderr, "tapedeck-replay: %s\n", e->text);
	return EXIT_FAILED;
}

bool command_flush(struct err *e)
{
	bool ok = fflush(stdout) == 0;
	int cause = errno;

	if (ok && ferror(stdout) == 0)
		return true;
	*e = (struct err){ .code = ERR_SYSTEM };
	if (cause != EPIPE)
		(void)err_set(e, ERR_SYSTEM, "cannot write to standard output: %s",
			cause != 0 ? strerror(cause) : "it was not possible before");
	return false;
}
