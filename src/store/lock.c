#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static long read_pid(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return strtol(text, NULL, 10);
}

static bool write_pid(int fd)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len;
}

bool lock_take(const char *recording, mode_t mode, int *fd, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s.lock", recording) >= (int)sizeof(path))
		return err_set(e, ERR_STORE, "cannot lock '%s': the name is too long", recording);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode);
	if (*fd < 0)
		return err_set(e, ERR_STORE,
			"cannot create the lock file '%s': %s; check the directory and its permissions",
			path, strerror(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
		if (write_pid(*fd))
			return true;
		(void)err_set(
			e, ERR_STORE, "cannot write the lock file '%s': %s", path, strerror(errno));
	} else if (errno == EWOULDBLOCK) {
		(void)err_set(e, ERR_STORE,
			"'%s' is being recorded by another tapedeckd, pid %ld; stop that one first, or name "
			"another database",
			recording, read_pid(*fd));
	} else {
		(void)err_set(e, ERR_STORE, "cannot lock '%s': %s", path, strerror(errno));
	}
	(void)close(*fd);
	*fd = -1;
	return false;
}

void lock_release(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}
