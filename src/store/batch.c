#include "store/batch.h"

#include <assert.h>
#include <stdlib.h>

/* Large enough that a record header is nothing, small enough that an idle daemon stays small. Longer
 * records get a chunk of their own. */
#define CHUNK_SIZE ((size_t)256 * 1024)
#define CHUNK_SIZE_FIRST ((size_t)16 * 1024)
#define ABSENT UINT32_MAX

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	_Alignas(8) char bytes[];
};

/* A record in memory: this, then the texts one after another. */
struct header {
	uint32_t size; /* in all, a multiple of 8 */
	uint32_t kind;
	int64_t number[BATCH_NUMBERS];
	uint32_t len[BATCH_TEXTS];
};

struct batch {
	struct chunk *first;
	struct chunk *last;
	size_t bytes;
	size_t events;
};

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	while (b->first != NULL) {
		struct chunk *c = b->first;

		b->first = c->next;
		free(c);
	}
	free(b);
}

static bool add_chunk(struct batch *b, size_t at_least)
{
	size_t size = b->first == NULL ? CHUNK_SIZE_FIRST : CHUNK_SIZE;
	struct chunk *c;

	if (size < at_least)
		size = at_least;
	c = malloc(sizeof(*c) + size);
	if (c == NULL)
		return false;
	c->next = NULL;
	c->used = 0;
	c->size = size;
	if (b->last != NULL)
		b->last->next = c;
	else
		b->first = c;
	b->last = c;
	b->bytes += sizeof(*c) + size;
	return true;
}

static bool add(struct batch *b, const struct batch_record *r)
{
	size_t size = sizeof(struct header);
	struct header *h;
	char *at;

	for (int i = 0; i < BATCH_TEXTS; i++)
		size += r->text[i].len;
	size = (size + 7) & ~(size_t)7;
	if (size > UINT32_MAX)
		return false;
	if ((b->last == NULL || b->last->size - b->last->used < size) && !add_chunk(b, size))
		return false;
	h = (struct header *)(void *)(b->last->bytes + b->last->used);
	h->size = (uint32_t)size;
	h->kind = r->kind;
	memcpy(h->number, r->number, sizeof(h->number));
	at = (char *)(h + 1);
	for (int i = 0; i < BATCH_TEXTS; i++) {
		h->len[i] = r->text[i].ptr == NULL ? ABSENT : (uint32_t)r->text[i].len;
		if (r->text[i].len != 0)
			memcpy(at, r->text[i].ptr, r->text[i].len);
		at += r->text[i].len;
	}
	b->last->used += size;
	if (r->kind == BATCH_EVENT)
		b->events++;
	return true;
}

bool batch_add_event(struct batch *b, const struct batch_event *e)
{
	struct batch_record r = {
		.kind = BATCH_EVENT,
		.number = { [BATCH_EVENT_FEED] = e->feed_id,
			[BATCH_EVENT_CONNECTION] = e->connection_id,
			[BATCH_EVENT_TIMESTAMP] = e->timestamp_us,
			[BATCH_EVENT_RECEIVED] = e->received_us,
			[BATCH_EVENT_SINCE] = e->since_us },
		.text = { [BATCH_EVENT_PATH] = e->path,
			[BATCH_EVENT_PARAMS] = e->params,
			[BATCH_EVENT_TIMESTAMP_TEXT] = e->timestamp_text,
			[BATCH_EVENT_RESULTS] = e->results,
			[BATCH_EVENT_EXTRA] = e->extra },
	};

	return add(b, &r);
}

bool batch_add_attachment(struct batch *b, int64_t number, struct slice data)
{
	return add(b,
		&(struct batch_record){
			.kind = BATCH_ATTACHMENT, .number = { number }, .text = { data } });
}

bool batch_add_rejected(struct batch *b, int64_t connection_id, int64_t received_us,
	const char *reason, struct slice bytes)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_REJECTED,
			.number = { connection_id, received_us },
			.text = { slice_of(reason), bytes } });
}

bool batch_add_opened(
	struct batch *b, int64_t connection_id, int64_t feed_id, int64_t at_us, struct slice pid)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_OPENED,
			.number = { connection_id, feed_id, at_us },
			.text = { pid } });
}

