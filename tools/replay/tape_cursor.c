#include "base/merge.h"
#include "tape_parts.h"

#include <assert.h>
#include <stdlib.h>

/* Bytes that are read ahead: of all cursors together, and within these limits of each. */
#define AHEAD_ALL ((size_t)64 << 20)
#define AHEAD_LEAST ((size_t)4 << 10)
#define AHEAD_MOST ((size_t)256 << 10)

/* The position in one recording. */
struct part {
	struct reel_cursor *cursor;
	struct event_slice slice;
	bool is_known; /* its head in the heap is that of the next event; else a lower bound */
	bool has_ended;
};

struct tape_cursor {
	struct tape *tape;
	struct part *parts; /* as the recordings are numbered */
	struct merge heap;
	size_t current; /* the part that gave the last event */
	int64_t current_id;
	bool has_current;
	bool has_failed;
	struct err failure;
	struct arena attachments; /* of the current event */
	struct slice *attached;
	size_t n_attached;
};

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read the recordings: out of memory");
}

static int64_t time_of(const struct tape *t, const struct stored_event *event)
{
	return t->order == REEL_RECEIVED ? event->received_us : event->timestamp_us;
}

static void forget_current(struct tape_cursor *c)
{
	arena_release(&c->attachments);
	c->attached = NULL;
	c->n_attached = 0;
	c->has_current = false;
}

/* Puts the part into the heap with the least time that it may have. */
static void enter(struct tape_cursor *c, size_t i)
{
	struct part *p = &c->parts[i];
	int64_t bound_us = reel_cursor_bound(p->cursor);

	event_slice_reset(&p->slice, 0);
	p->is_known = false;
	p->has_ended = bound_us == INT64_MAX;
	if (!p->has_ended)
		merge_add(&c->heap,
			(struct merge_head){ bound_us, .id = INT64_MIN, .group = i, .source = i });
}

static void begin(struct tape_cursor *c)
{
	merge_clear(&c->heap);
	forget_current(c);
	c->has_failed = false;
	for (size_t i = 0; i < c->tape->n_reels; i++)
		enter(c, i);
}

bool tape_cursor_new(struct tape_cursor **out, struct tape *t, struct err *e)
{
	struct tape_cursor *c = calloc(1, sizeof(*c));
	bool ok;

	if (c == NULL)
		return no_memory(e);
	c->tape = t;
	t->n_cursors++;
	c->parts = calloc(t->n_reels, sizeof(*c->parts));
	ok = (c->parts != NULL && merge_reserve(&c->heap, t->n_reels)) || no_memory(e);
	for (size_t i = 0; i < t->n_reels && ok; i++) {
		event_slice_init(&c->parts[i].slice);
		ok = reel_cursor_new(
			&c->parts[i].cursor, t->reels[i], t->order, t->from_us, t->to_us, e);
	}
	if (!ok) {
		tape_cursor_free(c);
		return false;
	}
	begin(c);
	*out = c;
	return true;
}

void tape_cursor_free(struct tape_cursor *c)
{
	if (c == NULL)
		return;
	c->tape->n_cursors--;
	for (size_t i = 0; c->parts != NULL && i < c->tape->n_reels; i++) {
		reel_cursor_free(c->parts[i].cursor);
		event_slice_release(&c->parts[i].slice);
	}
	free(c->parts);
	merge_release(&c->heap);
	arena_release(&c->attachments);
	free(c);
}

bool tape_cursor_seek(struct tape_cursor *c, int64_t time_us, struct err *e)
{
	const struct reel_position position = { time_us, INT64_MIN };

	(void)e;
	for (size_t i = 0; i < c->tape->n_reels; i++)
		reel_cursor_seek(c->parts[i].cursor, &position);
	begin(c);
	return true;
}

bool tape_cursor_seek_behind(
	struct tape_cursor *c, const struct tape_key *key, bool *found, struct err *e)
{
	struct reel_position position;

	*found = false;
	if (key->recording >= c->tape->n_reels)
		return true;
	if (!reel_cursor_find(c->parts[key->recording].cursor, key->event_id, &position, found, e))
		return false;
	if (!*found)
		return true;
	/* Of that time the older recordings have played everything, the newer ones nothing. */
	for (size_t i = 0; i < c->tape->n_reels; i++) {
		if (i != key->recording)
			position.event_id = i < key->recording ? INT64_MAX : INT64_MIN;
		else
			position.event_id = key->event_id;
		reel_cursor_seek(c->parts[i].cursor, &position);
	}
	begin(c);
	return true;
}

