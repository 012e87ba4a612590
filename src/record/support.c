#include "record/support.h"

#include "base/log.h"

static void warn(const char *feed, const char *key)
{
	log_line(LOG_WARN, "a configured key has no effect in this version", log_text("key", key),
		log_text("feed", feed));
}

void support_warn(const struct config *config)
{
	if (config->status_host != NULL)
		warn("", "status");
	for (size_t i = 0; i < config->n_feeds; i++) {
		const struct config_feed *feed = &config->feeds[i];

		if (feed->has_token && feed->token.has_jwt_route)
			warn(feed->name, "token.jwt_route");
	}
}
