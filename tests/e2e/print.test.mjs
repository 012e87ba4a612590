// print: what was recorded comes out byte for byte, in either order, chosen to the microsecond, from files that grow and
// from series; asked for in SQL of its own.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { feedLoad, passes, settled, tickers } from './numbered.mjs';
import { e2e, waitFor } from './support.mjs';

const program = path.join(process.env.TAPEDECK_BIN ?? fileURLToPath(new URL('../../build/bin', import.meta.url)), 'tapedeck-replay');
const NOBODY = 65534;

const RESULTS = ['[]', 'null', '-0', '1.10', '1e400', '12345678901234567890', '"\\u00e9\\u00E9 \\/ \\ud83d\\ude00 \\n \\u0000"', '"\u00e9 \u{1f600} \u2028"',
	'{"b":1,"a":2,"b":3}', '[ 1 ,\t2\n,\r\n3 ]', '{\n "path" : "not this one"\n}'];
const TIMESTAMPS = ['"2014-05-21T10:00:00.000Z"', '1400666400', '"1400666400"', '1400666400000456', '"2014-05-21T10:00:01.000456Z"', '"2014-05-21T12:00:00+02:00"'];

// Runs print to its end.
function print(...args) {
	return new Promise((resolve) => {
		execFile(program, ['print', ...args], { encoding: 'buffer', maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
			resolve({ code: error?.code ?? 0, stdout: stdout.toString(), stderr: stderr.toString() });
		});
	});
}

// The lines of a run that must go well.
async function linesOf(...args) {
	const { code, stdout, stderr } = await print(...args);

	assert.deepEqual([code, stderr], [0, '']);
	assert.ok(stdout === '' || stdout.endsWith('\n'));
	return stdout.split('\n').slice(0, -1);
}

