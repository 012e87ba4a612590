#include "proto/detect.h"

#include <assert.h>

#include "base/json.h"
#include "base/utf8.h"
#include "proto/generation.h"

#define GREETING_09 "Welcome to socket.io"

/* Where an HTTP status says enough by itself. */
static const struct {
	int status;
	enum detect_kind kind;
} statuses[] = {
	{ 401, DETECT_DENIED },
	{ 403, DETECT_DENIED },
	{ 407, DETECT_PROXY },
	{ 408, DETECT_BUSY },
	{ 414, DETECT_HEADERS },
	{ 429, DETECT_BUSY },
	{ 431, DETECT_HEADERS },
	{ 500, DETECT_BUSY },
	{ 502, DETECT_BUSY },
	{ 503, DETECT_BUSY },
	{ 504, DETECT_BUSY },
};

/* The codes of Engine.IO's errors; 2 is a wrong method and 3 a bad request, which are ours alone. */
static const enum detect_kind codes[] = { DETECT_TRANSPORT, DETECT_SID, DETECT_OTHER, DETECT_OTHER,
	DETECT_DENIED, DETECT_REVISION };
#define CODES (sizeof(codes) / sizeof(*codes))

/* True if the body begins with an open packet of this generation. */
static bool opens(const struct generation *g, struct slice body)
{
	struct payload_reader reader;
	struct eio_packet packet;
	struct slice message;
	bool is_binary;
	struct err e;
	bool ok;

	payload_reader_init(&reader, g, body);
	ok = payload_reader_next(&reader, &is_binary, &message, &e) == PAYLOAD_MESSAGE &&
		g->packet_decode(GENERATION_CLIENT, is_binary, message, &packet, &e) &&
		packet.type == EIO_OPEN && packet.data.len != 0 && *packet.data.ptr == '{';
	payload_reader_release(&reader);
	return ok;
}

static enum detect_kind of_success(struct slice body)
{
	if (opens(&generation_eio4, body))
		return DETECT_EIO4;
	if (opens(&generation_eio3, body))
		return DETECT_EIO3;
	if (body.len >= strlen(GREETING_09) &&
		memcmp(body.ptr, GREETING_09, strlen(GREETING_09)) == 0)
		return DETECT_09;
	return DETECT_OTHER;
}

/* Reads {"code":N,"message":"..."}. */
static enum detect_kind of_error(struct slice body)
{
	struct slice object, code;
	struct json_iter it;
	struct err e;

	if (!utf8_valid(body) || !json_validate(body, NULL, &e))
		return DETECT_OTHER;
	json_iter_list(&it, body);
	if (!json_iter_next(&it, NULL, &object) || !json_member(object, "code", &code) ||
		code.len != 1 || *code.ptr < '0' || *code.ptr >= '0' + (char)CODES)
		return DETECT_OTHER;
	return codes[*code.ptr - '0'];
}

/* A status with a meaning of its own goes before a code: others write such bodies, too. */
enum detect_kind detect_answer(int status, struct slice body, char *why, size_t size)
{
	enum detect_kind kind;

	assert(size > 0);
	*why = '\0';
	if (status == 200) {
		kind = of_success(body);
		if (kind != DETECT_OTHER)
			return kind;
	} else {
		kind = of_error(body);
	}
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		if (statuses[i].status == status)
			kind = statuses[i].kind;
	}
	if (body.len != 0)
		(void)sio_error_text(body, why, size);
	return kind;
}
