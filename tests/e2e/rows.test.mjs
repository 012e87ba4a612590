// Row tables: what is in `results` is in the table, row for row, while it is recorded, after it was configured late,
// while it is filled anew, and after a crash in the middle. Every row is compared with SQLite's own json_each.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { checkOnce, feedLoad, passes, settled, tickers } from './numbered.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const RATE = 500;
const PARTS = 3; // rows of an event
const MANY_PARTS = 300; // of one that makes a history long
const LONG = 2000; // events of a long history: seconds of catching up
const COMPLETE_MS = SLACK * 20_000;

// A load whose events have `load.parts` rows, each with the event's number and its own.
function rowLoad(scene, feed, streams, options = {}) {
	const load = feedLoad(scene, feed, streams, { rate: RATE, ...options });

	load.parts = PARTS;
	load.publish = (event) => feed.publish({ ...event,
		results: Array.from({ length: load.parts }, (_, part) => ({ load: load.name, n: event.results[0].n, part, half: part / 2 })) });
	return load;
}

const withTable = (streams, table, index) => streams.map((stream) => ({ ...stream, table, ...(index && { index }) }));
const subscribed = (feed, n) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`);
const first = async (scene, query) => (await scene.sql(query).catch(() => []))[0];

async function start(scene, endpoints, streams) {
	const feed = await scene.feed();
	const load = rowLoad(scene, feed, streams);

	scene.config(scene.feedConfig(feed, endpoints));
	const daemon = scene.daemon();
	await subscribed(feed, endpoints.length);
	return { feed, load, daemon };
}

async function finish(scene, { load, daemon }) {
	load.stop();
	await settled(scene, load);
	await complete(scene);
	await daemon.stop();
}

// Publishes a history that takes long to catch up.
async function longHistory(scene, load) {
	load.parts = MANY_PARTS;
	for (let i = 0; i < LONG; i++) {
		load.next();
		if (i % 20 === 0)
			await new Promise(setImmediate);
	}
	load.parts = PARTS;
	await settled(scene, load);
}

const isBehind = async (scene) => (await first(scene, 'SELECT count(*) AS n FROM row_source WHERE until_id IS NOT NULL AND at_timestamp IS NOT NULL'))?.n > 0;

const complete = (scene) => waitFor(async () => (await first(scene, `SELECT (SELECT count(*) FROM row_table) > 0
	AND NOT EXISTS (SELECT 1 FROM row_source WHERE until_id IS NOT NULL)
	AND NOT EXISTS (SELECT 1 FROM row_table WHERE state <> 'live') AS done`))?.done === 1, 'complete row tables', COMPLETE_MS);

// Compares every row of a table with the elements of the results of the streams of these paths.
async function checkRows(scene, table, paths) {
	const columns = '_row, event_id, timestamp, ticker, load, n, part, half, typeof(half) AS kind';
	const [{ expected, actual, missing, strange }] = await scene.sql(`CREATE TEMP TABLE wanted_row AS
		SELECT e.event_id << 24 | r.key AS _row, e.event_id, e.timestamp, s.params ->> 'ticker' AS ticker, r.value ->> 'load' AS load,
			r.value ->> 'n' AS n, r.value ->> 'part' AS part, r.value ->> 'half' AS half,
			CASE WHEN r.key % 2 = 0 THEN 'integer' ELSE 'real' END AS kind
		FROM event e JOIN stream s USING (stream_id), json_each(e.results) r WHERE s.path IN (${paths.map((path) => `'${path}'`)});
		SELECT (SELECT count(*) FROM wanted_row) AS expected, (SELECT count(*) FROM ${table}) AS actual,
			(SELECT count(*) FROM (SELECT * FROM wanted_row EXCEPT SELECT ${columns} FROM ${table})) AS missing,
			(SELECT count(*) FROM (SELECT ${columns} FROM ${table} EXCEPT SELECT * FROM wanted_row)) AS strange`);

	assert.ok(expected > 0, 'no rows to compare');
	assert.deepEqual({ actual, missing, strange }, { actual: expected, missing: 0, strange: 0 });
	assert.deepEqual(await scene.sql('SELECT * FROM row_note'), []);
}

const queryPlan = (scene, query) => execFileSync('sqlite3',
	['-readonly', scene.file('market.db'), `EXPLAIN QUERY PLAN ${query}`], { encoding: 'utf8' });

// ---- what a row looks like ----

const ODD = `[{"n":1,"price":"109.5","trailing":1.10,"minus":-0,"code":"005930","id":12345678901234567890,
	"decimal":"-0.0337734249681757","huge":1e400,"up":true,"down":false,"none":null,"nested":{"a": [1.10]}},
	{"n":2,"order":7,"two words":8,"gr\u00f6\u00dfe":9,"a\\"b":10,"ticker":"R","timestamp":"x","event_id":5,"N":3}]`;

// column -> value and storage class
const TYPED = {
	n: '1 integer', price: '109.5 real', trailing: '1.10 text', minus: '-0 text', code: '005930 text',
	id: '12345678901234567890 text', decimal: '-0.0337734249681757 real', huge: '1e400 text', up: '1 integer',
	down: '0 integer', none: ' null', nested: '{"a": [1.10]} text', venue: 'X text', param_ticker: 'AAPL text',
};
const NAMED = {
	order: '7 integer', 'two words': '8 integer', 'gr\u00f6\u00dfe': '9 integer', 'a""b': '10 integer', ticker: 'R text',
	param_ticker: 'AAPL text', row_timestamp: 'x text', row_event_id: '5 integer', _more: '{"N":3} text',
};

e2e('rows have typed columns, their own names and the index that was asked for', async (scene) => {
	const stream = { path: 'odd', params: { ticker: 'AAPL', venue: 'X' } };
	const { feed, daemon } = await start(scene, withTable([stream], 'odd', [['ticker', 'n'], ['timestamp']]), [stream]);
	const send = (second, results) => feed.publishText(stream.path, stream.params,
		`{"path":"odd","params":{"ticker":"AAPL","venue":"X"},"timestamp":${1400666400 + second},"results":${results}}`);
	const check = async (n, columns) => {
		for (const [column, wanted] of Object.entries(columns))
			assert.deepEqual(await scene.sql(`SELECT coalesce("${column}", '') || ' ' || typeof("${column}") AS v FROM odd WHERE n = ${n}`),
				[{ v: wanted }], column);
	};

	send(0, ODD);
	for (const [i, results] of ['{"n":4}', '"text"', '[5,{"n":6}]', 'null', '[]'].entries())
		send(i + 1, results);
	await scene.stored(6);
	await check(1, TYPED);
	await check(2, NAMED);
	assert.deepEqual(await scene.sql('SELECT event_id, _row & 16777215 AS place, n FROM odd ORDER BY _row'),
		[{ event_id: 1, place: 0, n: 1 }, { event_id: 1, place: 1, n: 2 }, { event_id: 4, place: 1, n: 6 }]);
	assert.deepEqual(await scene.sql('SELECT note, events, first_id, last_id FROM row_note ORDER BY note'), [
		{ note: 'an element of results is no object', events: 1, first_id: 4, last_id: 4 },
		{ note: 'results is no array of objects', events: 2, first_id: 2, last_id: 3 },
	]);
	assert.match(queryPlan(scene, "SELECT * FROM odd WHERE ticker = 'R' AND n BETWEEN 1 AND 9"),
		/SEARCH odd USING INDEX odd:\d+:ticker,n \(ticker=\? AND n>\? AND n<\?\)/);
	assert.match(queryPlan(scene, 'SELECT * FROM odd WHERE timestamp > 5'), /USING INDEX odd:\d+:timestamp/);
	send(9, '[{"n":7}]');
	await scene.stored(7);
	assert.deepEqual(await scene.sql('SELECT param_ticker AS p FROM odd WHERE n = 7'), [{ p: 'AAPL' }]);
	await daemon.stop();
	assert.match(daemon.stderr, /row_note/);
});

// ---- complete, whatever happens ----

e2e('two endpoints share a table under load', async (scene) => {
	const streams = [...tickers(5, 'p'), ...tickers(5, 'q')];
	const { load, daemon } = await start(scene, withTable(streams, 'shared'), streams);

	load.start();
	await passes(scene, load);
	await passes(scene, load);
	await finish(scene, { load, daemon });
	await checkOnce(scene, load);
	await checkRows(scene, 'shared', ['p', 'q']);
});

e2e('a table that is configured later is caught up while events go on coming', async (scene) => {
	const streams = tickers(4);
	const { feed, load, daemon } = await start(scene, streams, streams);

	await longHistory(scene, load);
	load.start();
	await passes(scene, load);
	scene.config(scene.feedConfig(feed, withTable(streams, 'late')));
	daemon.signal('SIGHUP');
	await waitFor(() => isBehind(scene), 'the catch-up');
	await passes(scene, load);
	await finish(scene, { load, daemon });
	await checkOnce(scene, load);
	await checkRows(scene, 'late', ['p']);
	assert.equal(feed.counters.connections, 1);
	assert.equal(feed.counters.subscribes, streams.length);
});

e2e('another index fills another table that takes the place of the first one', async (scene) => {
	const streams = tickers(4);
	const { feed, load, daemon } = await start(scene, withTable(streams, 't'), streams);

	await longHistory(scene, load);
	load.start();
	scene.config(scene.feedConfig(feed, withTable(streams, 't', [['ticker', 'n']])));
	daemon.signal('SIGHUP');
	await waitFor(async () => (await first(scene, "SELECT count(*) AS n FROM row_table WHERE state = 'filling'"))?.n === 1, 'the filling');
	// The old one serves meanwhile: it lacks nothing that is committed.
	assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM event WHERE event_id NOT IN (SELECT event_id FROM t)'), [{ n: 0 }]);
	await passes(scene, load);
	await finish(scene, { load, daemon });
	await checkOnce(scene, load);
	await checkRows(scene, 't', ['p']);
	assert.match(queryPlan(scene, "SELECT * FROM t WHERE ticker = 'T1' AND n > 5"), /USING INDEX t:2:ticker,n/);
	assert.deepEqual(await scene.sql("SELECT table_id, state FROM row_table"), [{ table_id: 2, state: 'live' }]);
	assert.deepEqual(await scene.sql("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 't:%'"), [], 'the old one has gone');
});

e2e('killed while it catches up: the next start goes on, and nothing is missing or twice', async (scene) => {
	const streams = tickers(4);
	const { feed, load, daemon } = await start(scene, streams, streams);

	await longHistory(scene, load);
	load.start();
	scene.config(scene.feedConfig(feed, withTable(streams, 'late')));
	daemon.signal('SIGHUP');
	await waitFor(() => isBehind(scene), 'the catch-up');
	daemon.kill();
	assert.equal((await daemon.exit()).signal, 'SIGKILL');
	assert.ok(await isBehind(scene), 'it was complete before the kill');
	const next = scene.daemon();
	await subscribed(feed, streams.length);
	await passes(scene, load);
	load.stop();
	await complete(scene);
	await next.stop();
	await checkRows(scene, 'late', ['p']);
});
