// Each cause of a gap, acted out: the rows of the view `gap` say when it began, when it ended, and why, to within
// a second. Times are those of the server, or of this test. The last test looks that none is left out.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { streamKey } from '../peers/feed-server.mjs';
import { TcpProxy } from '../peers/tcp-proxy.mjs';
import { checkInGaps, checkOnce, compare, feedLoad, gaps, passes, tickers } from './numbered.mjs';
import { e2e, gate, preloaded, SLACK, waitFor } from './support.mjs';

const run = promisify(execFile);
const SECOND_MS = 1000;
const STREAMS = tickers(4);
const DOWN_MS = 1500;
const QUICK_PINGS = { pingInterval: 1000, pingTimeout: 1000 };
const shown = new Set(); // causes
const off = { started: 0, ended: 0 }; // the largest errors, in ms

// ---- what a gap should be ----

// `want`: { cause, started, ended } in ms, or null for an end that has not come.
function checkGap(gap, want) {
	const what = `${want.cause} from ${new Date(want.started).toISOString()}: ${JSON.stringify(gap)}`;

	assert.equal(gap.cause, want.cause, what);
	for (const which of ['started', 'ended']) {
		if (want[which] === null) {
			assert.equal(gap[which], null, what);
			continue;
		}
		const error = Math.abs(gap[which] / 1000 - want[which]);

		assert.ok(gap[which] !== null && error <= SECOND_MS, `${error} ms off where it ${which}, ${what}`);
		off[which] = Math.max(off[which], error);
	}
	shown.add(want.cause);
}

const gapsOf = async (scene, stream, feed = 'test') => (await gaps(scene, feed))
	.filter((gap) => gap.path === stream.path && gap.params === JSON.stringify(stream.params ?? {}));

// The gaps of each of the streams are these, in order.
async function checkGaps(scene, streams, wants, feed = 'test') {
	for (const stream of streams) {
		const found = await gapsOf(scene, stream, feed);

		assert.deepEqual(found.map((gap) => gap.cause), wants.map((want) => want.cause), JSON.stringify(found));
		found.forEach((gap, i) => checkGap(gap, wants[i]));
	}
}

function tellErrors(t) {
	t.diagnostic(`so far at most ${off.started.toFixed(1)} ms off at the start of a gap, ${off.ended.toFixed(1)} ms at its end`);
}

// ---- a feed under load ----

async function start(scene, options = {}, more = {}) {
	const { streams = STREAMS, rate = 100, pad = 0, top = {}, daemonOptions = {}, begin = true, ...rest } = more;
	const feed = await scene.feed(options);
	const load = feedLoad(scene, feed, streams.map(({ path, params = {} }) => ({ path, params })), { rate, pad });

	scene.config(scene.feedConfig(feed, streams, rest), top);
	const daemon = scene.daemon(undefined, [], daemonOptions);
	const world = { feed, load, daemon, streams };
	if (begin) {
		await subscribed(world);
		load.start();
		await passes(scene, load);
	}
	return world;
}

// When the last of the endpoints was subscribed, once all are.
async function subscribed({ feed, streams }) {
	await waitFor(() => feed.subscriptions().size === streams.length, 'the subscriptions', SLACK * 10_000);
	return feed.journal.findLast(({ what }) => what === 'subscribe').at;
}

const momentOf = (daemon, pattern) => Date.parse(pattern.exec(daemon.stderr)[0].split(' ')[0]);

async function finish(scene, { load, daemon }) {
	load.stop();
	await waitFor(async () => (await scene.sql(`SELECT 1 FROM event WHERE json_extract(results, '$[0].n') = ${load.last}
		AND json_extract(results, '$[0].load') = '${load.name}'`)).length > 0, 'the last number', SLACK * 10_000);
	await daemon.stop();
}

// Each number is stored once, or was sent inside a gap.
async function checkNumbers(scene, load, feed = 'test') {
	const { missing, doubled, strange } = await compare(scene, load, feed);

	assert.deepEqual([doubled.length, strange.length], [0, 0], 'stored twice, or strange');
	await checkInGaps(scene, load, missing, { feed });
	return missing.length;
}

async function down(world, ms = DOWN_MS) {
	const at = Date.now();

	await world.feed.stop();
	await sleep(ms);
	return at;
}

