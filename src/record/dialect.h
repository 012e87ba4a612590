/*
 * dialect: how a feed names its events and where their members lie, ready for use.
 *
 * Compiled once from the configuration, which must outlive it.
 */
#ifndef TAPEDECK_RECORD_DIALECT_H
#define TAPEDECK_RECORD_DIALECT_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json_scan.h"
#include "config/config.h"

#include <stdbool.h>

struct dialect {
	const struct config_dialect *config;
	struct json_places *places;
	struct slice data_event; /* empty: every event is data */
	bool needs_object;       /* some place lies inside the first argument */
};

bool dialect_init(struct dialect *d, const struct config_dialect *config, struct err *e) MUST_CHECK;
void dialect_release(struct dialect *d);

/* Appends the arguments of a subscribe or unsubscribe event, separated by commas without brackets. */
bool dialect_arguments(const struct config_emit *emit, struct slice path, struct slice params,
	struct buf *out) MUST_CHECK;

#endif
