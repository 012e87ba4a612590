#include "store/migrate.h"

#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>

static bool apply(struct sqlite3 *db, int step, struct err *e)
{
	char version[64];

	(void)snprintf(version, sizeof(version), "PRAGMA user_version = %d", step);
	if (db_exec(db, "BEGIN IMMEDIATE", e) && db_exec(db, migrations[step - 1], e) &&
		db_exec(db, version, e) && db_exec(db, "COMMIT", e))
		return true;
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return err_prefix(e, "cannot bring the schema to version %d", step);
}

bool migrate(struct sqlite3 *db, struct err *e)
{
	int64_t version;

	if (!db_number(db, "PRAGMA user_version", &version, e))
		return false;
	if (version > migrations_count)
		return err_set(e, ERR_STORE,
			"its schema has version %lld, this program knows versions up to %d; "
			"use the newer tapedeck that wrote it",
			(long long)version, migrations_count);
	for (int step = (int)version + 1; step <= migrations_count; step++)
		if (!apply(db, step, e))
			return false;
	return true;
}
