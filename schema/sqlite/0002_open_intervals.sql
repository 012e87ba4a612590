-- What is open is looked for with every change; what is over may be millions of rows.

CREATE INDEX outage_open ON outage (feed_id, stream_id) WHERE ended IS NULL;
CREATE INDEX connection_open ON connection (feed_id) WHERE closed IS NULL;
CREATE INDEX coverage_open ON coverage (stream_id) WHERE ended IS NULL;
CREATE INDEX connection_pid ON connection (pid) WHERE pid IS NOT NULL;
