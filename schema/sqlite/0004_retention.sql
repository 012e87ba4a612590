-- How much each stream holds: retention limits it, and nobody wants to add it up.

ALTER TABLE stream ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;  -- of `results`

UPDATE stream SET bytes = s.bytes
FROM (SELECT stream_id, sum(length(CAST(results AS BLOB))) AS bytes FROM event GROUP BY stream_id) s
WHERE s.stream_id = stream.stream_id;

DROP VIEW stream_summary;

CREATE VIEW stream_summary AS
SELECT f.name AS feed, s.path AS path, s.params AS params, s.events AS events, s.first AS first,
	s.last AS last, s.last_received AS last_received, s.clock_offset AS clock_offset,
	s.bytes AS bytes, s.retained_from AS retained_from
FROM stream s JOIN feed f USING (feed_id);
