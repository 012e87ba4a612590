#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: tapedeck-replay info [--json] RECORDING...\n"
	"       tapedeck-replay print [CHOOSING] [--with-meta | --table NAME] RECORDING...\n"
	"       tapedeck-replay --version\n"
	"       tapedeck-replay --help\n"
	"\n"
	"Shows what is in recordings of tapedeckd, also while they are being written. Several recordings, or\n"
	"the files of one that is rotated, are played as one.\n"
	"\n"
	"  info            for each RECORDING its size, feeds and streams: counts, first and last, gaps;\n"
	"                  for several, then all of them together\n"
	"    --json        one JSON object instead of tables\n"
	"  print           one JSON object a line for each event\n"
	"    --with-meta   also when it came, its ids, whatever else came with it; and the gaps\n"
	"    --table NAME  CSV of the rows of a row table instead\n"
	"  --version       the program's version\n"
	"  --help          this text\n"
	"\n"
	"CHOOSING; what is given several times adds up:\n"
	"  --from T, --to T  ISO time, or microseconds since 1970; both ends included\n"
	"  --feed NAME, --path P, --params JSON\n"
	"  --order received|timestamp  what is first, and what --from and --to mean: when an event came, or\n"
	"                  the feed's own time; default: received\n"
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
