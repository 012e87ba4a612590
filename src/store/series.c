#include "store/series.h"

#include "base/timestamp.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".db"
#define STAMP "00000000T000000Z" /* each digit stands for one */
#define LINKS_MAX 40

const char *series_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* How much of a path, or name, is before its suffix. */
static size_t stem_of(const char *path)
{
	size_t len = strlen(path);
	size_t suffix = strlen(SUFFIX);

	return len > suffix && strcmp(path + len - suffix, SUFFIX) == 0 ? len - suffix : len;
}

bool series_path(const char *configured, int64_t at_us, char out[PATH_MAX])
{
	time_t seconds = (time_t)(at_us / 1000000);
	char stamp[sizeof(STAMP) + 16];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return false;
	return snprintf(out, PATH_MAX, "%.*s-%s%s", (int)stem_of(configured), configured, stamp,
		       SUFFIX) < PATH_MAX;
}

bool series_beside(const char *configured, const char *name, char out[PATH_MAX])
{
	int dir = (int)(series_name(configured) - configured);

	return snprintf(out, PATH_MAX, "%.*s%s", dir, configured, name) < PATH_MAX;
}

static bool is_stamp(const char *text)
{
	for (size_t i = 0; i < strlen(STAMP); i++)
		if (STAMP[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != STAMP[i])
			return false;
	return true;
}

/* "market-20261105T000000Z.db" for "market.db". */
static bool is_ours(const char *configured, const char *name)
{
	const char *own = series_name(configured);
	size_t stem = stem_of(own);

	return strlen(name) == stem + 1 + strlen(STAMP) + strlen(SUFFIX) &&
		strncmp(name, own, stem) == 0 && name[stem] == '-' && is_stamp(name + stem + 1) &&
		strcmp(name + stem + 1 + strlen(STAMP), SUFFIX) == 0;
}

/* Nobody else is to write into a file that a link leads to, "market-20261105T000000Z.db" with "market.db" beside it. */
static bool check_is_no_part(const char *path, struct err *e)
{
	static const char *const suffixes[] = { SUFFIX, "" };
	size_t len = strlen(path);
	size_t tail = strlen("-" STAMP SUFFIX);
	char link[PATH_MAX];
	struct stat st;

	for (size_t i = 0; len > tail && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (snprintf(link, sizeof(link), "%.*s%s", (int)(len - tail), path, suffixes[i]) <
				(int)sizeof(link) &&
			is_ours(link, series_name(path)) && lstat(link, &st) == 0 &&
			S_ISLNK(st.st_mode))
			return err_set(e, ERR_STORE,
				"'%s' is a file of the series '%s'; name that one", path, link);
	return true;
}

bool series_resolve(const char *configured, char out[PATH_MAX], struct err *e)
{
	char target[PATH_MAX];
	char next[PATH_MAX];

	if (snprintf(out, PATH_MAX, "%s", configured) >= PATH_MAX)
		return err_set(e, ERR_STORE, "cannot open '%s': the name is too long", configured);
	for (int i = 0; i < LINKS_MAX; i++) {
		ssize_t len = readlink(out, target, sizeof(target) - 1);

		/* No link, or nothing: what is wrong with it shows when it is opened. */
		if (len < 0)
			return check_is_no_part(out, e);
		target[len] = '\0';
		if (is_ours(out, target))
			return true;
		if (*target == '/')
			memcpy(next, target, (size_t)len + 1);
		else if (!series_beside(out, target, next))
			return err_set(
				e, ERR_STORE, "cannot open '%s': the name is too long", configured);
		memcpy(out, next, strlen(next) + 1);
	}
	return err_set(e, ERR_STORE, "cannot open '%s': %s", configured, strerror(ELOOP));
}

bool series_live(const char *configured, enum series_kind *kind, char live[PATH_MAX], struct err *e)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	*kind = SERIES_NOTHING;
	if (snprintf(live, PATH_MAX, "%s", configured) >= PATH_MAX)
		return err_set(e, ERR_STORE, "cannot open '%s': the name is too long", configured);
	if (lstat(configured, &st) != 0)
		return errno == ENOENT ||
			err_set(e, ERR_STORE, "cannot open '%s': %s", configured, strerror(errno));
	*kind = SERIES_PLAIN;
	if (!S_ISLNK(st.st_mode))
		return true;
	len = readlink(configured, target, sizeof(target) - 1);
	if (len < 0)
		return err_set(
			e, ERR_STORE, "cannot read the link '%s': %s", configured, strerror(errno));
	target[len] = '\0';
	/* A link that leads elsewhere is its owner's, not ours. */
	if (!is_ours(configured, target))
		return true;
	*kind = SERIES_LINK;
	return series_beside(configured, target, live) ||
		err_set(e, ERR_STORE, "cannot open '%s': the name is too long", configured);
}

void series_sync(const char *path)
{
	char dir[PATH_MAX];
	int fd;

	if (!series_beside(path, ".", dir))
		return;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

bool series_link(const char *configured, const char *live, struct err *e)
{
	char made[PATH_MAX];

	if (snprintf(made, sizeof(made), "%s.link", configured) >= (int)sizeof(made))
		return err_set(e, ERR_STORE, "cannot link '%s': the name is too long", configured);
	(void)unlink(made);
	if (symlink(series_name(live), made) != 0 || rename(made, configured) != 0)
		return err_set(e, ERR_STORE, "cannot make '%s' a link to '%s': %s", configured,
			series_name(live), strerror(errno));
	series_sync(configured);
	return true;
}

int64_t series_started(const char *path)
{
	size_t tail = strlen(STAMP SUFFIX);
	size_t len = strlen(path);
	int64_t us = 0;
	struct err ignored;

	assert(len > tail);
	(void)!timestamp_parse_text(
		(struct slice){ path + len - tail, strlen(STAMP) }, &us, &ignored);
	return us;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_path(const char *configured, const char *name, char ***paths, size_t *count)
{
	char path[PATH_MAX];
	char **grown = realloc(*paths, (*count + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	*paths = grown;
	if (!series_beside(configured, name, path))
		return true;
	grown[*count] = strdup(path);
	return grown[*count] != NULL && ++*count != 0;
}

bool series_list(const char *configured, char ***paths, size_t *count, struct err *e)
{
	char name[PATH_MAX];
	struct dirent *entry;
	bool ok = true;
	DIR *dir;

	*paths = NULL;
	*count = 0;
	dir = series_beside(configured, ".", name) ? opendir(name) : NULL;
	if (dir == NULL)
		return err_set(e, ERR_STORE, "cannot list the directory of '%s': %s", configured,
			strerror(errno));
	while (ok && (entry = readdir(dir)) != NULL)
		if (is_ours(configured, entry->d_name))
			ok = add_path(configured, entry->d_name, paths, count) ||
				err_set(e, ERR_NOMEM, "out of memory");
	(void)closedir(dir);
	if (!ok) {
		series_list_free(*paths, *count);
		return false;
	}
	if (*count != 0)
		qsort(*paths, *count, sizeof(**paths), compare_paths);
	return true;
}

void series_list_free(char **paths, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
}
