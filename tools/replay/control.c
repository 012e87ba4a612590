#include "control.h"

#include "base/json.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "listen.h"
#include "server.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

/* ---- orders ---- */

static const char *const names[] = {
	[PLAYER_PAUSE] = "pause",
	[PLAYER_RESUME] = "resume",
	[PLAYER_STEP] = "step",
	[PLAYER_SEEK] = "seek",
	[PLAYER_SPEED] = "speed",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static bool bad(struct err *e, const char *text)
{
	return err_set(e, ERR_INPUT, "%s", text);
}

/* Microseconds as a whole number, or ISO 8601 as a string. */
static bool read_time(struct slice token, int64_t *out, struct err *e)
{
	int64_t value = 0;
	size_t i = 0;

	if (json_type_of(token) == JSON_STRING)
		return timestamp_parse(token, out, e) || err_prefix(e, "\"to\"");
	for (; i < token.len && token.ptr[i] >= '0' && token.ptr[i] <= '9' && i < 18; i++)
		value = value * 10 + (token.ptr[i] - '0');
	*out = value;
	return (i != 0 && i == token.len) ||
		bad(e, "\"to\" must be microseconds since 1970 or a text in ISO 8601");
}

static bool read_speed(struct slice token, int64_t *out, struct err *e)
{
	if (json_type_of(token) == JSON_STRING ? json_string_is(token, slice_of("max"))
					       : serve_speed_read(token, out)) {
		if (json_type_of(token) == JSON_STRING)
			*out = SCHEDULE_MAX;
		return true;
	}
	return bad(e, "\"speed\" must be " SERVE_SPEED_HELP);
}

static bool read_do(struct slice token, enum player_do *out, struct err *e)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (json_type_of(token) == JSON_STRING &&
			json_string_is(token, slice_of(names[i]))) {
			*out = (enum player_do)i;
			return true;
		}
	}
	return bad(e, "\"do\" must be \"pause\", \"resume\", \"step\", \"seek\" or \"speed\"");
}

struct members {
	struct slice what;
	struct slice to;
	struct slice speed;
};

/* Takes the object apart; what is not known in it is a mistake. */
static bool read_members(struct slice body, struct members *m, struct err *e)
{
	struct slice object, key, value;
	struct json_iter it;

	if (!utf8_valid(body))
		return bad(e, "the body is not UTF-8");
	if (!json_validate(body, NULL, e))
		return err_prefix(e, "the body");
	json_iter_list(&it, body);
	if (!json_iter_next(&it, NULL, &object) || json_type_of(object) != JSON_OBJECT)
		return bad(e, "the body must be a JSON object such as {\"do\": \"pause\"}");
	json_iter_init(&it, object);
	while (json_iter_next(&it, &key, &value)) {
		if (json_string_is(key, slice_of("do")))
			m->what = value;
		else if (json_string_is(key, slice_of("to")))
			m->to = value;
		else if (json_string_is(key, slice_of("speed")))
			m->speed = value;
		else
			return bad(
				e, "the body may hold \"do\", \"to\" and \"speed\", nothing else");
	}
	return m->what.ptr != NULL || bad(e, "the body holds no \"do\"");
}

bool control_read(struct slice body, struct control_order *out, struct err *e)
{
	struct members m = { .what = { NULL, 0 } };

	out->value = 0;
	if (!read_members(body, &m, e) || !read_do(m.what, &out->what, e))
		return false;
	if ((m.to.ptr != NULL) != (out->what == PLAYER_SEEK))
		return bad(e, "\"to\" belongs to \"seek\", which needs it");
	if ((m.speed.ptr != NULL) != (out->what == PLAYER_SPEED))
		return bad(e, "\"speed\" belongs to \"do\": \"speed\", which needs it");
	if (out->what == PLAYER_SEEK)
		return read_time(m.to, &out->value, e);
	return out->what != PLAYER_SPEED || read_speed(m.speed, &out->value, e);
}

/* ---- answers ---- */

void server_reply_error(struct http_exchange *x, int status, const char *text)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		{ SLICE_LITERAL("Cache-Control"), SLICE_LITERAL("no-store") },
		{ SLICE_LITERAL("WWW-Authenticate"),
			SLICE_LITERAL("Basic realm=\"tapedeck-replay\"") },
	};
	struct buf body;

	buf_init(&body, 8 * ERR_TEXT_MAX);
	if (buf_append_str(&body, "{\"error\":") && json_string_encode(slice_of(text), &body) &&
		buf_append_str(&body, "}\n"))
		http_exchange_reply(x, status, headers, status == 401 ? 3 : 2, buf_slice(&body));
	else
		http_exchange_drop(x);
	buf_release(&body);
}

