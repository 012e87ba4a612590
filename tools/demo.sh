#!/usr/bin/env bash
# Records ten seconds of a feed that plays real market data of May 2014, an hour of the market a second,
# and shows what is then in the file. Once everything is installed it needs no network, and it leaves nothing behind, except with --keep.
# usage: tools/demo.sh [--keep]
set -euo pipefail
cd "$(dirname "$0")/.."

SECONDS_RECORDED=10
CONFIG_PORT=38080 # the port in config/demo.json
TICKER=FB

keep=false
case "${1-}" in
--keep) keep=true ;;
"") ;;
*)
	echo "usage: tools/demo.sh [--keep]" >&2
	exit 2
	;;
esac

dir=$(mktemp -d "${TMPDIR:-/tmp}/tapedeck-demo.XXXXXX")
pids=()

cleanup() {
	[ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
	$keep || rm -rf "$dir"
}
trap cleanup EXIT
trap 'keep=false; exit 130' INT TERM

say() {
	printf '\n%s\n' "$1"
}

query() {
	sqlite3 -readonly -box "$dir/demo.db" "$1"
}

build() {
	cmake --preset default && cmake --build --preset default --target tapedeckd --parallel "$(nproc)"
}

tools/setup.sh --demo
if ! build >"$dir/build.log" 2>&1; then
	cat "$dir/build.log" >&2
	exit 1
fi
rm "$dir/build.log"

# A key of our own making opens the demo feed; the feed takes any free port.
(umask 077 && echo "sk_demo_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$dir/api-key")
node tests/peers/demo-server.mjs --port 0 --api-key-file "$dir/api-key" >"$dir/feed.log" 2>&1 &
pids+=($!)
until port=$(grep -oE '127\.0\.0\.1:[0-9]+' "$dir/feed.log" | cut -d: -f2) && [ -n "$port" ]; do
	if ! kill -0 "${pids[0]}" 2>/dev/null; then
		cat "$dir/feed.log" >&2
		exit 1
	fi
	sleep 0.05
done
cp config/demo-tickers.ndjson "$dir/"
sed "s/$CONFIG_PORT/$port/g" config/demo.json >"$dir/demo.json"

say "Recording for $SECONDS_RECORDED seconds: build/bin/tapedeckd $dir/demo.json"
build/bin/tapedeckd "$dir/demo.json" &
daemon=$!
pids+=("$daemon")
sleep "$SECONDS_RECORDED"
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
if [ "$status" -ne 0 ]; then
	echo "tapedeckd ended with exit code $status" >&2
	exit 1
fi

say "The streams with the most events:"
query "SELECT path, params, events,
		strftime('%Y-%m-%dT%H:%MZ', first / 1000000, 'unixepoch') AS first,
		strftime('%Y-%m-%dT%H:%MZ', last / 1000000, 'unixepoch') AS last
	FROM stream_summary ORDER BY events DESC, path, params LIMIT 10"
say "The last minutes in which tweets named $TICKER:"
query "SELECT recording.timestamp, row.value ->> 'ticker' AS ticker, row.value ->> 'volume' AS volume
	FROM recording, json_each(recording.results) AS row
	WHERE recording.path = 'tweet-volume' AND row.value ->> 'ticker' = '$TICKER'
	ORDER BY recording.event_id DESC LIMIT 5"
events=$(sqlite3 -readonly "$dir/demo.db" 'SELECT count(*) FROM event')
say "$events events in $(cat "$dir"/demo.db* | wc -c | numfmt --to=iec-i --suffix=B) (the recording and its write-ahead log)."
if [ "$events" -eq 0 ]; then
	echo "nothing was recorded" >&2
	exit 1
fi

if $keep; then
	last=$(sqlite3 -readonly "$dir/demo.db" "SELECT strftime('%Y-%m-%dT%H:%MZ', max(last) / 1000000 + 60, 'unixepoch') FROM stream")
	rm "$dir/feed.log"
	cat <<END

Kept in $dir: demo.db (the recording), demo.json (the configuration), api-key.
To look into it:  sqlite3 -readonly $dir/demo.db 'SELECT * FROM recording LIMIT 5'
To go on, start the feed where it stopped, and the recorder:
  node tests/peers/demo-server.mjs --port $port --api-key-file $dir/api-key --start $last &
  build/bin/tapedeckd $dir/demo.json
END
fi