e2e('network, server_closed, network and then token', async (scene, t) => {
	const world = await start(scene);
	const { feed, load } = world;
	const wants = [];
	const back = async () => {
		const at = await subscribed(world);

		await passes(scene, load);
		return at;
	};

	const lost = await down(world);
	await feed.start();
	wants.push({ cause: 'network', started: lost, ended: await back() });

	const closed = Date.now();
	feed.kick({ close: true });
	await waitFor(() => feed.sockets.size === 0, 'the close');
	await down(world);
	await feed.start();
	wants.push({ cause: 'server_closed', started: closed, ended: await back() });

	const lostAgain = await down(world);
	feed.admits = () => Object.assign(new Error('invalid token'), { data: { code: 401 } });
	await feed.start();
	await waitFor(() => feed.counters.refused > 0, 'a refusal', SLACK * 10_000);
	const refused = feed.journal.find(({ what }) => what === 'refused').at;
	await sleep(DOWN_MS);
	feed.admits = () => null;
	wants.push({ cause: 'network', started: lostAgain, ended: refused }, { cause: 'token', started: refused, ended: await back() });

	await finish(scene, world);
	await checkGaps(scene, STREAMS, wants);
	assert.ok(await checkNumbers(scene, load) > 0);
	tellErrors(t);
});

e2e('no token at the start; a token endpoint that is not reached is the network', async (scene, t) => {
	const [refusing, unreachable] = [await scene.feed({ jwt: { status: 401 } }), await scene.feed()];

	await unreachable.stop();
	scene.config([scene.feedConfig(refusing, STREAMS, { name: 'refusing' }), scene.feedConfig(unreachable, STREAMS, { name: 'unreachable' })]);
	const began = Date.now();
	const daemon = scene.daemon();
	await waitFor(() => refusing.tokenRequests.length > 0, 'a request');
	await sleep(DOWN_MS);
	refusing.jwt.status = 200;
	await unreachable.start();
	for (const [name, feed, cause] of [['refusing', refusing, 'token'], ['unreachable', unreachable, 'network']]) {
		const ended = await subscribed({ feed, streams: STREAMS });

		await waitFor(async () => (await gaps(scene, name)).every((gap) => gap.ended !== null), `the end of the gaps of ${name}`);
		await checkGaps(scene, STREAMS, [{ cause, started: began, ended }], name);
	}
	await daemon.stop();
	tellErrors(t);
});

e2e('heartbeat: from the last byte, not from when the silence was noticed', async (scene, t) => {
	const feed = await scene.feed({ socketio: QUICK_PINGS });
	const proxy = await scene.peer(new TcpProxy({ target: { port: feed.port } }));
	const load = feedLoad(scene, feed, STREAMS, { rate: 100 });

	scene.config(scene.feedConfig(feed, STREAMS, { url: `http://127.0.0.1:${proxy.port}` }));
	const world = { feed, load, daemon: scene.daemon(), streams: STREAMS };
	await subscribed(world);
	load.start();
	await passes(scene, load);
	const frozen = Date.now();
	proxy.isFrozen = true;
	await world.daemon.says(/disconnected .*reason=heartbeat/);
	await waitFor(() => feed.sockets.size === 0, 'the loss');
	proxy.isFrozen = false;
	const ended = await subscribed(world);
	await passes(scene, load);
	await finish(scene, world);
	await checkGaps(scene, STREAMS, [{ cause: 'heartbeat', started: frozen, ended }]);
	await checkNumbers(scene, load);
	tellErrors(t);
});

e2e('refused and silent: gaps of the stream alone', async (scene, t) => {
	const [refused, silent] = [{ path: 'bad', params: {} }, { path: 'thin', params: {} }];
	const streams = [...STREAMS, refused, { ...silent, expect_every: '300ms' }];
	const feed = await scene.feed();
	const load = feedLoad(scene, feed, STREAMS, { rate: 100 });
	const speak = () => feed.publish({ ...silent, timestamp: Date.now(), results: [] });

	feed.refuse(refused.path, {}, 'not today');
	scene.config(scene.feedConfig(feed, streams));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === streams.length - 1, 'the subscriptions');
	const asked = feed.journal.find(({ key }) => key === streamKey('bad')).at;
	load.start();
	speak();
	const spoken = Date.now();
	await sleep(DOWN_MS);
	feed.refuse(refused.path, {}, null);
	const granted = await subscribed({ feed, streams });
	await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover', SLACK * 5000);
	speak();
	const again = Date.now();
	await passes(scene, load);
	await waitFor(async () => (await gaps(scene)).every((gap) => gap.ended !== null), 'the end of the gaps');
	await finish(scene, { load, daemon });
	await checkOnce(scene, load);
	await checkGaps(scene, STREAMS, []);
	await checkGaps(scene, [refused], [{ cause: 'refused', started: asked, ended: granted }]);
	await checkGaps(scene, [silent], [{ cause: 'silent', started: spoken, ended: again }]);
	assert.deepEqual(await scene.sql("SELECT DISTINCT detail FROM gap WHERE cause = 'refused'"), [{ detail: 'not today' }]);
	tellErrors(t);
});

