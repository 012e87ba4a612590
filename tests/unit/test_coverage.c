/*
 * coverage: the rows are the union of what two connections covered, however they come and go.
 */
#include "unit.h"

#include "record/coverage.h"

#include <stdlib.h>

enum { SPAN = 60, ROWS_MAX = 200 };

/* The table, as batch_add_covered keeps it. */
static struct coverage_row table[ROWS_MAX];
static size_t rows;

static void write_rows(const struct coverage_row *out, size_t count)
{
	assert_true(count <= COVERAGE_ROWS);
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;

		while (at < rows && table[at].started_us != out[i].started_us)
			at++;
		if (out[i].ended_us != 0 && out[i].ended_us <= out[i].started_us) {
			if (at < rows)
				table[at] = table[--rows];
			continue;
		}
		assert_true(at < ROWS_MAX);
		table[at] = out[i];
		rows += at == rows ? 1 : 0;
	}
}

static void begin(struct coverage *c, int side, int64_t at_us)
{
	struct coverage_row out[COVERAGE_ROWS];

	write_rows(out, coverage_begin(c, side, at_us, out));
}

static void end(struct coverage *c, int side, int64_t at_us)
{
	struct coverage_row out[COVERAGE_ROWS];

	write_rows(out, coverage_end(c, side, at_us, out));
}

static bool is_in_table(int64_t at)
{
	for (size_t i = 0; i < rows; i++)
		if (table[i].started_us <= at && (table[i].ended_us == 0 || table[i].ended_us > at))
			return true;
	return false;
}

static void a_handover_is_one_row(void **state)
{
	struct coverage c = { 0 };

	(void)state;
	rows = 0;
	begin(&c, 0, 10);
	begin(&c, 1, 20);
	end(&c, 0, 30);
	assert_int_equal(rows, 1);
	assert_int_equal(table[0].started_us, 10);
	assert_int_equal(table[0].ended_us, 0);
	end(&c, 1, 40);
	assert_int_equal(rows, 1);
	assert_int_equal(table[0].ended_us, 40);
}

/* The first connection was dead before the second one began, which was noticed only later. */
static void a_hole_before_the_second_connection_shows(void **state)
{
	struct coverage c = { 0 };

	(void)state;
	rows = 0;
	begin(&c, 0, 10);
	begin(&c, 1, 20);
	end(&c, 0, 15);
	assert_true(is_in_table(14));
	assert_false(is_in_table(15));
	assert_false(is_in_table(19));
	assert_true(is_in_table(20));
}

static void a_side_that_covered_nothing_leaves_no_row(void **state)
{
	struct coverage c = { 0 };

	(void)state;
	rows = 0;
	begin(&c, 0, 10);
	end(&c, 0, 5);
	assert_int_equal(rows, 0);
	assert_false(coverage_has(&c, 0));
}

/* Any sequence of begins and ends, the ends reaching back: the table is the union, instant by instant. */
static void the_table_is_the_union_of_both(void **state)
{
	(void)state;
	srand(4);
	for (int round = 0; round < 20000; round++) {
		struct coverage c = { 0 };
		bool covered[SPAN + 1] = { false };
		int64_t since[COVERAGE_SIDES] = { 0 };

		rows = 0;
		for (int64_t now = 1; now <= SPAN; now += 1 + rand() % 4) {
			int side = rand() % COVERAGE_SIDES;
			int64_t at = now - rand() % 8;

			if (since[side] == 0) {
				since[side] = now;
				begin(&c, side, now);
				continue;
			}
			at = at < 1 ? 1 : at;
			for (int64_t t = since[side]; t < at; t++)
				covered[t] = true;
			since[side] = 0;
			end(&c, side, at);
		}
		for (int64_t t = 1; t <= SPAN; t++) {
			bool open = (since[0] != 0 && since[0] <= t) ||
				(since[1] != 0 && since[1] <= t);

			assert_int_equal(is_in_table(t), covered[t] || open);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handover_is_one_row),
		cmocka_unit_test(a_hole_before_the_second_connection_shows),
		cmocka_unit_test(a_side_that_covered_nothing_leaves_no_row),
		cmocka_unit_test(the_table_is_the_union_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
