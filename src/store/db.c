#include "store/db.h"

#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_SIZE 100
#define PAGE_SIZE 8192
#define READER_BUSY_MS 5000
/* Pages in the WAL before the writer checkpoints: 16,000 measured 25 to 45 % faster than SQLite's 1,000. */
#define WAL_CHECKPOINT_PAGES 16000
#define WAL_SIZE_LIMIT (64 * 1024 * 1024)

static uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool check_header_bytes(
	const char *path, const unsigned char *header, ssize_t len, struct err *e)
{
	static const char magic[16] = "SQLite format 3";
	uint32_t version;

	if (len == 0)
		return true;
	if (len < HEADER_SIZE || memcmp(header, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_STORE,
			"'%s' is not a recording: it is not an SQLite database; it was left as it is, "
			"name another file",
			path);
	if (big_endian(header + 68) != DB_APPLICATION_ID)
		return err_set(e, ERR_STORE,
			"'%s' is not a recording: it is the SQLite database of another program "
			"(application_id 0x%08x); it was left as it is, name another file",
			path, big_endian(header + 68));
	version = big_endian(header + 60);
	if (version > (uint32_t)migrations_count)
		return err_set(e, ERR_STORE,
			"'%s' was written by a newer tapedeck (schema version %u, this program knows "
			"up to %d); it was left as it is, use the newer program",
			path, version, migrations_count);
	return true;
}

bool db_check_header(const char *path, struct err *e)
{
	unsigned char header[HEADER_SIZE];
	struct stat st;
	ssize_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for a writer */

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return err_set(e, ERR_STORE, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return err_set(e, ERR_STORE,
			"'%s' is not a recording: it is not a regular file; name another file",
			path);
	}
	len = read(fd, header, sizeof(header));
	if (len < 0)
		(void)err_set(e, ERR_STORE, "cannot read '%s': %s", path, strerror(errno));
	(void)close(fd);
	return len >= 0 && check_header_bytes(path, header, len, e);
}

bool db_error(struct sqlite3 *db, struct err *e)
{
	return err_set(e, sqlite3_errcode(db) == SQLITE_NOMEM ? ERR_NOMEM : ERR_STORE, "%s",
		sqlite3_errmsg(db));
}

bool db_exec(struct sqlite3 *db, const char *sql, struct err *e)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || db_error(db, e);
}

bool db_prepare(struct sqlite3 *db, struct sqlite3_stmt **out, const char *sql, struct err *e)
{
	return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK ||
		db_error(db, e);
}

