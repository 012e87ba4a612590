#!/usr/bin/env bash
# Measures how fast events get from the socket into the file: tapedeckd and a Node.js recorder, the same
# sender, one after the other. Builds both where needed. TAPEDECK_BIN names another directory of programs.
# usage: tests/bench/ingest.sh [--small N] [--large N] [--only tapedeckd|node] [--readers]
#   --small N   events of about 270 bytes over 1,000 streams (default 2000000; 0: none)
#   --large N   events of about 40 KB (default 20000; 0: none)
#   --readers   tapedeckd alone: without a reader, with one whose query lasts longer than the bench, and with one
#               that asks for the newest rows every 10 ms
set -euo pipefail
cd "$(dirname "$0")"

# better-sqlite3 is compiled here, with the headers that belong to this Node.js.
build_sqlite() {
	local prefix

	prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
	for tool in g++ make python3; do
		if ! command -v "$tool" >/dev/null; then
			echo "no '$tool': apt-get install g++ make python3" >&2
			exit 1
		fi
	done
	if [ ! -e "$prefix/include/node/node.h" ]; then
		echo "no headers of Node.js under '$prefix/include': apt-get install libnode-dev" >&2
		exit 1
	fi
	echo "compiling better-sqlite3 (about a minute)"
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	npm_config_nodedir=$prefix npm rebuild better-sqlite3 --build-from-source --loglevel=error >/dev/null
}

if ! node -e 'new (require("better-sqlite3"))(":memory:")' 2>/dev/null; then
	build_sqlite
fi
if [ -z "${TAPEDECK_BIN-}" ]; then
	(cd ../.. && cmake --preset default >/dev/null && cmake --build --preset default --target tapedeckd --parallel >/dev/null)
fi
exec node ingest.mjs "$@"
