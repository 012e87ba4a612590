#include "player_parts.h"

#include "net/sio_server.h"
#include "retime.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_MEMORY ((size_t)256 << 10)

/* ---- faults of a client ---- */

struct player_faults *player_faults_new(const struct faults *f, uint64_t number, bool *ok)
{
	struct player_faults *own;

	*ok = true;
	if (!fault_has(f, FAULT_DELAY) && !fault_has(f, FAULT_DUPLICATE) &&
		!fault_has(f, FAULT_REORDER) && fault_drop_events(f) == 0)
		return NULL;
	own = calloc(1, sizeof(*own));
	*ok = own != NULL;
	if (own == NULL)
		return NULL;
	fault_streams_init(&own->streams, f, number);
	own->left = fault_drop_events(f);
	return own;
}

static void held_release(struct player_held *h)
{
	buf_release(&h->bytes);
	free(h->ends);
}

void player_faults_free(struct player_faults *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_held; i++)
		held_release(&f->held[i]);
	free(f);
}

bool player_is_slow(const struct player_client *c)
{
	return c->faults != NULL || c->player->options.retimes;
}

/* ---- one event ---- */

/* Makes its arguments in the player's buffer. */
static bool make_arguments(
	struct player_client *c, const struct block *b, const struct block_event *event)
{
	struct player *p = c->player;
	const struct venue_stream *s = &p->venues->streams[event->stream];
	const struct compose *dialect = &s->venue->compose;
	struct compose_event parts = block_parts(b, event);
	struct mark mark = block_mark(event, c->mark.lap);
	char offset[BLOCK_OFFSET_MAX];

	buf_reset(&p->arguments, KEEP_MEMORY);
	if (!compose_arguments(dialect, &s->text, &parts, &p->arguments))
		return false;
	if (p->options.retimes && parts.timestamp.ptr != NULL &&
		!retime_arguments(dialect->places,
			event->timestamp_us + schedule_shift(&c->clock->schedule, &mark),
			&p->arguments, &p->scratch))
		return false;
	return !c->has_offsets ||
		(buf_append_char(&p->arguments, ',') &&
			buf_append(&p->arguments, offset, block_offset(&mark, offset)));
}

/* Sends what was made or held back, once for each copy. */
static enum emit_result send(struct player_client *c, struct slice name, struct slice arguments,
	const struct slice *attachments, size_t count, size_t *sent)
{
	struct player_faults *f = c->faults;
	unsigned copies = 1;

	if (f != NULL)
		copies = fault_copies(&f->streams, c->player->options.faults);
	for (unsigned i = 0; i < copies; i++) {
		if (!sio_socket_emit(c->socket, name, arguments, attachments, count))
			return EMIT_OVER;
		c->player->emitted++;
		*sent += name.len + arguments.len;
		for (size_t a = 0; a < count; a++)
			*sent += attachments[a].len;
		if (f != NULL && f->left != 0 && --f->left == 0)
			return EMIT_OVER;
	}
	return EMIT_DONE;
}

static enum emit_result send_held(struct player_client *c, struct player_held *h, size_t *sent)
{
	struct slice *attachments = calloc(h->n_attachments + 1, sizeof(*attachments));
	size_t at = h->arguments;
	enum emit_result result;

	if (attachments == NULL)
		return EMIT_OVER;
	for (size_t i = 0; i < h->n_attachments; i++) {
		attachments[i] = (struct slice){ h->bytes.data + at, h->ends[i] - at };
		at = h->ends[i];
	}
	result = send(c, h->name, (struct slice){ h->bytes.data, h->arguments }, attachments,
		h->n_attachments, sent);
	free(attachments);
	return result;
}

/* ---- changing places ---- */

