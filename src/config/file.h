/*
 * file: reads a whole file into memory, up to a limit.
 */
#ifndef TAPEDECK_CONFIG_FILE_H
#define TAPEDECK_CONFIG_FILE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Appends the file's bytes to `out`, whose maximum is the limit; the buffer never moves while it is
 * filled if that much was reserved before. `mode` (may be NULL) gets the file's mode. On failure `out`
 * holds what was read so far, and `e` says why: "cannot read 'x': No such file or directory". */
bool config_file_read(const char *path, struct buf *out, mode_t *mode, struct err *e) MUST_CHECK;

#endif
