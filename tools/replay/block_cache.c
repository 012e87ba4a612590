#include "block_cache.h"

#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

#define BUCKETS 1024
#define SLOTS_MAX 8192
#define NO_SLOT UINT32_MAX
#define SPARE_MAX 4
#define SPARE_BYTES (8 * BLOCK_BYTES) /* larger ones are not kept */

struct slot {
	struct block block;
	uint64_t serial; /* 0: free */
	uint64_t used;   /* when it was last wanted */
	size_t memory;
	uint32_t next; /* in its bucket, or among the free ones */
};

/* A cursor and where it stands. */
struct reader {
	struct tape_cursor *cursor;
	struct mark at;
	bool is_at; /* else it may stand anywhere */
	uint64_t used;
};

struct block_cache {
	struct tape *tape;
	struct slot *slots;
	uint32_t n_slots; /* that were ever in use */
	uint32_t free;
	uint32_t buckets[BUCKETS]; /* by the mark that a block is behind */
	size_t memory;
	size_t memory_max;
	struct block spare[SPARE_MAX]; /* blocks that went, for those to come */
	size_t n_spare;
	uint64_t serial;
	uint64_t clock; /* counts look-ups */
	struct reader readers[BLOCK_CACHE_CURSORS];
	size_t n_readers;
};

bool block_cache_new(struct block_cache **out, struct tape *tape, struct err *e)
{
	struct block_cache *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->slots = calloc(SLOTS_MAX, sizeof(*c->slots));
	if (c == NULL || c->slots == NULL) {
		free(c);
		return err_set(e, ERR_NOMEM, "cannot play the recordings: out of memory");
	}
	c->tape = tape;
	c->memory_max = BLOCK_CACHE_LEAST;
	c->free = NO_SLOT;
	for (size_t i = 0; i < BUCKETS; i++)
		c->buckets[i] = NO_SLOT;
	*out = c;
	return true;
}

void block_cache_free(struct block_cache *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->n_slots; i++)
		if (c->slots[i].serial != 0)
			block_release(&c->slots[i].block);
	for (size_t i = 0; i < c->n_spare; i++)
		block_release(&c->spare[i]);
	for (size_t i = 0; i < c->n_readers; i++)
		tape_cursor_free(c->readers[i].cursor);
	free(c->slots);
	free(c);
}

void block_cache_set_clients(struct block_cache *c, size_t clients)
{
	size_t room = (BLOCK_CACHE_MOST - BLOCK_CACHE_LEAST) / BLOCK_CACHE_CLIENT;

	c->memory_max = BLOCK_CACHE_LEAST + (clients < room ? clients : room) * BLOCK_CACHE_CLIENT;
}

/* ---- which block ---- */

static uint32_t *bucket_of(struct block_cache *c, const struct mark *behind)
{
	const int64_t key[] = { behind->time_us, (int64_t)behind->recording, behind->event_id };

	return &c->buckets[map_hash(0, (struct slice){ (const char *)key, sizeof(key) }) % BUCKETS];
}

/* The block that begins right behind the mark. */
static uint32_t find_behind(struct block_cache *c, const struct mark *mark)
{
	uint32_t i = *bucket_of(c, mark);

	while (i != NO_SLOT && mark_compare(&c->slots[i].block.behind, mark) != 0)
		i = c->slots[i].next;
	return i;
}

/* A block that has the mark inside; for who comes to a place where nobody was. */
static uint32_t find_around(const struct block_cache *c, const struct mark *mark)
{
	for (uint32_t i = 0; i < c->n_slots; i++) {
		const struct slot *s = &c->slots[i];

		if (s->serial != 0 && mark_compare(&s->block.behind, mark) <= 0 &&
			(mark_compare(mark, &s->block.last) < 0 || s->block.is_end))
			return i;
	}
	return NO_SLOT;
}

/* ---- room ---- */

static void drop(struct block_cache *c, uint32_t i)
{
	struct slot *s = &c->slots[i];
	uint32_t *link = bucket_of(c, &s->block.behind);

	while (*link != i)
		link = &c->slots[*link].next;
	*link = s->next;
	c->memory -= s->memory;
	if (c->n_spare < SPARE_MAX && block_memory(&s->block) <= SPARE_BYTES)
		c->spare[c->n_spare++] = s->block;
	else
		block_release(&s->block);
	s->serial = 0;
	s->next = c->free;
	c->free = i;
}

/* Forgets the least used blocks, but for `keep`. */
static void make_room(struct block_cache *c, uint32_t keep)
{
	while (c->memory > c->memory_max) {
		uint32_t oldest = NO_SLOT;

		for (uint32_t i = 0; i < c->n_slots; i++)
			if (c->slots[i].serial != 0 && i != keep &&
				(oldest == NO_SLOT || c->slots[i].used < c->slots[oldest].used))
				oldest = i;
		if (oldest == NO_SLOT)
			return;
		drop(c, oldest);
	}
}

/* Frames are made after a block was read, so it is weighed again. */
static void weigh(struct block_cache *c, uint32_t i)
{
	struct slot *s = &c->slots[i];

	c->memory -= s->memory;
	s->memory = block_memory(&s->block);
	c->memory += s->memory;
}

