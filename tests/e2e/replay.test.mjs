// What tapedeckd records of a replay is what was recorded: at any speed, in any dialect, whatever the events hold.
import assert from 'node:assert/strict';
import { e2e, replay, waitFor } from './support.mjs';
import { makeTape, RawClient, ticks } from './tapes.mjs';

const BASE_S = 1_400_666_400;

const EVENTS = `SELECT s.path, s.params, e.timestamp, e.timestamp_text, e.seq, hex(e.results) AS results, e.extra,
	(SELECT group_concat(hex(a.data)) FROM attachment a WHERE a.event_id = e.event_id ORDER BY a.number) AS attachments
	FROM event e JOIN stream s USING (stream_id) JOIN feed f USING (feed_id) ORDER BY e.event_id`;

// Texts of events as no serialiser writes them; `round` sets their timestamps apart.
function texts(round) {
	const results = ['[]', 'null', '""', '{}', '0', '[1.10,-0,1e400,12345678901234567890]', ' [ 1 ,\t2\n,\r\n3 ] ',
		'"\\u00e9\\u00E9 \\/ \\ud83d\\ude00 \\u0000"', '"\u00e9 \u{1f600} \u2028 \u65e5\u672c"', '{"b":1,"a":2,"b":3}'];
	const at = BASE_S + round * 1000;
	const timestamps = [`"2014-05-21T1${round}:00:00.000Z"`, `${at}`, `"${at}000"`, `${at}123456`, `"2014-05-21T12:0${round}:00+02:00"`];

	return results.flatMap((each, i) => [
		`{"path":"p","params":{},"timestamp":${timestamps[i % timestamps.length]},"results":${each.trim()}}`,
		`{"path":"p","results":${each.trim()},"timestamp":${at + i},"more":{"y": 1.10},"\u00e9":[]}`,
		`{"params":{"b":1.10,"a":"\\u00e9"},"path":"q","timestamp":${at},"results":${each.trim()}}`,
	]);
}

// Records a feed with a gap in its middle.
async function record(scene) {
	const feed = await scene.feed({ version: 4 });
	const big = `"${'\u00e9'.repeat(2 ** 19)}"`;
	const config = scene.config(scene.feedConfig(feed, [{ path: 'p' }]));

	const ready = async () => waitFor(() => feed.subscriptions().size === 1, 'the subscription');
	const daemon = scene.daemon(config);
	let count = 0;
	const send = (text, more) => {
		feed.broadcastText(text, more);
		count++;
	};

	await ready();
	for (const text of texts(0))
		send(text);
	send(`{"path":"p","timestamp":${BASE_S},"results":[]}`, ['"more"', ' -0 ', '{"a":[]}']);
	feed.publish({ path: 'p', params: {}, timestamp: BASE_S, results: [Buffer.from([0, 1, 255]), 'x', Buffer.alloc(70_000, 7)] });
	count++;
	await scene.stored(count);
	await feed.stop();
	await daemon.says(/ disconnected /);
	await feed.start();
	await ready();
	for (const text of texts(1))
		send(text);
	send(`{"path":"p","timestamp":${BASE_S},"results":${big}}`);
	await scene.stored(count);
	await daemon.stop();
	return count;
}

e2e('record, replay, record: the same events at 0.1, 1, 10 times the speed and as fast as possible', async (scene) => {
	const count = await record(scene);
	const want = await scene.sql(EVENTS);
	const speeds = ['0.1', '1', '10', 'max'];

	assert.equal(want.length, count);
	const runs = await Promise.all(speeds.map(async (speed) => {
		const server = await scene.serve(['--speed', speed, '--settle', '1s', '--api-key-file', scene.file('api-key')]);
		const text = JSON.stringify({ database: `copy${speed}.db`, feeds: [{ name: 'copy', url: server.url,
			token: { url: `${server.url}/jwt`, api_key_file: 'api-key' }, endpoints: [{ path: 'p' }, { path: 'q', params: 'PARAMS' }] }] })
			.replace('"PARAMS"', '{"a":"\u00e9","b":1.10}');

		return { speed, server, daemon: scene.daemon(scene.write(`copy${speed}.json`, text)) };
	}));
	for (const { speed, server, daemon } of runs) {
		const stored = async () => (await scene.sql('SELECT count(*) AS n FROM event', `copy${speed}.db`).catch(() => []))[0]?.n === count;

		await waitFor(stored, `${count} events at speed ${speed}`, 60_000);
		await daemon.stop();
		await server.stop();
		assert.deepEqual(await scene.sql(EVENTS, `copy${speed}.db`), want, `speed ${speed}`);
		assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM rejected', `copy${speed}.db`), [{ n: 0 }]);
	}
});

