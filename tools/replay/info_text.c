#include "info_print.h"

#include "base/timestamp.h"
#include "base/units.h"
#include "table.h"

#include <inttypes.h>
#include <math.h>

#define SPAN_TEXT_MAX 48
#define SIZE_TEXT_MAX 32

double info_covered(const struct summary_stream *stream)
{
	double covered;

	if (stream->wanted_us <= 0)
		return -1;
	if (stream->gap_us <= 0)
		return 1;
	covered = 1 - (double)stream->gap_us / (double)stream->wanted_us;
	covered = floor(covered * 1e6) / 1e6;
	return covered < 0 ? 0 : covered < 1 ? covered : 0.999999;
}

/* An instant to the millisecond or finer; "-" for none. */
static const char *time_text(char out[TIMESTAMP_TEXT_MAX], int64_t us)
{
	if (us == SUMMARY_NONE)
		return "-";
	timestamp_format(us, out);
	return out;
}

/* The second in which an instant lies: what a table has room for. */
static const char *second_text(char out[TIMESTAMP_TEXT_MAX], int64_t us)
{
	char *fraction;

	if (us == SUMMARY_NONE)
		return "-";
	timestamp_format(us, out);
	fraction = strchr(out, '.');
	if (fraction != NULL)
		memcpy(fraction, "Z", 2);
	return out;
}

/* How long, in the two units that matter; what is finer is cut. */
static const char *span_text(char out[SPAN_TEXT_MAX], int64_t us)
{
	const char *sign = us < 0 ? "-" : "";

	if (us == SUMMARY_NONE)
		return "-";
	us = us < 0 ? -us : us;
	if (us != 0 && us < UNITS_MS)
		(void)snprintf(out, SPAN_TEXT_MAX, "%s<1ms", sign);
	else if (us < UNITS_S)
		(void)snprintf(out, SPAN_TEXT_MAX, "%s%" PRId64 "ms", sign, us / UNITS_MS);
	else if (us < UNITS_M)
		(void)snprintf(out, SPAN_TEXT_MAX, "%s%" PRId64 ".%" PRId64 "s", sign, us / UNITS_S,
			us % UNITS_S / (UNITS_S / 10));
	else if (us < UNITS_H)
		(void)snprintf(out, SPAN_TEXT_MAX, "%s%" PRId64 "m%02" PRId64 "s", sign,
			us / UNITS_M, us % UNITS_M / UNITS_S);
	else if (us < UNITS_D)
		(void)snprintf(out, SPAN_TEXT_MAX, "%s%" PRId64 "h%02" PRId64 "m", sign,
			us / UNITS_H, us % UNITS_H / UNITS_M);
	else
		(void)snprintf(out, SPAN_TEXT_MAX, "%s%" PRId64 "d%02" PRId64 "h", sign,
			us / UNITS_D, us % UNITS_D / UNITS_H);
	return out;
}

static const char *size_text(char out[SIZE_TEXT_MAX], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double size = (double)bytes / 1024;
	size_t i = 0;

	for (; size >= 1024 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		size /= 1024;
	if (bytes < 1024)
		(void)snprintf(out, SIZE_TEXT_MAX, "%" PRIu64 " B", bytes);
	else
		(void)snprintf(out, SIZE_TEXT_MAX, "%.1f %s", size, units[i]);
	return out;
}

/* A count and its noun. */
static void put_count(FILE *out, const char *before, int64_t count, const char *noun)
{
	(void)fprintf(out, "%s%" PRId64 " %s%s", before, count, noun, count == 1 ? "" : "s");
}

static void put_range(FILE *out, const char *label, int64_t first_us, int64_t last_us)
{
	char first[TIMESTAMP_TEXT_MAX];
	char last[TIMESTAMP_TEXT_MAX];

	if (first_us != SUMMARY_NONE)
		(void)fprintf(out, "  %-11s %s to %s\n", label, time_text(first, first_us),
			time_text(last, last_us));
}

static void put_state(FILE *out, const struct summary *s)
{
	char time[TIMESTAMP_TEXT_MAX];

	(void)fputs("  state       ", out);
	if (s->is_recording)
		(void)fputs("recording now\n", out);
	else if (s->last_alive_us == SUMMARY_NONE)
		(void)fputs("no daemon has recorded in it\n", out);
	else
		(void)fprintf(out, "not recording since %s\n", time_text(time, s->last_alive_us));
}

/* What holds for the whole file. */
static void put_whole(FILE *out, const struct summary *s)
{
	char size[SIZE_TEXT_MAX];
	char wal[SIZE_TEXT_MAX];

	(void)fprintf(out, "  size        %s", size_text(size, s->bytes));
	if (s->wal_bytes != 0)
		(void)fprintf(out, ", %s of it in -wal", size_text(wal, s->wal_bytes));
	(void)fputc('\n', out);
	if (s->schema_version != 0)
		(void)fprintf(out, "  schema      %" PRId64 "\n", s->schema_version);
	put_state(out, s);
	put_count(out, "  holds       ", s->events, "event");
	put_count(out, " of ", (int64_t)s->n_streams, "stream");
	put_count(out, " in ", (int64_t)s->n_feeds, "feed");
	(void)fprintf(out, ", %" PRId64 " rejected", s->rejected);
	put_count(out, ", ", s->connections, "connection");
	(void)fputc('\n', out);
	put_range(out, "timestamps", s->first_us, s->last_us);
	put_range(out, "received", s->first_received_us, s->last_received_us);
}

static bool put_feeds(FILE *out, const struct summary *s)
{
	static const struct table_column columns[] = {
		{ "feed", false },
		{ "protocol", false },
		{ "url", false },
	};
	struct table t;
	bool ok;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < s->n_feeds; i++) {
		const struct summary_feed *feed = &s->feeds[i];

		table_cell(&t, feed->name);
		table_cell(&t, feed->protocol.ptr != NULL ? feed->protocol : slice_of("-"));
		table_cell(&t, feed->url);
	}
	ok = table_print(&t, out);
	table_release(&t);
	return ok;
}

