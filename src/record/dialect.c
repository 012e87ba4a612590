#include "record/dialect.h"

#include "base/json.h"
#include "base/json_template.h"

bool dialect_init(struct dialect *d, const struct config_dialect *config, struct err *e)
{
	const char *const pointers[EVENT_SLOTS] = {
		[EVENT_PATH] = config->data.path,
		[EVENT_PARAMS] = config->data.params,
		[EVENT_TIMESTAMP] = config->data.timestamp,
		[EVENT_RESULTS] = config->data.results,
	};

	*d = (struct dialect){ .config = config };
	for (int i = 0; i < EVENT_SLOTS; i++)
		if (pointers[i] != NULL && pointers[i][0] != '\0')
			d->needs_object = true;
	if (strcmp(config->data.event, "*") != 0)
		d->data_event = slice_of(config->data.event);
	d->places = json_places_new(pointers, e);
	return d->places != NULL;
}

void dialect_release(struct dialect *d)
{
	json_places_free(d->places);
	d->places = NULL;
}

bool dialect_arguments(
	const struct config_emit *emit, struct slice path, struct slice params, struct buf *out)
{
	struct json_iter it;
	struct slice argument;
	struct buf quoted;
	bool is_first = true;
	bool ok;

	buf_init(&quoted, SIZE_MAX / 2);
	ok = json_string_encode(path, &quoted);
	json_iter_init(&it, slice_of(emit->args));
	while (ok && json_iter_next(&it, NULL, &argument)) {
		struct json_template_value values[] = { { "$path", buf_slice(&quoted) },
			{ "$params", params } };

		ok = (is_first || buf_append_char(out, ',')) &&
			json_template_expand(argument, values, 2, out);
		is_first = false;
	}
	buf_release(&quoted);
	return ok;
}
