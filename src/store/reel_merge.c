#include "store/reel_merge.h"

#include "base/merge.h"
#include "store/db.h"
#include "store/reel_file.h"

#include <sqlite3.h>
#include <stdlib.h>

/* Keys that are read ahead of a stream. */
#define KEYS_LEAST 4
#define KEYS_MOST 64

struct key {
	int64_t timestamp_us;
	int64_t event_id;
};

/* A stream that has not ended. */
struct ahead {
	int64_t stream_id;
	int64_t timestamp_us; /* the last key that was read */
	int64_t seq;
	unsigned at; /* of the next key */
	unsigned count;
};

struct reel_merge {
	struct reel *reel;
	int64_t to_us;
	struct reel_position behind;
	struct ahead *streams;
	struct key *keys; /* `per_stream` of each */
	unsigned per_stream;
	struct merge heap;
	bool has_failed; /* at what was to be read next */
	struct err failure;
};

static bool no_memory(const struct reel *r, struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", r->path);
}

/* Reads the next keys of a stream; none if it has ended. */
static bool read_keys(struct reel_merge *m, size_t i, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(m->reel, REEL_KEYS, e);
	struct key *keys = &m->keys[i * m->per_stream];
	struct ahead *a = &m->streams[i];
	int rc = SQLITE_DONE;

	if (st == NULL)
		return false;
	a->at = 0;
	a->count = 0;
	(void)sqlite3_bind_int64(st, 1, a->stream_id);
	(void)sqlite3_bind_int64(st, 2, a->timestamp_us);
	(void)sqlite3_bind_int64(st, 3, a->seq);
	(void)sqlite3_bind_int64(st, 4, m->to_us);
	(void)sqlite3_bind_int64(st, 5, m->reel->last_id);
	(void)sqlite3_bind_int(st, 6, (int)m->per_stream);
	while (a->count < m->per_stream && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		a->timestamp_us = sqlite3_column_int64(st, 0);
		a->seq = sqlite3_column_int64(st, 1);
		keys[a->count++] = (struct key){ a->timestamp_us, sqlite3_column_int64(st, 2) };
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		(void)reel_failed(m->reel, e);
	(void)sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool is_behind(const struct key *key, const struct reel_position *position)
{
	return key->timestamp_us > position->time_us ||
		(key->timestamp_us == position->time_us && key->event_id > position->event_id);
}

/* Moves to the next key behind the position that was asked for; at the end count is 0. */
static bool settle(struct reel_merge *m, size_t i, struct err *e)
{
	struct ahead *a = &m->streams[i];

	for (;;) {
		const struct key *keys = &m->keys[i * m->per_stream];

		while (a->at < a->count && !is_behind(&keys[a->at], &m->behind))
			a->at++;
		if (a->at < a->count)
			return true;
		if (!read_keys(m, i, e))
			return false;
		if (a->count == 0)
			return true;
	}
}

static bool begin(struct reel_merge *m, struct err *e)
{
	for (size_t i = 0; i < m->reel->n_chosen; i++) {
		struct ahead *a = &m->streams[i];
		const struct key *key;

		a->stream_id = m->reel->chosen[i].stream_id;
		a->timestamp_us = m->behind.time_us;
		a->seq = INT64_MIN;
		if (!settle(m, i, e))
			return false;
		if (a->count == 0)
			continue;
		key = &m->keys[i * m->per_stream + a->at];
		merge_add(&m->heap,
			(struct merge_head){
				.time_us = key->timestamp_us, .id = key->event_id, .source = i });
	}
	return true;
}

bool reel_merge_new(struct reel_merge **out, struct reel *r, const struct reel_position *position,
	int64_t to_us, size_t max_bytes, struct err *e)
{
	struct reel_merge *m = calloc(1, sizeof(*m));
	size_t per_stream = max_bytes / sizeof(struct key) / (r->n_chosen + 1);
	bool ok;

	if (m == NULL)
		return no_memory(r, e);
	m->reel = r;
	m->to_us = to_us;
	m->behind = *position;
	per_stream = per_stream > KEYS_MOST ? KEYS_MOST : per_stream;
	m->per_stream = per_stream < KEYS_LEAST ? KEYS_LEAST : (unsigned)per_stream;
	m->streams = calloc(r->n_chosen, sizeof(*m->streams));
	m->keys = reallocarray(NULL, r->n_chosen * m->per_stream, sizeof(*m->keys));
	ok = (m->streams != NULL && m->keys != NULL && merge_reserve(&m->heap, r->n_chosen)) ||
		no_memory(r, e);
	if (ok && (ok = reel_begin(r, e))) {
		ok = begin(m, e);
		reel_end(r);
	}
	if (ok)
		*out = m;
	else
		reel_merge_free(m);
	return ok;
}

void reel_merge_free(struct reel_merge *m)
{
	if (m == NULL)
		return;
	merge_release(&m->heap);
	free(m->streams);
	free(m->keys);
	free(m);
}

/* Adds the event, if it is still there: retention may have taken it. */
static bool fetch(struct reel_merge *m, int64_t event_id, struct event_slice *out, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(m->reel, REEL_FETCH, e);
	struct stored_event event;
	bool ok;
	int rc;

	if (st == NULL)
		return false;
	(void)sqlite3_bind_int64(st, 1, event_id);
	rc = sqlite3_step(st);
	ok = rc == SQLITE_ROW || rc == SQLITE_DONE || reel_failed(m->reel, e);
	if (rc == SQLITE_ROW && reel_take_event(m->reel, st, &event))
		ok = event_slice_add(out, &event) || no_memory(m->reel, e);
	(void)sqlite3_reset(st);
	return ok;
}

/* The stream at the top goes on with its next key. */
static bool advance(struct reel_merge *m, size_t i, struct err *e)
{
	struct ahead *a = &m->streams[i];
	const struct key *key;

	a->at++;
	if (!settle(m, i, e))
		return false;
	if (a->count == 0) {
		merge_end(&m->heap);
		return true;
	}
	key = &m->keys[i * m->per_stream + a->at];
	merge_advance(&m->heap, key->timestamp_us, key->event_id);
	return true;
}

static bool read_some(
	struct reel_merge *m, struct event_slice *out, size_t max_bytes, struct err *e)
{
	const struct merge_head *top = merge_top(&m->heap);

	while (top != NULL && event_slice_bytes(out) < max_bytes) {
		size_t i = top->source;

		if (!fetch(m, top->id, out, e) || !advance(m, i, e))
			return false;
		top = merge_top(&m->heap);
	}
	return true;
}

bool reel_merge_read(
	struct reel_merge *m, struct event_slice *out, size_t max_bytes, bool *ended, struct err *e)
{
	*ended = false;
	if (!m->has_failed) {
		if (!reel_begin(m->reel, e))
			return false;
		m->has_failed = !read_some(m, out, max_bytes, &m->failure);
		reel_end(m->reel);
	}
	/* What was read before the damage is good. */
	if (m->has_failed && event_slice_bytes(out) == 0) {
		*e = m->failure;
		return false;
	}
	*ended = !m->has_failed && merge_top(&m->heap) == NULL;
	return true;
}

bool reel_merge_last(
	struct reel *r, int64_t from_us, int64_t to_us, int64_t *timestamp_us, struct err *e)
{
	struct sqlite3_stmt *st = reel_statement(r, REEL_LAST_KEY, e);
	bool ok = st != NULL && reel_begin(r, e);

	*timestamp_us = REEL_NONE;
	if (!ok)
		return false;
	for (size_t i = 0; i < r->n_chosen && ok; i++) {
		bool found = false;

		(void)sqlite3_bind_int64(st, 1, r->chosen[i].stream_id);
		(void)sqlite3_bind_int64(st, 2, to_us);
		(void)sqlite3_bind_int64(st, 3, r->last_id);
		ok = db_first(st, &found, e) || err_prefix(e, "cannot read '%s'", r->path);
		if (ok && found && sqlite3_column_int64(st, 0) >= from_us &&
			sqlite3_column_int64(st, 0) > *timestamp_us)
			*timestamp_us = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	reel_end(r);
	return ok;
}
