#!/usr/bin/env bash
# Measures how a recording is served: events a second to 1, 10 and 100 clients as fast as they take them, beside the
# Socket.IO server of Node.js with the same events in memory; how exactly events come at 1 and 10 times the speed; the
# memory of a server with many idle clients. The clients are one program in C, so that they are not what is measured.
# TAPEDECK_BIN names another directory of programs. On a busy machine: chrt -f 50 tests/bench/replay.sh
# usage: tests/bench/replay.sh [--events N] [--idle N] [--only speed|node|pace|idle]
#   --events N  in the recording (default 1000000), of about 270 bytes, over 10 streams, a millisecond apart
#   --idle N    clients (default 10000)
set -euo pipefail
cd "$(dirname "$0")"

if [ -z "${TAPEDECK_BIN-}" ]; then
	(cd ../.. && cmake --preset default >/dev/null &&
		cmake --build --preset default --target tapedeck-replay test-replay-client --parallel >/dev/null)
fi
exec node replay.mjs "$@"
