#include "record/session_end.h"

#include <stdlib.h>
#include <string.h>

const char *const session_end_names[SESSION_ENDS] = {
	[SESSION_UNREACHABLE] = "unreachable",
	[SESSION_TCP_REFUSED] = "tcp_refused",
	[SESSION_TLS] = "tls",
	[SESSION_REFUSED] = "refused",
	[SESSION_TOKEN] = "token",
	[SESSION_PROTOCOL] = "protocol",
	[SESSION_TIMEOUT] = "timeout",
	[SESSION_HEARTBEAT] = "heartbeat",
	[SESSION_SERVER_CLOSED] = "server_closed",
	[SESSION_NETWORK] = "network",
	[SESSION_OVERLOAD] = "overload",
	[SESSION_STOPPED] = "stopped",
};

enum session_end session_end_of(const struct ws_end *end, bool has_token)
{
	switch (end->kind) {
	case WS_END_UNREACHED:
		if (strstr(end->e.text, "SSL") != NULL ||
			strstr(end->e.text, "certificate") != NULL)
			return SESSION_TLS;
		return end->e.code == ERR_CONNREFUSED ? SESSION_TCP_REFUSED : SESSION_UNREACHABLE;
	case WS_END_REFUSED:
		if (has_token && (end->http_status == 401 || end->http_status == 403))
			return SESSION_TOKEN;
		if (end->e.code == ERR_TIMEOUT)
			return SESSION_TIMEOUT;
		return end->http_status != 0 ? SESSION_REFUSED : SESSION_PROTOCOL;
	case WS_END_CLOSED:
		return SESSION_SERVER_CLOSED;
	case WS_END_LOST:
		return SESSION_NETWORK;
	case WS_END_PROTOCOL:
		return SESSION_PROTOCOL;
	}
	abort(); /* there is no other kind */
}
