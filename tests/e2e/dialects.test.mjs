// Feeds that name things otherwise. The shipped configurations of bitbank and bitFlyer record from servers
// that speak as those do, on both living generations; and whatever else a dialect can say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { BitbankServer, BitflyerServer } from '../peers/exchange-servers.mjs';
import { e2e, waitFor } from './support.mjs';

// Numbers as no serialiser would write them again.
const NUMBERS = '[1.10,1e-7,12345678901234567890,-0,1E+2,0.1000000000000000055511151231257827,"1.10"]';

const EVENTS = `SELECT s.path, s.params, e.timestamp, e.timestamp_text, e.timestamp = e.received AS is_received,
	hex(e.results) AS results, e.extra, e.connection_id FROM event e JOIN stream s USING (stream_id) ORDER BY e.event_id`;

const REJECTED = 'SELECT reason, CAST(bytes AS TEXT) AS bytes FROM rejected ORDER BY rejected_id';

const ESTABLISHED = 'SELECT count(*) AS n FROM connection WHERE established IS NOT NULL';

async function events(scene) {
	const rows = await scene.sql(EVENTS);

	return rows.map((row) => ({ ...row, results: Buffer.from(row.results, 'hex').toString() }));
}

// A shipped configuration with nothing changed but where the feed and the recording are.
function shipped(scene, name, url) {
	const config = JSON.parse(readFileSync(new URL(`../../config/${name}.json`, import.meta.url), 'utf8'));

	config.database = 'market.db';
	config.feeds[0].url = url;
	scene.write('config.json', JSON.stringify(config));
	return config.feeds[0].endpoints.map((endpoint) => endpoint.path).sort();
}

const joined = (server, names) => waitFor(() => server.names().join() === names.join(), `${names.length} names`);

// What a row must show; `at` null: the feed sent no time.
function checkRow(row, { path, at, text, results, extra = null }) {
	assert.equal(row.path, path);
	assert.equal(row.params, '{}');
	assert.equal(row.results, results);
	assert.equal(row.extra, extra, `extra of ${results}`);
	if (at === null) {
		assert.equal(row.timestamp_text, '');
		assert.equal(row.is_received, 1);
	} else {
		assert.equal(row.timestamp, at);
		assert.equal(row.timestamp_text, text);
	}
}

// Data of bitbank's rooms: the text of `data`, and the text of what else stands in `message`.
const BITBANK = [
	{ path: 'ticker_btc_jpy', rest: '"pid":851203833', at: 1570080042822000, text: '1570080042822',
		results: '{"sell":"896490","buy":"896489","open":"896489","high":"905002","low":"881500","last":"896489",'
			+ '"vol":"650.2026","timestamp":1570080042822}' },
	{ path: 'transactions_btc_jpy', rest: '"pid":851205254', at: null,
		results: '{"transactions":[{"transaction_id":34745047,"side":"sell","price":"26.930","amount":"4703.5671",'
			+ '"executed_at":1570080162855}]}' },
	{ path: 'depth_diff_btc_jpy', at: null,
		results: '{"a":[],"b":[["26.758","20000.0000"],["26.212","0"]],"t":1570080269609,"s":"1234567890"}' },
	{ path: 'depth_whole_btc_jpy', at: 1568344476514000, text: '1568344476514',
		results: '{"asks":[["27.538","7233.6837"]],"bids":[],"asks_over":"0.123","timestamp":1568344476514,'
			+ '"sequenceId":"1234567890"}' },
	{ path: 'circuit_break_info_btc_jpy', at: 1570080162855000, text: '1570080162855',
		results: '{"mode":"NONE","estimated_itayose_price":null,"reopen_timestamp":null,"timestamp":1570080162855}' },
	// The same room, written as no server would: every digit, space and escape stays.
	{ path: 'ticker_btc_jpy', rest: '"pid":1.10, "more" : [-0]', kept: '"pid":1.10,"more":[-0]', at: 1570080042823000,
		text: '1570080042823', results: `{ "last" : ${NUMBERS},\t"t\\u00e9":"\u00e9\\/" , "timestamp" : 1570080042823 }` },
];

const textOf = ({ rest, results }) => `{${rest === undefined ? '' : `${rest},`}"data":${results}}`;

