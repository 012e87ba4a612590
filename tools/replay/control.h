/*
 * control: /replay, where a replay is looked at and controlled over HTTP.
 *
 *   GET  /replay             {"state", "position", "from", "to", "speed", "clients", "emitted"}; times in microseconds
 *   POST /replay             {"do": "pause"|"resume"|"step"}, {"do": "seek", "to": T}, {"do": "speed", "speed": N};
 *                            answered like GET
 *   GET  /replay/recording   overview.h
 *
 * What a web page of another origin could do is kept out: a POST must be JSON (which needs a permission that is not
 * given), the Host must be ours (listen.h). Where others can reach the server the API key is asked for. Errors are JSON.
 */
#ifndef TAPEDECK_REPLAY_CONTROL_H
#define TAPEDECK_REPLAY_CONTROL_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "player.h"

#include <stdbool.h>

struct server;
struct http_exchange;

/* Answers if the request is for one of these; false: it is not, and nothing was done. */
bool control_take(struct server *s, struct http_exchange *x) MUST_CHECK;

/* An order. */
struct control_order {
	enum player_do what;
	int64_t value; /* of a seek or a speed */
};

/* Reads the body of a POST. False: `e` says what is wrong with it. */
bool control_read(struct slice body, struct control_order *out, struct err *e) MUST_CHECK;

#endif
