// Unmodified clients of every version at a replay, and a person at its keyboard.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../peers/sockets.mjs';
import { e2e, EXIT_MS, waitFor } from './support.mjs';
import { makeTape, RawClient, request, stateOf, ticks } from './tapes.mjs';

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const bin = process.env.TAPEDECK_BIN ?? fileURLToPath(new URL('../../build/bin', import.meta.url));

for (const transports of [['websocket'], ['polling'], undefined]) {
	e2e(`every version plays along by ${transports ?? 'polling and WebSocket'}`, async (scene) => {
		const text = 'caf\u00e9 \u65e5\u672c \u{1f600}';

		makeTape(scene, 'market.db', { events: ticks(40, 5000, 2).map((event, i) => ({ ...event,
			results: `[{"n":${i + 1},"text":"${text}"}]`, extra: i === 3 ? '{"args":["more",{"a":1}]}' : null })) });
		const server = await scene.serve([]);

		// Over a WebSocket only 1.0 expects UTF-8 twice, and nothing tells it from its successors.
		const versions = ['0.9', ...(transports?.[0] === 'polling' ? ['1.0'] : []), '1.3', '1.7', 2, 3, 4];

		await Promise.all(versions.map(async (version) => {
			const client = connect(version, server.url, { reconnection: false, ...(transports && { transports }) });
			const got = [];
			const acks = [];

			scene.loads.push({ stop: () => client.disconnect() });
			client.on('data', (event, ...more) => got.push([event, more]));
			client.on('connect', () => ['p0', 'p1', 'p2'].forEach((each) => client.emit('subscribe', { path: each, params: {} }, (error) => acks.push(error))));
			await waitFor(() => got.length === 40, `version ${version}: 40 events`);
			assert.deepEqual(got.map(([{ results }]) => results[0].n), numbers(1, 40), String(version));
			got.forEach(([event, more], i) => {
				assert.equal(event.path, `p${i % 2}`);
				assert.deepEqual(event.params, {});
				assert.equal(event.timestamp, new Date(1_400_666_400_000 + 5 * i).toISOString());
				assert.equal(event.results[0].text, text, String(version));
				assert.deepEqual(more, i === 3 ? ['more', { a: 1 }] : []);
			});
			assert.deepEqual(acks, [null, null, "unknown path 'p2'"]);
			client.disconnect();
		}));
		await server.stop();
	});
}

e2e('a binary event goes to clients that know such', async (scene) => {
	const feed = await scene.feed();
	const blob = Buffer.from([0, 1, 255]);

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === 1, 'the subscription');
	feed.publish({ path: 'p', params: {}, timestamp: 1_400_666_400, results: [blob, 'x'] });
	feed.publish({ path: 'p', params: {}, timestamp: 1_400_666_401, results: 'plain' });
	await scene.stored(2);
	await daemon.stop();
	const server = await scene.serve(['--speed', 'max', '--recovery', '1m']);

	for (const version of [2, 4]) {
		const client = connect(version, server.url, { reconnection: false, transports: ['websocket'] });
		const got = [];

		client.on('data', (event) => got.push(event.results));
		client.on('connect', () => client.emit('subscribe', { path: 'p' }));
		await waitFor(() => got.length === 2, 'both events');
		assert.deepEqual([...got[0][0]], [...blob]);
		assert.deepEqual([got[0][1], got[1]], ['x', 'plain']);
		client.disconnect();
	}
	await server.stop();
});

e2e('at a terminal keys control the replay, and the terminal is as it was afterwards', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(20, 1_000_000) });
	const program = path.join(bin, 'tapedeck-replay');
	const child = spawn('script', ['-qfec', `stty -g >before; ${program} serve --listen 127.0.0.1:0 market.db 2>log; echo $? >code; stty -g >after`, '/dev/null'],
		{ cwd: scene.dir, stdio: ['pipe', 'ignore', 'ignore'] });
	const log = () => (existsSync(scene.file('log')) ? readFileSync(scene.file('log'), 'utf8') : '');
	const press = (keys) => child.stdin.write(keys);

	scene.loads.push({ stop: () => child.kill() });
	await waitFor(() => / serving address=/.test(log()), 'the start');
	const server = { port: Number(log().match(/address=http:\/\/127\.0\.0\.1:(\d+)/)[1]) };
	const client = await RawClient.open(server);
	const is = (what, wanted) => waitFor(async () => (await stateOf(server))[what] === wanted, `${what} to be ${wanted}`);
	const from = (await stateOf(server)).from;

	press(' ');
	await is('state', 'paused');
	client.subscribe('p');
	await client.sees((packet) => packet === '430[null]');
	press('s');
	await client.seesData(1);
	press('\x1b[C');
	await is('position', from + 10_000_000);
	press('s');
	await client.seesData(2);
	assert.deepEqual(client.numbers, [1, 11]);
	press('\x1b[D');
	await is('position', from);
	press('+++');
	await is('speed', 10);
	press('-');
	await is('speed', 5);
	press('+++++++++');
	await is('speed', 'max');
	press(' ');
	await is('state', 'ended');
	press('q');
	await waitFor(() => child.exitCode !== null, 'the end', EXIT_MS);
	assert.equal(readFileSync(scene.file('code'), 'utf8').trim(), '0');
	assert.equal(readFileSync(scene.file('after'), 'utf8'), readFileSync(scene.file('before'), 'utf8'));
	await assert.rejects(request(server, 'GET', '/replay'));
});
