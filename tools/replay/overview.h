/*
 * overview: what the web page shows of a tape: feeds, streams, gaps, as JSON.
 *
 * The view of the gaps may take long for a large recording, so it is read by a thread of its own, with a tape of its
 * own, when somebody asks for the first time. Who asks waits for it; then it is kept. Limit: OVERVIEW_GAPS_MAX, the
 * longest.
 */
#ifndef TAPEDECK_REPLAY_OVERVIEW_H
#define TAPEDECK_REPLAY_OVERVIEW_H

#include "base/compiler.h"
#include "base/err.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "tape.h"

#include <stdbool.h>
#include <stddef.h>

#define OVERVIEW_GAPS_MAX 20000

struct overview;

/* Paths and choice are borrowed until it is freed. */
bool overview_new(struct overview **out, struct loop *l, const char *const *paths, size_t n_paths,
	const struct tape_choice *choice, bool needs_token, struct err *e) MUST_CHECK;

/* Waits for the thread; who waits for an answer gets none. Accepts NULL. */
void overview_free(struct overview *o);

/* Answers, now or when it is known. */
void overview_reply(struct overview *o, struct http_exchange *x);

#endif
