#!/usr/bin/env bash
# Measures how fast a recording is read: `tapedeck-replay print` to /dev/null, and the bare cursor under it, in both orders.
# Builds what it needs; TAPEDECK_BIN names another directory of programs. Needs about 1 GB under the directory for temporary
# files.
# usage: tests/bench/print.sh [--events N] [--streams N]
#   --events N    how many small events the recording has (default 2000000), of about 150 bytes of `results` each
#   --streams N   of how many streams, in turn (default 1000)
# Prints for each way of reading events a second, megabytes a second (of output; of `results` for the bare cursor), and the
# most memory that was resident; the first lines are of a tenth of the events, so that one sees whether memory grows.
set -euo pipefail
cd "$(dirname "$0")/../.."
events=2000000 streams=1000
while [ $# -gt 0 ]; do
	case $1 in
	--events) events=$2 ;;
	--streams) streams=$2 ;;
	*)
		echo "usage: tests/bench/print.sh [--events N] [--streams N]" >&2
		exit 2
		;;
	esac
	shift 2
done
if [ -z "${TAPEDECK_BIN-}" ]; then
	cmake --preset default >/dev/null
	cmake --build --preset default --target tapedeck-replay test-tape-cursor --parallel >/dev/null
	TAPEDECK_BIN=$PWD/build/bin
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# make FILE EVENTS: a recording as the daemon would have made it, in the order of arrival.
make() {
	{
		echo "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x54415045;"
		echo "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 16000;"
		cat schema/sqlite/*.sql
		cat <<-SQL
			PRAGMA user_version = $(ls schema/sqlite/*.sql | wc -l);
			BEGIN;
			INSERT INTO feed VALUES (1, 'bench', 'http://127.0.0.1', '/', '/socket.io/', '{}');
			INSERT INTO connection (connection_id, feed_id, opened) VALUES (1, 1, 1700000000000000);
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $streams)
			INSERT INTO stream (stream_id, feed_id, path, params) SELECT i, 1, '/real-time/tweet-volume', '{"ticker":"T' || i || '"}' FROM n;
			WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)
			INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, results)
			SELECT i + 1, 1 + (i * 7919) % $streams, 1400666400000000 + i / $streams * 1000000, i / $streams, 1700000000000000 + i * 100, 1,
				'[{"ticker":"T' || (1 + (i * 7919) % $streams) || '","timestamp":"2014-05-21T11:57:00.000Z","volume":' || (i % 977)
				|| ',"average":' || (i % 31) || '.25,"crowd_sentiment":"-0.0337734249681757","source":"tweets"}]' FROM n;
			UPDATE stream SET events = e.n, first = e.first, last = e.last, bytes = e.bytes FROM (SELECT stream_id AS id, count(*) AS n,
				min(timestamp) AS first, max(timestamp) AS last, sum(length(results)) AS bytes FROM event GROUP BY stream_id) e WHERE stream_id = e.id;
			COMMIT;
			PRAGMA wal_checkpoint(TRUNCATE);
		SQL
	} | sqlite3 "$1" >/dev/null
}

cat >"$dir/measure.py" <<'PYTHON'
import resource, subprocess, sys, time

name, command = sys.argv[1], sys.argv[2:]
begun = time.monotonic()
child = subprocess.Popen(command, stdout=subprocess.PIPE if 'print' not in command else open('/dev/null', 'wb'))
output = child.communicate()[0]
seconds = time.monotonic() - begun
assert child.returncode == 0, command
rss = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
if output is None:  # what it prints, counted by itself in a second run
    lines = size = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as again:
        while chunk := again.stdout.read(1 << 20):
            lines += chunk.count(b'\n')
            size += len(chunk)
else:
    import json
    made = json.loads(output)
    lines, size, seconds = made['events'], made['bytes'], made['seconds']
print(f'{name:34} {lines:9} events {lines / seconds:12,.0f} events/s {size / seconds / 1e6:8.0f} MB/s {rss:6.1f} MiB')
PYTHON

measure() { python3 "$dir/measure.py" "$@"; }

make "$dir/tenth.db" $((events / 10))
make "$dir/all.db" "$events"
for file in "$dir/tenth.db" "$dir/all.db"; do
	for order in received timestamp; do
		measure "cursor, $order" "$TAPEDECK_BIN/test-tape-cursor" "$order" "$file"
		measure "print, $order" "$TAPEDECK_BIN/tapedeck-replay" print --order "$order" "$file"
	done
	measure "print --with-meta" "$TAPEDECK_BIN/tapedeck-replay" print --with-meta "$file"
	measure "print, one stream" "$TAPEDECK_BIN/tapedeck-replay" print --params '{"ticker":"T7"}' "$file"
done
