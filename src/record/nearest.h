/*
 * nearest: the configured endpoint that someone probably meant.
 */
#ifndef TAPEDECK_RECORD_NEAREST_H
#define TAPEDECK_RECORD_NEAREST_H

#include "base/slice.h"
#include "config/config.h"

/* The endpoint of the feed whose path takes the fewest edits to become `path`; the feed has at least one.
 * Only the first NEAREST_TRIES different paths are compared: it is a hint, and the loop waits for it. */
const struct config_endpoint *nearest_endpoint(const struct config_feed *feed, struct slice path);

#define NEAREST_TRIES 200

#endif
