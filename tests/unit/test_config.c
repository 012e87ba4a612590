#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/json_canon.h"
#include "config/config.h"
#include "config/file.h"
#include "config/options.h"
#include "scratch.h"

/* Without it the build must name its sources by their full paths, as CMake does. */
#ifndef TAPEDECK_SOURCE_DIR
#define TAPEDECK_SOURCE_DIR __FILE__
#endif

#define FILE_LIMIT ((size_t)1 << 20)
#define MANY_ENDPOINTS 100000
#define MANY_ENDPOINTS_US (10 * 1000 * 1000) /* quadratic work would take minutes */

/* The full path of a file of the sources; TAPEDECK_DATA may name another copy of them. */
static const char *source_path(const char *name)
{
	static char path[2 * PATH_MAX];
	const char *root = getenv("TAPEDECK_DATA");
	char file[sizeof(TAPEDECK_SOURCE_DIR) + 1] = TAPEDECK_SOURCE_DIR;
	char *end = strstr(file, "/tests/unit/");

	if (end != NULL)
		*end = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : file, name);
	return path;
}

static const char *good(const char *name)
{
	char file[128];

	(void)snprintf(file, sizeof(file), "tests/data/config/good/%s.json", name);
	return source_path(file);
}

static struct config *load(const char *path)
{
	struct config *c = NULL;
	struct err e = { 0 };

	if (!config_load(&c, path, &e))
		fail_msg("'%s' was refused: %s", path, e.text);
	return c;
}

/* The printed configuration; the caller frees it. */
static char *print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct err e;

	assert_non_null(out);
	assert_true(config_print(c, out, &e));
	assert_int_equal(fclose(out), 0);
	return text;
}

