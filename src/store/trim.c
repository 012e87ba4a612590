#include "store/trim.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/db.h"
#include "store/trim_rows.h"

#include <sqlite3.h>
#include <stdlib.h>

#define CHUNK 128
#define VACUUM_PAGES "16"
/* Parts of the recording in which nothing was deleted are cut, and deletions are told, so often. */
#define SWEEP_US ((int64_t)3600 * 1000000)
/* A round that takes long to begin, because there are many streams, is begun less often. */
#define ROUND_SHARE 20

enum {
	SUMS,
	NAMES,
	FIRST_ID,
	LAST_ID,
	RECEIVED,
	SCAN,
	DELETE_EVENT,
	DELETE_ATTACHMENTS,
	DELETE_REJECTED,
	FREE_PAGES,
	PAGES,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[SUMS] = "SELECT stream_id, feed_id, path, params, bytes, retained_from FROM stream "
		 "ORDER BY stream_id",
	[NAMES] = "SELECT feed_id, path, params FROM stream WHERE stream_id = ?1",
	[FIRST_ID] = "SELECT min(event_id) FROM event",
	[LAST_ID] = "SELECT max(event_id) FROM event",
	[RECEIVED] = "SELECT event_id, received FROM event WHERE event_id >= ?1 "
		     "ORDER BY event_id LIMIT 1",
	[SCAN] = "SELECT event_id, stream_id, received FROM event "
		 "WHERE event_id > ?1 AND event_id <= ?2 ORDER BY event_id LIMIT ?3",
	[DELETE_EVENT] = "DELETE FROM event WHERE event_id = ?1 "
			 "RETURNING length(CAST(results AS BLOB))",
	[DELETE_ATTACHMENTS] = "DELETE FROM attachment WHERE event_id = ?1",
	[DELETE_REJECTED] = "DELETE FROM rejected WHERE rejected_id IN "
			    "(SELECT r.rejected_id FROM rejected r JOIN connection c "
			    "USING (connection_id) WHERE r.received < ?1 "
			    "AND (?2 = 0 OR c.feed_id = ?2) ORDER BY r.rejected_id LIMIT 500)",
	[FREE_PAGES] = "PRAGMA freelist_count",
	[PAGES] = "PRAGMA page_count",
};

/* A stream in this round. */
struct member {
	int64_t stream_id;
	int64_t age_us; /* the least of its parts'; 0: none */
	size_t part[RETENTION_LEVELS];
	int64_t retained_us;
	int64_t events; /* deleted in this slice */
	int64_t bytes;
	bool is_cut; /* something of it was deleted in this round */
};

/* A limit: an age, of the streams for which it is the least; or the bytes of a part. */
struct rule {
	int64_t age_us;
	size_t part;
	int64_t cursor;     /* the event up to which it has been carried out */
	int64_t to;         /* the event up to which it may be, in this round */
	int64_t reached_us; /* what its streams received before is gone */
	int64_t swept_us;   /* time stamp; 0: never */
};

struct scanned {
	int64_t event_id;
	int64_t stream_id;
	int64_t received_us;
};

struct trim {
	struct sqlite3 *db;
	struct streams *streams;
	struct intervals *intervals;
	const struct retention *retention;
	struct sqlite3_stmt *statement[STATEMENTS];
	struct rule *rules;
	size_t n_rules;
	int64_t next_us; /* time stamp; when the next round begins */

	/* Of the round. */
	bool is_round;
	struct member *members;
	size_t n_members;
	size_t capacity;
	uint64_t *sums; /* by part */
	size_t rule;    /* that is being carried out */
	int64_t now_us;
	int64_t window_us;

	int64_t told_us;
	int64_t deleted_events; /* since it was told */
	int64_t deleted_bytes;
};

bool trim_new(struct trim **out, struct sqlite3 *db, struct streams *streams,
	struct intervals *intervals, struct err *e)
{
	struct trim *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	t->db = db;
	t->streams = streams;
	t->intervals = intervals;
	if (!db_prepare_all(db, t->statement, statement_sql, STATEMENTS, e)) {
		trim_free(t);
		return false;
	}
	*out = t;
	return true;
}

static void end_round(struct trim *t)
{
	free(t->members);
	free(t->sums);
	t->members = NULL;
	t->sums = NULL;
	t->n_members = 0;
	t->capacity = 0;
	t->is_round = false;
}

