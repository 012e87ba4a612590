/*
 * migrate: a recording of an older schema is brought up to date whole, or is left as it was.
 */
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include "store/db.h"
#include "store/migrate.h"
#include "store/verify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct scratch scratch;
static char database[PATH_MAX];

static struct sqlite3 *open_plain(void)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	return db;
}

static void run(struct sqlite3 *db, const char *sql)
{
	struct err e;

	if (!db_exec(db, sql, &e))
		fail_msg("%s: %s", sql, e.text);
}

/* A recording as a program that knew only the first step has left it: with an event and a gap. */
static void make_first_version(void)
{
	struct sqlite3 *db = open_plain();

	run(db,
		"PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; "
		"PRAGMA application_id = 0x54415045; PRAGMA journal_mode = WAL");
	run(db, migrations[0]);
	run(db,
		"INSERT INTO feed VALUES (1, 'f', 'u', '/', '/', '{}');"
		"INSERT INTO stream VALUES (1, 1, 'p', '{}', NULL, 1, 5, 5, 20, 15);"
		"INSERT INTO connection (connection_id, feed_id, opened, stored_events, received_events) "
		"VALUES (1, 1, 1, 1, 1);"
		"INSERT INTO event VALUES (1, 1, 5, 0, NULL, 20, 1, '[1.10]', NULL);"
		"INSERT INTO wanted VALUES (1, 10, 40);"
		"INSERT INTO coverage VALUES (1, 10, 20);"
		"INSERT INTO outage VALUES (1, 1, NULL, 20, NULL, 'network', NULL);"
		"INSERT INTO run VALUES (1, 1, 40, 40, 3, '0', 'h');"
		"PRAGMA user_version = 1");
	(void)sqlite3_close(db);
}

static bool open_by_us(struct err *e)
{
	const struct db_options o = { .path = database, .mode = 0600, .cache_kib = 1024 };
	struct sqlite3 *db = NULL;
	bool ok = db_open(&db, &o, e);

	db_close(db);
	return ok;
}

static void fail_on_finding(void *arg, const char *finding)
{
	(void)arg;
	fail_msg("%s", finding);
}

static void assert_is_up_to_date(void)
{
	struct sqlite3 *db;
	char version[16];
	struct err e;

	if (!open_by_us(&e))
		fail_msg("%s", e.text);
	db = open_plain();
	(void)snprintf(version, sizeof(version), "%d\n", migrations_count);
	assert_string_equal(rows_of(db, "PRAGMA user_version"), version);
	assert_string_equal(rows_of(db, "SELECT results, received FROM event"), "[1.10]|20\n");
	assert_string_equal(
		rows_of(db, "SELECT started, ended, cause FROM gap"), "20|40|network\n");
	(void)sqlite3_close(db);
	if (!verify(database, fail_on_finding, NULL, &e))
		fail_msg("%s", e.text);
}

static void an_older_recording_is_brought_up_to_date(void **state)
{
	struct err e;

	(void)state;
	make_first_version();
	/* Who only reads does not change it, and says what to do. */
	assert_false(verify(database, fail_on_finding, NULL, &e));
	assert_non_null(strstr(e.text, "start tapedeckd on it once"));
	assert_is_up_to_date();
}

static int left; /* of what SQLite may do before the process is killed */

static int kill_when_due(void *arg)
{
	(void)arg;
	if (--left <= 0)
		(void)raise(SIGKILL);
	return 0;
}

/* Called by SQLite for each connection that is opened. */
static int watch(sqlite3 *db, const char **error, const void *api)
{
	(void)error;
	(void)api;
	sqlite3_progress_handler(db, 1, kill_when_due, NULL);
	return SQLITE_OK;
}

/* Killed after any number of SQLite's steps: the next start finishes what was begun, or begins it anew. */
static void one_that_was_killed_in_the_middle_goes_on_at_the_next_start(void **state)
{
	bool was_killed = true;

	(void)state;
	for (int steps = 1; was_killed; steps += 1 + steps / 8) {
		int status = 0;
		pid_t child;

		(void)remove(database);
		(void)remove(scratch_file(&scratch, "m.db-wal"));
		(void)remove(scratch_file(&scratch, "m.db-shm"));
		make_first_version();
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct err e;

			left = steps;
			(void)sqlite3_auto_extension((void (*)(void))watch);
			_exit(open_by_us(&e) ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		was_killed = WIFSIGNALED(status);
		assert_true(was_killed || WEXITSTATUS(status) == 0);
		assert_is_up_to_date();
	}
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	(void)snprintf(database, sizeof(database), "%s", scratch_file(&scratch, "m.db"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(an_older_recording_is_brought_up_to_date),
		WITH_SCRATCH(one_that_was_killed_in_the_middle_goes_on_at_the_next_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
