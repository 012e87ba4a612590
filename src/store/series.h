/*
 * series: the names of the files of a recording that is rotated.
 *
 * The configured path, "market.db", is a symbolic link to the file that is being written, "market-20261105T000000Z.db",
 * named with the second (UTC) from which on it records. So the names' order is the order of time. Functions about
 * names and links alone: what is in the files is the affair of store/rotate and store/earlier.
 */
#ifndef TAPEDECK_STORE_SERIES_H
#define TAPEDECK_STORE_SERIES_H

#include "base/compiler.h"
#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The path of the file that begins at `at_us`; false if it is too long. */
bool series_path(const char *configured, int64_t at_us, char out[PATH_MAX]) MUST_CHECK;

/* The second from which on a file of a series records, by its name. */
int64_t series_started(const char *path);

/* The part of a path behind the last '/'. */
const char *series_name(const char *path);

/* The path of the file of this name that lies beside `configured`; false if it is too long. */
bool series_beside(const char *configured, const char *name, char out[PATH_MAX]) MUST_CHECK;

/* Follows links that are not of a series: a recording has one place, whatever names lead to it, and its lock and its
 * files lie beside that. A file of a series is refused, it is recorded under the name of the series. */
bool series_resolve(const char *configured, char out[PATH_MAX], struct err *e) MUST_CHECK;

enum series_kind {
	SERIES_NOTHING, /* there is no file yet */
	SERIES_PLAIN,   /* a file that is not rotated */
	SERIES_LINK,    /* a link to a file of the series */
};

/* What is at the configured path, and the path of the file that it leads to. */
bool series_live(const char *configured, enum series_kind *kind, char live[PATH_MAX],
	struct err *e) MUST_CHECK;

/* Makes the configured path a link to `live`, in one step. */
bool series_link(const char *configured, const char *live, struct err *e) MUST_CHECK;

/* Paths of the files of the series that exist, the oldest first. The caller frees with series_list_free. */
bool series_list(const char *configured, char ***paths, size_t *count, struct err *e) MUST_CHECK;
void series_list_free(char **paths, size_t count);

/* Makes what was renamed, linked or created in the directory of `path` last. */
void series_sync(const char *path);

#endif
