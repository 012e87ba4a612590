/*
 * reel_ids: the ids of all chosen events, where these are few among many.
 *
 * The order of arrival has no index of its own for a stream: to find one stream's events among those of a thousand, all of
 * them would have to be passed over. The key index tells their ids, in the order of timestamps; sorted they are in
 * the order of arrival. Shared by the cursors of a reel. Limit: REEL_IDS_MAX; what is more is passed over after all.
 */
#ifndef TAPEDECK_STORE_REEL_IDS_H
#define TAPEDECK_STORE_REEL_IDS_H

#include "base/compiler.h"
#include "base/err.h"
#include "store/reel_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEL_IDS_MAX ((size_t)1 << 20) /* 8 MiB */

/* Reads them for one more user, if that is worth while; `*taken` says whether. */
bool reel_ids_take(struct reel *r, bool *taken, struct err *e) MUST_CHECK;

/* One user less; without any they are forgotten. */
void reel_ids_drop(struct reel *r);

/* The place of the first id that is `event_id` or greater. */
size_t reel_ids_find(const struct reel *r, int64_t event_id);

#endif
