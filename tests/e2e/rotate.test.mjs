// rotate: a recording in many files. Each is complete in itself; together they are one recording, in which each number
// is there once, whatever happened around a rotation.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { lstatSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { feedLoad, tickers } from './numbered.mjs';
import { e2e, waitFor } from './support.mjs';

const WAL = 2; // SQLite file format, section 1.3: byte 18

const filesOf = (scene) => readdirSync(scene.dir).filter((name) => /^market-\d{8}T\d{6}Z\.db$/.test(name)).sort();
const isSealed = (scene, name) => readFileSync(scene.file(name))[18] !== WAL && (statSync(scene.file(name)).mode & 0o777) === 0o444;
const subscribed = (feed, streams) => waitFor(() => [...feed.subscriptions()].length === streams.length, 'the subscriptions');

// The rows of a query in all files, the oldest first.
async function union(scene, query) {
	const all = [];

	for (const name of filesOf(scene))
		all.push(...(await scene.sql(query, name)).map((row) => ({ file: name, ...row })));
	return all;
}

async function checkUnion(scene, load, first = 1) {
	const events = await union(scene, "SELECT event_id, received, results ->> '$[0].n' AS n FROM event ORDER BY event_id");
	const numbers = events.map((event) => event.n);

	assert.deepEqual(numbers, Array.from({ length: load.last - first + 1 }, (_, i) => first + i));
	events.forEach((event, i) => assert.ok(i === 0 || (event.event_id > events[i - 1].event_id && event.received >= events[i - 1].received),
		`event ${event.event_id} follows ${events[i - 1]?.event_id}`));
	return events;
}

async function start(scene, more, { streams = tickers(10), rate = 500, pad = 0, ...options } = {}) {
	const feed = await scene.feed(options);
	const load = feedLoad(scene, feed, streams, { rate, pad });

	scene.config(scene.feedConfig(feed, streams.map((stream) => ({ ...stream, table: 'ticks', index: [['n']] }))), more);
	const daemon = scene.daemon();
	await subscribed(feed, streams);
	return { feed, load, daemon, streams };
}

async function finish(scene, { load, daemon }) {
	load.stop();
	await waitFor(async () => (await scene.sql("SELECT max(results ->> '$[0].n') AS n FROM event"))[0].n === load.last
		|| (await union(scene, "SELECT max(results ->> '$[0].n') AS n FROM event")).some((row) => row.n === load.last), 'the last number');
	await daemon.stop();
}

e2e('a new file every second: each number once, ids go on, no gap, each file complete in itself', async (scene) => {
	const all = await start(scene, { rotate: '1s' });

	all.load.start();
	await waitFor(() => filesOf(scene).length >= 4, 'four files');
	all.daemon.signal('SIGUSR1');
	await waitFor(() => filesOf(scene).length >= 7, 'seven files');
	await finish(scene, all);

	const files = filesOf(scene);
	const events = await checkUnion(scene, all.load);
	const connections = await union(scene, 'SELECT connection_id, close_reason, stored_events, (SELECT count(*) FROM event e '
		+ 'WHERE e.connection_id = c.connection_id) AS events FROM connection c');
	const rows = await union(scene, 'SELECT n, event_id FROM ticks ORDER BY _row');

	assert.equal(readlinkSync(scene.file('market.db')), files.at(-1));
	// One that ends while the daemon stops is left to the next start.
	const open = files.slice(isSealed(scene, files.at(-2)) ? -1 : -2);
	assert.ok(files.slice(0, -2).every((name) => isSealed(scene, name)), 'a file is not sealed');
	assert.deepEqual(readdirSync(scene.dir).filter((name) => /-(wal|shm)$|\.new|\.link/.test(name) && !open.some((each) => name.startsWith(each))), []);
	assert.deepEqual(rows.map((row) => row.n), events.map((event) => event.n));
	assert.ok(connections.every((c) => c.stored_events === c.events), JSON.stringify(connections));
	assert.ok(connections.some((c) => c.close_reason === 'rotated') && connections.some((c) => c.close_reason === 'handover'));
	assert.deepEqual((await union(scene, 'SELECT * FROM gap')).filter((gap) => !['stopped', 'starting'].includes(gap.cause)), []);
	const streams = await union(scene, 'SELECT stream_id, params FROM stream');
	assert.equal(new Set(streams.map((s) => `${s.stream_id} ${s.params}`)).size, 10);
	const [edge] = await scene.sql('SELECT started, previous FROM series', files[1]);
	const [before] = await scene.sql('SELECT next, (SELECT max(ended) FROM coverage) AS ended FROM series', files[0]);
	assert.deepEqual([edge.previous, before.next, before.ended], [files[0], files[1], edge.started]);
});

