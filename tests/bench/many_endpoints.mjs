// many_endpoints: how long and how much memory many endpoints take. The server is a process of its own, so
// that its work and ours do not mix. See many_endpoints.sh.
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startFeed } from '../peers/feed-server.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const tapedeckd = path.join(process.env.TAPEDECK_BIN ?? path.join(here, '../../build/bin'), 'tapedeckd');
const POLL_MS = 20;
const LIMIT_MS = 600_000;
const TICKS_PER_S = 100; // USER_HZ, what /proc counts in
const PATH = 'p';

// ---- the server's process ----

async function serve() {
	const feed = await startFeed({ version: 4 });
	const state = () => ({
		connections: feed.counters.connections, sockets: feed.sockets.size,
		subscribes: feed.counters.subscribes, subscriptions: [...feed.sockets.values()].reduce((sum, keys) => sum + keys.size, 0),
	});

	process.on('disconnect', () => process.exit(0));
	process.on('message', (message) => {
		if (message === 'state')
			process.send(state());
		else
			publishAll(feed, message.publish);
	});
	process.send({ url: feed.url });
}

// One event for each endpoint, in slices, so that the socket's buffers stay small.
function publishAll(feed, count, from = 0) {
	const end = Math.min(from + 1000, count);

	for (let i = from; i < end; i++)
		feed.publish({ path: PATH, params: { ticker: `T${i}` }, timestamp: 1400666400 + from, results: [{ i }] });
	if (end < count)
		setImmediate(() => publishAll(feed, count, end));
}

// ---- what measures ----

const answerOf = (server) => new Promise((resolve) => server.once('message', resolve));

async function until(what, isTrue) {
	const begun = Date.now();

	while (!await isTrue()) {
		if (Date.now() - begun > LIMIT_MS)
			throw new Error(`waited ${LIMIT_MS / 1000} s for ${what}`);
		await sleep(POLL_MS);
	}
}

function mebibytes(pid, name) {
	return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]) / 1024;
}

function cpuOf(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');

	return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function storedIn(file) {
	return Number(execFileSync('sqlite3', ['-readonly', '-cmd', '.timeout 10000', file, 'SELECT coalesce(max(event_id), 0) FROM event'])
		.toString());
}

const show = (name, value, unit) => console.log(`${name.padEnd(44)}${value.toFixed(1).padStart(10)} ${unit}`);

function startDaemon(dir, url, { endpoints, connections }) {
	const params = Array.from({ length: endpoints }, (_, i) => `{"ticker":"T${i}"}\n`);

	writeFileSync(path.join(dir, 'params.ndjson'), params.join(''));
	writeFileSync(path.join(dir, 'api-key'), 'sk_bench\n', { mode: 0o600 });
	writeFileSync(path.join(dir, 'config.json'), JSON.stringify({
		database: 'market.db',
		feeds: [{ name: 'bench', url, connections, token: { url: `${url}/jwt`, api_key_file: 'api-key' },
			endpoints: [{ path: PATH, params_file: 'params.ndjson' }] }],
	}));
	return spawn(tapedeckd, ['--log-level', 'warn', path.join(dir, 'config.json')], { stdio: ['ignore', 'inherit', 'inherit'] });
}

async function measure(server, daemon, options, begun, dir) {
	const { endpoints, connections, handover } = options;
	const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;
	const state = () => {
		const answer = answerOf(server);

		server.send('state');
		return answer;
	};

	await until('all subscriptions', async () => (await state()).subscriptions === endpoints);
	show('all subscribed after', seconds(begun), 's');
	show('memory, all subscribed', mebibytes(daemon.pid, 'VmRSS'), 'MiB');
	const sent = process.hrtime.bigint();
	server.send({ publish: endpoints });
	await until('an event of each endpoint', () => storedIn(path.join(dir, 'market.db')) >= endpoints);
	show('an event of each stored after', seconds(sent), 's');
	if (handover) {
		const asked = process.hrtime.bigint();
		const before = (await state()).connections;

		daemon.kill('SIGUSR1');
		await until('the handover', async () => {
			const now = await state();

			return now.connections === before + connections && now.sockets === connections;
		});
		show('handed over after', seconds(asked), 's');
	}
	show('memory at most (VmHWM)', mebibytes(daemon.pid, 'VmHWM'), 'MiB');
	show('CPU of tapedeckd', cpuOf(daemon.pid), 's');
	show('subscribes that the server got', (await state()).subscribes, '');
}

async function stop(child) {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	const ended = new Promise((resolve) => child.on('exit', resolve));

	child.kill('SIGTERM');
	await Promise.race([ended, sleep(30_000, null, { ref: false })]);
	child.kill('SIGKILL');
}

async function main() {
	const { values } = parseArgs({ options: {
		endpoints: { type: 'string', default: '100000' }, connections: { type: 'string', default: '1' }, handover: { type: 'boolean', default: false },
	} });
	const options = { endpoints: Number(values.endpoints), connections: Number(values.connections), handover: values.handover };
	const dir = mkdtempSync(path.join(os.tmpdir(), 'tapedeck-bench-'));
	const server = fork(fileURLToPath(import.meta.url), ['serve']);
	const { url } = await answerOf(server);
	const begun = process.hrtime.bigint();
	const daemon = startDaemon(dir, url, options);

	console.log(`${options.endpoints} endpoints over ${options.connections} connection(s), Socket.IO 4.8.4, Node.js ${process.version}`);
	try {
		await measure(server, daemon, options, begun, dir);
		const stopping = process.hrtime.bigint();
		await stop(daemon);
		show('unsubscribed and stopped after', Number(process.hrtime.bigint() - stopping) / 1e9, 's');
	} finally {
		await stop(daemon);
		server.disconnect();
		rmSync(dir, { recursive: true, force: true });
	}
}

await (process.argv[2] === 'serve' ? serve() : main());
