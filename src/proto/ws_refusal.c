#include "proto/ws_refusal.h"

#include "base/log.h"

static const char refusal_start[] = "HTTP/";

static bool is_status_line(const struct ws_refusal *r)
{
	size_t n = r->len < strlen(refusal_start) ? r->len : strlen(refusal_start);

	return memcmp(r->line, refusal_start, n) == 0;
}

bool ws_refusal_read(struct ws_refusal *r, struct slice *in, struct err *e)
{
	char quoted[2 * WS_REFUSAL_MAX];

	while (r->len < WS_REFUSAL_MAX && is_status_line(r)) {
		if (in->len == 0)
			return false;
		if (*in->ptr == '\r' || *in->ptr == '\n')
			break;
		r->line[r->len++] = *in->ptr++;
		in->len--;
	}
	if (!is_status_line(r) || r->len < strlen(refusal_start)) {
		err_set(e, ERR_PROTOCOL,
			"the peer broke the WebSocket protocol: reserved bits are set");
		return true;
	}
	err_set(e, ERR_DENIED,
		"the server refused inside the WebSocket stream: \"%s\"; does it speak another "
		"Engine.IO revision?",
		log_peer_text(quoted, sizeof(quoted), (struct slice){ r->line, r->len }));
	return true;
}
