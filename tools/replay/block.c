#include "block.h"

#include "base/timestamp.h"
#include "proto/ws.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS_FIRST 64
#define FRAME_EXTRA 128 /* bytes of a frame beside what differs from event to event, about */
#define NUMBERS 3       /* in an offset */

void block_init(struct block *b, const struct mark *behind)
{
	*b = (struct block){ .behind = *behind, .last = *behind };
	b->behind.lap = 0;
	b->last.lap = 0;
	buf_init(&b->bytes, UINT32_MAX - 1);
	for (int i = 0; i < BLOCK_FRAMES; i++)
		buf_init(&b->frames[i].bytes, SIZE_MAX / 2);
}

void block_reuse(struct block *b, const struct mark *behind)
{
	b->behind = *behind;
	b->behind.lap = 0;
	b->last = b->behind;
	b->is_end = false;
	b->count = 0;
	b->n_attachments = 0;
	b->bytes.len = 0;
	for (int i = 0; i < BLOCK_FRAMES; i++) {
		b->frames[i].bytes.len = 0;
		b->frames[i].are_made = false;
	}
}

void block_release(struct block *b)
{
	for (int i = 0; i < BLOCK_FRAMES; i++) {
		buf_release(&b->frames[i].bytes);
		free(b->frames[i].ends);
	}
	buf_release(&b->bytes);
	free(b->events);
	free(b->attachments);
	*b = (struct block){ .count = 0 };
}

/* ---- adding ---- */

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot read events: out of memory");
}

/* Makes room for `count` items of `size` bytes. */
static bool make_room(void **items, size_t *capacity, size_t count, size_t size)
{
	size_t wanted = *capacity != 0 ? *capacity : ITEMS_FIRST;
	void *more;

	if (count <= *capacity)
		return true;
	while (wanted < count)
		wanted *= 2;
	more = realloc(*items, wanted * size);
	if (more == NULL)
		return false;
	*items = more;
	*capacity = wanted;
	return true;
}

static bool add_bytes(struct block *b, struct slice bytes, struct block_span *out)
{
	*out = (struct block_span){ BLOCK_NO_SPAN, 0 };
	if (bytes.ptr == NULL)
		return true;
	*out = (struct block_span){ (uint32_t)b->bytes.len, (uint32_t)bytes.len };
	return buf_append_slice(&b->bytes, bytes);
}

/* The token as the feed wrote it: in most cases the canonical text says it all. */
static bool add_timestamp(struct block *b, const struct tape_event *event, struct block_span *out)
{
	char text[TIMESTAMP_TEXT_MAX];

	if (event->timestamp_text.ptr != NULL) {
		bool is_absent = event->timestamp_text.len == 0;

		return add_bytes(
			b, is_absent ? (struct slice){ NULL, 0 } : event->timestamp_text, out);
	}
	timestamp_format(event->timestamp_us, text);
	out->at = (uint32_t)b->bytes.len;
	if (!buf_append_char(&b->bytes, '"') || !buf_append_str(&b->bytes, text) ||
		!buf_append_char(&b->bytes, '"'))
		return false;
	out->len = (uint32_t)b->bytes.len - out->at;
	return true;
}

/* What is never absent: an empty text has bytes, too, though none. */
static struct slice there(struct slice bytes)
{
	return bytes.ptr != NULL ? bytes : (struct slice){ "", 0 };
}

static bool add_attachments(struct block *b, const struct slice *attachments, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *items = b->attachments;

		if (!make_room(&items, &b->attachment_capacity, b->n_attachments + 1,
			    sizeof(*b->attachments)))
			return false;
		b->attachments = items;
		if (!add_bytes(b, there(attachments[i]), &b->attachments[b->n_attachments]))
			return false;
		b->n_attachments++;
	}
	return true;
}

bool block_add(struct block *b, const struct tape_event *event, const struct slice *attachments,
	size_t count, struct err *e)
{
	size_t bytes_before = b->bytes.len;
	size_t attachments_before = b->n_attachments;
	void *items = b->events;
	struct block_event *new;

	if (b->bytes.cap == 0 && !buf_reserve(&b->bytes, BLOCK_BYTES + BLOCK_BYTES / 4))
		return no_memory(e);
	if (!make_room(&items, &b->capacity, b->count + 1, sizeof(*b->events)))
		return no_memory(e);
	b->events = items;
	new = &b->events[b->count];
	*new = (struct block_event){ .time_us = event->time_us,
		.event_id = event->event_id,
		.timestamp_us = event->timestamp_us,
		.recording = (uint32_t)event->recording,
		.stream = (uint32_t)event->stream,
		.attachment = (uint32_t)b->n_attachments,
		.n_attachments = (uint32_t)count };
	if (!add_timestamp(b, event, &new->timestamp) ||
		!add_bytes(b, there(event->results), &new->results) ||
		!add_bytes(b, event->extra, &new->extra) ||
		!add_attachments(b, attachments, count)) {
		b->bytes.len = bytes_before;
		b->n_attachments = attachments_before;
		return no_memory(e);
	}
	b->last = block_mark(new, 0);
	b->count++;
	return true;
}

/* ---- looking ---- */