static void write_file(struct scratch *s, const char *name, const char *text)
{
	FILE *file = fopen(scratch_file(s, name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static bool is_json(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".json") == 0;
}

/* ---- the table of files ---- */

static void good_files_load_and_print_as_json(void **state)
{
	DIR *dir = opendir(source_path("tests/data/config/good"));
	size_t count = 0;
	struct dirent *entry;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		struct config *c;
		struct err e = { 0 };
		char *text;

		if (!is_json(entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "tests/data/config/good/%s", entry->d_name);
		c = load(source_path(path));
		text = print(c);
		if (!json_validate(slice_of(text), NULL, &e))
			fail_msg("the print of '%s' is %s", entry->d_name, e.text);
		free(text);
		config_free(c);
		count++;
	}
	(void)closedir(dir);
	assert_true(count >= 15);
}

static void check_refused(const char *name, const char *message)
{
	char path[512];
	struct config *c = NULL;
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "tests/data/config/bad/%s", name);
	if (config_load(&c, source_path(path), &e))
		fail_msg("'%s' was accepted; wanted: %s", name, message);
	assert_null(c);
	assert_int_equal(e.code, ERR_CONFIG);
	if (strstr(e.text, message) == NULL)
		fail_msg("'%s' was refused with \"%s\"; wanted: %s", name, e.text, message);
	if (strstr(e.text, name) == NULL && strstr(e.text, ".ndjson") == NULL)
		fail_msg("'%s' is not named in \"%s\"", name, e.text);
	if (strstr(e.text, "canary") != NULL)
		fail_msg("'%s': a secret shows in \"%s\"", name, e.text);
}

/* Calls `check` for each line of bad.txt; returns their number. */
static size_t each_bad_file(void (*check)(const char *name, const char *message))
{
	FILE *table = fopen(source_path("tests/data/config/bad.txt"), "r");
	char line[1024];
	size_t count = 0;

	assert_non_null(table);
	while (fgets(line, sizeof(line), table) != NULL) {
		char *rest = line;
		const char *name, *who, *message;

		if (line[0] == '#')
			continue;
		name = strsep(&rest, "\t");
		who = strsep(&rest, "\t");
		message = strsep(&rest, "\n");
		assert_non_null(message);
		assert_true(strcmp(who, "schema") == 0 || strcmp(who, "parser") == 0);
		check(name, message);
		count++;
	}
	(void)fclose(table);
	return count;
}

static void bad_files_are_refused_with_place_and_reason(void **state)
{
	DIR *dir = opendir(source_path("tests/data/config/bad"));
	size_t listed = each_bad_file(check_refused);
	size_t count = 0;
	struct dirent *entry;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += is_json(entry->d_name) ? 1 : 0;
	(void)closedir(dir);
	/* No file is forgotten in the table. */
	assert_int_equal(listed, count);
	assert_true(listed >= 60);
}

static void missing_files_and_directories_are_refused(void **state)
{
	struct config *c = NULL;
	struct err e = { 0 };

	(void)state;
	assert_false(config_load(&c, "/nonexistent/c.json", &e));
	assert_string_equal(e.text, "cannot read '/nonexistent/c.json': No such file or directory");
	assert_false(config_load(&c, "/tmp", &e));
	assert_string_equal(e.text, "cannot read '/tmp': Is a directory");
}

static void a_line_of_a_megabyte_is_refused_with_a_short_message(void **state)
{
	struct scratch s;
	char *text = malloc(FILE_LIMIT + 64);
	struct config *c = NULL;
	struct err e = { 0 };
	int n;

	(void)state;
	assert_non_null(text);
	n = snprintf(text, 64, "{ \"database\": \"x\", \"feeds\": [], \"durability\": \"");
	memset(text + n, 'x', FILE_LIMIT);
	strcpy(text + (size_t)n + FILE_LIMIT, "\" }");
	scratch_open(&s);
	write_file(&s, "c.json", text);
	assert_false(config_load(&c, s.path, &e));
	assert_non_null(strstr(e.text, "feeds is empty"));
	memcpy(strstr(text, "feeds"), "fee_s", 5);
	write_file(&s, "c.json", text);
	assert_false(config_load(&c, s.path, &e));
	assert_non_null(strstr(e.text, "fee_s is not a known key; did you mean \"feeds\"?"));
	free(text);
	scratch_close(&s);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
	struct scratch s;
	struct buf small;
	struct err e = { 0 };

	(void)state;
	scratch_open(&s);
	write_file(&s, "c.json", "12345");
	buf_init(&small, 5);
	assert_true(config_file_read(s.path, &small, NULL, &e));
	assert_slice(buf_slice(&small), "12345");
	buf_release(&small);
	buf_init(&small, 4);
	assert_false(config_file_read(s.path, &small, NULL, &e));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_non_null(strstr(e.text, "it is larger than 4 bytes"));
	buf_release(&small);
	scratch_close(&s);
}

/* ---- values ---- */

static void what_is_not_written_has_its_default(void **state)
{
	struct config *c = load(good("minimal"));
	const struct config_feed *f = &c->feeds[0];

	(void)state;
	assert_int_equal(c->commit_interval_us, 200000);
	assert_int_equal(c->durability, CONFIG_DURABILITY_FULL);
	assert_int_equal(c->buffer_bytes, 64 << 20);
	assert_int_equal(c->file_mode, 0640);
	assert_int_equal(c->duplicate_window_us, 900 * INT64_C(1000000));
	assert_int_equal(c->rotate, CONFIG_ROTATE_NONE);
	assert_int_equal(c->retention.age_us, 0);
	assert_int_equal(c->progress_us, 10000000);
	assert_int_equal(c->free_space_warning, 1 << 30);
	assert_null(c->log_file);
	assert_null(c->status_host);
	assert_int_equal(f->protocol, CONFIG_PROTOCOL_AUTO);
	assert_int_equal(f->n_transports, 2);
	assert_int_equal(f->transports[0], CONFIG_TRANSPORT_WEBSOCKET);
	assert_int_equal(f->transports[1], CONFIG_TRANSPORT_POLLING);
	assert_string_equal(f->path, "/socket.io/");
	assert_string_equal(f->namespace, "/");
	assert_int_equal(f->n_query + f->n_headers, 0);
	assert_string_equal(f->auth, "{}");
	assert_false(f->compression);
	assert_null(f->ca_file);
	assert_null(f->proxy);
	assert_int_equal(f->connections, 1);
	assert_true(f->resume);
	assert_int_equal(f->handover_overlap_us, 5000000);
	assert_false(f->has_token);
	assert_string_equal(f->dialect.subscribe.event, "subscribe");
	assert_string_equal(
		f->dialect.subscribe.args, "[{\"path\": \"$path\", \"params\": \"$params\"}]");
	assert_true(f->dialect.unsubscribe.ack);
	assert_string_equal(f->dialect.data.timestamp, "/timestamp");
	assert_true(f->dialect.data_is_default);
	assert_slice(f->endpoints[0].params, "{}");
	assert_int_equal(f->endpoints[0].expect_every_us, 0);
	assert_null(f->endpoints[0].table);
	config_free(c);
}

static void check_every_token_key(const struct config_token *t)
{
	assert_string_equal(t->url_text, "https://example.org/jwt?scope=feed");
	assert_string_equal(t->url.host, "example.org");
	assert_int_equal(t->key_source, CONFIG_KEY_ENV);
	assert_string_equal(t->key_name, "FEED_KEY");
	assert_string_equal(t->member, "access_token");
	assert_string_equal(t->query, "jwt");
	assert_int_equal(t->lifetime_us, 1800 * INT64_C(1000000));
	assert_true(t->refresh > 0.49 && t->refresh < 0.51);
	assert_int_equal(t->timeout_us, 10000000);
	assert_true(t->has_jwt_route);
	assert_int_equal(t->n_origins, 2);
	assert_string_equal(t->origins[1], "http://localhost:8080");
	assert_non_null(strstr(t->header_file, "config/good/jwt-header"));
}

static void check_every_feed_key(const struct config_feed *f)
{
	assert_string_equal(f->name, "all.keys_1-2");
	assert_true(f->url.is_tls && f->url.port == 8443);
	assert_int_equal(f->protocol, CONFIG_PROTOCOL_EIO4);
	assert_int_equal(f->transports[0], CONFIG_TRANSPORT_POLLING);
	assert_string_equal(f->path, "/io/");
	assert_string_equal(f->namespace, "/prices");
	assert_string_equal(f->query[0].name, "client");
	assert_string_equal(f->query[0].value, "tapedeck");
	assert_string_equal(f->headers[1].value, "caf\xc3\xa9");
	assert_true(f->compression);
	assert_non_null(strstr(f->ca_file, "config/good/ca.pem"));
	assert_string_equal(f->proxy, "http://user:password@proxy.example.org:3128");
	assert_int_equal(f->connections, 2);
	assert_false(f->resume);
	assert_int_equal(f->handover_overlap_us, 2500000);
	assert_int_equal(f->retention.bytes, INT64_C(10) << 30);
	check_every_token_key(&f->token);
	assert_string_equal(f->dialect.subscribe.args,
		"[\n      \"$path\",\n      {\n       \"p\": "
		"\"$params\"\n      }\n     ]");
	assert_false(f->dialect.subscribe.ack);
	assert_string_equal(f->dialect.data.params, "/p~1q");
	assert_string_equal(f->dialect.data.results, "");
	assert_false(f->dialect.data_is_default);
	assert_slice(f->endpoints[0].path, "p");
	assert_slice(f->endpoints[0].params, "{\"ticker\":\"AAPL\"}");
	assert_int_equal(f->endpoints[0].expect_every_us, 1000000);
	assert_string_equal(f->endpoints[0].table, "prices");
	assert_int_equal(f->endpoints[0].n_indexes, 2);
	assert_int_equal(f->endpoints[0].indexes[0].n_columns, 2);
	assert_string_equal(f->endpoints[0].indexes[0].columns[1], "ts");
	assert_int_equal(f->endpoints[0].retention.age_us, 86400 * INT64_C(1000000));
}

static void every_key_is_held(void **state)
{
	struct config *c = load(good("every_key"));

	(void)state;
	assert_string_equal(c->database, "/var/lib/tapedeck/market.db");
	assert_int_equal(c->commit_interval_us, 50000);
	assert_int_equal(c->durability, CONFIG_DURABILITY_NORMAL);
	assert_int_equal(c->buffer_bytes, 128 << 20);
	assert_int_equal(c->file_mode, 0600);
	assert_int_equal(c->rotate, CONFIG_ROTATE_TIME);
	assert_int_equal(c->rotate_us, 86400 * INT64_C(1000000));
	assert_int_equal(c->retention.bytes, INT64_C(100) << 30);
	assert_int_equal(c->free_space_warning, 0);
	assert_non_null(strstr(c->log_file, "config/good/log/tapedeck.log"));
	assert_string_equal(c->status_host, "127.0.0.1");
	assert_int_equal(c->status_port, 9464);
	check_every_feed_key(&c->feeds[0]);
	config_free(c);
}

static void numbers_keep_their_digits(void **state)
{
	struct config *c = load(good("raw_numbers"));

	(void)state;
	assert_string_equal(c->feeds[0].auth, "{ \"n\": -0, \"e\": 1e999 }");
	assert_slice(c->feeds[0].endpoints[0].params,
		"{\"a\":12345678901234567890,\"b\":1.10,\"huge\":1e999,\"z\":-0}");
	config_free(c);
}

static void rotation_by_size_and_ipv6_status_are_read(void **state)
{
	struct config *c = load(good("rotate_by_size"));

	(void)state;
	assert_int_equal(c->rotate, CONFIG_ROTATE_SIZE);
	assert_int_equal(c->rotate_bytes, INT64_C(10) << 30);
	config_free(c);
	c = load(good("status_ipv6"));
	assert_string_equal(c->status_host, "::1");
	config_free(c);
}

static void a_dialect_is_one_line_of_json(void **state)
{
	struct config *c = load(good("bitflyer"));
	const struct config_dialect *d = &c->feeds[0].dialect;

	(void)state;
	assert_null(d->data.path);
	assert_null(d->data.params);
	assert_null(d->data.timestamp);
	assert_string_equal(d->data.results, "");
	assert_string_equal(d->json,
		"{\"data\":{\"event\":\"*\",\"path\":\"$event\",\"results\":\"\"},"
		"\"subscribe\":{\"ack\":true,\"args\":[\"$path\"],\"event\":\"subscribe\"},"
		"\"unsubscribe\":{\"ack\":true,\"args\":[\"$path\"],\"event\":\"unsubscribe\"}}");
	config_free(c);
}

static void a_dialect_is_read_back_from_a_recording(void **state)
{
	static const char *const names[] = { "bitflyer", "bitbank", "minimal", "partial_dialect" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct config *c = load(good(names[i]));
		const struct config_dialect *d = &c->feeds[0].dialect;
		struct arena arena = { 0 };
		struct config_dialect back;
		struct err e;

		assert_true(config_dialect_read(&back, &arena, "it", slice_of(d->json), &e));
		assert_string_equal(back.json, d->json);
		assert_string_equal(back.subscribe.event, d->subscribe.event);
		assert_int_equal(back.unsubscribe.ack, d->unsubscribe.ack);
		assert_int_equal(back.data.path == NULL, d->data.path == NULL);
		assert_string_equal(back.data.results, d->data.results);
		arena_release(&arena);
		config_free(c);
	}
}

static void what_is_no_dialect_is_refused_by_its_name(void **state)
{
	static const char *const texts[] = { "", "[]", "{", "7", "{\"data\":{}}", "{\"x\":1}",
		"{\"subscribe\":{\"event\":\"s\",\"args\":[]}}", "\"\xff\"",
		"{\"data\":{\"event\":\"d\",\"path\":\"p\",\"results\":\"\"}}" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct arena arena = { 0 };
		struct config_dialect d;
		struct err e;

		assert_false(
			config_dialect_read(&d, &arena, "dialect of 'x'", slice_of(texts[i]), &e));
		assert_memory_equal(e.text, "dialect of 'x'", strlen("dialect of 'x'"));
		arena_release(&arena);
	}
}

static void a_params_file_gives_an_endpoint_a_line(void **state)
{
	struct config *c = load(good("params_file"));
	const struct config_feed *f = &c->feeds[0];

	(void)state;
	assert_int_equal(f->n_endpoints, 4);
	assert_slice(f->endpoints[0].params, "{\"ticker\":\"AAPL\"}");
	assert_slice(f->endpoints[1].params, "{\"ticker\":\"MSFT\"}");
	assert_slice(f->endpoints[2].params, "{\"n\":1.10,\"ticker\":\"T\"}");
	assert_string_equal(f->endpoints[2].table, "t");
	assert_null(f->endpoints[3].table);
	assert_int_equal(f->n_entries, 2);
	assert_int_equal(f->entries[0].count, 3);
	assert_int_equal(f->entries[1].first, 3);
	config_free(c);
}

static void many_endpoints_load_quickly(void **state)
{
	struct scratch s;
	FILE *file;
	struct config *c;
	int64_t began = clock_mono_us();

	(void)state;
	scratch_open(&s);
	file = fopen(scratch_file(&s, "p.ndjson"), "w");
	assert_non_null(file);
	for (int i = 0; i < MANY_ENDPOINTS; i++)
		(void)fprintf(file, "{\"ticker\":\"T%d\"}\n", (i * 7919) % MANY_ENDPOINTS);
	assert_int_equal(fclose(file), 0);
	write_file(&s, "c.json",
		"{\"database\":\"x\",\"feeds\":[{\"name\":\"a\",\"url\":\"http://a\","
		"\"endpoints\":[{\"path\":\"p\",\"params_file\":\"p.ndjson\"}]}]}");
	c = load(s.path);
	assert_int_equal(c->feeds[0].n_endpoints, MANY_ENDPOINTS);
	assert_slice(c->feeds[0].endpoints[1].params, "{\"ticker\":\"T7919\"}");
	assert_true(clock_mono_us() - began < MANY_ENDPOINTS_US);
	config_free(c);
	scratch_close(&s);
}

static void relative_paths_begin_at_the_file(void **state)
{
	struct scratch s;
	struct config *c;
	char want[PATH_MAX];

	(void)state;
	scratch_open(&s);
	write_file(&s, "c.json",
		"{\"database\":\"sub/x.db\",\"log_file\":\"/log\",\"feeds\":[{\"name\":\"a\","
		"\"url\":\"http://a\",\"token\":{\"url\":\"http://a/jwt\","
		"\"api_key_file\":\"../key\"},\"endpoints\":[]}]}");
	c = load(s.path);
	(void)snprintf(want, sizeof(want), "%s/sub/x.db", s.dir);
	assert_string_equal(c->database, want);
	assert_string_equal(c->log_file, "/log");
	(void)snprintf(want, sizeof(want), "%s/../key", s.dir);
	assert_string_equal(c->feeds[0].token.key_name, want);
	assert_string_equal(c->file, s.path);
	config_free(c);
	scratch_close(&s);
}

/* ---- printing ---- */

static void the_print_hides_secrets_and_shows_defaults(void **state)
{
	struct config *c = load(good("every_key"));
	char *text = print(c);

	(void)state;
	assert_null(strstr(text, "password"));
	assert_null(strstr(text, "caf"));
	assert_null(strstr(text, "\"tapedeck\""));
	assert_null(strstr(text, "scope=feed"));
	assert_null(strstr(text, "1.1"));
	assert_non_null(strstr(text, "\"proxy\": \"http://***@proxy.example.org:3128\""));
	assert_non_null(strstr(text, "\"headers\": {\"Origin\": \"***\", \"X-Note\": \"***\"}"));
	assert_non_null(strstr(text, "\"url\": \"https://example.org/jwt?***\""));
	assert_non_null(strstr(text, "\"rotate\": \"1d\""));
	free(text);
	config_free(c);
	c = load(good("minimal"));
	text = print(c);
	assert_non_null(strstr(text, "\"commit_interval\": \"200ms\""));
	assert_non_null(strstr(text, "\"transports\": [\"websocket\", \"polling\"]"));
	free(text);
	config_free(c);
}

static void the_print_of_a_print_is_the_same(void **state)
{
	static const char *const names[] = { "minimal", "bitbank", "bitflyer", "several_feeds",
		"least_values", "table_names", "status_ipv6", "rotate_by_size" };
	struct scratch s;

	(void)state;
	scratch_open(&s);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct config *c = load(good(names[i]));
		char *first = print(c);
		char *second;

		config_free(c);
		write_file(&s, "c.json", first);
		c = load(s.path);
		second = print(c);
		assert_string_equal(first, second);
		free(first);
		free(second);
		config_free(c);
	}
	scratch_close(&s);
}

