// What was sent is what is stored: byte for byte, in order, each event once, on both living generations.
import assert from 'node:assert/strict';
import { e2e, waitFor } from './support.mjs';

const STREAMS = 100;
const ROUNDS = 100;
const BASE_S = 1400666400; // 2014-05-21T10:00:00Z

// results as JSON.stringify would never write them
const RESULTS = [
	'[]', 'null', 'true', '{}', '""', '0', '-0', '1.10', '1e400', '12345678901234567890', '"005930"',
	'[1.10,-0,1e400,12345678901234567890,0.1000000000000000055511151231257827]',
	'"\\u00e9\\u00E9 \\/ / \\ud83d\\ude00 \\n \\u0000"', '"\u00e9 \u{1f600} \u2028"',
	'[{"ts":"2014-05-21T10:00:00.000Z","ticker":"AAPL","crowd_sentiment":"0.6908441588708437"}]',
	'{"b":1,"a":2,"b":3}', ' [ 1 ,\t2\n,\r\n3 ] ', '{ "path" : "not this one", "params":{"results":[]}}',
	`[${'[],'.repeat(20)}[]]`,
];

// The feed's streams: params as configured, and the canonical form that the recording must show.
function streams() {
	const all = [
		{ path: 'plain', params: '{}', canonical: '{}' },
		{ path: 'numbers', params: '{"b": 1.10, "a": -0, "c": 12345678901234567890}',
			canonical: '{"a":-0,"b":1.10,"c":12345678901234567890}' },
		{ path: 'texts "\\\\ \u00e9', params: '{"z":"\\u00e9\\/","\u00e9":[1, {"y":null,"x":true}]}',
			canonical: '{"z":"\u00e9/","\u00e9":[1,{"x":true,"y":null}]}' },
	];

	for (let i = all.length; i < STREAMS; i++)
		all.push({ path: '/real-time/ticks', params: `{"ticker":"T${i}"}`, canonical: `{"ticker":"T${i}"}` });
	return all;
}

const pad = (n, digits) => String(n).padStart(digits, '0');
const isoOf = (ms) => new Date(ms).toISOString();

// The ways to write one instant: the token on the wire, its microseconds, and what timestamp_text must
// be (null where the token is the canonical text).
const TIMESTAMPS = [
	(s, ms) => ({ token: `"${isoOf(s * 1000 + ms)}"`, us: s * 1e6 + ms * 1e3, text: null }),
	(s, ms) => ({ token: `${s * 1000 + ms}`, us: s * 1e6 + ms * 1e3 }),
	(s) => ({ token: `${s}`, us: s * 1e6 }),
	(s) => ({ token: `"${s}"`, us: s * 1e6 }),
	(s, ms) => ({ token: `${s}${pad(ms, 3)}456`, us: s * 1e6 + ms * 1e3 + 456 }),
	(s, ms) => ({ token: `"${s}${pad(ms, 3)}456789"`, us: s * 1e6 + ms * 1e3 + 456 }),
	(s, ms) => ({ token: `"${isoOf(s * 1000 + ms).slice(0, -1)}456Z"`, us: s * 1e6 + ms * 1e3 + 456, text: null }),
	(s) => ({ token: `"${isoOf(s * 1000).slice(0, 19)}"`, us: s * 1e6 }),
	(s, ms) => ({ token: `"${isoOf(s * 1000 + ms + 7_200_000).slice(0, -1)}+02:00"`, us: s * 1e6 + ms * 1e3 }),
];

function timestampOf(round, number) {
	const made = TIMESTAMPS[number % TIMESTAMPS.length](BASE_S + round, number % 1000);

	return { text: made.token, ...made };
}

// Event `number`: its text in one of several shapes, and what the recording must hold of it.
function eventOf(stream, round, number) {
	const { token, us, text } = timestampOf(round, number);
	const results = RESULTS[number % RESULTS.length].trim();
	const members = [
		`"path":${JSON.stringify(stream.path)}`, `"params":${stream.params}`, `"timestamp":${token}`, `"results":${results}`,
	];
	const shape = number % 7;
	const expected = { path: stream.path, params: stream.canonical, us, text, results, extra: null };
	let more = [];

	if (shape === 1)
		members.reverse();
	if (shape === 2) {
		members.splice(2, 0, '"method":"get"', '"res":{"y": 1.10}');
		expected.extra = { members: { method: '"get"', res: '{"y": 1.10}' } };
	}
	if (shape === 3) {
		more = ['"more"', '-0'];
		expected.extra = { args: more };
	}
	if (shape === 4)
		return { expected, more, text: `\n{ ${members.join(' ,\t').replace(/^"path":/, '"p\\u0061th" : ')}\r\n}` };
	return { expected, more, text: `{${members.join(',')}}` };
}

