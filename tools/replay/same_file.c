#include "same_file.h"

#include <sys/stat.h>

const char *same_file_before(const char *const *paths, size_t i)
{
	struct stat st;
	struct stat other;

	if (stat(paths[i], &st) != 0)
		return NULL;
	for (size_t k = 0; k < i; k++)
		if (stat(paths[k], &other) == 0 && st.st_dev == other.st_dev &&
			st.st_ino == other.st_ino)
			return paths[k];
	return NULL;
}
