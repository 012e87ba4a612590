/*
 * json_template: JSON text in which some strings stand for other values.
 *
 * A dialect's arguments are such a text: [{"path":"$path","params":"$params"}]. A client fills it in, a server
 * finds in what arrived the values that were filled in. Only a whole string is a placeholder, and a key never
 * is one. Nothing is re-serialised. Templates and values are checked JSON; recursion goes along the
 * template only.
 */
#ifndef TAPEDECK_BASE_JSON_TEMPLATE_H
#define TAPEDECK_BASE_JSON_TEMPLATE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* A placeholder and the JSON text in its place. */
struct json_template_value {
	const char *placeholder; /* such as "$path" */
	struct slice json;
};

/* Appends `template` with every string that is a placeholder replaced by its JSON. */
bool json_template_expand(struct slice template, const struct json_template_value *values,
	size_t count, struct buf *out) MUST_CHECK;

/* Compares arguments, JSON values with commas between, with a template that is an array of them. Where it has a
 * placeholder anything may stand, or nothing: `json` becomes what stands there, borrowed, or its ptr NULL.
 * Everything else that it has must be there and be equal; what it does not have is ignored. When it is
 * false, `values` are undefined. */
bool json_template_match(struct slice template, struct slice arguments,
	struct json_template_value *values, size_t count) MUST_CHECK;

#endif