function checkExtra(text, expected, where) {
	if (expected === null)
		return assert.equal(text, null, where);
	const raw = [...Object.values(expected.members ?? {}), ...(expected.args ?? [])];
	const want = expected.args === undefined
		? { members: Object.fromEntries(Object.entries(expected.members).map(([k, v]) => [k, JSON.parse(v)])) }
		: { args: expected.args.map((arg) => JSON.parse(arg)) };

	assert.deepEqual(JSON.parse(text), want, where);
	for (const bytes of raw)
		assert.ok(text.includes(bytes), `${where}: ${text} lacks ${bytes}`);
	return undefined;
}

function checkRow(row, expected, number) {
	const where = `event ${number}`;

	assert.equal(row.path, expected.path, where);
	assert.equal(row.params, expected.params, where);
	assert.equal(row.timestamp, expected.us, where);
	assert.equal(row.timestamp_text, expected.text, where);
	assert.equal(row.seq, 0, where);
	assert.equal(Buffer.from(row.results, 'hex').toString(), expected.results, where);
	checkExtra(row.extra, expected.extra, where);
}

const EVENTS = `SELECT s.path, s.params, e.timestamp, e.timestamp_text, e.seq, hex(e.results) AS results,
	e.extra, e.received FROM event e JOIN stream s USING (stream_id) ORDER BY e.event_id`;

const config = (scene, feed, endpoints) => scene.write('config.json', `{"database": "market.db", "feeds": [
	{"name": "test", "url": "${feed.url}", "token": {"url": "${feed.url}/jwt", "api_key_file": "api-key"},
	 "endpoints": [${endpoints.join(',\n')}]}]}`);