void trim_free(struct trim *t)
{
	if (t == NULL)
		return;
	end_round(t);
	db_finalize_all(t->statement, STATEMENTS);
	free(t->rules);
	free(t);
}

void trim_configure(struct trim *t, const struct retention *retention)
{
	end_round(t);
	free(t->rules);
	t->rules = NULL;
	t->n_rules = 0;
	t->next_us = 0;
	t->retention = retention_limits(retention) ? retention : NULL;
}

bool trim_is_due(const struct trim *t, int64_t now_us)
{
	return t->retention != NULL && (t->is_round || now_us >= t->next_us);
}

/* ---- a round ---- */

static bool add_rule(struct trim *t, const struct rule *rule, struct err *e)
{
	struct rule *grown;

	for (size_t i = 0; i < t->n_rules; i++)
		if (t->rules[i].age_us == rule->age_us && t->rules[i].part == rule->part)
			return true;
	grown = realloc(t->rules, (t->n_rules + 1) * sizeof(*grown));
	if (grown == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	t->rules = grown;
	t->rules[t->n_rules++] = *rule;
	return true;
}

static bool add_member(struct trim *t, const struct member *m, uint64_t bytes, struct err *e)
{
	if (t->n_members == t->capacity) {
		size_t capacity = t->capacity != 0 ? t->capacity * 2 : 64;
		struct member *grown = realloc(t->members, capacity * sizeof(*grown));

		if (grown == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		t->members = grown;
		t->capacity = capacity;
	}
	t->members[t->n_members++] = *m;
	for (int i = 0; i < RETENTION_LEVELS; i++)
		if (m->part[i] != RETENTION_NO_PART)
			t->sums[m->part[i]] += bytes;
	return m->age_us == 0 ||
		add_rule(t, &(struct rule){ .age_us = m->age_us, .part = RETENTION_NO_PART }, e);
}

/* The row at which SUMS stands. */
static bool read_member(struct trim *t, struct sqlite3_stmt *st, struct err *e)
{
	struct member m = { .stream_id = sqlite3_column_int64(st, 0),
		.retained_us = sqlite3_column_int64(st, 5) };

	retention_parts_of(t->retention, sqlite3_column_int64(st, 1), db_column(st, 2),
		db_column(st, 3), m.part);
	for (int i = 0; i < RETENTION_LEVELS; i++) {
		int64_t age_us = m.part[i] != RETENTION_NO_PART
			? t->retention->parts[m.part[i]].age_us
			: 0;

		if (age_us != 0 && (m.age_us == 0 || age_us < m.age_us))
			m.age_us = age_us;
	}
	return add_member(t, &m, (uint64_t)sqlite3_column_int64(st, 4), e);
}

static bool read_members(struct trim *t, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[SUMS];
	bool found = true;
	bool ok = true;

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			ok = read_member(t, st, e);
	}
	(void)sqlite3_reset(st);
	return ok;
}

static bool number(struct trim *t, int statement, int64_t *out, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[statement];
	bool found;

	if (!db_first(st, &found, e))
		return false;
	*out = found ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	return true;
}

/* The last event but the newest that was received before `cutoff_us`, or one before the first: `received` never
 * decreases. */
static bool last_before(struct trim *t, int64_t cutoff_us, int64_t *event_id, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[RECEIVED];
	int64_t low; /* every event before it is old enough */
	int64_t high;
	bool found;

	if (!number(t, FIRST_ID, &low, e) || !number(t, LAST_ID, &high, e))
		return false;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		(void)sqlite3_bind_int64(st, 1, middle);
		if (!db_first(st, &found, e))
			return false;
		if (found && sqlite3_column_int64(st, 1) < cutoff_us)
			low = sqlite3_column_int64(st, 0) + 1;
		else
			high = middle;
		(void)sqlite3_reset(st);
	}
	*event_id = low - 1;
	return true;
}

/* What was received before may go in this round. */
static int64_t cutoff_of(const struct trim *t, const struct rule *r)
{
	return t->now_us - (r->age_us > t->window_us ? r->age_us : t->window_us);
}

