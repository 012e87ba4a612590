// Handovers: a second connection takes over while both record. Nothing is lost, doubled or uncovered, on a
// token's refresh and by hand; and what may go wrong on the way leaves the recording whole.
// TAPEDECK_HANDOVERS=N: how many in a row (10).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { BitbankServer } from '../peers/exchange-servers.mjs';
import { streamKey } from '../peers/feed-server.mjs';
import { checkCovered, checkInGaps, checkOnce, compare, connectionsOf, feedLoad, gaps, Load, passes, settled, tickers } from './numbered.mjs';
import { e2e, gate, SLACK, waitFor } from './support.mjs';

const HANDOVERS = Number(process.env.TAPEDECK_HANDOVERS ?? 10);
const REFRESHES = 2; // of them by a token that is near its end
const SHORT_S = 2; // the life of those tokens
const STREAMS = tickers(100);
const TIMEOUT = { timeout: 240_000 + HANDOVERS * 5000 };

const live = (feed, n = STREAMS.length) => waitFor(() => feed.sockets.size === 1 && feed.subscriptions().size === n,
	`${n} subscriptions on one connection`);

// The n-th connection has taken over: it is there, alone.
const handedOver = (feed, n) => waitFor(() => feed.counters.connections === n && feed.sockets.size === 1,
	`connection ${n}, alone`, SLACK * 5000);

// ---- many in a row, under load ----

async function startFeeds(scene, version) {
	const feeds = [];

	for (const transport of ['websocket', 'polling']) {
		const lifetime = (issued) => (issued < REFRESHES ? SHORT_S : null);
		const feed = await scene.feed({ version, jwt: { lifetime } });

		feed.refuse('bad', {}, 'no such path');
		feeds.push({ name: transport, feed, load: feedLoad(scene, feed, STREAMS, { name: transport, twins: 37 }) });
	}
	scene.config(feeds.map(({ name, feed }) => scene.feedConfig(feed, [...STREAMS, { path: 'bad' }], { name, transports: [name] })));
	return feeds;
}

async function checkConnections(scene, name, feed) {
	const rows = await connectionsOf(scene, name);
	const duplicates = rows.reduce((sum, row) => sum + row.duplicate_events, 0);
	const stored = rows.reduce((sum, row) => sum + row.stored_events, 0);
	const [{ n }] = await scene.sql(`SELECT count(*) AS n FROM event JOIN stream USING (stream_id) JOIN feed f USING (feed_id) WHERE f.name = '${name}'`);

	assert.deepEqual(rows.map((row) => row.close_reason), [...Array(HANDOVERS).fill('handover'), 'stopped']);
	assert.deepEqual([...new Set(rows.map((row) => row.transport))], [name]);
	assert.equal(stored, n, 'stored_events of all connections');
	assert.ok(duplicates > 0, 'two connections never recorded the same event');
	assert.equal(feed.used.length, HANDOVERS + 1);
	assert.equal(new Set(feed.used).size, REFRESHES + 1, 'each refresh brings a token of its own, a signal uses the one there is');
	// The one that is refused may be left, too, where its answer was still to come.
	assert.equal(feed.unsubscribed.filter((key) => key !== streamKey('bad')).length, (HANDOVERS + 1) * STREAMS.length,
		'each connection leaves each endpoint once');
}

for (const version of [4, 2]) {
	e2e(`version ${version}: ${HANDOVERS} handovers under load, on websocket and polling, lose and double nothing`, async (scene) => {
		const feeds = await startFeeds(scene, version);
		const daemon = scene.daemon();

		for (const { feed, load } of feeds) {
			await waitFor(() => feed.subscriptions().size === STREAMS.length, 'the first subscriptions');
			load.start();
		}
		for (const { feed } of feeds)
			await handedOver(feed, REFRESHES + 1);
		for (let n = REFRESHES + 1; n <= HANDOVERS; n++) {
			daemon.signal('SIGUSR1');
			for (const { feed } of feeds)
				await handedOver(feed, n + 1);
		}
		for (const { name, load } of feeds) {
			load.stop();
			await settled(scene, load, name);
		}
		await daemon.stop();
		for (const { name, feed, load } of feeds) {
			await checkOnce(scene, load, name);
			await checkCovered(scene, { feed: name, streams: STREAMS, except: ['bad'] });
			await checkConnections(scene, name, feed);
		}
	}, TIMEOUT);
}

// ---- what may go wrong on the way ----

async function start(scene, options = {}, more = {}) {
	const feed = await scene.feed(options);
	const load = feedLoad(scene, feed, STREAMS);

	scene.config(scene.feedConfig(feed, STREAMS, more));
	const daemon = scene.daemon();
	await live(feed);
	load.start();
	await passes(scene, load);
	return { feed, load, daemon };
}

