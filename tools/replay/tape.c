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

static int cache_kib(size_t n_recordings)
{
	size_t kib = CACHE_KIB / (n_recordings + 1);

	if (kib < CACHE_LEAST_KIB)
		kib = CACHE_LEAST_KIB;
	return kib > CACHE_MOST_KIB ? CACHE_MOST_KIB : (int)kib;
}

static bool open_reels(struct tape *t, const char *const *paths, size_t n_paths, struct err *e)
{
	struct same_file *files = same_file_look(paths, n_paths);
	bool ok;

	t->reels = calloc(n_paths, sizeof(struct reel *));
	ok = (files != NULL && t->reels != NULL) || no_memory(e);
	for (size_t i = 0; i < n_paths && ok; i++) {
		if (files[i].before != NULL)
			continue;
		ok = reel_open(&t->reels[t->n_reels], files[i].path, cache_kib(n_paths), e);
		t->n_reels += ok;
	}
	same_file_free(files, n_paths);
	if (ok)
		qsort(t->reels, t->n_reels, sizeof(struct reel *), compare_ages);
	for (size_t i = t->n_reels; ok && i-- > 0;)
		ok = reel_look(t->reels[i], e);
	return ok;
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
	/* What the cursor had to learn for the first event helps to find the last. */
	if (result == TAPE_EVENT && !find_last(t, e))
		result = TAPE_FAILED;
	tape_cursor_free(c);
	return result != TAPE_FAILED;
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
	if (open_reels(t, paths, n_paths, e) && tape_choose(t, choice, e) && find_span(t, e) &&
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