static void a_params_file_is_printed_as_one_entry(void **state)
{
	struct config *c = load(good("params_file"));
	char *text = print(c);

	(void)state;
	assert_null(strstr(text, "AAPL"));
	assert_non_null(strstr(text, "good/tickers.ndjson\""));
	assert_non_null(strstr(text, "\"endpoints\": 3\n"));
	free(text);
	config_free(c);
}

/* ---- the schema ---- */

static const char *const schema_places[PLACES] = { NULL, "retention", "feed", "token", "jwt_route",
	"dialect", "emit", "data", "endpoint" };

static bool same_json(struct slice a, struct slice b)
{
	struct buf left, right;
	struct err e;
	bool same;

	buf_init(&left, FILE_LIMIT);
	buf_init(&right, FILE_LIMIT);
	same = json_canon(a, &left, &e) && json_canon(b, &right, &e) &&
		slice_equal(buf_slice(&left), buf_slice(&right));
	buf_release(&left);
	buf_release(&right);
	return same;
}

static size_t count_members(struct slice object)
{
	struct json_iter it;
	struct slice key, value;
	size_t count = 0;

	json_iter_init(&it, object);
	while (json_iter_next(&it, &key, &value))
		count++;
	return count;
}

static void check_schema_key(const struct option *o, struct slice properties)
{
	struct slice property, description, fallback;
	bool has_default;

	if (!json_member(properties, o->name, &property))
		fail_msg("the schema lacks '%s'", o->name);
	assert_true(json_member(property, "description", &description));
	if (!json_string_is(description, slice_of(o->help)))
		fail_msg("the schema describes '%s' otherwise: %.*s", o->name, (int)description.len,
			description.ptr);
	has_default = json_member(property, "default", &fallback);
	assert_int_equal(has_default, o->fallback != NULL);
	if (has_default && !same_json(fallback, slice_of(o->fallback)))
		fail_msg("the schema has another default for '%s'", o->name);
}

