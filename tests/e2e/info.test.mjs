// info: tapedeck-replay info tells what SQL tells, of recordings that grow and of those that do not, and touches nothing.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { feedLoad, passes, settled, tickers } from './numbered.mjs';
import { e2e, replay, waitFor } from './support.mjs';

const iso = (us) => (us === null ? null : new Date(us / 1000).toISOString().slice(0, 19));

async function record(scene) {
	const feed = await scene.feed();
	const streams = tickers(2);
	const load = feedLoad(scene, feed, streams, { rate: 200 });
	const subscribed = () => waitFor(() => [...feed.subscriptions()].length === streams.length, 'the subscriptions');

	scene.config(scene.feedConfig(feed, streams));
	const daemon = scene.daemon();
	await subscribed();
	load.start();
	await passes(scene, load);
	load.stop();
	await settled(scene, load);
	feed.kick();
	await waitFor(() => feed.sockets.size === 0, 'the loss');
	await subscribed();
	await waitFor(async () => (await scene.sql('SELECT count(*) AS n FROM coverage WHERE ended IS NULL'))[0].n === streams.length, 'the coverage');
	load.start();
	await passes(scene, load);
	return { feed, load, daemon, streams };
}

const infoOf = async (...args) => JSON.parse((await replay('info', '--json', ...args)).stdout);

e2e('what info says of a recording is what SQL says; while it records, and afterwards', async (scene) => {
	const { load, daemon } = await record(scene);
	const file = scene.file('market.db');
	const [alive] = (await infoOf(file)).recordings;

	assert.equal(alive.recording, true);
	assert.match((await replay('info', file)).stdout, /state +recording now/);
	load.stop();
	await settled(scene, load);
	await daemon.stop();

	const before = readFileSync(file);
	const { recordings: [info] } = await infoOf(file);
	const rows = await scene.sql(`SELECT s.path, s.params, s.events, s.first, s.last, count(g.cause) AS gaps, round(sum(g.seconds), 3) AS seconds
		FROM stream_summary s LEFT JOIN gap g USING (feed, path, params) GROUP BY 1, 2 ORDER BY 1, 2`);

	assert.equal(info.recording, false);
	assert.equal(info.events, load.total);
	assert.equal(info.connections, 2);
	assert.deepEqual(info.feeds.map((feed) => [feed.name, feed.protocol]), [['test', 'eio4']]);
	assert.deepEqual(info.streams.map((s) => [s.path, s.params, s.events, s.first.slice(0, 19), s.last.slice(0, 19), s.gaps]),
		rows.map((r) => [r.path, r.params, r.events, iso(r.first), iso(r.last), r.gaps]));
	// The last gap, by the stop, grows with the time of the question.
	info.streams.forEach((s, i) => assert.ok(Math.abs(s.gap_seconds - rows[i].seconds) < 10 && s.open_gap.cause === 'stopped', JSON.stringify(s)));
	const { stdout, stderr, code } = await replay('info', file);
	assert.deepEqual([code, stderr], [0, '']);
	assert.match(stdout, /state +not recording since 20\d\d-/);
	for (const row of rows)
		assert.match(stdout, new RegExp(`test +p +${row.params.replace(/[{}]/g, '\\$&')} +${row.events} `));
	assert.ok(readFileSync(file).equals(before), 'the file was changed');
});

