#include "record/recovery.h"

#include "base/json.h"
#include "base/secret.h"

#define PID_MAX ((size_t)1024)
#define OFFSET_MAX ((size_t)1024)

void recovery_init(struct recovery *r)
{
	*r = (struct recovery){ 0 };
	buf_init(&r->pid, PID_MAX);
	buf_init(&r->offset, OFFSET_MAX);
}

void recovery_release(struct recovery *r)
{
	buf_release(&r->pid);
	buf_release(&r->offset);
}

bool recovery_offer(struct recovery *r, const struct session_resume *lost, struct buf *payload)
{
	r->offers = true;
	r->side = lost->side;
	r->until_us = lost->until_us;
	/* If nothing comes in between, this offset is still the one to go on from. */
	r->is_offset_new = true;
	if (payload->len > 1)
		payload->len--; /* the closing brace */
	return buf_append_slice(&r->pid, lost->pid) && buf_append_slice(&r->offset, lost->offset) &&
		buf_append_char(payload, payload->len > 1 ? ',' : '{') &&
		buf_append_str(payload, "\"pid\":") && json_string_encode(lost->pid, payload) &&
		buf_append_str(payload, ",\"offset\":") &&
		json_string_encode(lost->offset, payload) && buf_append_char(payload, '}');
}

void recovery_take_answer(struct recovery *r, struct slice answer)
{
	struct slice token;
	struct err e;
	struct buf pid;

	buf_init(&pid, PID_MAX);
	/* What is no JSON holds no id; the answer is otherwise of no interest. */
	if (!json_validate(answer, NULL, &e) || !json_member(answer, "pid", &token) ||
		json_type_of(token) != JSON_STRING || !json_string_decode(token, &pid, &e))
		pid.len = 0;
	r->is_resumed = r->offers && pid.len != 0 &&
		slice_equal(buf_slice(&pid), buf_slice(&r->pid));
	if (!r->is_resumed && r->offers) {
		r->offset.len = 0;
		r->is_offset_new = false;
	}
	buf_release(&r->pid);
	r->pid = pid;
}

void recovery_keep_offset(struct recovery *r, struct slice token)
{
	struct err e;

	buf_reset(&r->offset, OFFSET_MAX);
	if (!json_string_decode(token, &r->offset, &e))
		r->offset.len =
			0; /* too long, or no text: the session cannot be resumed from here */
	r->is_offset_new = true;
}

bool recovery_is_possible(const struct recovery *r)
{
	return r->pid.len != 0 && r->offset.len != 0;
}

struct slice recovery_pid(const struct recovery *r)
{
	struct slice pid = buf_slice(&r->pid);

	return pid.len == 0 || secret_quotes(pid) ? (struct slice){ 0 } : pid;
}
