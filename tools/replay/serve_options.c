#include "serve_options.h"

#include "base/units.h"
#include "command.h"
#include "listen.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DECIMALS_MAX 6

enum option_name {
	LISTEN = 1,
	SPEED,
	START,
	SETTLE,
	CLOCK,
	LOOP,
	AT_END,
	GAPS,
	TIME,
	KEY_FILE,
	KEY_ENV,
	LIFETIME,
	EXPIRE_LIVE,
	FAULT,
	SEED,
	RECOVERY,
	PING_INTERVAL,
	PING_TIMEOUT,
	MAX_CLIENTS,
	HELP,
};

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, LISTEN },
	{ "speed", required_argument, NULL, SPEED },
	{ "start", required_argument, NULL, START },
	{ "settle", required_argument, NULL, SETTLE },
	{ "clock", required_argument, NULL, CLOCK },
	{ "loop", no_argument, NULL, LOOP },
	{ "at-end", required_argument, NULL, AT_END },
	{ "gaps", required_argument, NULL, GAPS },
	{ "time", required_argument, NULL, TIME },
	{ "api-key-file", required_argument, NULL, KEY_FILE },
	{ "api-key-env", required_argument, NULL, KEY_ENV },
	{ "token-lifetime", required_argument, NULL, LIFETIME },
	{ "expire-live", no_argument, NULL, EXPIRE_LIVE },
	{ "fault", required_argument, NULL, FAULT },
	{ "seed", required_argument, NULL, SEED },
	{ "recovery", required_argument, NULL, RECOVERY },
	{ "ping-interval", required_argument, NULL, PING_INTERVAL },
	{ "ping-timeout", required_argument, NULL, PING_TIMEOUT },
	{ "max-clients", required_argument, NULL, MAX_CLIENTS },
	{ "help", no_argument, NULL, HELP },
	CHOICE_OPTIONS,
	{ 0 },
};

/* ---- values ---- */

bool serve_speed_read(struct slice text, int64_t *out)
{
	int64_t value = 0;
	size_t decimals = 0;
	bool has_point = false;
	size_t digits = 0;

	if (slice_is(text, "max")) {
		*out = SCHEDULE_MAX;
		return true;
	}
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (c < '0' || c > '9' || value > SCHEDULE_FASTEST)
			return false;
		if (has_point && ++decimals > DECIMALS_MAX)
			return false;
		value = value * 10 + (c - '0');
		digits++;
	}
	for (; decimals < DECIMALS_MAX; decimals++)
		value *= 10;
	*out = value;
	return digits != 0 && value >= SCHEDULE_SLOWEST && value <= SCHEDULE_FASTEST;
}

const char *serve_speed_text(int64_t speed, char out[SERVE_SPEED_MAX])
{
	size_t len;

	if (speed == SCHEDULE_MAX)
		return "max";
	len = (size_t)snprintf(out, SERVE_SPEED_MAX, "%" PRId64 ".%06" PRId64,
		speed / SCHEDULE_SPEED_ONE, speed % SCHEDULE_SPEED_ONE);
	while (out[len - 1] == '0')
		out[--len] = '\0';
	if (out[len - 1] == '.')
		out[--len] = '\0';
	return out;
}

static bool refuse(const char *option, const char *value, const char *allowed, struct err *e)
{
	return err_set(e, ERR_CONFIG, "--%s '%.100s'; allowed: %s", option, value, allowed);
}

static bool take_duration(
	const char *option, const char *value, int64_t least, int64_t *out, struct err *e)
{
	if (units_duration(slice_of(value), out) == UNITS_OK && *out >= least)
		return true;
	return refuse(option, value,
		least < UNITS_S ? UNITS_DURATION_HELP : UNITS_DURATION_HELP ", at least 1s", e);
}

static bool take_count(const char *option, const char *value, uint64_t least, uint64_t most,
	uint64_t *out, struct err *e)
{
	char allowed[80];
	char *end;

	if (*value >= '0' && *value <= '9' && strlen(value) <= 19) {
		*out = strtoull(value, &end, 10);
		if (*end == '\0' && *out >= least && *out <= most)
			return true;
	}
	(void)snprintf(
		allowed, sizeof(allowed), "a number from %" PRIu64 " to %" PRIu64, least, most);
	return refuse(option, value, allowed, e);
}

