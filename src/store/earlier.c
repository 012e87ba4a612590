#include "store/earlier.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/event_sql.h"
#include "store/rotate.h"
#include "store/series.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MAX 16 /* files that are held open to look at */
#define SEAL_EVERY_US 5000000
#define TOLD_US 60000000
#define WRITE_VERSION_AT 18 /* SQLite file format, section 1.3: 2 is WAL */

static const char *const query_sql[EARLIER_QUERIES] = {
	[EARLIER_EQUAL] = EVENT_SQL_EQUAL,
	[EARLIER_ATTACHMENTS] = EVENT_SQL_ATTACHMENTS,
	[EARLIER_NEWEST] = EVENT_SQL_NEWEST,
	[EARLIER_NEXT_SEQ] = EVENT_SQL_NEXT_SEQ,
};

struct file {
	char *path;
	int64_t started_us;
	int64_t ended_us;
	uint64_t bytes; /* of `results` */
	bool is_sealed;
	bool is_complete; /* only to be sealed */
	bool is_amended;  /* coverage was cut: it may come back */
	bool is_gone;     /* taken away, or not to be read */
	struct sqlite3 *db;
	struct sqlite3_stmt *query[EARLIER_QUERIES];
	struct sqlite3 *amending; /* in a transaction */
};

struct earlier {
	struct db_options options;
	struct file *files; /* the oldest first */
	size_t count;
	int64_t look_since_us;
	int64_t seal_us; /* monotonic; not before */
	int64_t told_us;
};

static void close_queries(struct file *f)
{
	db_finalize_all(f->query, EARLIER_QUERIES);
	memset(f->query, 0, sizeof(f->query));
	db_close(f->db);
	f->db = NULL;
}

void earlier_free(struct earlier *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < x->count; i++) {
		close_queries(&x->files[i]);
		db_close(x->files[i].amending);
		free(x->files[i].path);
	}
	free(x->files);
	free(x);
}

/* A file of a series that is not in use any more has no WAL. */
static bool has_wal(const char *path)
{
	unsigned char version = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	(void)!pread(fd, &version, 1, WRITE_VERSION_AT);
	(void)close(fd);
	return version == 2;
}

static bool read_file(struct file *f, struct err *e)
{
	struct sqlite3 *db = NULL;
	int64_t bytes = 0;
	bool ok = db_open_reader(&db, f->path, e) &&
		db_number(db, "SELECT started FROM series", &f->started_us, e) &&
		db_number(db, "SELECT sum(bytes) FROM stream", &bytes, e);

	db_close(db);
	f->bytes = (uint64_t)bytes;
	return ok;
}

static struct file *add_file(struct earlier *x, const char *path)
{
	struct file *grown = realloc(x->files, (x->count + 1) * sizeof(*grown));

	if (grown == NULL)
		return NULL;
	x->files = grown;
	grown[x->count] = (struct file){ .path = strdup(path), .is_sealed = !has_wal(path) };
	return grown[x->count].path != NULL ? &grown[x->count++] : NULL;
}

/* Ends what a crash has left open in a file after which there is another. */
static bool end_file(struct earlier *x, struct file *f, const char *next, struct err *e)
{
	struct db_options o = x->options;
	struct sqlite3 *db;
	bool ok;

	o.path = f->path;
	o.may_create = false;
	if (!db_open(&db, &o, e))
		return false;
	ok = rotate_end(db, f->ended_us, next, e);
	db_close(db);
	return ok;
}

/* Brings a file up to date that an earlier version of this program has written. One that was sealed is sealed again. */
static bool update_file(struct earlier *x, struct file *f, struct err *e)
{
	struct db_options o = x->options;
	struct sqlite3 *db;
	bool is_older;

	if (!db_is_older(f->path, &is_older, e))
		return false;
	if (!is_older)
		return true;
	o.path = f->path;
	o.may_create = false;
	if (f->is_sealed)
		(void)chmod(f->path, o.mode);
	if (!db_open(&db, &o, e)) {
		if (f->is_sealed)
			(void)chmod(f->path, 0444);
		return false;
	}
	db_close(db);
	f->is_complete = f->is_sealed;
	f->is_sealed = false;
	return true;
}