static uint32_t take_slot(struct block_cache *c)
{
	uint32_t i = c->free;

	if (i != NO_SLOT) {
		c->free = c->slots[i].next;
		return i;
	}
	/* There are so many only where blocks are tiny: then they go early. */
	if (c->n_slots == SLOTS_MAX) {
		uint32_t oldest = 0;

		for (uint32_t k = 1; k < c->n_slots; k++)
			if (c->slots[k].used < c->slots[oldest].used)
				oldest = k;
		drop(c, oldest);
		return take_slot(c);
	}
	return c->n_slots++;
}

/* ---- reading ---- */

/* Puts a cursor right behind the mark. What is left between is passed over when reading. */
static bool position(struct reader *r, const struct mark *mark, struct err *e)
{
	const struct tape_key key = { mark->recording, mark->event_id };
	bool found = false;

	r->is_at = false;
	if (mark->recording == SIZE_MAX)
		return tape_cursor_seek(r->cursor, mark->time_us + 1, e);
	if (!tape_cursor_seek_behind(r->cursor, &key, &found, e))
		return false;
	return found || tape_cursor_seek(r->cursor, mark->time_us, e);
}

/* A cursor for what is behind the mark: one that stands there, a new one, or the least used. NULL: failed. */
static struct reader *reader_for(struct block_cache *c, const struct mark *mark, struct err *e)
{
	struct reader *r = NULL;

	for (size_t i = 0; i < c->n_readers; i++) {
		struct reader *each = &c->readers[i];

		if (each->is_at && mark_compare(&each->at, mark) == 0)
			return each;
		if (r == NULL || each->used < r->used)
			r = each;
	}
	if (c->n_readers < BLOCK_CACHE_CURSORS) {
		r = &c->readers[c->n_readers];
		if (!tape_cursor_new(&r->cursor, c->tape, e))
			return NULL;
		c->n_readers++;
	}
	return position(r, mark, e) ? r : NULL;
}

static bool add(struct block *b, struct reader *r, const struct tape_event *event, struct err *e)
{
	const struct slice *attachments = NULL;
	size_t count = 0;

	if (event->has_attachments && !tape_cursor_attachments(r->cursor, &attachments, &count, e))
		return false;
	return block_add(b, event, attachments, count, e);
}

static bool read_block(struct block *b, struct reader *r, struct err *e)
{
	while (!block_is_full(b)) {
		struct tape_event event;
		struct mark m;

		switch (tape_cursor_next(r->cursor, &event, e)) {
		case TAPE_END:
			b->is_end = true;
			return true;
		case TAPE_FAILED:
			return false;
		case TAPE_EVENT:
			m = (struct mark){ 0, event.time_us, event.recording, event.event_id };
			if (mark_compare(&m, &b->behind) > 0 && !add(b, r, &event, e))
				return false;
		}
	}
	return true;
}

/* Reads the block behind the mark; NO_SLOT: failed. */
static uint32_t load(struct block_cache *c, const struct mark *mark, struct err *e)
{
	struct reader *r = reader_for(c, mark, e);
	struct block b;
	uint32_t i;
	uint32_t *bucket;

	if (r == NULL)
		return NO_SLOT;
	r->used = c->clock;
	r->is_at = false;
	if (c->n_spare != 0) {
		b = c->spare[--c->n_spare];
		block_reuse(&b, mark);
	} else {
		block_init(&b, mark);
	}
	if (!read_block(&b, r, e)) {
		block_release(&b);
		return NO_SLOT;
	}
	r->at = b.last;
	r->is_at = !b.is_end;
	i = take_slot(c);
	bucket = bucket_of(c, mark);
	c->slots[i] = (struct slot){ .block = b, .serial = ++c->serial, .next = *bucket };
	*bucket = i;
	return i;
}

/* ---- the way in ---- */

/* True if the place is still good: its block is there. */
static bool is_there(const struct block_cache *c, const struct block_place *p)
{
	return p->serial != 0 && c->slots[p->slot].serial == p->serial;
}

static void enter(struct block_cache *c, uint32_t i, const struct mark *mark, struct block_place *p)
{
	*p = (struct block_place){ .serial = c->slots[i].serial,
		.slot = i,
		.index = block_first_behind(&c->slots[i].block, mark) };
}

enum tape_result block_cache_find(struct block_cache *c, const struct mark *mark,
	struct block_place *place, struct block **out, struct err *e)
{
	struct mark wanted = *mark;
	bool was_there = is_there(c, place);
	uint32_t i = place->slot;
	struct block *b;

	wanted.lap = 0;
	c->clock++;
	if (!was_there || (place->index == c->slots[i].block.count && !c->slots[i].block.is_end)) {
		i = find_behind(c, &wanted);
		if (i == NO_SLOT && !was_there)
			i = find_around(c, &wanted);
		if (i == NO_SLOT)
			i = load(c, &wanted, e);
		if (i == NO_SLOT)
			return TAPE_FAILED;
		enter(c, i, &wanted, place);
	}
	c->slots[i].used = c->clock;
	weigh(c, i);
	make_room(c, i);
	b = &c->slots[i].block;
	*out = b;
	if (place->index < b->count)
		return TAPE_EVENT;
	assert(b->is_end);
	return TAPE_END;
}