static bool begin_round(struct trim *t, const struct trim_clock *clock, struct err *e)
{
	int64_t began_us = clock_mono_us();
	int64_t took_us;

	t->is_round = true;
	t->rule = 0;
	t->now_us = clock->now_us;
	t->window_us = clock->window_us;
	t->sums = calloc(t->retention->n_parts, sizeof(*t->sums));
	if (t->sums == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < t->retention->n_parts; i++)
		if (t->retention->parts[i].bytes != 0 &&
			!add_rule(t, &(struct rule){ .part = i }, e))
			return false;
	if (!read_members(t, e))
		return false;
	for (size_t i = 0; i < t->n_rules; i++)
		if (!last_before(t, cutoff_of(t, &t->rules[i]), &t->rules[i].to, e))
			return false;
	took_us = clock_mono_us() - began_us;
	t->next_us = t->now_us +
		(took_us * ROUND_SHARE > TRIM_EVERY_US ? took_us * ROUND_SHARE : TRIM_EVERY_US);
	return true;
}

static struct member *find_member(struct trim *t, int64_t stream_id)
{
	size_t low = 0;
	size_t high = t->n_members;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->members[middle].stream_id < stream_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->n_members && t->members[low].stream_id == stream_id ? &t->members[low]
									    : NULL;
}

static bool applies(const struct rule *r, const struct member *m)
{
	if (r->part == RETENTION_NO_PART)
		return m->age_us == r->age_us;
	for (int i = 0; i < RETENTION_LEVELS; i++)
		if (m->part[i] == r->part)
			return true;
	return false;
}

/* True if the rule asks for nothing more. */
static bool is_kept(const struct trim *t, const struct rule *r)
{
	return r->cursor >= r->to ||
		(r->part != RETENTION_NO_PART &&
			t->sums[r->part] <= t->retention->parts[r->part].bytes);
}

/* ---- deleting ---- */

static bool delete_event(struct trim *t, struct trim_rows *rows, const struct scanned *event,
	struct member *m, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[DELETE_EVENT];
	int64_t bytes;
	bool found;

	(void)sqlite3_bind_int64(st, 1, event->event_id);
	if (!db_first(st, &found, e))
		return false;
	bytes = found ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	m->events++;
	m->bytes += bytes;
	m->is_cut = true;
	t->deleted_events++;
	t->deleted_bytes += bytes;
	for (int i = 0; i < RETENTION_LEVELS; i++)
		if (m->part[i] != RETENTION_NO_PART)
			t->sums[m->part[i]] -= (uint64_t)bytes;
	(void)sqlite3_bind_int64(t->statement[DELETE_ATTACHMENTS], 1, event->event_id);
	return db_step(t->statement[DELETE_ATTACHMENTS], e) &&
		trim_rows_delete(rows, event->event_id, e);
}

static bool scan(
	struct trim *t, const struct rule *r, struct scanned *out, size_t *count, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[SCAN];
	bool found = true;
	bool ok = true;

	*count = 0;
	(void)sqlite3_bind_int64(st, 1, r->cursor);
	(void)sqlite3_bind_int64(st, 2, r->to);
	(void)sqlite3_bind_int(st, 3, CHUNK);
	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			out[(*count)++] = (struct scanned){ sqlite3_column_int64(st, 0),
				sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2) };
	}
	(void)sqlite3_reset(st);
	return ok;
}

static bool delete_chunk(struct trim *t, struct trim_rows *rows, struct rule *r, struct err *e)
{
	struct scanned chunk[CHUNK];
	size_t count;

	if (!scan(t, r, chunk, &count, e))
		return false;
	for (size_t i = 0; i < count && !is_kept(t, r); i++) {
		struct member *m = find_member(t, chunk[i].stream_id);

		if (m != NULL && applies(r, m)) {
			if (!delete_event(t, rows, &chunk[i], m, e))
				return false;
			r->reached_us = chunk[i].received_us + 1;
		}
		r->cursor = chunk[i].event_id;
	}
	if (count < CHUNK && !is_kept(t, r))
		r->cursor = r->to;
	return true;
}

/* Takes what was deleted off the counters of a stream, and cuts what is known about it. */
static bool cut(struct trim *t, struct member *m, int64_t at_us, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[NAMES];
	struct stream *stream = NULL;
	bool found;
	bool ok;

	(void)sqlite3_bind_int64(st, 1, m->stream_id);
	if (!db_first(st, &found, e))
		return false;
	ok = found &&
		streams_get(t->streams, sqlite3_column_int64(st, 0), db_column(st, 1),
			db_column(st, 2), &stream, e);
	(void)sqlite3_reset(st);
	if (!found)
		return true;
	if (at_us < m->retained_us)
		at_us = m->retained_us;
	ok = ok && streams_cut(t->streams, stream, m->events, m->bytes, at_us, e) &&
		intervals_cut(t->intervals, m->stream_id, at_us, e);
	m->events = 0;
	m->bytes = 0;
	m->retained_us = at_us;
	return ok;
}

