#include "config/reader.h"

#include "base/json.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "config/valid.h"

bool read_args(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	if (json_type_of(raw) != JSON_ARRAY)
		return reader_refuse(r, o, at, raw, o->allowed);
	return reader_raw(r, at, raw, field);
}

bool read_emit(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	return reader_object(r, PLACE_EMIT, at, raw, field);
}

bool read_data_path(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	const char **path = field;

	if (json_type_of(raw) != JSON_STRING)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (json_string_is(raw, slice_of("$event"))) {
		*path = NULL;
		return true;
	}
	return reader_text(r, at, raw, path) &&
		(valid_pointer(*path) || reader_refuse(r, o, at, raw, o->allowed));
}

/* Compiles the places once, for what no single pointer shows: how many steps they have together. */
bool read_data(struct reader *r, const struct option *o, const struct place *at, struct slice raw,
	void *field)
{
	struct config_dialect *d = field;
	struct json_places *places;
	struct err why;

	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (!reader_object(r, PLACE_DATA, at, raw, d))
		return false;
	places = json_places_new(
		(const char *const[EVENT_SLOTS]){
			[EVENT_PATH] = d->data.path,
			[EVENT_PARAMS] = d->data.params,
			[EVENT_TIMESTAMP] = d->data.timestamp,
			[EVENT_RESULTS] = d->data.results,
		},
		&why);
	if (places == NULL)
		return why.code == ERR_NOMEM ? reader_nomem(r)
					     : reader_fail(r, at, "is refused: %s", why.text);
	json_places_free(places);
	return true;
}

static bool append_member(struct buf *out, const char *name, const char *text)
{
	if (text == NULL)
		return true;
	return buf_printf(out, "\"%s\":", name) && json_string_encode(slice_of(text), out) &&
		buf_append_char(out, ',');
}

static bool append_emit(struct buf *out, const char *name, const struct config_emit *emit)
{
	return buf_printf(out, "\"%s\":{", name) && append_member(out, "event", emit->event) &&
		buf_append_str(out, "\"args\":") && buf_append_str(out, emit->args) &&
		buf_printf(out, ",\"ack\":%s},", emit->ack ? "true" : "false");
}

/* The dialect in one line, whatever of it was written and how. */
static bool make_json(struct reader *r, const struct place *at, struct config_dialect *d)
{
	struct buf out;
	struct slice canonical = { NULL, 0 };
	bool ok;

	buf_init(&out, 2 * CONFIG_FILE_MAX);
	ok = buf_append_char(&out, '{') && append_emit(&out, "subscribe", &d->subscribe) &&
		append_emit(&out, "unsubscribe", &d->unsubscribe) &&
		buf_append_str(&out, "\"data\":{") && append_member(&out, "event", d->data.event) &&
		append_member(&out, "path", d->data.path != NULL ? d->data.path : "$event") &&
		append_member(&out, "params", d->data.params) &&
		append_member(&out, "timestamp", d->data.timestamp) &&
		append_member(&out, "results", d->data.results);
	if (ok) {
		out.len--; /* the comma behind the last member */
		ok = buf_append_str(&out, "}}");
	}
	ok = ok ? reader_canonical(r, at, buf_slice(&out), &canonical) : reader_nomem(r);
	d->json = canonical.ptr;
	buf_release(&out);
	return ok;
}

bool read_dialect(struct reader *r, const struct option *o, const struct place *at,
	struct slice raw, void *field)
{
	struct config_dialect *d = field;
	struct slice ignored;

	if (json_type_of(raw) != JSON_OBJECT)
		return reader_refuse(r, o, at, raw, o->allowed);
	if (!reader_object(r, PLACE_DIALECT, at, raw, d))
		return false;
	if (json_member(raw, "subscribe", &ignored) != json_member(raw, "unsubscribe", &ignored))
		return reader_fail(r, at,
			"has only one of \"subscribe\" and \"unsubscribe\"; allowed: both or neither");
	d->data_is_default = !json_member(raw, "data", &ignored);
	return make_json(r, at, d);
}

bool config_dialect_read(struct config_dialect *out, struct arena *arena, const char *name,
	struct slice json, struct err *e)
{
	struct reader r = { .arena = arena, .file = name, .directory = "", .err = e };
	struct slice text = reader_trim(json);
	const struct option *row = option_find(PLACE_FEED, "dialect");
	bool ok;

	if (!utf8_valid(text) || (text.len != 0 && memchr(text.ptr, '\0', text.len) != NULL))
		return reader_fail(&r, NULL, "is not UTF-8 text");
	if (!json_validate(text, NULL, e))
		return err_prefix(e, "%s", name);
	buf_init(&r.scratch, 2 * CONFIG_FILE_MAX);
	*out = (struct config_dialect){ .data_is_default = false };
	ok = read_dialect(&r, row, NULL, text, out);
	buf_release(&r.scratch);
	return ok;
}
