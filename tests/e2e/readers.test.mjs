// readers: others that have the recording open. None of them stops the recording; one that lets the WAL grow, and one
// that holds the write lock, are named.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkCovered, checkOnce, feedLoad, passes, settled, tickers } from './numbered.mjs';
import { e2e, programFile, waitFor } from './support.mjs';

const NOBODY = 65534;
const PINNED_BYTES = 192 * 2 ** 20;
const SMALL_BYTES = 64 * 2 ** 20; // what a WAL is cut to

async function start(scene, load = {}, more = {}) {
	const feed = await scene.feed();
	const streams = tickers(4);

	scene.config(scene.feedConfig(feed, streams), more);
	const daemon = scene.daemon();
	await waitFor(() => [...feed.subscriptions()].length === streams.length, 'the subscriptions');
	const all = { feed, daemon, streams, load: feedLoad(scene, feed, streams, { rate: 200, ...load }) };
	all.load.start();
	await passes(scene, all.load);
	return all;
}

async function finish(scene, { load, daemon, streams }) {
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	await checkCovered(scene, { streams });
}

// The sqlite3 program in a transaction that `sql` begins; it ends when its input does.
async function holding(scene, sql, ...options) {
	const child = spawn('sqlite3', [...options, scene.file('market.db')], { stdio: ['pipe', 'pipe', 'inherit'] });

	child.stdin.write(`${sql}\n`);
	await new Promise((resolve) => child.stdout.once('data', resolve));
	return child;
}

e2e('a reader that pins the WAL is named; when it has left the WAL shrinks by itself', async (scene) => {
	const all = await start(scene, { rate: 20, pad: 400_000 }); // no more than a slow build takes
	const reader = await holding(scene, 'BEGIN; SELECT count(*) FROM event;', '-readonly');
	const size = () => statSync(scene.file('market.db-wal')).size;

	await waitFor(() => size() > PINNED_BYTES, 'a WAL that has grown', 120_000);
	await all.daemon.says(/a reader keeps a transaction open/);
	assert.match(all.daemon.stderr, new RegExp(`a reader keeps a transaction open.* wal_bytes=\\d{9,} pid=${reader.pid} program=sqlite3`));
	all.load.stop();
	reader.stdin.end();
	await waitFor(() => size() <= SMALL_BYTES, 'a small WAL', 60_000);
	await all.daemon.says(/the WAL has shrunk again/);
	await finish(scene, all);
});

e2e('a foreign write lock is waited for and named; heartbeats are answered, nothing is lost, there is no gap', async (scene) => {
	const all = await start(scene);
	const writer = await holding(scene, 'BEGIN IMMEDIATE; SELECT 1;');

	await all.daemon.says(/cannot store, trying again/);
	assert.match(all.daemon.stderr, new RegExp(`cannot store, trying again.*locked.* pid=${writer.pid} program=sqlite3`));
	await sleep(4000);
	writer.stdin.end();
	await all.daemon.says(/storing again/);
	await finish(scene, all);
	assert.equal((await scene.sql('SELECT count(*) AS n FROM connection'))[0].n, 1);
});

e2e('another user reads it without the right to write: while it grows, after a clean stop, after SIGKILL', async (scene) => {
	assert.equal(process.getuid(), 0, 'this test changes the user and needs root for that');
	const all = await start(scene, {}, { file_mode: '0644' });
	const read = (program, ...args) => {
		const { status, stdout, stderr } = spawnSync(program, args, { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });

		assert.equal(status, 0, `${program}: ${stderr}`);
		return Number(stdout);
	};
	const both = (least) => {
		const database = scene.file('market.db');
		const shell = read('sqlite3', '-readonly', database, 'SELECT count(*) FROM event');
		const python = read('python3', '-c', 'import sqlite3, sys\n'
			+ 'print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute("SELECT count(*) FROM event").fetchone()[0])', database);

		assert.ok(shell >= least && python >= shell, `${shell} and ${python} of ${least}`);
	};
	const denied = () => assert.notEqual(spawnSync('sqlite3', [scene.file('market.db'), 'DELETE FROM event'], { uid: NOBODY, gid: NOBODY }).status, 0);

	chmodSync(scene.dir, 0o755);
	both(1);
	denied();
	all.load.stop();
	await settled(scene, all.load);
	both(all.load.last);
	await all.daemon.stop();
	both(all.load.last);
	denied();
	all.daemon = scene.daemon();
	await waitFor(() => [...all.feed.subscriptions()].length === all.streams.length, 'the subscriptions');
	all.load.start();
	await passes(scene, all.load);
	all.load.stop();
	await settled(scene, all.load);
	all.daemon.kill();
	await all.daemon.exit();
	both(all.load.last);
	denied();
	assert.equal((await scene.sql('SELECT count(*) AS n FROM event'))[0].n, all.load.last);
});

e2e('a copy that another user cannot read says what is missing and the way out', async (scene) => {
	assert.equal(process.getuid(), 0, 'this test changes the user and needs root for that');
	const all = await start(scene, {}, { file_mode: '0644' });
	const programs = { tapedeckd: ['--verify'], 'tapedeck-replay': ['info'] };
	// Both programs on a file; what they said, if that was the same.
	const read = (file) => Object.entries(programs).map(([program, args]) => {
		const { status, stderr } = spawnSync(scene.file(program), [...args, file], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });

		return status === 0 ? 'read' : stderr.replace(/^.*cannot open '[^']*': /, '').trim();
	}).reduce((one, other) => {
		assert.equal(one, other);
		return one;
	});
	const directory = (name) => {
		mkdirSync(scene.file(name));
		chmodSync(scene.file(name), 0o755);
	};
	const copy = (name, tails) => {
		directory(name);
		for (const tail of tails)
			copyFileSync(`${scene.file('market.db')}${tail}`, scene.file(`${name}/market.db${tail}`));
		return scene.file(`${name}/market.db`);
	};
	const refusal = (missing, why) => `to read it needs 'market.db${missing}' beside it: ${why}; `
		+ 'copy -wal and -shm with the recording, or put it into a directory in which you may write';

	await finish(scene, all);
	chmodSync(scene.dir, 0o755);
	for (const program of Object.keys(programs))
		copyFileSync(programFile(program), scene.file(program));
	assert.equal(read(scene.file('market.db')), 'read');
	assert.equal(read(copy('whole', ['', '-wal', '-shm'])), 'read');
	const alone = copy('alone', ['']);
	assert.equal(read(alone), refusal('-wal', 'No such file or directory'));
	symlinkSync('alone/market.db', scene.file('link'));
	assert.equal(read(scene.file('link')), refusal('-wal', 'No such file or directory'));
	const half = copy('half', ['', '-wal']);
	assert.equal(read(half), refusal('-shm', 'No such file or directory'));
	const secret = copy('secret', ['', '-wal', '-shm']);
	chmodSync(`${secret}-shm`, 0o600);
	assert.equal(read(secret), refusal('-shm', 'Permission denied'));
	chownSync(scene.file('alone'), NOBODY, NOBODY);
	assert.equal(read(alone), 'read');
	directory('vacuumed');
	await scene.sql(`VACUUM INTO '${scene.file('vacuumed/market.db')}'`);
	chmodSync(scene.file('vacuumed/market.db'), 0o644);
	assert.equal(read(scene.file('vacuumed/market.db')), 'read');
});