/* The cells about what is missing. */
static void add_gaps(struct table *t, const struct summary_stream *stream)
{
	const struct summary_open_gap *open = &stream->open_gap;
	char text[SPAN_TEXT_MAX];
	char time[TIMESTAMP_TEXT_MAX];
	double covered = info_covered(stream);

	table_printf(t, "%" PRId64, stream->gaps);
	table_cell(t, slice_of(stream->gaps == 0 ? "-" : span_text(text, stream->gap_us)));
	if (covered < 0)
		table_cell(t, slice_of("-"));
	else
		table_printf(t, covered < 1 ? "%.2f%%" : "100%%", floor(covered * 1e4) / 1e2);
	if (open->cause.ptr == NULL)
		table_cell(t, slice_of("-"));
	else
		table_printf(
			t, "%.40s since %s", open->cause.ptr, second_text(time, open->started_us));
}

static void add_stream(
	struct table *t, const struct summary *s, const struct summary_stream *stream)
{
	char time[TIMESTAMP_TEXT_MAX];
	char span[SPAN_TEXT_MAX];

	table_cell(t, s->feeds[stream->feed].name);
	table_cell(t, stream->path);
	table_cell(t, stream->params);
	table_printf(t, "%" PRId64, stream->events);
	table_cell(t, slice_of(second_text(time, stream->first_us)));
	table_cell(t, slice_of(second_text(time, stream->last_us)));
	table_cell(t, slice_of(second_text(time, stream->last_received_us)));
	table_cell(t, slice_of(span_text(span, stream->clock_offset_us)));
	table_cell(t, slice_of(stream->is_wanted ? "yes" : "no"));
	add_gaps(t, stream);
}

static bool put_streams(FILE *out, const struct summary *s)
{
	static const struct table_column columns[] = {
		{ "feed", false },
		{ "path", false },
		{ "params", false },
		{ "events", true },
		{ "first", false },
		{ "last", false },
		{ "last received", false },
		{ "clock offset", true },
		{ "wanted", false },
		{ "gaps", true },
		{ "gap time", true },
		{ "covered", true },
		{ "open gap", false },
	};
	struct table t;
	bool ok;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < s->n_streams; i++)
		add_stream(&t, s, &s->streams[i]);
	ok = table_print(&t, out);
	table_release(&t);
	return ok;
}

static bool put_title(FILE *out, const char *path, size_t count)
{
	struct buf title;
	bool ok;

	buf_init(&title, 16 * strlen(path != NULL ? path : "") + 1);
	ok = path == NULL || table_escape(slice_of(path), &title);
	if (ok && path != NULL)
		(void)fprintf(out, "%.*s\n", (int)title.len, title.len != 0 ? title.data : "");
	else if (ok)
		(void)fprintf(out, "total of %zu recordings\n", count);
	buf_release(&title);
	return ok;
}

bool info_text(FILE *out, const char *path, const struct summary *s, size_t count)
{
	if (!put_title(out, path, count))
		return false;
	put_whole(out, s);
	if (s->n_feeds != 0) {
		(void)fputc('\n', out);
		if (!put_feeds(out, s))
			return false;
	}
	if (s->n_streams != 0) {
		(void)fputc('\n', out);
		if (!put_streams(out, s))
			return false;
	}
	return true;
}
