/*
 * json_scan: finds an event in the bytes of a Socket.IO EVENT payload, ["name", argument, ...].
 *
 * This is the path of every event: one pass checks the whole grammar and notes the byte ranges of the
 * places that the feed's dialect names (json_places), without building anything. No allocation. The text
 * must be valid UTF-8. Found slices borrow from the text.
 */
#ifndef TAPEDECK_BASE_JSON_SCAN_H
#define TAPEDECK_BASE_JSON_SCAN_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json_places.h"
#include "base/slice.h"

#include <stdbool.h>

struct event_scan {
	struct slice name;              /* the string token, with its quotes */
	struct slice argument;          /* the first argument; ptr NULL if there is none */
	struct slice slot[EVENT_SLOTS]; /* ptr NULL if its place is not there */
	struct slice more; /* the arguments behind the first, with the commas between */
	bool has_members;  /* the first argument holds more than the places */
};

/* Scans the whole text. False: it is no event (ERR_INPUT: not JSON, no array, its first element no string,
 * or a member on the way to a place given twice; ERR_LIMIT: nested too deep), and `out` is undefined. */
bool json_scan_event(struct slice text, const struct json_places *places, struct event_scan *out,
	struct err *e) MUST_CHECK;

/* Appends what is left of the first argument without the places, in its shape: {"other":1}, or
 * {"message":{"pid":1}} for places inside "message". Keys and values keep their bytes, white space around
 * them goes. A container that held nothing but places is left out; in an array that keeps something, a
 * place leaves null, so that the others keep their position. Appends nothing where has_members is false.
 * False: `out` is full, or out of memory; it is then as before. */
bool json_scan_members(const struct event_scan *scan, const struct json_places *places,
	struct buf *out) MUST_CHECK;

/* Takes the last argument off if it is a string (the offset of a session that can be resumed), and gives
 * its token. If it was the only argument, the event has none left. json_iter_list walks `more`. */
bool json_scan_take_offset(struct event_scan *scan, struct slice *offset);

#endif
