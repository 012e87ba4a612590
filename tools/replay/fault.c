#include "fault.h"

#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define VALUE_MAX 64 /* bytes of a key or a value */

/* ---- number streams: splitmix64 (Steele, Lea, Flood 2014) ---- */

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t next(uint64_t *state)
{
	*state += GOLDEN;
	return mix(*state);
}

/* Where the stream of a rule and a client begins: far from all others. */
static uint64_t stream_of(const struct faults *f, size_t rule, uint64_t client)
{
	return mix(mix(mix(f->seed + GOLDEN) + rule + GOLDEN) + client);
}

/* From 0 to below 1. */
static double next_part(uint64_t *state)
{
	return (double)(next(state) >> 11) * 0x1p-53;
}

static int64_t next_between(uint64_t *state, int64_t least, int64_t most)
{
	uint64_t span = (uint64_t)(most - least) + 1;

	return least + (int64_t)(next(state) % span);
}

/* ---- the grammar ---- */

static bool read_count(struct slice text, int64_t least, int64_t most, int64_t *out)
{
	int64_t value = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (text.ptr[i] - '0');
		if (value > most)
			return false;
	}
	*out = value;
	return value >= least;
}

static bool read_duration(struct slice text, int64_t *out)
{
	return units_duration(text, out) == UNITS_OK && *out >= UNITS_MS;
}

/* One duration, or two with ".." between. */
static bool read_range(struct slice text, struct fault_rule *r)
{
	const char *dots = memmem(text.ptr, text.len, "..", 2);
	struct slice least = text;
	struct slice most = text;

	if (dots != NULL) {
		least.len = (size_t)(dots - text.ptr);
		most = (struct slice){ dots + 2, text.len - least.len - 2 };
	}
	return read_duration(least, &r->least_us) && read_duration(most, &r->most_us) &&
		r->least_us <= r->most_us;
}

static bool read_rate(struct slice text, double *out)
{
	char copy[VALUE_MAX];
	char *end;

	if (text.len == 0 || text.len >= sizeof(copy) || strspn(text.ptr, "0123456789.") < text.len)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*out = strtod(copy, &end);
	return *end == '\0' && *out >= 0 && *out <= 1;
}

static bool read_drop(struct fault_rule *r, struct slice key, struct slice value)
{
	return slice_is(key, "every") &&
		(read_count(value, 1, FAULT_COUNT_MAX, &r->every) ||
			(r->every = 0, read_duration(value, &r->every_us)));
}

static bool read_delay(struct fault_rule *r, struct slice key, struct slice value)
{
	return key.len == 0 && read_range(value, r);
}

static bool read_chance(struct fault_rule *r, struct slice key, struct slice value)
{
	return slice_is(key, "rate") && read_rate(value, &r->rate);
}

static bool read_reorder(struct fault_rule *r, struct slice key, struct slice value)
{
	int64_t window;

	if (!slice_is(key, "window") || !read_count(value, 2, FAULT_WINDOW_MAX, &window))
		return false;
	r->window = (size_t)window;
	return true;
}

static bool read_jwt(struct fault_rule *r, struct slice key, struct slice value)
{
	int64_t status;

	if (slice_is(key, "rate"))
		return read_rate(value, &r->rate);
	if (slice_is(key, "delay"))
		return read_range(value, r);
	if (!slice_is(key, "status") || !read_count(value, 400, 599, &status))
		return false;
	r->status = (int)status;
	return true;
}

