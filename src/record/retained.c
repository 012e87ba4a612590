#include "record/retained.h"

#include "store/retention.h"

static bool add_entry(struct retention *r, int64_t feed_id, const struct config_feed *feed,
	const struct config_entry *entry)
{
	const struct config_endpoint *endpoints = &feed->endpoints[entry->first];
	struct retention_part part = { 0 };
	size_t number;

	if (entry->count == 0)
		return true;
	part.age_us = endpoints[0].retention.age_us;
	part.bytes = endpoints[0].retention.bytes;
	if (part.age_us == 0 && part.bytes == 0)
		return true;
	if (!retention_add(r, &part, &number))
		return false;
	for (size_t i = 0; i < entry->count; i++)
		if (!retention_add_stream(
			    r, number, feed_id, endpoints[i].path, endpoints[i].params))
			return false;
	return true;
}

static bool add_feed(struct retention *r, struct writer *w, const struct config_feed *feed)
{
	struct retention_part part = { .age_us = feed->retention.age_us,
		.bytes = feed->retention.bytes };
	size_t number;

	if (!writer_feed_id(w, feed->name, &part.feed_id))
		return true;
	if (!retention_add(r, &part, &number))
		return false;
	for (size_t i = 0; i < feed->n_entries; i++)
		if (!add_entry(r, part.feed_id, feed, &feed->entries[i]))
			return false;
	return true;
}

bool retained_configure(struct writer *w, const struct config *config, struct err *e)
{
	struct retention *r = retention_new(config->retention.age_us, config->retention.bytes);
	bool ok = r != NULL;

	for (size_t i = 0; ok && i < config->n_feeds; i++)
		ok = add_feed(r, w, &config->feeds[i]);
	if (!ok) {
		retention_free(r);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	writer_plan_retention(w, r);
	return true;
}
