-- Row tables: each element of `results` as a row. Which there are, what their columns hold, how far they are filled.

CREATE TABLE row_table (
	table_id INTEGER PRIMARY KEY,
	name     TEXT NOT NULL COLLATE NOCASE,   -- as configured
	indexes  TEXT NOT NULL,                  -- JSON: a list of lists of columns
	state    TEXT NOT NULL                   -- live; filling: becomes the live one; leaving: is being emptied; broken
) STRICT;

CREATE UNIQUE INDEX row_table_name ON row_table (name, state) WHERE state IN ('live', 'filling');

CREATE TABLE row_column (
	table_id INTEGER NOT NULL REFERENCES row_table,
	source   TEXT NOT NULL,                  -- member: of the row; param: of the stream's params
	member   TEXT NOT NULL,                  -- its name there
	column   TEXT NOT NULL,
	PRIMARY KEY (table_id, source, member)
) STRICT;

-- The events of a stream that are in the table: those after left_id are not (NULL: all that come), and of those
-- from after_id to until_id (NULL: no such) only the ones up to the key (at_timestamp, at_seq).
CREATE TABLE row_source (
	table_id     INTEGER NOT NULL REFERENCES row_table,
	stream_id    INTEGER NOT NULL REFERENCES stream,
	left_id      INTEGER,
	after_id     INTEGER NOT NULL DEFAULT 0,
	until_id     INTEGER,
	at_timestamp INTEGER,
	at_seq       INTEGER,
	PRIMARY KEY (table_id, stream_id)
) STRICT;

CREATE INDEX row_source_behind ON row_source (table_id, stream_id) WHERE until_id IS NOT NULL;

-- Events of which something has no row, and why.
CREATE TABLE row_note (
	table_id  INTEGER NOT NULL REFERENCES row_table,
	stream_id INTEGER NOT NULL REFERENCES stream,
	note      TEXT NOT NULL,
	events    INTEGER NOT NULL,
	first_id  INTEGER NOT NULL,
	last_id   INTEGER NOT NULL,
	PRIMARY KEY (table_id, stream_id, note)
) STRICT;
