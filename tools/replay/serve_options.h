/*
 * serve_options: the command line of `tapedeck-replay serve`.
 */
#ifndef TAPEDECK_REPLAY_SERVE_OPTIONS_H
#define TAPEDECK_REPLAY_SERVE_OPTIONS_H

#include "base/compiler.h"
#include "base/err.h"
#include "choice.h"
#include "config/config.h"
#include "fault.h"
#include "player.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVE_HOST_MAX 256 /* LISTEN_HOST_MAX */
#define SERVE_CLIENTS_MAX 1000000
#define SERVE_SPEED_MAX 24 /* bytes of a speed's text */

struct serve_options {
	struct choice choice;
	const char *const *paths;
	size_t n_paths;
	char host[SERVE_HOST_MAX]; /* an address without brackets, or a name; "": all addresses */
	uint16_t port;
	bool is_loopback; /* nobody else can reach us */
	struct player_options play;
	struct faults faults;
	bool has_key;
	struct config_token key; /* where the API key is: key_source and key_name */
	int64_t lifetime_us;
	bool expires_live;
	int64_t recovery_us; /* 0: none */
	int64_t ping_interval_us;
	int64_t ping_timeout_us;
	size_t max_clients;
};

/* Reads the words behind the command's name. False: `*code` is how the command ends, and all has been said. What was
 * read is to be released in either case. */
bool serve_options_read(struct serve_options *o, int argc, char **argv, int *code) MUST_CHECK;
void serve_options_release(struct serve_options *o);

/* A replay of that played length cannot be served with these options: `e` says why. */
bool serve_options_fit(const struct serve_options *o, int64_t length_us, struct err *e) MUST_CHECK;

/* Reads "1", "0.25", "max" into the speeds of schedule.h. */
bool serve_speed_read(struct slice text, int64_t *out) MUST_CHECK;

/* Writes a speed so that it reads back; returns `out`. */
const char *serve_speed_text(int64_t speed, char out[SERVE_SPEED_MAX]);

/* The words that a message about a speed ends with. */
#define SERVE_SPEED_HELP "0.01 to 1000, with at most six decimals, or \"max\""

#endif