size_t block_first_behind(const struct block *b, const struct mark *mark)
{
	struct mark wanted = *mark;
	size_t low = 0;
	size_t high = b->count;

	wanted.lap = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct mark m = block_mark(&b->events[middle], 0);

		if (mark_compare(&m, &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct slice bytes_of(const struct block *b, struct block_span span)
{
	if (span.at == BLOCK_NO_SPAN)
		return (struct slice){ NULL, 0 };
	/* Nothing was ever added where `data` is NULL: an empty text still is one. */
	return (struct slice){ b->bytes.data != NULL ? b->bytes.data + span.at : "", span.len };
}

struct compose_event block_parts(const struct block *b, const struct block_event *event)
{
	return (struct compose_event){ .timestamp = bytes_of(b, event->timestamp),
		.results = bytes_of(b, event->results),
		.extra = bytes_of(b, event->extra) };
}

struct slice block_attachment(const struct block *b, const struct block_event *event, size_t n)
{
	return bytes_of(b, b->attachments[event->attachment + n]);
}

/* ---- frames ---- */

/* The last argument and the end of the packet. */
static size_t make_tail(const struct block_event *event, enum block_frames_kind kind,
	char out[BLOCK_OFFSET_MAX + 2])
{
	struct mark mark = block_mark(event, 0);
	size_t len = 0;

	if (kind == BLOCK_OFFSETS) {
		out[len++] = ',';
		len += block_offset(&mark, out + len);
	}
	out[len++] = ']';
	return len;
}

static bool append_plain_frame(const struct venue_stream *s, const struct compose_event *parts,
	struct slice tail, struct buf *out)
{
	size_t args = compose_plain_size(&s->text, parts);
	char *at;

	if (!buf_reserve(out, WS_HEAD_MAX + s->packet.len + args + tail.len))
		return false;
	at = ws_encode_head(out->data + out->len, WS_OP_TEXT, s->packet.len + args + tail.len);
	memcpy(at, s->packet.ptr, s->packet.len);
	at = compose_plain(&s->text, parts, at + s->packet.len);
	memcpy(at, tail.ptr, tail.len);
	out->len = (size_t)(at + tail.len - out->data);
	return true;
}

/* With members beside the dialect's places the length is known when the text is made. */
static bool append_other_frame(const struct venue_stream *s, const struct compose_event *parts,
	struct slice tail, struct buf *out)
{
	struct buf packet;
	bool ok;

	buf_init(&packet, SIZE_MAX / 2);
	ok = buf_append_slice(&packet, s->packet) &&
		compose_arguments(&s->venue->compose, &s->text, parts, &packet) &&
		buf_append_slice(&packet, tail) &&
		ws_encode(out, WS_SERVER, WS_OP_TEXT, buf_slice(&packet));
	buf_release(&packet);
	return ok;
}

static bool append_frame(struct block *b, const struct venues *v, const struct block_event *event,
	enum block_frames_kind kind, struct buf *out)
{
	const struct venue_stream *s = &v->streams[event->stream];
	struct compose_event parts = block_parts(b, event);
	char tail[BLOCK_OFFSET_MAX + 2];
	struct slice end = { tail, make_tail(event, kind, tail) };

	if (event->n_attachments != 0)
		return true;
	if (compose_is_plain(&s->text, &parts))
		return append_plain_frame(s, &parts, end, out);
	return append_other_frame(s, &parts, end, out);
}

bool block_make_frames(struct block *b, const struct venues *v, enum block_frames_kind kind)
{
	struct block_frames *f = &b->frames[kind];
	void *items = f->ends;

	if (f->are_made || b->count == 0)
		return true;
	if (!make_room(&items, &f->capacity, b->count, sizeof(*f->ends)))
		return false;
	f->ends = items;
	if (!buf_reserve(&f->bytes, b->bytes.len + b->count * FRAME_EXTRA))
		return false;
	for (size_t i = 0; i < b->count; i++) {
		if (!append_frame(b, v, &b->events[i], kind, &f->bytes)) {
			f->bytes.len = 0;
			return false;
		}
		f->ends[i] = f->bytes.len;
	}
	f->are_made = true;
	return true;
}

struct slice block_frames_of(
	const struct block *b, enum block_frames_kind kind, size_t from, size_t to)
{
	const struct block_frames *f = &b->frames[kind];
	size_t begin = from != 0 ? f->ends[from - 1] : 0;

	return (struct slice){ f->bytes.data + begin, f->ends[to - 1] - begin };
}

size_t block_memory(const struct block *b)
{
	size_t size = sizeof(*b) + b->bytes.cap + b->capacity * sizeof(*b->events) +
		b->attachment_capacity * sizeof(*b->attachments);

	for (int i = 0; i < BLOCK_FRAMES; i++)
		size += b->frames[i].bytes.cap + b->frames[i].capacity * sizeof(size_t);
	return size;
}

/* ---- offsets ---- */

size_t block_offset(const struct mark *mark, char out[BLOCK_OFFSET_MAX])
{
	return (size_t)snprintf(out, BLOCK_OFFSET_MAX, "\"%zx.%" PRIx64 ".%" PRIx64 "\"",
		mark->recording, (uint64_t)mark->event_id, (uint64_t)mark->time_us);
}

static bool read_hex(struct slice *rest, uint64_t *out)
{
	size_t i = 0;

	*out = 0;
	for (; i < rest->len && i < 16; i++) {
		char c = rest->ptr[i];

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	*rest = (struct slice){ rest->ptr + i, rest->len - i };
	return i != 0;
}

bool block_offset_read(struct slice text, struct mark *out)
{
	uint64_t numbers[NUMBERS];

	for (size_t i = 0; i < NUMBERS; i++) {
		if (i != 0) {
			if (text.len == 0 || *text.ptr != '.')
				return false;
			text = (struct slice){ text.ptr + 1, text.len - 1 };
		}
		if (!read_hex(&text, &numbers[i]))
			return false;
	}
	*out = (struct mark){ 0, (int64_t)numbers[2], (size_t)numbers[0], (int64_t)numbers[1] };
	return text.len == 0;
}
