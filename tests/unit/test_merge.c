/*
 * merge: against a model that looks at every source; heads that are lower bounds change nothing.
 */
#include "base/merge.h"

#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>

#define SOURCES_MAX 40
#define ITEMS_MAX 30

struct source {
	struct merge_head items[ITEMS_MAX];
	size_t count;
	size_t at;
	bool is_known; /* its head in the merge is that of the next item */
};

static struct source sources[SOURCES_MAX];
static size_t n_sources;

static int compare_items(const void *a, const void *b)
{
	return merge_compare(a, b);
}

/* Few different times and ids, so that there are ties of every kind. */
static void make_sources(unsigned seed)
{
	srandom(seed);
	n_sources = 1 + (size_t)random() % SOURCES_MAX;
	for (size_t i = 0; i < n_sources; i++) {
		struct source *s = &sources[i];
		size_t group = (size_t)random() % 3;

		*s = (struct source){ .count = (size_t)random() % (ITEMS_MAX + 1) };
		for (size_t k = 0; k < s->count; k++)
			s->items[k] = (struct merge_head){ random() % 12 - 6, random() % 5, group,
				i };
		qsort(s->items, s->count, sizeof(s->items[0]), compare_items);
	}
}

/* The least head of all sources, found by looking. */
static const struct merge_head *least(void)
{
	const struct merge_head *best = NULL;

	for (size_t i = 0; i < n_sources; i++) {
		const struct source *s = &sources[i];

		if (s->at < s->count && (best == NULL || merge_compare(&s->items[s->at], best) < 0))
			best = &s->items[s->at];
	}
	return best;
}

static void fill(struct merge *m, bool lazily)
{
	merge_clear(m);
	assert_true(merge_reserve(m, n_sources));
	for (size_t i = 0; i < n_sources; i++) {
		struct source *s = &sources[i];
		struct merge_head head = s->items[0];

		s->is_known = !lazily;
		if (s->count == 0 && !lazily)
			continue;
		if (lazily)
			head = (struct merge_head){ s->count != 0 ? head.time_us - random() % 3 : 0,
				INT64_MIN, head.group, i };
		merge_add(m, head);
	}
}

/* Says what follows in the source at the top; half of the time only what it is not before. */
static void go_on(struct merge *m, struct source *s, bool lazily)
{
	const struct merge_head *item = &s->items[s->at];

	if (s->at == s->count) {
		merge_end(m);
		return;
	}
	s->is_known = !lazily || random() % 2 == 0;
	if (s->is_known)
		merge_advance(m, item->time_us, item->id);
	else if (s->at != 0)
		merge_advance(m, item[-1].time_us, item[-1].id);
}

static void check(unsigned seed, bool lazily)
{
	struct merge m = { 0 };
	const struct merge_head *top;

	make_sources(seed);
	fill(&m, lazily);
	while ((top = merge_top(&m)) != NULL) {
		struct source *s = &sources[top->source];

		if (!s->is_known) {
			s->is_known = true;
			if (s->at == s->count)
				merge_end(&m);
			else
				merge_advance(&m, s->items[s->at].time_us, s->items[s->at].id);
			continue;
		}
		assert_int_equal(merge_compare(top, least()), 0);
		s->at++;
		go_on(&m, s, lazily);
	}
	assert_null(least());
	merge_release(&m);
}

static void items_come_in_order(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++)
		check(seed, false);
}

static void a_lower_bound_does_as_a_head(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++)
		check(seed, true);
}

static void ties_go_by_group_then_id_then_source(void **state)
{
	static const struct merge_head order[] = { { 1, 9, 0, 5 }, { 1, 2, 1, 9 }, { 1, 3, 1, 1 },
		{ 1, 3, 1, 2 }, { 2, 0, 0, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(order); i++)
		for (size_t k = 0; k < COUNT(order); k++)
			assert_int_equal(merge_compare(&order[i], &order[k]) < 0, i < k);
}

static void without_sources_there_is_nothing(void **state)
{
	struct merge m = { 0 };

	(void)state;
	assert_null(merge_top(&m));
	assert_true(merge_reserve(&m, 1));
	merge_add(&m, (struct merge_head){ 0 });
	merge_end(&m);
	assert_null(merge_top(&m));
	merge_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_in_order),
		cmocka_unit_test(a_lower_bound_does_as_a_head),
		cmocka_unit_test(ties_go_by_group_then_id_then_source),
		cmocka_unit_test(without_sources_there_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