async function finish(scene, { load, daemon }) {
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	await checkCovered(scene, { streams: STREAMS });
}

e2e('a server that refuses the second connection keeps the first, and is asked again with growing pauses', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon } = world;
	const refusals = () => feed.journal.filter((entry) => entry.what === 'refused');

	feed.admits = () => new Error('no more room');
	daemon.signal('SIGUSR1');
	await waitFor(() => refusals().length >= 3, 'a third try');
	await sleep(2000);
	const { length } = refusals();
	assert.ok(length <= 8, `${length} tries in ${refusals().at(-1).at - refusals()[0].at} ms`);
	assert.equal(feed.counters.connections, 1, 'the first connection stays');
	assert.equal(feed.counters.unsubscribes, 0);
	await passes(scene, load);
	feed.admits = () => null;
	await handedOver(feed, 2);
	await passes(scene, load);
	await finish(scene, world);
	const rows = await connectionsOf(scene);
	assert.deepEqual(rows.filter((row) => row.established !== null).map((row) => row.close_reason), ['handover', 'stopped']);
});

e2e('a first connection that is lost during the handover leaves no hole: the second records on', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon } = world;
	const { promise, open } = gate();

	feed.ackGate = (socket) => (socket === 2 ? promise : Promise.resolve());
	daemon.signal('SIGUSR1');
	await waitFor(() => feed.journal.filter(({ what, socket }) => what === 'subscribe' && socket === 2).length === STREAMS.length,
		'everything asked for on the second connection');
	await passes(scene, load);
	assert.equal(feed.counters.unsubscribes, 0, 'nothing is left before all is confirmed');
	feed.cutOne(1);
	await waitFor(() => feed.sockets.size === 1, 'the loss');
	await passes(scene, load);
	open();
	await passes(scene, load);
	await finish(scene, world);
	assert.equal(feed.counters.connections, 2, 'no third connection');
	const rows = await connectionsOf(scene);
	assert.deepEqual(rows.map((row) => row.close_reason), ['network', 'stopped']);
});

e2e('a first connection that is lost before the second has joined leaves a gap with its cause', async (scene) => {
	const { feed, load, daemon } = await start(scene);

	feed.admitDelay = 1500;
	daemon.signal('SIGUSR1');
	await daemon.says(/handing over/);
	await sleep(300);
	feed.cutOne(1);
	await waitFor(() => feed.counters.connections === 2 && feed.subscriptions().size === STREAMS.length, 'the second connection');
	await passes(scene, load);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	const { missing, doubled } = await compare(scene, load);
	assert.deepEqual(doubled, []);
	assert.ok(missing.length > 0);
	await checkInGaps(scene, load, missing);
	const found = await gaps(scene);
	assert.equal(found.length, STREAMS.length, 'one gap for each');
	assert.deepEqual([...new Set(found.map((gap) => gap.cause))], ['network']);
	assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['network', 'stopped']);
});

e2e('an endpoint that is refused on the second connection is a gap from the end of the first on', async (scene) => {
	const { feed, load, daemon } = await start(scene);
	const { path, params } = STREAMS[0];

	feed.refuse(path, params, 'sold out');
	daemon.signal('SIGUSR1');
	await handedOver(feed, 2);
	await passes(scene, load);
	await sleep(300);
	const found = await gaps(scene);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	assert.equal(found.length, 1, JSON.stringify(found));
	assert.equal(found[0].params, JSON.stringify(params));
	assert.deepEqual([found[0].cause, found[0].ended], ['refused', null]);
	const { missing } = await compare(scene, load);
	assert.ok(missing.length > 0 && missing.every((n) => load.streamOf(n) === STREAMS[0]));
	await checkInGaps(scene, load, missing);
});

e2e('a second connection that is lost during the handover costs nothing, and the handover is tried again', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon } = world;
	const never = new Promise(() => {});

	feed.ackGate = (socket) => (socket === 2 ? never : Promise.resolve());
	daemon.signal('SIGUSR1');
	await waitFor(() => feed.journal.some(({ what, socket }) => what === 'subscribe' && socket === 2), 'a subscribe on the second connection');
	feed.cutOne(2);
	await handedOver(feed, 3);
	await passes(scene, load);
	await finish(scene, world);
	const rows = await connectionsOf(scene);
	assert.deepEqual(rows.map((row) => row.close_reason), ['handover', 'network', 'stopped']);
});

e2e('SIGTERM in the middle of a handover commits what both have received', async (scene) => {
	const { feed, load, daemon } = await start(scene);
	const never = new Promise(() => {});

	feed.ackGate = (socket, what) => (socket === 2 && what === 'subscribe' ? never : Promise.resolve());
	daemon.signal('SIGUSR1');
	await waitFor(() => feed.journal.filter(({ what, socket }) => what === 'subscribe' && socket === 2).length === STREAMS.length,
		'everything asked for on the second connection');
	await passes(scene, load);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	await checkCovered(scene, { streams: STREAMS });
	assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['stopped', 'stopped']);
});

