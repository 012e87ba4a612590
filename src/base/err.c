#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *e, enum err_code code, const char *format, ...)
{
	va_list args;

	e->code = code;
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return false;
}

bool err_prefix(struct err *e, const char *format, ...)
{
	char text[2 * ERR_TEXT_MAX];
	va_list args;
	size_t len;

	va_start(args, format);
	(void)vsnprintf(text, ERR_TEXT_MAX, format, args);
	va_end(args);
	len = strlen(text);
	(void)snprintf(text + len, sizeof(text) - len, ": %s", e->text);
	text[ERR_TEXT_MAX - 1] = '\0';
	memcpy(e->text, text, ERR_TEXT_MAX);
	return false;
}
