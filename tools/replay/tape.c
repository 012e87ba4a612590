#include "tape.h"

#include "same_file.h"
#include "tape_parts.h"

#include <assert.h>
#include <stdlib.h>

/* Of SQLite's page caches: together, and at least for each. */
#define CACHE_KIB 32768
#define CACHE_LEAST_KIB 256
#define CACHE_MOST_KIB 8192

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read the recordings: out of memory");
}

/* Those that hold nothing come last. */
static int compare_ages(const void *left, const void *right)
{
	const struct reel *const *a = left;
	const struct reel *const *b = right;
	uint64_t a_us = (uint64_t)reel_span(*a)->started_us - 1 - (uint64_t)INT64_MIN;
	uint64_t b_us = (uint64_t)reel_span(*b)->started_us - 1 - (uint64_t)INT64_MIN;

	if (a_us != b_us)
		return a_us < b_us ? -1 : 1;
	return strcmp(reel_path(*a), reel_path(*b));
}

static bool open_readers(struct tape *t, const char *const *paths, size_t n_paths, struct err *e)
{
	size_t cache_kib = CACHE_KIB / (n_paths + 1);

	t->reels = calloc(n_paths, sizeof(struct reel *));
	if (t->reels == NULL)
		return no_memory(e);
	if (cache_kib < CACHE_LEAST_KIB)
		cache_kib = CACHE_LEAST_KIB;
	if (cache_kib > CACHE_MOST_KIB)
		cache_kib = CACHE_MOST_KIB;
	for (size_t i = 0; i < n_paths; i++) {
		if (same_file_before(paths, i) != NULL)
			continue;
		if (!reel_open(&t->reels[t->n_reels], paths[i], (int)cache_kib, e))
			return false;
		t->n_reels++;
	}
	qsort(t->reels, t->n_reels, sizeof(struct reel *), compare_ages);
	return true;
}

/* The last event of all recordings; the first is what a cursor begins with. */
static bool find_last(struct tape *t, struct err *e)
{
	for (size_t i = 0; i < t->n_reels; i++) {
		struct reel_cursor *c;
		int64_t us;
		bool ok;

		if (!reel_cursor_new(&c, t->reels[i], t->order, t->from_us, t->to_us, e))
			return false;
		ok = reel_cursor_last(c, &us, e);
		reel_cursor_free(c);
		if (!ok)
			return false;
		if (us != REEL_NONE && (t->last_us == TAPE_NONE || us > t->last_us))
			t->last_us = us;
	}
	return true;
}

static bool find_span(struct tape *t, struct err *e)
{
	struct tape_cursor *c;
	struct tape_event event;
	enum tape_result result;

	t->first_us = TAPE_NONE;
	t->last_us = TAPE_NONE;
	if (!tape_cursor_new(&c, t, e))
		return false;
	result = tape_cursor_next(c, &event, e);
	if (result == TAPE_EVENT)
		t->first_us = event.time_us;
	tape_cursor_free(c);
	return result == TAPE_END || (result == TAPE_EVENT && find_last(t, e));
}

bool tape_open(struct tape **out, const char *const *paths, size_t n_paths,
	const struct tape_choice *choice, struct err *e)
{
	struct tape *t = calloc(1, sizeof(*t));

	assert(n_paths != 0);
	if (t == NULL)
		return no_memory(e);
	t->order = choice->order == TAPE_RECEIVED ? REEL_RECEIVED : REEL_TIMESTAMP;
	t->from_us = choice->from_us;
	t->to_us = choice->to_us != TAPE_NONE ? choice->to_us : INT64_MAX;
	if (open_readers(t, paths, n_paths, e) && tape_choose(t, choice, e) && find_span(t, e) &&
		tape_find_holes(t, e)) {
		*out = t;
		return true;
	}
	tape_close(t);
	return false;
}

void tape_close(struct tape *t)
{
	if (t == NULL)
		return;
	assert(t->n_cursors == 0);
	for (size_t i = 0; i < t->n_reels; i++)
		reel_close(t->reels[i]);
	free(t->reels);
	free(t->feeds);
	free(t->streams);
	free(t->holes);
	arena_release(&t->arena);
	free(t);
}

size_t tape_recordings(const struct tape *t)
{
	return t->n_reels;
}

const char *tape_recording_path(const struct tape *t, size_t recording)
{
	assert(recording < t->n_reels);
	return reel_path(t->reels[recording]);
}

const struct tape_feed *tape_feeds(const struct tape *t, size_t *count)
{
	*count = t->n_feeds;
	return t->feeds;
}

const struct tape_stream *tape_streams(const struct tape *t, size_t *count)
{
	*count = t->n_streams;
	return t->streams;
}

void tape_span(const struct tape *t, int64_t *first_us, int64_t *last_us)
{
	*first_us = t->first_us;
	*last_us = t->last_us;
}

const struct tape_hole *tape_holes(const struct tape *t, size_t *count)
{
	*count = t->n_holes;
	return t->holes;
}
