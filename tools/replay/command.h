/*
 * command: what the commands of tapedeck-replay share: how they are called, how they end, what they say.
 *
 * A command gets its own words, its name first, and returns the exit code. Data goes to standard output,
 * errors to standard error.
 */
#ifndef TAPEDECK_REPLAY_COMMAND_H
#define TAPEDECK_REPLAY_COMMAND_H

#include "base/compiler.h"
#include "base/err.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef int command_fn(int argc, char **argv);

/* Says what the programs can do, on standard output. */
int command_help(void);

/* The same on standard error. */
void command_usage(void);

/* Says what is wrong with the command line; returns EXIT_USAGE. */
int command_misused(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same for the word that getopt_long has just refused; it must not have spoken itself (opterr 0). */
int command_refused_option(char *const *argv);

/* Says what has failed; returns EXIT_FAILED. */
int command_failed(const struct err *e);

/* Writes out what was printed. False if that could not be done; `e` says why. A reader who has gone away has
 * seen enough: false, too, with no text in `e`. To be called with errno 0 before the first print. */
bool command_flush(struct err *e) MUST_CHECK;

command_fn info_run;
command_fn print_run;
command_fn serve_run;

#endif
