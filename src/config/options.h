/*
 * options: every key of the configuration, one row each.
 *
 * The rows are the only list of keys: reading, unknown keys, defaults, ranges, printing and the test that
 * compares with the JSON Schema all go by them. A row says where its value lives in the structs of
 * config.h; what has no simple type brings its own reader and printer.
 */
#ifndef TAPEDECK_CONFIG_OPTIONS_H
#define TAPEDECK_CONFIG_OPTIONS_H

#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* The object that a key belongs to, and the struct that its row's offset counts in. */
enum option_place {
	PLACE_TOP,       /* struct config */
	PLACE_RETENTION, /* struct config_retention */
	PLACE_FEED,      /* struct config_feed */
	PLACE_TOKEN,     /* struct config_token */
	PLACE_JWT_ROUTE, /* struct config_token */
	PLACE_DIALECT,   /* struct config_dialect */
	PLACE_EMIT,      /* struct config_emit */
	PLACE_DATA,      /* struct config_dialect */
	PLACE_ENDPOINT,  /* struct config_draft */
	PLACES,
};

enum option_type {
	OPTION_TEXT,     /* const char *; `is_valid` may restrict it */
	OPTION_FILE,     /* const char *, resolved against the file's directory */
	OPTION_DURATION, /* int64_t, microseconds, at least `least` */
	OPTION_SIZE,     /* uint64_t, bytes, at least `least` */
	OPTION_BOOL,     /* bool */
	OPTION_COUNT,    /* uint32_t, `least` to `most` */
	OPTION_RATIO,    /* double, `least` to `most` */
	OPTION_ENUM,     /* an enum whose values count from 0 in the order of `names` */
	OPTION_CUSTOM,   /* `read` and `print` */
};

struct reader;
struct place;
struct printer;
struct option;

/* Reads the value `raw`, found at `at`, into `field`; false: `r` holds the error. */
typedef bool option_read(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field);

/* Writes the value of `field` as JSON. */
typedef void option_print(struct printer *p, const struct option *o, const void *field);

struct option {
	enum option_place place;
	const char *name;
	enum option_type type;
	size_t offset;
	const char *fallback; /* JSON; "null": none; NULL: the key is required */
	double least;
	double most;
	const char *const *names; /* OPTION_ENUM; ends with NULL */
	bool (*is_valid)(const char *text);
	option_read *read;
	option_print *print;
	bool is_secret;      /* no message and no print shows the value */
	const char *allowed; /* what the value may be, for messages; NULL: by the type */
	const char *help;    /* one line */
};

/* All rows; those of one place stand together. */
extern const struct option option_table[];
extern const size_t option_table_count;

/* The rows of a place, `*count` of them, in the order in which they are printed. */
const struct option *option_rows(enum option_place place, size_t *count);

/* The row with this name, or NULL. */
const struct option *option_find(enum option_place place, const char *name);

/* The name that was most likely meant by an unknown one, or NULL if none is near. */
const char *option_nearest(enum option_place place, const char *name);

#endif