static bool hold(struct player_held *h, struct slice name, struct slice arguments,
	const struct slice *attachments, size_t count)
{
	*h = (struct player_held){ .name = name, .arguments = arguments.len };
	buf_init(&h->bytes, SIZE_MAX / 2);
	h->ends = calloc(count + 1, sizeof(*h->ends));
	if (h->ends == NULL || !buf_append_slice(&h->bytes, arguments)) {
		held_release(h);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!buf_append_slice(&h->bytes, attachments[i])) {
			held_release(h);
			return false;
		}
		h->ends[i] = h->bytes.len;
	}
	h->n_attachments = count;
	return true;
}

/* One of those that are held back, by chance, is sent. */
static enum emit_result let_one_go(struct player_client *c, size_t *sent)
{
	struct player_faults *f = c->faults;
	size_t i = fault_pick(&f->streams, c->player->options.faults, f->n_held);
	struct player_held h = f->held[i];
	enum emit_result result;

	memmove(&f->held[i], &f->held[i + 1], (f->n_held - i - 1) * sizeof(f->held[0]));
	f->n_held--;
	result = send_held(c, &h, sent);
	held_release(&h);
	return result;
}

static enum emit_result exchange(struct player_client *c, struct slice name,
	const struct slice *attachments, size_t count, size_t *sent)
{
	struct player_faults *f = c->faults;
	struct slice arguments = buf_slice(&c->player->arguments);
	size_t window = f != NULL ? fault_window(c->player->options.faults) : 0;

	if (window == 0)
		return send(c, name, arguments, attachments, count, sent);
	if (!hold(&f->held[f->n_held], name, arguments, attachments, count))
		return EMIT_OVER;
	f->n_held++;
	return f->n_held < window ? EMIT_DONE : let_one_go(c, sent);
}

/* ---- the way in ---- */

/* False: it is not to come yet. */
static bool is_here(struct player_client *c, const struct block_event *event, int64_t now_us)
{
	struct player_faults *f = c->faults;
	struct mark mark = block_mark(event, c->mark.lap);
	int64_t due_us;

	if (f == NULL || !fault_has(c->player->options.faults, FAULT_DELAY))
		return true;
	if (!f->is_delayed) {
		due_us = schedule_due(&c->clock->schedule, &mark);
		if (due_us < c->came_us)
			due_us = c->came_us;
		due_us += fault_delay_us(&f->streams, c->player->options.faults);
		f->comes_us = due_us > f->comes_us ? due_us : f->comes_us;
		f->is_delayed = true;
	}
	c->due_us = f->comes_us;
	if (now_us < f->comes_us)
		return false;
	f->is_delayed = false;
	return true;
}

/* The connection that the client will lose is cut when what waits has gone out. */
static enum emit_result finish(struct player_client *c, enum emit_result result, int64_t now_us)
{
	bool is_dropped = c->faults != NULL && fault_drop_events(c->player->options.faults) != 0 &&
		c->faults->left == 0;

	if (result == EMIT_OVER && is_dropped && c->phase < PLAYER_CUTTING)
		player_cut_soon(c, now_us);
	return result;
}

enum emit_result player_emit(struct player_client *c, struct block *b,
	const struct block_event *event, int64_t now_us, size_t *sent)
{
	struct slice attachments[SIO_ATTACHMENTS_MAX];
	size_t count = event->n_attachments;

	if (!is_here(c, event, now_us))
		return EMIT_WAIT;
	if (!make_arguments(c, b, event))
		return EMIT_OVER;
	if (count > SIO_ATTACHMENTS_MAX)
		count = SIO_ATTACHMENTS_MAX;
	for (size_t i = 0; i < count; i++)
		attachments[i] = block_attachment(b, event, i);
	return finish(c,
		exchange(c, c->player->venues->streams[event->stream].text.name, attachments, count,
			sent),
		now_us);
}

enum emit_result player_emit_held(struct player_client *c, int64_t now_us, size_t *sent)
{
	enum emit_result result = EMIT_DONE;

	*sent = 0;
	while (c->faults != NULL && c->faults->n_held != 0 && result == EMIT_DONE)
		result = let_one_go(c, sent);
	return finish(c, result, now_us);
}
