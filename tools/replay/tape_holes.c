#include "store/reel_coverage.h"
#include "tape_parts.h"

#include <stdlib.h>

#define GROW_LEAST 16

/* Intervals, in an array that grows. */
struct intervals {
	struct tape_hole *at;
	size_t count;
	size_t capacity;
};

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read the recordings: out of memory");
}

/* Adds an interval that begins where the last one begins or later; one that touches it is joined with it. `least`: of
 * those that came before they are not looked at. */
static bool join(struct intervals *v, size_t least, struct tape_hole more, struct err *e)
{
	size_t capacity = v->capacity != 0 ? 2 * v->capacity : GROW_LEAST;
	struct tape_hole *grown;

	if (v->count > least && more.from_us <= v->at[v->count - 1].to_us) {
		if (more.to_us > v->at[v->count - 1].to_us)
			v->at[v->count - 1].to_us = more.to_us;
		return true;
	}
	if (v->count == v->capacity) {
		grown = reallocarray(v->at, capacity, sizeof(*grown));
		if (grown == NULL)
			return no_memory(e);
		v->at = grown;
		v->capacity = capacity;
	}
	v->at[v->count++] = more;
	return true;
}

struct covering {
	struct intervals all;
	size_t least; /* those of the recording that is being read begin here */
};

static bool cover(void *arg, int64_t from_us, int64_t to_us, struct err *e)
{
	struct covering *c = arg;

	return join(&c->all, c->least, (struct tape_hole){ from_us, to_us }, e);
}

static int compare(const void *left, const void *right)
{
	const struct tape_hole *a = left;
	const struct tape_hole *b = right;

	return (a->from_us > b->from_us) - (a->from_us < b->from_us);
}

/* What of the time was covered, by one stream at least, in one recording at least. */
static bool read_covered(struct tape *t, struct intervals *out, struct err *e)
{
	struct covering c = { 0 };
	bool ok = true;

	for (size_t i = 0; i < t->n_reels && ok; i++) {
		c.least = c.all.count;
		ok = reel_coverage(t->reels[i], cover, &c, e);
	}
	if (c.all.count != 0)
		qsort(c.all.at, c.all.count, sizeof(*c.all.at), compare);
	for (size_t i = 0; i < c.all.count && ok; i++)
		ok = join(out, 0, c.all.at[i], e);
	free(c.all.at);
	return ok;
}

/* The newest recordings first, so that mostly one is asked. */
static bool clock_before(
	struct tape *t, int64_t us, struct reel_clock *best, bool *found, struct err *e)
{
	*found = false;
	for (size_t i = t->n_reels; i-- > 0;) {
		const struct reel_span *span = reel_span(t->reels[i]);
		struct reel_clock clock;
		bool is_there;

		if (span->first_received_us == REEL_NONE || span->first_received_us > us ||
			(*found && span->last_received_us <= best->received_us))
			continue;
		if (!reel_clock_before(t->reels[i], us, &clock, &is_there, e))
			return false;
		if (is_there && (!*found || clock.received_us > best->received_us)) {
			*best = clock;
			*found = true;
		}
	}
	return true;
}

/* The oldest first. */
static bool clock_after(
	struct tape *t, int64_t us, struct reel_clock *best, bool *found, struct err *e)
{
	*found = false;
	for (size_t i = 0; i < t->n_reels; i++) {
		const struct reel_span *span = reel_span(t->reels[i]);
		struct reel_clock clock;
		bool is_there;

		if (span->first_received_us == REEL_NONE || span->last_received_us < us ||
			(*found && span->first_received_us >= best->received_us))
			continue;
		if (!reel_clock_after(t->reels[i], us, &clock, &is_there, e))
			return false;
		if (is_there && (!*found || clock.received_us < best->received_us)) {
			*best = clock;
			*found = true;
		}
	}
	return true;
}

/* An instant of ours on the feed's clock. */
static int64_t on_clock(int64_t us, const struct reel_clock *clock)
{
	int64_t offset;
	int64_t shifted;

	if (__builtin_sub_overflow(clock->timestamp_us, clock->received_us, &offset) ||
		__builtin_add_overflow(us, offset, &shifted))
		return us;
	return shifted;
}

bool tape_clock(struct tape *t, int64_t us, int64_t *out, struct err *e)
{
	struct reel_clock clock;
	bool found;

	*out = us;
	if (!clock_before(t, us, &clock, &found, e) ||
		(!found && !clock_after(t, us, &clock, &found, e)))
		return false;
	if (found)
		*out = on_clock(us, &clock);
	return true;
}

/* Tells a hole by the feed's clock. Nothing is known of it where no event came: then it is left as it is. */
static bool shift(struct tape *t, struct tape_hole *hole, struct err *e)
{
	struct reel_clock before;
	struct reel_clock after;
	bool has_before;
	bool has_after;

	if (!clock_before(t, hole->from_us, &before, &has_before, e) ||
		!clock_after(t, hole->to_us, &after, &has_after, e))
		return false;
	if (!has_before && !has_after)
		return true;
	hole->from_us = on_clock(hole->from_us, has_before ? &before : &after);
	hole->to_us = on_clock(hole->to_us, has_after ? &after : &before);
	return true;
}

/* Adds a hole if something of it lies within the range. */
static bool add_hole(struct tape *t, struct intervals *holes, struct tape_hole hole, struct err *e)
{
	if (t->order == REEL_TIMESTAMP && !shift(t, &hole, e))
		return false;
	if (hole.from_us < t->from_us)
		hole.from_us = t->from_us;
	if (hole.to_us > t->to_us)
		hole.to_us = t->to_us;
	return hole.from_us >= hole.to_us || join(holes, holes->count, hole, e);
}

bool tape_find_holes(struct tape *t, struct err *e)
{
	struct intervals covered = { 0 };
	struct intervals holes = { 0 };
	struct intervals apart = { 0 };
	bool ok = read_covered(t, &covered, e);

	for (size_t i = 1; i < covered.count && ok; i++)
		ok = add_hole(t, &holes,
			(struct tape_hole){ covered.at[i - 1].to_us, covered.at[i].from_us }, e);
	/* The feed's clock may have been set back in one of them. */
	if (holes.count != 0)
		qsort(holes.at, holes.count, sizeof(*holes.at), compare);
	for (size_t i = 0; i < holes.count && ok; i++)
		ok = join(&apart, 0, holes.at[i], e);
	free(covered.at);
	free(holes.at);
	t->holes = apart.at;
	t->n_holes = apart.count;
	return ok;
}