e2e('crash and stopped: while no daemon runs the gap is open', async (scene, t) => {
	const world = await start(scene);
	const { load } = world;
	const wants = [];

	for (const [cause, signal] of [['crash', 'SIGKILL'], ['stopped', 'SIGTERM']]) {
		const started = Date.now();

		world.daemon.signal(signal);
		await world.daemon.exit();
		await waitFor(async () => (await scene.sql('SELECT count(*) AS n FROM gap WHERE ended IS NULL'))[0].n === STREAMS.length, 'open gaps');
		for (const gap of await scene.sql('SELECT started, ended, cause FROM gap WHERE ended IS NULL'))
			checkGap(gap, { cause, started, ended: null });
		world.daemon = scene.daemon();
		await world.daemon.says(/subscribed/);
		wants.push({ cause, started, ended: await subscribed(world) });
		await passes(scene, load);
	}
	await finish(scene, world);
	await checkGaps(scene, STREAMS, wants);
	assert.ok(await checkNumbers(scene, load) > 0);
	tellErrors(t);
});

e2e('an endpoint is wanted from the reload on that adds it, and not after the one that removes it', async (scene, t) => {
	const [gone, ...kept] = STREAMS;
	const added = { path: 'added', params: {} };
	const world = await start(scene);
	const { feed, load } = world;
	const confirmation = gate();

	// Which its server confirms late: the time until then is a gap.
	feed.ackGate = (socket, what, key) => (key === streamKey(added.path) ? confirmation.promise : null);
	scene.config(scene.feedConfig(feed, [...kept, added]));
	const reloaded = Date.now();
	world.daemon.signal('SIGHUP');
	await waitFor(() => feed.subscriptions().has(streamKey(added.path)) && !feed.subscriptions().has(streamKey(gone.path, gone.params)), 'the change');
	await sleep(DOWN_MS);
	const confirmed = Date.now();
	confirmation.open();
	await world.daemon.says(/the configuration was read again/);
	await passes(scene, load);
	world.streams = [...kept, added];
	const lost = await down(world); // what is not wanted any more has no part in it
	await feed.start();
	const ended = await subscribed(world);
	await passes(scene, load);
	load.stop();
	await world.daemon.stop();
	const all = await scene.sql("SELECT path, params, started, ended, cause FROM gap WHERE path = 'added' ORDER BY started");
	checkGap(all[0], { cause: 'starting', started: reloaded, ended: confirmed });
	checkGap(all[1], { cause: 'network', started: lost, ended });
	assert.deepEqual(all.slice(2).map(({ cause }) => cause), ['stopped']);
	await checkGaps(scene, kept, [{ cause: 'network', started: lost, ended }]);
	await checkGaps(scene, [gone], []);
	const [{ at }] = await scene.sql(`SELECT max(ended) / 1000 AS at FROM wanted JOIN stream USING (stream_id) WHERE params = '${JSON.stringify(gone.params)}'`);
	assert.ok(Math.abs(at - reloaded) <= SECOND_MS, `not wanted ${at - reloaded} ms after the reload`);
	tellErrors(t);
});

// ---- a disk that takes nothing any more ----

// A file system of the test's own that is filled to the last byte. False where it may not mount one.
function mountSmall(scene) {
	try {
		execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', scene.dir], { stdio: 'ignore' });
	} catch {
		return false;
	}
	scene.peers.push({ stop: () => execFileSync('umount', ['-l', scene.dir]) });
	scene.write('api-key', `${scene.key}\n`);
	scene.own.add('filler');
	return true;
}

