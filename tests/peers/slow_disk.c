/*
 * slow_disk: a disk that takes its time, for one process, by LD_PRELOAD.
 *
 * Every fsync and fdatasync takes as many milliseconds more as the file that TAPEDECK_SLOW_DISK names says; none
 * while it does not exist. The sync itself is done, and succeeds.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_time(void)
{
	const char *name = getenv("TAPEDECK_SLOW_DISK");
	FILE *file = name != NULL ? fopen(name, "r") : NULL;
	unsigned ms = 0;

	if (file == NULL)
		return;
	if (fscanf(file, "%u", &ms) != 1)
		ms = 0;
	(void)fclose(file);
	usleep(ms * 1000);
}

static int sync_by(const char *name, int fd)
{
	int (*next)(int);
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(&next, &found, sizeof(next));
	take_time();
	return next(fd);
}

/* Replaces libc's. */
int fsync(int fd)
{
	return sync_by("fsync", fd);
}

/* Replaces libc's. */
int fdatasync(int fd)
{
	return sync_by("fdatasync", fd);
}
