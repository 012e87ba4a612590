// matrix: what every generation on every transport must do, as one scene for each cell, on the real server
// of that version.
import assert from 'node:assert/strict';
import { generationOf } from '../peers/sockets.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const EVENTS = 1000;
const START = 1400666400;

// How a feed may be reached, and where it then ends up.
const WAYS = {
	websocket: { transports: ['websocket'], ends: 'websocket' },
	polling: { transports: ['polling'], ends: 'polling' },
	upgrade: { transports: ['polling', 'websocket'], ends: 'websocket' },
};

// Bytes that a careless reader or writer changes.
const results = (n) => `[{"n":"${n}","text":"é \u{1F600} \u2028 x","a":1.10,"b":12345678901234567890,"c":-0,"e":"\\u00e9"}]`;

function burst(feed, from, count) {
	for (let n = from; n < from + count; n++)
		feed.publishText('p', {}, `{"path":"p","params":{},"timestamp":${START + n},"results":${results(n)}}`);
}

const subscribed = (feed, n = 1) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`);

// Subscriptions that the server has granted so far. A polling server of 0.9 remembers a client that is gone for
// a while, so those that it has now say little.
const granted = (feed) => feed.counters.subscribes - feed.counters.refusedSubscribes;

// Waits until a new connection has subscribed.
const again = (feed, before) => waitFor(() => granted(feed) > before, 'another subscription', SLACK * 8000);

// Cuts the connections until the daemon has noticed: between two polls there is a moment without any.
async function cutOff(feed, daemon) {
	const losses = () => daemon.stderr.split(' disconnected ').length;
	const before = losses();

	await waitFor(() => losses() > before || feed.cut(), 'the loss to be noticed', SLACK * 8000);
}

async function checkEvents(scene, count) {
	const rows = await scene.sql("SELECT e.timestamp / 1000000 - 1400666400 AS n, hex(e.results) AS results FROM event e "
		+ "JOIN stream USING (stream_id) WHERE path = 'p' ORDER BY event_id");

	assert.equal(rows.length, count);
	for (const [i, row] of rows.entries()) {
		assert.equal(row.n, i);
		assert.equal(Buffer.from(row.results, 'hex').toString(), results(i));
	}
}

function connections(scene) {
	return scene.sql('SELECT protocol, transport, established, close_reason FROM connection ORDER BY connection_id');
}

async function cell(scene, { version, way, protocol, bytes }) {
	const feed = await scene.feed({ version, jwt: { bytes } });
	const generation = generationOf(version);

	feed.refuse('q', {}, 'no such path');
	scene.config(scene.feedConfig(feed, [{ path: 'p' }, { path: 'q' }], { protocol, transports: WAYS[way].transports }));
	const daemon = scene.daemon();
	await subscribed(feed);
	await daemon.says(/refuses a subscription .*no such path/);
	if (way === 'upgrade')
		await daemon.says(/upgraded /);
	burst(feed, 0, EVENTS);
	await scene.stored(EVENTS);

	// Sent away by the server, then cut off: it comes back both times.
	let before = granted(feed);
	feed.kick();
	await again(feed, before);
	burst(feed, EVENTS, 1);
	await scene.stored(EVENTS + 1);
	before = granted(feed);
	await cutOff(feed, daemon);
	await again(feed, before);
	burst(feed, EVENTS + 1, 1);
	await scene.stored(EVENTS + 2);

	// A token that is not taken any more is replaced.
	before = granted(feed);
	feed.forgetTokens();
	await cutOff(feed, daemon);
	await again(feed, before);
	assert.ok(feed.counters.refused >= 1);
	burst(feed, EVENTS + 2, 1);
	await scene.stored(EVENTS + 3);
	feed.unsubscribed.length = 0;
	await daemon.stop();
	await waitFor(() => feed.unsubscribed.length !== 0, 'the unsubscribe');
	assert.deepEqual(feed.unsubscribed, ['p {}']);

	await checkEvents(scene, EVENTS + 3);
	const rows = await connections(scene);
	const live = rows.filter((row) => row.established !== null);
	assert.equal(live.length, 4);
	for (const row of live.slice(0, 1)) // a later one may be cut before its upgrade
		assert.deepEqual([row.protocol, row.transport], [generation, WAYS[way].ends]);
	assert.ok(live.every((row) => row.protocol === generation));
	assert.equal(live[0].close_reason, 'disconnected');
	assert.ok(['network', 'unknown_sid'].includes(live[1].close_reason), live[1].close_reason);
	assert.equal(live[3].close_reason, 'stopped');
	assert.ok(rows.some((row) => row.close_reason === 'token'), 'no connection was refused for its token');
	assert.match(daemon.stderr, new RegExp(`connected .*protocol=${generation.replace('.', '\\.')}`));
}

// Further arguments, and attachments where the generation has them.
async function oddities(scene, { version, way }) {
	const feed = await scene.feed({ version });
	const hasBinary = generationOf(version) !== '0.9' && version !== '1.0';

	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: WAYS[way].transports }));
	const daemon = scene.daemon();
	await subscribed(feed);
	feed.publishText('p', {}, '{"path":"p","params":{},"timestamp":1,"results":[],"more":1.0}', ['"é"', '{"a":-0}']);
	if (hasBinary)
		feed.publish({ path: 'p', params: {}, timestamp: 2, results: [{ image: Buffer.from('\0\x01\xff image', 'latin1') }] });
	await scene.stored(hasBinary ? 2 : 1);
	await daemon.stop();
	const [first] = await scene.sql('SELECT extra FROM event ORDER BY event_id');
	assert.equal(first.extra, '{"members":{"more":1.0},"args":["é",{"a":-0}]}');
	if (hasBinary)
		assert.deepEqual(await scene.sql('SELECT number, hex(data) AS data FROM attachment'),
			[{ number: 0, data: Buffer.from('\0\x01\xff image', 'latin1').toString('hex').toUpperCase() }]);
}

async function tokenTooLong(scene, { version, way }) {
	const feed = await scene.feed({ version, jwt: { bytes: 17_000 } });

	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: WAYS[way].transports }));
	const daemon = scene.daemon();
	await daemon.says(/cannot fetch the token .*longer than 16384 bytes/);
	await daemon.stop();
	assert.equal(feed.requests.length, 0, 'it was sent all the same');
}

// Registers the tests of one version.
export function matrix(version, ways) {
	for (const way of ways) {
		for (const protocol of ['auto', generationOf(version)])
			e2e(`${version}, ${way}, protocol ${protocol}`, (scene) => cell(scene, { version, way, protocol, bytes: 9500 }));
		e2e(`${version}, ${way}: a token of 15 KB`, (scene) => cell(scene, { version, way, protocol: 'auto', bytes: 15_000 }));
		e2e(`${version}, ${way}: a token of 17 KB is refused before it is sent`, (scene) => tokenTooLong(scene, { version, way }));
		e2e(`${version}, ${way}: arguments and attachments`, (scene) => oddities(scene, { version, way }));
	}
}

// A server with another generation than the configuration names: told, not hung on.
export function misnamed(version, named) {
	e2e(`${version}, wrongly called ${named}`, async (scene) => {
		const feed = await scene.feed({ version });
		const generation = generationOf(version);

		for (const transports of [['polling'], ['websocket', 'polling']]) {
			scene.config(scene.feedConfig(feed, [{ path: 'p' }], { protocol: named, transports }));
			const daemon = scene.daemon();
			await daemon.says(/cannot connect .*(auto|not a Socket\.IO)/, 60_000);
			assert.ok(daemon.isRunning);
			await daemon.stop();
			assert.doesNotMatch(daemon.stderr, /connected feed/);
			if (named !== '0.9' && generation !== 'eio4')
				assert.match(daemon.stderr, new RegExp(`${generation.replace('.', '\\.')}`));
		}
	});
}

// What was learned from one server is wrong for the next at the same address.
export function replaced(from, to) {
	for (const way of ['websocket', 'polling']) {
		e2e(`${way}: a server of ${from} gives way to one of ${to}`, async (scene) => {
			const feed = await scene.feed({ version: from });

			scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: WAYS[way].transports }));
			const daemon = scene.daemon();
			await subscribed(feed);
			burst(feed, 0, 1);
			await scene.stored(1);
			const before = granted(feed);
			await feed.stop();
			feed.version = to;
			await feed.start();
			await again(feed, before);
			burst(feed, 1, 1);
			await scene.stored(2);
			await daemon.stop();
			await checkEvents(scene, 2);
			const live = (await connections(scene)).filter((row) => row.established !== null);
			assert.deepEqual([live[0].protocol, live.at(-1).protocol], [generationOf(from), generationOf(to)]);
		});
	}
}
