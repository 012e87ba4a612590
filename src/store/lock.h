/*
 * lock: one daemon per recording.
 *
 * The lock is held on a file of its own, "<recording>.lock", because a lock on the database file itself
 * would be dropped when any of its descriptors closes. The file holds the holder's pid; it stays when
 * the lock is released, and the kernel releases the lock of a process that dies.
 */
#ifndef TAPEDECK_STORE_LOCK_H
#define TAPEDECK_STORE_LOCK_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Takes the lock for `recording`; the error names the holder's pid. `*fd` is for lock_release. */
bool lock_take(const char *recording, mode_t mode, int *fd, struct err *e) MUST_CHECK;

/* Accepts -1. */
void lock_release(int fd);

#endif
