-- The recording: what was received, where it came from, and when nothing was being recorded.
-- All times are microseconds since 1970-01-01 UTC.

CREATE TABLE feed (
	feed_id    INTEGER PRIMARY KEY,
	name       TEXT NOT NULL UNIQUE,
	url        TEXT NOT NULL,
	namespace  TEXT NOT NULL,
	io_path    TEXT NOT NULL,
	dialect    TEXT NOT NULL                 -- JSON: how the feed names its events and members
) STRICT;

CREATE TABLE stream (
	stream_id     INTEGER PRIMARY KEY,
	feed_id       INTEGER NOT NULL REFERENCES feed,
	path          TEXT NOT NULL,
	params        TEXT NOT NULL,             -- canonical JSON; {} if the feed sends none
	retained_from INTEGER,                   -- what is older has been deleted; NULL: nothing has
	events        INTEGER NOT NULL DEFAULT 0,
	first         INTEGER,                   -- lowest timestamp
	last          INTEGER,                   -- highest timestamp
	last_received INTEGER,                   -- arrival of the last event
	clock_offset  INTEGER,                   -- received - timestamp of the last event
	UNIQUE (feed_id, path, params)
) STRICT;

CREATE TABLE event (
	event_id       INTEGER PRIMARY KEY,      -- order of arrival
	stream_id      INTEGER NOT NULL REFERENCES stream,
	timestamp      INTEGER NOT NULL,
	seq            INTEGER NOT NULL,         -- 0, 1, ... among events of one stream and timestamp
	timestamp_text TEXT,                     -- the JSON token, where not the canonical text; '' if none was sent
	received       INTEGER NOT NULL,
	connection_id  INTEGER NOT NULL REFERENCES connection,
	results        TEXT NOT NULL,            -- the bytes as received
	extra          TEXT,                     -- {"members": {...}, "args": [...]}: whatever else came
	UNIQUE (stream_id, timestamp, seq)
) STRICT;

-- Only the rare events that share their key with another: makes the view conflict quick.
CREATE INDEX event_shared_key ON event (stream_id, timestamp) WHERE seq > 0;

CREATE TABLE attachment (
	event_id INTEGER NOT NULL REFERENCES event,
	number   INTEGER NOT NULL,               -- the num of its placeholder
	data     BLOB NOT NULL,
	PRIMARY KEY (event_id, number)
) STRICT;

CREATE TABLE connection (
	connection_id    INTEGER PRIMARY KEY,
	feed_id          INTEGER NOT NULL REFERENCES feed,
	opened           INTEGER NOT NULL,       -- the attempt began
	established      INTEGER,                -- the namespace was joined
	last_received    INTEGER,                -- the last byte
	closed           INTEGER,
	protocol         TEXT,                   -- 0.9, eio3, eio4
	transport        TEXT,                   -- websocket, polling
	sid              TEXT,
	close_reason     TEXT,
	close_detail     TEXT,
	received_events  INTEGER NOT NULL DEFAULT 0,
	stored_events    INTEGER NOT NULL DEFAULT 0,
	duplicate_events INTEGER NOT NULL DEFAULT 0,
	rejected_events  INTEGER NOT NULL DEFAULT 0,
	recovered_events INTEGER NOT NULL DEFAULT 0,
	pid              TEXT,                   -- connection state recovery
	resume_offset    TEXT
) STRICT;

CREATE TABLE wanted (
	stream_id INTEGER NOT NULL REFERENCES stream,
	started   INTEGER NOT NULL,
	ended     INTEGER,                       -- NULL: still wanted
	PRIMARY KEY (stream_id, started)
) STRICT;

CREATE TABLE coverage (
	stream_id INTEGER NOT NULL REFERENCES stream,
	started   INTEGER NOT NULL,
	ended     INTEGER,                       -- NULL: live
	PRIMARY KEY (stream_id, started)
) STRICT;

