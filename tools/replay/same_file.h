/*
 * same_file: recordings that were named twice.
 *
 * With rotation `market.db` is a symbolic link to one of `market-*.db`, and `market*.db` names both. What is named twice
 * must not count twice. The link may lead to the next file a moment later: so each path is followed once, and the file
 * that it led to is the one to open.
 */
#ifndef TAPEDECK_REPLAY_SAME_FILE_H
#define TAPEDECK_REPLAY_SAME_FILE_H

#include "base/compiler.h"

#include <stddef.h>
#include <sys/types.h>

struct same_file {
	char *path; /* to open */
	const char *
		before; /* the path that was named before it and led to the same file; NULL: none */
	dev_t device;
	ino_t inode; /* 0: there is no such file */
};

/* Looks at `count` paths; NULL when out of memory. They must outlive what is returned, which the caller frees. */
struct same_file *same_file_look(const char *const *paths, size_t count) MUST_CHECK;
/* Accepts NULL. */
void same_file_free(struct same_file *files, size_t count);

#endif