e2e('killed around rotations: what is missing lies in a gap, and nothing is there twice', async (scene) => {
	const all = await start(scene, { rotate: '1s' });
	let { daemon } = all;

	all.load.start();
	await scene.stored(10);
	for (let i = 0; i < 12; i++) {
		await sleep(Math.random() * 1500);
		daemon.kill();
		await daemon.exit();
		daemon = scene.daemon();
		await subscribed(all.feed, all.streams);
	}
	await sleep(1000);
	await finish(scene, { load: all.load, daemon });

	const events = await union(scene, "SELECT event_id, stream_id, results ->> '$[0].n' AS n FROM event ORDER BY event_id");
	const stored = new Set(events.map((event) => event.n));
	const holes = await union(scene, 'SELECT params, started, ended FROM gap');
	const isInGap = (n) => holes.some((hole) => hole.params === JSON.stringify(all.load.streamOf(n).params)
		&& hole.started / 1000 <= all.load.sent[n] + 5 && (hole.ended === null || hole.ended / 1000 >= all.load.sent[n] - 5));
	const missing = Array.from({ length: all.load.last }, (_, i) => i + 1).filter((n) => !stored.has(n));

	assert.equal(stored.size, events.length, 'a number is there twice');
	assert.equal(new Set(events.map((event) => event.event_id)).size, events.length, 'an id was given twice');
	assert.deepEqual(missing.filter((n) => !isInGap(n)), []);
	assert.ok(missing.length !== 0 && stored.size > all.load.last / 2, `${missing.length} of ${all.load.last} are missing`);
	assert.ok(holes.every((hole) => hole.ended === null || hole.ended > hole.started));
});

e2e('by size, with a limit for all: the oldest files go, the rest is whole', async (scene) => {
	const all = await start(scene, { rotate: '1MiB', retention: { bytes: '3MiB' }, duplicate_window: '500ms' }, { rate: 1000, pad: 1000 });

	all.load.start();
	await waitFor(() => /not to be kept any more was deleted/.test(all.daemon.stderr), 'the first deletion', 120_000);
	await finish(scene, all);

	const [first] = await union(scene, "SELECT min(results ->> '$[0].n') AS n FROM event");
	assert.ok(first.n > 1 && filesOf(scene).length >= 2, `from ${first.n}, ${filesOf(scene).length} files`);
	await checkUnion(scene, all.load, first.n);
});

e2e('a plain file becomes the first of a series, also while its rows are behind; without rotate the last file goes on', async (scene) => {
	const all = await start(scene, {});
	const again = async (more, files) => {
		const last = all.load.last;

		scene.config(scene.feedConfig(all.feed, all.streams.map((stream) => ({ ...stream, table: 'later', index: [['n']] }))), more);
		all.daemon = scene.daemon();
		await subscribed(all.feed, all.streams);
		all.load.start();
		await waitFor(() => all.load.last > last + 500 && filesOf(scene).length >= files, `${files} files`);
		await finish(scene, all);
	};

	all.load.start();
	await waitFor(() => all.load.last > 1000, '1,000 numbers');
	await finish(scene, all);
	assert.ok(lstatSync(scene.file('market.db')).isFile());
	await again({ rotate: '1s' }, 3);
	await again({}, filesOf(scene).length);

	const events = await checkUnion(scene, all.load);
	const rows = await union(scene, 'SELECT n FROM later ORDER BY _row');
	assert.deepEqual(rows.map((row) => row.n), events.map((event) => event.n));
	assert.equal(readlinkSync(scene.file('market.db')), filesOf(scene).at(-1));
});

e2e('a file that is being read is sealed when its reader has left', async (scene) => {
	const all = await start(scene, { rotate: '2s' });
	const [first] = filesOf(scene);

	all.load.start();
	await scene.stored(10);
	const reader = spawn('sqlite3', ['-readonly', scene.file(first)], { stdio: ['pipe', 'pipe', 'inherit'] });
	reader.stdin.write('BEGIN; SELECT count(*) FROM event;\n');
	await new Promise((resolve) => reader.stdout.once('data', resolve));
	await waitFor(() => filesOf(scene).length >= 3, 'three files');
	await all.daemon.says(/is not sealed yet/);
	assert.ok(!isSealed(scene, first));
	reader.stdin.end();
	await waitFor(() => isSealed(scene, first), 'the first file to be sealed', 60_000);
	await finish(scene, all);
	await checkUnion(scene, all.load);
	execFileSync('sqlite3', [`file:${scene.file(first)}?immutable=1`, 'PRAGMA integrity_check']);
});

e2e('what a server sends again after a rotation is known', async (scene) => {
	const all = await start(scene, { rotate: '1s' });

	all.load.start();
	await waitFor(() => all.load.last > 200, '200 numbers');
	all.load.stop();
	const { path, params } = all.load.streamOf(1);
	const event = { path, params, timestamp: '2026-11-05T00:00:00.000Z', results: [{ n: 'once' }] };

	all.feed.publish(event);
	await waitFor(async () => (await union(scene, "SELECT 1 FROM event WHERE results LIKE '%once%'")).length === 1, 'the event');
	const files = filesOf(scene).length;

	await waitFor(() => filesOf(scene).length > files, 'the next file');
	all.feed.kick();
	await waitFor(() => all.feed.sockets.size === 0, 'the loss');
	await subscribed(all.feed, all.streams);
	all.feed.publish(event);
	all.feed.publish({ ...event, timestamp: '2026-11-05T00:00:01.000Z' });
	await waitFor(async () => (await union(scene, "SELECT 1 FROM event WHERE timestamp = 1793836801000000")).length === 1, 'the event after it');
	assert.equal((await union(scene, "SELECT 1 FROM event WHERE timestamp = 1793836800000000")).length, 1);
	assert.equal((await union(scene, 'SELECT sum(duplicate_events) AS n FROM connection')).reduce((sum, row) => sum + row.n, 0), 1);
	await all.daemon.stop();
});
