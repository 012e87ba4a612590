#include "record/coverage.h"

#include <assert.h>

size_t coverage_begin(
	struct coverage *c, int side, int64_t at_us, struct coverage_row out[COVERAGE_ROWS])
{
	assert(at_us != 0 && !coverage_has(c, side));
	c->since_us[side] = at_us;
	if (c->row_us != 0)
		return 0;
	c->row_us = at_us;
	c->known_us = at_us;
	c->bearer = side;
	out[0] = (struct coverage_row){ at_us, 0 };
	return 1;
}

/* The open row reaches at least to this instant. */
static void reach(struct coverage *c, int64_t at_us)
{
	if (c->known_us < at_us)
		c->known_us = at_us;
}

/* The other side has not ended: the row goes on with it, unless there was a hole before it began. */
static size_t pass_on(struct coverage *c, int other, struct coverage_row out[COVERAGE_ROWS])
{
	int64_t row_us = c->row_us;
	int64_t ended_us = c->known_us;

	c->bearer = other;
	if (c->since_us[other] <= ended_us)
		return 0;
	c->row_us = c->since_us[other];
	c->known_us = c->row_us;
	out[0] = (struct coverage_row){ row_us, ended_us };
	out[1] = (struct coverage_row){ c->row_us, 0 };
	return 2;
}

size_t coverage_end(
	struct coverage *c, int side, int64_t at_us, struct coverage_row out[COVERAGE_ROWS])
{
	int other = 1 - side;
	int64_t since_us = c->since_us[side];

	assert(coverage_has(c, side));
	c->since_us[side] = 0;
	/* What it covered is in the open row, or in none: before its beginning there may be a hole. */
	if (c->bearer == side || since_us <= c->known_us)
		reach(c, at_us);
	if (!coverage_has(c, other)) {
		out[0] = (struct coverage_row){ c->row_us, c->known_us };
		c->row_us = 0;
		return 1;
	}
	if (c->bearer == side)
		return pass_on(c, other, out);
	if (since_us <= c->known_us)
		return 0;
	/* The bearer may turn out to have died before: what this side covered is kept in a row of its own. */
	out[0] = (struct coverage_row){ since_us, at_us };
	return at_us > since_us ? 1 : 0;
}
