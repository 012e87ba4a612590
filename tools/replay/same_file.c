#include "same_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is no link stays as the user wrote it: that is how errors should name it. */
static char *settle(const char *path)
{
	struct stat st;
	char *real = NULL;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		real = realpath(path, NULL);
	return real != NULL ? real : strdup(path);
}

struct same_file *same_file_look(const char *const *paths, size_t count)
{
	struct same_file *files = calloc(count, sizeof(*files));

	for (size_t i = 0; files != NULL && i < count; i++) {
		struct same_file *f = &files[i];
		struct stat st;

		f->path = settle(paths[i]);
		if (f->path == NULL) {
			same_file_free(files, count);
			return NULL;
		}
		if (stat(f->path, &st) != 0)
			continue;
		f->device = st.st_dev;
		f->inode = st.st_ino;
		for (size_t k = 0; k < i && f->before == NULL; k++)
			if (files[k].device == f->device && files[k].inode == f->inode)
				f->before = paths[k];
	}
	return files;
}

void same_file_free(struct same_file *files, size_t count)
{
	for (size_t i = 0; files != NULL && i < count; i++)
		free(files[i].path);
	free(files);
}
