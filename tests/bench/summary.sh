#!/usr/bin/env bash
# Measures how long it takes to see what is in a large recording: the view stream_summary and tapedeck-replay info,
# which read counters, beside a count of the events, which reads them all. Builds the programs where needed;
# TAPEDECK_BIN names another directory of programs. A small recording is made by tapedeckd, and filled up with SQL;
# up to 1,000,000 events tapedeckd --verify then finds it sound. 100 million events need about 8 GB under the
# directory for temporary files (TMPDIR), which are freed at the end, and some minutes.
# usage: tests/bench/summary.sh [--events N] [--streams N]
#   --events N    events in the recording (default 100000000)
#   --streams N   streams that they are spread over (default 1000)
# Prints the size, and for each the time when nothing of the file is in memory, and the median and the longest of 20
# when it is.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -d ../peers/node_modules ]; then
	../../tools/setup.sh
fi
if [ -z "${TAPEDECK_BIN-}" ]; then
	(cd ../.. && cmake --preset default >/dev/null && cmake --build --preset default --target tapedeckd tapedeck-replay --parallel >/dev/null)
fi
exec node summary.mjs "$@"