static bool find_files(struct earlier *x, const char *configured, const char *live, struct err *e)
{
	struct file last = { .path = strdup(live) };
	char **paths;
	size_t count;
	bool ok = last.path != NULL || err_set(e, ERR_NOMEM, "out of memory");

	ok = ok && series_list(configured, &paths, &count, e);
	if (!ok) {
		free(last.path);
		return false;
	}
	for (size_t i = 0; ok && i < count && strcmp(paths[i], live) < 0; i++)
		if (add_file(x, paths[i]) == NULL)
			ok = err_set(e, ERR_NOMEM, "out of memory");
	series_list_free(paths, count);
	ok = ok && (x->count == 0 || read_file(&last, e));
	for (size_t i = x->count; ok && i-- > 0;) {
		struct file *f = &x->files[i];
		const struct file *next = i + 1 < x->count ? &x->files[i + 1] : &last;
		struct err why;

		f->ended_us = next->started_us;
		f->is_gone = !update_file(x, f, &why) || !read_file(f, &why);
		/* Where it begins, the one before it ends. */
		if (f->is_gone)
			f->started_us = series_started(f->path);
		f->is_amended = true;
		if (f->is_gone)
			log_line(LOG_WARN, "cannot read an earlier file of the recording",
				log_err(&why));
		else if (!f->is_sealed && !f->is_complete)
			ok = end_file(x, f, next->path, e);
	}
	free(last.path);
	return ok;
}

bool earlier_open(struct earlier **out, const char *configured, const char *live,
	const struct db_options *options, struct err *e)
{
	struct earlier *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	x->options = *options;
	if (!find_files(x, configured, live, e)) {
		earlier_free(x);
		return false;
	}
	*out = x;
	return true;
}

bool earlier_add(
	struct earlier *x, const char *path, int64_t started_us, int64_t ended_us, struct err *e)
{
	struct file *f = add_file(x, path);
	struct err ignored;

	if (f == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	(void)!read_file(f, &ignored);
	f->started_us = started_us;
	f->ended_us = ended_us;
	x->seal_us = 0;
	return true;
}

/* ---- looking back ---- */

void earlier_look_since(struct earlier *x, int64_t since_us)
{
	size_t looked_at;

	if (x == NULL)
		return;
	x->look_since_us = since_us;
	looked_at = earlier_count(x);
	for (size_t i = 0; i + looked_at < x->count; i++)
		close_queries(&x->files[i]);
}

size_t earlier_count(const struct earlier *x)
{
	size_t count = 0;

	while (x != NULL && count < x->count && count < LOOK_MAX &&
		x->files[x->count - 1 - count].ended_us > x->look_since_us)
		count++;
	return count;
}

struct sqlite3_stmt *earlier_query(struct earlier *x, size_t i, enum earlier_query query)
{
	struct file *f = &x->files[x->count - 1 - i];
	struct err e;

	if (f->is_gone)
		return NULL;
	if (f->db == NULL &&
		(!db_open_reader(&f->db, f->path, &e) ||
			!db_prepare_all(f->db, f->query, query_sql, EARLIER_QUERIES, &e))) {
		log_line(LOG_WARN,
			"cannot look for events in an earlier file: what two connections delivered "
			"around the rotation may be stored twice",
			log_text("file", f->path), log_err(&e));
		close_queries(f);
		f->is_gone = true;
		return NULL;
	}
	return f->query[query];
}

/* ---- what is learned late ---- */

/* The connection to amend a file with; NULL, without an error, if the file is gone. */
static struct sqlite3 *amend(struct earlier *x, struct file *f)
{
	struct db_options o = x->options;
	struct err e;

