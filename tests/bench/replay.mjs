// replay: see replay.sh
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const bin = process.env.TAPEDECK_BIN ?? here('../../build/bin');
const schema = here('../../schema/sqlite/');
const STREAMS = 10;
const T0 = 1_400_666_400_000_000;

const { values } = parseArgs({ options: {
	events: { type: 'string', default: '1000000' }, idle: { type: 'string', default: '10000' }, only: { type: 'string' },
} });
const events = Number(values.events);
const dir = mkdtempSync(path.join(tmpdir(), 'tapedeck-bench-'));
const file = path.join(dir, 'tape.db');
const wants = (what) => values.only === undefined || values.only === what;

const DIALECT = JSON.stringify({
	data: { event: 'data', params: '/params', path: '/path', results: '/results', timestamp: '/timestamp' },
	subscribe: { ack: true, args: [{ params: '$params', path: '$path' }], event: 'subscribe' },
	unsubscribe: { ack: true, args: [{ params: '$params', path: '$path' }], event: 'unsubscribe' },
});

// Events a millisecond apart; the first element of their results says in which microsecond.
function makeTape() {
	const names = readdirSync(schema).filter((name) => name.endsWith('.sql')).sort();
	const count = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${events - 1})`;
	const row = '{"ts":"2014-05-21T10:00:00.000Z","ticker":"AAPL","crowd_sentiment":"0.6908441588708437","volume":"123456","change":"-0.0337734249681757"}';

	execFileSync('sqlite3', ['-bail', file], { stdio: ['pipe', 'ignore', 'inherit'], input: [
		'PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x54415045; BEGIN;',
		...names.map((name) => readFileSync(schema + name, 'utf8')),
		`PRAGMA user_version = ${names.length};`,
		`INSERT INTO feed VALUES (1, 'bench', 'http://127.0.0.1', '/', '/socket.io/', '${DIALECT}');`,
		`INSERT INTO connection (connection_id, feed_id, opened) VALUES (1, 1, ${T0});`,
		...Array.from({ length: STREAMS }, (_, i) => `INSERT INTO stream (stream_id, feed_id, path, params, events)
			VALUES (${i + 1}, 1, 'p${i}', '{}', ${events / STREAMS}); INSERT INTO wanted VALUES (${i + 1}, ${T0}, ${T0 + events * 1000});
			INSERT INTO coverage VALUES (${i + 1}, ${T0}, ${T0 + events * 1000});`),
		`${count} INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, results)
			SELECT i + 1, i % ${STREAMS} + 1, ${T0} + i * 1000, 0, ${T0} + i * 1000, 1, '[' || (i * 1000) || ',${row}]' FROM n;`,
		'COMMIT; PRAGMA journal_mode = WAL;',
	].join('\n') });
}

// Starts a server; `port` and `pid`.
async function start(command, args, pattern) {
	const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
	let said = '';

	for (const stream of [child.stdout, child.stderr])
		stream.on('data', (text) => { said += text; });
	const exited = new Promise((resolve) => child.on('exit', resolve));

	while (!pattern.test(said)) {
		if (child.exitCode !== null)
			throw new Error(said);
		await sleep(20);
	}
	return { port: said.match(pattern)[1], pid: child.pid, stop: async () => { child.kill(); await exited; } };
}

const serve = (...args) => start(path.join(bin, 'tapedeck-replay'),
	['serve', '--listen', '127.0.0.1:0', ...args, file], /address=http:\/\/127\.0\.0\.1:(\d+)/);
const serveNode = (...args) => start(process.execPath, [here('replay-node.mjs'), String(events), ...args], /port (\d+)/);

function client(server, clients, count, ...args) {
	const child = spawn(path.join(bin, 'test-replay-client'), [server.port, String(clients), String(count), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
	let text = '';
	let errors = '';

	child.stdout.on('data', (bytes) => { text += bytes; });
	child.stderr.on('data', (bytes) => { errors += bytes; });
	return { child, ready: async () => { while (!errors.includes('all are in')) await sleep(50); },
		done: new Promise((resolve, reject) => child.on('close', (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(errors))))) };
}

const cpu = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) / 100, 0);
const rss = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;
const thousands = (n) => Math.round(n).toLocaleString('en');

async function speed(name, server, clients, count) {
	const before = cpu(server.pid);
	const result = await client(server, clients, count, '--streams', String(STREAMS)).done;
	const used = cpu(server.pid) - before;

	console.log(`${name.padEnd(34)} ${String(clients).padStart(7)} ${thousands(result.events_per_s).padStart(12)} ${(used * 1e6 / result.events).toFixed(2).padStart(12)} ${
		rss(server.pid).toFixed(0).padStart(8)}`);
}

async function measureSpeed() {
	console.log(`${'server'.padEnd(34)} clients     events/s CPU us/event  RSS MiB`);
	for (const clients of [1, 10, 100]) {
		if (wants('speed')) {
			const server = await serve('--speed', 'max');

			await speed('tapedeck-replay', server, clients, events);
			await server.stop();
		}
		if (wants('node')) {
			for (const how of ['each', 'broadcast']) {
				const server = await serveNode(how, String(clients));
				const count = Math.min(events, Math.ceil(400_000 / (how === 'each' ? clients : Math.sqrt(clients)) / STREAMS) * STREAMS);

				await speed(how === 'each' ? 'Node.js, to each client by itself' : 'Node.js, one broadcast to all', server, clients, count);
				await server.stop();
			}
		}
	}
}

async function measurePace() {
	console.log('\nspeed  events/s  late by, us: median      p99    worst');
	for (const speedup of [1, 10]) {
		const server = await serve('--speed', String(speedup));
		const result = await client(server, 1, Math.min(events, 10_000 * speedup), '--streams', String(STREAMS), '--pace', String(speedup)).done;

		console.log(`${String(speedup).padStart(5)} ${thousands(result.events_per_s).padStart(9)} ${[result.median_us, result.p99_us, result.worst_us].map((us, i) =>
			thousands(us).padStart(i === 0 ? 21 : 8)).join(' ')}`);
		await server.stop();
	}
}

async function measureIdle() {
	const count = Number(values.idle);
	const server = await serve('--max-clients', String(count + 10));
	const before = rss(server.pid);
	const idle = client(server, count, 1, '--streams', '0');

	idle.done.catch(() => {});
	await idle.ready();
	await sleep(2000);
	console.log(`\n${thousands(count)} idle clients: RSS ${rss(server.pid).toFixed(0)} MiB (${before.toFixed(0)} MiB without)`);
	idle.child.kill();
	await server.stop();
}

try {
	makeTape();
	if (wants('speed') || wants('node'))
		await measureSpeed();
	if (wants('pace'))
		await measurePace();
	if (wants('idle'))
		await measureIdle();
} finally {
	rmSync(dir, { recursive: true, force: true });
}