const objectsOf = async (...args) => (await linesOf(...args)).map((line) => JSON.parse(line));
const iso = (us) => new Date(Math.floor(us / 1000)).toISOString().replace('Z', `${String(us % 1000).padStart(3, '0')}Z`);
const subscribed = (feed, n) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`);
const numbersOf = (objects) => objects.filter((o) => !o.gap).map((o) => o.results[0].n);
const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1);

async function stopped(scene, { load, daemon }) {
	load.stop();
	await settled(scene, load);
	await daemon.stop();
}

async function start(scene, { streams = tickers(4), rate = 300, ...more } = {}, top = {}) {
	const feed = await scene.feed();
	const load = feedLoad(scene, feed, streams, { rate, ...more });

	scene.config(scene.feedConfig(feed, streams.map((stream) => ({ ...stream, table: 'ticks', index: [['n']] }))), top);
	const daemon = scene.daemon();
	await subscribed(feed, streams.length);
	load.start();
	await passes(scene, load);
	return { feed, load, daemon, streams };
}

const EVENTS = `SELECT s.path, s.params, e.timestamp_text AS token, e.timestamp, e.received, e.event_id, e.seq, e.connection_id, e.extra,
	hex(e.results) AS results FROM event e JOIN stream s USING (stream_id) ORDER BY`;

// What a line must be, made from the recording's bytes.
function lineOf(row) {
	const token = row.token ?? JSON.stringify(iso(row.timestamp).replace(/(\.\d{3})000Z/, '$1Z'));
	const timestamp = token === '' ? '' : `"timestamp":${token},`;
	const results = Buffer.from(row.results, 'hex').toString().replace(/[\r\n]/g, ' ');

	return `{"feed":"test","path":${JSON.stringify(row.path)},"params":${row.params},${timestamp}"results":${results}}`;
}

e2e('each line has the bytes that were recorded, in both orders; with-meta has all the rest', async (scene) => {
	const feed = await scene.feed();
	const streams = [{ path: 'texts "\\\\ \u00e9', params: { z: '\u00e9/', '\u00e9': [1, { x: true }] } }, { path: 'plain' }];
	const blobs = [Buffer.from([0, 1, 2, 254, 255]), Buffer.alloc(1000, 7)];
	let number = 0;

	scene.config(scene.feedConfig(feed, streams, { dialect: { data: { event: 'data', path: '/path', params: '/params', timestamp: '/timestamp', results: '/results' } } }));
	const daemon = scene.daemon();
	await subscribed(feed, 2);
	for (const results of RESULTS)
		for (const timestamp of [...TIMESTAMPS, null]) {
			const { path: name, params = {} } = streams[number++ % 2];
			const time = timestamp === null ? '' : `"timestamp":${timestamp},`;

			feed.broadcastText(`{"path":${JSON.stringify(name)},"params":${JSON.stringify(params)},${time}"results":${results}${number % 5 ? '' : ',"more": 1.10'}}`,
				number % 7 ? [] : ['-0']);
		}
	feed.publish({ path: 'plain', params: {}, timestamp: 1400666400, results: { first: blobs[0], second: [blobs[1]] } });
	await scene.stored(number + 1);
	await daemon.stop();

	for (const order of ['received', 'timestamp']) {
		const rows = await scene.sql(`${EVENTS} ${order === 'received' ? '' : 'timestamp,'} event_id`);
		const lines = await linesOf('--order', order, scene.file('market.db'));
		const meta = (await objectsOf('--order', order, '--with-meta', scene.file('market.db'))).filter((o) => !o.gap);

		assert.equal(rows.length, number + 1);
		assert.deepEqual(lines, rows.map(lineOf));
		assert.deepEqual(meta.map((o) => [o.received, o.event_id, o.seq, o.connection_id, o.extra ?? null]),
			rows.map((r) => [r.received, r.event_id, r.seq, r.connection_id, JSON.parse(r.extra)]));
		assert.deepEqual(meta.map((o) => JSON.stringify(o.results)), lines.map((line) => JSON.stringify(JSON.parse(line).results)));
		assert.deepEqual(meta.filter((o) => o.attachments).map((o) => [o.results.first.num, o.attachments]), [[0, blobs.map((blob) => blob.toString('base64'))]]);
	}
	const [absent] = await scene.sql("SELECT count(*) AS n FROM event WHERE timestamp_text = ''");
	assert.equal(absent.n, RESULTS.length);
});

e2e('what is chosen is what SQL chooses, to the microsecond, both ends included', async (scene) => {
	const all = await start(scene, { twins: 3 });
	const { load } = all;

	await waitFor(() => load.last > 600, '600 events');
	await stopped(scene, all);
	const file = scene.file('market.db');
	const ids = async (...args) => (await objectsOf('--with-meta', ...args, file)).filter((o) => !o.gap).map((o) => o.event_id);
	const want = async (where, order = 'event_id') => (await scene.sql(`SELECT event_id FROM event JOIN stream USING (stream_id) WHERE ${where} ORDER BY ${order}`)).map((r) => r.event_id);
	const [{ a, b }] = await scene.sql('SELECT min(received) AS a, max(received) AS b FROM event WHERE event_id BETWEEN 200 AND 400');
	const [{ ts }] = await scene.sql('SELECT timestamp AS ts FROM event WHERE event_id = 300');

	assert.ok(b > a);
	assert.deepEqual(await ids('--from', String(a), '--to', iso(b)), await want(`received BETWEEN ${a} AND ${b}`));
	assert.deepEqual(await ids('--from', iso(a + 1), '--to', String(b - 1)), await want(`received BETWEEN ${a + 1} AND ${b - 1}`));
	assert.deepEqual(await ids('--from', String(a), '--to', String(a)), await want(`received = ${a}`));
	assert.deepEqual(await ids('--order', 'timestamp', '--from', iso(ts), '--to', iso(ts)), await want(`timestamp = ${ts}`));
	assert.deepEqual(await ids('--order=timestamp', '--to', iso(ts)), await want(`timestamp <= ${ts}`, 'timestamp, event_id'));
	assert.deepEqual(await ids('--params', '{ "ticker": "\\u0054\\u0031" }', '--params={"ticker":"T3"}', '--feed', 'test', '--path', 'p'),
		await want(`params IN ('{"ticker":"T1"}', '{"ticker":"T3"}')`));
	assert.deepEqual(await ids('--from', '2999-01-01'), []);

	for (const [args, code, says] of [
		[['--path', 'pp', file], 1, /--path 'pp': no stream in the recordings has it; the nearest is 'p'/],
		[['--params', '{"ticker":"T9"}', file], 1, /--params .*T9.*the nearest is '\{"ticker":"T\d"\}'/],
		[['--table', 'tick', file], 1, /--table 'tick': .* the nearest is 'ticks'/],
		[[scene.file('nowhere.db')], 1, /nowhere\.db/], [[file, scene.file('api-key')], 1, /api-key.*not a recording/],
		[[], 2, /needs at least one recording/], [['--nonsense', file], 2, /no option '--nonsense'/], [['--from'], 2, /'--from' needs a value/],
		[['--from', 'noon', file], 2, /--from 'noon'/], [['--from', '5', '--to', '4', file], 2, /--from is after --to/],
		[['--params', '{x}', file], 2, /--params '\{x\}'/], [['--order', 'size', file], 2, /--order 'size'/],
		[['--table', 'ticks', '--with-meta', file], 2, /exclude each other/]]) {
		const result = await print(...args);

		assert.deepEqual([result.code, result.stdout], [code, ''], result.stderr);
		assert.match(result.stderr, says);
	}
});

e2e('gaps stand where they began; a reader who has seen enough is no error, a full disk is one', async (scene) => {
	const all = await start(scene, { rate: 2000 });
	const { feed, load, streams } = all;

	feed.kick();
	await waitFor(() => feed.sockets.size === 0, 'the loss');
	await subscribed(feed, streams.length);
	await passes(scene, load);
	await waitFor(() => load.last > 4000, '4,000 events');
	await stopped(scene, all);
	const file = scene.file('market.db');

	for (const order of ['received', 'timestamp']) {
		const objects = await objectsOf('--with-meta', '--order', order, '--params', '{"ticker":"T2"}', file);
		const gaps = objects.filter((o) => o.gap).map((o) => o.gap);
		const rows = await scene.sql(`SELECT feed, path, params, started, ended, seconds, cause, detail FROM gap WHERE params = '{"ticker":"T2"}' ORDER BY started`);
		const plain = ({ seconds, ...rest }) => rest;

		assert.ok(rows.length >= 3 && rows.some((row) => row.cause === 'server_closed'), JSON.stringify(rows));
		assert.deepEqual(gaps.map(plain), rows.map((row) => ({ ...plain(row), params: JSON.parse(row.params) })));
		gaps.slice(0, -1).forEach((gap, i) => assert.ok(Math.abs(gap.seconds - rows[i].seconds) < 1e-6));
		assert.equal(gaps.at(-1).ended, null);
		objects.forEach((o, i) => {
			if (order === 'received' && o.gap && i > 0)
				assert.ok((objects[i - 1].received ?? objects[i - 1].gap.started) <= o.gap.started, JSON.stringify(o));
			if (order === 'received' && o.gap && i + 1 < objects.length)
				assert.ok((objects[i + 1].received ?? objects[i + 1].gap.started) >= o.gap.started, JSON.stringify(o));
		});
		const place = objects.findIndex((o) => o.gap?.cause === 'server_closed');
		assert.ok(objects.slice(0, place).some((o) => o.results) && objects.slice(place).some((o) => o.results), 'it stands between events');
	}
	const { status, stderr, stdout } = spawnSync('bash', ['-c', '"$0" print "$1" | head -1; echo ${PIPESTATUS[0]}', program, file], { encoding: 'utf8' });
	assert.deepEqual([status, stderr, stdout.split('\n')[1]], [0, '', '0']);
	const full = spawnSync('bash', ['-c', '"$0" print "$1" > /dev/full', program, file], { encoding: 'utf8' });
	assert.equal(full.status, 1);
	assert.match(full.stderr, /standard output: No space left/);
});

// Reads a CSV of a row table with Python's own reader and compares it with the table.
function checkTable(csv, file, table) {
	execFileSync('python3', ['-c', `