// Elsewhere, so that the servers of this process go on meanwhile.
const fillSmall = (scene) => run('sh', ['-c', 'cat /dev/zero > "$1" || true', 'sh', scene.file('filler')]);

const DISKS = {
	'a full file system': {
		prepare: mountSmall,
		fill: fillSmall,
		empty: (scene) => rmSync(scene.file('filler')),
	},
	'a limit on file size': {
		prepare: () => true,
		// Not a byte more anywhere: in a smaller file there is room again once its WAL begins anew.
		fill: (scene, daemon) => run('prlimit', [`--pid=${daemon.pid}`, '--fsize=1:']),
		empty: (scene, daemon) => execFileSync('prlimit', [`--pid=${daemon.pid}`, '--fsize=unlimited:']),
	},
};

const READING_STOPS = /^.*reading stops.*$/m;

// Since when nothing is read, by the daemon's word; null while it reads.
function stoppedAt(daemon) {
	const last = daemon.stderr.split('\n').filter((line) => /reading (stops|goes on)/.test(line)).at(-1) ?? '';

	return READING_STOPS.test(last) ? Date.parse(last.slice(0, 24)) : null;
}

const BUSY = { rate: 1000, pad: 1000, top: { buffer: '1MiB' } };

for (const [name, wish] of Object.entries(DISKS)) {
	e2e(`disk: ${name}, until the server has dropped us; then it goes on by itself`, async (scene, t) => {
		const disk = wish.prepare(scene) ? wish : DISKS['a limit on file size'];

		if (disk !== wish)
			t.diagnostic('no file system may be mounted here: the limit on file size again');
		const other = await scene.feed({ needToken: false });
		const world = await start(scene, { socketio: QUICK_PINGS }, BUSY);
		const { feed, load, daemon } = world;
		const otherLoad = feedLoad(scene, other, STREAMS, { name: 'other', rate: 10 });

		// A feed that is down at that time is not connected to while nothing is read.
		scene.config([scene.feedConfig(feed, STREAMS), scene.feedConfig(other, STREAMS, { name: 'other' })], BUSY.top);
		daemon.signal('SIGHUP');
		await subscribed({ feed: other, streams: STREAMS });
		otherLoad.start();
		await passes(scene, otherLoad, 'other');
		const otherLost = Date.now();
		await other.stop();
		await disk.fill(scene, daemon);
		const filled = Date.now();
		await daemon.says(/cannot store, trying again/);
		const held = await waitFor(() => daemon.stderr.split('\n').filter((line) => line.includes('not connecting while reading has stopped'))
			.map((line) => Date.parse(line.slice(0, 24))).find((at) => at >= otherLost), 'the other feed to be held back');
		await other.start();
		await waitFor(() => feed.sockets.size === 0, 'the server to drop us');
		await sleep(DOWN_MS);
		assert.deepEqual([feed.counters.connections, other.counters.connections], [1, 1], 'nothing connects while nothing is read');
		// A busy disk may have stopped it for a moment before, and so often is it not told again.
		const paused = stoppedAt(daemon) ?? filled;
		disk.empty(scene, daemon);
		await daemon.says(/storing again/);
		const [ended, otherEnded] = [await subscribed(world), await subscribed({ feed: other, streams: STREAMS })];
		await passes(scene, load);
		await passes(scene, otherLoad, 'other');
		otherLoad.stop();
		await finish(scene, world);
		await checkGaps(scene, STREAMS, [{ cause: 'disk', started: paused, ended }]);
		await checkGaps(scene, STREAMS, [{ cause: 'network', started: otherLost, ended: held }, { cause: 'disk', started: held, ended: otherEnded }], 'other');
		assert.ok(await checkNumbers(scene, load) > 0);
		await checkNumbers(scene, otherLoad, 'other');
		tellErrors(t);
	});
}

e2e('disk: SIGTERM while nothing can be stored tells how much is lost; the next start has the gap', async (scene, t) => {
	const disk = DISKS['a limit on file size'];
	const world = await start(scene, {}, BUSY);
	const { feed, load, daemon } = world;

	await disk.fill(scene, daemon);
	const full = Date.now();
	await daemon.says(/cannot store, trying again/);
	daemon.signal('SIGTERM');
	assert.deepEqual(await daemon.exit(), { code: 1, signal: null });
	assert.match(daemon.stderr, /could not be stored and are lost .*events=[1-9]\d*/);
	world.daemon = scene.daemon();
	await world.daemon.says(/subscribed/);
	const ended = await subscribed(world);
	await passes(scene, load);
	await finish(scene, world);
	await checkGaps(scene, STREAMS, [{ cause: 'crash', started: full, ended }]);
	assert.ok(await checkNumbers(scene, load) > 0);
	assert.ok(feed.counters.unsubscribes >= STREAMS.length, 'it has said goodbye');
	tellErrors(t);
});

