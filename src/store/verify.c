#include "store/verify.h"

#include "base/json.h"
#include "base/timestamp.h"
#include "store/db.h"
#include "store/verify_rows.h"

#include <sqlite3.h>
#include <stdio.h>

#define FINDING_MAX 600

/* Queries whose rows are findings, one text each; what is sound has none. `run` may be going on, so the newest
 * run may be open, and with it what it covers. */
static const struct {
	const char *what; /* for more than VERIFY_SHOWN of them */
	const char *sql;
} checks[] = {
	{ "damage to the file",
		"SELECT 'the file is damaged: ' || integrity_check FROM "
		"pragma_integrity_check(100) WHERE integrity_check <> 'ok'" },
	{ "rows that refer to nothing",
		"SELECT 'row ' || rowid || ' of \"' || \"table\" || '\" refers to a row of \"' || "
		"parent || '\" that does not exist' FROM pragma_foreign_key_check" },
	{ "keys whose seq is not 0, 1, ...",
		"SELECT 'stream ' || stream_id || ', timestamp ' || timestamp || ': the highest seq is ' "
		"|| max(seq) || ', and there are ' || count(*) || ' above 0' FROM event e "
		"INDEXED BY event_shared_key WHERE seq > 0 AND NOT EXISTS (SELECT 1 FROM stream s "
		"	WHERE s.stream_id = e.stream_id AND s.retained_from IS NOT NULL) "
		"GROUP BY stream_id, timestamp "
		"HAVING max(seq) <> count(*) OR NOT EXISTS (SELECT 1 FROM event o "
		"	WHERE o.stream_id = e.stream_id AND o.timestamp = e.timestamp AND o.seq = 0)" },
	{ "streams whose counters are wrong",
		"SELECT 'stream ' || s.stream_id || ' (' || s.path || ' ' || s.params || '): it counts ' "
		"|| s.events || ' events of ' || s.bytes || ' bytes from ' || coalesce(s.first, 'none') || ' to ' || "
		"coalesce(s.last, 'none') || ', there are ' || coalesce(e.n, 0) || ' of ' || "
		"coalesce(e.bytes, 0) || ' bytes from ' || "
		"coalesce(e.first, 'none') || ' to ' || coalesce(e.last, 'none') "
		"FROM stream s LEFT JOIN (SELECT stream_id, count(*) AS n, min(timestamp) AS first, "
		"	max(timestamp) AS last, max(received) AS received, "
		"	sum(length(CAST(results AS BLOB))) AS bytes FROM event GROUP BY stream_id) e "
		"	USING (stream_id) "
		"WHERE s.events <> coalesce(e.n, 0) OR s.bytes <> coalesce(e.bytes, 0) "
		"	OR s.first IS NOT e.first OR s.last IS NOT e.last "
		"	OR (s.last_received IS NOT e.received AND e.n > 0)" },
	{ "connections whose counters are wrong",
		"SELECT 'connection ' || c.connection_id || ': it counts ' || c.stored_events || "
		"' stored events, there are ' || coalesce(e.n, 0) FROM connection c "
		"LEFT JOIN (SELECT connection_id, count(*) AS n FROM event GROUP BY connection_id) e "
		"	USING (connection_id) "
		"WHERE c.stored_events <> coalesce(e.n, 0) "
		"	AND NOT EXISTS (SELECT 1 FROM stream WHERE retained_from > "
		"		coalesce((SELECT started FROM series), 0))" },
	{ "connections whose counters do not add up",
		"SELECT 'connection ' || connection_id || ': it received ' || received_events || "
		"' events, and stored ' || stored_events || ', knew ' || duplicate_events || "
		"' already and rejected ' || rejected_events FROM connection "
		"WHERE received_events <> stored_events + duplicate_events + rejected_events" },
	{ "events that were received before an earlier one",
		"SELECT 'event ' || event_id || ' was received at ' || received || ', the one before it "
		"later, at ' || before FROM (SELECT event_id, received, "
		"	lag(received) OVER (ORDER BY event_id) AS before FROM event) "
		"WHERE before > received" },
	{ "attachments without an event",
		"SELECT 'attachment ' || number || ' belongs to event ' || event_id || "
		"', which does not exist' FROM attachment a "
		"WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.event_id = a.event_id)" },
	{ "intervals that end before they begin",
		"SELECT 'in \"' || t || '\": stream ' || coalesce(stream_id, 0) || ' from ' || started || "
		"' to ' || ended FROM ("
		"	SELECT 'wanted' AS t, stream_id, started, ended FROM wanted UNION ALL "
		"	SELECT 'coverage', stream_id, started, ended FROM coverage UNION ALL "
		"	SELECT 'outage', stream_id, started, ended FROM outage) WHERE ended < started" },
	{ "streams that are wanted twice",
		"SELECT 'stream ' || stream_id || ': it is wanted from ' || started || ' to ' || "
		"coalesce(ended, 'now') || ', and again from ' || next FROM (SELECT *, "
		"	lead(started) OVER (PARTITION BY stream_id ORDER BY started) AS next FROM wanted) "
		"WHERE next < coalesce(ended, 9e18)" },
	{ "coverage that is open while nothing runs",
		"SELECT 'stream ' || stream_id || ': its coverage from ' || started || "
		"' is open, and the last run has ended' FROM coverage WHERE ended IS NULL "
		"AND NOT EXISTS (SELECT 1 FROM run WHERE ended IS NULL "
		"	AND run_id = (SELECT max(run_id) FROM run))" },
	{ "subjects with several open outages",
		"SELECT 'feed ' || feed_id || coalesce(', stream ' || stream_id, '') || ': ' || count(*) || "
		"' outages are open' FROM outage WHERE ended IS NULL GROUP BY feed_id, stream_id "
		"HAVING count(*) > 1" },
};

