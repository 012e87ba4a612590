/*
 * wal: who keeps the WAL from shrinking, and who keeps us from writing.
 *
 * A reader that holds a transaction for long pins the WAL: what was committed since cannot be checkpointed, and the file
 * grows. It never blocks the writer, but it fills the disk, so it is named in the log. The locks of WAL mode are on bytes
 * of the -shm file (SQLite, "WAL-mode File Format", section 2.3.2): 120 for the writer, 123 to 127 for readers. Who
 * holds them is read from /proc/locks, which needs neither rights nor an open file: closing a descriptor of the -shm
 * file would drop our own locks on it. Where the holder cannot be found (another machine, a container) its pid is 0.
 */
#ifndef TAPEDECK_STORE_WAL_H
#define TAPEDECK_STORE_WAL_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Above this size a WAL is pinned; it is checkpointed at two thirds of it. */
#define WAL_PINNED_BYTES ((uint64_t)192 << 20)

enum wal_lock { WAL_LOCK_WRITE, WAL_LOCK_READ };

struct wal_holder {
	pid_t pid; /* 0: not found */
	char program[32];
};

/* A line of /proc/locks. */
struct wal_lock_line {
	pid_t pid;
	unsigned major;
	unsigned minor;
	uint64_t inode;
	uint64_t first;
	uint64_t last; /* UINT64_MAX: to the end */
};

/* False for a line that is no POSIX or OFD lock that is held. */
bool wal_parse_lock(const char *line, struct wal_lock_line *out) MUST_CHECK;

/* Another process that holds this lock on the recording. */
void wal_find_holder(const char *recording, enum wal_lock lock, struct wal_holder *out);

/* What is known of a WAL that is watched; zeroed at first. */
struct wal_watch {
	int64_t pinned_us; /* monotonic; since when it is too large; 0: it is not */
	int64_t told_us;
};

/* Looks at the recording's WAL, and logs when it is pinned (once a minute), and when that is over. */
void wal_watch(struct wal_watch *w, const char *recording, int64_t mono_us);

#endif
