#include "net/cookies.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

/* The columns of libcurl's list, the cookie file format of old. */
enum { DOMAIN_COLUMN, SUBDOMAINS, PATH, SECURE, EXPIRES, NAME, VALUE, COLUMNS };

struct cookies {
	CURL *jar; /* a handle that never connects */
};

struct cookies *cookies_new(void)
{
	struct cookies *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->jar = curl_easy_init();
	if (c->jar == NULL || curl_easy_setopt(c->jar, CURLOPT_COOKIEFILE, "") != CURLE_OK) {
		cookies_free(c);
		return NULL;
	}
	return c;
}

void cookies_free(struct cookies *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->jar);
	free(c);
}

/* True if `host` is `domain` or, with `below`, lies below it. */
static bool in_domain(const char *host, struct slice domain, bool below)
{
	size_t len = strlen(host);

	if (domain.len != 0 && *domain.ptr == '.')
		domain = (struct slice){ domain.ptr + 1, domain.len - 1 };
	if (domain.len == 0 || domain.len > len ||
		strncasecmp(host + len - domain.len, domain.ptr, domain.len) != 0)
		return false;
	return domain.len == len || (below && host[len - domain.len - 1] == '.');
}

/* The value of the attribute Domain of a Set-Cookie header; empty if it has none. */
static struct slice domain_of(struct slice header)
{
	static const char name[] = "domain=";
	struct slice found = { "", 0 };

	for (size_t i = 0; i < header.len; i++) {
		size_t start = i + 1;

		if (header.ptr[i] != ';')
			continue;
		while (start < header.len && header.ptr[start] == ' ')
			start++;
		if (header.len - start < strlen(name) ||
			strncasecmp(header.ptr + start, name, strlen(name)) != 0)
			continue;
		found = (struct slice){ header.ptr + start + strlen(name), 0 };
		while (found.ptr + found.len < header.ptr + header.len &&
			found.ptr[found.len] != ';' && found.ptr[found.len] != ' ')
			found.len++;
	}
	return found;
}

void cookies_take(struct cookies *c, const struct url *url, struct slice header)
{
	struct slice domain = domain_of(header);
	struct buf line;

	if (domain.len != 0 && !in_domain(url->host, domain, true))
		return;
	buf_init(&line, COOKIES_HEADER_MAX + URL_HOST_MAX + 32);
	/* libcurl does not know here who sent it: one that names no domain belongs to its sender. */
	if (buf_append_str(&line, "Set-Cookie: ") && buf_append_slice(&line, header) &&
		(domain.len != 0 || buf_printf(&line, "; Domain=%s", url->host)) &&
		buf_append_char(&line, '\0'))
		(void)curl_easy_setopt(c->jar, CURLOPT_COOKIELIST, line.data);
	buf_release(&line);
}

/* True if a cookie of `cookie_path` is for `path` (RFC 6265, 5.1.4). */
static bool path_matches(struct slice path, struct slice cookie_path)
{
	if (path.len < cookie_path.len || memcmp(path.ptr, cookie_path.ptr, cookie_path.len) != 0)
		return false;
	return path.len == cookie_path.len || cookie_path.len == 0 ||
		cookie_path.ptr[cookie_path.len - 1] == '/' || path.ptr[cookie_path.len] == '/';
}

/* Takes a line of libcurl's list apart. */
static bool split(const char *line, struct slice columns[COLUMNS])
{
	static const char http_only[] = "#HttpOnly_";

	if (strncmp(line, http_only, strlen(http_only)) == 0)
		line += strlen(http_only);
	for (int i = 0; i < COLUMNS; i++) {
		size_t len = i == VALUE ? strlen(line) : strcspn(line, "\t");

		columns[i] = (struct slice){ line, len };
		line += len;
		if (i < VALUE && *line++ == '\0')
			return i == NAME; /* an empty value may lack its tab */
	}
	return true;
}

static bool is_for(const struct slice columns[COLUMNS], const struct url *url, struct slice path)
{
	long long expires = strtoll(columns[EXPIRES].ptr, NULL, 10);

	return in_domain(
		       url->host, columns[DOMAIN_COLUMN], slice_is(columns[SUBDOMAINS], "TRUE")) &&
		path_matches(path, columns[PATH]) &&
		(url->is_tls || !slice_is(columns[SECURE], "TRUE")) &&
		(expires == 0 || expires > (long long)time(NULL));
}

bool cookies_header(struct cookies *c, const struct url *url, struct slice path, struct buf *out)
{
	struct curl_slist *list = NULL;
	const char *query = memchr(path.ptr, '?', path.len);
	bool is_first = true;
	bool ok = true;

	if (query != NULL)
		path.len = (size_t)(query - path.ptr);
	if (curl_easy_getinfo(c->jar, CURLINFO_COOKIELIST, &list) != CURLE_OK)
		return true;
	for (struct curl_slist *item = list; ok && item != NULL; item = item->next) {
		struct slice columns[COLUMNS] = { { "", 0 } };

		if (!split(item->data, columns) || !is_for(columns, url, path))
			continue;
		ok = (is_first || buf_append_str(out, "; ")) &&
			buf_append_slice(out, columns[NAME]) && buf_append_char(out, '=') &&
			buf_append(out, columns[VALUE].ptr, columns[VALUE].len);
		is_first = false;
	}
	curl_slist_free_all(list);
	return ok;
}