CREATE TABLE outage (
	outage_id INTEGER PRIMARY KEY,
	feed_id   INTEGER NOT NULL REFERENCES feed,
	stream_id INTEGER REFERENCES stream,     -- NULL: the whole feed
	started   INTEGER NOT NULL,
	ended     INTEGER,
	cause     TEXT NOT NULL,
	detail    TEXT
) STRICT;

CREATE INDEX outage_feed ON outage (feed_id, started);

CREATE TABLE rejected (
	rejected_id   INTEGER PRIMARY KEY,
	connection_id INTEGER NOT NULL REFERENCES connection,
	received      INTEGER NOT NULL,
	reason        TEXT NOT NULL,
	bytes         BLOB NOT NULL
) STRICT;

CREATE TABLE clock_step (
	at INTEGER NOT NULL,
	by INTEGER NOT NULL                      -- how far the wall clock jumped; negative: backwards
) STRICT;

CREATE TABLE run (
	run_id     INTEGER PRIMARY KEY,
	started    INTEGER NOT NULL,
	last_alive INTEGER NOT NULL,             -- everything received before it is committed
	ended      INTEGER,                      -- NULL: running, or crashed
	batch      INTEGER NOT NULL,             -- number of the last committed batch
	version    TEXT NOT NULL,
	host       TEXT NOT NULL
) STRICT;

