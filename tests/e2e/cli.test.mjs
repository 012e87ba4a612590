// The command line: exit codes, messages, signals, logs, and files that must not be touched.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { e2e, runToEnd, waitFor } from './support.mjs';

const subscribed = (feed, n) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`);

for (const signal of ['SIGTERM', 'SIGINT']) {
	for (const version of [4, 2]) {
		e2e(`${signal}, version ${version}: everything sent is stored, unsubscribed, exit 0`, async (scene) => {
			const feed = await scene.feed({ version });
			const total = 20_000;

			scene.config(scene.feedConfig(feed, [{ path: 'p' }, { path: 'q' }]));
			const daemon = scene.daemon();
			await subscribed(feed, 2);
			for (let i = 0; i < total; i++)
				feed.publish({ path: 'p', params: {}, timestamp: 1400666400 + i, results: [String(i)] });
			await daemon.stop(signal);
			assert.deepEqual(await scene.sql('SELECT count(*) AS n, max(timestamp) / 1000000 - 1400666400 AS last FROM event'),
				[{ n: total, last: total - 1 }]);
			await waitFor(() => feed.unsubscribed.length >= 2, 'both unsubscribed'); // read by a busy server later than we end
			assert.deepEqual(feed.unsubscribed.sort(), ['p {}', 'q {}']);
			assert.deepEqual(await scene.sql('SELECT count(*) AS n, count(ended) AS ended FROM run'), [{ n: 1, ended: 1 }]);
			assert.deepEqual(await scene.sql('PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
		});
	}
}

e2e('a stop while nothing answers takes no longer', async (scene) => {
	const feed = await scene.feed({ jwt: { hang: true } });

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await waitFor(() => feed.tokenRequests.length === 1, 'the token request');
	await daemon.stop();
});

e2e('a second start goes on in the same recording', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	for (let run = 1; run <= 2; run++) {
		const daemon = scene.daemon();

		await subscribed(feed, 1);
		feed.publish({ path: 'p', params: {}, timestamp: 1400666400 + run, results: run });
		await scene.stored(run);
		await daemon.stop();
		await subscribed(feed, 0);
	}
	assert.deepEqual(await scene.sql('SELECT results FROM recording ORDER BY event_id'), [{ results: '1' }, { results: '2' }]);
	assert.equal((await scene.sql('SELECT * FROM stream')).length, 1);
});

e2e('a second daemon on the same recording is refused with the first one\'s pid', async (scene) => {
	const feed = await scene.feed();
	const config = scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();

	await subscribed(feed, 1);
	const second = await runToEnd([config]);
	assert.equal(second.code, 1);
	assert.match(second.stderr, new RegExp(`\\b${daemon.pid}\\b`));
	feed.publish({ path: 'p', params: {}, timestamp: 1400666400, results: [] });
	await scene.stored(1);
	await daemon.stop();
});

// Starts on a database that cannot be used. Exit code 1, one message on it, and the file as it was.
async function refuses(scene, database, pattern) {
	const feed = await scene.feed();
	const path = scene.file(database);
	const before = existsSync(path) ? readFileSync(path) : null;
	const config = scene.config(scene.feedConfig(feed, [{ path: 'p' }]), { database });
	const { code, stderr } = await runToEnd([config]);
	const errors = stderr.split('\n').filter((line) => /cannot|refus|not a|newer|error/i.test(line));

	assert.equal(code, 1, stderr);
	assert.match(stderr, pattern);
	assert.equal(errors.length, 1, `one message, not ${stderr}`);
	assert.match(errors[0], new RegExp(database));
	assert.deepEqual(existsSync(path) ? readFileSync(path) : null, before);
	assert.ok(!existsSync(`${path}-wal`) && !existsSync(`${path}-journal`), 'no files beside it');
	assert.equal(feed.tokenRequests.length, 0);
}

e2e('a database whose directory cannot be made use of is refused', async (scene) => {
	scene.write('plain', 'a file where a directory should be');
	await refuses(scene, 'plain/market.db', /directory/i);
	await refuses(scene, 'nowhere/market.db', /directory/i);
});

e2e('a text file as database is refused and unchanged', async (scene) => {
	scene.write('notes.txt', 'not a database, but somebody\'s notes\n'.repeat(50));
	await refuses(scene, 'notes.txt', /not a|no/i);
	scene.write('short.txt', 'x');
	await refuses(scene, 'short.txt', /not a|no/i);
});

e2e('another program\'s database is refused and unchanged', async (scene) => {
	scene.isDamaged = true;
	execFileSync('sqlite3', [scene.file('other.db'), 'PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)']);
	await refuses(scene, 'other.db', /other|tapedeck|recording/i);
	execFileSync('sqlite3', [scene.file('marked.db'), 'PRAGMA application_id=7; CREATE TABLE t (a)']);
	await refuses(scene, 'marked.db', /marked|tapedeck|recording/i);
});

e2e('a recording of a newer version is refused and unchanged', async (scene) => {
	scene.isDamaged = true;
	execFileSync('sqlite3', [scene.file('newer.db'),
		'PRAGMA application_id=0x54415045; PRAGMA user_version=9999; CREATE TABLE t (a)']);
	await refuses(scene, 'newer.db', /newer|version/i);
});

const WRONG = [
	['no such file', null],
	['no JSON', '{"database": '],
	['an unknown key', '{"database": "a.db", "feeds": [], "colour": 1}'],
	['no feeds', '{"database": "a.db"}'],
	['a wrong type', '{"database": "a.db", "commit_interval": [], "feeds": []}'],
];

for (const [name, text] of WRONG) {
	e2e(`a wrong configuration ends with exit code 2: ${name}`, async (scene) => {
		const file = text === null ? scene.file('missing.json') : scene.write('bad.json', text);

		for (const args of [[file], ['--check-config', file]]) {
			const { code, stderr, stdout } = await runToEnd(args);

			assert.equal(code, 2, stderr);
			assert.notEqual(stderr, '');
			assert.equal(stdout, '');
		}
		assert.ok(!existsSync(scene.file('a.db')));
	});
}

for (const args of [[], ['--nonsense'], ['a', 'b'], ['--log-level'], ['--log-level', 'loud', 'c'], ['--log-format', 'xml', 'c']]) {
	test(`wrong usage ends with exit code 2: tapedeckd ${args.join(' ')}`, async () => {
		const { code, stderr, stdout } = await runToEnd(args);

		assert.equal(code, 2, stderr);
		assert.notEqual(stderr, '');
		assert.equal(stdout, '');
	});
}

test('--version and --help print on standard output and end with 0', async () => {
	for (const [flag, pattern] of [['--version', /tapedeckd? \d+\.\d+\.\d+/], ['--help', /usage.*CONFIG/is]]) {
		const { code, stdout, stderr } = await runToEnd([flag]);

		assert.equal(code, 0);
		assert.match(stdout, pattern);
		assert.equal(stderr, '');
	}
});

e2e('--check-config accepts a good file and touches nothing', async (scene) => {
	const feed = await scene.feed();
	const config = scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const { code, stderr } = await runToEnd(['--check-config', config]);

	assert.equal(code, 0, stderr);
	assert.equal(feed.tokenRequests.length, 0);
	assert.ok(!existsSync(scene.file('market.db')));
});

// Records a little, with a loss in between, so that the log has something to say.
async function chat(scene, args) {
	const feed = await scene.feed();

	feed.refuse('p', { text: '"quoted"\n\u00e9' }, 'no \u001b[31m"such" \\ thing\r\n\u00e9');
	scene.config(scene.feedConfig(feed, [{ path: 'p' }, { path: 'p', params: { text: '"quoted"\n\u00e9' } }]), { progress: '200ms' });
	const daemon = scene.daemon(undefined, args);
	await subscribed(feed, 1);
	feed.publish({ path: 'p', params: {}, timestamp: 1400666400, results: [] });
	feed.broadcastText('{"path":"un\\u001bknown \\"one\\"","timestamp":1,"results":[]}');
	feed.broadcastText('7');
	await scene.stored(2);
	feed.kick();
	await waitFor(() => feed.counters.connections === 2, 'the reconnection');
	await new Promise((resolve) => setTimeout(resolve, 700));
	await daemon.stop();
	return daemon;
}

e2e('every line of a JSON log is an object with time, level and message', async (scene) => {
	const daemon = await chat(scene, ['--log-format', 'json', '--log-level', 'debug']);
	const lines = daemon.stderr.trimEnd().split('\n').map((line) => JSON.parse(line));

	assert.ok(lines.length > 5);
	for (const line of lines) {
		assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
		assert.match(line.level, /^(error|warn|info|debug)$/);
		assert.equal(typeof line.message, 'string');
	}
	assert.ok(lines.some((line) => Object.values(line).some((value) => String(value).includes('such'))));
});

e2e('a text log is one line an event, without control characters, and shows the progress', async (scene) => {
	const daemon = await chat(scene, []);
	const lines = daemon.stderr.trimEnd().split('\n');

	for (const line of lines)
		assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn |info |debug) [^\u0000-\u001f\u007f]+$/);
	assert.ok(lines.filter((line) => /events=\d/.test(line)).length >= 2, daemon.stderr);
});

e2e('--verify: a sound recording, also while it is written; a finding; what is no recording', async (scene) => {
	const verify = (name) => runToEnd(['--verify', scene.file(name)]);
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === 1, 'a subscription');
	feed.publish({ path: 'p', params: {}, timestamp: 1400666400, results: [1] });
	await scene.stored(1);
	assert.equal((await verify('market.db')).code, 0);
	await daemon.stop();
	assert.match((await verify('market.db')).stdout, /market\.db: sound\n$/);
	execFileSync('sqlite3', [scene.file('market.db'), 'UPDATE stream SET events = 17']);
	scene.isDamaged = true;
	const found = await verify('market.db');
	assert.equal(found.code, 1);
	assert.match(found.stdout, /^stream 1 \(p {}\): it counts 17 events .*, there are 1 .*\n$/);
	const many = await runToEnd(['--verify', scene.file('nowhere.db'), scene.file('market.db'), scene.file('market.db')]);
	assert.equal(many.code, 1);
	assert.match(many.stdout, /^(\S+market\.db: [^\n]+\n){2,}$/);
	assert.match(many.stderr, /nowhere\.db/);
	const none = await verify('nowhere.db');
	assert.equal(none.code, 1);
	assert.match(none.stderr, /cannot verify .*No such file/);
});
