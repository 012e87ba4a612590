// Connection state recovery (Socket.IO 4.6 and later): a lost session is taken up again where the recording
// ends, after a cut connection as after SIGKILL. TAPEDECK_CUTS=N, TAPEDECK_KILLS=N: how many (5 and 3).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkCovered, checkInGaps, checkOnce, compare, connectionsOf, feedLoad, gaps, passes, settled, tickers } from './numbered.mjs';
import { accidents, RECOVERY, runAccidents } from './accidents.mjs';
import { e2e, waitFor } from './support.mjs';

const STREAMS = tickers(50);
const steps = accidents();

async function start(scene, more = {}, options = {}) {
	const feed = await scene.feed({ rooms: true, socketio: RECOVERY, ...options });
	const load = feedLoad(scene, feed, STREAMS, { rate: 500 });

	feed.payloads = [];
	feed.onConnection = (socket) => feed.payloads.push({ ...socket.handshake.auth });
	scene.config(scene.feedConfig(feed, STREAMS, more));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === STREAMS.length, 'the subscriptions');
	return { feed, load, daemon };
}

const again = (feed, before) => waitFor(() => feed.counters.connections > before && feed.subscriptions().size === STREAMS.length,
	'the next connection, subscribed');

async function finish(scene, { load, daemon }) {
	load.stop();
	await settled(scene, load);
	await daemon.stop();
}

e2e(`${steps.join(', ')}: a resumed session loses nothing, and leaves no hole`, async (scene) => {
	const world = await start(scene);
	const { feed, load } = world;

	load.start();
	await passes(scene, load);
	world.daemon = await runAccidents(scene, world, steps, STREAMS.length);
	await finish(scene, world);
	await checkOnce(scene, load);
	await checkCovered(scene, { streams: STREAMS });
	assert.equal(feed.counters.recoveries, steps.length, 'every session was resumed');
	assert.equal(feed.counters.subscribes, STREAMS.length, 'a resumed session does not subscribe again');
	const rows = await connectionsOf(scene);
	assert.ok(rows.reduce((sum, row) => sum + row.recovered_events, 0) > 0, 'recovered_events');
	assert.equal(new Set(rows.filter((row) => row.established !== null).map((row) => row.pid)).size, 1, 'one pid for all');
	assert.ok(rows.at(-1).pid !== null && rows.at(-1).resume_offset !== null);
	assert.deepEqual(await scene.sql('SELECT extra FROM event WHERE extra IS NOT NULL LIMIT 3'), []);
}, { timeout: 240_000 + steps.length * 30_000 });

e2e('the offset is taken off; what else stands behind the first argument is kept', async (scene) => {
	const world = await start(scene);
	const { feed, load } = world;
	const event = (n) => ({ path: 'p', params: { ticker: 'T0' }, timestamp: 1400666400 + n, results: [n] });
	const newest = () => feed.io.of('/').adapter.packets.at(-1).id;
	const offset = async () => (await connectionsOf(scene)).at(-1).resume_offset;

	feed.publish(event(1));
	feed.publish(event(2), 'a text');
	feed.publish(event(3), { more: 1 }, 'and a text');
	feed.emitToRoom('p', { ticker: 'T0' }, 'news', 'of another name');
	await scene.stored(3);
	await waitFor(async () => await offset() === newest(), 'the offset of an event of another name');
	feed.emitToRoom('p', { ticker: 'T0' }, 'data', { path: 'p', results: [4] }); // no timestamp
	await waitFor(async () => await offset() === newest(), 'the offset of a rejected event');
	await finish(scene, { ...world, load });
	assert.deepEqual(await scene.sql('SELECT results, extra FROM event ORDER BY event_id'), [
		{ results: '[1]', extra: null },
		{ results: '[2]', extra: '{"args":["a text"]}' },
		{ results: '[3]', extra: '{"args":[{"more":1},"and a text"]}' },
	]);
	const rejected = await scene.sql('SELECT count(*) AS n FROM rejected');
	assert.deepEqual(rejected, [{ n: 1 }]);
});

