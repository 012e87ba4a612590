/*
 * lost: who comes back in time is found, once; nobody else.
 */
#include "unit.h"

#include "lost.h"

#include <stdio.h>
#include <stdlib.h>

#define KEPT_US 1000

static struct venue here, elsewhere;

static void keep(struct lost *l, const char *id, int64_t now_us)
{
	struct lost_client c = { .venue = &here };

	(void)snprintf(c.id, sizeof(c.id), "%s", id);
	(void)snprintf(c.sid, sizeof(c.sid), "sid of %s", id);
	c.saved.wanted = calloc(1, 1);
	c.saved.n_wanted = 1;
	lost_keep(l, &c, now_us);
	assert_null(c.saved.wanted);
}

static bool take(struct lost *l, const char *id, const struct venue *venue, int64_t now_us)
{
	struct lost_client c;

	if (!lost_take(l, slice_of(id), venue, now_us, &c))
		return false;
	assert_string_equal(c.id, id);
	assert_memory_equal(c.sid, "sid of ", 7);
	assert_int_equal(c.saved.n_wanted, 1);
	player_saved_release(&c.saved);
	return true;
}

static void who_comes_back_is_found_once(void **state)
{
	struct lost *l = lost_new(KEPT_US);

	(void)state;
	keep(l, "a", 0);
	keep(l, "b", 500);
	assert_false(take(l, "c", &here, 500));
	assert_false(take(l, "", &here, 500));
	assert_false(take(l, "a", &elsewhere, 500));
	assert_true(take(l, "a", &here, KEPT_US - 1));
	assert_false(take(l, "a", &here, KEPT_US - 1));
	assert_non_null(lost_find(l, slice_of("b"), &here, 500 + KEPT_US - 1));
	assert_null(lost_find(l, slice_of("b"), &here, 500 + KEPT_US));
	keep(l, "d", 5000);
	lost_free(l);
}

static void the_oldest_go_where_there_are_too_many(void **state)
{
	struct lost *l = lost_new(KEPT_US);
	char id[LOST_ID_LENGTH + 1];

	(void)state;
	for (int i = 0; i < LOST_MAX + 10; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		keep(l, id, 0);
	}
	assert_false(take(l, "9", &here, 1));
	assert_true(take(l, "10", &here, 1));
	assert_true(take(l, id, &here, 1));
	lost_free(l);
}

static void ids_differ(void **state)
{
	char a[LOST_ID_LENGTH + 1];
	char b[LOST_ID_LENGTH + 1];

	(void)state;
	assert_true(lost_make_id(a));
	assert_true(lost_make_id(b));
	assert_int_equal(strlen(a), LOST_ID_LENGTH);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_back_is_found_once),
		cmocka_unit_test(the_oldest_go_where_there_are_too_many),
		cmocka_unit_test(ids_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