/* Takes one of `names`, which ends with NULL, as its place among them. */
static bool take_name(
	const char *option, const char *value, const char *const *names, int *out, struct err *e)
{
	char allowed[80] = "";
	size_t len = 0;

	for (*out = 0; names[*out] != NULL; ++*out) {
		if (strcmp(names[*out], value) == 0)
			return true;
		len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, "%s%s",
			len != 0 ? ", " : "", names[*out]);
	}
	return refuse(option, value, allowed, e);
}

static bool take_key(
	struct serve_options *o, enum config_key_source source, const char *value, struct err *e)
{
	if (o->has_key)
		return err_set(e, ERR_CONFIG,
			"--api-key-file and --api-key-env: only one of them, and only once");
	if (*value == '\0')
		return err_set(e, ERR_CONFIG, "the API key: its place is empty");
	o->has_key = true;
	o->key.key_source = source;
	o->key.key_name = value;
	return true;
}

static bool take_recovery(struct serve_options *o, const char *value, struct err *e)
{
	o->recovery_us = 0;
	if (strcmp(value, "none") == 0)
		return true;
	return take_duration("recovery", value, UNITS_MS, &o->recovery_us, e) ||
		refuse("recovery", value, "none, or " UNITS_DURATION_HELP, e);
}

/* ---- one option ---- */

static const char *const starts[] = { "on-subscribe", "at-once", "paused", NULL };
static const char *const clocks[] = { "client", "shared", NULL };
static const char *const ends[] = { "idle", "close", NULL };
static const char *const gaps[] = { "skip", "silence", "disconnect", NULL };
static const char *const times[] = { "original", "now", NULL };

static bool take_word(
	struct serve_options *o, enum option_name name, const char *value, struct err *e)
{
	int i = 0;

	switch (name) {
	case START:
		if (!take_name("start", value, starts, &i, e))
			return false;
		o->play.start = (enum player_start)i;
		return true;
	case GAPS:
		if (!take_name("gaps", value, gaps, &i, e))
			return false;
		o->play.gaps = (enum player_gaps)i;
		return true;
	case CLOCK:
		if (!take_name("clock", value, clocks, &i, e))
			return false;
		o->play.is_shared = i == 1;
		return true;
	case AT_END:
		if (!take_name("at-end", value, ends, &i, e))
			return false;
		o->play.closes_at_end = i == 1;
		return true;
	default:
		if (!take_name("time", value, times, &i, e))
			return false;
		o->play.retimes = i == 1;
		return true;
	}
}

static bool take_number(
	struct serve_options *o, enum option_name name, const char *value, struct err *e)
{
	uint64_t count;

	switch (name) {
	case SPEED:
		return serve_speed_read(slice_of(value), &o->play.speed) ||
			refuse("speed", value, SERVE_SPEED_HELP, e);
	case SETTLE:
		return take_duration("settle", value, 0, &o->play.settle_us, e);
	case LIFETIME:
		return take_duration("token-lifetime", value, UNITS_S, &o->lifetime_us, e);
	case PING_INTERVAL:
		return take_duration("ping-interval", value, UNITS_MS, &o->ping_interval_us, e);
	case PING_TIMEOUT:
		return take_duration("ping-timeout", value, UNITS_MS, &o->ping_timeout_us, e);
	case SEED:
		return take_count("seed", value, 0, INT64_MAX, &o->faults.seed, e);
	default:
		if (!take_count("max-clients", value, 1, SERVE_CLIENTS_MAX, &count, e))
			return false;
		o->max_clients = (size_t)count;
		return true;
	}
}

