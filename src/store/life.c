#include "store/life.h"

#include "store/db.h"

#include <sqlite3.h>

static const char life_sql[] =
	"SELECT last_alive, ended IS NULL AND last_alive >= "
	"	CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER) - 5000000 "
	"FROM run ORDER BY run_id DESC LIMIT 1";

bool life_read(struct sqlite3 *db, struct life *out, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = false;
	bool ok = db_prepare(db, &st, life_sql, e) && db_first(st, &found, e);

	*out = (struct life){ .last_alive_us = INT64_MIN };
	if (ok && found) {
		out->last_alive_us = sqlite3_column_int64(st, 0);
		out->is_alive = sqlite3_column_int(st, 1) != 0;
	}
	(void)sqlite3_finalize(st);
	return ok;
}
