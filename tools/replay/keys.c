#include "keys.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define STRIDE_US INT64_C(10000000)
#define READ_MAX 64

struct keys {
	struct player *player;
	void (*quit)(void *arg);
	void *arg;
	struct watch *watch;
	struct termios before;
};

/* ---- what a key means ---- */

bool keys_take(struct slice *rest, enum key *out)
{
	static const struct {
		const char *bytes;
		enum key key;
	} table[] = {
		{ " ", KEY_TOGGLE },
		{ "\033[D", KEY_BACK },
		{ "\033OD", KEY_BACK },
		{ "\033[C", KEY_ON },
		{ "\033OC", KEY_ON },
		{ "s", KEY_STEP },
		{ "+", KEY_FASTER },
		{ "=", KEY_FASTER }, /* the same key without shift */
		{ "-", KEY_SLOWER },
		{ "q", KEY_QUIT },
	};

	if (rest->len == 0)
		return false;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct slice bytes = slice_of(table[i].bytes);

		if (rest->len >= bytes.len && memcmp(rest->ptr, bytes.ptr, bytes.len) == 0) {
			*out = table[i].key;
			*rest = (struct slice){ rest->ptr + bytes.len, rest->len - bytes.len };
			return true;
		}
	}
	*out = KEY_NONE;
	*rest = (struct slice){ rest->ptr + 1, rest->len - 1 };
	return true;
}

int64_t keys_next_speed(int64_t speed, bool up)
{
	static const int64_t steps[] = { 10000, 20000, 50000, 100000, 200000, 500000, 1000000,
		2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000,
		1000000000 };
	const size_t count = sizeof(steps) / sizeof(steps[0]);

	if (speed == SCHEDULE_MAX)
		return up ? SCHEDULE_MAX : steps[count - 1];
	if (up) {
		for (size_t i = 0; i < count; i++)
			if (steps[i] > speed)
				return steps[i];
		return SCHEDULE_MAX;
	}
	for (size_t i = count; i-- > 0;)
		if (steps[i] < speed)
			return steps[i];
	return steps[0];
}

/* ---- the terminal ---- */

static void press(struct keys *k, enum key key)
{
	struct player_status now;

	player_status(k->player, &now);
	switch (key) {
	case KEY_TOGGLE:
		player_control(
			k->player, now.state == SCHEDULE_PAUSED ? PLAYER_RESUME : PLAYER_PAUSE, 0);
		break;
	case KEY_BACK:
		player_control(k->player, PLAYER_SEEK, now.position_us - STRIDE_US);
		break;
	case KEY_ON:
		player_control(k->player, PLAYER_SEEK, now.position_us + STRIDE_US);
		break;
	case KEY_STEP:
		player_control(k->player, PLAYER_STEP, 0);
		break;
	case KEY_FASTER:
	case KEY_SLOWER:
		player_control(
			k->player, PLAYER_SPEED, keys_next_speed(now.speed, key == KEY_FASTER));
		break;
	case KEY_QUIT:
		k->quit(k->arg);
		break;
	case KEY_NONE:
		break;
	}
}

static void readable(void *arg)
{
	struct keys *k = arg;
	char bytes[READ_MAX];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	struct slice rest = { bytes, n > 0 ? (size_t)n : 0 };
	enum key key;

	/* The terminal is gone: nobody will press anything. */
	if (n <= 0) {
		watch_free(k->watch);
		k->watch = NULL;
	}
	while (keys_take(&rest, &key))
		press(k, key);
}

struct keys *keys_open(struct loop *l, struct player *p, void (*quit)(void *arg), void *arg)
{
	struct keys *k;
	struct termios raw;

	/* In the background a terminal may not be touched: the shell's user would be stopped. */
	if (isatty(STDIN_FILENO) == 0 || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return NULL;
	k = calloc(1, sizeof(*k));
	if (k == NULL || tcgetattr(STDIN_FILENO, &k->before) != 0) {
		free(k);
		return NULL;
	}
	k->player = p;
	k->quit = quit;
	k->arg = arg;
	k->watch = watch_new(l, STDIN_FILENO, readable, k);
	if (k->watch == NULL) {
		free(k);
		return NULL;
	}
	raw = k->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	return k;
}

void keys_close(struct keys *k)
{
	if (k == NULL)
		return;
	watch_free(k->watch);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &k->before);
	free(k);
}
