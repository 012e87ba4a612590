/*
 * same_file: recordings that were named twice.
 *
 * With rotation `market.db` is a symbolic link to one of `market-*.db`, and `market*.db` names both. What is named twice
 * must not count twice.
 */
#ifndef TAPEDECK_REPLAY_SAME_FILE_H
#define TAPEDECK_REPLAY_SAME_FILE_H

#include <stddef.h>

/* The path that was named before number `i` and leads to the same file, or NULL. */
const char *same_file_before(const char *const *paths, size_t i);

#endif
