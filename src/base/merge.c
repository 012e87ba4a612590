#include "base/merge.h"

#include <assert.h>
#include <stdlib.h>

bool merge_reserve(struct merge *m, size_t count)
{
	struct merge_head *heads;

	if (count <= m->capacity)
		return true;
	heads = reallocarray(m->heads, count, sizeof(*heads));
	if (heads == NULL)
		return false;
	m->heads = heads;
	m->capacity = count;
	return true;
}

int merge_compare(const struct merge_head *a, const struct merge_head *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return (a->source > b->source) - (a->source < b->source);
}

/* Puts `head` where the gap at the top is, and lets the gap sink to where the head belongs. */
static void sink(struct merge *m, struct merge_head head)
{
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= m->count)
			break;
		if (child + 1 < m->count &&
			merge_compare(&m->heads[child + 1], &m->heads[child]) < 0)
			child++;
		if (merge_compare(&head, &m->heads[child]) <= 0)
			break;
		m->heads[i] = m->heads[child];
		i = child;
	}
	m->heads[i] = head;
}

void merge_add(struct merge *m, struct merge_head head)
{
	size_t i = m->count++;

	assert(i < m->capacity);
	while (i > 0 && merge_compare(&head, &m->heads[(i - 1) / 2]) < 0) {
		m->heads[i] = m->heads[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	m->heads[i] = head;
}

const struct merge_head *merge_top(const struct merge *m)
{
	return m->count != 0 ? &m->heads[0] : NULL;
}

void merge_advance(struct merge *m, int64_t time_us, int64_t id)
{
	struct merge_head head;

	assert(m->count != 0);
	head = m->heads[0];
	head.time_us = time_us;
	head.id = id;
	sink(m, head);
}

void merge_end(struct merge *m)
{
	assert(m->count != 0);
	if (--m->count != 0)
		sink(m, m->heads[m->count]);
}

void merge_clear(struct merge *m)
{
	m->count = 0;
}

void merge_release(struct merge *m)
{
	free(m->heads);
	*m = (struct merge){ 0 };
}
