/*
 * db, migrate, lock: which files are opened, and which are left alone.
 */
#include "rows.h"
#include "scratch.h"
#include "unit.h"

#include "store/db.h"
#include "store/lock.h"
#include "store/migrate.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct scratch scratch;

static struct db_options options_for(const char *path)
{
	return (struct db_options){ .path = path,
		.may_create = true,
		.mode = 0640,
		.sync_full = true,
		.cache_kib = 256,
		.busy_ms = 100 };
}

static void write_file(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static size_t read_file(const char *path, char *out, size_t max)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, max, f);
	(void)fclose(f);
	return n;
}

static int64_t number(struct sqlite3 *db, const char *sql)
{
	struct err e;
	int64_t n = -1;

	assert_true(db_number(db, sql, &n, &e));
	return n;
}

static void a_new_recording_has_the_contract(void **state)
{
	static const char *const things[] = { "feed", "stream", "event", "attachment", "connection",
		"wanted", "coverage", "outage", "rejected", "clock_step", "run", "recording", "gap",
		"conflict", "stream_summary" };
	struct sqlite3 *db = NULL;
	struct stat st;
	struct err e;
	const char *path = scratch_file(&scratch, "new.db");
	struct db_options o = options_for(path);

	(void)state;
	assert_true(db_open(&db, &o, &e));
	for (size_t i = 0; i < COUNT(things); i++) {
		char sql[128];

		(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", things[i]);
		assert_int_equal(number(db, sql), 0);
	}
	assert_int_equal(number(db, "PRAGMA application_id"), DB_APPLICATION_ID);
	assert_int_equal(number(db, "PRAGMA user_version"), migrations_count);
	assert_int_equal(number(db, "PRAGMA page_size"), 8192);
	assert_int_equal(number(db, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(number(db, "PRAGMA synchronous"), 2);
	assert_int_equal(
		number(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"),
		1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	db_close(db);
	/* A reader without write permission needs both files to be there. */
	assert_int_equal(access(scratch_file(&scratch, "new.db-wal"), F_OK), 0);
	assert_int_equal(access(scratch_file(&scratch, "new.db-shm"), F_OK), 0);
	/* Opening it again is no migration. */
	o.path = scratch_file(&scratch, "new.db");
	assert_true(db_open(&db, &o, &e));
	db_close(db);
}

static void an_empty_file_is_a_new_recording(void **state)
{
	struct sqlite3 *db = NULL;
	struct err e;
	const char *path = scratch_file(&scratch, "empty.db");
	struct db_options o = options_for(path);

	(void)state;
	write_file(path, "", 0);
	assert_true(db_open(&db, &o, &e));
	assert_int_equal(number(db, "PRAGMA auto_vacuum"), 2);
	db_close(db);
}

static void refuse(const char *path, const char *fragment)
{
	static char before[65536];
	static char after[65536];
	struct db_options o = options_for(path);
	struct sqlite3 *db = NULL;
	size_t len = read_file(path, before, sizeof(before));
	struct err e;

	assert_false(db_open(&db, &o, &e));
	assert_non_null(strstr(e.text, fragment));
	assert_non_null(strstr(e.text, path));
	assert_int_equal(read_file(path, after, sizeof(after)), len);
	assert_memory_equal(before, after, len);
}

static void foreign_files_are_refused_and_untouched(void **state)
{
	struct sqlite3 *db = NULL;
	struct err e;
	char path[PATH_MAX];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, "text.db"));
	write_file(path, "this is a diary, not a database", 31);
	refuse(path, "not an SQLite database");

	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, "fifo.db"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(db_check_header(path, &e));
	assert_non_null(strstr(e.text, "not a regular file"));
	assert_false(db_check_header("/dev/null", &e));

	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, "foreign.db"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	refuse(path, "another program");

	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, "newer.db"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				 "PRAGMA application_id = 0x54415045; PRAGMA user_version = 99; "
				 "CREATE TABLE t (a)",
				 NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	refuse(path, "newer tapedeck");
}

/* The first start may crash between any two steps; the next one must go on. */
static void a_half_made_recording_is_completed(void **state)
{
	struct sqlite3 *db = NULL;
	struct err e;
	char path[PATH_MAX];
	struct db_options o = options_for(path);

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, "half.db"));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x54415045; "
			"PRAGMA journal_mode = WAL",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_true(db_open(&db, &o, &e));
	assert_int_equal(number(db, "SELECT count(*) FROM event"), 0);
	db_close(db);
}

static void a_missing_directory_is_named(void **state)
{
	struct sqlite3 *db = NULL;
	struct err e;
	const char *path = scratch_file(&scratch, "no/such/dir.db");
	struct db_options o = options_for(path);

	(void)state;
	assert_false(db_open(&db, &o, &e));
	assert_non_null(strstr(e.text, path));
	assert_non_null(strstr(e.text, "No such file or directory"));
}

static void a_vanished_file_is_not_made_anew(void **state)
{
	struct sqlite3 *db = NULL;
	struct err e;
	const char *path = scratch_file(&scratch, "vanished.db");
	struct db_options o = options_for(path);

	(void)state;
	o.may_create = false;
	assert_false(db_open(&db, &o, &e));
	assert_int_equal(access(path, F_OK), -1);
}

static void the_lock_names_its_holder(void **state)
{
	const char *path = scratch_file(&scratch, "locked.db");
	struct err e;
	int fd;
	int again;
	int status;
	pid_t child;

	(void)state;
	assert_true(lock_take(path, 0640, &fd, &e));
	child = fork();
	if (child == 0) {
		char want[32];

		(void)snprintf(want, sizeof(want), "pid %ld;", (long)getppid());
		_exit(!lock_take(path, 0640, &again, &e) && strstr(e.text, want) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	lock_release(fd);
	assert_true(lock_take(path, 0640, &fd, &e));
	lock_release(fd);
}

/* ---- the views ---- */

static struct sqlite3 *open_with(const char *name, const char *sql)
{
	struct sqlite3 *db = NULL;
	struct err e;
	char path[PATH_MAX];
	struct db_options o = options_for(path);

	(void)snprintf(path, sizeof(path), "%s", scratch_file(&scratch, name));
	assert_true(db_open(&db, &o, &e));
	if (!db_exec(db, sql, &e))
		fail_msg("%s", e.text);
	return db;
}

static void assert_rows(struct sqlite3 *db, const char *sql, const char *want)
{
	assert_string_equal(rows_of(db, sql), want);
}

#define ONE_STREAM \
	"INSERT INTO feed VALUES (1, 'f', 'u', '/', '/socket.io/', '{}');" \
	"INSERT INTO stream (stream_id, feed_id, path, params) VALUES (1, 1, 'p', '{}');" \
	"INSERT INTO connection (connection_id, feed_id, opened) VALUES (1, 1, 1);"

static void recording_shows_iso_text(void **state)
{
	struct sqlite3 *db = open_with("iso.db",
		ONE_STREAM "INSERT INTO event VALUES "
			   "(1, 1, 1410771840000000, 0, NULL, 1410757443123456, 1, '[]', NULL),"
			   "(2, 1, -1, 0, NULL, 1410757443123000, 1, '[1.10]', NULL);");

	(void)state;
	assert_rows(db, "SELECT * FROM recording ORDER BY event_id",
		"f|p|{}|2014-09-15T09:04:00.000Z|2014-09-15T05:04:03.123456Z|[]|0|1\n"
		"f|p|{}|1969-12-31T23:59:59.999999Z|2014-09-15T05:04:03.123Z|[1.10]|0|2\n");
	db_close(db);
}

static void conflict_shows_one_key_with_several_contents(void **state)
{
	struct sqlite3 *db = open_with("conflict.db",
		ONE_STREAM
		"INSERT INTO event VALUES "
		"(1, 1, 5, 0, NULL, 5, 1, '[1]', NULL), (2, 1, 5, 1, NULL, 6, 1, '[2]', NULL),"
		"(3, 1, 7, 0, NULL, 7, 1, '[3]', NULL), (4, 1, 7, 1, NULL, 8, 1, '[3]', NULL),"
		"(5, 1, 9, 0, NULL, 9, 1, '[4]', NULL);");

	(void)state;
	/* The key 7 came twice with the same content: no conflict. */
	assert_rows(db, "SELECT timestamp, seq, event_id, results FROM conflict ORDER BY event_id",
		"5|0|1|[1]\n5|1|2|[2]\n");
	db_close(db);
}

static void gap_is_wanted_minus_coverage_split_by_cause(void **state)
{
	struct sqlite3 *db = open_with("gap.db",
		ONE_STREAM
		"INSERT INTO wanted VALUES (1, 100, 1000);"
		"INSERT INTO coverage VALUES (1, 200, 300), (1, 500, 600), (1, 550, 700);"
		"INSERT INTO outage (feed_id, stream_id, started, ended, cause) VALUES "
		"(1, NULL, 300, 400, 'network'), (1, NULL, 400, 450, 'network'),"
		"(1, NULL, 450, 500, 'token'), (1, 1, 700, 1000, 'silent');"
		"INSERT INTO run VALUES (1, 50, 1000, 1000, 1, '', '');");

	(void)state;
	assert_rows(db, "SELECT started, ended, cause FROM gap ORDER BY started",
		"100|200|starting\n300|450|network\n450|500|token\n700|1000|silent\n");
	db_close(db);
}

/* A daemon that died left its coverage open; while none runs, it ends at the last sign of life. */
static void open_coverage_of_a_dead_run_is_an_open_crash_gap(void **state)
{
	struct sqlite3 *db = open_with("crash.db",
		ONE_STREAM "INSERT INTO wanted VALUES (1, 100, NULL);"
			   "INSERT INTO coverage VALUES (1, 100, NULL);"
			   "INSERT INTO run VALUES (1, 50, 1000, NULL, 1, '', '');");

	(void)state;
	assert_rows(db, "SELECT started, ended, cause FROM gap", "1000|NULL|crash\n");
	db_close(db);
}

static void open_coverage_of_a_living_run_is_no_gap(void **state)
{
	struct sqlite3 *db = open_with("alive.db",
		ONE_STREAM
		"INSERT INTO wanted VALUES (1, 100, NULL);"
		"INSERT INTO coverage VALUES (1, 100, NULL);"
		"INSERT INTO run VALUES (1, 50, "
		"CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER), NULL, 1, '', '');");

	(void)state;
	assert_rows(db, "SELECT started, ended, cause FROM gap", "");
	db_close(db);
}

static int set_up(void **state)
{
	(void)state;
	scratch_open(&scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_close(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_recording_has_the_contract),
		cmocka_unit_test(an_empty_file_is_a_new_recording),
		cmocka_unit_test(foreign_files_are_refused_and_untouched),
		cmocka_unit_test(a_half_made_recording_is_completed),
		cmocka_unit_test(a_missing_directory_is_named),
		cmocka_unit_test(a_vanished_file_is_not_made_anew),
		cmocka_unit_test(the_lock_names_its_holder),
		cmocka_unit_test(recording_shows_iso_text),
		cmocka_unit_test(conflict_shows_one_key_with_several_contents),
		cmocka_unit_test(gap_is_wanted_minus_coverage_split_by_cause),
		cmocka_unit_test(open_coverage_of_a_dead_run_is_an_open_crash_gap),
		cmocka_unit_test(open_coverage_of_a_living_run_is_no_gap),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
