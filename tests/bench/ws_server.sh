#!/usr/bin/env bash
# Measures what idle WebSocket connections cost the server, new ones and such as have spoken. Builds test-ws-server where
# needed; TAPEDECK_BIN names another directory of programs.
# usage: tests/bench/ws_server.sh [--clients N] [--target BYTES]
#   --clients N       how many (default 10000)
#   --target BYTES    length of the handshake's target, which may hold a long token (default 9500)
# Prints the server's memory for each idle connection, before and after every client
# has sent a message of 20 KB and got it back.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -d ../peers/node_modules ]; then
	../../tools/setup.sh
fi
if [ -z "${TAPEDECK_BIN-}" ]; then
	(cd ../.. && cmake --preset default >/dev/null && cmake --build --preset default --target test-ws-server --parallel >/dev/null)
fi
ulimit -n "$(ulimit -Hn)"
exec node ws_server.mjs "$@"
