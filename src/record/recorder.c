#include "record/recorder.h"

#include "base/clock.h"
#include "base/log.h"
#include "record/retained.h"
#include "record/rows.h"
#include "record/supervisor.h"
#include "record/support.h"
#include "store/writer.h"

#include <stdlib.h>

#define SECOND_US 1000000
/* SIGTERM to exit takes 5 s at the most: so much for the feeds, the rest for the disk. */
#define STOP_FEEDS_US 3500000
#define STOP_ALL_US 4300000
#define PAUSE_TOLD_US 60000000
#define MISPLACED_TOLD_US 60000000

struct recorder {
	struct loop *loop;
	struct config *config; /* shared */
	struct transfers *transfers;
	struct writer *writer;
	struct clock clock;
	struct bell *bell;
	struct timer *commit;
	struct timer *second;
	struct timer *progress;
	struct timer *rotate; /* at the end of a period */
	struct timer *give_up;
	struct supervisor *feeds;
	int64_t submitted_us;
	int64_t stop_us; /* monotonic; when stopping began */
	enum pause_reason pause;
	bool is_pause_told; /* this pause is one of many */
	int64_t pause_told_us;
	int64_t misplaced_told_us;
	uint64_t shown_events; /* at the last progress line */
	int64_t shown_us;
};

/* Runs on the writer thread. */
static void stored(void *arg)
{
	bell_ring(arg);
}

static void submit(struct recorder *r)
{
	supervisor_note_alive(r->feeds);
	r->submitted_us = clock_mono_us();
	writer_submit(r->writer, clock_now(&r->clock));
}

/* Why the writer has no room. */
static enum pause_reason reason_now(struct recorder *r)
{
	struct writer_stats stats;

	writer_get_stats(r->writer, &stats);
	return stats.is_failing ? PAUSE_DISK : PAUSE_OVERLOAD;
}

/* At the disk's limit pauses come several times a second; one a minute, and its end, is news enough. */
static void tell_pause(struct recorder *r)
{
	int64_t now = clock_mono_us();
	struct log_field buffer = log_int("buffer_bytes", (int64_t)r->config->buffer_bytes);

	if (r->pause == PAUSE_NONE) {
		log_line(r->is_pause_told ? LOG_DEBUG : LOG_INFO, "reading goes on", buffer);
		return;
	}
	r->is_pause_told = r->pause_told_us != 0 && now - r->pause_told_us < PAUSE_TOLD_US;
	if (!r->is_pause_told)
		r->pause_told_us = now;
	log_line(r->is_pause_told ? LOG_DEBUG : LOG_WARN,
		r->pause == PAUSE_DISK
			? "nothing can be stored and the buffer is full: reading stops until it can"
			: "the disk is slower than the feeds: reading stops until it has caught up",
		buffer);
}

static void pause_all(struct recorder *r, enum pause_reason reason)
{
	bool begins = r->pause == PAUSE_NONE;

	if (r->pause == reason)
		return;
	r->pause = reason;
	if (begins || reason == PAUSE_NONE)
		tell_pause(r);
	supervisor_pause(r->feeds, reason);
	if (begins)
		submit(r);
}

static void submit_now(void *arg)
{
	submit(arg);
}

static void writer_full(void *arg)
{
	struct recorder *r = arg;

	if (r->pause == PAUSE_NONE)
		pause_all(r, reason_now(r));
}

/* The writer has stored something. */
static void bell_heard(void *arg)
{
	struct recorder *r = arg;

	if (r->pause != PAUSE_NONE && writer_has_room(r->writer))
		pause_all(r, PAUSE_NONE);
}

static void commit_due(void *arg)
{
	struct recorder *r = arg;

	timer_start(r->commit, r->config->commit_interval_us);
	/* What looked slow at first may turn out to fail. */
	if (r->pause == PAUSE_OVERLOAD && reason_now(r) == PAUSE_DISK)
		pause_all(r, PAUSE_DISK);
	/* When idle once a second will do for a sign of life. */
	if (writer_has_open(r->writer) || clock_mono_us() - r->submitted_us >= SECOND_US)
		submit(r);
}