static void the_schema_has_the_same_keys_and_defaults(void **state)
{
	struct buf text;
	struct slice schema, definitions;
	struct err e;

	(void)state;
	buf_init(&text, FILE_LIMIT);
	assert_true(config_file_read(source_path("schema/config.schema.json"), &text, NULL, &e));
	schema = buf_slice(&text);
	while (schema.len != 0 && schema.ptr[schema.len - 1] == '\n')
		schema.len--;
	assert_true(json_validate(schema, NULL, &e));
	assert_true(json_member(schema, "$defs", &definitions));
	assert_int_equal(count_members(definitions), PLACES - 1);
	for (unsigned p = 0; p < PLACES; p++) {
		struct slice object = schema, properties;
		size_t count;
		const struct option *rows = option_rows((enum option_place)p, &count);

		if (schema_places[p] != NULL)
			assert_true(json_member(definitions, schema_places[p], &object));
		assert_true(json_member(object, "properties", &properties));
		assert_int_equal(count_members(properties), count);
		for (size_t i = 0; i < count; i++)
			check_schema_key(&rows[i], properties);
	}
	buf_release(&text);
}

static void the_examples_load(void **state)
{
	struct config *c = load(source_path("config/marketprophit.json"));

	(void)state;
	assert_string_equal(c->feeds[0].name, "marketprophit");
	config_free(c);
	c = load(source_path("config/demo.json"));
	assert_int_equal(c->feeds[0].n_endpoints, 14);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_load_and_print_as_json),
		cmocka_unit_test(bad_files_are_refused_with_place_and_reason),
		cmocka_unit_test(missing_files_and_directories_are_refused),
		cmocka_unit_test(a_line_of_a_megabyte_is_refused_with_a_short_message),
		cmocka_unit_test(a_file_beyond_the_limit_is_refused),
		cmocka_unit_test(what_is_not_written_has_its_default),
		cmocka_unit_test(every_key_is_held),
		cmocka_unit_test(numbers_keep_their_digits),
		cmocka_unit_test(rotation_by_size_and_ipv6_status_are_read),
		cmocka_unit_test(a_dialect_is_one_line_of_json),
		cmocka_unit_test(a_dialect_is_read_back_from_a_recording),
		cmocka_unit_test(what_is_no_dialect_is_refused_by_its_name),
		cmocka_unit_test(a_params_file_gives_an_endpoint_a_line),
		cmocka_unit_test(many_endpoints_load_quickly),
		cmocka_unit_test(relative_paths_begin_at_the_file),
		cmocka_unit_test(the_print_hides_secrets_and_shows_defaults),
		cmocka_unit_test(the_print_of_a_print_is_the_same),
		cmocka_unit_test(a_params_file_is_printed_as_one_entry),
		cmocka_unit_test(the_schema_has_the_same_keys_and_defaults),
		cmocka_unit_test(the_examples_load),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
