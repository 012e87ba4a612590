// ingest: how fast a recorder gets events into the file: the same sender, once for tapedeckd and once
// for the Node.js recorder, from the first byte sent to the last committed row. See ingest.sh.
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { SHAPES, paramsOf, roundMaker } from './shapes.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const tapedeckd = path.join(process.env.TAPEDECK_BIN ?? path.join(here, '../../build/bin'), 'tapedeckd');
const TICKS_PER_S = 100; // USER_HZ, what /proc counts in
const REST_MS = 1000;
const POLL_MS = 10;
const STALL_MS = 60_000;

const RECORDERS = {
	tapedeckd(dir, url, shapeName) {
		const { path: endpoint, streams } = SHAPES[shapeName];
		const params = Array.from({ length: streams }, (_, i) => JSON.stringify(paramsOf(i)));

		writeFileSync(path.join(dir, 'params.ndjson'), params.join('\n'));
		writeFileSync(path.join(dir, 'config.json'), JSON.stringify({
			database: 'market.db',
			feeds: [{ name: 'bench', url, endpoints: [{ path: endpoint, params_file: 'params.ndjson' }] }],
		}));
		return spawn(tapedeckd, ['--log-level', 'warn', path.join(dir, 'config.json')], { stdio: 'inherit' });
	},
	node(dir, url, shapeName) {
		return spawn(process.execPath, [path.join(here, 'node-recorder.mjs'), url, path.join(dir, 'market.db'), shapeName],
			{ stdio: 'inherit' });
	},
};

// Who reads meanwhile, as a program of its own: nobody; a query that goes on for longer than the bench; one that asks
// for the newest rows every 10 ms.
const READERS = {
	none: null,
	query: 'SELECT count(*) FROM event a JOIN event b ON b.event_id <= a.event_id WHERE length(a.results) + length(b.results) = 0;\n',
	poll: 'SELECT count(*) FROM (SELECT * FROM recording ORDER BY event_id DESC LIMIT 100);\n',
};
const READ_EVERY_MS = 10;

function startReader(file, kind) {
	if (READERS[kind] === null)
		return null;
	const reader = spawn('sqlite3', ['-readonly', file], { stdio: ['pipe', 'ignore', 'ignore'] });

	reader.stdin.on('error', () => {}); // it is killed in the end
	reader.stdin.write(READERS[kind]);
	if (kind === 'poll')
		reader.timer = setInterval(() => reader.stdin.write(READERS.poll), READ_EVERY_MS);
	return reader;
}

function stopReader(reader) {
	clearInterval(reader?.timer);
	reader?.kill('SIGKILL');
}

// CPU seconds of a process, all threads.
function cpuOf(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');

	return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function memoryOf(pid, name) {
	return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]) / 1024;
}

// The messages of the sender, each awaited by its name.
function listen(sender) {
	const waiting = new Map();
	const promiseOf = (name) => {
		if (!waiting.has(name)) {
			let resolve;
			const promise = new Promise((done) => { resolve = done; });

			waiting.set(name, { promise, resolve });
		}
		return waiting.get(name);
	};

	sender.on('message', (message) => Object.entries(message).forEach(([name, value]) => promiseOf(name).resolve(value)));
	return (name) => promiseOf(name).promise;
}

// Resolves when the file holds `total` events; fails when it stops growing before.
async function allStored(file, total) {
	const db = new Database(file, { readonly: true });
	const newest = db.prepare('SELECT coalesce(max(event_id), 0) FROM event').pluck();
	let [last, since] = [0, Date.now()];

	try {
		for (;;) {
			const stored = newest.get();

			if (stored >= total)
				return db.prepare('SELECT count(*) FROM event').pluck().get();
			if (stored > last)
				[last, since] = [stored, Date.now()];
			if (Date.now() - since > STALL_MS)
				throw new Error(`${last} of ${total} events stored, and no more for ${STALL_MS / 1000} s`);
			await sleep(POLL_MS);
		}
	} finally {
		db.close();
	}
}

