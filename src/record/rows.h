/*
 * rows: tells the writer which row tables the configuration asks for.
 */
#ifndef TAPEDECK_RECORD_ROWS_H
#define TAPEDECK_RECORD_ROWS_H

#include "base/compiler.h"
#include "base/err.h"
#include "config/config.h"
#include "store/writer.h"

#include <stdbool.h>

/* Hands over the tables of `config`, whose feeds the writer knows. */
bool rows_configure(struct writer *w, const struct config *config, struct err *e) MUST_CHECK;

#endif
