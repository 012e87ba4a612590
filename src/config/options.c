#include "config/options.h"

#include <assert.h>
#include <string.h>

/* How many edits away a known name may be to be suggested. */
#define NEAR_EDITS 2
#define NEAR_LENGTH 32

const struct option *option_rows(enum option_place place, size_t *count)
{
	size_t first = 0;

	while (first < option_table_count && option_table[first].place != place)
		first++;
	*count = 0;
	while (first + *count < option_table_count && option_table[first + *count].place == place)
		++*count;
	assert(*count != 0);
	return &option_table[first];
}

const struct option *option_find(enum option_place place, const char *name)
{
	size_t count;
	const struct option *rows = option_rows(place, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many characters must be inserted, deleted or changed (Levenshtein). */
static size_t edits(const char *a, const char *b)
{
	size_t row[NEAR_LENGTH + 1];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];

			row[j] = least_of(above + 1, row[j - 1] + 1,
				diagonal + (a[i - 1] != b[j - 1] ? 1 : 0));
			diagonal = above;
		}
	}
	return row[n];
}

const char *option_nearest(enum option_place place, const char *name)
{
	size_t count;
	const struct option *rows = option_rows(place, &count);
	const char *nearest = NULL;
	size_t least = NEAR_EDITS + 1;

	if (strlen(name) > NEAR_LENGTH)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t n = edits(name, rows[i].name);

		/* Changing most of a short word is no typing error. */
		if (n < least && n * 2 < strlen(name)) {
			least = n;
			nearest = rows[i].name;
		}
	}
	return nearest;
}
