#include "info_choose.h"

#include "base/nearest.h"

#define SHOWN_MAX 120 /* bytes of a text in an error */

static bool no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

bool info_wishes_init(struct info_wishes *w, const struct choice *choice, struct err *e)
{
	*w = (struct info_wishes){ .all = { { .option = "--feed", .list = &choice->feeds },
					   { .option = "--path", .list = &choice->paths },
					   { .option = "--params", .list = &choice->params } } };
	for (int i = 0; i < INFO_WISHES; i++) {
		struct info_wish *wish = &w->all[i];

		wish->is_met = arena_alloc(&w->arena, wish->list->count, sizeof(*wish->is_met));
		wish->nearest = arena_alloc(&w->arena, wish->list->count, sizeof(*wish->nearest));
		if (wish->is_met == NULL || wish->nearest == NULL) {
			info_wishes_release(w);
			return no_memory(e);
		}
	}
	return true;
}

void info_wishes_release(struct info_wishes *w)
{
	arena_release(&w->arena);
}

static size_t find(const struct choice_list *list, struct slice text)
{
	size_t i = 0;

	while (i < list->count && !slice_equal(list->values[i], text))
		i++;
	return i;
}

static void texts_of(const struct summary *s, size_t i, struct slice out[INFO_WISHES])
{
	out[INFO_FEED] = s->feeds[s->streams[i].feed].name;
	out[INFO_PATH] = s->streams[i].path;
	out[INFO_PARAMS] = s->streams[i].params;
}

/* True if the texts of a stream are all among what was asked for. */
static bool is_chosen(struct info_wishes *w, const struct slice texts[INFO_WISHES])
{
	size_t at[INFO_WISHES];

	for (int i = 0; i < INFO_WISHES; i++) {
		at[i] = find(w->all[i].list, texts[i]);
		if (w->all[i].list->count != 0 && at[i] == w->all[i].list->count)
			return false;
	}
	for (int i = 0; i < INFO_WISHES; i++)
		if (w->all[i].list->count != 0)
			w->all[i].is_met[at[i]] = true;
	return true;
}

/* Remembers the text of a stream that is nearest to what was asked for and is not there. */
static bool find_nearest(struct info_wishes *w, int kind, size_t value, const struct summary *s)
{
	struct info_wish *wish = &w->all[kind];
	struct slice wanted = wish->list->values[value];
	struct slice best = wish->nearest[value];
	size_t least = best.ptr != NULL ? nearest_distance(wanted, best) : SIZE_MAX;

	for (size_t i = 0; i < s->n_streams; i++) {
		struct slice texts[INFO_WISHES];
		size_t distance;

		texts_of(s, i, texts);
		distance = nearest_distance(wanted, texts[kind]);
		if (distance >= least)
			continue;
		least = distance;
		best = texts[kind];
	}
	/* It outlives the summary. */
	if (best.ptr != wish->nearest[value].ptr)
		wish->nearest[value] = (struct slice){ arena_copy(&w->arena, best), best.len };
	return best.ptr == NULL || wish->nearest[value].ptr != NULL;
}

static bool find_all_nearest(struct info_wishes *w, const struct summary *s)
{
	for (int i = 0; i < INFO_WISHES; i++)
		for (size_t k = 0; k < w->all[i].list->count; k++)
			if (!w->all[i].is_met[k] && !find_nearest(w, i, k, s))
				return false;
	return true;
}

/* Drops the feeds that no stream is of; of those that were asked for by name alone one may have no streams. */
static void drop_feeds(
	struct info_wishes *w, struct summary *s, const bool *has_stream, size_t *places)
{
	bool by_name = w->all[INFO_PATH].list->count == 0 && w->all[INFO_PARAMS].list->count == 0;
	size_t n = 0;

	for (size_t i = 0; i < s->n_feeds; i++) {
		size_t at = find(w->all[INFO_FEED].list, s->feeds[i].name);
		bool is_named = by_name && at < w->all[INFO_FEED].list->count;

		if (is_named)
			w->all[INFO_FEED].is_met[at] = true;
		if (!has_stream[i] && !is_named)
			continue;
		places[i] = n;
		s->feeds[n++] = s->feeds[i];
	}
	s->n_feeds = n;
}

/* Adds up what the streams that stay know. */
static void add_up(struct summary *s)
{
	s->events = 0;
	s->first_us = SUMMARY_NONE;
	s->last_us = SUMMARY_NONE;
	for (size_t i = 0; i < s->n_streams; i++) {
		const struct summary_stream *stream = &s->streams[i];

		s->events += stream->events;
		if (stream->first_us != SUMMARY_NONE &&
			(s->first_us == SUMMARY_NONE || stream->first_us < s->first_us))
			s->first_us = stream->first_us;
		if (stream->last_us > s->last_us)
			s->last_us = stream->last_us;
	}
}

bool info_choose(struct info_wishes *w, struct summary *s, struct err *e)
{
	struct slice texts[INFO_WISHES];
	bool *has_stream;
	bool *stays;
	size_t *places;
	size_t n = 0;

	if (w->all[INFO_FEED].list->count + w->all[INFO_PATH].list->count +
			w->all[INFO_PARAMS].list->count ==
		0)
		return true;
	has_stream = arena_alloc(&s->arena, s->n_feeds, sizeof(*has_stream));
	places = arena_alloc(&s->arena, s->n_feeds, sizeof(*places));
	stays = arena_alloc(&s->arena, s->n_streams, sizeof(*stays));
	if (has_stream == NULL || places == NULL || stays == NULL)
		return no_memory(e);
	for (size_t i = 0; i < s->n_streams; i++) {
		texts_of(s, i, texts);
		stays[i] = is_chosen(w, texts);
	}
	if (!find_all_nearest(w, s))
		return no_memory(e);
	for (size_t i = 0; i < s->n_streams; i++) {
		if (!stays[i])
			continue;
		has_stream[s->streams[i].feed] = true;
		s->streams[n++] = s->streams[i];
	}
	s->n_streams = n;
	drop_feeds(w, s, has_stream, places);
	for (size_t i = 0; i < s->n_streams; i++)
		s->streams[i].feed = places[s->streams[i].feed];
	add_up(s);
	return true;
}

static int shown(size_t len)
{
	return len < SHOWN_MAX ? (int)len : SHOWN_MAX;
}

bool info_wishes_are_met(const struct info_wishes *w, struct err *e)
{
	for (int i = 0; i < INFO_WISHES; i++)
		for (size_t k = 0; k < w->all[i].list->count; k++) {
			struct slice value = w->all[i].list->values[k];
			struct slice nearest = w->all[i].nearest[k];

			if (w->all[i].is_met[k])
				continue;
			(void)err_set(e, ERR_CONFIG,
				"%s '%.*s': no stream in the recordings has it, or none together "
				"with what else is chosen%s%.*s%s",
				w->all[i].option, shown(value.len), value.ptr,
				nearest.ptr != NULL ? "; the nearest is '" : "", shown(nearest.len),
				nearest.ptr != NULL ? nearest.ptr : "",
				nearest.ptr != NULL ? "'" : "");
			return false;
		}
	return true;
}