import csv, io, sqlite3, sys
text = sys.stdin.buffer.read().decode()
assert text.endswith('\\r\\n')
rows = list(csv.reader(io.StringIO(text, newline=''), strict=True))
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
want = db.execute('SELECT * FROM ' + sys.argv[2] + ' ORDER BY _row')
names = [c[0] for c in want.description]
assert rows[0] == names, (rows[0], names)
values = want.fetchall()
assert len(values) == len(rows) - 1 > 0, (len(values), len(rows))
for got, row in zip(rows[1:], values):
    assert len(got) == len(row)
    for cell, value in zip(got, row):
        if value is None: assert cell == '', cell
        elif isinstance(value, float): assert float(cell) == value and 'e' not in cell, cell
        else: assert cell == str(value), (cell, value)
`, file, table], { input: csv, stdio: ['pipe', 'inherit', 'inherit'] });
}

e2e('a row table comes out as CSV that reads back, chosen and ordered like the events', async (scene) => {
	const feed = await scene.feed();
	const streams = tickers(3);
	const texts = ['plain', 'a,b', 'say "no"', 'two\nlines', 'two\r\nlines', '', ' space ', '\u00e4\u{1f600}', '"'];
	const config = (endpoints) => scene.config(scene.feedConfig(feed, endpoints));

	config(streams.map((stream, i) => ({ ...stream, ...(i < 2 && { table: 'ticks' }) })));
	const daemon = scene.daemon();
	await subscribed(feed, 3);
	for (let n = 0; n < 300; n++)
		feed.publish({ path: 'p', params: streams[n % 3].params, timestamp: 1400666400 + (n * 7) % 100,
			results: upTo(n % 4).map((part) => ({ n, part, text: texts[(n + part) % texts.length], price: n / 7, big: '0.0000001', ...(n % 2 && { none: null, 'a "b", c': n }) })) });
	await scene.stored(300);
	await daemon.stop();
	const file = scene.file('market.db');
	const { stdout, code, stderr } = await print('--table', 'TICKS', file);

	assert.deepEqual([code, stderr], [0, '']);
	checkTable(stdout, file, 'ticks');
	const [{ a }] = await scene.sql('SELECT received AS a FROM event WHERE event_id = 150');
	const some = (await print('--table', 'ticks', '--from', String(a), '--order', 'received', '--params', '{"ticker":"T1"}', file)).stdout;
	const ordered = (await print('--table', 'ticks', '--order', 'timestamp', file)).stdout;
	const first = (text) => text.split('\r\n').slice(1).filter((line) => /^\d+,/.test(line)).map((line) => Number(line.split(',')[0]));
	const want = async (rest) => (await scene.sql(`SELECT _row AS r FROM ticks t JOIN event e USING (event_id) JOIN stream s USING (stream_id) ${rest}`)).map((row) => row.r);

	assert.deepEqual(first(some), await want(`WHERE received >= ${a} AND params = '{"ticker":"T1"}' ORDER BY _row`));
	assert.deepEqual(first(ordered), await want('ORDER BY e.timestamp, _row'));
});

e2e('while it records, and as a series: each number once and in order; sealed files, in a directory of another user', async (scene) => {
	assert.equal(process.getuid(), 0, 'this test changes the user and needs root for that');
	const all = await start(scene, { rate: 500 }, { rotate: '1s', file_mode: '0644' });
	const { load } = all;
	const filesOf = () => readdirSync(scene.dir).filter((name) => /^market-.*\.db$/.test(name)).sort().map((name) => scene.file(name));
	let seen = 0;

	while (filesOf().length < 4) {
		const files = filesOf();
		const numbers = numbersOf(await objectsOf(scene.file('market.db'), ...files));
		// Files that began after they were listed are not among them.
		assert.deepEqual(numbers, upTo(numbers.length));
		assert.ok(numbers.length >= seen, `${numbers.length} after ${seen}`);
		seen = numbers.length;
	}
	assert.ok(seen > 0);
	await waitFor(() => filesOf().length >= 5, 'five files');
	load.stop();
	await waitFor(async () => (await Promise.all(filesOf().map((file) => scene.sql("SELECT max(results ->> '$[0].n') AS n FROM event", path.basename(file)))))
		.some(([row]) => row.n === load.last), 'the last number');
	await all.daemon.stop();

	const files = filesOf();
	for (const order of ['received', 'timestamp'])
		assert.deepEqual(numbersOf(await objectsOf('--order', order, scene.file('market.db'), ...files.slice().reverse())), upTo(load.last));
	const csv = await print('--table', 'ticks', ...files);
	const [header, ...rows] = csv.stdout.split('\r\n').slice(0, -1).map((line) => line.split(','));
	assert.deepEqual(rows.map((row) => Number(row[header.indexOf('n')])), upTo(load.last));

	const dir = scene.file('shared');
	mkdirSync(dir);
	copyFileSync(files[1], path.join(dir, 'sealed.db'));
	chmodSync(path.join(dir, 'sealed.db'), 0o444);
	chmodSync(dir, 0o555);
	chmodSync(scene.dir, 0o755);
	for (const file of [path.join(dir, 'sealed.db'), files[1], scene.file('market.db')]) {
		// Through a copy: the program may lie where the other user cannot go.
		copyFileSync(program, scene.file('replay'));
		chmodSync(scene.file('replay'), 0o755);
		const { status, stdout, stderr } = spawnSync(scene.file('replay'), ['print', file], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });

		assert.deepEqual([status, stderr], [0, ''], file);
		assert.equal(stdout.split('\n').length - 1, (await scene.sql('SELECT count(*) AS n FROM event', path.relative(scene.dir, file)))[0].n);
	}
	assert.deepEqual(readdirSync(dir), ['sealed.db']);
});
