-- A recording that is rotated is a series of files. One row in each of them.

CREATE TABLE series (
	started       INTEGER NOT NULL,          -- the file records from here on
	previous      TEXT,                      -- name of the file before it
	next          TEXT,                      -- name of the file after it; NULL: it is the last
	event_id      INTEGER NOT NULL,          -- ids go on behind these
	connection_id INTEGER NOT NULL
) STRICT;
