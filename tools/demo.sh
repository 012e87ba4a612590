#!/usr/bin/env bash
# Plays real market data of May 2014 as a live feed, 1,000 times as fast as it was, records ten seconds of it, and
# shows what is then in the file. Once everything is installed it needs no network, and it leaves nothing behind,
# except with --keep. In a terminal the replay goes on, with its web page, until Enter is pressed.
# usage: tools/demo.sh [--keep]
set -euo pipefail
cd "$(dirname "$0")/.."

SECONDS_RECORDED=10
CONFIG_PORT=38080 # the port in config/demo.json
BEGINS=2014-05-21T12:00Z
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
	cmake --preset default && cmake --build --preset default --target tapedeckd tapedeck-replay --parallel "$(nproc)"
}

# Plays the recording of the market in the background, on any free port, and says its address.
replay() {
	local options=(--listen 127.0.0.1:0 --speed 1000 --from "$BEGINS" --api-key-file "$dir/api-key")

	build/bin/tapedeck-replay serve "${options[@]}" "$dir/market-2014.db" </dev/null 2>"$dir/replay.log" &
	pids+=($!)
	until address=$(grep -oE 'address=http://[0-9.:]+' "$dir/replay.log" | cut -d= -f2) && [ -n "$address" ]; do
		if ! kill -0 "${pids[0]}" 2>/dev/null; then
			cat "$dir/replay.log" >&2
			exit 1
		fi
		sleep 0.05
	done
}

tools/setup.sh --demo
if ! build >"$dir/build.log" 2>&1; then
	cat "$dir/build.log" >&2
	exit 1
fi
rm "$dir/build.log"

# A key of our own making opens the feed.
(umask 077 && echo "sk_demo_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$dir/api-key")
tools/demo-recording.sh "$dir/market-2014.db"
replay
cp config/demo-tickers.ndjson "$dir/"
sed "s/$CONFIG_PORT/${address##*:}/g" config/demo.json >"$dir/demo.json"

say "The market of May 2014 plays at $address (a browser shows it). Recording it for $SECONDS_RECORDED seconds:"
say "build/bin/tapedeckd $dir/demo.json"
build/bin/tapedeckd "$dir/demo.json" &
daemon=$!
pids+=("$daemon")
sleep "$SECONDS_RECORDED"
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
pids=("${pids[0]}")
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
	rm "$dir/replay.log"
	cat <<END

Kept in $dir: demo.db (the recording), demo.json (the configuration), api-key, market-2014.db (what was played).
To look into it:  sqlite3 -readonly $dir/demo.db 'SELECT * FROM recording LIMIT 5'
To play what was recorded:  build/bin/tapedeck-replay serve $dir/demo.db
To record again, start the feed and the recorder:
  build/bin/tapedeck-replay serve --listen ${address#http://} --speed 1000 --api-key-file $dir/api-key $dir/market-2014.db &
  build/bin/tapedeckd $dir/demo.json
END
elif [ -t 0 ]; then
	say "The replay's page is at $address/ until you press Enter."
	read -r _
fi
