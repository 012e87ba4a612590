/*
 * Fuzz: timestamp_parse on any string or number token. What is read must be in range, and its canonical
 * text must be read as the same instant.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Goes on only with what holds. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static void round_trip(int64_t us)
{
	char token[TIMESTAMP_TEXT_MAX + 2] = "\"";
	int64_t back = 0;
	struct err e;

	must(us >= TIMESTAMP_MIN_US && us <= TIMESTAMP_MAX_US);
	timestamp_format(us, token + 1);
	strcat(token, "\"");
	must(timestamp_is_canonical(slice_of(token), us));
	must(timestamp_parse(slice_of(token), &back, &e) && back == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	int64_t us;
	struct err e;

	if (timestamp_parse_text(text, &us, &e))
		round_trip(us);
	if (utf8_valid(text) && json_validate(text, NULL, &e)) {
		const char *from = json_space_end(text.ptr, text.ptr + text.len);

		text.len -= (size_t)(from - text.ptr);
		text.ptr = from;
		while (json_space_end(text.ptr + text.len - 1, text.ptr + text.len) ==
			text.ptr + text.len)
			text.len--;
		if (timestamp_parse(text, &us, &e))
			round_trip(us);
	}
	return 0;
}
