#include "record/journal.h"

#include "base/log.h"

static struct batch_stream stream_of(
	const struct journal *j, struct slice path, struct slice params)
{
	return (struct batch_stream){ .feed_id = j->feed_id, .path = path, .params = params };
}

static void check(const struct journal *j, bool is_noted)
{
	if (!is_noted)
		log_line(LOG_ERROR, "out of memory: the table of gaps may be wrong from here on",
			log_text("feed", j->feed));
}

void journal_wanted(const struct journal *j, struct slice path, struct slice params, int64_t at_us)
{
	struct batch_stream stream = stream_of(j, path, params);
	struct batch *batch = writer_batch(j->writer);

	check(j, batch != NULL && batch_add_wanted(batch, &stream, at_us));
}

void journal_unwanted(
	const struct journal *j, struct slice path, struct slice params, int64_t at_us)
{
	struct batch_stream stream = stream_of(j, path, params);
	struct batch *batch = writer_batch(j->writer);

	check(j, batch != NULL && batch_add_unwanted(batch, &stream, at_us));
}

static void write_rows(const struct journal *j, const struct endpoint *endpoint,
	const struct coverage_row *rows, size_t count)
{
	struct batch_stream stream = stream_of(j, endpoint->path, endpoint->params);

	for (size_t i = 0; i < count; i++) {
		struct batch *batch = writer_batch(j->writer);

		check(j,
			batch != NULL &&
				batch_add_covered(
					batch, &stream, rows[i].started_us, rows[i].ended_us));
	}
}

void journal_cover(const struct journal *j, struct endpoint *endpoint, int side, int64_t at_us)
{
	struct coverage_row rows[COVERAGE_ROWS];

	if (!coverage_has(&endpoint->coverage, side))
		write_rows(
			j, endpoint, rows, coverage_begin(&endpoint->coverage, side, at_us, rows));
}

void journal_uncover(const struct journal *j, struct endpoint *endpoint, int side, int64_t at_us)
{
	struct coverage_row rows[COVERAGE_ROWS];

	if (coverage_has(&endpoint->coverage, side))
		write_rows(j, endpoint, rows, coverage_end(&endpoint->coverage, side, at_us, rows));
}

static void note_outage(const struct journal *j, const struct batch_outage *outage)
{
	struct batch *batch = writer_batch(j->writer);

	check(j, batch != NULL && batch_add_outage(batch, outage));
}

void journal_outage(const struct journal *j, struct endpoint *endpoint, int64_t at_us,
	const char *cause, const char *detail)
{
	endpoint->is_outage = true;
	note_outage(j,
		&(struct batch_outage){ .feed_id = j->feed_id,
			.path = endpoint->path,
			.params = endpoint->params,
			.at_us = at_us,
			.cause = cause,
			.detail = detail });
}

void journal_outage_end(const struct journal *j, struct endpoint *endpoint, int64_t at_us)
{
	if (!endpoint->is_outage)
		return;
	endpoint->is_outage = false;
	note_outage(j,
		&(struct batch_outage){ .feed_id = j->feed_id,
			.path = endpoint->path,
			.params = endpoint->params,
			.at_us = at_us });
}

void journal_feed_outage(
	const struct journal *j, int64_t at_us, const char *cause, const char *detail)
{
	note_outage(j,
		&(struct batch_outage){
			.feed_id = j->feed_id, .at_us = at_us, .cause = cause, .detail = detail });
}
