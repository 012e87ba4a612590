#include "tape_gaps.h"

#include "base/merge.h"
#include "store/reel_gaps.h"
#include "tape_parts.h"

#include <stdlib.h>

struct part {
	struct reel_gaps *gaps;
	struct reel_gap next;
};

struct tape_gaps {
	struct tape *tape;
	struct part *parts; /* as the recordings are numbered */
	struct merge heap;
	bool is_handed_out; /* the one at the top */
	int64_t clocked_us; /* an instant, and what the feed's clock said */
	int64_t clock_us;
};

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read the recordings: out of memory");
}

/* Reads the part's first gap into the heap. */
static bool begin(struct tape_gaps *g, size_t i, struct err *e)
{
	struct part *p = &g->parts[i];
	bool found;

	if (!reel_gaps_open(&p->gaps, g->tape->reels[i], e) ||
		!reel_gaps_next(p->gaps, &p->next, &found, e))
		return false;
	if (found)
		merge_add(&g->heap,
			(struct merge_head){ p->next.started_us, .group = i, .source = i });
	return true;
}

bool tape_gaps_open(struct tape_gaps **out, struct tape *t, struct err *e)
{
	struct tape_gaps *g = calloc(1, sizeof(*g));
	bool ok;

	if (g == NULL)
		return no_memory(e);
	g->tape = t;
	g->clocked_us = TAPE_NONE;
	g->parts = calloc(t->n_reels, sizeof(*g->parts));
	ok = (g->parts != NULL && merge_reserve(&g->heap, t->n_reels)) || no_memory(e);
	for (size_t i = 0; i < t->n_reels && ok; i++)
		ok = begin(g, i, e);
	if (ok)
		*out = g;
	else
		tape_gaps_close(g);
	return ok;
}

void tape_gaps_close(struct tape_gaps *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; g->parts != NULL && i < g->tape->n_reels; i++)
		reel_gaps_close(g->parts[i].gaps);
	free(g->parts);
	merge_release(&g->heap);
	free(g);
}

/* The gap at the top has been seen. */
static bool advance(struct tape_gaps *g, struct err *e)
{
	struct part *p = &g->parts[merge_top(&g->heap)->source];
	bool found;

	if (!reel_gaps_next(p->gaps, &p->next, &found, e))
		return false;
	if (found)
		merge_advance(&g->heap, p->next.started_us, 0);
	else
		merge_end(&g->heap);
	return true;
}

/* Many streams have their gaps at one instant. */
static bool tell_by_clock(struct tape_gaps *g, int64_t us, int64_t *out, struct err *e)
{
	if (g->clocked_us != us) {
		if (!tape_clock(g->tape, us, &g->clock_us, e))
			return false;
		g->clocked_us = us;
	}
	*out = g->clock_us;
	return true;
}

/* `*inside`: it overlaps the range. */
static bool place(struct tape_gaps *g, struct tape_gap *gap, bool *inside, struct err *e)
{
	int64_t end_us = gap->ended_us != TAPE_NONE ? gap->ended_us : INT64_MAX;

	gap->time_us = gap->started_us;
	if (g->tape->order == REEL_TIMESTAMP) {
		if (!tell_by_clock(g, gap->started_us, &gap->time_us, e) ||
			(gap->ended_us != TAPE_NONE && g->tape->from_us != INT64_MIN &&
				!tape_clock(g->tape, gap->ended_us, &end_us, e)))
			return false;
	}
	*inside = gap->time_us <= g->tape->to_us && end_us > g->tape->from_us;
	return true;
}

enum tape_result tape_gaps_next(struct tape_gaps *g, struct tape_gap *out, struct err *e)
{
	bool inside = false;

	while (!inside) {
		const struct reel_gap *gap;

		if (g->is_handed_out && !advance(g, e))
			return TAPE_FAILED;
		g->is_handed_out = false;
		if (merge_top(&g->heap) == NULL)
			return TAPE_END;
		gap = &g->parts[merge_top(&g->heap)->source].next;
		*out = (struct tape_gap){ .stream = gap->place,
			.started_us = gap->started_us,
			.ended_us = gap->ended_us,
			.duration_us = gap->duration_us,
			.cause = gap->cause,
			.detail = gap->detail };
		g->is_handed_out = true;
		if (!place(g, out, &inside, e))
			return TAPE_FAILED;
	}
	return TAPE_EVENT;
}
