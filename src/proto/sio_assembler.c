#include "proto/socketio.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/generation.h"

#define KEEP_MEMORY ((size_t)64 << 10)
#define SCRATCH_MAX (2 * SIO_ASSEMBLED_MAX) /* a rewritten packet may be longer than its text */

struct sio_assembler {
	struct buf bytes;   /* the packet's text, then its attachments */
	struct buf scratch; /* of sio_decode */
	size_t ends[1 + SIO_ATTACHMENTS_MAX];
	uint32_t count; /* attachments that the packet announced */
	uint32_t due;
};

struct sio_assembler *sio_assembler_new(void)
{
	struct sio_assembler *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	buf_init(&a->bytes, SIO_ASSEMBLED_MAX);
	buf_init(&a->scratch, SCRATCH_MAX);
	return a;
}

void sio_assembler_free(struct sio_assembler *a)
{
	if (a == NULL)
		return;
	buf_release(&a->bytes);
	buf_release(&a->scratch);
	free(a);
}

uint32_t sio_assembler_due(const struct sio_assembler *a)
{
	return a->due;
}

struct slice sio_assembler_attachment(const struct sio_assembler *a, uint32_t n)
{
	size_t start;

	assert(a->due == 0 && n < a->count);
	start = a->ends[n];
	return (struct slice){ a->bytes.data + start, a->ends[n + 1] - start };
}

static bool append(struct sio_assembler *a, struct slice s, struct err *e)
{
	if (s.len > SIO_ASSEMBLED_MAX - a->bytes.len)
		return err_set(e, ERR_LIMIT,
			"a Socket.IO packet with its attachments is larger than %zu bytes",
			SIO_ASSEMBLED_MAX);
	if (!buf_append_slice(&a->bytes, s))
		return err_set(e, ERR_NOMEM, "cannot receive an attachment: out of memory");
	return true;
}

enum sio_result sio_assembler_text(struct sio_assembler *a, const struct generation *generation,
	struct slice text, struct sio_packet *out, struct err *e)
{
	if (a->due != 0) {
		err_set(e, ERR_PROTOCOL, "a Socket.IO packet came while %u attachments were due",
			a->due);
		return SIO_BAD;
	}
	a->count = 0;
	buf_reset(&a->bytes, KEEP_MEMORY);
	buf_reset(&a->scratch, KEEP_MEMORY);
	if (!generation->sio_decode(text, &a->scratch, out, e))
		return SIO_BAD;
	if (out->attachments == 0)
		return SIO_PACKET;
	if (!append(a, text, e))
		return SIO_BAD;
	a->count = a->due = out->attachments;
	a->ends[0] = a->bytes.len;
	return SIO_MORE;
}

enum sio_result sio_assembler_binary(struct sio_assembler *a, const struct generation *generation,
	struct slice bytes, struct sio_packet *out, struct err *e)
{
	struct slice text;

	if (!generation->has_binary) {
		err_set(e, ERR_PROTOCOL, "a binary message came, but Socket.IO %s has none",
			generation->versions);
		return SIO_BAD;
	}
	if (a->due == 0) {
		err_set(e, ERR_PROTOCOL,
			"a binary message came that no Socket.IO packet announced");
		return SIO_BAD;
	}
	if (!append(a, bytes, e))
		return SIO_BAD;
	a->due--;
	a->ends[a->count - a->due] = a->bytes.len;
	if (a->due != 0)
		return SIO_MORE;
	/* The text was read when it came; reading it again finds its parts in the copy. */
	text = (struct slice){ a->bytes.data, a->ends[0] };
	return generation->sio_decode(text, &a->scratch, out, e) ? SIO_PACKET : SIO_BAD;
}
