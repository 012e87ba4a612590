#include "net/eio_reply.h"

#include "proto/ws_header.h"

#include <assert.h>

#define HEADERS_MAX 8

static const char *const bodies[] = {
	[EIO_ERROR_TRANSPORT] = "{\"code\":0,\"message\":\"Transport unknown\"}",
	[EIO_ERROR_SID] = "{\"code\":1,\"message\":\"Session ID unknown\"}",
	[EIO_ERROR_METHOD] = "{\"code\":2,\"message\":\"Bad handshake method\"}",
	[EIO_ERROR_REQUEST] = "{\"code\":3,\"message\":\"Bad request\"}",
	[EIO_ERROR_FORBIDDEN] = "{\"code\":4,\"message\":\"Forbidden\"}",
	[EIO_ERROR_VERSION] = "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
};

struct headers {
	struct ws_header all[HEADERS_MAX];
	size_t count;
};

static void add(struct headers *h, const char *name, struct slice value)
{
	assert(h->count < HEADERS_MAX);
	h->all[h->count++] = (struct ws_header){ slice_of(name), value };
}

/* The origin is named, as a client that sends its cookies along may not read an answer for '*'. */
static void add_origin(struct headers *h, const struct http_exchange *x)
{
	struct slice origin;

	if (!http_exchange_header(x, "Origin", &origin) || !ws_header_value_valid(origin)) {
		add(h, "Access-Control-Allow-Origin", slice_of("*"));
		return;
	}
	add(h, "Access-Control-Allow-Origin", origin);
	add(h, "Access-Control-Allow-Credentials", slice_of("true"));
	add(h, "Vary", slice_of("Origin"));
}

void eio_reply(struct http_exchange *x, int status, const char *type, struct slice body)
{
	struct headers h = { .count = 0 };

	add(&h, "Content-Type", slice_of(type));
	add(&h, "Cache-Control", slice_of("no-store"));
	add_origin(&h, x);
	http_exchange_reply(x, status, h.all, h.count, body);
}

const char *eio_error_body(enum eio_error error)
{
	assert(error < sizeof(bodies) / sizeof(*bodies));
	return bodies[error];
}

void eio_reply_error(struct http_exchange *x, enum eio_error error)
{
	eio_reply(x, error == EIO_ERROR_FORBIDDEN ? 403 : 400, EIO_TYPE_JSON,
		slice_of(eio_error_body(error)));
}

void eio_reply_options(struct http_exchange *x)
{
	struct headers h = { .count = 0 };
	struct slice wanted;

	if (!http_exchange_header(x, "Access-Control-Request-Headers", &wanted) ||
		!ws_header_value_valid(wanted))
		wanted = slice_of("Content-Type");
	add_origin(&h, x);
	add(&h, "Access-Control-Allow-Methods", slice_of("GET,POST"));
	add(&h, "Access-Control-Allow-Headers", wanted);
	add(&h, "Access-Control-Max-Age", slice_of("600"));
	http_exchange_reply(x, 200, h.all, h.count, (struct slice){ "", 0 });
}