function checkBitbankRows(rows) {
	assert.equal(rows.length, BITBANK.length);
	for (const [i, event] of BITBANK.entries()) {
		const { rest, kept = rest } = event;

		checkRow(rows[i], { ...event, extra: kept === undefined ? null : `{"members":{"message":{${kept}}}}` });
	}
}

for (const version of [4, 2]) {
	e2e(`bitbank, version ${version}: rooms are streams, data is kept digit for digit`, async (scene) => {
		const server = await scene.peer(new BitbankServer({ version }));
		const rooms = shipped(scene, 'bitbank', server.url);
		const daemon = scene.daemon();

		await joined(server, rooms);
		await daemon.says(new RegExp(`subscribed .*confirmed=${rooms.length} refused=0`));
		for (const event of BITBANK)
			server.publishText(event.path, textOf(event));
		await scene.stored(BITBANK.length);
		await daemon.stop();
		await waitFor(() => server.left.length === rooms.length, 'all rooms left');
		checkBitbankRows(await events(scene));
		assert.deepEqual([...server.left].sort(), rooms);
		assert.equal(server.acksAsked, 0, 'an ack was asked for that never comes');
		assert.deepEqual(await scene.sql(ESTABLISHED), [{ n: 1 }]);
		assert.deepEqual(await scene.sql(REJECTED), []);
		assert.doesNotMatch(daemon.stderr, /not configured|not understood/);
	});

	e2e(`bitbank, version ${version}: after a lost connection every room is joined again`, async (scene) => {
		const server = await scene.peer(new BitbankServer({ version }));
		const rooms = shipped(scene, 'bitbank', server.url);
		const daemon = scene.daemon();
		const [event] = BITBANK;

		await joined(server, rooms);
		server.publishText(event.path, textOf(event));
		await scene.stored(1);
		await server.stop();
		await daemon.says(/disconnected .*reason=network/);
		await server.start();
		await joined(server, rooms);
		server.publishText('depth_diff_btc_jpy', textOf(BITBANK[2]));
		await scene.stored(2);
		await daemon.stop();
		const rows = await events(scene);
		checkRow(rows[1], BITBANK[2]);
		assert.ok(rows[1].connection_id > rows[0].connection_id);
		assert.deepEqual(await scene.sql(ESTABLISHED), [{ n: 2 }]);
	});
}

const BITFLYER = [
	{ path: 'lightning_ticker_BTC_JPY', at: 1554959652373991, text: '"2019-04-11T05:14:12.3739915Z"',
		results: '{"product_code":"BTC_JPY","state":"RUNNING","timestamp":"2019-04-11T05:14:12.3739915Z","tick_id":25965446,'
			+ '"best_bid":580006,"best_ask":580771,"best_bid_size":2.00000013,"ltp":580790,"volume":6703.96837634}' },
	{ path: 'lightning_ticker_FX_BTC_JPY', at: 1554959652373000, text: null,
		results: '{"product_code":"FX_BTC_JPY","timestamp":"2019-04-11T05:14:12.373Z","tick_id":3}' },
	{ path: 'lightning_executions_BTC_JPY', at: null,
		results: '[{"id":39361,"side":"SELL","price":35100,"size":0.01,"exec_date":"2015-07-07T10:44:33.547Z",'
			+ '"buy_child_order_acceptance_id":"JRF20150707-014356-184990"},{"id":39362,"side":"","price":35101.0,"size":1E-8}]' },
	{ path: 'lightning_board_BTC_JPY', at: null,
		results: '{"mid_price":35625,"bids":[{"price":33350,"size":1}],"asks":[]}' },
	{ path: 'lightning_board_snapshot_BTC_JPY', at: null,
		results: `{ "mid_price" : 33320.0 ,"bids":${NUMBERS},"asks":[{"price":36640,"size":5}] }` },
	{ path: 'lightning_executions_BTC_JPY', at: null, results: '[]' },
	{ path: 'lightning_board_BTC_JPY', at: null, results: '{}', more: ['-0', '{"a": 1.10}'], extra: '{"args":[-0,{"a": 1.10}]}' },
	{ path: 'lightning_board_BTC_JPY', at: null, results: '1.10' },
	{ path: 'lightning_board_BTC_JPY', at: null, results: 'null' },
];

