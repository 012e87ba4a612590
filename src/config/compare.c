#include "config/config.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_pairs(
	const struct config_pair *a, size_t n_a, const struct config_pair *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!same_text(a[i].name, b[i].name) || !same_text(a[i].value, b[i].value))
			return false;
	return true;
}

static bool same_transports(const struct config_feed *a, const struct config_feed *b)
{
	return a->n_transports == b->n_transports &&
		memcmp(a->transports, b->transports, a->n_transports * sizeof(a->transports[0])) ==
		0;
}

static bool same_token(const struct config_token *a, const struct config_token *b)
{
	return same_text(a->url_text, b->url_text) && a->key_source == b->key_source &&
		same_text(a->key_name, b->key_name) && same_text(a->member, b->member) &&
		same_text(a->query, b->query) && a->lifetime_us == b->lifetime_us &&
		a->refresh == b->refresh && a->timeout_us == b->timeout_us;
}

bool config_feed_connects_alike(const struct config_feed *a, const struct config_feed *b)
{
	return same_text(a->url_text, b->url_text) && a->protocol == b->protocol &&
		same_transports(a, b) && same_text(a->path, b->path) &&
		same_text(a->namespace, b->namespace) &&
		same_pairs(a->query, a->n_query, b->query, b->n_query) &&
		same_pairs(a->headers, a->n_headers, b->headers, b->n_headers) &&
		same_text(a->auth, b->auth) && a->compression == b->compression &&
		same_text(a->ca_file, b->ca_file) && same_text(a->proxy, b->proxy) &&
		a->connections == b->connections && a->resume == b->resume &&
		a->handover_overlap_us == b->handover_overlap_us && a->has_token == b->has_token &&
		(!a->has_token || same_token(&a->token, &b->token)) &&
		same_text(a->dialect.json, b->dialect.json);
}

void config_restart_keys(
	const struct config *a, const struct config *b, void (*tell)(const char *key))
{
	if (!same_text(a->database, b->database))
		tell("database");
	if (a->buffer_bytes != b->buffer_bytes)
		tell("buffer");
	if (a->rotate != b->rotate || a->rotate_us != b->rotate_us ||
		a->rotate_bytes != b->rotate_bytes)
		tell("rotate");
	if (a->file_mode != b->file_mode)
		tell("file_mode");
	if (!same_text(a->status_host, b->status_host) || a->status_port != b->status_port)
		tell("status");
	if (!same_text(a->log_file, b->log_file))
		tell("log_file");
}