CREATE VIEW recording AS
SELECT f.name AS feed, s.path AS path, s.params AS params,
	strftime('%Y-%m-%dT%H:%M:%S', (e.timestamp - (e.timestamp % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
		|| CASE WHEN e.timestamp % 1000 = 0
			THEN printf('.%03dZ', (e.timestamp % 1000000 + 1000000) % 1000000 / 1000)
			ELSE printf('.%06dZ', (e.timestamp % 1000000 + 1000000) % 1000000) END AS timestamp,
	strftime('%Y-%m-%dT%H:%M:%S', e.received / 1000000, 'unixepoch')
		|| CASE WHEN e.received % 1000 = 0
			THEN printf('.%03dZ', e.received % 1000000 / 1000)
			ELSE printf('.%06dZ', e.received % 1000000) END AS received,
	e.results AS results, e.seq AS seq, e.event_id AS event_id
FROM event e JOIN stream s USING (stream_id) JOIN feed f USING (feed_id);

CREATE VIEW conflict AS
SELECT f.name AS feed, s.path AS path, s.params AS params, e.timestamp AS timestamp, e.seq AS seq,
	e.event_id AS event_id, e.results AS results
FROM (SELECT DISTINCT stream_id, timestamp FROM event INDEXED BY event_shared_key WHERE seq > 0) k
	JOIN event e USING (stream_id, timestamp)
	JOIN stream s USING (stream_id) JOIN feed f USING (feed_id)
WHERE EXISTS (SELECT 1 FROM event o
	WHERE o.stream_id = k.stream_id AND o.timestamp = k.timestamp AND o.event_id <> e.event_id
		AND (o.results <> e.results OR o.extra IS NOT e.extra));

CREATE VIEW stream_summary AS
SELECT f.name AS feed, s.path AS path, s.params AS params, s.events AS events, s.first AS first,
	s.last AS last, s.last_received AS last_received, s.clock_offset AS clock_offset
FROM stream s JOIN feed f USING (feed_id);

-- wanted minus coverage, split where the cause changes. While no daemon runs (no sign of life for 5 s),
-- open coverage ends at the last sign of life.
CREATE VIEW gap AS
WITH
moment AS (
	SELECT CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER) AS now),
life AS (
	SELECT now, coalesce((SELECT last_alive FROM run ORDER BY run_id DESC LIMIT 1), 0) AS last_alive,
		coalesce((SELECT ended IS NULL AND last_alive >= now - 5000000 FROM run ORDER BY run_id DESC LIMIT 1), 0) AS alive
	FROM moment),
want AS (
	SELECT w.stream_id, w.started, max(w.started, coalesce(w.ended, l.now)) AS stop, w.ended IS NULL AS is_open
	FROM wanted w, life l),
piece AS (
	SELECT w.stream_id, w.started AS want_started, max(c.started, w.started) AS s,
		min(w.stop, coalesce(c.ended, CASE WHEN l.alive THEN w.stop ELSE l.last_alive END)) AS e, 0 AS is_end, w.is_open
	FROM want w JOIN coverage c USING (stream_id), life l
	WHERE c.started < w.stop
		AND coalesce(c.ended, CASE WHEN l.alive THEN w.stop ELSE l.last_alive END) > w.started
	UNION ALL
	SELECT stream_id, started, stop, stop, 1, is_open FROM want),
hole AS (
	SELECT * FROM (
		SELECT stream_id, want_started, s AS stop, is_end AND is_open AS is_open,
			coalesce(max(e) OVER (PARTITION BY stream_id, want_started ORDER BY s, is_end, e
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), want_started) AS started
		FROM piece)
	WHERE stop > started),
mark AS (
	SELECT h.stream_id, h.started AS hole_started, h.started AS at FROM hole h
	UNION
	SELECT h.stream_id, h.started, o.started FROM hole h JOIN stream s USING (stream_id)
		JOIN outage o ON o.feed_id = s.feed_id AND (o.stream_id IS NULL OR o.stream_id = h.stream_id)
	WHERE o.started > h.started AND o.started < h.stop
	UNION
	SELECT h.stream_id, h.started, o.ended FROM hole h JOIN stream s USING (stream_id)
		JOIN outage o ON o.feed_id = s.feed_id AND (o.stream_id IS NULL OR o.stream_id = h.stream_id)
	WHERE o.ended > h.started AND o.ended < h.stop
	UNION
	SELECT h.stream_id, h.started, l.last_alive FROM hole h, life l
	WHERE NOT l.alive AND l.last_alive > h.started AND l.last_alive < h.stop),
slice AS (
	SELECT m.stream_id, m.hole_started, m.at, h.stop, h.is_open,
		(SELECT o.outage_id FROM outage o
			WHERE o.feed_id = s.feed_id AND (o.stream_id IS NULL OR o.stream_id = m.stream_id)
				AND o.started <= m.at AND (o.ended IS NULL OR o.ended > m.at)
			ORDER BY o.stream_id IS NULL, o.started DESC LIMIT 1) AS outage_id
	FROM mark m JOIN hole h ON h.stream_id = m.stream_id AND h.started = m.hole_started
		JOIN stream s ON s.stream_id = m.stream_id),
caused AS (
	SELECT x.*, coalesce(o.cause, CASE WHEN NOT l.alive AND x.at >= l.last_alive THEN 'crash' ELSE 'starting' END) AS cause,
		o.detail
	FROM slice x LEFT JOIN outage o USING (outage_id), life l),
changed AS (
	SELECT *, cause IS NOT lag(cause) OVER (PARTITION BY stream_id, hole_started ORDER BY at) AS is_first FROM caused),
island AS (
	SELECT *, sum(is_first) OVER (PARTITION BY stream_id, hole_started ORDER BY at) AS number FROM changed),
merged AS (
	SELECT stream_id, hole_started, number, min(at) AS started, max(stop) AS stop, max(is_open) AS is_open,
		cause, max(detail) AS detail
	FROM island GROUP BY stream_id, hole_started, number),
bounded AS (
	SELECT *, lead(started) OVER (PARTITION BY stream_id, hole_started ORDER BY number) AS next FROM merged)
SELECT f.name AS feed, s.path AS path, s.params AS params, b.started AS started,
	coalesce(b.next, CASE WHEN b.is_open THEN NULL ELSE b.stop END) AS ended,
	(coalesce(b.next, b.stop) - b.started) / 1e6 AS seconds, b.cause AS cause, b.detail AS detail
FROM bounded b JOIN stream s USING (stream_id) JOIN feed f USING (feed_id);
