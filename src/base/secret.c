#include "base/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Fewer bytes than this in common are a coincidence; a secret that is shorter counts as a whole. */
#define SECRET_WINDOW 12

struct secret {
	struct secret *next;
	size_t len;
	char bytes[];
};

static pthread_mutex_t living_lock = PTHREAD_MUTEX_INITIALIZER;
static struct secret *living;

struct secret *secret_new(struct slice bytes)
{
	struct secret *s = malloc(sizeof(*s) + bytes.len + 1);

	if (s == NULL)
		return NULL;
	s->len = bytes.len;
	if (bytes.len != 0)
		memcpy(s->bytes, bytes.ptr, bytes.len);
	s->bytes[bytes.len] = '\0';
	(void)pthread_mutex_lock(&living_lock);
	s->next = living;
	living = s;
	(void)pthread_mutex_unlock(&living_lock);
	return s;
}

void secret_free(struct secret *s)
{
	struct secret **link = &living;

	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&living_lock);
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	(void)pthread_mutex_unlock(&living_lock);
	explicit_bzero(s->bytes, s->len);
	free(s);
}

struct slice secret_reveal(const struct secret *s)
{
	return (struct slice){ s->bytes, s->len };
}

static bool quotes(const struct secret *s, struct slice text)
{
	size_t window = s->len < SECRET_WINDOW ? s->len : SECRET_WINDOW;

	if (window == 0)
		return false;
	for (size_t i = 0; i + window <= text.len; i++)
		if (memmem(s->bytes, s->len, text.ptr + i, window) != NULL)
			return true;
	return false;
}

bool secret_quotes(struct slice text)
{
	bool found = false;

	(void)pthread_mutex_lock(&living_lock);
	for (const struct secret *s = living; s != NULL && !found; s = s->next)
		found = quotes(s, text);
	(void)pthread_mutex_unlock(&living_lock);
	return found;
}