for (const version of [4, 2]) {
	e2e(`bitFlyer, version ${version}: the event's name is the stream, numbers keep their digits`, async (scene) => {
		const server = await scene.peer(new BitflyerServer({ version }));
		const channels = shipped(scene, 'bitflyer', server.url);
		const daemon = scene.daemon();

		await joined(server, channels);
		await daemon.says(new RegExp(`subscribed .*confirmed=${channels.length} refused=0`));
		for (const { path, results, more = [] } of BITFLYER)
			server.publishText(path, results, ...more);
		server.sendText('lightning_board_BTC_JPY', 'lightning_board_BTC_JPY'); // without an argument
		await scene.stored(BITFLYER.length);
		await daemon.stop();
		const rows = await events(scene);
		assert.equal(rows.length, BITFLYER.length);
		for (const [i, event] of BITFLYER.entries())
			checkRow(rows[i], event);
		assert.deepEqual(await scene.sql(REJECTED), [
			{ reason: 'the event has no argument', bytes: '["lightning_board_BTC_JPY"]' },
		]);
		assert.deepEqual([...server.left].sort(), channels, 'every channel is unsubscribed once');
	});

	e2e(`bitFlyer, version ${version}: a channel that is refused is told, the others go on`, async (scene) => {
		const server = await scene.peer(new BitflyerServer({ version }));
		const gone = 'lightning_board_BTC_JPY';
		const [ticker] = BITFLYER;
		const channels = shipped(scene, 'bitflyer', server.url);
		const rest = channels.filter((name) => name !== gone);

		server.refused.add(gone);
		const daemon = scene.daemon();
		await joined(server, rest);
		await daemon.says(/refuses a subscription .*path=lightning_board_BTC_JPY .*Invalid channel/);
		server.publishText(ticker.path, ticker.results);
		await scene.stored(1);
		const before = server.connections;
		server.cut();
		await waitFor(() => server.connections > before, 'another connection');
		await joined(server, rest);
		server.refused.delete(gone);
		await joined(server, channels); // it was tried again
		server.publishText(gone, BITFLYER[3].results);
		await scene.stored(2);
		await daemon.stop();
		const rows = await events(scene);
		checkRow(rows[0], ticker);
		checkRow(rows[1], BITFLYER[3]);
		assert.ok(server.refusals >= 2);
		assert.deepEqual([...server.left].sort(), channels);
	});
}

// ---- whatever else a dialect can say ----

// A feed that needs no token, answers no subscribe of its own, and notes every event as it came.
async function openFeed(scene, options = {}) {
	const feed = await scene.feed({ needToken: false, ...options });

	feed.packets = []; // texts of the Socket.IO packets, as received
	feed.onConnection = (socket) => {
		const conn = socket.conn ?? socket.client.conn;

		conn.on('packet', ({ type, data }) => {
			if (type === 'message' && data.startsWith('2'))
				feed.packets.push(data);
		});
		options.serve?.(socket);
	};
	return feed;
}

// The configuration is text here, so that numbers reach the daemon as they stand.
function writeConfig(scene, feed, dialect, endpoints) {
	scene.write('config.json', `{"database": "market.db", "feeds": [{"name": "test", "url": "${feed.url}",
		"dialect": ${dialect}, "endpoints": [${endpoints.join()}]}]}`);
}

