#include "print.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "proto/payload.h"
#include "tape_gaps.h"

#include <stdlib.h>

struct lines {
	struct tape *tape;
	struct tape_cursor *cursor;
	struct out *out;
	const struct tape_stream *streams;
	const struct tape_feed *feeds;
	struct slice *
		names; /* by stream: "feed":..., "path":..., "params":...; ptr NULL: not made yet */
	struct arena arena;
	struct buf scratch;
	struct tape_gaps *gaps; /* NULL: they are not asked for, or all are printed */
	struct tape_gap gap;    /* the next one */
};

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "cannot print: out of memory");
}

/* JSON has no other text than UTF-8; a file may hold anything. */
static bool put_string(struct slice text, struct buf *out)
{
	struct buf mended;
	bool ok;

	if (utf8_valid(text))
		return json_string_encode(text, out);
	buf_init(&mended, SIZE_MAX / 2);
	ok = utf8_mend(text, &mended) && json_string_encode(buf_slice(&mended), out);
	buf_release(&mended);
	return ok;
}

/* The members with which a stream is named, made once. */
static bool name_stream(struct lines *l, size_t i, struct err *e)
{
	const struct tape_stream *s = &l->streams[i];
	struct buf *b = &l->scratch;

	buf_reset(b, SIZE_MAX);
	if (!buf_append_str(b, "\"feed\":") || !put_string(l->feeds[s->feed].name, b) ||
		!buf_append_str(b, ",\"path\":") || !put_string(s->path, b) ||
		!buf_append_str(b, ",\"params\":") || !buf_append_slice(b, s->params))
		return no_memory(e);
	l->names[i] = (struct slice){ arena_copy(&l->arena, buf_slice(b)), b->len };
	return l->names[i].ptr != NULL || no_memory(e);
}

static bool put_name(struct lines *l, size_t i, struct err *e)
{
	if (l->names[i].ptr == NULL && !name_stream(l, i, e))
		return false;
	out_slice(l->out, l->names[i]);
	return true;
}

/* As the feed wrote it. */
static void put_timestamp(struct lines *l, const struct tape_event *event)
{
	char text[TIMESTAMP_TEXT_MAX];

	if (event->timestamp_text.ptr == NULL) {
		timestamp_format(event->timestamp_us, text);
		out_text(l->out, ",\"timestamp\":\"");
		out_text(l->out, text);
		out_char(l->out, '"');
	} else if (event->timestamp_text.len != 0) {
		out_text(l->out, ",\"timestamp\":");
		out_line(l->out, event->timestamp_text);
	}
}

static bool put_attachments(struct lines *l, struct err *e)
{
	const struct slice *data;
	size_t count;

	if (!tape_cursor_attachments(l->cursor, &data, &count, e))
		return false;
	out_text(l->out, ",\"attachments\":[");
	for (size_t i = 0; i < count; i++) {
		buf_reset(&l->scratch, SIZE_MAX);
		if (!payload_base64_encode(data[i], &l->scratch))
			return no_memory(e);
		out_text(l->out, i != 0 ? ",\"" : "\"");
		out_slice(l->out, buf_slice(&l->scratch));
		out_char(l->out, '"');
	}
	out_char(l->out, ']');
	return true;
}

static void put_number(struct lines *l, const char *name, int64_t number)
{
	out_text(l->out, name);
	out_number(l->out, number);
}

static bool put_meta(struct lines *l, const struct tape_event *event, struct err *e)
{
	put_number(l, ",\"received\":", event->received_us);
	put_number(l, ",\"event_id\":", event->event_id);
	put_number(l, ",\"seq\":", event->seq);
	put_number(l, ",\"connection_id\":", event->connection_id);
	if (event->extra.ptr != NULL) {
		out_text(l->out, ",\"extra\":");
		out_line(l->out, event->extra);
	}
	return !event->has_attachments || put_attachments(l, e);
}