	if (f->amending != NULL || f->is_gone)
		return f->amending;
	o.path = f->path;
	o.may_create = false;
	if (f->is_sealed)
		(void)chmod(f->path, o.mode);
	if (db_open_as_it_is(&f->amending, &o, &e) && db_exec(f->amending, "BEGIN IMMEDIATE", &e))
		return f->amending;
	log_line(LOG_WARN,
		"cannot write into an earlier file what was learned about its last moments",
		log_text("file", f->path), log_err(&e));
	db_close(f->amending);
	f->amending = NULL;
	f->is_gone = true;
	return NULL;
}

static bool run(struct sqlite3 *db, const char *sql, const int64_t *numbers, int count,
	const struct earlier_outage *o, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool ok = db_prepare(db, &st, sql, e);

	for (int i = 0; ok && i < count; i++)
		(void)sqlite3_bind_int64(st, i + 1, numbers[i]);
	if (ok && o != NULL) {
		db_bind_text(st, count + 1, o->cause);
		db_bind_text(st, count + 2, o->detail);
	}
	ok = ok && db_step(st, e);
	(void)sqlite3_finalize(st);
	return ok;
}

static bool cover(struct earlier *x, struct file *f, int64_t stream_id, int64_t started_us,
	int64_t ended_us, struct err *e)
{
	int64_t from = started_us > f->started_us ? started_us : f->started_us;
	int64_t to = ended_us != 0 && ended_us < f->ended_us ? ended_us : f->ended_us;
	const int64_t numbers[] = { stream_id, from, to };
	struct sqlite3 *db = amend(x, f);

	if (db == NULL)
		return true;
	f->is_amended = true;
	return to > from
		? run(db,
			  "INSERT INTO coverage (stream_id, started, ended) VALUES (?1, ?2, ?3) "
			  "ON CONFLICT (stream_id, started) DO UPDATE SET ended = ?3",
			  numbers, 3, NULL, e)
		: run(db, "DELETE FROM coverage WHERE stream_id = ?1 AND started = ?2", numbers, 2,
			  NULL, e);
}

bool earlier_cover(
	struct earlier *x, int64_t stream_id, int64_t started_us, int64_t ended_us, struct err *e)
{
	for (size_t i = x != NULL ? x->count : 0; i-- > 0;) {
		struct file *f = &x->files[i];

		if (started_us >= f->ended_us)
			break;
		/* It reaches to the file's end, as it did already. */
		if ((ended_us == 0 || ended_us >= f->ended_us) && !f->is_amended)
			break;
		if (!cover(x, f, stream_id, started_us, ended_us, e))
			return false;
	}
	return true;
}

bool earlier_outage(struct earlier *x, const struct earlier_outage *o, struct err *e)
{
	for (size_t i = x != NULL ? x->count : 0; i-- > 0;) {
		struct file *f = &x->files[i];
		int64_t from = o->started_us > f->started_us ? o->started_us : f->started_us;
		const int64_t numbers[] = { o->feed_id, o->stream_id, from, f->ended_us };
		struct sqlite3 *db;

		if (o->started_us >= f->ended_us)
			break;
		db = amend(x, f);
		if (db != NULL &&
			!run(db,
				"INSERT INTO outage (feed_id, stream_id, started, ended, cause, detail) "
				"SELECT ?1, nullif(?2, 0), ?3, ?4, ?5, ?6 WHERE NOT EXISTS "
				"(SELECT 1 FROM outage WHERE feed_id = ?1 AND stream_id IS "
				"nullif(?2, 0) AND ended >= ?4)",
				numbers, 4, o, e))
			return false;
	}
	return true;
}

bool earlier_crashed(struct earlier *x, int64_t feed_id, int64_t at_us, struct err *e)
{
	const struct earlier_outage crash = {
		.feed_id = feed_id, .started_us = at_us, .cause = slice_of("crash")
	};

	for (size_t i = x != NULL ? x->count : 0; i-- > 0;) {
		struct file *f = &x->files[i];
		struct sqlite3 *db;

		if (at_us >= f->ended_us)
			break;
		db = amend(x, f);
		if (db != NULL &&
			(!run(db,
				 "DELETE FROM coverage WHERE started >= ?2 AND stream_id IN "
				 "(SELECT stream_id FROM stream WHERE feed_id = ?1)",
				 (int64_t[]){ feed_id, at_us }, 2, NULL, e) ||
				!run(db,
					"UPDATE coverage SET ended = ?2 WHERE ended > ?2 AND "
					"stream_id IN (SELECT stream_id FROM stream WHERE feed_id = ?1)",
					(int64_t[]){ feed_id, at_us }, 2, NULL, e)))
			return false;
	}
	return earlier_outage(x, &crash, e);
}

bool earlier_flush(struct earlier *x, struct err *e)
{
	bool ok = true;

	for (size_t i = x != NULL ? x->count : 0; i-- > 0;) {
		struct file *f = &x->files[i];

		if (f->amending == NULL)
			continue;
		ok = ok && db_exec(f->amending, "COMMIT", e);
		db_close(f->amending);
		f->amending = NULL;
		if (f->is_sealed)
			(void)chmod(f->path, 0444);
	}
	return ok;
}

/* ---- chores ---- */

const char *earlier_behind(const struct earlier *x)
{
	for (size_t i = 0; x != NULL && i < x->count; i++)
		if (!x->files[i].is_sealed && !x->files[i].is_complete && !x->files[i].is_gone)
			return x->files[i].path;
	return NULL;
}

void earlier_complete(struct earlier *x, const char *path)
{
	for (size_t i = 0; i < x->count; i++)
		if (strcmp(x->files[i].path, path) == 0)
			x->files[i].is_complete = true;
}

/* Without a WAL, and without those who could write. False while somebody has it open. */
static bool seal(struct earlier *x, struct file *f, struct err *e)
{
	struct db_options o = x->options;
	struct sqlite3 *db = NULL;
	struct sqlite3_stmt *st = NULL;
	bool found;
	bool ok;
	int drop = 0;

	o.path = f->path;
	o.may_create = false;
	o.busy_ms = 0;
	close_queries(f);
	ok = db_open_as_it_is(&db, &o, e);
	if (ok)
		(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &drop);
	ok = ok && db_prepare(db, &st, "PRAGMA journal_mode = DELETE", e) &&
		db_first(st, &found, e) && found;
	if (ok && !slice_is(db_column(st, 0), "delete"))
		ok = err_set(e, ERR_STORE, "it is being read");
	(void)sqlite3_finalize(st);
	db_close(db);
	return ok &&
		(chmod(f->path, 0444) == 0 ||
			err_set(e, ERR_STORE, "cannot make it read-only: %s", strerror(errno)));
}

void earlier_seal(struct earlier *x)
{
	int64_t now = clock_mono_us();
	struct err e;

	for (size_t i = 0; x != NULL && i < x->count; i++) {
		struct file *f = &x->files[i];

		if (f->is_sealed || !f->is_complete || f->is_gone)
			continue;
		if (seal(x, f, &e)) {
			f->is_sealed = true;
			log_line(LOG_INFO, "a file of the recording is complete",
				log_text("file", f->path));
		} else if (x->told_us == 0 || now - x->told_us >= TOLD_US) {
			x->told_us = now;
			log_line(LOG_INFO,
				"a file of the recording is not sealed yet, trying again",
				log_text("file", f->path), log_err(&e));
		}
	}
	if (x != NULL)
		x->seal_us = now + SEAL_EVERY_US;
}

bool earlier_is_due(const struct earlier *x, int64_t mono_us)
{
	bool is_open = false;

	for (size_t i = 0; x != NULL && i < x->count; i++)
		is_open = is_open || (!x->files[i].is_sealed && !x->files[i].is_gone);
	return is_open && (earlier_behind(x) != NULL || mono_us >= x->seal_us);
}

static void delete_file(struct earlier *x, size_t i)
{
	struct file *f = &x->files[i];

	close_queries(f);
	if (unlink(f->path) == 0)
		log_line(LOG_INFO, "a file that is not to be kept any more was deleted",
			log_text("file", f->path), log_int("bytes", (int64_t)f->bytes));
	free(f->path);
	memmove(f, f + 1, (--x->count - i) * sizeof(*f));
}

void earlier_expire(
	struct earlier *x, const struct retention *retention, int64_t now_us, uint64_t live_bytes)
{
	int64_t longest_us = retention != NULL ? retention_longest(retention) : 0;
	uint64_t limit = retention != NULL ? retention->parts[RETENTION_ALL].bytes : 0;
	uint64_t sum = live_bytes;

	for (size_t i = 0; x != NULL && i < x->count; i++)
		sum += x->files[i].bytes;
	for (size_t i = 0; x != NULL && i < x->count;) {
		const struct file *f = &x->files[i];

		if (!(longest_us != 0 && f->ended_us < now_us - longest_us) &&
			!(limit != 0 && sum > limit))
			break;
		/* What cannot be read is left to its owner, and keeps no other file. */
		if (f->is_gone) {
			i++;
			continue;
		}
		if (!f->is_sealed || f->amending != NULL)
			break;
		sum -= f->bytes;
		delete_file(x, i);
	}
}
