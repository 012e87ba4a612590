#include "record/session_end.h"

#include <assert.h>
#include <stdlib.h>

static const struct {
	const char *name;
	enum session_reaction reaction;
	const char *cause;
} ends[SESSION_ENDS] = {
	[SESSION_UNREACHABLE] = { "unreachable", REACTION_RETRY, "network" },
	[SESSION_TCP_REFUSED] = { "tcp_refused", REACTION_KNOCK, "network" },
	[SESSION_CONNECT_TIMEOUT] = { "connect_timeout", REACTION_RETRY, "network" },
	[SESSION_TLS] = { "tls", REACTION_RETRY, "network" },
	[SESSION_REFUSED] = { "refused", REACTION_RELEARN, "refused" },
	[SESSION_TOKEN] = { "token", REACTION_NEW_TOKEN, "token" },
	[SESSION_NAMESPACE] = { "namespace", REACTION_RETRY, "refused" },
	[SESSION_NOT_SOCKETIO] = { "not_socketio", REACTION_RELEARN, "refused" },
	[SESSION_PROTOCOL] = { "protocol", REACTION_RELEARN, "network" },
	[SESSION_GUESSED] = { "guessed", REACTION_AGAIN, "network" },
	[SESSION_NO_OPEN] = { "no_open", REACTION_RELEARN, "network" },
	[SESSION_NO_JOIN] = { "no_join", REACTION_RELEARN, "network" },
	[SESSION_HEARTBEAT] = { "heartbeat", REACTION_RETRY, "heartbeat" },
	[SESSION_DISCONNECTED] = { "disconnected", REACTION_RETRY, "server_closed" },
	[SESSION_ENGINE_CLOSED] = { "engine_closed", REACTION_RETRY, "server_closed" },
	[SESSION_SERVER_CLOSED] = { "server_closed", REACTION_RETRY, "server_closed" },
	[SESSION_UNKNOWN_SID] = { "unknown_sid", REACTION_RETRY, "server_closed" },
	[SESSION_NETWORK] = { "network", REACTION_RETRY, "network" },
	[SESSION_OVERLOAD] = { "overload", REACTION_RETRY, "overload" },
	[SESSION_HANDOVER] = { "handover", REACTION_RETRY, "stopped" },
	[SESSION_STOPPED] = { "stopped", REACTION_RETRY, "stopped" },
};

const char *session_end_name(enum session_end end)
{
	assert(end < SESSION_ENDS);
	return ends[end].name;
}

enum session_reaction session_end_reaction(enum session_end end)
{
	assert(end < SESSION_ENDS);
	return ends[end].reaction;
}

/* What was not read yet is lost with these. */
static bool is_loss(enum session_end end)
{
	return end == SESSION_NETWORK || end == SESSION_HEARTBEAT || end == SESSION_DISCONNECTED ||
		end == SESSION_ENGINE_CLOSED || end == SESSION_SERVER_CLOSED ||
		end == SESSION_UNKNOWN_SID || end == SESSION_STOPPED;
}

const char *session_end_cause(enum session_end end, enum pause_reason behind)
{
	assert(end < SESSION_ENDS);
	return behind != PAUSE_NONE && is_loss(end) ? pause_cause(behind) : ends[end].cause;
}

enum session_end session_end_of_error(enum err_code code)
{
	switch (code) {
	case ERR_CONNREFUSED:
		return SESSION_TCP_REFUSED;
	case ERR_TIMEOUT:
		return SESSION_CONNECT_TIMEOUT;
	case ERR_TLS:
		return SESSION_TLS;
	case ERR_NOMEM:
		return SESSION_OVERLOAD;
	default:
		return SESSION_UNREACHABLE;
	}
}

/* What a server that answers the WebSocket's handshake with something else is. */
static enum session_end refused(const struct ws_end *end, bool has_token)
{
	switch (end->http_status) {
	case 0:
		if (end->e.code == ERR_TIMEOUT)
			return SESSION_CONNECT_TIMEOUT;
		return end->is_mute ? SESSION_NETWORK : SESSION_PROTOCOL;
	case 401:
	case 403:
		return has_token ? SESSION_TOKEN : SESSION_REFUSED;
	case 200:
	case 404:
	case 405:
	case 410:
	case 501:
		return SESSION_NOT_SOCKETIO;
	default:
		return SESSION_REFUSED;
	}
}

enum session_end session_end_of(const struct ws_end *end, bool has_token)
{
	switch (end->kind) {
	case WS_END_UNREACHED:
		return session_end_of_error(end->e.code);
	case WS_END_REFUSED:
		return refused(end, has_token);
	case WS_END_CLOSED:
		return SESSION_SERVER_CLOSED;
	case WS_END_LOST:
		return SESSION_NETWORK;
	case WS_END_PROTOCOL:
		return end->e.code == ERR_DENIED ? SESSION_REFUSED : SESSION_PROTOCOL;
	}
	abort(); /* there is no other kind */
}