for (const version of [4, 2]) {
	e2e(`version ${version}: path and params go wherever the arguments name them, and nowhere else`, async (scene) => {
		const feed = await openFeed(scene, { version, serve: (socket) => {
			socket.on('watch', (...args) => args.at(-1)(null));
		} });
		const args = (verb) => `["${verb}", {"to": [{"p": "$path", "$params": "a$path"}, "$params"], "$path" : "$\\u0070ath"}, 1.10,`
			+ ' null, "$params", ["$path ", " \\"$path"]]';

		writeConfig(scene, feed, `{"subscribe": {"event": "watch", "args": ${args('on')}, "ack": true},
			"unsubscribe": {"event": "unwatch", "args": ${args('off')}, "ack": false}}`, [
			'{"path": "a\\"b\\\\\u00e9", "params": {"z": -0, "n": 1.10, "s": "$path"}}',
			'{"path": "$params"}',
		]);
		const daemon = scene.daemon();
		await daemon.says(/subscribed .*confirmed=2 refused=0/);
		await daemon.stop();
		await waitFor(() => feed.packets.length === 4, 'both subscribed and unsubscribed');
		const expected = (verb, path, params) => `["${verb === 'on' ? 'watch' : 'unwatch'}","${verb}",`
			+ `{"to":[{"p":${path},"$params":"a$path"},${params}],"$path":${path}},1.10,null,${params},["$path "," \\"$path"]]`;
		// White space between tokens, and the numbers of the acks, are the daemon's business.
		const shown = feed.packets.map((packet) => packet.replace(/^2\d*/, '')
			.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (all, text) => text ?? ''));
		const streams = [['"a\\"b\\\\\\u00e9"', '{"n":1.10,"s":"$path","z":-0}'], ['"$params"', '{}']];
		assert.deepEqual(shown, ['on', 'off'].flatMap((verb) => streams.map((stream) => expected(verb, ...stream))));
		assert.deepEqual(feed.packets.map((packet) => /^2\d/.test(packet)), [true, true, false, false], 'acks asked for');
	});

	e2e(`version ${version}: places are found through ~0, ~1 and array indexes`, async (scene) => {
		const feed = await openFeed(scene, { version });

		writeConfig(scene, feed, `{
			"subscribe": {"event": "s", "args": [], "ack": false}, "unsubscribe": {"event": "u", "args": [], "ack": false},
			"data": {"event": "tick", "path": "/a~1b/~0c~01/2", "params": "/a~1b/q", "timestamp": "/0/at", "results": "/\u00e9 \\"/1/x"}}`,
		['{"path": "p", "params": {"k": 1.10}}']);
		const daemon = scene.daemon();
		await waitFor(() => feed.packets.length === 1, 'the subscribe');
		const tick = (text) => feed.emitRaw(`2["tick",${text}]`);
		const time = '{"at":1570080042822,"zone":"JST"}';
		tick(`{"a/b":{"~c~1":[0,"no","p",3],"q":{"k":1.10},"~c/":9},"0":${time},"\u00e9 \\"":[{"x":1},{"x":${NUMBERS},"y":2}]}`);
		// The first argument may be an array, a key written with escapes, a place filled by another type.
		tick(`{ "\\u0061/b" : {"~c~1":["","","q"]}, "\u00e9 \\"" : {"1":{"x":null}} }`);
		await scene.stored(2);
		await daemon.stop();
		const rows = await events(scene);
		assert.equal(rows[0].path, 'p');
		assert.equal(rows[0].params, '{"k":1.10}');
		assert.equal(rows[0].timestamp, 1570080042822000);
		assert.equal(rows[0].results, NUMBERS);
		assert.equal(rows[0].extra, '{"members":{"a/b":{"~c~1":[0,"no",null,3],"~c/":9},"0":{"zone":"JST"},'
			+ '"\u00e9 \\"":[{"x":1},{"y":2}]}}');
		assert.equal(rows[1].path, 'q');
		assert.equal(rows[1].params, '{}');
		assert.equal(rows[1].timestamp_text, '');
		assert.equal(rows[1].is_received, 1);
		assert.equal(rows[1].results, 'null');
		assert.match(daemon.stderr, /not configured .*path=q .*nearest_path=p/);
	});
}

const SILENT = '"subscribe": {"event": "s", "args": ["$path"], "ack": false}, "unsubscribe": {"event": "u", "args": ["$path"], "ack": false}';

e2e('an array as the first argument holds places, too', async (scene) => {
	const feed = await openFeed(scene);

	writeConfig(scene, feed, `{${SILENT}, "data": {"event": "row", "path": "/0", "timestamp": "/1", "results": "/3"}}`, ['{"path": "p"}']);
	const daemon = scene.daemon();
	await waitFor(() => feed.packets.length === 1, 'the subscribe');
	feed.emitRaw('2["row",["p","2019-04-11T05:14:12.373Z",{"kept":1.10},-0,"end"],"more"]');
	feed.emitRaw('2["row",["p",1554959652373]]');
	feed.emitRaw('2["row","p"]');
	await scene.stored(1);
	await daemon.stop();
	const [row] = await events(scene);
	checkRow(row, { path: 'p', at: 1554959652373000, text: null, results: '-0',
		extra: '{"members":[null,null,{"kept":1.10},null,"end"],"args":["more"]}' });
	assert.deepEqual(await scene.sql(REJECTED), [
		{ reason: 'no results', bytes: '["row",["p",1554959652373]]' },
		{ reason: 'the event\'s argument is not an object', bytes: '["row","p"]' },
	]);
});

