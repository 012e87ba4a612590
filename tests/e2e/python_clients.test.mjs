// python_clients: the Socket.IO clients that Debian has for Python, unmodified, against a replay that asks for tokens:
// python3-socketio (Engine.IO 4) and python3-socketio-client (Engine.IO 3, whose polling is framed in binary).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { e2e } from './support.mjs';
import { fetchToken, makeTape, stateOf, T0 } from './tapes.mjs';

const PYTHON = '/usr/bin/python3'; // Debian's, for which setup.sh installs the packages; another one may come first in the PATH
const STEP = 5000;
const EVENTS = 1500; // again and again: it goes on for as long as a busy machine needs
const COUNT = 1000;
const ASCII = ['plain', '"\\\n'];
const TEXTS = [...ASCII, 'é', '\u{1f600}', '\u2028'];

const resultsOf = (texts, n) => [{ n, price: 1.5, text: texts[n % texts.length] }];
const STREAM = { path: '/real-time/prices', params: { ticker: 'AAPL' } };
const OTHER = { path: 'other', params: {} };
const isoOf = (n) => new Date((T0 + n * STEP) / 1000).toISOString();
const bound = { timeout: 120_000, maxBuffer: 2 ** 26 };

async function replay(scene, texts) {
	const events = Array.from({ length: EVENTS }, (_, n) => ({ at: n * STEP, results: JSON.stringify(resultsOf(texts, n)) }));

	makeTape(scene, 'tape.db', { events: events.flatMap((event) => [STREAM, OTHER].map(({ path, params }) => ({ ...event, path, params: JSON.stringify(params) }))) });
	return scene.serve(['--api-key-file', scene.file('api-key'), '--speed', '10', '--settle', '1ms', '--loop', '--clock', 'shared'], ['tape.db']);
}

// What a program of tests/peers says, with the names of its lines put together.
async function run(program, plan) {
	const file = fileURLToPath(new URL(`../peers/${program}.py`, import.meta.url));
	const { stdout } = await promisify(execFile)(PYTHON, ['-W', 'ignore', file, JSON.stringify({ count: COUNT, stream: STREAM, other: OTHER, ...plan })], bound);

	return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

// Events are compared whole, so none is missing, twice or out of order.
async function checkSession(scene, program, transports, transport, texts = TEXTS) {
	const server = await replay(scene, texts);
	const said = await run(program, { url: server.url, token: await fetchToken(server, scene.key), transports });
	const { events: got } = said.at(-1);
	const [first, unknown, ...rest] = said.slice(0, -1);

	assert.deepEqual(first, { transport });
	assert.match(unknown.unknown, /no\/such/);
	assert.deepEqual(rest, [{ subscribed: null }, { enough: true }, { unsubscribed: null }, { other: null }, { enough: true }, { after: 0 }]);
	assert.ok(got.length >= COUNT, `${got.length} events`);
	assert.deepEqual(got, got.map((_, n) => ({ ...STREAM, timestamp: isoOf(n % EVENTS), results: resultsOf(texts, n % EVENTS) })));
	await server.stop();
}

async function checkRefusal(scene, program, transports, check) {
	const server = await replay(scene, ASCII);
	const token = await fetchToken(server, scene.key);
	const [{ refused }] = await run(program, { url: server.url, token: `${token.slice(0, -4)}AAAA`, transports });

	check(refused);
	assert.equal((await stateOf(server)).emitted, 0);
	await server.stop();
}

for (const [transports, transport] of [[['polling'], 'polling'], [['websocket'], 'websocket'], [['polling', 'websocket'], 'websocket']])
	e2e(`python3-socketio over ${transports.join(' then ')}: token, acks, ${COUNT} events in order, unsubscribe`, (scene) =>
		checkSession(scene, 'python_socketio', transports, transport));

// Over a WebSocket this one takes ASCII only, whoever sends it.
for (const [transports, transport, texts] of [[['xhr-polling'], 'xhr-polling', TEXTS], [['xhr-polling', 'websocket'], 'websocket', ASCII]])
	e2e(`python3-socketio-client over ${transports.join(' then ')}: token, acks, ${COUNT} events in order, unsubscribe`, (scene) =>
		checkSession(scene, 'python_socketio_client', transports, transport, texts));

e2e('a refused token is told to python3-socketio', (scene) =>
	checkRefusal(scene, 'python_socketio', ['websocket'], (refused) => assert.match(refused.message, /token/)));

e2e('a refused token is told to python3-socketio-client', (scene) =>
	checkRefusal(scene, 'python_socketio_client', ['xhr-polling'], (refused) => assert.match(JSON.stringify(refused), /token/)));
