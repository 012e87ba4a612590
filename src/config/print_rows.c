#include "config/printer.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "config/config.h"
#include "config/reader.h"

#define HIDDEN "\"***\""

void print_rotate(struct printer *p, const struct option *o, const void *field)
{
	const struct config *c = field;
	char text[UNITS_TEXT_MAX];

	(void)o;
	if (c->rotate == CONFIG_ROTATE_NONE)
		printer_put(p, "null");
	else if (c->rotate == CONFIG_ROTATE_TIME)
		printer_put_text(p, units_duration_text(text, c->rotate_us));
	else
		printer_put_text(p, units_size_text(text, c->rotate_bytes));
}

void print_file_mode(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put(p, "\"%04o\"", (unsigned)*(const mode_t *)field);
}

void print_status(struct printer *p, const struct option *o, const void *field)
{
	const struct config *c = field;
	bool is_v6 = c->status_host != NULL && strchr(c->status_host, ':') != NULL;

	(void)o;
	if (c->status_host == NULL)
		printer_put(p, "null");
	else
		printer_put(p, is_v6 ? "\"[%s]:%u\"" : "\"%s:%u\"", c->status_host, c->status_port);
}

void print_retention(struct printer *p, const struct option *o, const void *field)
{
	const struct config_retention *retention = field;

	(void)o;
	if (retention->age_us == 0 && retention->bytes == 0)
		printer_put(p, "null");
	else
		printer_put_object(p, PLACE_RETENTION, retention);
}

void print_feeds(struct printer *p, const struct option *o, const void *field)
{
	const struct config *c = field;

	(void)o;
	for (size_t i = 0; i < c->n_feeds; i++) {
		printer_begin_element(p, i);
		p->depth++;
		printer_put_object(p, PLACE_FEED, &c->feeds[i]);
		p->depth--;
	}
	printer_end_list(p, c->n_feeds);
}

void print_url(struct printer *p, const struct option *o, const void *field)
{
	const struct config_feed *f = field;

	(void)o;
	printer_put_text(p, f->url_text);
}

void print_transports(struct printer *p, const struct option *o, const void *field)
{
	const struct config_feed *f = field;

	(void)o;
	for (size_t i = 0; i < f->n_transports; i++)
		printer_put(p, "%s\"%s\"", i == 0 ? "[" : ", ",
			f->transports[i] == CONFIG_TRANSPORT_POLLING ? "polling" : "websocket");
	printer_put(p, "]");
}

void print_pairs(struct printer *p, const struct option *o, const void *field)
{
	const struct config_feed *f = field;
	bool is_query = strcmp(o->name, "query") == 0;
	const struct config_pair *pairs = is_query ? f->query : f->headers;
	size_t count = is_query ? f->n_query : f->n_headers;

	printer_put(p, "{");
	for (size_t i = 0; i < count; i++) {
		printer_put(p, "%s", i == 0 ? "" : ", ");
		printer_put_text(p, pairs[i].name);
		printer_put(p, ": " HIDDEN);
	}
	printer_put(p, "}");
}

/* The names of the members stay, whatever is in them does not. */
void print_auth(struct printer *p, const struct option *o, const void *field)
{
	struct json_iter it;
	struct slice key, value;
	bool is_first = true;

	(void)o;
	printer_put(p, "{");
	json_iter_init(&it, slice_of(*(const char *const *)field));
	while (json_iter_next(&it, &key, &value)) {
		printer_put(p, "%s", is_first ? "" : ", ");
		is_first = false;
		printer_put_slice(p, key);
		printer_put(p, ": " HIDDEN);
	}
	printer_put(p, "}");
}

void print_proxy(struct printer *p, const struct option *o, const void *field)
{
	const char *proxy = *(const char *const *)field;
	const char *at = proxy != NULL ? strrchr(proxy, '@') : NULL;

	(void)o;
	if (at == NULL)
		printer_put_text(p, proxy);
	else
		printer_put(p, "\"%.*s://***%s\"", (int)strcspn(proxy, ":"), proxy, at);
}

