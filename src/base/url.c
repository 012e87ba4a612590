#include "base/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	bool is_tls;
	bool is_websocket;
	uint16_t port;
} schemes[] = {
	{ "http", false, false, 80 },
	{ "https", true, false, 443 },
	{ "ws", false, true, 80 },
	{ "wss", true, true, 443 },
};
#define SCHEMES (sizeof(schemes) / sizeof(*schemes))

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Takes "https://" off the front. */
static bool take_scheme(struct slice *rest, struct url *out)
{
	const char *mark = memmem(rest->ptr, rest->len, "://", 3);
	size_t n = mark != NULL ? (size_t)(mark - rest->ptr) : 0;

	for (size_t i = 0; i < SCHEMES; i++) {
		if (n != strlen(schemes[i].name) || strncasecmp(rest->ptr, schemes[i].name, n) != 0)
			continue;
		out->is_tls = schemes[i].is_tls;
		out->is_websocket = schemes[i].is_websocket;
		out->port = schemes[i].port;
		rest->ptr += n + 3;
		rest->len -= n + 3;
		return true;
	}
	return false;
}

/* Splits "host:port" or "[v6]:port"; the port keeps its colon. False if a bracket is not closed. */
static bool split_authority(
	struct slice authority, struct slice *host, struct slice *port, bool *is_ipv6)
{
	const char *end;
	size_t n = authority.len;

	*is_ipv6 = n != 0 && *authority.ptr == '[';
	if (*is_ipv6) {
		end = memchr(authority.ptr, ']', n);
		if (end == NULL)
			return false;
		n = (size_t)(end - authority.ptr);
		*host = (struct slice){ authority.ptr + 1, n - 1 };
		n++;
	} else {
		end = n != 0 ? memchr(authority.ptr, ':', n) : NULL;
		if (end != NULL)
			n = (size_t)(end - authority.ptr);
		*host = (struct slice){ authority.ptr, n };
	}
	*port = (struct slice){ authority.ptr + n, authority.len - n };
	return port->len == 0 || *port->ptr == ':';
}

static bool is_host_name(const char *host)
{
	for (const char *c = host; *c != '\0'; c++) {
		if (!is_alnum(*c) && *c != '-' && *c != '_' && *c != '.')
			return false;
		if (*c == '.' && (c == host || c[1] == '.'))
			return false;
	}
	return *host != '-';
}

static bool read_host(struct slice host, struct url *out, struct err *e)
{
	struct in6_addr address;

	if (host.len == 0)
		return err_set(e, ERR_INPUT, "the URL names no host");
	if (host.len > URL_HOST_MAX)
		return err_set(
			e, ERR_LIMIT, "the URL's host is longer than %d bytes", URL_HOST_MAX);
	for (size_t i = 0; i < host.len; i++)
		out->host[i] = lower(host.ptr[i]);
	out->host[host.len] = '\0';
	if (out->is_ipv6 ? inet_pton(AF_INET6, out->host, &address) != 1 : !is_host_name(out->host))
		return err_set(e, ERR_INPUT,
			"the URL's host is neither a name nor an address; a name with other letters "
			"than a to z is written in its 'xn--' form");
	return true;
}

/* The port is not quoted: "http://user:key/..." would show the key. */
static bool read_port(struct slice port, struct url *out, struct err *e)
{
	unsigned value = 0;
	bool ok = port.len >= 2 && port.len <= 6;

	if (port.len == 0)
		return true;
	for (size_t i = 1; ok && i < port.len; i++) {
		ok = port.ptr[i] >= '0' && port.ptr[i] <= '9';
		value = value * 10 + (unsigned)(port.ptr[i] - '0');
	}
	if (!ok || value == 0 || value > UINT16_MAX)
		return err_set(e, ERR_INPUT, "the URL's port is not a number of 1 to 65535");
	out->has_port = true;
	out->port = (uint16_t)value;
	return true;
}

static bool read_path(struct slice path, struct url *out, struct err *e)
{
	const char *mark = path.len != 0 ? memchr(path.ptr, '?', path.len) : NULL;

	if (mark != NULL) {
		out->has_query = true;
		path.len = (size_t)(mark - path.ptr);
	}
	if (path.len > URL_PATH_MAX)
		return err_set(
			e, ERR_LIMIT, "the URL's path is longer than %d bytes", URL_PATH_MAX);
	if (path.len == 0)
		path = slice_of("/");
	memcpy(out->path, path.ptr, path.len);
	out->path[path.len] = '\0';
	return true;
}

static bool check_characters(struct slice text, struct err *e)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '#')
			return err_set(e, ERR_INPUT,
				"the URL has a fragment ('#'), which never reaches a server");
		if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
			return err_set(e, ERR_INPUT,
				"byte %zu of the URL is a character that must be percent-encoded",
				i + 1);
	}
	return true;
}

bool url_parse(struct slice text, struct url *out, struct err *e)
{
	struct slice rest = text, authority, host, port;

	*out = (struct url){ 0 };
	if (!check_characters(text, e))
		return false;
	if (text.len == 0 || !take_scheme(&rest, out))
		return err_set(e, ERR_INPUT,
			"the URL does not begin with http://, https://, ws:// or wss://");
	authority = rest;
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.ptr[i] == '/' || rest.ptr[i] == '?') {
			authority.len = i;
			break;
		}
	}
	if (authority.len != 0 && memchr(authority.ptr, '@', authority.len) != NULL)
		return err_set(e, ERR_INPUT,
			"the URL names a user; credentials do not belong into a URL, where they "
			"would be shown");
	if (!split_authority(authority, &host, &port, &out->is_ipv6))
		return err_set(e, ERR_INPUT, "the brackets of the URL's IPv6 address do not match");
	rest.ptr += authority.len;
	rest.len -= authority.len;
	return read_host(host, out, e) && read_port(port, out, e) && read_path(rest, out, e);
}

bool url_host_header(const struct url *url, struct buf *out)
{
	uint16_t standard = url->is_tls ? 443 : 80;
	size_t before = out->len;

	if (buf_printf(
		    out, "%s%s%s", url->is_ipv6 ? "[" : "", url->host, url->is_ipv6 ? "]" : "") &&
		(url->port == standard || buf_printf(out, ":%u", url->port)))
		return true;
	out->len = before;
	return false;
}

bool url_encode(struct slice text, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t before = out->len;
	bool ok = true;

	for (size_t i = 0; ok && i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		char coded[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (is_alnum((char)c) || (c != '\0' && strchr("-._~", c) != NULL))
			ok = buf_append_char(out, (char)c);
		else
			ok = buf_append(out, coded, sizeof(coded));
	}
	if (!ok)
		out->len = before;
	return ok;
}
