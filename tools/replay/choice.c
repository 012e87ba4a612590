#include "choice.h"

#include "base/json.h"
#include "base/json_canon.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void choice_init(struct choice *c)
{
	*c = (struct choice){ .from_us = TAPE_NONE, .to_us = TAPE_NONE };
}

void choice_release(struct choice *c)
{
	free(c->feeds.values);
	free(c->paths.values);
	free(c->params.values);
	arena_release(&c->arena);
	choice_init(c);
}

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

static bool add(struct choice_list *list, struct slice value, struct err *e)
{
	struct slice *values = reallocarray(list->values, list->count + 1, sizeof(*values));

	if (values == NULL)
		return no_memory(e);
	list->values = values;
	values[list->count++] = value;
	return true;
}

static bool is_number(const char *text)
{
	text += *text == '-';
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* A bare number is never a date without its dashes: microseconds are what SQL shows. */
static bool take_time(const char *option, const char *value, int64_t *us, struct err *e)
{
	errno = 0;
	if (is_number(value)) {
		*us = strtoll(value, NULL, 10);
		if (errno == 0 && *us != TAPE_NONE)
			return true;
		return err_set(
			e, ERR_CONFIG, "%s '%s': there are no so many microseconds", option, value);
	}
	return timestamp_parse_text(slice_of(value), us, e) ||
		err_prefix(e, "%s '%s'", option, value);
}

static bool take_params(struct choice *c, const char *value, struct err *e)
{
	struct slice text = slice_of(value);
	struct buf canonical;
	struct slice kept = { 0 };
	bool ok;

	if (!utf8_valid(text))
		return err_set(e, ERR_CONFIG, "--params '%s': it is not UTF-8", value);
	buf_init(&canonical, 8 * text.len + 64);
	ok = json_validate(text, NULL, e) && json_canon(text, &canonical, e);
	if (!ok) {
		(void)err_prefix(e, "--params '%s'", value);
	} else {
		kept = (struct slice){ arena_copy(&c->arena, buf_slice(&canonical)),
			canonical.len };
		ok = kept.ptr != NULL || no_memory(e);
	}
	buf_release(&canonical);
	return ok && add(&c->params, kept, e);
}

static bool take_order(struct choice *c, const char *value, struct err *e)
{
	if (strcmp(value, "received") == 0)
		c->order = TAPE_RECEIVED;
	else if (strcmp(value, "timestamp") == 0)
		c->order = TAPE_TIMESTAMP;
	else
		return err_set(
			e, ERR_CONFIG, "--order '%s': it is 'received' or 'timestamp'", value);
	return true;
}

bool choice_take(struct choice *c, int option, const char *value, struct err *e)
{
	switch (option) {
	case CHOICE_FROM:
		return take_time("--from", value, &c->from_us, e);
	case CHOICE_TO:
		return take_time("--to", value, &c->to_us, e);
	case CHOICE_FEED:
		return add(&c->feeds, slice_of(value), e);
	case CHOICE_PATH:
		return add(&c->paths, slice_of(value), e);
	case CHOICE_PARAMS:
		return take_params(c, value, e);
	default:
		assert(option == CHOICE_ORDER);
		return take_order(c, value, e);
	}
}

bool choice_check(const struct choice *c, struct err *e)
{
	if (c->from_us == TAPE_NONE || c->to_us == TAPE_NONE || c->from_us <= c->to_us)
		return true;
	return err_set(e, ERR_CONFIG, "--from is after --to");
}

struct tape_choice choice_of(const struct choice *c)
{
	return (struct tape_choice){
		.from_us = c->from_us,
		.to_us = c->to_us,
		.feeds = c->feeds.values,
		.n_feeds = c->feeds.count,
		.paths = c->paths.values,
		.n_paths = c->paths.count,
		.params = c->params.values,
		.n_params = c->params.count,
		.order = c->order,
	};
}