void print_token(struct printer *p, const struct option *o, const void *field)
{
	const struct config_feed *f = field;

	(void)o;
	if (f->has_token)
		printer_put_object(p, PLACE_TOKEN, &f->token);
	else
		printer_put(p, "null");
}

void print_token_url(struct printer *p, const struct option *o, const void *field)
{
	const struct config_token *t = field;
	size_t len = strcspn(t->url_text, "?");

	(void)o;
	printer_put(p, "\"%.*s%s\"", (int)len, t->url_text, t->url_text[len] != '\0' ? "?***" : "");
}

void print_key(struct printer *p, const struct option *o, const void *field)
{
	static const char *const names[] = {
		[CONFIG_KEY_FILE] = "api_key_file",
		[CONFIG_KEY_ENV] = "api_key_env",
		[CONFIG_KEY_CREDENTIAL] = "api_key_credential",
	};
	const struct config_token *t = field;

	printer_put_text(p, strcmp(o->name, names[t->key_source]) == 0 ? t->key_name : NULL);
}

void print_jwt_route(struct printer *p, const struct option *o, const void *field)
{
	const struct config_token *t = field;

	(void)o;
	if (t->has_jwt_route)
		printer_put_object(p, PLACE_JWT_ROUTE, t);
	else
		printer_put(p, "false");
}

static void put_texts(struct printer *p, const char *const *texts, size_t count)
{
	printer_put(p, "[");
	for (size_t i = 0; i < count; i++) {
		printer_put(p, "%s", i == 0 ? "" : ", ");
		printer_put_text(p, texts[i]);
	}
	printer_put(p, "]");
}

void print_origins(struct printer *p, const struct option *o, const void *field)
{
	const struct config_token *t = field;

	(void)o;
	if (t->n_origins == 0)
		printer_put(p, "null");
	else
		put_texts(p, t->origins, t->n_origins);
}

void print_dialect(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put_object(p, PLACE_DIALECT, field);
}

void print_emit(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put_object(p, PLACE_EMIT, field);
}

void print_args(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put_raw(p, *(const char *const *)field);
}

void print_data(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put_object(p, PLACE_DATA, field);
}

void print_data_path(struct printer *p, const struct option *o, const void *field)
{
	const char *path = *(const char *const *)field;

	(void)o;
	printer_put_text(p, path != NULL ? path : "$event");
}

void print_slice(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put_string(p, *(const struct slice *)field);
}

void print_raw_slice(struct printer *p, const struct option *o, const void *field)
{
	(void)o;
	printer_put_slice(p, *(const struct slice *)field);
}

void print_index(struct printer *p, const struct option *o, const void *field)
{
	const struct config_endpoint *endpoint = &((const struct config_draft *)field)->endpoint;

	(void)o;
	if (endpoint->n_indexes == 0) {
		printer_put(p, "null");
		return;
	}
	for (size_t i = 0; i < endpoint->n_indexes; i++) {
		printer_put(p, "%s", i == 0 ? "[" : ", ");
		put_texts(p, endpoint->indexes[i].columns, endpoint->indexes[i].n_columns);
	}
	printer_put(p, "]");
}

/* An entry as it was written; for a params_file, how many endpoints it stands for. */
static void put_entry(
	struct printer *p, const struct config_feed *f, const struct config_entry *entry)
{
	struct config_draft draft = { f->endpoints[entry->first], entry->params_file };

	printer_put_rows(p, PLACE_ENDPOINT, entry->params_file != NULL ? "params" : NULL, &draft);
	if (entry->params_file != NULL) {
		printer_put(p, ",");
		printer_new_line(p);
		printer_put(p, "\"endpoints\": %zu", entry->count);
	}
	printer_end_object(p);
}

void print_endpoints(struct printer *p, const struct option *o, const void *field)
{
	const struct config_feed *f = field;

	(void)o;
	for (size_t i = 0; i < f->n_entries; i++) {
		printer_begin_element(p, i);
		p->depth++;
		put_entry(p, f, &f->entries[i]);
		p->depth--;
	}
	printer_end_list(p, f->n_entries);
}
