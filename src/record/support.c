#include "record/support.h"

#include "base/log.h"

static void warn(const char *feed, const char *key)
{
	log_line(LOG_WARN, "a configured key has no effect in this version", log_text("key", key),
		log_text("feed", feed));
}

static void warn_endpoints(const struct config_feed *feed)
{
	bool has_retention = false;

	for (size_t i = 0; i < feed->n_endpoints; i++) {
		const struct config_endpoint *endpoint = &feed->endpoints[i];

		has_retention = has_retention || endpoint->retention.age_us != 0 ||
			endpoint->retention.bytes != 0;
	}
	if (has_retention)
		warn(feed->name, "endpoints.retention");
}

void support_warn(const struct config *config)
{
	if (config->rotate != CONFIG_ROTATE_NONE)
		warn("", "rotate");
	if (config->retention.age_us != 0 || config->retention.bytes != 0)
		warn("", "retention");
	if (config->status_host != NULL)
		warn("", "status");
	for (size_t i = 0; i < config->n_feeds; i++) {
		const struct config_feed *feed = &config->feeds[i];

		if (feed->retention.age_us != 0 || feed->retention.bytes != 0)
			warn(feed->name, "retention");
		if (feed->has_token && feed->token.has_jwt_route)
			warn(feed->name, "token.jwt_route");
		warn_endpoints(feed);
	}
}