/* At the end of a slice: what was deleted is counted in its own transaction. */
static bool settle(struct trim *t, const struct rule *r, struct err *e)
{
	for (size_t i = 0; i < t->n_members; i++)
		if (t->members[i].events != 0 && !cut(t, &t->members[i], r->reached_us, e))
			return false;
	return true;
}

/* Nothing of the rule's streams is left that was received before. */
static bool finish_rule(struct trim *t, struct rule *r, struct err *e)
{
	bool is_sweep = r->swept_us == 0 || t->now_us - r->swept_us >= SWEEP_US;

	if (r->part == RETENTION_NO_PART)
		r->reached_us = cutoff_of(t, r);
	if (is_sweep)
		r->swept_us = t->now_us;
	for (size_t i = 0; r->reached_us != 0 && i < t->n_members; i++) {
		struct member *m = &t->members[i];

		if ((is_sweep || m->is_cut) && applies(r, m) && m->retained_us < r->reached_us &&
			!cut(t, m, r->reached_us, e))
			return false;
	}
	/* Which looks at the rows of `stream`. */
	return !is_sweep || (streams_flush(t->streams, e) && intervals_cut_feeds(t->intervals, e));
}

/* Carries the rules out in turn; one slice works for one rule. */
static bool carry_out(struct trim *t, const struct trim_clock *clock, struct err *e)
{
	struct rule *r = &t->rules[t->rule];
	struct trim_rows rows;
	bool ok = trim_rows_open(&rows, t->db, e);

	do {
		ok = ok && (is_kept(t, r) || delete_chunk(t, &rows, r, e));
	} while (ok && !is_kept(t, r) && clock_mono_us() < clock->until_us);
	trim_rows_close(&rows);
	ok = ok && settle(t, r, e);
	if (ok && is_kept(t, r)) {
		ok = finish_rule(t, r, e);
		t->rule++;
	}
	return ok;
}

static bool delete_rejected(struct trim *t, int64_t feed_id, int64_t before_us, struct err *e)
{
	struct sqlite3_stmt *st = t->statement[DELETE_REJECTED];

	(void)sqlite3_bind_int64(st, 1, before_us);
	(void)sqlite3_bind_int64(st, 2, feed_id);
	return db_step(st, e);
}

/* What was not understood belongs to its feed. */
static bool trim_rejected(struct trim *t, struct err *e)
{
	for (size_t i = 0; i < t->retention->n_parts; i++) {
		const struct retention_part *part = &t->retention->parts[i];

		if (part->age_us != 0 && (i == RETENTION_ALL || part->feed_id != 0) &&
			!delete_rejected(t, part->feed_id, t->now_us - part->age_us, e))
			return false;
	}
	return true;
}

static bool vacuum(struct trim *t, int64_t until_us, bool *more, struct err *e)
{
	int64_t pages;
	int64_t free_pages;

	do {
		if (!number(t, PAGES, &pages, e) || !number(t, FREE_PAGES, &free_pages, e))
			return false;
		*more = free_pages > pages / 4;
		if (*more && !db_exec(t->db, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")", e))
			return false;
	} while (*more && clock_mono_us() < until_us);
	return true;
}

static void tell(struct trim *t)
{
	if (t->deleted_events == 0 || (t->told_us != 0 && t->now_us - t->told_us < SWEEP_US))
		return;
	log_line(LOG_INFO, "what is not to be kept any more was deleted",
		log_int("events", t->deleted_events), log_int("bytes", t->deleted_bytes));
	t->told_us = t->now_us;
	t->deleted_events = 0;
	t->deleted_bytes = 0;
}

bool trim_chore(struct trim *t, const struct trim_clock *clock, bool *more, struct err *e)
{
	*more = false;
	if (!trim_is_due(t, clock->now_us))
		return true;
	if (!t->is_round && !begin_round(t, clock, e))
		return false;
	*more = true;
	if (t->rule < t->n_rules)
		return carry_out(t, clock, e);
	if (!vacuum(t, clock->until_us, more, e))
		return false;
	if (*more)
		return true;
	if (!trim_rejected(t, e))
		return false;
	tell(t);
	end_round(t);
	return true;
}