/* Says loudly, and again every minute, that the recording was taken away. */
static void check_in_place(struct recorder *r)
{
	int64_t now = clock_mono_us();

	if (writer_is_in_place(r->writer) ||
		(r->misplaced_told_us != 0 && now - r->misplaced_told_us < MISPLACED_TOLD_US))
		return;
	r->misplaced_told_us = now;
	log_line(LOG_ERROR,
		"the recording was removed or renamed while it is being written; put it back, or "
		"restart tapedeckd to begin a new one",
		log_text("database", r->config->database));
}

static bool is_over(const struct recorder *r, const struct writer_stats *stats, int64_t now_us)
{
	const struct config *c = r->config;

	if (c->rotate == CONFIG_ROTATE_SIZE)
		return stats->file_bytes >= c->rotate_bytes;
	return now_us / c->rotate_us > stats->file_started_us / c->rotate_us;
}

/* Not while two connections deliver the same; nor while nothing is stored. */
static void rotate_if_over(struct recorder *r)
{
	int64_t now_us = clock_now(&r->clock);
	struct writer_stats stats;

	writer_get_stats(r->writer, &stats);
	if (r->config->rotate == CONFIG_ROTATE_NONE || stats.file_started_us == 0 ||
		r->stop_us != 0 || stats.is_failing || r->pause != PAUSE_NONE ||
		supervisor_is_handing_over(r->feeds) || !is_over(r, &stats, now_us))
		return;
	supervisor_note_alive(r->feeds);
	r->submitted_us = clock_mono_us();
	writer_rotate(r->writer, now_us);
}

static void rotate_due(void *arg)
{
	rotate_if_over(arg);
}

/* Looks whether the file is to be changed; to the moment where that is a matter of time. */
static void check_rotation(struct recorder *r)
{
	int64_t period_us = r->config->rotate_us;
	int64_t left_us;

	rotate_if_over(r);
	if (r->config->rotate != CONFIG_ROTATE_TIME)
		return;
	left_us = period_us - clock_now(&r->clock) % period_us;
	if (left_us < SECOND_US + SECOND_US / 10)
		timer_start(r->rotate, left_us + 1000);
}

static void second_due(void *arg)
{
	struct recorder *r = arg;
	struct batch *batch;
	int64_t by;

	timer_start(r->second, SECOND_US);
	check_in_place(r);
	check_rotation(r);
	if (!clock_check(&r->clock, &by))
		return;
	log_line(LOG_WARN, "the system's clock has jumped", log_real("by_s", (double)by / 1e6));
	batch = writer_batch(r->writer);
	if (batch == NULL || !batch_add_clock_step(batch, clock_now(&r->clock), by))
		log_line(LOG_ERROR, "out of memory: a jump of the clock is not recorded",
			log_int("by_us", by));
}

static void progress_due(void *arg)
{
	struct recorder *r = arg;
	struct supervisor_stats f;
	struct writer_stats w;
	int64_t now = clock_mono_us();

	timer_start(r->progress, r->config->progress_us);
	supervisor_get_stats(r->feeds, &f);
	writer_get_stats(r->writer, &w);
	log_progress("progress", log_int("events", (int64_t)f.events),
		log_real("events_per_s",
			(double)(f.events - r->shown_events) * 1e6 /
				(double)(now - r->shown_us + 1)),
		log_int("streams", w.streams), log_int("bytes", (int64_t)f.bytes),
		log_int("rejected", (int64_t)f.rejected),
		log_int("feeds_live", (int64_t)f.feeds_live),
		log_int("stored", (int64_t)w.stored_events),
		log_int("duplicates", (int64_t)w.duplicate_events),
		log_int("lag_ms", w.lag_us / 1000));
	r->shown_events = f.events;
	r->shown_us = now;
}

static void all_stopped(void *arg)
{
	struct recorder *r = arg;

	loop_stop(r->loop);
}

void recorder_stop(struct recorder *r)
{
	if (r->stop_us != 0)
		return;
	log_line(LOG_INFO, "stopping", log_int("feeds", (int64_t)r->config->n_feeds));
	r->stop_us = clock_mono_us();
	timer_start(r->give_up, STOP_FEEDS_US);
	supervisor_stop(r->feeds);
}

/* ---- another configuration ---- */

static void tell_restart(const char *key)
{
	log_line(LOG_WARN, "a changed key needs a restart to take effect", log_text("key", key));
}

