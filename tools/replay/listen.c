#include "listen.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Takes the host apart from what follows it: in brackets, or up to the last colon. False: it is neither. */
static bool split(struct slice text, struct slice *host, struct slice *rest)
{
	const char *end = text.ptr + text.len;
	const char *mark;

	if (text.len != 0 && *text.ptr == '[') {
		mark = memchr(text.ptr, ']', text.len);
		if (mark == NULL)
			return false;
		*host = (struct slice){ text.ptr + 1, (size_t)(mark - text.ptr) - 1 };
		*rest = (struct slice){ mark + 1, (size_t)(end - mark) - 1 };
		return true;
	}
	mark = memchr(text.ptr, ':', text.len);
	if (mark == NULL)
		mark = end;
	*host = (struct slice){ text.ptr, (size_t)(mark - text.ptr) };
	*rest = (struct slice){ mark, (size_t)(end - mark) };
	return true;
}

static bool read_port(struct slice rest, uint16_t *port)
{
	unsigned value = 0;

	if (rest.len < 2 || rest.len > 6 || *rest.ptr != ':')
		return false;
	for (size_t i = 1; i < rest.len; i++) {
		if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
			return false;
		value = value * 10 + (unsigned)(rest.ptr[i] - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

bool listen_read(const char *text, char host[LISTEN_HOST_MAX], uint16_t *port)
{
	struct slice name;
	struct slice rest;

	if (!split(slice_of(text), &name, &rest) || !read_port(rest, port) ||
		name.len >= LISTEN_HOST_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (strchr("/@[]?# ", name.ptr[i]) != NULL)
			return false;
	memcpy(host, name.ptr, name.len);
	host[name.len] = '\0';
	return true;
}

bool listen_is_loopback(const char *host)
{
	struct in_addr v4;

	return strcmp(host, "::1") == 0 || strcasecmp(host, "localhost") == 0 ||
		(inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

static bool is_address(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

bool listen_is_called(const char *host, struct slice called)
{
	char name[LISTEN_HOST_MAX];
	struct slice part;
	struct slice rest;
	uint16_t port;

	if (!split(called, &part, &rest) || part.len == 0 || part.len >= sizeof(name) ||
		(rest.len != 0 && !read_port(rest, &port)) ||
		memchr(part.ptr, '\0', part.len) != NULL)
		return false;
	memcpy(name, part.ptr, part.len);
	name[part.len] = '\0';
	return is_address(name) || strcasecmp(name, "localhost") == 0 ||
		(*host != '\0' && strcasecmp(name, host) == 0);
}