e2e('the first connection is read on until each of its unsubscribes is answered', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon } = world;
	const { promise, open } = gate();
	let isRead = true;

	feed.ackGate = (socket, what) => (socket === 1 && what === 'unsubscribe' ? promise : Promise.resolve());
	daemon.signal('SIGUSR1');
	await waitFor(() => feed.counters.unsubscribes === STREAMS.length, 'all unsubscribed on the first connection');
	// What the first alone gets must be recorded, too.
	const late = new Load((event) => feed.emitRaw(`2["data",${JSON.stringify(event)}]`,
		[...feed.numbers].find(([, number]) => number === 1)[0]), STREAMS, { name: 'late' });
	for (let i = 0; i < 50; i++)
		late.next();
	await settled(scene, late);
	isRead = feed.sockets.size === 2;
	open();
	await handedOver(feed, 2);
	await passes(scene, load);
	await finish(scene, world);
	assert.ok(isRead, 'the first was closed before its answers had come');
	await checkOnce(scene, late);
});

const RECOVERY = { connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true } };

e2e('a handover never sends the old pid: the new connection is a session of its own', async (scene) => {
	const payloads = [];
	const world = await start(scene, { rooms: true, socketio: RECOVERY });
	const { feed, load, daemon } = world;

	feed.onConnection = (socket) => payloads.push({ ...socket.handshake.auth, recovered: socket.recovered });
	for (let n = 2; n <= 4; n++) {
		daemon.signal('SIGUSR1');
		await handedOver(feed, n);
		await passes(scene, load);
	}
	await finish(scene, world);
	assert.deepEqual(payloads, Array(3).fill({ recovered: false }), 'what CONNECT carried');
	const pids = (await connectionsOf(scene)).map((row) => row.pid);
	assert.equal(new Set(pids).size, 4, 'each session has its own pid');
	assert.ok(!pids.includes(null));
});

// ---- a feed without acks ----

const ROOMS = Array.from({ length: 10 }, (_, i) => [{ path: `ticker_c${i}_jpy` }, { path: `transactions_c${i}_jpy` }]).flat();
const OVERLAP_MS = 1500;
const BITBANK = {
	subscribe: { event: 'join-room', args: ['$path'], ack: false },
	unsubscribe: { event: 'leave-room', args: ['$path'], ack: false },
	data: { event: 'message', path: '/room_name', timestamp: '/message/data/0/timestamp', results: '/message/data' },
};

// Tickers carry a time, transactions none.
function bitbankMessage(event, number) {
	const [result] = event.results;
	const time = event.path.startsWith('ticker') ? { timestamp: Date.parse(event.timestamp) } : {};

	return JSON.stringify({ pid: number, data: [{ ...result, ...time }] });
}

for (const version of [4, 2]) {
	e2e(`version ${version}: without acks both connections record for handover_overlap, and a slow join loses nothing`, async (scene) => {
		const server = await scene.peer(new BitbankServer({ version, joinDelay: 300 }));
		const names = ROOMS.map((room) => room.path);
		const load = new Load((event, n) => server.publishText(event.path, bitbankMessage(event, n)), ROOMS, { rate: 500 });
		const times = [];

		scene.loads.push(load);
		scene.config({ name: 'test', url: server.url, dialect: BITBANK, handover_overlap: `${OVERLAP_MS}ms`, endpoints: ROOMS });
		const daemon = scene.daemon();
		await waitFor(() => server.names().length === names.length, 'all rooms');
		load.start();
		await passes(scene, load);
		server.io.on('connection', (socket) => times.push(Date.now(), socket));
		const [first] = server.members.keys();
		first.on('disconnect', () => times.push(Date.now()));
		daemon.signal('SIGUSR1');
		await waitFor(() => server.connections === 2 && server.members.size === 1, 'the second connection, alone');
		await passes(scene, load);
		load.stop();
		await settled(scene, load);
		await daemon.stop();
		await checkOnce(scene, load);
		await checkCovered(scene, { streams: ROOMS });
		assert.ok(times[2] - times[0] >= OVERLAP_MS * 0.9, `both were there for ${times[2] - times[0]} ms`);
		const rows = await connectionsOf(scene);
		assert.deepEqual(rows.map((row) => row.close_reason), ['handover', 'stopped']);
		const duplicates = rows.reduce((sum, row) => sum + row.duplicate_events, 0);
		assert.ok(duplicates > load.rate * OVERLAP_MS / 1000 / 2, `they recorded only ${duplicates} events together`);
		assert.equal(server.left.length, 2 * names.length, 'each room is left once by each connection');
	});
}
