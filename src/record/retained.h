/*
 * retained: tells the writer how much the configuration wants to keep.
 */
#ifndef TAPEDECK_RECORD_RETAINED_H
#define TAPEDECK_RECORD_RETAINED_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "store/writer.h"

#include <stdbool.h>

/* After the feeds have got their ids. Takes effect with the next commit. */
bool retained_configure(struct writer *w, const struct config *config, struct err *e) MUST_CHECK;

#endif
