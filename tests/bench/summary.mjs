// summary: how long it takes to see what is in a large recording. See summary.sh.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startFeed } from '../peers/feed-server.mjs';

const bin = process.env.TAPEDECK_BIN ?? path.join(path.dirname(fileURLToPath(import.meta.url)), '../../build/bin');
const BEGIN = 1400666400; // seconds since 1970
const REPEAT = 20;
const POLL_MS = 50;
const LIMIT_MS = 60_000;
const VERIFY_MAX = 1_000_000;
const API_KEY = 'sk_bench';

const dir = mkdtempSync(path.join(os.tmpdir(), 'tapedeck-bench-'));
const database = path.join(dir, 'market.db');

const run = (program, args) => execFileSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 28 }).trim();
const sql = (...statements) => run('sqlite3', ['-bail', '-cmd', '.timeout 60000', database, ...statements]);

async function until(condition, what) {
	for (const begun = Date.now(); !condition(); await sleep(POLL_MS))
		if (Date.now() - begun > LIMIT_MS)
			throw new Error(`${what} has not come about`);
}

// One event of each stream, recorded by tapedeckd.
async function record(streams) {
	const feed = await startFeed({ version: 4, apiKey: API_KEY });
	const params = Array.from({ length: streams }, (_, i) => ({ ticker: `T${i}` }));

	writeFileSync(path.join(dir, 'api-key'), API_KEY, { mode: 0o600 });
	writeFileSync(path.join(dir, 'streams.ndjson'), params.map((each) => JSON.stringify(each)).join('\n'));
	writeFileSync(path.join(dir, 'config.json'), JSON.stringify({ database: 'market.db', feeds: [{ name: 'bench', url: feed.url,
		token: { url: `${feed.url}/jwt`, api_key_file: 'api-key' }, endpoints: [{ path: 'ticks', params_file: 'streams.ndjson' }] }] }));

	const daemon = spawn(path.join(bin, 'tapedeckd'), [path.join(dir, 'config.json')], { stdio: ['ignore', 'ignore', 'pipe'] });
	const ended = new Promise((resolve) => daemon.once('close', resolve));
	let log = '';

	try {
		daemon.stderr.on('data', (text) => { log += text; });
		await until(() => log.includes(' subscribed '), 'the subscription');
		for (const each of params)
			feed.publish({ path: 'ticks', params: each, timestamp: BEGIN - 1, results: [{ n: 100_000_000 }] });
		await until(() => sql('SELECT count(*) FROM event') === String(streams), 'the recording');
		daemon.kill();
		await ended;
	} finally {
		daemon.kill('SIGKILL');
		await feed.stop();
	}
}

// Events as if they had gone on coming, a microsecond after each other, first those of one stream, then those of the
// next; and the counters as the recorder keeps them.
function fill(events, streams) {
	const more = events - streams;
	const each = Math.ceil(more / streams);

	sql('PRAGMA journal_mode = DELETE', 'PRAGMA journal_mode = OFF', 'PRAGMA synchronous = OFF', 'PRAGMA cache_size = -500000',
		// Apart: what is read from the table that is written would be put into a file of its own first.
		`CREATE TEMP TABLE base AS SELECT max(event_id) AS id, max(received) AS at, (SELECT min(stream_id) FROM stream) AS stream,
			(SELECT max(connection_id) FROM connection WHERE stored_events > 0) AS connection FROM event`,
		`WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ${more})
			INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, results)
			SELECT id + 1 + n, stream + n / ${each}, ${BEGIN}000000 + n, 0, at + 1 + n, connection, '[{"n":' || (100000000 + n) || '}]'
			FROM number CROSS JOIN base`,
		`CREATE TEMP TABLE more AS SELECT stream_id, i * ${each} AS first, min(${more}, (i + 1) * ${each}) - 1 AS last
			FROM (SELECT stream_id, stream_id - min(stream_id) OVER () AS i FROM stream) WHERE i * ${each} < ${more}`,
		`UPDATE stream SET events = events + m.last - m.first + 1, last = ${BEGIN}000000 + m.last, bytes = bytes + (m.last - m.first + 1) * 17,
			last_received = base.at + 1 + m.last FROM more m, base WHERE m.stream_id = stream.stream_id`,
		'UPDATE stream SET clock_offset = last_received - last',
		`UPDATE connection SET received_events = received_events + ${more}, stored_events = stored_events + ${more},
			last_received = last_received + ${events}, closed = closed + ${events} WHERE stored_events > 0`,
		`UPDATE run SET last_alive = last_alive + ${events}, ended = ended + ${events}`,
		`UPDATE coverage SET ended = ended + ${events}`,
		`UPDATE wanted SET ended = ended + ${events}`,
		'PRAGMA journal_mode = WAL');
}

function timed(program, args) {
	const begun = performance.now();

	run(program, args);
	return performance.now() - begun;
}

function measure(what, program, args) {
	// What the kernel has of the file goes.
	run('dd', [`of=${database}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
	const cold = timed(program, args);
	const times = Array.from({ length: REPEAT }, () => timed(program, args)).sort((a, b) => a - b);

	console.log(`${what}: ${cold.toFixed(0)} ms from the disk, then ${times[REPEAT / 2].toFixed(0)} ms in the median, ${times[REPEAT - 1].toFixed(0)} ms at most`);
}

const { values } = parseArgs({ options: { events: { type: 'string', default: '100000000' }, streams: { type: 'string', default: '1000' } } });
const events = Number(values.events);
const streams = Number(values.streams);

process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'])
	process.on(signal, () => process.exit(1));
if (!(Number.isInteger(events) && Number.isInteger(streams) && streams > 0 && events > streams && events < 800_000_000))
	throw new Error('--events must be more than --streams, and less than 800000000');

await record(streams);
let begun = performance.now();
fill(events, streams);
console.log(`${events} events of ${streams} streams, ${(statSync(database).size / 2 ** 30).toFixed(2)} GiB, filled in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
if (events <= VERIFY_MAX)
	console.log(`tapedeckd --verify: ${run(path.join(bin, 'tapedeckd'), ['--verify', database]) || 'sound'}`);
measure('SELECT * FROM stream_summary', 'sqlite3', ['-readonly', database, 'SELECT * FROM stream_summary']);
measure('tapedeck-replay info', path.join(bin, 'tapedeck-replay'), ['info', database]);
measure('sqlite3 alone, for comparison', 'sqlite3', ['-readonly', database, 'SELECT 1']);
begun = performance.now();
const counted = sql('SELECT count(*) FROM event');
console.log(`SELECT count(*) FROM event: ${((performance.now() - begun) / 1000).toFixed(1)} s, ${counted} events; the counters say ${sql('SELECT sum(events) FROM stream_summary')}`);
process.exit(0);
