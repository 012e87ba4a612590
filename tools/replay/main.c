/*
 * tapedeck-replay: finds the command and runs it.
 */
#include "command.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
	{ "info", info_run },
	{ "print", print_run },
	{ "serve", serve_run },
};

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* how wide a character is */
	if (word == NULL) {
		command_usage();
		return EXIT_USAGE;
	}
	if (strcmp(word, "--help") == 0)
		return command_help();
	if (strcmp(word, "--version") == 0) {
		(void)puts("tapedeck-replay " TAPEDECK_VERSION);
		return EXIT_DONE;
	}
	if (word[0] == '-')
		return command_misused("there is no option '%s'", word);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return command_misused("there is no command '%s'", word);
}
