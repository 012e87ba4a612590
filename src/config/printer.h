/*
 * printer: writes the effective configuration as JSON, by the rows of options.h.
 */
#ifndef TAPEDECK_CONFIG_PRINTER_H
#define TAPEDECK_CONFIG_PRINTER_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "config/options.h"

#include <stdbool.h>
#include <stdio.h>

struct printer {
	FILE *out;
	struct buf scratch; /* one encoded or canonical text at a time */
	int depth;
	bool failed; /* out of memory; what is printed after that is incomplete */
};

void printer_put(struct printer *p, const char *format, ...) PRINTF_LIKE(2, 3);
void printer_put_slice(struct printer *p, struct slice text);

/* A string token. */
void printer_put_string(struct printer *p, struct slice text);

/* The same, or null for NULL. */
void printer_put_text(struct printer *p, const char *text);

/* Raw JSON, without the line ends it may have been written with. */
void printer_put_raw(struct printer *p, const char *raw);

void printer_new_line(struct printer *p);

/* Writes the rows of a place but for the one named `skip` (may be NULL); leaves the object open. */
void printer_put_rows(
	struct printer *p, enum option_place place, const char *skip, const void *object);
void printer_end_object(struct printer *p);
void printer_put_object(struct printer *p, enum option_place place, const void *object);

/* Writes "[", or "," before a further element, and begins its line. */
void printer_begin_element(struct printer *p, size_t i);
void printer_end_list(struct printer *p, size_t count);

/* Printers of single rows. */
option_print print_rotate, print_file_mode, print_status, print_retention, print_feeds;
option_print print_url, print_transports, print_pairs, print_auth, print_proxy;
option_print print_token, print_token_url, print_key, print_jwt_route, print_origins;
option_print print_dialect, print_emit, print_args, print_data, print_data_path;
option_print print_endpoints, print_slice, print_raw_slice, print_index;

#endif
