#include "store/writer.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/earlier.h"
#include "store/intervals.h"
#include "store/lock.h"
#include "store/rotate.h"
#include "store/series.h"
#include "store/wal.h"

#include <errno.h>
#include <pthread.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Big groups pay for an index page that a stream dirties only once. */
#define BATCH_LARGE ((size_t)32 * 1024 * 1024)
#define BUSY_MS 1000
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 2000
#define REPEAT_LOG_US 60000000
#define WAL_LOOK_US 1000000
/* What can wait is done in slices when no batch waits, and at the least so often. */
#define CHORE_US 50000
#define CHORE_EVERY_US 1000000
#define CHORE_RETRY_US 60000000
#define CACHE_MAX ((size_t)16 * 1024 * 1024)

struct item {
	struct item *next;
	struct batch *batch;
	int64_t began_us; /* monotonic; its first record */
	int64_t watermark_us;
	bool rotates;          /* goes into the next file */
	int64_t connection_id; /* the last one given before */
};

/* A feed that has an id. */
struct named {
	struct named *next;
	int64_t feed_id;
	char name[];
};

/* What a reload can change. */
struct tuning {
	int64_t duplicate_window_us;
	bool sync_full;
	struct row_plan *rows; /* NULL, like the next: as before */
	struct retention *retention;
};

struct writer {
	struct db_options db;
	char *path;
	int lock_fd;
	int64_t run_id;
	int64_t floor_us;
	int64_t last_connection_id;
	int64_t last_feed_id;
	struct named *feeds;
	bool wants_rotation; /* the next batch goes into the next file */
	size_t limit;        /* bytes of all batches */
	size_t large;        /* bytes of a batch that need not wait */
	struct batch *open;  /* the loop thread's */
	int64_t open_us;     /* monotonic; since when it is open */

	pthread_t thread;
	bool is_started;
	void (*wake)(void *arg);
	void *wake_arg;

	/* The writer thread's alone once it runs. */
	struct applier *applier;
	char *live; /* the file that is written; of a series, or `path` itself */
	bool is_series;
	bool rotates;
	struct earlier *earlier; /* NULL: no series */
	struct applier *old;     /* an earlier file that is being completed */
	struct wal_watch wal;
	int64_t wal_looked_us;
	int64_t rotate_after_us;       /* monotonic; not before: the last try has failed */
	struct duplicates *duplicates; /* outlives appliers: connections do, too */
	int64_t batch_number;
	int64_t stored_until_us;  /* the watermark of the last batch */
	int64_t failing_since_us; /* 0: not failing */
	int64_t failing_logged_us;
	struct row_plan *rows; /* NULL: no row tables */
	struct retention *retention;
	bool is_planned; /* the applier has it */
	bool has_chores;
	int64_t chore_us;       /* monotonic; the end of the last one */
	int64_t chore_after_us; /* not before: the last one has failed */

	pthread_mutex_t lock; /* guards what follows */
	struct stat identity; /* of the file that is written */
	pthread_cond_t changed;
	struct item *head;
	struct item **tail;
	size_t queued_bytes; /* of the queue and the batch in work */
	size_t queued_events;
	int64_t oldest_us; /* monotonic; beginning of the batch in work, 0: none */
	struct tuning tuning;
	bool is_tuned; /* `tuning` is to be taken over */
	bool is_stopping;
	bool is_aborted; /* give up what is not stored */
	bool is_done;
	struct writer_stats stats;
};

/* Remembers the id of a feed: what is in memory counts, its row may not be stored yet. */
static bool keep_name(void *arg, const char *name, int64_t feed_id)
{
	struct writer *w = arg;
	size_t size = strlen(name) + 1;
	struct named *feed = malloc(sizeof(*feed) + size);

	if (feed == NULL)
		return false;
	memcpy(feed->name, name, size);
	feed->feed_id = feed_id;
	feed->next = w->feeds;
	w->feeds = feed;
	if (feed_id > w->last_feed_id)
		w->last_feed_id = feed_id;
	return true;
}

