/*
 * retime: another instant, written in the way in which a timestamp was written.
 *
 * A feed that sends milliseconds goes on to send milliseconds, a string stays a string; ISO 8601 becomes the
 * canonical text. What is finer than the unit is cut. Pure.
 */
#ifndef TAPEDECK_REPLAY_RETIME_H
#define TAPEDECK_REPLAY_RETIME_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/json_places.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETIME_TOKEN_MAX 64

/* Writes `us` in the way of `token`, a JSON token that timestamp_parse reads; the length of what was written. */
size_t retime_token(struct slice token, int64_t us, char out[RETIME_TOKEN_MAX]);

/* Replaces the timestamp in an event's arguments (JSON values with commas between), wherever the dialect has it; those
 * that have none stay. False when memory is out, or what the recording holds is no JSON. `scratch` is overwritten. */
bool retime_arguments(const struct json_places *places, int64_t us, struct buf *arguments,
	struct buf *scratch) MUST_CHECK;

#endif
