/*
 * log: what a person or a log collector reads on standard error or in a file.
 *
 * One event a line: time, level, message, then key=value fields (text), or one JSON object (json). Values
 * that came from a peer go through log_peer, which escapes, cuts and withholds what quotes a secret.
 * There is no field for a `struct secret`. Any thread may log; lines never mix.
 *
 *   error  data or service is lost    warn   something went wrong and is being coped with
 *   info   a state changed            debug  what helps to follow a single connection
 */
#ifndef TAPEDECK_BASE_LOG_H
#define TAPEDECK_BASE_LOG_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

enum log_kind { LOG_KIND_END, LOG_KIND_TEXT, LOG_KIND_PEER, LOG_KIND_INT, LOG_KIND_REAL };

/* A field of a line. It borrows its text until log_write returns. */
struct log_field {
	const char *key;
	enum log_kind kind;
	struct slice text;
	int64_t number;
	double real;
};

static inline struct log_field log_text(const char *key, const char *value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_TEXT, .text = slice_of(value) };
}

static inline struct log_field log_slice(const char *key, struct slice value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_TEXT, .text = value };
}

/* Text that a peer sent. */
static inline struct log_field log_peer(const char *key, struct slice value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_PEER, .text = value };
}

static inline struct log_field log_int(const char *key, int64_t value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_INT, .number = value };
}

/* Shown with one fraction digit. */
static inline struct log_field log_real(const char *key, double value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_REAL, .real = value };
}

/* The text of an error, under the key "error". */
static inline struct log_field log_err(const struct err *e)
{
	return log_text("error", e->text);
}

/* Where and how to log from now on. `path` NULL: standard error; else a file, appended to, mode 0640. */
bool log_open(
	enum log_level level, enum log_format format, const char *path, struct err *e) MUST_CHECK;

/* Flushes and closes a log file; standard error stays open. */
void log_close(void);

bool log_enabled(enum log_level level);

/* Writes one line; `fields` ends with a field of kind LOG_KIND_END. Use log_line. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#define log_line(level, message, ...) \
	log_write(level, message, \
		(const struct log_field[]){ __VA_ARGS__, { .kind = LOG_KIND_END } })

/* A line that replaces the one before it where standard error is a terminal, and is an ordinary info
 * line elsewhere. */
#define log_progress(message, ...) \
	log_write_progress( \
		message, (const struct log_field[]){ __VA_ARGS__, { .kind = LOG_KIND_END } })
void log_write_progress(const char *message, const struct log_field *fields);

/* Copies a peer's text into `out` (size > 0) for an error text: escaped, cut, withheld where it quotes
 * a secret. Returns `out`. */
const char *log_peer_text(char *out, size_t size, struct slice text);

#endif