/* Takes a path for that of the file to write. */
static bool set_live(struct writer *w, const char *path, struct err *e)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	free(w->live);
	w->live = copy;
	w->db.path = copy;
	w->is_series = strcmp(copy, w->path) != 0;
	return true;
}

/* Which file is to be written; a rotation that was cut off is made up for. */
static bool settle_live(struct writer *w, struct err *e)
{
	char live[PATH_MAX];

	return rotate_settle(w->path, &w->db, w->rotates, clock_wall_us(), live, e) &&
		set_live(w, live, e);
}

static bool open_applier(struct writer *w, struct err *e)
{
	if (!applier_open(&w->applier, &w->db, w->duplicates, e))
		return false;
	w->is_planned = false;
	applier_look_back(w->applier, w->earlier);
	return true;
}

static bool read_series(struct writer *w, struct err *e)
{
	return applier_number(
		w->applier, "SELECT started FROM series", &w->stats.file_started_us, e);
}

static bool open_recording(struct writer *w, struct err *e)
{
	int64_t alive;

	if (!db_check_header(w->path, e) || !lock_take(w->path, w->db.mode, &w->lock_fd, e) ||
		!settle_live(w, e) ||
		(w->is_series && !earlier_open(&w->earlier, w->path, w->live, &w->db, e)) ||
		!open_applier(w, e))
		return false;
	if (stat(w->path, &w->identity) != 0)
		return err_set(
			e, ERR_STORE, "cannot find '%s' again: %s", w->path, strerror(errno));
	if (!applier_number(w->applier,
		    "SELECT max(connection_id) FROM (SELECT connection_id FROM connection "
		    "UNION ALL SELECT connection_id FROM series)",
		    &w->last_connection_id, e) ||
		!feeds_names(applier_db(w->applier), keep_name, w, e) ||
		!applier_number(w->applier,
			"SELECT received FROM event ORDER BY event_id DESC LIMIT 1", &w->floor_us,
			e) ||
		!applier_number(w->applier, "SELECT max(last_alive) FROM run", &alive, e))
		return err_prefix(e, "cannot read '%s'", w->path);
	if (alive > w->floor_us)
		w->floor_us = alive;
	if (w->is_series && !read_series(w, e))
		return err_prefix(e, "cannot read '%s'", w->path);
	earlier_look_since(w->earlier, w->floor_us - duplicates_window(w->duplicates));
	if (!applier_start_run(w->applier,
		    clock_wall_us() > w->floor_us ? clock_wall_us() : w->floor_us, &w->run_id, e))
		return err_prefix(e, "cannot write to '%s'", w->path);
	w->stats.streams = applier_streams(w->applier);
	/* A file that vanishes while we run is a fault, not a new recording. */
	w->db.may_create = false;
	return true;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void init_locks(struct writer *w)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)pthread_mutex_init(&w->lock, NULL);
}

static void destroy(struct writer *w)
{
	applier_close(w->applier);
	applier_close(w->old);
	earlier_free(w->earlier);
	free(w->live);
	duplicates_free(w->duplicates);
	row_plan_free(w->rows);
	row_plan_free(w->tuning.rows);
	retention_free(w->retention);
	retention_free(w->tuning.retention);
	while (w->feeds != NULL) {
		struct named *feed = w->feeds;

		w->feeds = feed->next;
		free(feed);
	}
	lock_release(w->lock_fd);
	batch_free(w->open);
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->lock);
	free(w->path);
	free(w);
}

