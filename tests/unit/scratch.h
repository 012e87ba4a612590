/*
 * scratch: a directory of its own for a test, gone when the test ends.
 */
#ifndef TAPEDECK_TESTS_SCRATCH_H
#define TAPEDECK_TESTS_SCRATCH_H

#include <assert.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct scratch {
	char dir[64];
	char path[PATH_MAX]; /* of the file asked for last */
};

static inline void scratch_open(struct scratch *s)
{
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/tapedeck-unit-XXXXXX");
	assert(mkdtemp(s->dir) != NULL);
}

static inline const char *scratch_file(struct scratch *s, const char *name)
{
	(void)snprintf(s->path, sizeof(s->path), "%s/%s", s->dir, name);
	return s->path;
}

static inline int scratch_remove(
	const char *path, const struct stat *st, int flag, struct FTW *where)
{
	(void)st;
	(void)flag;
	(void)where;
	return remove(path);
}

static inline void scratch_close(struct scratch *s)
{
	(void)nftw(s->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
