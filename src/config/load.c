#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "config/file.h"
#include "config/reader.h"

/* The arena stands beside the public struct, which is part of what it owns. */
struct owner {
	struct config config; /* first: config_free finds the owner by it */
	struct arena arena;
	unsigned shares; /* owners beside the first */
};

struct config *config_share(struct config *c)
{
	((struct owner *)c)->shares++;
	return c;
}

void config_free(struct config *c)
{
	struct owner *owner = (struct owner *)c;

	if (owner == NULL || owner->shares-- > 0)
		return;
	arena_release(&owner->arena);
	free(owner);
}

static bool fail_at(struct reader *r, struct slice text, size_t offset, const char *what)
{
	size_t line, column;

	json_line_column(text, offset, &line, &column);
	return err_set(
		r->err, ERR_CONFIG, "%s: line %zu, column %zu: %s", r->file, line, column, what);
}

/* The line that holds the first byte that is not UTF-8: a line break is never inside a character. */
static size_t find_bad_line(struct slice text)
{
	size_t begin = 0;

	for (;;) {
		const char *end = memchr(text.ptr + begin, '\n', text.len - begin);
		size_t len = end != NULL ? (size_t)(end - text.ptr) - begin : text.len - begin;

		if (end == NULL || !utf8_valid((struct slice){ text.ptr + begin, len }))
			return begin;
		begin += len + 1;
	}
}

/* Everything about the text that does not depend on its meaning. */
static bool check_text(struct reader *r, struct slice text)
{
	const char *nul = text.len != 0 ? memchr(text.ptr, '\0', text.len) : NULL;
	size_t at;
	struct err why;

	if (nul != NULL)
		return fail_at(r, text, (size_t)(nul - text.ptr),
			"a NUL byte, which no configuration holds; is this a text file?");
	if (!utf8_valid(text))
		return fail_at(r, text, find_bad_line(text),
			"the line is not UTF-8; save the file as UTF-8");
	if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
		return fail_at(r, text, 0, "a byte order mark; save the file as UTF-8 without one");
	if (!json_validate(text, &at, &why))
		return fail_at(r, text, at, why.text);
	if (*reader_trim(text).ptr != '{')
		return fail_at(r, text, (size_t)(reader_trim(text).ptr - text.ptr),
			"no object; a configuration is one JSON object");
	return true;
}

/* What concerns several keys of different objects. */
static bool check_whole(struct reader *r)
{
	const struct config *c = r->config;
	struct place feeds = { .name = "feeds" };

	for (size_t i = 0; i < c->n_feeds; i++) {
		const struct config_feed *f = &c->feeds[i];
		struct place feed = { .up = &feeds, .index = i };

		if (f->has_token && f->token.has_jwt_route && c->status_host == NULL)
			return reader_fail(r, &feed,
				"has a token with \"jwt_route\", which the status server serves; "
				"set \"status\" too");
		for (size_t q = 0; f->has_token && q < f->n_query; q++)
			if (strcmp(f->query[q].name, f->token.query) == 0)
				return reader_fail(r, &feed,
					"has \"%s\" in its query, which is where the token goes; "
					"remove it, or choose another name as token.query",
					f->token.query);
	}
	return true;
}

static bool read_text(struct reader *r, struct slice text)
{
	return check_text(r, text) &&
		reader_object(r, PLACE_TOP, NULL, reader_trim(text), r->config) && check_whole(r);
}

/* The part of the path up to its last '/'. */
static bool set_directory(struct reader *r, const char *path)
{
	const char *slash = strrchr(path, '/');

	r->config->file = arena_copy(r->arena, slice_of(path));
	r->file = r->config->file;
	r->directory = arena_copy(
		r->arena, (struct slice){ path, slash != NULL ? (size_t)(slash + 1 - path) : 0 });
	return r->file != NULL && r->directory != NULL;
}

static bool read_file(struct reader *r, const char *path)
{
	struct buf text;
	bool ok;

	buf_init(&text, CONFIG_FILE_MAX);
	ok = config_file_read(path, &text, NULL, r->err) && read_text(r, buf_slice(&text));
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_release(&text);
	return ok;
}

bool config_load(struct config **out, const char *path, struct err *e)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	struct reader r = { .file = path, .err = e };
	bool ok;

	if (owner == NULL)
		return err_set(e, ERR_NOMEM, "cannot read '%s': out of memory", path);
	r.arena = &owner->arena;
	r.config = &owner->config;
	buf_init(&r.scratch, 2 * CONFIG_FILE_MAX);
	ok = set_directory(&r, path) ? read_file(&r, path) : reader_nomem(&r);
	if (r.scratch.data != NULL)
		explicit_bzero(r.scratch.data, r.scratch.cap);
	buf_release(&r.scratch);
	if (!ok) {
		config_free(&owner->config);
		return false;
	}
	*out = &owner->config;
	return true;
}