bool writer_open(struct writer **out, const struct writer_options *o, struct err *e)
{
	struct writer *w;
	char path[PATH_MAX];
	size_t cache;

	if (!series_resolve(o->path, path, e))
		return false;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_set(e, ERR_NOMEM, "cannot open '%s': out of memory", o->path);
	w->path = strdup(path);
	init_locks(w);
	w->lock_fd = -1;
	w->tail = &w->head;
	w->rotates = o->rotates;
	cache = smaller(o->buffer_bytes / 4, CACHE_MAX);
	w->limit = o->buffer_bytes - cache;
	/* One batch fills while another is being stored. */
	w->large = smaller(w->limit / 2, BATCH_LARGE);
	w->db = (struct db_options){ .path = w->path,
		.may_create = true,
		.mode = o->mode,
		.sync_full = o->sync_full,
		.cache_kib = (int)(cache / 1024),
		.busy_ms = BUSY_MS };
	w->duplicates = duplicates_new(o->duplicate_window_us);
	if (w->path == NULL || w->duplicates == NULL) {
		(void)err_set(e, ERR_NOMEM, "cannot open '%s': out of memory", o->path);
	} else if (open_recording(w, e)) {
		*out = w;
		return true;
	}
	destroy(w);
	return false;
}

int64_t writer_floor_us(const struct writer *w)
{
	return w->floor_us;
}

int64_t writer_next_connection_id(struct writer *w)
{
	return ++w->last_connection_id;
}

bool writer_feed_id(const struct writer *w, const char *name, int64_t *feed_id)
{
	for (const struct named *feed = w->feeds; feed != NULL; feed = feed->next)
		if (strcmp(feed->name, name) == 0) {
			*feed_id = feed->feed_id;
			return true;
		}
	return false;
}

static bool name_feed(struct writer *w, const char *name, int64_t *feed_id)
{
	if (writer_feed_id(w, name, feed_id))
		return true;
	*feed_id = w->last_feed_id + 1;
	return keep_name(w, name, *feed_id);
}

bool writer_feed(struct writer *w, const struct store_feed *feed, int64_t *feed_id, struct err *e)
{
	struct batch *batch = writer_batch(w);

	if (!name_feed(w, feed->name, feed_id) || batch == NULL ||
		!batch_add_feed(batch, *feed_id, feed))
		return err_set(e, ERR_NOMEM, "cannot write to '%s': out of memory", w->path);
	return true;
}

bool writer_feed_known(struct writer *w, int64_t feed_id, struct store_known *out, struct err *e)
{
	return feeds_known(applier_db(w->applier), feed_id, out, e) ||
		err_prefix(e, "cannot read '%s'", w->path);
}

bool writer_covered_at(struct writer *w, int64_t feed_id, int64_t at_us, feeds_stream_fn *take,
	void *arg, struct err *e)
{
	return feeds_covered_at(applier_db(w->applier), feed_id, at_us, take, arg, e) ||
		err_prefix(e, "cannot read '%s'", w->path);
}

bool writer_wanted(
	struct writer *w, int64_t feed_id, feeds_stream_fn *take, void *arg, struct err *e)
{
	return feeds_wanted(applier_db(w->applier), feed_id, take, arg, e) ||
		err_prefix(e, "cannot read '%s'", w->path);
}

bool writer_retire_feeds(
	struct writer *w, const int64_t *ids, size_t count, int64_t at_us, struct err *e)
{
	return intervals_retire(applier_db(w->applier), ids, count, at_us, e) ||
		err_prefix(e, "cannot write to '%s'", w->path);
}

void writer_configure(struct writer *w, int64_t duplicate_window_us, bool sync_full)
{
	(void)pthread_mutex_lock(&w->lock);
	w->tuning.duplicate_window_us = duplicate_window_us;
	w->tuning.sync_full = sync_full;
	w->is_tuned = true;
	(void)pthread_mutex_unlock(&w->lock);
}

void writer_plan_rows(struct writer *w, struct row_plan *plan)
{
	(void)pthread_mutex_lock(&w->lock);
	row_plan_free(w->tuning.rows);
	w->tuning.rows = plan;
	(void)pthread_mutex_unlock(&w->lock);
}

