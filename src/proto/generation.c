#include "proto/generation.h"

#include "base/json.h"

static const struct generation *const generations[] = {
	&generation_09,
	&generation_eio3,
	&generation_eio4,
};

const struct generation *generation_named(struct slice name)
{
	for (size_t i = 0; i < sizeof(generations) / sizeof(*generations); i++) {
		if (slice_is(name, generations[i]->name))
			return generations[i];
	}
	return NULL;
}

void payload_reader_init(struct payload_reader *r, const struct generation *g, struct slice body)
{
	*r = (struct payload_reader){ .generation = g, .rest = body };
	/* What is rewritten never grows, but for the bytes that base64 is padded to. */
	buf_init(&r->scratch, body.len + 4);
}

void payload_reader_release(struct payload_reader *r)
{
	buf_release(&r->scratch);
}

/* Appends the event as the JSON that sio_packet holds. */
static bool append_data(struct buf *data, struct slice name, struct slice args)
{
	return buf_append_char(data, '[') && json_string_encode(name, data) &&
		(args.len == 0 || (buf_append_char(data, ',') && buf_append_slice(data, args))) &&
		buf_append_char(data, ']');
}

bool generation_event_encode(const struct generation *g, struct buf *out, struct slice nsp,
	struct slice name, struct slice args, bool has_id, uint64_t id)
{
	struct sio_packet packet = { .type = SIO_EVENT, .has_id = has_id, .id = id, .nsp = nsp };
	struct buf data;
	bool ok;

	buf_init(&data, out->max);
	ok = append_data(&data, name, args);
	packet.data = buf_slice(&data);
	ok = ok && g->sio_encode(&packet, out);
	buf_release(&data);
	return ok;
}