e2e('several recordings and their total; the same file twice counts once; one bad file does not hide the others', async (scene) => {
	const { load, daemon } = await record(scene);

	load.stop();
	await settled(scene, load);
	await daemon.stop();
	execFileSync('sqlite3', ['-readonly', scene.file('market.db'), `VACUUM INTO '${scene.file('copy.db')}'`]);
	const all = await infoOf(scene.file('market.db'), scene.file('copy.db'));
	const twice = await replay('info', '--json', scene.file('market.db'), scene.file('market.db'));
	const bad = await replay('info', scene.file('market.db'), scene.file('nowhere.db'), scene.file('copy.db'));
	const one = await infoOf('--params', '{ "ticker": "T1" }', '--feed=test', scene.file('market.db'), scene.file('copy.db'));
	const [{ n }] = await scene.sql(`SELECT count(*) AS n FROM event JOIN stream USING (stream_id) WHERE params = '{"ticker":"T1"}'`);
	const none = await replay('info', '--path', 'q', scene.file('market.db'));

	assert.deepEqual([all.recordings.length, all.total.events, all.total.streams.length], [2, 2 * load.total, 2]);
	assert.equal(JSON.parse(twice.stdout).recordings.length, 1);
	assert.match(twice.stderr, /it is shown once/);
	assert.deepEqual([...one.recordings, one.total].map((r) => [r.events, r.feeds.length, r.streams.map((s) => s.params)]),
		[n, n, 2 * n].map((events) => [events, 1, ['{"ticker":"T1"}']]));
	assert.equal(none.code, 1);
	assert.match(none.stderr, /--path 'q': no stream .* nearest is 'p'/);
	assert.match(none.stdout, /holds +0 events of 0 streams in 0 feeds/);
	assert.equal(bad.code, 1);
	assert.match(bad.stderr, /nowhere\.db/);
	assert.match(bad.stdout, /market\.db\n[\s\S]*copy\.db\n[\s\S]*total of 2 recordings/);
});

e2e('what is no recording of ours is refused and not touched', async (scene) => {
	const dir = scene.file('odd');
	const make = (name, ...sql) => execFileSync('sqlite3', [path.join(dir, name), ...sql]);

	mkdirSync(dir);
	make('foreign.sqlite', 'CREATE TABLE t (a); INSERT INTO t VALUES (1)');
	make('newer.sqlite', 'PRAGMA application_id = 0', 'CREATE TABLE t (a)');
	scene.write('text.txt', 'not a database\n');
	scene.write('empty.txt', '');
	const { load, daemon } = await record(scene);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	execFileSync('sqlite3', [scene.file('market.db'), 'PRAGMA wal_checkpoint(TRUNCATE)']);
	copyFileSync(scene.file('market.db'), path.join(dir, 'newer.sqlite'));
	make('newer.sqlite', 'PRAGMA user_version = 9999');

	for (const [file, pattern] of [['odd/foreign.sqlite', /another program/], ['odd/newer.sqlite', /newer tapedeck/], ['text.txt', /not an SQLite database/],
		['empty.txt', /is empty/], ['odd', /not a regular file/], ['missing.db', /No such file/]]) {
		const at = scene.file(file);
		const look = () => (existsSync(at) ? [statSync(at).mtimeMs, statSync(at).isFile() ? readFileSync(at).toString('base64') : '', readdirSync(path.dirname(at)).join()] : []);
		const before = look();
		const { code, stdout, stderr } = await replay('info', at);

		assert.deepEqual([code, stdout], [1, ''], file);
		assert.match(stderr, pattern);
		assert.deepEqual(look(), before, file);
	}
});

e2e('wrong usage is told; a reader that has seen enough is no error', async (scene) => {
	const { load, daemon } = await record(scene);

	load.stop();
	await settled(scene, load);
	await daemon.stop();
	for (const args of [['info'], ['info', '--nonsense', 'x.db'], ['info', '--path'], ['info', '--params', '{x}', 'x.db'], ['info', '--from', '1', 'x.db'], ['nonsense'], []]) {
		const { code, stderr } = await replay(...args);

		assert.equal(code, 2, args.join(' '));
		assert.match(stderr, /tapedeck-replay/);
	}
	const program = path.join(process.env.TAPEDECK_BIN ?? path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../../build/bin'), 'tapedeck-replay');
	const many = Array.from({ length: 200 }, (_, i) => `${scene.dir}/${'./'.repeat(i % 50)}market.db`);
	const { stderr, status } = spawnSync('bash', ['-c', `"$0" info "$@" 2>/dev/null | head -1 >/dev/null; exit \${PIPESTATUS[0]}`, program, ...many], { encoding: 'utf8' });

	assert.equal(stderr, '');
	assert.ok([0, 1].includes(status), `status ${status}`);
	assert.match((await replay('--help')).stdout, /info/);
});
