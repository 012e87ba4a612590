/*
 * config: the configuration file, checked and complete.
 *
 * config_load reads a file, refuses what it does not know or cannot use (naming the place, the value and
 * what is allowed), fills in every default and resolves relative paths against the file's directory.
 * What it returns is plain data that never changes; a reload loads a second one beside it. One `struct
 * config` owns all memory below it; every pointer and slice in it is valid until its last owner
 * calls config_free. Texts are
 * NUL-terminated and hold no NUL, slices too.
 *
 * Raw JSON (params, auth, arguments of a dialect) is kept as its own text, never through a number type:
 * 1.10, -0 and long integers stay as written.
 *
 * Limits: CONFIG_FILE_MAX for each file read, CONFIG_*_MAX below. An API key is not part of it:
 * config_api_key reads it when it is needed.
 */
#ifndef TAPEDECK_CONFIG_CONFIG_H
#define TAPEDECK_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "base/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CONFIG_FILE_MAX ((size_t)64 << 20)
#define CONFIG_FEEDS_MAX 1000
#define CONFIG_CONNECTIONS_MAX 16
#define CONFIG_PAIRS_MAX 100 /* members of `query`, of `headers` */
#define CONFIG_NAME_MAX 64   /* bytes of a feed's or table's name */
#define CONFIG_KEY_MAX 16384 /* bytes of an API key, and of a header_file */

enum config_durability { CONFIG_DURABILITY_FULL, CONFIG_DURABILITY_NORMAL };
enum config_rotate { CONFIG_ROTATE_NONE, CONFIG_ROTATE_TIME, CONFIG_ROTATE_SIZE };
enum config_protocol {
	CONFIG_PROTOCOL_AUTO,
	CONFIG_PROTOCOL_09,
	CONFIG_PROTOCOL_EIO3,
	CONFIG_PROTOCOL_EIO4,
};
enum config_transport { CONFIG_TRANSPORT_WEBSOCKET, CONFIG_TRANSPORT_POLLING, CONFIG_TRANSPORTS };
enum config_key_source { CONFIG_KEY_FILE, CONFIG_KEY_ENV, CONFIG_KEY_CREDENTIAL };

/* What to keep; 0: no limit. `bytes` counts `results`. Levels do not inherit: each limits its own part
 * of the recording. */
struct config_retention {
	int64_t age_us;
	uint64_t bytes;
};

/* A member of `query` or `headers`; the value may be a secret and goes into no message. */
struct config_pair {
	const char *name;
	const char *value;
};

struct config_index {
	const char *const *columns;
	size_t n_columns;
};

/* One stream to subscribe. Endpoints of one params_file share everything but `params`. */
struct config_endpoint {
	struct slice path;
	struct slice params;     /* canonical text, "{}" if none */
	int64_t expect_every_us; /* 0: no silence detection */
	const char *table;       /* NULL: no row table */
	const struct config_index *indexes;
	size_t n_indexes;
	struct config_retention retention;
};

/* An element of `endpoints` as written: one endpoint, or all those of a params_file. */
struct config_entry {
	const char *params_file; /* resolved; NULL: `params` */
	size_t first;            /* its endpoints in the feed's list */
	size_t count;
};

/* An event that the recorder emits. */
struct config_emit {
	const char *event;
	const char *
		args; /* raw JSON array; the strings "$path" and "$params" in it are placeholders */
	bool ack;     /* the server calls back */
};

/* How a feed names things. Places are JSON Pointers into an event's first argument. */
struct config_dialect {
	struct config_emit subscribe;
	struct config_emit unsubscribe;
	struct {
		const char *event;     /* "*": every event */
		const char *path;      /* NULL: the event's name is the path ("$event") */
		const char *params;    /* NULL: the params are {} */
		const char *timestamp; /* NULL: the time of arrival */
		const char *results;
	} data;
	bool data_is_default; /* `data` was not configured: an event without a timestamp is rejected */
	const char *json;     /* the whole dialect as one line of JSON, for the recording */
};

