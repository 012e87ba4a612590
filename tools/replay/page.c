#include "page.h"

#include "base/slice.h"
#include "net/http_server.h"
#include "page_file.h"
#include "proto/ws_header.h"

/* Scripts and styles only of files of our own, no inline ones; connections only to this server; in no frame, where
 * another site could have its controls clicked. The icon is in the page itself. */
#define POLICY \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct page_file *find(struct slice path)
{
	for (size_t i = 0; i < page_files_count; i++)
		if (slice_is(path, page_files[i].path))
			return &page_files[i];
	return NULL;
}

static void reply(struct http_exchange *x, const struct page_file *file)
{
	const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), slice_of(file->type) },
		{ SLICE_LITERAL("Content-Security-Policy"), SLICE_LITERAL(POLICY) },
		{ SLICE_LITERAL("X-Content-Type-Options"), SLICE_LITERAL("nosniff") },
		{ SLICE_LITERAL("Referrer-Policy"), SLICE_LITERAL("no-referrer") },
		/* Another version of the program may stand behind the address at the next look. */
		{ SLICE_LITERAL("Cache-Control"), SLICE_LITERAL("no-store") },
	};

	http_exchange_reply(x, 200, headers, sizeof(headers) / sizeof(headers[0]),
		(struct slice){ (const char *)file->bytes, file->size });
}

static void reply_wrong_method(struct http_exchange *x)
{
	const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("text/plain") },
		{ SLICE_LITERAL("Allow"), SLICE_LITERAL("GET, HEAD") },
	};

	http_exchange_reply(x, 405, headers, sizeof(headers) / sizeof(headers[0]),
		(struct slice)SLICE_LITERAL("this is a page: GET it\n"));
}

bool page_take(struct http_exchange *x)
{
	const struct page_file *file = find(http_exchange_path(x));
	struct slice method = http_exchange_method(x);

	if (file == NULL)
		return false;
	if (slice_is(method, "GET") || slice_is(method, "HEAD"))
		reply(x, file);
	else
		reply_wrong_method(x);
	return true;
}
