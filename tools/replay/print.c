/*
 * print: the events of recordings as NDJSON, or the rows of a row table as CSV.
 */
#include "print.h"

#include "choice.h"
#include "command.h"

#include <getopt.h>
#include <unistd.h>

struct print {
	struct choice choice;
	bool with_meta;
	const char *table; /* NULL: none was asked for */
	const char *const *paths;
	size_t n_paths;
	int code;
};

enum { OPTION_META = 1, OPTION_TABLE, OPTION_HELP };

/* True to go on; false when the command is to end with `code`. */
static bool take(struct print *p, int option, char *const *argv)
{
	struct err e;

	switch (option) {
	case OPTION_META:
		p->with_meta = true;
		return true;
	case OPTION_TABLE:
		p->table = optarg;
		return true;
	case OPTION_HELP:
		p->code = command_help();
		return false;
	case '?':
	case ':':
		p->code = option == '?' ? command_refused_option(argv)
					: command_misused("'%s' needs a value", argv[optind - 1]);
		return false;
	default:
		if (choice_take(&p->choice, option, optarg, &e))
			return true;
		p->code = command_misused("%s", e.text);
		return false;
	}
}

static bool check(struct print *p)
{
	struct err e;

	if (p->n_paths == 0)
		p->code = command_misused("'print' needs at least one recording");
	else if (p->table != NULL && p->with_meta)
		p->code = command_misused("--with-meta and --table exclude each other");
	else if (!choice_check(&p->choice, &e))
		p->code = command_misused("%s", e.text);
	return p->code == EXIT_DONE;
}

static bool parse(struct print *p, int argc, char **argv)
{
	static const struct option options[] = {
		CHOICE_OPTIONS,
		{ "with-meta", no_argument, NULL, OPTION_META },
		{ "table", required_argument, NULL, OPTION_TABLE },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		if (!take(p, option, argv))
			return false;
	p->paths = (const char *const *)(argv + optind);
	p->n_paths = (size_t)(argc - optind);
	return check(p);
}

static bool print(struct print *p, struct out *o, struct err *e)
{
	const struct tape_choice choice = choice_of(&p->choice);
	struct tape *t = NULL;
	bool ok = tape_open(&t, p->paths, p->n_paths, &choice, e);

	if (ok)
		ok = p->table != NULL ? print_table(t, p->table, o, e)
				      : print_lines(t, p->with_meta, o, e);
	tape_close(t);
	return ok;
}

static bool run(struct print *p, struct err *e)
{
	struct err write_error;
	struct out out;
	bool ok;

	if (!out_open(&out, STDOUT_FILENO, e))
		return false;
	ok = print(p, &out, e);
	/* Where nothing can be written there is nothing else to complain of. */
	if (!out_end(&out, &write_error)) {
		*e = write_error;
		ok = false;
	}
	out_release(&out);
	return ok;
}

int print_run(int argc, char **argv)
{
	struct print p = { .code = EXIT_DONE };
	struct err e;

	choice_init(&p.choice);
	if (parse(&p, argc, argv) && !run(&p, &e) && e.text[0] != '\0')
		p.code = command_failed(&e);
	choice_release(&p.choice);
	return p.code;
}