e2e('without recovery a last text is no offset', async (scene) => {
	const { feed, daemon } = await start(scene, {}, { socketio: {} });

	feed.publish({ path: 'p', params: { ticker: 'T0' }, timestamp: 1400666400, results: [1] }, 'a text');
	await scene.stored(1);
	await daemon.stop();
	assert.deepEqual(await scene.sql('SELECT extra FROM event'), [{ extra: '{"args":["a text"]}' }]);
	const [row] = await connectionsOf(scene);
	assert.deepEqual([row.pid, row.resume_offset], [null, null]);
});

e2e('events that were missed come before the session is confirmed, and are recorded', async (scene) => {
	const world = await start(scene);
	const { feed, load } = world;

	load.next();
	await scene.stored(1);
	feed.cut();
	await waitFor(() => feed.sockets.size === 0, 'the loss');
	for (let i = 0; i < 500; i++)
		load.next();
	await again(feed, 1);
	await finish(scene, world);
	await checkOnce(scene, load);
	const rows = await connectionsOf(scene);
	assert.equal(rows.at(-1).recovered_events, 500);
	assert.equal(feed.counters.recoveries, 1);
	assert.equal(feed.payloads.at(-1).pid, rows[0].pid);
	assert.equal(typeof feed.payloads.at(-1).offset, 'string');
});

e2e('the same content twice, once before a loss and once after, is two events of a resumed session', async (scene) => {
	const { feed, daemon } = await start(scene);
	const event = { path: 'p', params: { ticker: 'T0' }, timestamp: 1400666400, results: ['same'] };

	feed.publish(event);
	await scene.stored(1);
	feed.cut();
	await again(feed, 1);
	feed.publish(event);
	feed.publish({ ...event, results: ['last'] });
	await waitFor(async () => (await scene.sql("SELECT 1 AS x FROM event WHERE results = '[\"last\"]'")).length === 1, 'the last event');
	await daemon.stop();
	assert.deepEqual(await scene.sql("SELECT count(*) AS n FROM event WHERE results = '[\"same\"]'"), [{ n: 2 }]);
});

e2e('a pid that the server does not know is an ordinary reconnect, with a gap', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon } = world;

	load.start();
	await passes(scene, load);
	const before = feed.counters.connections;
	await feed.stop();
	await sleep(300); // events go nowhere
	await feed.start();
	await again(feed, before);
	await passes(scene, load);
	await finish(scene, world);
	assert.equal(typeof feed.payloads.at(-1).pid, 'string', 'the pid was tried');
	assert.equal(feed.counters.recoveries, 0);
	assert.equal(feed.counters.subscribes, 2 * STREAMS.length);
	const { missing, doubled, strange } = await compare(scene, load);
	assert.deepEqual([doubled, strange], [[], []]);
	assert.ok(missing.length > 0);
	await checkInGaps(scene, load, missing);
	assert.deepEqual([...new Set((await gaps(scene)).map((gap) => gap.cause))], ['network']);
	assert.match(daemon.stderr, /disconnected .*reason=network/);
});

e2e('"resume": false never sends a pid', async (scene) => {
	const world = await start(scene, { resume: false });
	const { feed, load } = world;

	load.start();
	await passes(scene, load);
	feed.cut();
	await again(feed, 1);
	await passes(scene, load);
	world.daemon.kill();
	await world.daemon.exit();
	world.daemon = scene.daemon();
	await again(feed, 2);
	await passes(scene, load);
	await finish(scene, world);
	assert.deepEqual(feed.payloads.map((payload) => [payload.pid, payload.offset]), Array(3).fill([undefined, undefined]));
	assert.equal(feed.counters.recoveries, 0);
	assert.equal(feed.counters.subscribes, 3 * STREAMS.length);
	// The server marks its events whether a client resumes or not.
	assert.deepEqual(await scene.sql('SELECT extra FROM event WHERE extra IS NOT NULL LIMIT 3'), []);
	const { missing, doubled } = await compare(scene, load);
	assert.deepEqual(doubled, []);
	await checkInGaps(scene, load, missing);
});
