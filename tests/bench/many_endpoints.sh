#!/usr/bin/env bash
# Measures how long 100,000 endpoints of one params_file take until a local Socket.IO 4.8.4 server has
# confirmed the last of them, and how much memory tapedeckd needs for them. Builds tapedeckd where needed;
# TAPEDECK_BIN names another directory of programs.
# usage: tests/bench/many_endpoints.sh [--endpoints N] [--connections N] [--handover]
#   --endpoints N     how many (default 100000)
#   --connections N   over how many connections (default 1)
#   --handover        then hands over to a second connection, and measures that, too
# Prints the seconds from the daemon's start to the last subscription, the seconds until an event of each
# endpoint is stored, CPU seconds, and the daemon's memory: at rest and at most (VmHWM).
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -d ../peers/node_modules ]; then
	../../tools/setup.sh
fi
if [ -z "${TAPEDECK_BIN-}" ]; then
	(cd ../.. && cmake --preset default >/dev/null && cmake --build --preset default --target tapedeckd --parallel >/dev/null)
fi
exec node many_endpoints.mjs "$@"
