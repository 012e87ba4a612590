#!/usr/bin/env bash
# Builds a recording out of the market data in tests/data/market, as tapedeckd would have made it of a feed that
# carried it in May 2014: tweet-volume every minute, quiet ones included, /real-time/tweet-volume for each ticker,
# daily-close at the close of New York. What `received` is then, is the feed's own time.
# usage: tools/demo-recording.sh FILE
set -euo pipefail
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
	echo "usage: tools/demo-recording.sh FILE" >&2
	exit 2
fi
file=$(realpath -m -- "$1")
cd "$(dirname "$0")/.."
if [ -e "$file" ]; then
	echo "'$file' is there already: name another file, or remove it" >&2
	exit 1
fi

migrations=(schema/sqlite/*.sql)

{
	# As src/store/db.c founds a recording (application_id: "TAPE").
	echo "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x54415045;"
	echo "BEGIN;"
	printf '.read %s\n' "${migrations[@]}"
	echo "PRAGMA user_version = ${#migrations[@]};"
	cat <<'SQL'
.mode csv
.import --schema temp tests/data/market/tweet-volume.csv volume
.import --schema temp tests/data/market/daily-close.csv close

-- What each event carries; ordered as it came.
CREATE TEMP TABLE carried AS
WITH RECURSIVE minute (at, until) AS (
	SELECT unixepoch(min(ts)), unixepoch(max(ts)) FROM volume
	UNION ALL SELECT at + 60, until FROM minute WHERE at < until),
line AS (
	SELECT unixepoch(ts) AS at, rowid AS place, ticker, json_object('ts', ts, 'ticker', ticker, 'volume', volume) AS json
	FROM volume ORDER BY at, place)
SELECT at, 1 AS kind, 0 AS place, 'tweet-volume' AS path, '{}' AS params,
	coalesce((SELECT '[' || group_concat(json) || ']' FROM line WHERE line.at = minute.at), '[]') AS results
FROM minute
UNION ALL
SELECT at, 2, place, '/real-time/tweet-volume', json_object('ticker', ticker), '[' || json || ']' FROM line
UNION ALL
SELECT unixepoch(date || ' 20:00'), 3, 0, 'daily-close', '{}',
	'[' || group_concat(json_object('date', date, 'ticker', ticker, 'close', close, 'volume', volume)) || ']'
FROM close GROUP BY date
ORDER BY at, kind, place;
DELETE FROM carried WHERE at < (SELECT min(at) FROM carried WHERE kind = 1);

INSERT INTO feed (feed_id, name, url, namespace, io_path, dialect)
VALUES (1, 'market', 'http://127.0.0.1', '/', '/socket.io/', json('{
	"subscribe": {"event": "subscribe", "args": [{"path": "$path", "params": "$params"}], "ack": true},
	"unsubscribe": {"event": "unsubscribe", "args": [{"path": "$path", "params": "$params"}], "ack": true},
	"data": {"event": "data", "path": "/path", "params": "/params", "timestamp": "/timestamp", "results": "/results"}}'));
INSERT INTO connection (connection_id, feed_id, opened, established, last_received, closed, protocol, transport,
	close_reason, close_detail, received_events, stored_events)
SELECT 1, 1, min(at) * 1000000, min(at) * 1000000, max(at) * 1000000, max(at) * 1000000, 'eio4', 'websocket',
	'stopped', 'stopped', count(*), count(*) FROM carried;
INSERT INTO run (started, last_alive, ended, batch, version, host)
SELECT opened, closed, closed, 1, 'demo', 'demo' FROM connection;
INSERT INTO stream (feed_id, path, params, events, first, last, last_received, clock_offset, bytes)
SELECT 1, path, params, count(*), min(at) * 1000000, max(at) * 1000000, max(at) * 1000000, 0, sum(length(results))
FROM carried GROUP BY path, params ORDER BY min(rowid);
INSERT INTO event (stream_id, timestamp, seq, received, connection_id, results)
SELECT stream_id, at * 1000000, 0, at * 1000000, 1, results
FROM carried JOIN stream USING (path, params) ORDER BY carried.rowid;
INSERT INTO wanted (stream_id, started, ended) SELECT stream_id, opened, closed FROM stream, connection;
INSERT INTO coverage (stream_id, started, ended) SELECT stream_id, opened, closed FROM stream, connection;
COMMIT;
PRAGMA journal_mode = WAL;
SQL
} | sqlite3 -bail "$file" >/dev/null
