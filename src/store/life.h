/*
 * life: the last sign of life of a daemon in a recording.
 */
#ifndef TAPEDECK_STORE_LIFE_H
#define TAPEDECK_STORE_LIFE_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;

struct life {
	int64_t last_alive_us; /* INT64_MIN: no daemon ever ran */
	bool is_alive;         /* by the rule of the view `gap` */
};

bool life_read(struct sqlite3 *db, struct life *out, struct err *e) MUST_CHECK;

#endif