static bool take(struct serve_options *o, int option, const char *value, struct err *e)
{
	switch (option) {
	case LISTEN:
		if (!listen_read(value, o->host, &o->port))
			return refuse("listen", value, LISTEN_HELP, e);
		o->is_loopback = listen_is_loopback(o->host);
		return true;
	case LOOP:
		o->play.loops = true;
		return true;
	case EXPIRE_LIVE:
		o->expires_live = true;
		return true;
	case KEY_FILE:
		return take_key(o, CONFIG_KEY_FILE, value, e);
	case KEY_ENV:
		return take_key(o, CONFIG_KEY_ENV, value, e);
	case FAULT:
		return fault_add(&o->faults, value, e);
	case RECOVERY:
		return take_recovery(o, value, e);
	case START:
	case GAPS:
	case CLOCK:
	case AT_END:
	case TIME:
		return take_word(o, (enum option_name)option, value, e);
	default:
		if (option >= CHOICE_FIRST)
			return choice_take(&o->choice, option, value, e);
		return take_number(o, (enum option_name)option, value, e);
	}
}

/* ---- what does not go together ---- */

static bool needs_shared(const char *what, const char *why, struct err *e)
{
	return err_set(e, ERR_CONFIG, "%s needs --clock shared: %s", what, why);
}

static bool check(const struct serve_options *o, struct err *e)
{
	static const char why[] = "without an API key a client's clock ends with its connection";

	if (!choice_check(&o->choice, e))
		return false;
	if (o->expires_live && !o->has_key)
		return err_set(e, ERR_CONFIG,
			"--expire-live needs --api-key-file or --api-key-env: without a key there are no "
			"tokens");
	if (o->play.is_shared)
		return true;
	if (o->expires_live)
		return needs_shared("--expire-live", "a new token is a new clock", e);
	if (!o->has_key && fault_has(&o->faults, FAULT_DROP))
		return needs_shared("--fault drop", why, e);
	if (!o->has_key && o->play.gaps == PLAYER_DISCONNECT)
		return needs_shared("--gaps disconnect", why, e);
	return true;
}

bool serve_options_fit(const struct serve_options *o, int64_t length_us, struct err *e)
{
	char life[UNITS_TEXT_MAX];
	double takes_us;

	if (!o->has_key || o->play.is_shared)
		return true;
	(void)units_duration_text(life, o->lifetime_us);
	if (o->play.loops)
		return err_set(e, ERR_CONFIG,
			"--loop never ends, and a token ends after %s; a new token is a new clock: it needs "
			"--clock shared",
			life);
	if (o->play.speed == SCHEDULE_MAX)
		return true;
	takes_us = (double)length_us * (double)SCHEDULE_SPEED_ONE / (double)o->play.speed;
	if (takes_us <= (double)o->lifetime_us)
		return true;
	return err_set(e, ERR_CONFIG,
		"the replay takes %.1f hours, and a token ends after %s; a new token is a new clock: use "
		"--clock shared, or a longer --token-lifetime",
		takes_us / (double)UNITS_H, life);
}

/* ---- all of them ---- */

static void set_defaults(struct serve_options *o)
{
	*o = (struct serve_options){
		.host = "127.0.0.1",
		.port = 3000,
		.is_loopback = true,
		.play = { .speed = SCHEDULE_SPEED_ONE, .settle_us = 500 * UNITS_MS },
		.lifetime_us = 5 * UNITS_H,
		.ping_interval_us = 25 * UNITS_S,
		.ping_timeout_us = 20 * UNITS_S,
		.max_clients = 10000,
	};
	o->play.faults = &o->faults;
	choice_init(&o->choice);
	if (getrandom(&o->faults.seed, sizeof(o->faults.seed), 0) != sizeof(o->faults.seed))
		o->faults.seed = 0;
	o->faults.seed &= UINT32_MAX; /* short enough to be typed again */
}

bool serve_options_read(struct serve_options *o, int argc, char **argv, int *code)
{
	struct err e;
	int option;

	set_defaults(o);
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == HELP)
			*code = command_help();
		else if (option == '?' || option == ':')
			*code = command_refused_option(argv);
		else if (!take(o, option, optarg, &e))
			*code = command_misused("%s", e.text);
		else
			continue;
		return false;
	}
	o->paths = (const char *const *)argv + optind;
	o->n_paths = (size_t)(argc - optind);
	if (o->n_paths == 0)
		*code = command_misused("'serve' needs at least one recording");
	else if (!check(o, &e))
		*code = command_misused("%s", e.text);
	else
		return true;
	return false;
}

void serve_options_release(struct serve_options *o)
{
	choice_release(&o->choice);
}
