#include "net/ws_upgrade.h"

#include "net/ws_server.h"
#include "proto/ws_handshake.h"
#include "proto/ws_hixie.h"

#define ANSWER_MAX (SIZE_MAX / 4)

/* False: `*status` is the HTTP status to answer with. */
static bool answer_hixie(
	const struct http_exchange *x, struct ws_upgrade_answer *out, int *status, struct err *e)
{
	struct ws_hixie_request request;

	out->is_hixie = true;
	*status = 400;
	if (!slice_is(http_exchange_method(x), "GET"))
		return err_set(e, ERR_PROTOCOL, "no WebSocket request: the method is not GET");
	if (!ws_hixie_request_read(http_exchange_headers(x), http_exchange_target(x), &request, e))
		return false;
	memcpy(out->numbers, request.numbers, sizeof(out->numbers));
	*status = 503;
	return ws_hixie_response(&out->head, &request) ||
		err_set(e, ERR_NOMEM, "cannot accept a WebSocket: out of memory");
}

static bool answer_rfc6455(
	const struct http_exchange *x, struct ws_upgrade_answer *out, int *status, struct err *e)
{
	struct slice protocol = { "", 0 };
	struct ws_upgrade upgrade;
	size_t used;

	if (ws_request_parse(http_exchange_head(x), &used, &upgrade, e) != WS_HS_DONE) {
		*status = upgrade.refuse_status != 0 ? upgrade.refuse_status : 400;
		return false;
	}
	(void)http_exchange_header(x, "Sec-WebSocket-Protocol", &protocol);
	*status = 503;
	return ws_response(&out->head, upgrade.key, protocol) ||
		err_set(e, ERR_NOMEM, "cannot accept a WebSocket: out of memory");
}

static void refuse(struct http_exchange *x, int status, const struct err *e)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("text/plain; charset=utf-8") },
		{ SLICE_LITERAL("Sec-WebSocket-Version"), SLICE_LITERAL("13, 8") },
		{ SLICE_LITERAL("Upgrade"), SLICE_LITERAL("websocket") },
	};

	http_exchange_reply(
		x, status, headers, sizeof(headers) / sizeof(headers[0]), slice_of(e->text));
}

bool ws_upgrade_read(struct http_exchange *x, struct ws_upgrade_answer *out, struct err *e)
{
	int status;
	bool ok;

	*out = (struct ws_upgrade_answer){ .is_hixie = false };
	buf_init(&out->head, ANSWER_MAX);
	if (ws_hixie_is_asked(http_exchange_headers(x)))
		ok = answer_hixie(x, out, &status, e);
	else
		ok = answer_rfc6455(x, out, &status, e);
	if (ok)
		return true;
	buf_release(&out->head);
	refuse(x, status, e);
	return false;
}

bool ws_server_is_upgrade(const struct http_exchange *x)
{
	return ws_header_has_token(http_exchange_headers(x), "Upgrade", "websocket");
}
