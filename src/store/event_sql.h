/*
 * event_sql: what is asked of the events of the file that is written, and of those before it.
 *
 * One text for both, so that an event is looked for in the same way everywhere (store/events, store/streams,
 * store/earlier).
 */
#ifndef TAPEDECK_STORE_EVENT_SQL_H
#define TAPEDECK_STORE_EVENT_SQL_H

/* Rows that may be an event that another connection (?5) delivers: of a stream (?1), in a range of timestamps. */
#define EVENT_SQL_EQUAL \
	("SELECT event_id, connection_id, received FROM event " \
	 "WHERE stream_id = ?1 AND timestamp BETWEEN ?2 AND ?3 " \
	 "AND (timestamp_text IS '') = ?4 AND connection_id <> ?5 AND results = ?6 " \
	 "AND extra IS ?7 ORDER BY timestamp, seq")

#define EVENT_SQL_ATTACHMENTS \
	"SELECT number, data FROM attachment WHERE event_id = ?1 ORDER BY number"

/* The newest key of a stream. */
#define EVENT_SQL_NEWEST \
	("SELECT timestamp, seq FROM event WHERE stream_id = ?1 " \
	 "ORDER BY timestamp DESC, seq DESC LIMIT 1")

/* The next seq of a stream's timestamp; NULL: there is none yet. */
#define EVENT_SQL_NEXT_SEQ "SELECT max(seq) + 1 FROM event WHERE stream_id = ?1 AND timestamp = ?2"

#endif