e2e('with the event "*" every event is data, its path where the dialect says', async (scene) => {
	const feed = await openFeed(scene);

	writeConfig(scene, feed, `{${SILENT}, "data": {"event": "*", "path": "/symbol", "results": "/px"}}`, ['{"path": "p"}']);
	const daemon = scene.daemon();
	await waitFor(() => feed.packets.length === 1, 'the subscribe');
	feed.emitRaw('2["data",{"symbol":"p","px":1.10}]');
	feed.emitRaw('2["*",{"symbol":"p","px":-0,"timestamp":5}]');
	feed.emitRaw('2["",{"symbol":"\\u0070","px":[ ]}]');
	await scene.stored(3);
	await daemon.stop();
	assert.deepEqual((await events(scene)).map(({ path, results, extra }) => [path, results, extra]),
		[['p', '1.10', null], ['p', '-0', '{"members":{"timestamp":5}}'], ['p', '[ ]', null]]);
});

e2e('an event of another name than the configured one is no data', async (scene) => {
	const feed = await openFeed(scene);

	writeConfig(scene, feed, `{${SILENT}, "data": {"event": "t\u00e9", "path": "$event", "results": ""}}`, ['{"path": "t\u00e9"}']);
	const daemon = scene.daemon();
	await waitFor(() => feed.packets.length === 1, 'the subscribe');
	feed.emitRaw('2["data",{"path":"t\u00e9","params":{},"timestamp":1,"results":1}]');
	feed.emitRaw('2["t\u00e9x",1]');
	feed.emitRaw('2["t",1]');
	feed.emitRaw('2["t\u00e9",{"path":"no","timestamp":"no"}]');
	feed.emitRaw('2["t\\u00e9",2]');
	await scene.stored(2);
	await daemon.stop();
	assert.deepEqual((await events(scene)).map(({ path, results, timestamp_text: text }) => [path, results, text]),
		[['t\u00e9', '{"path":"no","timestamp":"no"}', ''], ['t\u00e9', '2', '']]);
	assert.deepEqual(await scene.sql(REJECTED), []);
});

const MISSING = [
	['{"m":{"d":1,"at":1570080042}}', 'no path'],
	['{"r":"p","m":{"at":1570080042}}', 'no results'],
	['{"r":"p","m":[{"d":1}]}', 'no results'],
	['{"r":7,"m":{"d":1}}', 'the path is not a string'],
	['{"r":null,"m":{"d":1}}', 'the path is not a string'],
	['{"r":"p","m":{"d":1,"at":"soon"}}', /unreadable timestamp/],
	['{"r":"p","m":{"d":1,"at":null}}', /unreadable timestamp/],
	['{"r":"p","m":{"d":1,"d":2}}', /given twice/],
	['[]', 'the event\'s argument is not an object'],
	['"p"', 'the event\'s argument is not an object'],
];

e2e('where a place is missing the event is kept with the reason, but a time may be missing', async (scene) => {
	const feed = await openFeed(scene);

	writeConfig(scene, feed, `{${SILENT}, "data": {"event": "e", "path": "/r", "timestamp": "/m/at", "results": "/m/d"}}`, ['{"path": "p"}']);
	const daemon = scene.daemon();
	await waitFor(() => feed.packets.length === 1, 'the subscribe');
	for (const [text] of MISSING)
		feed.emitRaw(`2["e",${text}]`);
	feed.emitRaw('2["e",{"r":"p","m":{"d":1}}]');
	await scene.stored(1);
	await daemon.stop();
	const rejected = await scene.sql(REJECTED);
	assert.deepEqual(rejected.map((row) => row.bytes), MISSING.map(([text]) => `["e",${text}]`));
	for (const [i, [text, reason]] of MISSING.entries())
		reason instanceof RegExp ? assert.match(rejected[i].reason, reason, text) : assert.equal(rejected[i].reason, reason, text);
	checkRow((await events(scene))[0], { path: 'p', at: null, results: '1' });
});
