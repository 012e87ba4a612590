#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 << 10)

/* Makes room for the next read, for one byte at least: the one that would be too many shows the end. */
static bool make_room(struct buf *out, size_t *room)
{
	size_t left = out->max - out->len;

	*room = out->cap - out->len;
	if (*room != 0)
		return true;
	*room = left < READ_BYTES ? left : READ_BYTES;
	return *room != 0 && buf_reserve(out, *room);
}

static bool read_all(int fd, const char *path, struct buf *out, struct err *e)
{
	char extra;
	size_t room;
	ssize_t n;

	do {
		bool is_full = out->len == out->max;

		if (!is_full && !make_room(out, &room))
			return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", path);
		do {
			n = is_full ? read(fd, &extra, 1) : read(fd, out->data + out->len, room);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_set(
				e, ERR_SYSTEM, "cannot read '%s': %s", path, strerror(errno));
		if (n > 0 && is_full)
			return err_set(e, ERR_LIMIT,
				"cannot read '%s': it is larger than %zu bytes", path, out->max);
		out->len += (size_t)n;
	} while (n > 0);
	return true;
}

bool config_file_read(const char *path, struct buf *out, mode_t *mode, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0)
		return err_set(e, ERR_SYSTEM, "cannot read '%s': %s", path, strerror(errno));
	ok = fstat(fd, &st) == 0;
	if (!ok)
		err_set(e, ERR_SYSTEM, "cannot read '%s': %s", path, strerror(errno));
	ok = ok && read_all(fd, path, out, e);
	(void)close(fd);
	if (ok && mode != NULL)
		*mode = st.st_mode;
	return ok;
}
