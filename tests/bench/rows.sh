#!/usr/bin/env bash
# Measures row tables: how long a recording without one takes to fill it while it goes on recording, how long commits
# wait meanwhile, and how long a look-up by the configured index takes in it. Builds tapedeckd where needed;
# TAPEDECK_BIN names another directory of programs. Needs about 3 GB under the directory for temporary files.
# usage: tests/bench/rows.sh [--events N] [--rows N] [--rate N]
#   --events N   how many events are there before (default 1000000)
#   --rows N     rows in each of them (default 10)
#   --rate N     events a second that come meanwhile, of one row each (default 10000)
# Prints the seconds until everything is caught up, the longest time an event waited for its commit (with and without
# the catching up), whether an event was lost, and the time of a look-up: the median and the longest of 200.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -d ../peers/node_modules ]; then
	../../tools/setup.sh
fi
if [ -z "${TAPEDECK_BIN-}" ]; then
	(cd ../.. && cmake --preset default >/dev/null && cmake --build --preset default --target tapedeckd --parallel >/dev/null)
fi
exec node rows.mjs "$@"
