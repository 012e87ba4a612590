#include "info_print.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <inttypes.h>

struct writer {
	FILE *out;
	struct buf text;    /* one value at a time */
	struct buf mended;  /* the same, with what is no UTF-8 replaced */
	const char *indent; /* of members */
	bool is_first;      /* no comma before the next member */
	bool failed;        /* out of memory: what was printed is incomplete */
};

/* JSON has no other text than UTF-8; a file, its name included, may hold anything. */
static void put_text(struct writer *w, struct slice text)
{
	buf_reset(&w->text, SIZE_MAX);
	buf_reset(&w->mended, SIZE_MAX);
	if (!utf8_valid(text)) {
		w->failed = w->failed || !utf8_mend(text, &w->mended);
		text = buf_slice(&w->mended);
	}
	if (json_string_encode(text, &w->text))
		(void)fwrite(w->text.data, 1, w->text.len, w->out);
	else
		w->failed = true;
}

static void put_name(struct writer *w, const char *name)
{
	(void)fprintf(w->out, "%s%s\"%s\": ", w->is_first ? "" : ",",
		w->is_first && w->indent[0] == ' ' ? "" : w->indent, name);
	w->is_first = false;
}

static void put_text_member(struct writer *w, const char *name, struct slice text)
{
	put_name(w, name);
	if (text.ptr == NULL)
		(void)fputs("null", w->out);
	else
		put_text(w, text);
}

static void put_number_member(struct writer *w, const char *name, int64_t number)
{
	put_name(w, name);
	if (number == SUMMARY_NONE)
		(void)fputs("null", w->out);
	else
		(void)fprintf(w->out, "%" PRId64, number);
}

static void put_bool_member(struct writer *w, const char *name, bool value)
{
	put_name(w, name);
	(void)fputs(value ? "true" : "false", w->out);
}

static void put_time_member(struct writer *w, const char *name, int64_t us)
{
	char text[TIMESTAMP_TEXT_MAX];

	put_name(w, name);
	if (us == SUMMARY_NONE) {
		(void)fputs("null", w->out);
		return;
	}
	timestamp_format(us, text);
	(void)fprintf(w->out, "\"%s\"", text);
}

static void put_seconds_member(struct writer *w, const char *name, int64_t us)
{
	put_name(w, name);
	(void)fprintf(w->out, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

static void put_feed(struct writer *w, const struct summary_feed *feed)
{
	put_text_member(w, "name", feed->name);
	put_text_member(w, "url", feed->url);
	put_text_member(w, "protocol", feed->protocol);
}

static void put_open_gap(struct writer *w, const struct summary_open_gap *gap)
{
	put_name(w, "open_gap");
	if (gap->cause.ptr == NULL) {
		(void)fputs("null", w->out);
		return;
	}
	(void)fputc('{', w->out);
	w->is_first = true;
	put_text_member(w, "cause", gap->cause);
	put_text_member(w, "detail", gap->detail);
	put_time_member(w, "started", gap->started_us);
	(void)fputc('}', w->out);
}

static void put_stream(
	struct writer *w, const struct summary *s, const struct summary_stream *stream)
{
	double covered = info_covered(stream);

	put_text_member(w, "feed", s->feeds[stream->feed].name);
	put_text_member(w, "path", stream->path);
	put_text_member(w, "params", stream->params);
	put_number_member(w, "events", stream->events);
	put_time_member(w, "first", stream->first_us);
	put_time_member(w, "last", stream->last_us);
	put_time_member(w, "last_received", stream->last_received_us);
	put_number_member(w, "clock_offset_us", stream->clock_offset_us);
	put_bool_member(w, "wanted", stream->is_wanted);
	put_seconds_member(w, "wanted_seconds", stream->wanted_us);
	put_number_member(w, "gaps", stream->gaps);
	put_seconds_member(w, "gap_seconds", stream->gap_us);
	put_name(w, "covered");
	(void)fprintf(w->out, covered < 0 ? "null" : "%.6f", covered);
	put_open_gap(w, &stream->open_gap);
}

/* Begins an object of a list, on a line of its own. */
static void begin_line(struct writer *w, size_t number)
{
	(void)fprintf(w->out, "%s\n        {", number == 0 ? "" : ",");
	w->is_first = true;
}

static void put_lists(struct writer *w, const struct summary *s)
{
	put_name(w, "feeds");
	(void)fputc('[', w->out);
	w->indent = " ";
	for (size_t i = 0; i < s->n_feeds; i++) {
		begin_line(w, i);
		put_feed(w, &s->feeds[i]);
		(void)fputc('}', w->out);
	}
	(void)fputc(']', w->out);
	w->is_first = false;
	w->indent = "\n      ";
	put_name(w, "streams");
	(void)fputc('[', w->out);
	w->indent = " ";
	for (size_t i = 0; i < s->n_streams; i++) {
		begin_line(w, i);
		put_stream(w, s, &s->streams[i]);
		(void)fputc('}', w->out);
	}
	(void)fputc(']', w->out);
}

/* `path` NULL: a total. */
static bool put_summary(FILE *out, const char *path, const struct summary *s)
{
	struct writer w = { .out = out, .indent = "\n      ", .is_first = true };

	buf_init(&w.text, SIZE_MAX / 2);
	buf_init(&w.mended, SIZE_MAX / 2);
	(void)fputc('{', out);
	if (path != NULL)
		put_text_member(&w, "path", slice_of(path));
	put_number_member(&w, "bytes", (int64_t)s->bytes);
	put_number_member(&w, "wal_bytes", (int64_t)s->wal_bytes);
	if (path != NULL)
		put_number_member(&w, "schema_version", s->schema_version);
	put_bool_member(&w, "recording", s->is_recording);
	put_time_member(&w, "last_alive", s->last_alive_us);
	put_time_member(&w, "first", s->first_us);
	put_time_member(&w, "last", s->last_us);
	put_time_member(&w, "first_received", s->first_received_us);
	put_time_member(&w, "last_received", s->last_received_us);
	put_number_member(&w, "events", s->events);
	put_number_member(&w, "rejected", s->rejected);
	put_number_member(&w, "connections", s->connections);
	put_lists(&w, s);
	(void)fputs("\n    }", out);
	buf_release(&w.text);
	buf_release(&w.mended);
	return !w.failed;
}

void info_json_begin(FILE *out)
{
	(void)fputs("{ \"recordings\": [", out);
}

bool info_json_recording(FILE *out, const char *path, const struct summary *s, size_t number)
{
	(void)fputs(number == 0 ? "\n    " : ",\n    ", out);
	return put_summary(out, path, s);
}

bool info_json_total(FILE *out, const struct summary *s)
{
	(void)fputs(" ],\n  \"total\":\n    ", out);
	return put_summary(out, NULL, s);
}

void info_json_end(FILE *out, bool has_total)
{
	(void)fputs(has_total ? " }\n" : " ] }\n", out);
}
