/*
 * row_set: the row tables that are open, by their configured names, and the streams whose events go into them.
 *
 * row_review fills the set as the configuration asks, row_chores completes what is in it. A table that cannot be
 * filled is given up: reported, marked in the file, and left alone. Embedded in row_tables, which says more.
 */
#ifndef TAPEDECK_STORE_ROW_SET_H
#define TAPEDECK_STORE_ROW_SET_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/map.h"
#include "store/row_table.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

#define ROW_SET_STATEMENTS 3

/* Of a table in `row_table` that is being read, or filled, under its own name. */
#define ROW_CURRENT "state IN ('live', 'broken')"

enum row_state { ROW_LIVE, ROW_FILLING, ROW_LEAVING, ROW_STATES };

/* One SQLite table; `rows` NULL: it is not filled. */
struct row_part {
	int64_t table_id;
	struct row_table *rows;
	bool is_told; /* the first of its notes was logged */
};

/* A table by its configured name. */
struct row_named {
	struct row_named *next;
	char *name;
	struct row_part live;
	struct row_part filling; /* takes its place */
};

struct row_opened {
	struct row_part *part; /* NULL: it is not open */
	struct row_named *table;
};

struct row_set {
	struct sqlite3 *db;
	struct sqlite3_stmt *statement[ROW_SET_STATEMENTS];
	struct row_named *tables;
	struct map sources;
};

/* After a failure it is released, too. */
bool row_set_init(struct row_set *set, struct sqlite3 *db, struct err *e) MUST_CHECK;
void row_set_release(struct row_set *set);

/* Closes all tables. */
void row_set_forget(struct row_set *set);

/* NULL: out of memory. */
struct row_named *row_set_add_table(struct row_set *set, const char *name) MUST_CHECK;

/* From now on the events of this stream go into `table`; one that goes into a table already stays with it. */
bool row_set_add_source(
	struct row_set *set, int64_t stream_id, struct row_named *table, struct err *e) MUST_CHECK;

struct row_opened row_set_find(struct row_set *set, int64_t table_id);

/* Stores the rows of an event of this stream. */
bool row_set_put_event(struct row_set *set, int64_t stream_id, const struct row_event *event,
	struct err *e) MUST_CHECK;

/* The same for one SQLite table. True also if the table had to be given up, unless the transaction went with it. */
bool row_set_put(struct row_set *set, struct row_named *t, struct row_part *part, int64_t stream_id,
	const struct row_event *event, struct err *e) MUST_CHECK;

/* What a table is in the file, see the schema. */
const char *row_set_state_name(enum row_state state);
bool row_set_state(
	struct row_set *set, int64_t table_id, enum row_state state, struct err *e) MUST_CHECK;

/* It cannot be filled any more. */
bool row_set_break(struct row_set *set, int64_t table_id, struct err *e) MUST_CHECK;

/* True for a failure, SQLite's last, of a table alone: anything else will be over, or stops the recording as a whole. */
bool row_set_is_its_own(struct row_set *set, const struct err *e);

/* Erases what is known of a table that is not in the file any more. */
bool row_set_erase(struct row_set *set, int64_t table_id, struct err *e) MUST_CHECK;

/* What SQLite calls a table that does not serve under its own name, for sqlite3_free; NULL: out of memory. No
 * configured name holds a colon. */
char *row_set_aside(const char *name, int64_t table_id) MUST_CHECK;

/* `*taken`: SQLite's schema has something of this name. */
bool row_set_is_taken(struct row_set *set, const char *name, bool *taken, struct err *e) MUST_CHECK;

#endif