static size_t ahead_bytes(const struct tape *t)
{
	size_t bytes = AHEAD_ALL / t->n_cursors;

	if (bytes > AHEAD_MOST)
		return AHEAD_MOST;
	return bytes < AHEAD_LEAST ? AHEAD_LEAST : bytes;
}

/* Reads ahead in the part at the top until it has an event, and says so in the heap; or that it has none. */
static bool look(struct tape_cursor *c, size_t i, struct err *e)
{
	struct part *p = &c->parts[i];
	size_t max_bytes = ahead_bytes(c->tape);
	struct stored_event event;

	while (!event_slice_peek(&p->slice, &event)) {
		if (p->has_ended) {
			event_slice_release(&p->slice);
			merge_end(&c->heap);
			return true;
		}
		event_slice_reset(&p->slice, 2 * max_bytes);
		if (!reel_cursor_read(p->cursor, &p->slice, max_bytes, &p->has_ended, e))
			return false;
	}
	p->is_known = true;
	merge_advance(&c->heap, time_of(c->tape, &event), event.event_id);
	return true;
}

/* Takes the event at the top. The slice stays as it is until the next call. */
static void take(struct tape_cursor *c, size_t i, struct tape_event *out)
{
	struct part *p = &c->parts[i];
	struct stored_event event;
	struct stored_event next;
	bool found = event_slice_next(&p->slice, &event);

	assert(found);
	*out = (struct tape_event){
		.time_us = time_of(c->tape, &event),
		.received_us = event.received_us,
		.timestamp_us = event.timestamp_us,
		.event_id = event.event_id,
		.connection_id = event.connection_id,
		.seq = event.seq,
		.recording = i,
		.stream = event.place,
		.timestamp_text = event.timestamp_text,
		.results = event.results,
		.extra = event.extra,
		.has_attachments = event.has_attachments,
	};
	c->current = i;
	c->current_id = event.event_id;
	c->has_current = true;
	/* What follows is not before it: that will do as a bound. */
	p->is_known = event_slice_peek(&p->slice, &next);
	if (p->is_known)
		merge_advance(&c->heap, time_of(c->tape, &next), next.event_id);
}

enum tape_result tape_cursor_next(struct tape_cursor *c, struct tape_event *out, struct err *e)
{
	const struct merge_head *top;

	forget_current(c);
	while (!c->has_failed && (top = merge_top(&c->heap)) != NULL) {
		size_t i = top->source;

		if (c->parts[i].is_known) {
			take(c, i, out);
			return TAPE_EVENT;
		}
		c->has_failed = !look(c, i, &c->failure);
	}
	if (!c->has_failed)
		return TAPE_END;
	*e = c->failure;
	return TAPE_FAILED;
}

struct attaching {
	struct tape_cursor *cursor;
	size_t capacity;
};

static bool attach(void *arg, struct slice data, struct err *e)
{
	struct attaching *a = arg;
	struct tape_cursor *c = a->cursor;
	struct slice *more;
	char *copy;

	if (c->n_attached == a->capacity) {
		a->capacity = a->capacity != 0 ? 2 * a->capacity : 8;
		more = arena_alloc(&c->attachments, a->capacity, sizeof(*more));
		if (more == NULL)
			return no_memory(e);
		if (c->n_attached != 0)
			memcpy(more, c->attached, c->n_attached * sizeof(*more));
		c->attached = more;
	}
	copy = arena_copy(&c->attachments, data);
	if (copy == NULL)
		return no_memory(e);
	c->attached[c->n_attached++] = (struct slice){ copy, data.len };
	return true;
}

bool tape_cursor_attachments(
	struct tape_cursor *c, const struct slice **out, size_t *count, struct err *e)
{
	struct attaching a = { .cursor = c };

	assert(c->has_current);
	arena_release(&c->attachments);
	c->attached = NULL;
	c->n_attached = 0;
	if (!reel_attachments(c->tape->reels[c->current], c->current_id, attach, &a, e))
		return false;
	*out = c->attached;
	*count = c->n_attached;
	return true;
}
