/*
 * Fuzz: json_scan_event, and what is done with the parts that it finds. The first byte chooses the dialect.
 *
 * The scan must accept exactly the JSON texts that are events; every part must lie in the text and be JSON
 * by itself; so must what is left, and the canonical text, which must be its own canonical text.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_canon.h"
#include "base/json_scan.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIALECTS 5

static const char *const pointers[DIALECTS][EVENT_SLOTS] = {
	{ "/path", "/params", "/timestamp", "/results" },
	{ "/room_name", NULL, "/message/data/timestamp", "/message/data" },
	{ NULL, NULL, NULL, "" },
	{ "/0", "/1/a", "/1", "/2/0/b~1" },
	{ NULL, NULL, NULL, NULL },
};

/* Goes on only with what holds. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_part(struct slice text, struct slice part)
{
	struct err e;

	if (part.ptr == NULL)
		return;
	must(part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
	must(json_validate(part, NULL, &e));
	must(json_space_end(part.ptr, part.ptr + part.len) == part.ptr);
}

static void check_canon(struct slice value)
{
	struct buf once;
	struct buf twice;
	struct err e;

	buf_init(&once, (size_t)1 << 20);
	buf_init(&twice, (size_t)1 << 20);
	if (json_canon(value, &once, &e)) {
		must(utf8_valid(buf_slice(&once)));
		must(json_validate(buf_slice(&once), NULL, &e));
		must(json_canon(buf_slice(&once), &twice, &e));
		must(slice_equal(buf_slice(&once), buf_slice(&twice)));
	} else {
		must(once.len == 0);
	}
	buf_release(&once);
	buf_release(&twice);
}

static void check_string(struct slice token)
{
	struct buf decoded;
	struct buf encoded;
	struct err e;

	buf_init(&decoded, (size_t)1 << 20);
	buf_init(&encoded, (size_t)1 << 20);
	if (json_string_decode(token, &decoded, &e)) {
		must(utf8_valid(buf_slice(&decoded)));
		must(json_string_is(token, buf_slice(&decoded)));
		must(json_string_encode(buf_slice(&decoded), &encoded));
		must(json_string_is(buf_slice(&encoded), buf_slice(&decoded)));
	}
	buf_release(&decoded);
	buf_release(&encoded);
}

static void check_event(
	struct slice text, const struct json_places *places, struct event_scan *scan)
{
	struct json_iter it;
	struct slice value;
	struct buf left;
	struct err e;

	check_part(text, scan->name);
	check_string(scan->name);
	check_part(text, scan->argument);
	for (int slot = 0; slot < EVENT_SLOTS; slot++)
		check_part(text, scan->slot[slot]);
	for (json_iter_list(&it, scan->more); json_iter_next(&it, NULL, &value);)
		check_part(text, value);
	buf_init(&left, (size_t)1 << 20);
	must(json_scan_members(scan, places, &left));
	must((left.len != 0) == scan->has_members);
	if (left.len != 0)
		must(json_validate(buf_slice(&left), NULL, &e));
	buf_release(&left);
	if (scan->argument.ptr != NULL)
		check_canon(scan->argument);
	if (json_scan_take_offset(scan, &value))
		check_string(value);
}

/* True for a text that begins like an event, whatever follows. */
static bool begins_with_a_name(struct slice text)
{
	const char *end = text.ptr + text.len;
	const char *at = json_space_end(text.ptr, end);

	if (at == end || *at != '[')
		return false;
	at = json_space_end(at + 1, end);
	return at < end && *at == '"';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_places *places[DIALECTS];
	struct event_scan scan;
	struct slice text;
	struct err e;
	int dialect;
	bool is_json;
	bool is_event;

	if (size < 1)
		return 0;
	dialect = data[0] % DIALECTS;
	if (places[dialect] == NULL)
		places[dialect] = json_places_new(pointers[dialect], &e);
	must(places[dialect] != NULL);
	text = (struct slice){ (const char *)data + 1, size - 1 };
	if (!utf8_valid(text))
		return 0;
	is_json = json_validate(text, NULL, &e);
	is_event = json_scan_event(text, places[dialect], &scan, &e);
	if (is_event)
		must(is_json);
	else if (is_json && begins_with_a_name(text))
		must(strstr(e.text, "twice") != NULL);
	if (is_event)
		check_event(text, places[dialect], &scan);
	return 0;
}
