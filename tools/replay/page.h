/*
 * page: the web page of a replay, at / of its server.
 *
 * Its files are part of the program, and it loads nothing from elsewhere; a policy that is sent with each of them lets
 * the browser hold it to that, whatever a recording contains. What it shows and does it asks of /replay,
 * /replay/recording, /jwt and the feed itself. Stateless.
 */
#ifndef TAPEDECK_REPLAY_PAGE_H
#define TAPEDECK_REPLAY_PAGE_H

#include "base/compiler.h"

#include <stdbool.h>

struct http_exchange;

/* Answers if the request is for the page or one of its files; false: it is not, and nothing was done. */
bool page_take(struct http_exchange *x) MUST_CHECK;

#endif