void recorder_reload(struct recorder *r, struct config *config)
{
	struct err e;

	if (r->stop_us != 0)
		return;
	config_restart_keys(r->config, config, tell_restart);
	support_warn(config);
	if (!supervisor_reload(r->feeds, config, &e) || !rows_configure(r->writer, config, &e) ||
		!retained_configure(r->writer, config, &e)) {
		log_line(LOG_ERROR, "the configuration was not taken over", log_err(&e));
		return;
	}
	writer_configure(r->writer, config->duplicate_window_us,
		config->durability == CONFIG_DURABILITY_FULL);
	config_free(r->config);
	r->config = config_share(config);
	log_line(LOG_INFO, "the configuration was read again",
		log_int("feeds", (int64_t)config->n_feeds));
}

void recorder_handover(struct recorder *r)
{
	if (r->stop_us == 0)
		supervisor_handover(r->feeds);
}

/* ---- life ---- */

static bool prepare(struct recorder *r, struct err *e)
{
	struct writer_options options = { .path = r->config->database,
		.mode = r->config->file_mode,
		.sync_full = r->config->durability == CONFIG_DURABILITY_FULL,
		.buffer_bytes = (size_t)r->config->buffer_bytes,
		.duplicate_window_us = r->config->duplicate_window_us,
		.rotates = r->config->rotate != CONFIG_ROTATE_NONE };
	struct session_context context = { .loop = r->loop,
		.clock = &r->clock,
		.full = writer_full,
		.full_arg = r,
		.submit = submit_now,
		.submit_arg = r };

	if (!writer_open(&r->writer, &options, e))
		return false;
	clock_start(&r->clock, writer_floor_us(r->writer));
	r->transfers = transfers_new(r->loop);
	context.transfers = r->transfers;
	context.writer = r->writer;
	r->feeds = supervisor_new(&context, all_stopped, r);
	r->bell = bell_new(r->loop, bell_heard, r);
	r->commit = timer_new(r->loop, commit_due, r);
	r->second = timer_new(r->loop, second_due, r);
	r->progress = timer_new(r->loop, progress_due, r);
	r->rotate = timer_new(r->loop, rotate_due, r);
	r->give_up = timer_new(r->loop, all_stopped, r);
	if (r->feeds == NULL || r->transfers == NULL || r->bell == NULL || r->commit == NULL ||
		r->second == NULL || r->progress == NULL || r->rotate == NULL || r->give_up == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return supervisor_prepare(r->feeds, r->config, e) &&
		rows_configure(r->writer, r->config, e) &&
		retained_configure(r->writer, r->config, e);
}

bool recorder_new(struct recorder **out, struct loop *l, struct config *config, struct err *e)
{
	struct recorder *r;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->loop = l;
	r->config = config_share(config);
	if (!prepare(r, e)) {
		(void)!recorder_close(r);
		return false;
	}
	*out = r;
	return true;
}

bool recorder_start(struct recorder *r, struct err *e)
{
	support_warn(r->config);
	if (!writer_start(r->writer, stored, r->bell, e))
		return false;
	r->shown_us = clock_mono_us();
	timer_start(r->commit, r->config->commit_interval_us);
	timer_start(r->second, SECOND_US);
	timer_start(r->progress, r->config->progress_us);
	supervisor_start(r->feeds);
	return true;
}

static bool close_writer(struct recorder *r)
{
	int64_t left = STOP_ALL_US - (r->stop_us != 0 ? clock_mono_us() - r->stop_us : 0);
	uint64_t lost = 0;

	if (r->writer == NULL ||
		writer_close(r->writer, clock_now(&r->clock), (int)(left / 1000), &lost))
		return true;
	log_line(LOG_ERROR, "received events could not be stored and are lost",
		log_int("events", (int64_t)lost), log_text("database", r->config->database));
	return false;
}

bool recorder_close(struct recorder *r)
{
	bool is_stored;

	supervisor_free(r->feeds);
	transfers_free(r->transfers);
	timer_free(r->commit);
	timer_free(r->second);
	timer_free(r->progress);
	timer_free(r->rotate);
	timer_free(r->give_up);
	is_stored = close_writer(r);
	/* The bell stays while a thread may still ring it. */
	if (is_stored)
		bell_free(r->bell);
	config_free(r->config);
	free(r);
	return is_stored;
}
