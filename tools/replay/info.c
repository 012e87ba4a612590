/*
 * info: what is in recordings.
 */
#include "command.h"

#include "choice.h"
#include "info_choose.h"
#include "info_print.h"
#include "same_file.h"
#include "store/summary.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

struct info {
	bool is_json;
	struct choice choice;
	struct info_wishes wishes;
	const char *const *paths;
	size_t n_paths;
	struct same_file *files; /* that the paths lead to */
	struct summary **shown;  /* those that could be read, in order */
	size_t n_shown;
	bool has_total;
	int code;
};

enum { OPTION_JSON = 1, OPTION_HELP };

/* True to go on; false when the command is to end with `code`. */
static bool take(struct info *info, int option, char *const *argv)
{
	struct err e;

	if (option == OPTION_JSON) {
		info->is_json = true;
		return true;
	}
	if (option >= CHOICE_FIRST && choice_take(&info->choice, option, optarg, &e))
		return true;
	if (option >= CHOICE_FIRST)
		info->code = command_misused("%s", e.text);
	else if (option == OPTION_HELP)
		info->code = command_help();
	else if (option == ':')
		info->code = command_misused("'%s' needs a value", argv[optind - 1]);
	else
		info->code = command_refused_option(argv);
	return false;
}

static bool parse(struct info *info, int argc, char **argv)
{
	static const struct option options[] = {
		CHOICE_STREAM_OPTIONS,
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		if (!take(info, option, argv))
			return false;
	info->paths = (const char *const *)(argv + optind);
	info->n_paths = (size_t)(argc - optind);
	if (info->n_paths == 0)
		info->code = command_misused("'info' needs at least one recording");
	return info->n_paths != 0;
}

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot print: out of memory");
}

/* False if there is no use in going on. */
static bool show(struct info *info, const char *path, const struct summary *s, struct err *e)
{
	bool ok;

	errno = 0;
	if (info->is_json) {
		ok = info_json_recording(stdout, path, s, info->n_shown);
	} else {
		if (info->n_shown != 0)
			(void)fputc('\n', stdout);
		ok = info_text(stdout, path, s, 1);
	}
	return ok ? command_flush(e) : no_memory(e);
}

static bool show_all(struct info *info, struct err *e)
{
	for (size_t i = 0; i < info->n_paths; i++) {
		const char *path = info->paths[i];
		const char *before = info->files[i].before;
		struct summary *s;

		if (before != NULL) {
			(void)fprintf(stderr,
				"tapedeck-replay: '%s' is the file that was named as '%s', too; "
				"it is shown once\n",
				path, before);
		} else if (!summary_read(&s, info->files[i].path, e)) {
			info->code = command_failed(e);
		} else {
			bool ok = info_choose(&info->wishes, s, e) && show(info, path, s, e);

			info->shown[info->n_shown++] = s;
			if (!ok)
				return false;
		}
	}
	return true;
}

static bool show_total(struct info *info, struct err *e)
{
	struct summary *total;
	bool ok;

	if (info->n_shown < 2)
		return true;
	if (!summary_total(&total, (const struct summary *const *)info->shown, info->n_shown, e))
		return false;
	info->has_total = true;
	errno = 0;
	if (info->is_json) {
		ok = info_json_total(stdout, total);
	} else {
		(void)fputc('\n', stdout);
		ok = info_text(stdout, NULL, total, info->n_shown);
	}
	summary_free(total);
	return ok ? command_flush(e) : no_memory(e);
}

static bool run(struct info *info, struct err *e)
{
	info->shown = calloc(info->n_paths, sizeof(struct summary *));
	info->files = same_file_look(info->paths, info->n_paths);
	if (info->shown == NULL || info->files == NULL)
		return no_memory(e);
	errno = 0;
	if (info->is_json)
		info_json_begin(stdout);
	if (!show_all(info, e) || !show_total(info, e))
		return false;
	errno = 0;
	if (info->is_json)
		info_json_end(stdout, info->has_total);
	return command_flush(e);
}

/* What was asked for in vain is told at the end: what is there has been shown. */
static bool run_and_check(struct info *info, struct err *e)
{
	bool ok;

	if (!info_wishes_init(&info->wishes, &info->choice, e))
		return false;
	ok = run(info, e) && (info->n_shown == 0 || info_wishes_are_met(&info->wishes, e));
	info_wishes_release(&info->wishes);
	return ok;
}

int info_run(int argc, char **argv)
{
	struct info info = { .code = EXIT_DONE };
	struct err e;

	choice_init(&info.choice);
	if (parse(&info, argc, argv) && !run_and_check(&info, &e) && e.text[0] != '\0')
		info.code = command_failed(&e);
	for (size_t i = 0; i < info.n_shown; i++)
		summary_free(info.shown[i]);
	free(info.shown);
	same_file_free(info.files, info.n_paths);
	choice_release(&info.choice);
	return info.code;
}