struct config_token {
	const char *url_text;
	struct url url;
	enum config_key_source key_source;
	const char *key_name; /* the file (resolved), the variable, or the credential's name */
	const char *member;
	const char *query; /* the name under which the token goes into the handshake's query */
	int64_t lifetime_us;
	double refresh; /* the part of its life after which a token is renewed */
	int64_t timeout_us;
	bool has_jwt_route;
	const char *const
		*origins; /* "https://example.org": who may ask from a browser; may be empty */
	size_t n_origins;
	const char *header_file; /* resolved; NULL: no header is asked for */
};

struct config_feed {
	const char *name;
	const char *url_text;
	struct url url;
	enum config_protocol protocol;
	enum config_transport transports[CONFIG_TRANSPORTS]; /* in the order of preference */
	size_t n_transports;                                 /* at least one */
	const char *path;
	const char *namespace;
	const struct config_pair *query;
	size_t n_query;
	const struct config_pair *headers;
	size_t n_headers;
	const char *auth; /* raw JSON object; the string "$token" in it is a placeholder */
	bool compression;
	const char *ca_file; /* resolved; NULL: the system's certificates */
	const char *proxy;   /* holds its password; NULL: as the environment says, "": none */
	uint32_t connections;
	bool resume;
	int64_t handover_overlap_us;
	struct config_retention retention;
	bool has_token;
	struct config_token token;
	struct config_dialect dialect;
	const struct config_endpoint *endpoints;
	size_t n_endpoints;
	const struct config_entry *entries;
	size_t n_entries;
};

struct config {
	const char *file;     /* as given to config_load */
	const char *database; /* resolved */
	int64_t commit_interval_us;
	enum config_durability durability;
	uint64_t buffer_bytes;
	mode_t file_mode;
	int64_t duplicate_window_us;
	enum config_rotate rotate;
	int64_t rotate_us;     /* CONFIG_ROTATE_TIME */
	uint64_t rotate_bytes; /* CONFIG_ROTATE_SIZE */
	struct config_retention retention;
	int64_t progress_us;
	uint64_t free_space_warning;
	const char *log_file;    /* resolved; NULL: standard error */
	const char *status_host; /* an address without brackets; NULL: no status server */
	uint16_t status_port;    /* 0: any free port */
	const struct config_feed *feeds;
	size_t n_feeds; /* at least one */
};

/* Reads and checks the file at `path`, and the params_files that it names; no other file is opened.
 * `*out` is set only on success. */
bool config_load(struct config **out, const char *path, struct err *e) MUST_CHECK;

/* Another owner: each calls config_free. Loop thread only. */
struct config *config_share(struct config *c);

/* Accepts NULL. */
void config_free(struct config *c);

/* Reads a dialect as a recording keeps it (`config_dialect.json`, or any text that `dialect` of a configuration
 * may be) into `out`, whose texts lie in the arena. `name` is what an error calls it. */
bool config_dialect_read(struct config_dialect *out, struct arena *arena, const char *name,
	struct slice json, struct err *e) MUST_CHECK;

/* True if a feed connects and speaks the same way by both: only its endpoints, its retention, or who may ask for
 * its token may differ. */
bool config_feed_connects_alike(const struct config_feed *a, const struct config_feed *b);

/* Writes the effective configuration as JSON, every default shown. Values of query, headers and auth and
 * the credentials in a URL are "***". An entry with a params_file shows the file's name and, as
 * "endpoints", the number of its lines. The caller checks ferror. False when out of memory. */
bool config_print(const struct config *c, FILE *out, struct err *e) MUST_CHECK;

/* Calls `tell` for each key of the top level that differs and that a running daemon cannot change. */
void config_restart_keys(
	const struct config *a, const struct config *b, void (*tell)(const char *key));

/* Reads the API key from where the configuration says. A variable is blanked in the environment when it
 * is first read and kept aside, so that a reload finds it again. Loop thread only. The caller frees the
 * key with secret_free; `*out` is set only on success. */
bool config_api_key(const struct config_token *t, struct secret **out, struct err *e) MUST_CHECK;

#endif
