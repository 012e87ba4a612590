#include "config/valid.h"

#include "base/slice.h"
#include "base/url.h"
#include "config/config.h"

#include <string.h>
#include <strings.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* Every character is in `set`, and there are 1 to `max` of them. */
static bool consists_of(const char *text, const char *set, size_t max)
{
	size_t len = strlen(text);

	return len != 0 && len <= max && strspn(text, set) == len;
}

static bool is_one_of(const char *text, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcasecmp(text, *names) == 0)
			return true;
	return false;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

bool valid_text(const char *text)
{
	return *text != '\0' && !has_control(text);
}

bool valid_feed_name(const char *text)
{
	return consists_of(text, LETTERS DIGITS "._-", CONFIG_NAME_MAX);
}

bool valid_file(const char *text)
{
	return *text != '\0';
}

bool valid_io_path(const char *text)
{
	return *text == '/' && consists_of(text, LETTERS DIGITS "/-._~!$&'()*+,;=:@%", 1024);
}

bool valid_namespace(const char *text)
{
	return *text == '/' && strchr(text, ',') == NULL && !has_control(text);
}

bool valid_proxy(const char *text)
{
	static const char *const schemes[] = { "http", "https", "socks4", "socks4a", "socks5",
		"socks5h", NULL };
	char scheme[8] = "";
	const char *colon = strstr(text, "://");
	const char *host, *at;
	size_t len;

	if (*text == '\0')
		return true;
	if (colon == NULL || (size_t)(colon - text) >= sizeof(scheme))
		return false;
	memcpy(scheme, text, (size_t)(colon - text));
	at = strrchr(colon, '@');
	host = at != NULL ? at + 1 : colon + 3;
	len = strcspn(host, "/");
	return is_one_of(scheme, schemes) && len != 0 && *host != ':' &&
		(host[len] == '\0' || host[len + 1] == '\0') && !has_control(text) &&
		strpbrk(text, " ?#\\\"") == NULL;
}

bool valid_variable(const char *text)
{
	return consists_of(text, LETTERS DIGITS "_", 255) && strchr(DIGITS, *text) == NULL;
}

bool valid_credential(const char *text)
{
	return consists_of(text, LETTERS DIGITS "._-@:", 255) && *text != '.';
}

bool valid_pointer(const char *text)
{
	if (*text != '\0' && *text != '/')
		return false;
	for (; *text != '\0'; text++)
		if (*text == '~' && text[1] != '0' && text[1] != '1')
			return false;
	return true;
}

bool valid_table(const char *text)
{
	/* The tables, views and indexes of a recording. */
	static const char *const ours[] = { "feed", "stream", "event", "attachment", "connection",
		"wanted", "coverage", "outage", "rejected", "clock_step", "run", "recording", "gap",
		"conflict", "stream_summary", "event_shared_key", "outage_open", "connection_open",
		"coverage_open", "connection_pid", "outage_of_feed", "outage_of_feed_ended",
		"outage_of_stream", "row_table", "row_table_name", "row_column", "row_source",
		"row_source_behind", "row_note", "series", NULL };

	return consists_of(text, LETTERS DIGITS "_", CONFIG_NAME_MAX) &&
		strchr(DIGITS, *text) == NULL && strncasecmp(text, "sqlite_", 7) != 0 &&
		strncasecmp(text, "tapedeck_", 9) != 0 && !is_one_of(text, ours);
}

bool valid_origin(const char *text)
{
	struct err ignored;
	struct url url;

	/* A browser writes it in lower case, and no '/' after the host. */
	return (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) &&
		strchr(strstr(text, "://") + 3, '/') == NULL && strpbrk(text, LETTERS) != NULL &&
		strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ?") == NULL &&
		url_parse(slice_of(text), &url, &ignored);
}

bool valid_query_name(const char *text)
{
	return valid_text(text) && strcmp(text, "EIO") != 0 && strcmp(text, "transport") != 0 &&
		strcmp(text, "sid") != 0;
}

bool valid_header_name(const char *text)
{
	static const char *const ours[] = { "Host", "Upgrade", "Connection", "Content-Length",
		"Transfer-Encoding", NULL };

	return consists_of(text, LETTERS DIGITS "!#$%&'*+-.^_`|~", 256) && !is_one_of(text, ours) &&
		strncasecmp(text, "Sec-WebSocket-", 14) != 0;
}

bool valid_header_value(const char *text)
{
	size_t len = strlen(text);

	for (const char *c = text; *c != '\0'; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return false;
	return len == 0 || (strchr(" \t", *text) == NULL && strchr(" \t", text[len - 1]) == NULL);
}
