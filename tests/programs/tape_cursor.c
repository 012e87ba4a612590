/*
 * tape_cursor: reads recordings with a bare cursor, to see how fast that is.
 *
 * usage: test-tape-cursor received|timestamp [--params JSON] RECORDING... Prints how long the tape
 * took to open, events, bytes of `results`, seconds, and how large the process was at most.
 */
#include "tape.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static int fail(const struct err *e)
{
	(void)fprintf(stderr, "test-tape-cursor: %s\n", e->text);
	return 1;
}

static int read_all(struct tape *t, double open_s)
{
	struct tape_cursor *c;
	struct tape_event event;
	enum tape_result result;
	unsigned long long events = 0;
	unsigned long long bytes = 0;
	struct rusage usage;
	int64_t begun_us = clock_mono_us();
	double seconds;
	struct err e;

	if (!tape_cursor_new(&c, t, &e))
		return fail(&e);
	while ((result = tape_cursor_next(c, &event, &e)) == TAPE_EVENT) {
		events++;
		bytes += event.results.len;
	}
	tape_cursor_free(c);
	if (result == TAPE_FAILED)
		return fail(&e);
	seconds = (double)(clock_mono_us() - begun_us) / 1e6;
	(void)getrusage(RUSAGE_SELF, &usage);
	(void)printf("{\"open_s\": %.3f, \"events\": %llu, \"bytes\": %llu, \"seconds\": %.3f, "
		     "\"rss_kib\": %ld}\n",
		open_s, events, bytes, seconds, usage.ru_maxrss);
	return 0;
}

int main(int argc, char **argv)
{
	struct tape_choice choice = { .from_us = TAPE_NONE, .to_us = TAPE_NONE };
	int64_t begun_us = clock_mono_us();
	struct slice params;
	struct tape *t;
	struct err e;
	int at = 2;
	int code;

	if (argc > 4 && strcmp(argv[2], "--params") == 0) {
		params = slice_of(argv[3]);
		choice.params = &params;
		choice.n_params = 1;
		at = 4;
	}
	if (argc <= at) {
		(void)fputs("usage: test-tape-cursor received|timestamp [--params JSON] "
			    "RECORDING...\n",
			stderr);
		return 2;
	}
	choice.order = strcmp(argv[1], "timestamp") == 0 ? TAPE_TIMESTAMP : TAPE_RECEIVED;
	if (!tape_open(&t, (const char *const *)(argv + at), (size_t)(argc - at), &choice, &e))
		return fail(&e);
	code = read_all(t, (double)(clock_mono_us() - begun_us) / 1e6);
	tape_close(t);
	return code;
}