struct findings {
	void (*tell)(void *arg, const char *finding);
	void *arg;
	const char *what;
	uint64_t count;
};

static void find(struct findings *f, const char *text)
{
	if (f->count++ < VERIFY_SHOWN)
		f->tell(f->arg, text);
}

/* Ends one kind of finding. */
static void sum_up(struct findings *f)
{
	char text[FINDING_MAX];

	if (f->count > VERIFY_SHOWN) {
		(void)snprintf(text, sizeof(text), "%llu more %s",
			(unsigned long long)(f->count - VERIFY_SHOWN), f->what);
		f->tell(f->arg, text);
	}
	f->count = 0;
}

static bool run_check(struct sqlite3 *db, struct findings *f, const char *sql, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	bool found = true;
	bool ok = db_prepare(db, &st, sql, e);

	while (ok && found) {
		ok = db_first(st, &found, e);
		if (ok && found)
			find(f, (const char *)sqlite3_column_text(st, 0));
	}
	(void)sqlite3_finalize(st);
	sum_up(f);
	return ok;
}

static bool is_json(struct slice text)
{
	struct err e;

	return json_validate(text, NULL, &e);
}

/* What is wrong with the texts of an event; NULL if nothing. */
static const char *check_event(
	struct slice results, struct slice extra, struct slice written, int64_t timestamp_us)
{
	int64_t us;
	struct err e;

	if (!is_json(results))
		return "its results are not JSON";
	if (extra.ptr != NULL && !is_json(extra))
		return "its extra is not JSON";
	if (written.ptr == NULL || written.len == 0)
		return NULL;
	if (!timestamp_parse(written, &us, &e))
		return "its timestamp_text is no timestamp";
	return us != timestamp_us ? "its timestamp is not what its timestamp_text says" : NULL;
}

/* SQLite's own JSON functions read other grammars than ours, so each text is read by what let it in. */
static bool check_texts(struct sqlite3 *db, struct findings *f, struct err *e)
{
	struct sqlite3_stmt *st = NULL;
	char text[FINDING_MAX];
	bool found = true;
	bool ok = db_prepare(db, &st,
		"SELECT event_id, results, extra, timestamp_text, timestamp FROM event", e);

	f->what = "events with wrong texts";
	while (ok && found) {
		const char *wrong;

		ok = db_first(st, &found, e);
		if (!ok || !found)
			break;
		wrong = check_event(db_column(st, 1), db_column(st, 2), db_column(st, 3),
			sqlite3_column_int64(st, 4));
		if (wrong == NULL)
			continue;
		(void)snprintf(text, sizeof(text), "event %lld: %s",
			(long long)sqlite3_column_int64(st, 0), wrong);
		find(f, text);
	}
	(void)sqlite3_finalize(st);
	sum_up(f);
	return ok;
}

static void find_in_rows(void *arg, const char *text)
{
	find(arg, text);
}

static bool check_rows(struct sqlite3 *db, struct findings *f, struct err *e)
{
	bool ok;

	f->what = "findings in row tables";
	ok = verify_rows(db, find_in_rows, f, e);
	sum_up(f);
	return ok;
}

bool verify(
	const char *path, void (*tell)(void *arg, const char *finding), void *arg, struct err *e)
{
	struct findings f = { .tell = tell, .arg = arg };
	struct sqlite3 *db = NULL;
	bool ok = db_open_reader(&db, path, e) && db_exec(db, "BEGIN", e);

	for (size_t i = 0; ok && i < sizeof(checks) / sizeof(checks[0]); i++) {
		f.what = checks[i].what;
		ok = run_check(db, &f, checks[i].sql, e);
	}
	ok = ok && check_texts(db, &f, e) && check_rows(db, &f, e);
	db_close(db);
	return ok || err_prefix(e, "cannot verify '%s'", path);
}
