/*
 * keys: the keyboard as a control of the replay, where standard input is a terminal.
 *
 *   space  pause, resume     left, right  10 s of tape time back, on     s  the next event
 *   + -    the next speed up or down (1, 2, 5, 10, ...)                   q  quit
 */
#ifndef TAPEDECK_REPLAY_KEYS_H
#define TAPEDECK_REPLAY_KEYS_H

#include "base/compiler.h"
#include "base/slice.h"
#include "net/loop.h"
#include "player.h"

#include <stdbool.h>
#include <stdint.h>

struct keys;

/* Listens to standard input, if that is a terminal, until keys_close, which makes it as it was. `quit` is called for q.
 * NULL: it is none, or out of memory. */
struct keys *keys_open(struct loop *l, struct player *p, void (*quit)(void *arg), void *arg);

/* Accepts NULL. */
void keys_close(struct keys *k);

enum key { KEY_NONE, KEY_TOGGLE, KEY_BACK, KEY_ON, KEY_STEP, KEY_FASTER, KEY_SLOWER, KEY_QUIT };

/* Takes one key from the front of what was read; false when there is none left. */
bool keys_take(struct slice *rest, enum key *out);

/* The speed next to `speed`: 1, 2, 5 times a power of ten, and the fastest possible above all. */
int64_t keys_next_speed(int64_t speed, bool up);

#endif