static const struct kind {
	const char *name;
	bool (*read)(struct fault_rule *r, struct slice key, struct slice value);
	const char *allowed;
} kinds[] = {
	[FAULT_DROP] = { "drop", read_drop,
		"drop:every=N (events, 1 to 1000000000) or drop:every=DURATION, such as "
		"drop:every=30s" },
	[FAULT_DELAY] = { "delay", read_delay,
		"delay:DURATION or delay:LEAST..MOST, such as delay:50ms..200ms" },
	[FAULT_DUPLICATE] = { "duplicate", read_chance, "duplicate:rate=R with R from 0 to 1" },
	[FAULT_REORDER] = { "reorder", read_reorder, "reorder:window=N with N from 2 to 100" },
	[FAULT_REFUSE] = { "refuse", read_chance, "refuse:rate=R with R from 0 to 1" },
	[FAULT_JWT] = { "jwt", read_jwt,
		"jwt: with status=400 to 599, delay=DURATION or LEAST..MOST, and rate=R from 0 "
		"to 1, with commas between, such as jwt:status=401,rate=0.5" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Takes "key=value" or "value" up to the next comma. */
static void take_part(struct slice *rest, struct slice *key, struct slice *value)
{
	const char *comma = memchr(rest->ptr, ',', rest->len);
	size_t len = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
	const char *equals = memchr(rest->ptr, '=', len);

	*key = (struct slice){ rest->ptr, equals != NULL ? (size_t)(equals - rest->ptr) : 0 };
	*value = (struct slice){ rest->ptr, len };
	if (equals != NULL)
		*value = (struct slice){ equals + 1, len - key->len - 1 };
	*rest = (struct slice){ rest->ptr + len, rest->len - len };
	if (comma != NULL)
		*rest = (struct slice){ comma + 1, rest->len - 1 };
}

/* Reads what follows "kind:"; no key may come twice. `*wrong`: the part that was read last. */
static bool read_parts(struct fault_rule *r, struct slice rest, struct slice *wrong)
{
	struct slice seen[4];
	size_t count = 0;
	bool more = true;

	while (more) {
		struct slice key;
		struct slice value;
		struct slice part = rest;

		more = memchr(rest.ptr, ',', rest.len) != NULL;
		take_part(&rest, &key, &value);
		part.len = (size_t)(value.ptr + value.len - part.ptr);
		*wrong = part;
		for (size_t i = 0; i < count; i++)
			if (slice_equal(seen[i], key))
				return false;
		if (count == sizeof(seen) / sizeof(seen[0]) || !kinds[r->kind].read(r, key, value))
			return false;
		seen[count++] = key;
	}
	return true;
}

static bool refuse(const char *rule, const char *what, const char *allowed, struct err *e)
{
	return err_set(e, ERR_CONFIG, "--fault '%.100s': %s; allowed: %s", rule, what, allowed);
}

static bool refuse_part(const char *rule, const struct fault_rule *r, struct slice rest,
	struct slice wrong, struct err *e)
{
	const char *allowed = kinds[r->kind].allowed;
	char text[160];

	if (rest.len == 0)
		return refuse(rule, "it says nothing more", allowed, e);
	if (wrong.len == 0)
		return refuse(rule, "a part of it is empty", allowed, e);
	(void)snprintf(text, sizeof(text), "'%.*s' is not understood",
		(int)(wrong.len < 100 ? wrong.len : 100), wrong.ptr);
	return refuse(rule, text, allowed, e);
}

bool fault_add(struct faults *f, const char *rule, struct err *e)
{
	const char *colon = strchr(rule, ':');
	struct slice name = { rule, colon != NULL ? (size_t)(colon - rule) : strlen(rule) };
	struct slice rest = slice_of(colon != NULL ? colon + 1 : "");
	struct fault_rule r = { .rate = 1 };
	struct slice wrong = { "", 0 };
	size_t kind = 0;

	while (kind < KINDS && !slice_is(name, kinds[kind].name))
		kind++;
	if (kind == KINDS)
		return refuse(rule, "there is no such fault",
			"drop, delay, duplicate, reorder, refuse, jwt", e);
	r.kind = (enum fault_kind)kind;
	if (f->count == FAULT_RULES_MAX)
		return err_set(e, ERR_CONFIG,
			"--fault '%.100s': there are %d already, which is the most", rule,
			FAULT_RULES_MAX);
	if (r.kind == FAULT_REORDER && fault_has(f, FAULT_REORDER))
		return refuse(rule, "it is given twice", "one reorder", e);
	if (!read_parts(&r, rest, &wrong))
		return refuse_part(rule, &r, rest, wrong, e);
	if (r.kind == FAULT_JWT && r.status == 0 && r.most_us == 0)
		return refuse(rule, "it has neither status nor delay", kinds[kind].allowed, e);
	f->rules[f->count++] = r;
	return true;
}

/* ---- what follows from the rules ---- */

bool fault_has(const struct faults *f, enum fault_kind kind)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->rules[i].kind == kind)
			return true;
	return false;
}

/* The smallest of the rules' values, 0 where none has one. */
static int64_t smallest(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

int64_t fault_drop_events(const struct faults *f)
{
	int64_t every = 0;

	for (size_t i = 0; i < f->count; i++)
		every = smallest(every, f->rules[i].every);
	return every;
}

int64_t fault_drop_us(const struct faults *f)
{
	int64_t every = 0;

	for (size_t i = 0; i < f->count; i++)
		every = smallest(every, f->rules[i].every_us);
	return every;
}

size_t fault_window(const struct faults *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->rules[i].kind == FAULT_REORDER)
			return f->rules[i].window;
	return 0;
}

void fault_streams_init(struct fault_streams *s, const struct faults *f, uint64_t client)
{
	for (size_t i = 0; i < f->count; i++)
		s->state[i] = stream_of(f, i, client);
}

int64_t fault_delay_us(struct fault_streams *s, const struct faults *f)
{
	int64_t delay = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->rules[i].kind == FAULT_DELAY)
			delay += next_between(
				&s->state[i], f->rules[i].least_us, f->rules[i].most_us);
	return delay;
}

unsigned fault_copies(struct fault_streams *s, const struct faults *f)
{
	unsigned copies = 1;

	for (size_t i = 0; i < f->count; i++)
		if (f->rules[i].kind == FAULT_DUPLICATE &&
			next_part(&s->state[i]) < f->rules[i].rate)
			copies++;
	return copies;
}

size_t fault_pick(struct fault_streams *s, const struct faults *f, size_t n)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->rules[i].kind == FAULT_REORDER)
			return (size_t)(next(&s->state[i]) % n);
	return 0;
}

bool fault_refuses(const struct faults *f, uint64_t number)
{
	for (size_t i = 0; i < f->count; i++) {
		uint64_t state = stream_of(f, i, number);

		if (f->rules[i].kind == FAULT_REFUSE && next_part(&state) < f->rules[i].rate)
			return true;
	}
	return false;
}

int fault_jwt(const struct faults *f, uint64_t number, int64_t *delay_us)
{
	int status = 0;

	*delay_us = 0;
	for (size_t i = 0; i < f->count; i++) {
		const struct fault_rule *r = &f->rules[i];
		uint64_t state = stream_of(f, i, number);

		if (r->kind != FAULT_JWT || next_part(&state) >= r->rate)
			continue;
		if (r->most_us != 0)
			*delay_us += next_between(&state, r->least_us, r->most_us);
		if (status == 0)
			status = r->status;
	}
	return status;
}