for (const version of [4, 2]) {
	e2e(`version ${version}: 10,000 events over 100 streams are stored as they were sent`, async (scene) => {
		const feed = await scene.feed({ version });
		const all = streams();
		const sent = [];

		config(scene, feed, all.map((s) => `{"path":${JSON.stringify(s.path)},"params":${s.params}}`));
		const daemon = scene.daemon();
		await waitFor(() => feed.subscriptions().size === STREAMS, 'all subscriptions');
		for (let round = 0; round < ROUNDS; round++) {
			for (const stream of all) {
				const event = eventOf(stream, round, sent.length);

				feed.broadcastText(event.text, event.more);
				sent.push(event.expected);
			}
			await new Promise(setImmediate);
		}
		await scene.stored(sent.length);
		await daemon.stop();

		const rows = await scene.sql(EVENTS);
		assert.equal(rows.length, sent.length);
		rows.forEach((row, i) => checkRow(row, sent[i], i));
		assert.ok(rows.every((row, i) => i === 0 || row.received >= rows[i - 1].received), 'received never decreases');
		const counts = await scene.sql('SELECT events FROM stream ORDER BY stream_id');
		assert.deepEqual(counts, Array(STREAMS).fill({ events: ROUNDS }));
		assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM rejected'), [{ n: 0 }]);
		assert.deepEqual(await scene.sql(`SELECT protocol, transport, received_events AS received, stored_events AS stored
			FROM connection`), [{
			protocol: version === 2 ? 'eio3' : 'eio4', transport: 'websocket', received: sent.length, stored: sent.length,
		}]);
	});

	e2e(`version ${version}: events of a mebibyte, and several events of one key`, async (scene) => {
		const feed = await scene.feed({ version });
		const big = Array.from({ length: 5 }, (_, i) => `["${String.fromCharCode(97 + i).repeat(2 ** 20)}", "\u00e9\\u00e9"]`);
		const same = ['1.0', '1.00', '1.0', '[1.0]'];
		const send = (results, second) => feed.publishText('p', {},
			`{"path":"p","params":{},"timestamp":${BASE_S + second},"results":${results}}`);

		scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
		const daemon = scene.daemon();
		await waitFor(() => feed.subscriptions().size === 1, 'the subscription');
		big.forEach((results, i) => send(results, i));
		same.forEach((results) => send(results, 1000));
		await scene.stored(big.length + same.length);
		await daemon.stop();
		const rows = await scene.sql(EVENTS);
		assert.deepEqual(rows.map((row) => Buffer.from(row.results, 'hex').toString()), [...big, ...same]);
		assert.deepEqual(rows.slice(big.length).map((row) => row.seq), [0, 1, 2, 3]);
		assert.equal((await scene.sql('SELECT * FROM conflict')).length, same.length);
	});

	e2e(`version ${version}: what cannot be an event is kept with its reason`, async (scene) => {
		const feed = await scene.feed({ version });
		const bad = [
			['{"params":{},"timestamp":1400666400,"results":[]}', /path/],
			['{"path":"p","params":{},"timestamp":"yesterday","results":[1.10]}', /timestamp/],
			['{"path":"p","params":{},"timestamp":{},"results":[]}', /timestamp/],
			['{"path":"p","params":{},"results":["no timestamp"]}', /timestamp/],
			['{"path":"p","params":{},"timestamp":1400666400}', /results/],
			['{"path":5,"params":{},"timestamp":1400666400,"results":[]}', /path/],
			['{"path":"p","params":{"a":1,"a":2},"timestamp":1400666400,"results":[]}', /params/],
			['[ "not an object" ]', /path|object/],
			['12345678901234567890', /object/],
		];

		scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
		const daemon = scene.daemon();
		await waitFor(() => feed.subscriptions().size === 1, 'the subscription');
		for (const [text] of bad)
			feed.broadcastText(text);
		feed.publishText('p', {}, '{"path":"p","timestamp":1400666400,"results":"after all that"}');
		await scene.stored(1);
		await daemon.stop();
		const rows = await scene.sql('SELECT reason, hex(bytes) AS bytes FROM rejected ORDER BY rejected_id');
		assert.equal(rows.length, bad.length);
		rows.forEach((row, i) => {
			assert.match(row.reason, bad[i][1]);
			assert.ok(Buffer.from(row.bytes, 'hex').toString().includes(bad[i][0]), `the bytes of ${bad[i][0]}`);
		});
		assert.deepEqual((await scene.sql(EVENTS)).map((row) => row.params), ['{}']);
		assert.deepEqual(await scene.sql('SELECT received_events AS r, stored_events AS s, rejected_events AS x FROM connection'),
			[{ r: bad.length + 1, s: 1, x: bad.length }]);
	});
}

e2e('a packet that is no JSON is kept, and recording goes on', async (scene) => {
	const feed = await scene.feed();
	let number = 0;

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === 1, 'the subscription');
	feed.emitRaw('2["data",{"path":"p","results":[1,}]');
	await waitFor(async () => {
		feed.publish({ path: 'p', params: {}, timestamp: BASE_S + number++, results: [] });
		return (await scene.sql('SELECT 1 FROM event').catch(() => [])).length > 0;
	}, 'an event after the broken one');
	await daemon.stop();
	const rows = await scene.sql('SELECT hex(bytes) AS bytes FROM rejected');
	assert.equal(rows.length, 1);
	assert.match(Buffer.from(rows[0].bytes, 'hex').toString(), /\{"path":"p","results":\[1,\}/);
});

e2e('version 4: a binary event is stored with its attachments', async (scene) => {
	const feed = await scene.feed();
	const blobs = [Buffer.from([0, 1, 2, 254, 255]), Buffer.alloc(100_000, 7)];

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === 1, 'the subscription');
	feed.publish({ path: 'p', params: {}, timestamp: BASE_S, results: { first: blobs[0], second: [blobs[1]] } });
	feed.publish({ path: 'p', params: {}, timestamp: BASE_S + 1, results: 'plain' });
	await scene.stored(2);
	await daemon.stop();
	assert.deepEqual((await scene.sql('SELECT results FROM event ORDER BY event_id')).map((row) => row.results),
		['{"first":{"_placeholder":true,"num":0},"second":[{"_placeholder":true,"num":1}]}', '"plain"']);
	const rows = await scene.sql('SELECT number, hex(data) AS data FROM attachment ORDER BY event_id, number');
	assert.deepEqual(rows, blobs.map((blob, number) => ({ number, data: blob.toString('hex').toUpperCase() })));
});