const ROOMS = {
	subscribe: { event: 'join-room', args: ['$path'], ack: false }, unsubscribe: { event: 'leave-room', args: ['$path'], ack: false },
	data: { event: 'message', path: '/room_name', timestamp: '/message/data/timestamp', results: '/message/data' },
};
const NAMES = {
	subscribe: { event: 'subscribe', args: ['$path'], ack: true }, unsubscribe: { event: 'unsubscribe', args: ['$path'], ack: true },
	data: { event: '*', path: '$event', timestamp: '/timestamp', results: '' },
};

// Plays a tape into a recorder and compares.
async function comesBack(scene, name, tape, { paths, feed = {}, config = {} }) {
	makeTape(scene, `${name}.db`, { ...tape, feeds: [feed] });
	const want = await scene.sql(EVENTS, `${name}.db`);
	const server = await scene.serve(['--speed', 'max'], [`${name}.db`]);
	const daemon = scene.daemon(scene.write(`${name}.json`, JSON.stringify({ database: `${name}-copy.db`, feeds: [{
		name: 'copy', url: server.url, endpoints: paths.map((path) => ({ path })), ...config }] })));

	await waitFor(async () => (await scene.sql('SELECT count(*) AS n FROM event', `${name}-copy.db`).catch(() => []))[0]?.n >= want.length,
		`${want.length} events of ${name}`);
	await daemon.stop();
	assert.deepEqual(await scene.sql(EVENTS, `${name}-copy.db`), want);
	await server.stop();
	return daemon;
}

e2e('each feed is served in its own dialect, at its own path and namespace', async (scene) => {
	const at = (i) => ({ at: i * 1000, timestamp: i * 1000 });
	const ms = (i) => 1_400_666_400_000 + i;

	await comesBack(scene, 'rooms', { events: [0, 1, 2, 3].map((i) => ({ ...at(i), path: `room${i % 2}`, text: String(ms(i)),
		results: `{"sell":"${i}","timestamp":${ms(i)}}`, extra: i === 3 ? '{"members":{"message":{"pid":7}},"args":[1]}' : null })) },
	{ paths: ['room0', 'room1'], feed: { dialect: ROOMS }, config: { dialect: ROOMS } });
	await comesBack(scene, 'names', { events: [0, 1].map((i) => ({ ...at(i), path: 'lightning_ticker', text: `"2014-05-21T10:00:00.00${i}0000"`,
		results: `{"timestamp":"2014-05-21T10:00:00.00${i}0000","ltp":1.10}` })) },
	{ paths: ['lightning_ticker'], feed: { dialect: NAMES }, config: { dialect: NAMES } });
	await comesBack(scene, 'far', { events: ticks(20, 1000, 3) },
		{ paths: ['p0', 'p1', 'p2'], feed: { namespace: '/feed', path: '/market/io' }, config: { namespace: '/feed', path: '/market/io/' } });
});

e2e('feeds with namespaces of their own are served side by side; two dialects in one place are refused', async (scene) => {
	const feeds = [{ name: 'a' }, { name: 'b', namespace: '/b', dialect: ROOMS }];
	const events = [{ at: 0, path: 'p' }, { at: 1, path: 'r', feed: 2, results: '{"n":2}' }, { at: 2, path: 'p' }];

	makeTape(scene, 'two.db', { feeds, events });
	makeTape(scene, 'clash.db', { feeds: [feeds[0], { ...feeds[1], namespace: '/' }], events });
	const server = await scene.serve(['--speed', 'max', '--clock', 'shared', '--settle', '300ms'], ['two.db']);
	const root = await RawClient.open(server);
	const other = await RawClient.open(server, { namespace: '/b' });

	root.subscribe('p');
	other.emit('join-room', ['r']);
	await root.seesData(2);
	await other.seesData(1);
	assert.deepEqual(other.data, [`42/b,["message",{"room_name":"r","message":{"data":{"n":2}}}]`]);
	assert.deepEqual(root.numbers, [1, 3]);
	const nowhere = new RawClient(server, { namespace: '/c' });
	assert.equal(await nowhere.sees((packet) => packet.startsWith('44')), '44/c,{"message":"Invalid namespace"}');
	await server.stop();

	const clash = await replay('serve', '--listen', '127.0.0.1:0', scene.file('clash.db'));
	assert.equal(clash.code, 2);
	assert.match(clash.stderr, /'a' and 'b'.*--feed/);
	const chosen = await scene.serve(['--feed', 'a'], ['clash.db']);
	await chosen.stop();
});
