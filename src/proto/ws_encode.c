#include "proto/ws.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#define WS_HEADER_MAX 14 /* two bytes, eight of length, four of mask */
#define WS_MASK_SIZE 4
#define WS_REASON_MAX (WS_CONTROL_MAX - 2)

bool ws_close_code_valid(unsigned code)
{
	if (code >= 3000)
		return code < 5000;
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/* Writes a frame's header up to the mask, and returns its size. */
static size_t put_header(uint8_t *h, enum ws_opcode opcode, uint64_t len, bool is_masked)
{
	uint8_t mask_bit = is_masked ? 0x80 : 0;
	size_t length_size = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

	h[0] = (uint8_t)(0x80 | opcode);
	h[1] = (uint8_t)(mask_bit | (length_size == 0 ? len : length_size == 2 ? 126 : 127));
	for (size_t i = 0; i < length_size; i++)
		h[2 + i] = (uint8_t)(len >> 8 * (length_size - 1 - i));
	return 2 + length_size;
}

char *ws_encode_head(char *out, enum ws_opcode opcode, uint64_t payload_len)
{
	return out + put_header((uint8_t *)out, opcode, payload_len, false);
}

/* Copies eight bytes at a time; the key repeats every four. */
static void copy_masked(char *to, struct slice from, const uint8_t key[WS_MASK_SIZE])
{
	uint8_t twice[8];
	uint64_t wide, word;
	size_t i = 0;

	memcpy(twice, key, WS_MASK_SIZE);
	memcpy(twice + WS_MASK_SIZE, key, WS_MASK_SIZE);
	memcpy(&wide, twice, sizeof(wide));
	for (; from.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, from.ptr + i, sizeof(word));
		word ^= wide;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < from.len; i++)
		to[i] = (char)((uint8_t)from.ptr[i] ^ key[i % WS_MASK_SIZE]);
}

/* wslay's sending half is not used: it needs a context of 8 KB for each sender and calls out for every
 * piece, where a frame here is one header and one copy. */
bool ws_encode(struct buf *out, enum ws_role role, enum ws_opcode opcode, struct slice payload)
{
	bool is_masked = role == WS_CLIENT;
	uint8_t header[WS_HEADER_MAX];
	uint8_t *key;
	size_t n = put_header(header, opcode, payload.len, is_masked);

	assert(opcode < WS_OP_CLOSE || payload.len <= WS_CONTROL_MAX);
	key = header + n;
	if (is_masked) {
		if (getrandom(key, WS_MASK_SIZE, 0) != WS_MASK_SIZE)
			return false;
		n += WS_MASK_SIZE;
	}
	if (payload.len > SIZE_MAX - n || !buf_reserve(out, n + payload.len))
		return false;
	memcpy(out->data + out->len, header, n);
	out->len += n;
	if (is_masked)
		copy_masked(out->data + out->len, payload, key);
	else if (payload.len != 0)
		memcpy(out->data + out->len, payload.ptr, payload.len);
	out->len += payload.len;
	return true;
}

bool ws_encode_close(struct buf *out, enum ws_role role, uint16_t code, struct slice reason)
{
	char payload[WS_CONTROL_MAX];

	if (code == WS_CLOSE_NONE)
		return ws_encode(out, role, WS_OP_CLOSE, (struct slice){ "", 0 });
	assert(ws_close_code_valid(code));
	if (reason.len > WS_REASON_MAX) {
		reason.len = WS_REASON_MAX;
		while (reason.len != 0 && ((unsigned char)reason.ptr[reason.len] & 0xc0) == 0x80)
			reason.len--;
	}
	payload[0] = (char)(code >> 8);
	payload[1] = (char)(code & 0xff);
	if (reason.len != 0)
		memcpy(payload + 2, reason.ptr, reason.len);
	return ws_encode(out, role, WS_OP_CLOSE, (struct slice){ payload, 2 + reason.len });
}
