#include "record/ingest.h"

#include "base/json.h"
#include "base/json_canon.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "record/nearest.h"

#define NAME_MAX_BYTES ((size_t)1 << 20)
#define SCRATCH_KEEP ((size_t)64 << 10)
#define UNCONFIGURED_MAX 100 /* lines of the log, of a feed */

static uint64_t hash_of(struct slice path, struct slice params)
{
	return map_hash(map_hash(0, path), params);
}

/* Streams that nobody asked for are told apart by the hash alone: names may be long, and the worst that
 * can happen is that one of them is not logged. */
static bool same_hash(const void *item, const void *key)
{
	(void)item;
	(void)key;
	return true;
}

bool ingest_init(struct ingest *in, struct writer *w, const struct config_feed *feed,
	const struct endpoints *endpoints, int64_t feed_id, struct err *e)
{
	*in = (struct ingest){
		.writer = w, .feed = feed, .endpoints = endpoints, .feed_id = feed_id
	};
	buf_init(&in->path, NAME_MAX_BYTES);
	buf_init(&in->params, NAME_MAX_BYTES);
	buf_init(&in->extra, SIZE_MAX / 2);
	return dialect_init(&in->dialect, &feed->dialect, e);
}

void ingest_release(struct ingest *in)
{
	map_release(&in->unconfigured);
	dialect_release(&in->dialect);
	buf_release(&in->path);
	buf_release(&in->params);
	buf_release(&in->extra);
}

bool ingest_reject(struct ingest *in, int64_t connection_id, int64_t received_us,
	const char *reason, struct slice bytes)
{
	struct batch *batch = writer_batch(in->writer);

	in->rejected++;
	if (!in->is_rejected_logged) {
		in->is_rejected_logged = true;
		log_line(LOG_WARN, "an event was not understood and is kept in the table rejected",
			log_text("feed", in->feed->name), log_peer("reason", slice_of(reason)));
	}
	return batch != NULL &&
		batch_add_rejected(batch, connection_id, received_us, reason, bytes);
}

/* Logs the first event of a stream that nobody asked for. */
static void tell_unconfigured(struct ingest *in, struct slice path, struct slice params)
{
	uint64_t hash = hash_of(path, params);
	const struct config_endpoint *near;

	if (in->unconfigured.count >= UNCONFIGURED_MAX ||
		map_find(&in->unconfigured, hash, same_hash, NULL) != NULL ||
		!map_add(&in->unconfigured, hash, in))
		return;
	near = nearest_endpoint(in->feed, path);
	log_line(LOG_WARN, "a stream that is not configured is being stored",
		log_text("feed", in->feed->name), log_peer("path", path),
		log_peer("params", params), log_slice("nearest_path", near->path),
		log_slice("nearest_params", near->params));
}

/* The path as text; false with a reason if it is none. */
static bool read_path(
	struct ingest *in, const struct event_scan *scan, struct slice *path, struct err *e)
{
	bool is_event = in->dialect.config->data.path == NULL;
	struct slice token = is_event ? scan->name : scan->slot[EVENT_PATH];

	if (token.ptr == NULL)
		return err_set(e, ERR_INPUT, "no path");
	if (json_type_of(token) != JSON_STRING)
		return err_set(e, ERR_INPUT, "the path is not a string");
	buf_reset(&in->path, SCRATCH_KEEP);
	if (!json_string_decode(token, &in->path, e))
		return e->code == ERR_NOMEM ? false : err_prefix(e, "unreadable path");
	*path = in->path.len != 0 ? buf_slice(&in->path) : slice_of("");
	if (memchr(path->ptr, '\0', path->len) != NULL)
		return err_set(e, ERR_INPUT, "the path holds a zero byte");
	return true;
}

static bool read_params(
	struct ingest *in, const struct event_scan *scan, struct slice *params, struct err *e)
{
	if (scan->slot[EVENT_PARAMS].ptr == NULL) {
		*params = slice_of("{}");
		return true;
	}
	buf_reset(&in->params, SCRATCH_KEEP);
	if (!json_canon(scan->slot[EVENT_PARAMS], &in->params, e))
		return e->code == ERR_NOMEM ? false : err_prefix(e, "unreadable params");
	*params = buf_slice(&in->params);
	return true;
}