async function stop(child) {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	const ended = new Promise((resolve) => child.on('exit', resolve));

	child.kill('SIGTERM');
	await Promise.race([ended, sleep(30_000)]);
	child.kill('SIGKILL');
}

async function measure(recorderName, shapeName, wanted, readerKind = 'none') {
	const { streams } = SHAPES[shapeName];
	const total = Math.ceil(wanted / streams) * streams;
	const dir = mkdtempSync(path.join(os.tmpdir(), 'tapedeck-bench-'));
	const sender = fork(path.join(here, 'sender.mjs'), [shapeName, String(total)]);
	const message = listen(sender);
	let reader = null;
	const recorder = RECORDERS[recorderName](dir, `http://127.0.0.1:${await message('port')}`, shapeName);

	try {
		await message('subscribed');
		await sleep(REST_MS);
		const rest = memoryOf(recorder.pid, 'VmRSS');
		const cpu = cpuOf(recorder.pid);
		const begun = process.hrtime.bigint();
		sender.send('go');
		if (readerKind !== 'none') {
			await sleep(REST_MS);
			reader = startReader(path.join(dir, 'market.db'), readerKind);
		}
		await message('done');
		const stored = await allStored(path.join(dir, 'market.db'), total);
		const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
		if (stored !== total)
			throw new Error(`${recorderName} stored ${stored} events instead of ${total}`);
		return {
			events: total, seconds, rest, cpu: cpuOf(recorder.pid) - cpu, peak: memoryOf(recorder.pid, 'VmHWM'),
		};
	} finally {
		stopReader(reader);
		await stop(recorder);
		sender.kill();
		rmSync(dir, { recursive: true, force: true });
	}
}

const COLUMNS = [
	['recorder', (r) => r.recorder], ['events', (r) => r.events], ['seconds', (r) => r.seconds.toFixed(2)],
	['events/s', (r) => Math.round(r.events / r.seconds)], ['CPU us/event', (r) => (r.cpu * 1e6 / r.events).toFixed(2)],
	['RSS at rest, MiB', (r) => r.rest.toFixed(1)], ['RSS peak, MiB', (r) => r.peak.toFixed(1)],
];

function print(title, rows) {
	const table = [COLUMNS.map(([name]) => name), ...rows.map((row) => COLUMNS.map(([, of]) => String(of(row))))];
	const widths = COLUMNS.map((_, i) => Math.max(...table.map((line) => line[i].length)));

	console.log(`\n${title}`);
	for (const line of table)
		console.log(line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
}

const { values } = parseArgs({ options: {
	small: { type: 'string', default: '2000000' }, large: { type: 'string', default: '20000' },
	only: { type: 'string' }, readers: { type: 'boolean', default: false },
} });
const recorders = Object.keys(RECORDERS).filter((name) => values.only === undefined || values.only === name);

if (recorders.length === 0 || (recorders.includes('tapedeckd') && !existsSync(tapedeckd))) {
	console.error(recorders.length === 0 ? `--only takes ${Object.keys(RECORDERS)}` : `no program at '${tapedeckd}'; build it first`);
	process.exit(2);
}
console.log(`${os.cpus().length} cores (${os.cpus()[0].model}), Node ${process.version}`);
for (const shapeName of Object.keys(SHAPES)) {
	const rows = [];

	if (Number(values[shapeName]) === 0)
		continue;
	if (values.readers)
		for (const kind of Object.keys(READERS))
			rows.push({ recorder: `reader: ${kind}`, ...await measure('tapedeckd', shapeName, Number(values[shapeName]), kind) });
	for (const recorder of values.readers ? [] : recorders)
		rows.push({ recorder, ...await measure(recorder, shapeName, Number(values[shapeName])) });
	print(`${SHAPES[shapeName].title}, ${roundMaker(SHAPES[shapeName]).eventBytes} bytes each`, rows);
}