bool db_step(struct sqlite3_stmt *statement, struct err *e)
{
	int rc = sqlite3_step(statement);

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		(void)db_error(sqlite3_db_handle(statement), e);
	(void)sqlite3_reset(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

bool db_step_numbers(
	struct sqlite3_stmt *statement, const int64_t *numbers, int count, struct err *e)
{
	for (int i = 0; i < count; i++)
		(void)sqlite3_bind_int64(statement, i + 1, numbers[i]);
	return db_step(statement, e);
}

bool db_number(struct sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
	struct sqlite3_stmt *statement = NULL;
	bool ok = false;
	int rc;

	if (!db_prepare(db, &statement, sql, e))
		return false;
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		*out = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
		ok = true;
	} else {
		(void)db_error(db, e);
	}
	(void)sqlite3_finalize(statement);
	return ok;
}

/* SQLite gives -wal and -shm the mode of the main file, so that one must have it before the first open. */
static bool create_file(const struct db_options *o, bool *is_new, struct err *e)
{
	struct stat st;
	int fd = open(o->path, O_RDWR | O_CLOEXEC | (o->may_create ? O_CREAT : 0), o->mode);

	if (fd < 0)
		return err_set(e, ERR_STORE,
			"cannot open '%s' for writing: %s; check the directory and its permissions",
			o->path, strerror(errno));
	*is_new = o->may_create && fstat(fd, &st) == 0 && st.st_size == 0;
	if (*is_new)
		(void)fchmod(fd, o->mode);
	(void)close(fd);
	return true;
}

/* What must be said before the first table, and in the main file before there is a WAL: a crash during
 * the first start then leaves a file that the next start knows for its own. */
static bool found(struct sqlite3 *db, struct err *e)
{
	char sql[160];

	(void)snprintf(sql, sizeof(sql),
		"PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d",
		PAGE_SIZE, DB_APPLICATION_ID);
	return db_exec(db, sql, e);
}

static bool configure(struct sqlite3 *db, const struct db_options *o, struct err *e)
{
	char sql[320];
	int keep = 1;

	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	(void)snprintf(sql, sizeof(sql),
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d; "
		"PRAGMA journal_size_limit = %d; PRAGMA cache_size = -%d; PRAGMA temp_store = MEMORY; "
		/* A view that a user has made goes on naming the table that it names. */
		"PRAGMA legacy_alter_table = ON",
		o->sync_full ? "FULL" : "NORMAL", WAL_CHECKPOINT_PAGES, WAL_SIZE_LIMIT,
		o->cache_kib);
	return db_exec(db, sql, e);
}

/* On failure the caller closes what `*db` is then. */
static bool open_file(struct sqlite3 **db, const char *path, int flags, int busy_ms, struct err *e)
{
	if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return err_set(
			e, ERR_STORE, "%s", *db != NULL ? sqlite3_errmsg(*db) : "out of memory");
	(void)sqlite3_extended_result_codes(*db, 1);
	(void)sqlite3_busy_timeout(*db, busy_ms);
	return true;
}

bool db_open(struct sqlite3 **out, const struct db_options *o, struct err *e)
{
	struct sqlite3 *db = NULL;
	bool is_new = false;

	/* SQLite's own memory statistics cost a lock for each allocation. Without effect once SQLite is in
	 * use, which does no harm. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (!db_check_header(o->path, e) || !create_file(o, &is_new, e))
		return false;
	if (open_file(&db, o->path, SQLITE_OPEN_READWRITE, o->busy_ms, e) &&
		(!is_new || found(db, e)) && configure(db, o, e) && migrate(db, e)) {
		*out = db;
		return true;
	}
	db_close(db);
	return err_prefix(e, "cannot open '%s'", o->path);
}

/* A reader understands only the schema that it was made for. */
static bool check_version(struct sqlite3 *db, struct err *e)
{
	int64_t version;

	if (!db_number(db, "PRAGMA user_version", &version, e))
		return false;
	return version == migrations_count ||
		err_set(e, ERR_STORE,
			"its schema has version %lld, this program's has %d; start tapedeckd on it once, "
			"which brings it up to date",
			(long long)version, migrations_count);
}

bool db_is_older(const char *path, bool *older, struct err *e)
{
	struct sqlite3 *db = NULL;
	int64_t version = 0;
	bool ok = db_check_header(path, e) &&
		open_file(&db, path, SQLITE_OPEN_READONLY, READER_BUSY_MS, e) &&
		db_number(db, "PRAGMA user_version", &version, e);

	db_close(db);
	*older = version < migrations_count;
	return ok;
}

/* True if SQLite could neither read the -wal or -shm nor make it. */
static bool needs_what_is_beside(struct sqlite3 *db)
{
	int code = db != NULL ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;

	return code == SQLITE_READONLY || code == SQLITE_CANTOPEN;
}

/* Says which of them that is, and the way out. To read the file alone, as one that never changes, is none: who may
 * write may begin to, and what stood in the -wal would be missing without a word. */
static void explain_beside(struct sqlite3 *db, struct err *e)
{
	static const char *const tails[] = { "-wal", "-shm" };
	const char *file = sqlite3_db_filename(db, "main"); /* links are resolved */
	const char *slash = file != NULL ? strrchr(file, '/') : NULL;
	char beside[PATH_MAX];

	if (slash == NULL || strlen(file) + strlen(tails[0]) >= sizeof(beside))
		return;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		int why;

		(void)snprintf(beside, sizeof(beside), "%s%s", file, tails[i]);
		if (access(beside, R_OK) == 0)
			continue;
		why = errno;
		beside[slash + 1 - file] = '\0'; /* its directory */
		if (why == ENOENT && access(beside, W_OK) == 0)
			continue;
		(void)err_set(e, ERR_STORE,
			"to read it needs '%s%s' beside it: %s; copy -wal and -shm with the recording, "
			"or put it into a directory in which you may write",
			slash + 1, tails[i], strerror(why));
		return;
	}
}

bool db_open_reader(struct sqlite3 **out, const char *path, struct err *e)
{
	struct sqlite3 *db = NULL;
	struct stat st;

	if (stat(path, &st) != 0)
		return err_set(e, ERR_STORE, "cannot open '%s': %s", path, strerror(errno));
	if (st.st_size == 0)
		return err_set(
			e, ERR_STORE, "'%s' is empty: nothing was ever recorded in it", path);
	if (!db_check_header(path, e))
		return false;
	if (open_file(&db, path, SQLITE_OPEN_READONLY, READER_BUSY_MS, e) && check_version(db, e)) {
		*out = db;
		return true;
	}
	if (needs_what_is_beside(db))
		explain_beside(db, e);
	db_close(db);
	return err_prefix(e, "cannot open '%s'", path);
}

bool db_open_as_it_is(struct sqlite3 **out, const struct db_options *o, struct err *e)
{
	struct sqlite3 *db = NULL;

	if (!db_check_header(o->path, e))
		return false;
	if (open_file(&db, o->path, SQLITE_OPEN_READWRITE, o->busy_ms, e) && check_version(db, e) &&
		db_set_sync(db, true, e)) {
		*out = db;
		return true;
	}
	db_close(db);
	return err_prefix(e, "cannot open '%s'", o->path);
}

void db_close(struct sqlite3 *db)
{
	(void)sqlite3_close_v2(db);
}

bool db_exec_made(struct sqlite3 *db, char *sql, struct err *e)
{
	bool ok = sql != NULL ? db_exec(db, sql, e) : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok;
}

bool db_number_made(struct sqlite3 *db, char *sql, int64_t *out, struct err *e)
{
	bool ok = sql != NULL ? db_number(db, sql, out, e) : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok;
}

bool db_prepare_made(struct sqlite3 *db, struct sqlite3_stmt **out, char *sql, struct err *e)
{
	bool ok = sql != NULL ? db_prepare(db, out, sql, e)
			      : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok;
}

bool db_prepare_all(struct sqlite3 *db, struct sqlite3_stmt **out, const char *const *sql,
	int count, struct err *e)
{
	for (int i = 0; i < count; i++)
		if (!db_prepare(db, &out[i], sql[i], e))
			return false;
	return true;
}

void db_finalize_all(struct sqlite3_stmt **statements, int count)
{
	for (int i = 0; i < count; i++)
		(void)sqlite3_finalize(statements[i]);
}

void db_bind_text(struct sqlite3_stmt *st, int i, struct slice text)
{
	if (text.ptr == NULL)
		(void)sqlite3_bind_null(st, i);
	else
		(void)sqlite3_bind_text64(st, i, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

bool db_first(struct sqlite3_stmt *st, bool *found, struct err *e)
{
	int rc = sqlite3_step(st);

	*found = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return true;
	(void)db_error(sqlite3_db_handle(st), e);
	(void)sqlite3_reset(st);
	return false;
}

struct slice db_column(struct sqlite3_stmt *st, int i)
{
	const void *bytes = sqlite3_column_blob(st, i);

	if (bytes == NULL && sqlite3_column_type(st, i) != SQLITE_NULL)
		bytes = "";
	return (struct slice){ bytes, (size_t)sqlite3_column_bytes(st, i) };
}

bool db_set_sync(struct sqlite3 *db, bool full, struct err *e)
{
	return db_exec(db, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", e);
}
