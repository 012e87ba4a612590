/*
 * reader: turns checked JSON text into the structs of config.h by the rows of options.h.
 *
 * It works on the text itself (base/json.h), so every value is at hand as it was written: for the raw
 * texts that must not change, and for messages. The first error ends it; `err` then names the file, the
 * place, the value and what is allowed.
 */
#ifndef TAPEDECK_CONFIG_READER_H
#define TAPEDECK_CONFIG_READER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "config/config.h"
#include "config/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	struct arena *arena;   /* owns what is read */
	struct config *config; /* what is being built */
	const char *file;      /* for messages */
	const char *directory; /* "" or with a '/' at its end: relative paths begin there */
	struct buf scratch;    /* decoded strings, canonical texts */
	struct err *err;
};

/* Where a value stands. Places live on the stack, each pointing to the one around it; text is made of
 * them only when there is an error. */
struct place {
	const struct place *up; /* NULL: the whole file */
	const char *name;       /* a member; NULL: the element `index` */
	size_t index;
};

/* An element of `endpoints` while it is read: shared by all endpoints of a params_file. */
struct config_draft {
	struct config_endpoint endpoint;
	const char *params_file;
};

/* A list that grows in the arena; zeroed: empty. */
struct list {
	void *items;
	size_t count;
	size_t capacity;
};

/* A new zeroed item of `size` bytes at the end; NULL with the error set when out of memory. */
void *reader_list_add(struct reader *r, struct list *list, size_t size) MUST_CHECK;

/* "FILE: PLACE TEXT"; returns false. */
bool reader_fail(struct reader *r, const struct place *at, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* "FILE: PLACE is VALUE; allowed: WHAT"; the value is not shown if the row says so. Returns false. */
bool reader_refuse(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, const char *allowed);

bool reader_nomem(struct reader *r);

/* The text without the white space around it. */
struct slice reader_trim(struct slice text);

/* Appends the place to `out`, which is cut where it is full: "feeds[0].endpoints[2].params". */
void reader_place_text(const struct place *at, struct buf *out);

/* Reads all members of an object by the rows of `place`, then the defaults of those not given. */
bool reader_object(struct reader *r, enum option_place place, const struct place *at,
	struct slice raw, void *object) MUST_CHECK;

/* Decodes a string token into the arena; refuses NUL. */
bool reader_text(
	struct reader *r, const struct place *at, struct slice raw, const char **out) MUST_CHECK;

/* Decodes a string value into the arena and parses it as a URL. */
bool reader_url(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	const char **text, struct url *url) MUST_CHECK;

/* Reads an array of strings, each of which `is_valid`; `what` says what an element is. */
bool reader_strings(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, bool (*is_valid)(const char *text), const char *what,
	struct list *out) MUST_CHECK;

/* Resolves a path against the file's directory. */
bool reader_path(struct reader *r, const char *path, const char **out) MUST_CHECK;

/* Copies a raw value into the arena; keys given twice inside are refused. */
bool reader_raw(
	struct reader *r, const struct place *at, struct slice raw, const char **out) MUST_CHECK;

/* The value's canonical text, in the arena. */
bool reader_canonical(
	struct reader *r, const struct place *at, struct slice raw, struct slice *out) MUST_CHECK;

/* Readers of single rows. */
option_read read_rotate, read_file_mode, read_status, read_retention, read_feeds; /* read_top.c */
option_read read_url, read_transports, read_query, read_headers, read_auth;       /* read_feed.c */
option_read read_token, read_token_url, read_key, read_jwt_route, read_origins;   /* read_token.c */
option_read read_dialect, read_emit, read_args, read_data, read_data_path; /* read_dialect.c */
option_read read_endpoint_path, read_params, read_index;                   /* read_endpoint.c */
option_read read_endpoints;                                                /* read_endpoint.c */

#endif