/* `text` stays absent where the canonical text says it all. */
static bool read_timestamp(const struct ingest *in, const struct event_scan *scan,
	int64_t received_us, int64_t *us, struct slice *text, struct err *e)
{
	struct slice token = scan->slot[EVENT_TIMESTAMP];

	*text = (struct slice){ 0 };
	if (token.ptr == NULL && in->dialect.config->data_is_default)
		return err_set(e, ERR_INPUT, "no timestamp");
	if (token.ptr == NULL) {
		*us = received_us;
		*text = slice_of("");
		return true;
	}
	if (!timestamp_parse(token, us, e))
		return err_prefix(e, "unreadable timestamp");
	if (!timestamp_is_canonical(token, *us))
		*text = token;
	return true;
}

/* Whatever else the event holds, as {"members": {...}, "args": [...]}. */
static bool read_extra(struct ingest *in, const struct event_scan *scan, struct slice *extra)
{
	struct buf *b = &in->extra;
	bool ok;

	*extra = (struct slice){ 0 };
	if (!scan->has_members && scan->more.len == 0)
		return true;
	buf_reset(b, SCRATCH_KEEP);
	ok = buf_append_char(b, '{');
	if (scan->has_members)
		ok = ok && buf_append_str(b, "\"members\":") &&
			json_scan_members(scan, in->dialect.places, b);
	if (scan->has_members && scan->more.len != 0)
		ok = ok && buf_append_char(b, ',');
	if (scan->more.len != 0)
		ok = ok && buf_append_str(b, "\"args\":[") && buf_append_slice(b, scan->more) &&
			buf_append_char(b, ']');
	ok = ok && buf_append_char(b, '}');
	*extra = buf_slice(b);
	return ok;
}

/* Reads everything that a row of `event` holds; false with the reason. */
static bool understand(struct ingest *in, const struct ingest_event *event,
	const struct event_scan *scan, struct batch_event *out, struct err *e)
{
	*out = (struct batch_event){ .feed_id = in->feed_id,
		.connection_id = event->connection_id,
		.received_us = event->received_us,
		.results = scan->slot[EVENT_RESULTS] };
	if (scan->argument.ptr == NULL)
		return err_set(e, ERR_INPUT, "the event has no argument");
	/* An array can hold places, too ("/0"); one that holds none is as wrong as a text. */
	if (in->dialect.needs_object && json_type_of(scan->argument) != JSON_OBJECT &&
		scan->slot[EVENT_PATH].ptr == NULL && scan->slot[EVENT_RESULTS].ptr == NULL)
		return err_set(e, ERR_INPUT, "the event's argument is not an object");
	if (!read_path(in, scan, &out->path, e) || !read_params(in, scan, &out->params, e) ||
		!read_timestamp(
			in, scan, event->received_us, &out->timestamp_us, &out->timestamp_text, e))
		return false;
	if (out->results.ptr == NULL)
		return err_set(e, ERR_INPUT, "no results");
	if (!read_extra(in, scan, &out->extra))
		return err_set(e, ERR_NOMEM, "out of memory");
	return true;
}

static bool is_data(const struct ingest *in, const struct event_scan *scan)
{
	return in->dialect.data_event.len == 0 ||
		json_string_is(scan->name, in->dialect.data_event);
}

/* What was rejected keeps its attachments' sizes in the reason only; its bytes are the payload. */
static bool reject(struct ingest *in, const struct ingest_event *event, const struct err *e)
{
	return e->code != ERR_NOMEM &&
		ingest_reject(
			in, event->connection_id, event->received_us, e->text, event->payload);
}

/* The row is understood: what is known of its stream. */
static void find_endpoint(struct ingest *in, struct ingest_event *event, struct batch_event *row)
{
	event->endpoint = endpoints_find(in->endpoints, row->path, row->params);
	if (event->endpoint == NULL)
		tell_unconfigured(in, row->path, row->params);
	row->since_us = event->endpoint != NULL ? event->endpoint->overlap_us : in->overlap_us;
}

bool ingest_take(struct ingest *in, struct ingest_event *event)
{
	struct event_scan scan;
	struct batch_event row;
	struct batch *batch;
	struct err e;

	event->endpoint = NULL;
	event->offset = (struct slice){ 0 };
	in->bytes += event->payload.len;
	if (!json_scan_event(event->payload, in->dialect.places, &scan, &e))
		return reject(in, event, &e);
	if (event->may_have_offset)
		(void)json_scan_take_offset(&scan, &event->offset);
	if (!is_data(in, &scan))
		return true;
	in->events++;
	if (!understand(in, event, &scan, &row, &e))
		return reject(in, event, &e);
	find_endpoint(in, event, &row);
	batch = writer_batch(in->writer);
	if (batch == NULL || !batch_add_event(batch, &row))
		return false;
	for (size_t i = 0; i < event->attachment_count; i++)
		if (!batch_add_attachment(batch, (int64_t)i, event->attachments[i]))
			return false;
	return true;
}