void writer_plan_retention(struct writer *w, struct retention *retention)
{
	(void)pthread_mutex_lock(&w->lock);
	retention_free(w->tuning.retention);
	w->tuning.retention = retention;
	(void)pthread_mutex_unlock(&w->lock);
}

/* Waits on `changed` for at most `ms`; the caller holds the lock. */
static void wait_ms(struct writer *w, int64_t ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* Says loudly that nothing is being stored: at once, then once a minute. */
static void report_failure(struct writer *w, const struct err *e)
{
	int64_t now = clock_mono_us();
	struct wal_holder holder;

	if (w->failing_since_us == 0) {
		w->failing_since_us = now;
		w->failing_logged_us = 0;
		(void)pthread_mutex_lock(&w->lock);
		w->stats.is_failing = true;
		(void)pthread_mutex_unlock(&w->lock);
	}
	if (w->failing_logged_us != 0 && now - w->failing_logged_us < REPEAT_LOG_US)
		return;
	w->failing_logged_us = now;
	wal_find_holder(w->live, WAL_LOCK_WRITE, &holder);
	if (holder.pid != 0)
		log_line(LOG_ERROR, "cannot store, trying again", log_text("database", w->path),
			log_err(e), log_int("failing_s", (now - w->failing_since_us) / 1000000),
			log_int("pid", holder.pid), log_text("program", holder.program));
	else
		log_line(LOG_ERROR, "cannot store, trying again", log_text("database", w->path),
			log_err(e), log_int("failing_s", (now - w->failing_since_us) / 1000000));
}

static void report_success(struct writer *w)
{
	if (w->failing_since_us == 0)
		return;
	log_line(LOG_WARN, "storing again", log_text("database", w->path),
		log_int("failed_s", (clock_mono_us() - w->failing_since_us) / 1000000));
	w->failing_since_us = 0;
	(void)pthread_mutex_lock(&w->lock);
	w->stats.is_failing = false;
	(void)pthread_mutex_unlock(&w->lock);
}

/* Opens the recording again after a failure and settles whether the batch is in it. */
static bool reopen(struct writer *w, bool *is_stored, struct err *e)
{
	int64_t last;

	/* The batch number of another file would settle nothing. */
	if (!writer_is_in_place(w))
		return err_set(e, ERR_STORE,
			"'%s' is not the file any more that was opened; put that one back",
			w->path);
	if ((w->is_series && !settle_live(w, e)) || !open_applier(w, e))
		return false;
	if (!applier_last_batch(w->applier, w->run_id, &last, e)) {
		applier_close(w->applier);
		w->applier = NULL;
		return false;
	}
	*is_stored = last >= w->batch_number;
	if (*is_stored)
		duplicates_keep(w->duplicates);
	return true;
}

/* True if what the applier did is in the file; after a failure it cannot be used any more. */
static bool settle(struct writer *w, enum apply_result result)
{
	if (result == APPLY_FAILED) {
		applier_close(w->applier);
		w->applier = NULL;
	}
	return result == APPLY_STORED;
}

/* Each applier is told once what is wanted of it. */
static bool plan(struct writer *w, struct err *e)
{
	const struct apply_plan wanted = { w->rows, w->retention };

	if (w->is_planned)
		return true;
	w->is_planned = settle(w, applier_plan(w->applier, &wanted, e));
	w->has_chores = true;
	return w->is_planned;
}

static bool try_once(struct writer *w, const struct item *item, struct err *e)
{
	struct apply_mark mark = { w->run_id, w->batch_number, item->watermark_us };
	bool is_stored = false;

	if (w->applier == NULL && !reopen(w, &is_stored, e))
		return false;
	if (is_stored)
		return true;
	return plan(w, e) && settle(w, applier_apply(w->applier, item->batch, &mark, e));
}

static bool has_chores(const struct writer *w)
{
	return w->applier != NULL && w->is_planned &&
		(w->has_chores || applier_is_due(w->applier, w->stored_until_us) ||
			earlier_is_due(w->earlier, clock_mono_us())) &&
		clock_mono_us() >= w->chore_after_us;
}

/* Opens an earlier file to complete it. One that cannot be opened is left as it is. */
static void open_old(struct writer *w, const char *path)
{
	const struct apply_plan wanted = { .rows = w->rows };
	struct db_options o = w->db;
	struct err e;

	o.path = path;
	o.may_create = false;
	if (applier_open(&w->old, &o, w->duplicates, &e) &&
		applier_plan(w->old, &wanted, &e) == APPLY_STORED)
		return;
	log_line(LOG_WARN, "cannot complete an earlier file of the recording",
		log_text("file", path), log_err(&e));
	applier_close(w->old);
	w->old = NULL;
	earlier_complete(w->earlier, path);
}

/* Completes the earlier files, a slice at a time, seals them, and deletes those that are not to be kept. */
static void do_earlier(struct writer *w)
{
	const struct trim_clock clock = { .until_us = clock_mono_us() + CHORE_US };
	const char *behind = earlier_behind(w->earlier);
	bool more = false;
	struct err e;

	if (behind != NULL && w->old == NULL)
		open_old(w, behind);
	if (w->old != NULL) {
		if (applier_chore(w->old, &clock, &more, &e) != APPLY_STORED) {
			more = false;
			log_line(LOG_WARN, "cannot complete an earlier file of the recording",
				log_text("file", behind), log_err(&e));
		}
		if (more)
			return;
		applier_close(w->old);
		w->old = NULL;
		earlier_complete(w->earlier, behind);
	}
	earlier_seal(w->earlier);
}

static void expire_earlier(struct writer *w)
{
	uint64_t results;
	struct err e;

	if (w->earlier != NULL && retention_limits(w->retention) &&
		applier_result_bytes(w->applier, &results, &e))
		earlier_expire(w->earlier, w->retention, w->stored_until_us, results);
}

/* Does a slice of what can wait. What fails is tried again later; the batches tell of a failing disk. */
static void do_chore(struct writer *w)
{
	const struct trim_clock clock = { w->stored_until_us, duplicates_window(w->duplicates),
		clock_mono_us() + CHORE_US };
	enum apply_result result;
	struct err e;

	w->has_chores = false;
	result = applier_chore(w->applier, &clock, &w->has_chores, &e);
	w->chore_us = clock_mono_us();
	if (settle(w, result)) {
		if (!w->has_chores && earlier_is_due(w->earlier, w->chore_us))
			do_earlier(w);
		if (!w->has_chores)
			expire_earlier(w);
		return;
	}
	w->has_chores = true;
	w->chore_after_us = w->chore_us + CHORE_RETRY_US;
	log_line(LOG_WARN, "cannot put the recording in order, trying again",
		log_text("database", w->path), log_err(&e),
		log_int("retry_s", CHORE_RETRY_US / 1000000));
}

/* Takes over what a reload has changed. A failure shows with the commit that follows. */
static void tune(struct writer *w)
{
	struct tuning tuning;
	bool is_tuned;
	struct err e;

	(void)pthread_mutex_lock(&w->lock);
	tuning = w->tuning;
	is_tuned = w->is_tuned;
	w->is_tuned = false;
	w->tuning.rows = NULL;
	w->tuning.retention = NULL;
	(void)pthread_mutex_unlock(&w->lock);
	if (tuning.rows != NULL) {
		row_plan_free(w->rows);
		w->rows = tuning.rows;
		w->is_planned = false;
	}
	if (tuning.retention != NULL) {
		retention_free(w->retention); /* the applier forgets it with the next plan */
		w->retention = tuning.retention;
		w->is_planned = false;
	}
	if (!is_tuned)
		return;
	duplicates_set_window(w->duplicates, tuning.duplicate_window_us);
	w->db.sync_full = tuning.sync_full;
	if (w->applier != NULL && !db_set_sync(applier_db(w->applier), tuning.sync_full, &e))
		log_line(LOG_ERROR, "cannot change the durability", log_text("database", w->path),
			log_err(&e));
}

/* The configured path leads to the new file from now on. */
static void relink(struct writer *w)
{
	struct err e;

	(void)pthread_mutex_lock(&w->lock);
	if (!series_link(w->path, w->live, &e))
		log_line(LOG_ERROR, "the recording goes on in another file than its name leads to",
			log_text("file", w->live), log_err(&e));
	(void)stat(w->live, &w->identity);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Begins the next file with what comes after the last batch. False: the old one goes on. */
static bool rotate(struct writer *w, const struct item *item, struct err *e)
{
	int64_t at_us = w->stored_until_us;
	int64_t started_us = w->stats.file_started_us;
	struct db_options next = w->db;
	char path[PATH_MAX];
	struct stat st;

	/* Files are named by the second. */
	if (!series_path(w->path, at_us, path) || stat(path, &st) == 0)
		return true;
	next.path = path;
	if (!rotate_prepare(applier_db(w->applier), w->live, &next, at_us, item->connection_id, e))
		return false;
	if (!rotate_end(applier_db(w->applier), at_us, path, e) ||
		!earlier_add(w->earlier, w->live, started_us, at_us, e) || !set_live(w, path, e)) {
		/* Whether the old file has ended is told when it is opened again. */
		(void)settle(w, APPLY_FAILED);
		return false;
	}
	relink(w);
	log_line(LOG_INFO, "the recording goes on in a new file", log_text("file", w->live));
	applier_close(w->applier);
	w->applier = NULL;
	(void)pthread_mutex_lock(&w->lock);
	w->stats.file_started_us = at_us;
	(void)pthread_mutex_unlock(&w->lock);
	return true;
}

/* Rotates where that is wanted, and possible. */
static void try_rotate(struct writer *w, const struct item *item)
{
	struct err e;

	if (!item->rotates || w->applier == NULL || !w->is_series || w->stored_until_us == 0 ||
		w->old != NULL || clock_mono_us() < w->rotate_after_us)
		return;
	if (rotate(w, item, &e))
		return;
	w->rotate_after_us = clock_mono_us() + CHORE_RETRY_US;
	log_line(LOG_ERROR, "cannot begin the next file of the recording, trying again",
		log_text("database", w->path), log_err(&e),
		log_int("retry_s", CHORE_RETRY_US / 1000000));
}

/* Commits one batch, however long it takes; false if the writer was told to give up. */
static bool store(struct writer *w, const struct item *item)
{
	int64_t delay_ms = RETRY_MIN_MS;
	struct err e;

	tune(w);
	try_rotate(w, item);
	w->batch_number++;
	while (!try_once(w, item, &e)) {
		bool give_up;

		report_failure(w, &e);
		(void)pthread_mutex_lock(&w->lock);
		if (!w->is_aborted)
			wait_ms(w, delay_ms);
		give_up = w->is_aborted;
		(void)pthread_mutex_unlock(&w->lock);
		if (give_up)
			return false;
		delay_ms = delay_ms * 2 < RETRY_MAX_MS ? delay_ms * 2 : RETRY_MAX_MS;
	}
	report_success(w);
	w->stored_until_us = item->watermark_us;
	earlier_look_since(w->earlier, w->stored_until_us - duplicates_window(w->duplicates));
	return true;
}

static void free_item(struct item *item)
{
	batch_free(item->batch);
	free(item);
}

/* The next batch, or NULL when stopping and there is none; the caller holds the lock. */
static struct item *take(struct writer *w)
{
	struct item *item;

	while (w->head == NULL && !w->is_stopping) {
		if (!has_chores(w)) {
			(void)pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&w->lock);
		do_chore(w);
		(void)pthread_mutex_lock(&w->lock);
	}
	item = w->head;
	if (item == NULL)
		return NULL;
	w->head = item->next;
	if (w->head == NULL)
		w->tail = &w->head;
	w->oldest_us = item->began_us;
	return item;
}

static void account(struct writer *w, const struct item *item, int64_t commit_us)
{
	uint64_t duplicates = w->applier != NULL ? applier_duplicates(w->applier) : 0;
	uint64_t file;

	w->queued_bytes -= batch_bytes(item->batch);
	w->queued_events -= batch_events(item->batch);
	w->stats.stored_events += batch_events(item->batch) - duplicates;
	w->stats.duplicate_events += duplicates;
	w->stats.stored_until_us = item->watermark_us;
	w->oldest_us = 0;
	w->stats.commit_us = commit_us;
	if (w->is_series && w->applier != NULL && applier_file_bytes(w->applier, &file))
		w->stats.file_bytes = file;
	w->stats.streams = w->applier != NULL ? applier_streams(w->applier) : w->stats.streams;
}

static void end_run(struct writer *w)
{
	struct err e;

	if (w->applier != NULL &&
		!applier_end_run(w->applier, w->run_id, w->stats.stored_until_us, &e))
		log_line(LOG_ERROR, "cannot end the run", log_text("database", w->path),
			log_err(&e));
}

static void look_at_wal(struct writer *w)
{
	int64_t now = clock_mono_us();

	if (now - w->wal_looked_us < WAL_LOOK_US)
		return;
	w->wal_looked_us = now;
	wal_watch(&w->wal, w->live, now);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct item *item;
	bool is_stored = true;

	(void)pthread_mutex_lock(&w->lock);
	while ((item = take(w)) != NULL) {
		int64_t began = clock_mono_us();

		(void)pthread_mutex_unlock(&w->lock);
		is_stored = store(w, item);
		look_at_wal(w);
		if (has_chores(w) && clock_mono_us() - w->chore_us >= CHORE_EVERY_US)
			do_chore(w);
		(void)pthread_mutex_lock(&w->lock);
		if (!is_stored) {
			free_item(item);
			break;
		}
		account(w, item, clock_mono_us() - began);
		(void)pthread_mutex_unlock(&w->lock);
		free_item(item);
		w->wake(w->wake_arg);
		(void)pthread_mutex_lock(&w->lock);
	}
	(void)pthread_mutex_unlock(&w->lock);
	if (w->old == NULL && earlier_behind(w->earlier) == NULL)
		earlier_seal(w->earlier);
	if (is_stored) /* else the run did not end as it should, and must not look so */
		end_run(w);
	(void)pthread_mutex_lock(&w->lock);
	w->is_done = true;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

bool writer_start(struct writer *w, void (*wake)(void *arg), void *arg, struct err *e)
{
	int rc;

	w->wake = wake;
	w->wake_arg = arg;
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	if (rc != 0)
		return err_set(e, ERR_SYSTEM, "cannot start the writer thread: %s", strerror(rc));
	w->is_started = true;
	return true;
}

struct batch *writer_batch(struct writer *w)
{
	if (w->open == NULL) {
		w->open = batch_new();
		w->open_us = clock_mono_us();
	}
	return w->open;
}

static void submit(struct writer *w, int64_t watermark_us)
{
	struct item *item = malloc(sizeof(*item));

	/* Without memory for the envelope the batch stays open; the next call tries again. */
	if (item == NULL || writer_batch(w) == NULL) {
		free(item);
		return;
	}
	*item = (struct item){ .batch = w->open,
		.began_us = w->open_us,
		.watermark_us = watermark_us,
		.rotates = w->wants_rotation,
		.connection_id = w->last_connection_id };
	w->wants_rotation = false;
	w->open = NULL;
	(void)pthread_mutex_lock(&w->lock);
	*w->tail = item;
	w->tail = &item->next;
	w->queued_bytes += batch_bytes(item->batch);
	w->queued_events += batch_events(item->batch);
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

void writer_submit(struct writer *w, int64_t watermark_us)
{
	bool is_waiting;

	(void)pthread_mutex_lock(&w->lock);
	is_waiting = w->head != NULL;
	(void)pthread_mutex_unlock(&w->lock);
	if (!is_waiting || writer_wants_submit(w))
		submit(w, watermark_us);
}

void writer_rotate(struct writer *w, int64_t watermark_us)
{
	submit(w, watermark_us);
	w->wants_rotation = true;
}

bool writer_wants_submit(const struct writer *w)
{
	return w->open != NULL && batch_bytes(w->open) >= w->large;
}

bool writer_has_open(const struct writer *w)
{
	return w->open != NULL && !batch_is_empty(w->open);
}

static size_t bytes_held(struct writer *w)
{
	size_t bytes = w->open != NULL ? batch_bytes(w->open) : 0;

	(void)pthread_mutex_lock(&w->lock);
	bytes += w->queued_bytes;
	(void)pthread_mutex_unlock(&w->lock);
	return bytes;
}

bool writer_is_full(struct writer *w)
{
	return bytes_held(w) >= w->limit;
}

bool writer_has_room(struct writer *w)
{
	return bytes_held(w) <= w->limit / 2;
}

bool writer_is_in_place(struct writer *w)
{
	struct stat st;
	bool is_there;

	(void)pthread_mutex_lock(&w->lock);
	is_there = stat(w->path, &st) == 0 && st.st_dev == w->identity.st_dev &&
		st.st_ino == w->identity.st_ino;
	(void)pthread_mutex_unlock(&w->lock);
	return is_there;
}

void writer_get_stats(struct writer *w, struct writer_stats *out)
{
	int64_t oldest = 0;

	(void)pthread_mutex_lock(&w->lock);
	*out = w->stats;
	out->queued_bytes = w->queued_bytes + (w->open != NULL ? batch_bytes(w->open) : 0);
	if (w->oldest_us != 0)
		oldest = w->oldest_us;
	else if (w->head != NULL)
		oldest = w->head->began_us;
	else if (writer_has_open(w))
		oldest = w->open_us;
	out->lag_us = oldest != 0 ? clock_mono_us() - oldest : 0;
	(void)pthread_mutex_unlock(&w->lock);
}

/* Lets the thread finish, or gives up at the deadline. True if it has ended. */
static bool await_end(struct writer *w, int timeout_ms)
{
	int64_t deadline = clock_mono_us() + (int64_t)timeout_ms * 1000;
	bool is_done;

	(void)pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	(void)pthread_cond_broadcast(&w->changed);
	while (!w->is_done && clock_mono_us() < deadline)
		wait_ms(w, 50);
	w->is_aborted = true;
	(void)pthread_cond_broadcast(&w->changed);
	/* A thread between two tries ends at once; one in a system call may never. */
	for (int i = 0; i < 10 && !w->is_done; i++)
		wait_ms(w, 50);
	is_done = w->is_done;
	(void)pthread_mutex_unlock(&w->lock);
	return is_done;
}

bool writer_close(struct writer *w, int64_t watermark_us, int timeout_ms, uint64_t *lost)
{
	*lost = 0;
	if (!w->is_started) {
		w->stats.stored_until_us = watermark_us;
		end_run(w);
		destroy(w);
		return true;
	}
	submit(w, watermark_us);
	if (!await_end(w, timeout_ms)) {
		(void)pthread_mutex_lock(&w->lock);
		*lost = w->queued_events;
		(void)pthread_mutex_unlock(&w->lock);
		return false; /* the thread still uses `w` */
	}
	(void)pthread_join(w->thread, NULL);
	*lost = w->queued_events;
	while (w->head != NULL) {
		struct item *item = w->head;

		w->head = item->next;
		free_item(item);
	}
	destroy(w);
	return *lost == 0;
}