static bool put_event(
	struct lines *l, const struct tape_event *event, bool with_meta, struct err *e)
{
	out_char(l->out, '{');
	if (!put_name(l, event->stream, e))
		return false;
	put_timestamp(l, event);
	out_text(l->out, ",\"results\":");
	out_line(l->out, event->results);
	if (with_meta && !put_meta(l, event, e))
		return false;
	out_bytes(l->out, "}\n", 2);
	return true;
}

/* ---- gaps ---- */

/* A text that may be missing. */
static bool put_member(struct lines *l, const char *name, struct slice text, struct err *e)
{
	out_text(l->out, name);
	buf_reset(&l->scratch, SIZE_MAX);
	if (text.ptr == NULL ? !buf_append_str(&l->scratch, "null")
			     : !put_string(text, &l->scratch))
		return no_memory(e);
	out_slice(l->out, buf_slice(&l->scratch));
	return true;
}

static void put_seconds(struct lines *l, int64_t us)
{
	char fraction[8] = { '.' };
	int64_t rest;

	us = us > 0 ? us : 0; /* a gap of less than nothing is nobody's but a forger's */
	rest = us % 1000000;
	for (int i = 6; i > 0; i--, rest /= 10)
		fraction[i] = (char)('0' + rest % 10);
	put_number(l, ",\"seconds\":", us / 1000000);
	out_bytes(l->out, fraction, 7);
}

static bool put_gap(struct lines *l, struct err *e)
{
	const struct tape_gap *gap = &l->gap;

	out_text(l->out, "{\"gap\":{");
	if (!put_name(l, gap->stream, e))
		return false;
	put_number(l, ",\"started\":", gap->started_us);
	if (gap->ended_us != TAPE_NONE)
		put_number(l, ",\"ended\":", gap->ended_us);
	else
		out_text(l->out, ",\"ended\":null");
	put_seconds(l, gap->duration_us);
	if (!put_member(l, ",\"cause\":", gap->cause, e) ||
		!put_member(l, ",\"detail\":", gap->detail, e))
		return false;
	out_text(l->out, "}}\n");
	return true;
}

static bool next_gap(struct lines *l, struct err *e)
{
	enum tape_result result = tape_gaps_next(l->gaps, &l->gap, e);

	if (result != TAPE_EVENT) {
		tape_gaps_close(l->gaps);
		l->gaps = NULL;
	}
	return result != TAPE_FAILED;
}

/* Prints the gaps that have begun by then. */
static bool put_gaps(struct lines *l, int64_t until_us, struct err *e)
{
	while (l->gaps != NULL && l->gap.time_us <= until_us && out_is_ok(l->out))
		if (!put_gap(l, e) || !next_gap(l, e))
			return false;
	return true;
}

static bool put_all(struct lines *l, bool with_meta, struct err *e)
{
	struct tape_event event;
	enum tape_result result;

	while ((result = tape_cursor_next(l->cursor, &event, e)) == TAPE_EVENT)
		if (!put_gaps(l, event.time_us, e) || !put_event(l, &event, with_meta, e) ||
			!out_is_ok(l->out))
			return false;
	return result == TAPE_END && put_gaps(l, INT64_MAX, e);
}

bool print_lines(struct tape *t, bool with_meta, struct out *o, struct err *e)
{
	size_t n_streams;
	size_t n_feeds;
	struct lines l = { .tape = t, .out = o };
	bool ok;

	l.streams = tape_streams(t, &n_streams);
	l.feeds = tape_feeds(t, &n_feeds);
	l.names = calloc(n_streams + 1, sizeof(*l.names));
	buf_init(&l.scratch, SIZE_MAX / 2);
	ok = (l.names != NULL || no_memory(e)) && tape_cursor_new(&l.cursor, t, e) &&
		(!with_meta || (tape_gaps_open(&l.gaps, t, e) && next_gap(&l, e))) &&
		put_all(&l, with_meta, e);
	tape_gaps_close(l.gaps);
	tape_cursor_free(l.cursor);
	free(l.names);
	buf_release(&l.scratch);
	arena_release(&l.arena);
	return ok;
}
