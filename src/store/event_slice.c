#include "store/event_slice.h"

#include <stdalign.h>

#define ALIGNED(len) \
	(((len) + alignof(struct stored_event) - 1) & ~(alignof(struct stored_event) - 1))

void event_slice_init(struct event_slice *s)
{
	*s = (struct event_slice){ 0 };
	buf_init(&s->bytes, SIZE_MAX / 2);
}

void event_slice_release(struct event_slice *s)
{
	buf_release(&s->bytes);
	s->at = 0;
}

void event_slice_reset(struct event_slice *s, size_t keep)
{
	buf_reset(&s->bytes, keep);
	s->at = 0;
}

static size_t packed_size(const struct stored_event *event)
{
	return ALIGNED(
		sizeof(*event) + event->timestamp_text.len + event->results.len + event->extra.len);
}

static char *put(char *to, struct slice text)
{
	if (text.len != 0)
		memcpy(to, text.ptr, text.len);
	return to + text.len;
}

bool event_slice_add(struct event_slice *s, const struct stored_event *event)
{
	size_t size = packed_size(event);
	char *to;

	if (!buf_reserve(&s->bytes, size))
		return false;
	to = s->bytes.data + s->bytes.len;
	memcpy(to, event, sizeof(*event));
	to = put(to + sizeof(*event), event->timestamp_text);
	to = put(to, event->results);
	(void)put(to, event->extra);
	s->bytes.len += size;
	return true;
}

/* A text keeps being absent; else it is where it was packed. */
static const char *settle(struct slice *text, const char *at)
{
	if (text->ptr != NULL)
		text->ptr = at;
	return at + text->len;
}

bool event_slice_peek(const struct event_slice *s, struct stored_event *out)
{
	const char *at;

	if (s->at == s->bytes.len)
		return false;
	at = s->bytes.data + s->at;
	memcpy(out, at, sizeof(*out));
	at = settle(&out->timestamp_text, at + sizeof(*out));
	at = settle(&out->results, at);
	(void)settle(&out->extra, at);
	return true;
}

bool event_slice_next(struct event_slice *s, struct stored_event *out)
{
	if (!event_slice_peek(s, out))
		return false;
	s->at += packed_size(out);
	return true;
}