e2e('overload: a disk that is slow, until the server has dropped us', async (scene, t) => {
	const slow = scene.file('slow');
	const world = await start(scene, { socketio: QUICK_PINGS },
		{ ...BUSY, daemonOptions: preloaded(scene, 'slow_disk.c', { TAPEDECK_SLOW_DISK: slow }) });
	const { feed, load, daemon } = world;

	scene.write('slow', '6000');
	await daemon.says(READING_STOPS);
	const paused = momentOf(daemon, READING_STOPS);
	await waitFor(() => feed.sockets.size === 0, 'the server to drop us');
	rmSync(slow);
	const ended = await subscribed(world);
	await passes(scene, load);
	await finish(scene, world);
	assert.doesNotMatch(daemon.stderr, /cannot store/);
	await checkGaps(scene, STREAMS, [{ cause: 'overload', started: paused, ended }]);
	assert.ok(await checkNumbers(scene, load) > 0);
	tellErrors(t);
});

// What waits unread behind a slow disk is lost when the daemon ends, and was sent long before that.
for (const [signal, cause] of [['SIGKILL', 'crash'], ['SIGTERM', 'overload']]) {
	e2e(`${signal} while reading is behind: the gap begins where reading first stopped`, async (scene, t) => {
		const slow = scene.file('slow');
		const options = preloaded(scene, 'slow_disk.c', { TAPEDECK_SLOW_DISK: slow });
		const world = await start(scene, {}, { ...BUSY, pad: 5000, daemonOptions: options });
		const { load, daemon } = world;

		scene.write('slow', '800');
		await daemon.says(READING_STOPS);
		const paused = momentOf(daemon, READING_STOPS);
		await sleep(3 * DOWN_MS);
		daemon.signal(signal);
		const ended = Date.now();
		load.stop();
		if (signal === 'SIGTERM')
			await daemon.says(/disconnected /);
		rmSync(slow);
		assert.equal((await daemon.exit()).code, signal === 'SIGTERM' ? 0 : null);
		if (signal === 'SIGTERM') {
			await checkGaps(scene, STREAMS, [{ cause, started: paused, ended }]);
		} else {
			world.daemon = scene.daemon();
			await world.daemon.says(/subscribed/);
			const back = await subscribed(world);
			await world.daemon.stop();
			await checkGaps(scene, STREAMS, [{ cause, started: paused, ended: back }]);
		}
		assert.ok(await checkNumbers(scene, load) > 0);
		tellErrors(t);
	});
}

e2e('a slow disk alone is no gap, nor is a full one for a moment', async (scene) => {
	const slow = scene.file('slow');
	const world = await start(scene, {}, { ...BUSY, rate: 2000, daemonOptions: preloaded(scene, 'slow_disk.c', { TAPEDECK_SLOW_DISK: slow }) });
	const { feed, load, daemon } = world;
	const disk = DISKS['a limit on file size'];

	scene.write('slow', '800');
	await daemon.says(READING_STOPS);
	await sleep(2 * DOWN_MS);
	rmSync(slow);
	await passes(scene, load);
	await disk.fill(scene, daemon);
	await daemon.says(/cannot store, trying again/);
	await sleep(2 * DOWN_MS);
	disk.empty(scene, daemon);
	await daemon.says(/storing again/);
	await finish(scene, world);
	await checkOnce(scene, load);
	await checkGaps(scene, STREAMS, []);
	assert.equal(feed.counters.connections, 1);
});

test('every cause that the README names was shown, and no other', () => {
	const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
	const table = readme.split('\n| `cause` | |\n|---|---|\n')[1].split('\n\n')[0];
	const named = table.split('\n').flatMap((row) => [...row.split('|')[1].matchAll(/`(\w+)`/g)].map(([, cause]) => cause));

	assert.deepEqual([...shown].sort(), named.sort());
});
