#include "config/printer.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/json_canon.h"
#include "base/units.h"
#include "config/config.h"

void printer_put(struct printer *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(p->out, format, args);
	va_end(args);
}

void printer_put_slice(struct printer *p, struct slice text)
{
	(void)fwrite(text.ptr, 1, text.len, p->out);
}

void printer_new_line(struct printer *p)
{
	printer_put(p, "\n%*s", 2 * p->depth, "");
}

void printer_put_string(struct printer *p, struct slice text)
{
	buf_reset(&p->scratch, SIZE_MAX);
	if (json_string_encode(text, &p->scratch))
		printer_put_slice(p, buf_slice(&p->scratch));
	else
		p->failed = true;
}

void printer_put_text(struct printer *p, const char *text)
{
	if (text == NULL)
		printer_put(p, "null");
	else
		printer_put_string(p, slice_of(text));
}

void printer_put_raw(struct printer *p, const char *raw)
{
	struct err ignored;

	buf_reset(&p->scratch, SIZE_MAX);
	if (json_canon(slice_of(raw), &p->scratch, &ignored))
		printer_put_slice(p, buf_slice(&p->scratch));
	else
		p->failed = true;
}

static void put_value(struct printer *p, const struct option *o, const void *object)
{
	const void *field = (const char *)object + o->offset;
	char text[UNITS_TEXT_MAX];
	bool is_none = o->fallback != NULL && strcmp(o->fallback, "null") == 0;
	int64_t us;
	uint64_t bytes;
	unsigned number;

	if (o->print != NULL) {
		o->print(p, o, field);
		return;
	}
	switch (o->type) {
	case OPTION_TEXT:
	case OPTION_FILE:
		printer_put_text(p, *(const char *const *)field);
		break;
	case OPTION_DURATION:
		us = *(const int64_t *)field;
		printer_put_text(p, is_none && us == 0 ? NULL : units_duration_text(text, us));
		break;
	case OPTION_SIZE:
		bytes = *(const uint64_t *)field;
		printer_put_text(p, is_none && bytes == 0 ? NULL : units_size_text(text, bytes));
		break;
	case OPTION_BOOL:
		printer_put(p, "%s", *(const bool *)field ? "true" : "false");
		break;
	case OPTION_COUNT:
		printer_put(p, "%u", *(const uint32_t *)field);
		break;
	case OPTION_RATIO:
		printer_put(p, "%.15g", *(const double *)field);
		break;
	case OPTION_ENUM:
		memcpy(&number, field, sizeof(number));
		printer_put_text(p, o->names[number]);
		break;
	case OPTION_CUSTOM:
		break;
	}
}

void printer_put_rows(
	struct printer *p, enum option_place place, const char *skip, const void *object)
{
	size_t count;
	const struct option *rows = option_rows(place, &count);
	bool is_first = true;

	printer_put(p, "{");
	p->depth++;
	for (size_t i = 0; i < count; i++) {
		if (skip != NULL && strcmp(rows[i].name, skip) == 0)
			continue;
		printer_put(p, "%s", is_first ? "" : ",");
		is_first = false;
		printer_new_line(p);
		printer_put(p, "\"%s\": ", rows[i].name);
		put_value(p, &rows[i], object);
	}
}

void printer_end_object(struct printer *p)
{
	p->depth--;
	printer_new_line(p);
	printer_put(p, "}");
}

void printer_put_object(struct printer *p, enum option_place place, const void *object)
{
	printer_put_rows(p, place, NULL, object);
	printer_end_object(p);
}

void printer_begin_element(struct printer *p, size_t i)
{
	printer_put(p, "%s", i == 0 ? "[" : ",");
	p->depth++;
	printer_new_line(p);
	p->depth--;
}

void printer_end_list(struct printer *p, size_t count)
{
	if (count == 0)
		printer_put(p, "[");
	else
		printer_new_line(p);
	printer_put(p, "]");
}

bool config_print(const struct config *c, FILE *out, struct err *e)
{
	struct printer p = { .out = out };

	buf_init(&p.scratch, 8 * CONFIG_FILE_MAX);
	printer_put_object(&p, PLACE_TOP, c);
	printer_put(&p, "\n");
	buf_release(&p.scratch);
	if (p.failed)
		return err_set(e, ERR_NOMEM, "cannot print the configuration: out of memory");
	return true;
}
