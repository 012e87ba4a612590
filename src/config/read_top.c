#include "config/reader.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"

bool read_rotate(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config *c = field;
	struct slice text;

	if (json_type_of(raw) != JSON_STRING)
		return reader_refuse(r, o, at, raw, o->allowed);
	text = (struct slice){ raw.ptr + 1, raw.len - 2 };
	if (units_duration(text, &c->rotate_us) == UNITS_OK && c->rotate_us >= UNITS_MS)
		c->rotate = CONFIG_ROTATE_TIME;
	else if (units_size(text, &c->rotate_bytes) == UNITS_OK && c->rotate_bytes != 0)
		c->rotate = CONFIG_ROTATE_SIZE;
	else
		return reader_refuse(r, o, at, raw, o->allowed);
	return true;
}

bool read_file_mode(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	mode_t *mode = field;

	/* "06xx" with its quotes. */
	if (json_type_of(raw) != JSON_STRING || raw.len != 6 || memcmp(raw.ptr, "\"06", 3) != 0 ||
		strchr("046", raw.ptr[3]) == NULL || strchr("046", raw.ptr[4]) == NULL)
		return reader_refuse(r, o, at, raw, o->allowed);
	*mode = (mode_t)(06 << 6 | (raw.ptr[3] - '0') << 3 | (raw.ptr[4] - '0'));
	return true;
}

/* Reads the port behind the last ':' of "HOST:PORT" and cuts the text there. */
static bool cut_port(char *text, uint16_t *port)
{
	char *colon = strrchr(text, ':');
	size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
	long value;

	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return false;
	value = strtol(colon + 1, NULL, 10);
	if (value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	*colon = '\0';
	return true;
}

/* Only what needs no look-up: a status server must not wait for a name server. */
static bool is_address(char *host)
{
	size_t len = strlen(host);
	struct in_addr v4;
	struct in6_addr v6;

	if (*host != '[')
		return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &v4) == 1;
	if (host[len - 1] != ']')
		return false;
	memmove(host, host + 1, len - 1);
	host[len - 2] = '\0';
	return inet_pton(AF_INET6, host, &v6) == 1;
}

bool read_status(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config *c = field;
	const char *text;
	char *host;

	if (json_type_of(raw) != JSON_STRING)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (!reader_text(r, at, raw, &text))
		return false;
	host = arena_copy(r->arena, slice_of(text));
	if (host == NULL)
		return reader_nomem(r);
	if (!cut_port(host, &c->status_port) || !is_address(host))
		return reader_refuse(r, o, at, raw, o->allowed);
	c->status_host = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	return true;
}

bool read_retention(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct config_retention *retention = field;

	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (!reader_object(r, PLACE_RETENTION, at, raw, retention))
		return false;
	if (retention->age_us == 0 && retention->bytes == 0)
		return reader_fail(r, at, "limits nothing; allowed: %s", o->allowed);
	return true;
}

static bool check_name(struct reader *r, const struct list *feeds, const struct place *at)
{
	const struct config_feed *list = feeds->items;
	const char *name = list[at->index].name;

	for (size_t i = 0; i < at->index; i++)
		if (strcmp(list[i].name, name) == 0)
			return reader_fail(r, at,
				"has the name \"%s\", and so has feeds[%zu]; names must differ",
				name, i);
	return true;
}

bool read_feeds(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config *c = field;
	struct list feeds = { 0 };
	struct place element = { .up = at };
	struct json_iter it;
	struct slice value;

	if (json_type_of(raw) != JSON_ARRAY)
		return reader_refuse(r, o, at, raw, o->allowed);
	json_iter_init(&it, raw);
	for (; json_iter_next(&it, NULL, &value); element.index++) {
		struct config_feed *feed;

		if (element.index == CONFIG_FEEDS_MAX)
			return reader_fail(r, at, "has more than %d elements; allowed: %s",
				CONFIG_FEEDS_MAX, o->allowed);
		if (json_type_of(value) != JSON_OBJECT)
			return reader_refuse(r, o, &element, value, "an object");
		feed = reader_list_add(r, &feeds, sizeof(*feed));
		if (feed == NULL || !reader_object(r, PLACE_FEED, &element, value, feed) ||
			!check_name(r, &feeds, &element))
			return false;
	}
	if (feeds.count == 0)
		return reader_fail(r, at, "is empty; allowed: %s", o->allowed);
	c->feeds = feeds.items;
	c->n_feeds = feeds.count;
	return true;
}
