/*
 * support: what a configuration asks for and this version does not do.
 *
 * The configuration's keys are a contract that is older than some of the behaviour behind them. A key
 * without effect must not look as if it had one.
 */
#ifndef TAPEDECK_RECORD_SUPPORT_H
#define TAPEDECK_RECORD_SUPPORT_H

#include "config/config.h"

/* Logs a warning for each key that is set and has no effect. */
void support_warn(const struct config *config);

#endif
