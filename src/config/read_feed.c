#include "config/reader.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "config/valid.h"

bool read_url(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config_feed *f = field;

	if (!reader_url(r, o, at, raw, &f->url_text, &f->url))
		return false;
	if (f->url.has_query)
		return reader_fail(r, at, "has a query; write it as \"query\"");
	if (strcmp(f->url.path, "/") != 0)
		return reader_fail(r, at,
			"has a path; write a namespace as \"namespace\", the server's path as \"path\"");
	return true;
}

bool read_transports(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	static const char *const names[CONFIG_TRANSPORTS] = {
		[CONFIG_TRANSPORT_WEBSOCKET] = "websocket",
		[CONFIG_TRANSPORT_POLLING] = "polling",
	};
	struct config_feed *f = field;
	struct place element = { .up = at };
	bool seen[CONFIG_TRANSPORTS] = { false };
	struct json_iter it;
	struct slice value;

	if (json_type_of(raw) != JSON_ARRAY)
		return reader_refuse(r, o, at, raw, o->allowed);
	json_iter_init(&it, raw);
	for (; json_iter_next(&it, NULL, &value); element.index++) {
		unsigned t = 0;

		while (t < CONFIG_TRANSPORTS &&
			!(json_type_of(value) == JSON_STRING &&
				json_string_is(value, slice_of(names[t]))))
			t++;
		if (t == CONFIG_TRANSPORTS)
			return reader_refuse(r, o, &element, value, "\"websocket\", \"polling\"");
		if (seen[t])
			return reader_fail(
				r, &element, "is \"%s\" again; allowed: %s", names[t], o->allowed);
		seen[t] = true;
		f->transports[f->n_transports++] = (enum config_transport)t;
	}
	if (f->n_transports == 0)
		return reader_fail(r, at, "is empty; allowed: %s", o->allowed);
	return true;
}

/* What differs between `query` and `headers`. */
struct pair_rule {
	const char *noun;
	const char *allowed_name;
	const char *allowed_value;
	bool (*is_name)(const char *text);
	bool (*is_value)(const char *text); /* NULL: any text */
	int (*compare)(const char *a, const char *b);
};

/* The name of a pair may stand in a message, its value never. */
static bool read_pair(struct reader *r, const struct pair_rule *rule, const struct place *at,
	struct slice key, struct slice value, struct list *pairs)
{
	const struct config_pair *list = pairs->items;
	size_t n = pairs->count;
	struct config_pair *pair;
	struct place member = { .up = at };
	const char *name;

	if (!reader_text(r, at, key, &name))
		return false;
	/* Only the front of the name: "Authorization: key" may have been written as a name. */
	if (!rule->is_name(name))
		return reader_fail(r, at, "has a %s '%.*s' that is not allowed; allowed: %s",
			rule->noun, (int)strcspn(name, ": =\t\r\n"), name, rule->allowed_name);
	member.name = name;
	for (size_t i = 0; i < n; i++)
		if (rule->compare(list[i].name, name) == 0)
			return reader_fail(r, &member, "is given twice");
	if (json_type_of(value) != JSON_STRING)
		return reader_fail(r, &member, "is not a string; allowed: %s", rule->allowed_value);
	pair = reader_list_add(r, pairs, sizeof(*pair));
	if (pair == NULL || !reader_text(r, &member, value, &pair->value))
		return false;
	pair->name = name;
	if (rule->is_value != NULL && !rule->is_value(pair->value))
		return reader_fail(r, &member, "has a value that is not allowed; allowed: %s",
			rule->allowed_value);
	return true;
}

static bool read_pairs(struct reader *r, const struct option *o, const struct pair_rule *rule,
	const struct place *at, struct slice raw, struct list *pairs)
{
	struct json_iter it;
	struct slice key, value;

	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	json_iter_init(&it, raw);
	while (json_iter_next(&it, &key, &value)) {
		if (pairs->count == CONFIG_PAIRS_MAX)
			return reader_fail(r, at, "has more than %d members; allowed: %s",
				CONFIG_PAIRS_MAX, o->allowed);
		if (!read_pair(r, rule, at, key, value, pairs))
			return false;
	}
	return true;
}

bool read_query(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	static const struct pair_rule rule = { "name",
		"a name that the handshake does not use itself (EIO, transport, sid)", "a string",
		valid_query_name, NULL, strcmp };
	struct config_feed *f = field;
	struct list pairs = { 0 };

	if (!read_pairs(r, o, &rule, at, raw, &pairs))
		return false;
	f->query = pairs.items;
	f->n_query = pairs.count;
	return true;
}

bool read_headers(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	static const struct pair_rule rule = { "header",
		"an HTTP header's name that the handshake does not set itself (Host, Upgrade, "
		"Connection, Content-Length, Transfer-Encoding, Sec-WebSocket-...)",
		"a string without line ends and control characters", valid_header_name,
		valid_header_value, strcasecmp };
	struct config_feed *f = field;
	struct list pairs = { 0 };

	if (!read_pairs(r, o, &rule, at, raw, &pairs))
		return false;
	f->headers = pairs.items;
	f->n_headers = pairs.count;
	return true;
}

bool read_auth(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	return reader_raw(r, at, raw, field);
}
