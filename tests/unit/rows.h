/*
 * rows: what a query of a test returns, as text.
 */
#ifndef TAPEDECK_TESTS_ROWS_H
#define TAPEDECK_TESTS_ROWS_H

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>

/* Columns with '|' between them, a row a line, NULL as NULL. Valid until the next call. */
static inline const char *rows_of(sqlite3 *db, const char *sql)
{
	static char text[8192];
	sqlite3_stmt *st = NULL;
	size_t len = 0;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	assert(rc == SQLITE_OK);
	text[0] = '\0';
	while (sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const unsigned char *value = sqlite3_column_text(st, i);

			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
				i != 0 ? "|" : "", value != NULL ? (const char *)value : "NULL");
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "\n");
	}
	(void)sqlite3_finalize(st);
	return text;
}

#endif
