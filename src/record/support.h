/*
 * support: what a configuration asks for and this version does not do.
 *
 * The configuration's keys are a contract that is older than some of the behaviour behind them. A key
 * without effect must not look as if it had one.
 */
#ifndef TAPEDECK_RECORD_SUPPORT_H
#define TAPEDECK_RECORD_SUPPORT_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"

#include <stdbool.h>

/* False if the configuration cannot be recorded with at all (ERR_CONFIG). */
bool support_check(const struct config *config, struct err *e) MUST_CHECK;

/* Logs a warning for each key that is set and has no effect. */
void support_warn(const struct config *config);

#endif
