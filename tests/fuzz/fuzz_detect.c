/*
 * The first answer of whatever server there is. The first byte chooses the HTTP status. What is asserted: a
 * generation is recognised only in an answer with status 200 whose first message is an open packet, and the
 * words for a person stay within their memory.
 */
#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/detect.h"
#include "proto/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_open(const struct generation *g, struct slice body)
{
	struct payload_reader r;
	struct slice message;
	bool is_binary;
	struct err e;

	payload_reader_init(&r, g, body);
	assert(payload_reader_next(&r, &is_binary, &message, &e) == PAYLOAD_MESSAGE);
	assert(message.len >= 2 && message.ptr[1] == '{');
	payload_reader_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 400, 401, 403, 404, 408, 414, 429, 431, 500, 502, 503,
		504, 302, 0 };
	struct slice body;
	enum detect_kind kind;
	char why[50];
	int status;

	if (size == 0)
		return 0;
	status = statuses[data[0] % (sizeof(statuses) / sizeof(*statuses))];
	body = (struct slice){ (const char *)data + 1, size - 1 };
	memset(why, 'x', sizeof(why));
	kind = detect_answer(status, body, why, sizeof(why));
	assert(memchr(why, '\0', sizeof(why)) != NULL);
	if (kind == DETECT_EIO3 || kind == DETECT_EIO4 || kind == DETECT_09)
		assert(status == 200 && why[0] == '\0');
	if (kind == DETECT_EIO3)
		check_open(&generation_eio3, body);
	if (kind == DETECT_EIO4)
		check_open(&generation_eio4, body);
	return 0;
}
