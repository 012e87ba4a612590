-- Gaps that are open while the system's clock is behind that of the daemon, because it was set back.

DROP VIEW gap;

-- wanted minus coverage, split where the cause changes. While no daemon runs (no sign of life for 5 s),
-- open coverage ends at the last sign of life. A daemon's clock does not follow one that is set back, so its own
-- time may be later than what SQLite takes for now.
CREATE VIEW gap AS
WITH
moment AS (
	SELECT max(CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER),
		coalesce((SELECT last_alive FROM run ORDER BY run_id DESC LIMIT 1), 0)) AS now),
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
	SELECT h.stream_id, h.started, o.started FROM hole h
		JOIN outage o ON o.stream_id = h.stream_id AND o.started > h.started AND o.started < h.stop
	UNION
	SELECT h.stream_id, h.started, o.ended FROM hole h
		JOIN outage o ON o.stream_id = h.stream_id AND o.ended > h.started AND o.ended < h.stop
	UNION
	SELECT h.stream_id, h.started, o.started FROM hole h JOIN stream s USING (stream_id)
		JOIN outage o ON o.feed_id = s.feed_id AND o.stream_id IS NULL AND o.started > h.started AND o.started < h.stop
	UNION
	SELECT h.stream_id, h.started, o.ended FROM hole h JOIN stream s USING (stream_id)
		JOIN outage o ON o.feed_id = s.feed_id AND o.stream_id IS NULL AND o.ended > h.started AND o.ended < h.stop
	UNION
	SELECT h.stream_id, h.started, l.last_alive FROM hole h, life l
	WHERE NOT l.alive AND l.last_alive > h.started AND l.last_alive < h.stop),
slice AS (
	SELECT m.stream_id, m.hole_started, m.at, h.stop, h.is_open,
		coalesce(
			(SELECT CASE WHEN o.ended IS NULL OR o.ended > m.at THEN o.outage_id END FROM outage o
				WHERE o.stream_id = m.stream_id AND o.started <= m.at ORDER BY o.started DESC LIMIT 1),
			(SELECT CASE WHEN o.ended IS NULL OR o.ended > m.at THEN o.outage_id END FROM outage o
				WHERE o.feed_id = s.feed_id AND o.stream_id IS NULL AND o.started <= m.at ORDER BY o.started DESC LIMIT 1)
		) AS outage_id
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