static void reply_state(struct server *s, struct http_exchange *x)
{
	static const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		{ SLICE_LITERAL("Cache-Control"), SLICE_LITERAL("no-store") },
	};
	struct player_status status;
	char speed[SERVE_SPEED_MAX];
	char body[512];
	const char *quote;
	int len;

	player_status(s->player, &status);
	quote = status.speed == SCHEDULE_MAX ? "\"" : "";
	len = snprintf(body, sizeof(body),
		"{\"state\":\"%s\",\"position\":%" PRId64 ",\"from\":%" PRId64 ",\"to\":%" PRId64
		",\"speed\":%s%s%s,\"clients\":%zu,\"emitted\":%" PRIu64 "}\n",
		schedule_state_name(status.state), status.position_us, status.from_us, status.to_us,
		quote, serve_speed_text(status.speed, speed), quote, status.clients,
		status.emitted);
	http_exchange_reply(x, 200, headers, 2, (struct slice){ body, (size_t)len });
}

/* ---- who may ---- */

static bool is_ours(const struct server *s, const struct http_exchange *x)
{
	struct slice host;

	return http_exchange_header(x, "Host", &host) && listen_is_called(s->options->host, host);
}

/* Beyond loopback only who has the key. False: it has been answered. */
static bool is_allowed(const struct server *s, struct http_exchange *x)
{
	struct slice value = { NULL, 0 };

	if (!is_ours(s, x)) {
		server_reply_error(x, 403,
			"the Host is neither an address, nor localhost, nor that of --listen");
		return false;
	}
	if (s->options->is_loopback)
		return true;
	if (s->key == NULL) {
		server_reply_error(x, 403,
			"a replay that others can reach is controlled with the API key only; start it with "
			"--api-key-file");
		return false;
	}
	if (!http_exchange_header(x, "Authorization", &value))
		value = (struct slice){ NULL, 0 };
	if (jwt_basic_check(s->key, value) == BASIC_GOOD)
		return true;
	server_reply_error(x, 401, "the API key is needed, as the user of HTTP Basic");
	return false;
}

static bool is_json(const struct http_exchange *x)
{
	static const struct slice json = SLICE_LITERAL("application/json");
	struct slice type;

	if (!http_exchange_header(x, "Content-Type", &type) || type.len < json.len ||
		strncasecmp(type.ptr, json.ptr, json.len) != 0)
		return false;
	return type.len == json.len || type.ptr[json.len] == ';' || type.ptr[json.len] == ' ';
}

static void take_order(struct server *s, struct http_exchange *x)
{
	struct control_order order;
	struct err e;

	if (!is_json(x)) {
		server_reply_error(x, 415, "the Content-Type must be application/json");
		return;
	}
	if (!control_read(http_exchange_body(x), &order, &e)) {
		server_reply_error(x, 400, e.text);
		return;
	}
	log_line(LOG_INFO, "the replay is controlled", log_text("do", names[order.what]));
	player_control(s->player, order.what, order.value);
	reply_state(s, x);
}

static void reply_method(struct http_exchange *x, const char *allow)
{
	const struct ws_header headers[] = {
		{ SLICE_LITERAL("Content-Type"), SLICE_LITERAL("application/json") },
		{ SLICE_LITERAL("Allow"), slice_of(allow) },
	};

	http_exchange_reply(
		x, 405, headers, 2, slice_of("{\"error\":\"there is no such method here\"}\n"));
}

bool control_take(struct server *s, struct http_exchange *x)
{
	struct slice path = http_exchange_path(x);
	struct slice method = http_exchange_method(x);
	bool is_read = slice_is(method, "GET") || slice_is(method, "HEAD");
	bool is_state = slice_is(path, "/replay");

	if (!is_state && !slice_is(path, "/replay/recording"))
		return false;
	if (!is_read && !(is_state && slice_is(method, "POST")))
		reply_method(x, is_state ? "GET, HEAD, POST" : "GET, HEAD");
	else if (!is_allowed(s, x))
		return true;
	else if (!is_state)
		overview_reply(s->overview, x);
	else if (is_read)
		reply_state(s, x);
	else
		take_order(s, x);
	return true;
}
