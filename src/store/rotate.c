#include "store/rotate.h"

#include "base/log.h"
#include "store/series.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ?1: the instant; ?2: the last connection; ?3: the old file. Carried are the connections that are open, the last of
 * each feed, which may be resumed, and all that carry a session of theirs. */
static const char *const carry_sql[] = {
	"INSERT INTO fresh.feed SELECT * FROM main.feed",
	"INSERT INTO fresh.stream (stream_id, feed_id, path, params, retained_from, last_received, "
	"clock_offset) SELECT stream_id, feed_id, path, params, ?1, last_received, clock_offset "
	"FROM main.stream",
	"INSERT INTO fresh.wanted (stream_id, started) SELECT stream_id, ?1 FROM main.wanted "
	"WHERE ended IS NULL",
	"INSERT INTO fresh.coverage (stream_id, started) SELECT stream_id, ?1 FROM main.coverage "
	"WHERE ended IS NULL",
	"INSERT INTO fresh.outage (feed_id, stream_id, started, cause, detail) "
	"SELECT feed_id, stream_id, ?1, cause, detail FROM main.outage WHERE ended IS NULL",
	"WITH chosen AS (SELECT connection_id, pid FROM main.connection WHERE closed IS NULL UNION "
	"	SELECT max(connection_id), pid FROM main.connection "
	"	WHERE established IS NOT NULL GROUP BY feed_id) "
	"INSERT INTO fresh.connection (connection_id, feed_id, opened, established, last_received, "
	"closed, protocol, transport, sid, close_reason, close_detail, pid, resume_offset) "
	"SELECT connection_id, feed_id, opened, established, last_received, closed, protocol, "
	"transport, sid, close_reason, close_detail, pid, resume_offset FROM main.connection "
	"WHERE connection_id IN (SELECT connection_id FROM chosen) OR pid IN "
	"	(SELECT pid FROM chosen WHERE pid IS NOT NULL)",
	"INSERT INTO fresh.run (run_id, started, last_alive, batch, version, host) "
	"SELECT run_id, ?1, ?1, batch, version, host FROM main.run ORDER BY run_id DESC LIMIT 1",
	"INSERT INTO fresh.series (started, previous, event_id, connection_id) "
	"SELECT ?1, ?3, max(coalesce((SELECT max(event_id) FROM main.event), 0), "
	"	coalesce((SELECT event_id FROM main.series), 0)), ?2",
};