bool batch_add_established(struct batch *b, int64_t connection_id, int64_t at_us,
	const struct batch_established *established)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_ESTABLISHED,
			.number = { connection_id, at_us, established->recovered },
			.text = { slice_of(established->protocol), slice_of(established->transport),
				established->sid, established->pid } });
}

bool batch_add_upgraded(struct batch *b, int64_t connection_id, const char *transport)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_UPGRADED,
			.number = { connection_id },
			.text = { slice_of(transport) } });
}

bool batch_add_alive(struct batch *b, int64_t connection_id, int64_t last_received_us)
{
	return add(b,
		&(struct batch_record){
			.kind = BATCH_ALIVE, .number = { connection_id, last_received_us } });
}

bool batch_add_closed(struct batch *b, int64_t connection_id, int64_t at_us,
	int64_t last_received_us, const char *reason, const char *detail)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_CLOSED,
			.number = { connection_id, at_us, last_received_us },
			.text = { slice_of(reason), slice_of(detail) } });
}

bool batch_add_clock_step(struct batch *b, int64_t at_us, int64_t by_us)
{
	return add(
		b, &(struct batch_record){ .kind = BATCH_CLOCK_STEP, .number = { at_us, by_us } });
}

bool batch_add_offset(struct batch *b, int64_t connection_id, struct slice offset)
{
	return add(b,
		&(struct batch_record){
			.kind = BATCH_OFFSET, .number = { connection_id }, .text = { offset } });
}

bool batch_add_feed(struct batch *b, int64_t feed_id, const struct store_feed *feed)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_FEED,
			.number = { feed_id },
			.text = { slice_of(feed->name), slice_of(feed->url),
				slice_of(feed->name_space), slice_of(feed->io_path),
				slice_of(feed->dialect) } });
}

bool batch_add_wanted(struct batch *b, const struct batch_stream *s, int64_t at_us)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_WANTED,
			.number = { s->feed_id, at_us },
			.text = { s->path, s->params } });
}

bool batch_add_unwanted(struct batch *b, const struct batch_stream *s, int64_t at_us)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_UNWANTED,
			.number = { s->feed_id, at_us },
			.text = { s->path, s->params } });
}

bool batch_add_covered(
	struct batch *b, const struct batch_stream *s, int64_t started_us, int64_t ended_us)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_COVERED,
			.number = { s->feed_id, started_us, ended_us },
			.text = { s->path, s->params } });
}

static struct slice slice_or_absent(const char *text)
{
	return text != NULL ? slice_of(text) : (struct slice){ 0 };
}

bool batch_add_outage(struct batch *b, const struct batch_outage *outage)
{
	return add(b,
		&(struct batch_record){ .kind = BATCH_OUTAGE,
			.number = { outage->feed_id, outage->at_us },
			.text = { outage->path, outage->params, slice_or_absent(outage->cause),
				slice_or_absent(outage->detail) } });
}

size_t batch_bytes(const struct batch *b)
{
	return b->bytes;
}

size_t batch_events(const struct batch *b)
{
	return b->events;
}

bool batch_is_empty(const struct batch *b)
{
	return b->first == NULL;
}

bool batch_next(const struct batch *b, struct batch_cursor *cursor, struct batch_record *out)
{
	const struct chunk *c = cursor->chunk != NULL ? cursor->chunk : b->first;
	const struct header *h;
	const char *at;

	if (c != NULL && cursor->at == c->used) {
		c = c->next;
		cursor->at = 0;
	}
	if (c == NULL)
		return false;
	cursor->chunk = c;
	h = (const struct header *)(const void *)(c->bytes + cursor->at);
	assert(h->size <= c->used - cursor->at);
	cursor->at += h->size;
	out->kind = (enum batch_kind)h->kind;
	memcpy(out->number, h->number, sizeof(out->number));
	at = (const char *)(h + 1);
	for (int i = 0; i < BATCH_TEXTS; i++) {
		out->text[i] = (struct slice){ 0 };
		if (h->len[i] == ABSENT)
			continue;
		out->text[i] = (struct slice){ at, h->len[i] };
		at += h->len[i];
	}
	return true;
}
