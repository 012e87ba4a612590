#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/url.h"

struct url_case {
	const char *text;
	bool is_tls, is_ipv6, has_query;
	const char *host;
	unsigned port;
	const char *path;
	const char *host_header;
};

static const struct url_case good[] = {
	{ "http://localhost", false, false, false, "localhost", 80, "/", "localhost" },
	{ "https://open.example.com", true, false, false, "open.example.com", 443, "/",
		"open.example.com" },
	{ "HTTPS://Open.Example.COM:443/jwt", true, false, false, "open.example.com", 443, "/jwt",
		"open.example.com" },
	{ "ws://a:3000", false, false, false, "a", 3000, "/", "a:3000" },
	{ "wss://a/b/c", true, false, false, "a", 443, "/b/c", "a" },
	{ "http://a:443/", false, false, false, "a", 443, "/", "a:443" },
	{ "https://a:80/", true, false, false, "a", 80, "/", "a:80" },
	{ "http://127.0.0.1:65535/x%20y", false, false, false, "127.0.0.1", 65535, "/x%20y",
		"127.0.0.1:65535" },
	{ "http://[::1]", false, true, false, "::1", 80, "/", "[::1]" },
	{ "https://[2001:DB8::1]:8443/p", true, true, false, "2001:db8::1", 8443, "/p",
		"[2001:db8::1]:8443" },
	{ "http://a?x=y", false, false, true, "a", 80, "/", "a" },
	{ "http://a/p?x=http://user:p@b/", false, false, true, "a", 80, "/p", "a" },
	{ "http://a/p@q:r", false, false, false, "a", 80, "/p@q:r", "a" },
	{ "http://my_host-1.xn--p1ai./", false, false, false, "my_host-1.xn--p1ai.", 80, "/",
		"my_host-1.xn--p1ai." },
};

static void reads_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct url_case *want = &good[i];
		struct url u;
		struct err e = { 0 };
		struct buf b;

		if (!url_parse(slice_of(want->text), &u, &e))
			fail_msg("%s: %s", want->text, e.text);
		assert_int_equal(u.is_tls, want->is_tls);
		assert_int_equal(u.is_ipv6, want->is_ipv6);
		assert_int_equal(u.has_query, want->has_query);
		assert_string_equal(u.host, want->host);
		assert_int_equal(u.port, want->port);
		assert_string_equal(u.path, want->path);
		buf_init(&b, 300);
		assert_true(url_host_header(&u, &b));
		assert_true(slice_is(buf_slice(&b), want->host_header));
		buf_release(&b);
	}
}

static void tells_whether_the_port_and_websocket_were_named(void **state)
{
	struct url u;
	struct err e;

	(void)state;
	assert_true(url_parse(slice_of("wss://a:443"), &u, &e));
	assert_true(u.has_port && u.is_websocket);
	assert_true(url_parse(slice_of("https://a"), &u, &e));
	assert_false(u.has_port || u.is_websocket);
}

static void refuses_bad_urls(void **state)
{
	static const char *const cases[] = {
		"",
		"a",
		"//a",
		"http:",
		"http:/a",
		"http:a",
		"http://",
		"http:///p",
		"http://?x",
		"http://:80",
		"ftp://a",
		"file:///etc/passwd",
		"httpss://a",
		" http://a",
		"http://a ",
		"http://a/b c",
		"http://a\n",
		"http://a/\x7f",
		"http://a/\xc3\xa9",
		"http://\xc3\xa9/",
		"http://a#b",
		"http://a/#",
		"http://a:",
		"http://a:0",
		"http://a:65536",
		"http://a:123456",
		"http://a:-1",
		"http://a:+1",
		"http://a:8x",
		"http://a:80:80",
		"http://[::1",
		"http://::1/",
		"http://[::1]x",
		"http://[]",
		"http://[g::1]",
		"http://[1.2.3.4]",
		"http://[fe80::1%25eth0]",
		"http://a..b",
		"http://.a",
		"http://-a",
		"http://a,b",
		"http://a\\b",
		"http://a%20b",
		"http://[::1]:",
		"http://a]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct url u;
		struct err e = { 0 };

		if (url_parse(slice_of(cases[i]), &u, &e))
			fail_msg("accepted: %s", cases[i]);
		assert_true(strlen(e.text) > 0);
		assert_int_equal(e.code, ERR_INPUT);
	}
	assert_false(url_parse((struct slice)SLICE_LITERAL("http://a\0b"), &(struct url){ 0 },
		&(struct err){ 0 }));
	assert_false(url_parse((struct slice){ NULL, 0 }, &(struct url){ 0 }, &(struct err){ 0 }));
}

static void credentials_are_refused_and_never_shown(void **state)
{
	static const char *const cases[] = {
		"https://user:hunter2@a/",
		"https://hunter2@a",
		"https://:hunter2@[::1]:80/",
		"https://user:hunter2/x@a/",
		"https://user:hunter2?x@a/",
		"https://user:hunter2#@a/",
		"https://user:hunter2 @a/",
		"htps://user:hunter2@a/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct url u;
		struct err e = { 0 };

		assert_false(url_parse(slice_of(cases[i]), &u, &e));
		assert_null(strstr(e.text, "hunter2"));
		if (i < 3)
			assert_non_null(strstr(e.text, "names a user"));
	}
}

static void hosts_and_paths_end_at_their_limits(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		char text[4096], host[URL_HOST_MAX + 2], path[URL_PATH_MAX + 2];
		struct url u;
		struct err e = { 0 };

		memset(host, 'h', sizeof(host));
		memset(path, 'p', sizeof(path));
		host[URL_HOST_MAX + over] = '\0';
		path[URL_PATH_MAX] = '\0';
		path[0] = '/';
		(void)snprintf(text, sizeof(text), "http://%s%s", host, path);
		assert_int_equal(url_parse(slice_of(text), &u, &e), over == 0);
		assert_int_equal(e.code, over == 0 ? ERR_NONE : ERR_LIMIT);
		host[1] = '\0';
		path[URL_PATH_MAX] = 'p';
		path[URL_PATH_MAX + over] = '\0';
		(void)snprintf(text, sizeof(text), "http://%s%s", host, path);
		assert_int_equal(url_parse(slice_of(text), &u, &e), over == 0);
		assert_int_equal(e.code, over == 0 ? ERR_NONE : ERR_LIMIT);
	}
}

static void only_unreserved_characters_stay(void **state)
{
	char all[256];
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_true(url_encode(slice_of("a-Z_0.9~"), &b));
	assert_true(slice_is(buf_slice(&b), "a-Z_0.9~"));
	b.len = 0;
	assert_true(url_encode((struct slice)SLICE_LITERAL(" +&=?/%#\0\xc3\xa9"), &b));
	assert_true(slice_is(buf_slice(&b), "%20%2B%26%3D%3F%2F%25%23%00%C3%A9"));
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	b.len = 0;
	assert_true(url_encode((struct slice){ all, sizeof(all) }, &b));
	assert_int_equal(b.len, 66 + (256 - 66) * 3);
	buf_release(&b);
	buf_init(&b, 4);
	assert_false(url_encode(slice_of("ab "), &b));
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_urls),
		cmocka_unit_test(tells_whether_the_port_and_websocket_were_named),
		cmocka_unit_test(refuses_bad_urls),
		cmocka_unit_test(credentials_are_refused_and_never_shown),
		cmocka_unit_test(hosts_and_paths_end_at_their_limits),
		cmocka_unit_test(only_unreserved_characters_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
