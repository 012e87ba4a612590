#include "base/nearest.h"

static size_t shorter(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A row at a time. */
size_t nearest_distance(struct slice a, struct slice b)
{
	size_t row[NEAREST_TEXT_MAX + 1];
	size_t a_len = shorter(a.len, NEAREST_TEXT_MAX);
	size_t b_len = shorter(b.len, NEAREST_TEXT_MAX);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			size_t replaced = diagonal + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);

			row[j] = shorter(replaced, shorter(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_len];
}