/* ?1: the instant; ?2: the next file. */
static const char *const end_sql[] = {
	"UPDATE wanted SET ended = max(?1, started) WHERE ended IS NULL",
	"DELETE FROM coverage WHERE ended IS NULL AND started >= ?1",
	"UPDATE coverage SET ended = ?1 WHERE ended IS NULL",
	"DELETE FROM outage WHERE ended IS NULL AND started >= ?1",
	"UPDATE outage SET ended = ?1 WHERE ended IS NULL",
	"UPDATE connection SET closed = max(?1, opened), close_reason = 'rotated' "
	"WHERE closed IS NULL",
	"UPDATE run SET ended = max(?1, started), last_alive = max(?1, last_alive) "
	"WHERE ended IS NULL",
	"INSERT INTO series (started, event_id, connection_id) "
	"SELECT coalesce((SELECT min(started) FROM run), ?1), 0, 0 "
	"WHERE NOT EXISTS (SELECT 1 FROM series)",
	"UPDATE series SET next = ?2",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Values for the parameters of a list of statements, those that they have. */
struct values {
	int64_t at_us;
	int64_t connection_id;
	const char *name;
	int name_at; /* which parameter it is */
};

static bool run_all(struct sqlite3 *db, const char *const *sql, size_t count,
	const struct values *v, struct err *e)
{
	bool ok = db_exec(db, "BEGIN IMMEDIATE", e);

	for (size_t i = 0; ok && i < count; i++) {
		struct sqlite3_stmt *st = NULL;

		ok = db_prepare(db, &st, sql[i], e);
		if (ok) {
			(void)sqlite3_bind_int64(st, 1, v->at_us);
			(void)sqlite3_bind_int64(st, 2, v->connection_id);
			(void)sqlite3_bind_text(st, v->name_at, v->name, -1, SQLITE_STATIC);
			ok = db_step(st, e);
		}
		(void)sqlite3_finalize(st);
	}
	ok = ok && db_exec(db, "COMMIT", e);
	if (!ok && sqlite3_get_autocommit(db) == 0)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return ok;
}

static void remove_file(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char name[PATH_MAX];

	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (snprintf(name, sizeof(name), "%s%s", path, suffixes[i]) < (int)sizeof(name))
			(void)unlink(name);
}

/* An empty recording, with its schema. */
static bool create(const struct db_options *options, const char *path, struct err *e)
{
	struct db_options o = *options;
	struct sqlite3 *db;

	o.path = path;
	o.may_create = true;
	o.sync_full = true;
	if (!db_open(&db, &o, e))
		return false;
	db_close(db);
	return true;
}

static bool attach(struct sqlite3 *db, const char *path, struct err *e)
{
	char *sql = sqlite3_mprintf("ATTACH %Q AS fresh", path);
	bool ok = sql != NULL ? db_exec(db, sql, e) : err_set(e, ERR_NOMEM, "out of memory");

	sqlite3_free(sql);
	return ok && db_exec(db, "PRAGMA fresh.synchronous = FULL", e);
}

bool rotate_prepare(struct sqlite3 *old, const char *old_path, const struct db_options *next,
	int64_t at_us, int64_t connection_id, struct err *e)
{
	const struct values v = { at_us, connection_id, series_name(old_path), 3 };
	char made[PATH_MAX];
	bool ok;

	if (snprintf(made, sizeof(made), "%s.new", next->path) >= (int)sizeof(made))
		return err_set(e, ERR_STORE, "the name is too long");
	remove_file(made);
	ok = create(next, made, e) && attach(old, made, e);
	if (ok) {
		ok = run_all(old, carry_sql, COUNT(carry_sql), &v, e) &&
			db_exec(old, "PRAGMA fresh.wal_checkpoint(TRUNCATE)", e);
		(void)sqlite3_exec(old, "DETACH fresh", NULL, NULL, NULL);
	}
	if (ok && rename(made, next->path) != 0)
		ok = err_set(e, ERR_STORE, "cannot rename '%s': %s", made, strerror(errno));
	if (ok)
		series_sync(next->path);
	remove_file(made); /* what SQLite keeps beside it, or all of it */
	return ok;
}

bool rotate_end(struct sqlite3 *old, int64_t at_us, const char *next, struct err *e)
{
	const struct values v = { at_us, 0, series_name(next), 2 };

	return run_all(old, end_sql, COUNT(end_sql), &v, e);
}

/* ---- before a recording is opened ---- */

/* A text from the row of `series`; empty if there is none. */
static bool read_series(struct sqlite3 *db, const char *column, char out[PATH_MAX], struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	char sql[96];
	bool found = false;
	bool ok;

	(void)snprintf(sql, sizeof(sql), "SELECT coalesce(%s, '') FROM series", column);
	ok = db_prepare(db, &st, sql, e) && db_first(st, &found, e);
	(void)snprintf(
		out, PATH_MAX, "%s", ok && found ? (const char *)sqlite3_column_text(st, 0) : "");
	(void)sqlite3_finalize(st);
	return ok;
}

/* The file that `live` names as the next: a crash came before the link was changed. */
static bool follow(
	const char *configured, const struct db_options *options, char *live, struct err *e)
{
	char next[PATH_MAX];
	char path[PATH_MAX];
	struct stat st;

	for (;;) {
		struct db_options o = *options;
		struct sqlite3 *db;
		bool ok;

		o.path = live;
		o.may_create = false;
		if (!db_open(&db, &o, e))
			return false;
		ok = read_series(db, "next", next, e);
		db_close(db);
		if (!ok || next[0] == '\0')
			return ok;
		if (!series_beside(configured, next, path) || stat(path, &st) != 0)
			return err_set(e, ERR_STORE,
				"'%s' goes on in '%s', which is not there; put that file back, or make "
				"'%s' a link to the last file of the series",
				live, next, configured);
		if (!series_link(configured, path, e))
			return false;
		(void)snprintf(live, PATH_MAX, "%s", path);
	}
}

/* A file after the live one that was made and never used. */
static bool remove_orphans(const char *configured, const char *live, struct err *e)
{
	char **paths;
	size_t count;

	if (!series_list(configured, &paths, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct sqlite3 *db = NULL;
		char previous[PATH_MAX] = "";
		int64_t events = 1;
		struct err ignored;

		if (strcmp(paths[i], live) <= 0)
			continue;
		if (db_open_reader(&db, paths[i], &ignored) &&
			read_series(db, "previous", previous, &ignored))
			(void)!db_number(db, "SELECT count(*) FROM (SELECT 1 FROM event LIMIT 1)",
				&events, &ignored);
		db_close(db);
		if (events == 0 && strcmp(previous, series_name(live)) == 0)
			remove_file(paths[i]);
	}
	series_list_free(paths, count);
	return true;
}

/* True if somebody has the file open, though he may read nothing just now: the last one to close it takes the WAL away. */
static bool has_readers(const char *path)
{
	char wal[PATH_MAX];
	struct stat st;

	return snprintf(wal, sizeof(wal), "%s-wal", path) >= (int)sizeof(wal) ||
		stat(wal, &st) == 0;
}

/* A plain file becomes the first of a series. Its WAL must be empty, and nobody may use it: files are renamed one by
 * one, and who has the old names would read on past the new WAL. */
static bool adopt(const char *configured, const struct db_options *options, char *live,
	int64_t now_us, bool *done, struct err *e)
{
	struct db_options o = *options;
	struct sqlite3 *db;
	char path[PATH_MAX];
	char sql[400];
	int64_t started = 0;
	int64_t busy = 1;
	struct stat st;
	int drop = 0;
	bool ok;

	*done = false;
	o.path = configured;
	o.may_create = false;
	if (!db_open(&db, &o, e))
		return false;
	(void)snprintf(sql, sizeof(sql),
		"INSERT INTO series (started, event_id, connection_id) SELECT coalesce("
		"(SELECT min(started) FROM run), %lld), 0, 0 WHERE NOT EXISTS "
		"(SELECT 1 FROM series)",
		(long long)now_us);
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &drop);
	ok = db_exec(db, sql, e) && db_number(db, "SELECT started FROM series", &started, e) &&
		db_number(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, e);
	db_close(db);
	if (!ok)
		return false;
	if (busy != 0 || has_readers(configured) || !series_path(configured, started, path) ||
		stat(path, &st) == 0) {
		log_line(LOG_WARN,
			"cannot make the recording the first file of a series while somebody has it open, "
			"or while there is a file of that name; it is not rotated until the next start",
			log_text("database", configured));
		return true;
	}
	if (rename(configured, path) != 0)
		return err_set(e, ERR_STORE, "cannot rename '%s': %s", configured, strerror(errno));
	if (!series_link(configured, path, e))
		return false;
	(void)snprintf(live, PATH_MAX, "%s", path);
	*done = true;
	return true;
}

/* The first file of a series that begins with it. */
static bool begin(const char *configured, const struct db_options *options, char *live,
	int64_t now_us, struct err *e)
{
	struct db_options o = *options;
	struct sqlite3 *db;
	char sql[160];
	bool ok;

	if (!series_path(configured, now_us, live))
		return err_set(e, ERR_STORE, "the name is too long");
	o.path = live;
	if (!db_open(&db, &o, e))
		return false;
	(void)snprintf(sql, sizeof(sql),
		"INSERT INTO series (started, event_id, connection_id) SELECT %lld, 0, 0 "
		"WHERE NOT EXISTS (SELECT 1 FROM series)",
		(long long)now_us);
	ok = db_exec(db, sql, e);
	db_close(db);
	return ok && series_link(configured, live, e);
}

bool rotate_settle(const char *configured, const struct db_options *options, bool rotates,
	int64_t now_us, char *live, struct err *e)
{
	enum series_kind kind;
	bool is_series;
	struct stat st;

	if (!series_live(configured, &kind, live, e))
		return false;
	is_series = kind == SERIES_LINK;
	if (kind == SERIES_NOTHING && rotates)
		return begin(configured, options, live, now_us, e);
	if (kind == SERIES_PLAIN && rotates && stat(configured, &st) == 0 && S_ISREG(st.st_mode)) {
		if (!adopt(configured, options, live, now_us, &is_series, e))
			return false;
	} else if (is_series && stat(live, &st) != 0) {
		return err_set(e, ERR_STORE,
			"'%s' leads to '%s', which is not there; put that file back, or remove the "
			"link to begin a new series",
			configured, live);
	}
	return !is_series ||
		(follow(configured, options, live, e) && remove_orphans(configured, live, e));
}
