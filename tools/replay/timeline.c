#include "timeline.h"

#include <assert.h>
#include <stdlib.h>

static int64_t jumped(const struct timeline *t, const struct timeline_hole *h)
{
	return t->mode == TIMELINE_JUMP ? h->to_us - h->from_us : 0;
}

bool timeline_init(struct timeline *t, int64_t first_us, int64_t last_us,
	const struct timeline_hole *holes, size_t count, enum timeline_holes mode)
{
	int64_t jumped_us = 0;

	assert(first_us <= last_us);
	*t = (struct timeline){ .first_us = first_us, .last_us = last_us, .mode = mode };
	t->holes = calloc(count != 0 ? count : 1, sizeof(*t->holes));
	if (t->holes == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct timeline_hole h = holes[i];

		if (h.from_us < first_us)
			h.from_us = first_us;
		if (h.to_us > last_us)
			h.to_us = last_us;
		if (h.from_us >= h.to_us)
			continue;
		h.played_us = h.from_us - first_us - jumped_us;
		jumped_us += jumped(t, &h);
		t->holes[t->n_holes++] = h;
	}
	t->length_us = last_us - first_us - jumped_us;
	t->lap_us = t->length_us + TIMELINE_LAP_PAUSE_US;
	return true;
}

void timeline_release(struct timeline *t)
{
	free(t->holes);
	*t = (struct timeline){ 0 };
}

/* The number of holes that begin before (`or_at`: or at) `value`, on the axis that `played` says. */
static size_t count_begun(const struct timeline *t, int64_t value, bool or_at, bool played)
{
	size_t low = 0;
	size_t high = t->n_holes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct timeline_hole *h = &t->holes[middle];
		int64_t begin = played ? h->played_us : h->from_us;

		if (begin < value || (or_at && begin == value))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t timeline_played(const struct timeline *t, int64_t time_us)
{
	size_t begun = count_begun(t, time_us, false, false);
	const struct timeline_hole *h;

	if (begun == 0 || t->mode == TIMELINE_WAIT)
		return time_us - t->first_us;
	h = &t->holes[begun - 1];
	return time_us < h->to_us ? h->played_us : h->played_us + (time_us - h->to_us);
}

int64_t timeline_clamp(const struct timeline *t, int64_t time_us)
{
	if (time_us < t->first_us)
		return t->first_us;
	return time_us > t->last_us ? t->last_us : time_us;
}

int64_t timeline_time(const struct timeline *t, int64_t played_us)
{
	size_t begun = count_begun(t, played_us, true, true);
	const struct timeline_hole *h;

	if (begun == 0 || t->mode == TIMELINE_WAIT)
		return t->first_us + played_us;
	h = &t->holes[begun - 1];
	return h->to_us + (played_us - h->played_us);
}

size_t timeline_hole_behind(const struct timeline *t, int64_t time_us)
{
	return count_begun(t, time_us, false, false);
}

bool timeline_in_hole(const struct timeline *t, int64_t time_us, size_t *hole)
{
	size_t begun = count_begun(t, time_us, true, false);

	if (begun == 0 || time_us >= t->holes[begun - 1].to_us)
		return false;
	*hole = begun - 1;
	return true;
}
