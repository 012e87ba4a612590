// A replay and the unmodified clients of every generation, on every transport, as they would run on the feed.
import assert from 'node:assert/strict';
import { clientTransportOf, connect, generationOf, overhear } from '../peers/sockets.mjs';
import { e2e, waitFor } from './support.mjs';
import { control, fetchToken, makeTape, stateOf, T0 } from './tapes.mjs';

const COUNT = 1000;
const MS = 1000;
const WAYS = { websocket: ['websocket'], polling: ['polling'], upgrade: ['polling', 'websocket'] };
const CELLS = ['0.9', '1.7', '2', '3', '4'].flatMap((version) => Object.keys(WAYS)
	.filter((way) => version !== '0.9' || way !== 'upgrade') // which it has not
	.map((way) => ({ version, way })));

const TICKS = { path: 'ticks', params: { ticker: 'Ü' } };
const CLOSE = { path: 'close', params: {} };
const EMPTY = ['[]', 'null', '""', '{}'];

// Every seventh is empty, three each have one timestamp.
const resultsOf = (n) => (n % 7 === 0 ? EMPTY[n / 7 % EMPTY.length]
	: `[{"n":${n},"text":"é \u{1F600} ÿ \u2028","a":1.10,"e":"\\u00e9"}]`);
const ticks = Array.from({ length: COUNT }, (_, n) => ({ ...TICKS, at: n * MS, timestamp: Math.floor(n / 3) * MS, results: resultsOf(n) }));
const closes = Array.from({ length: 5 }, (_, i) => ({ ...CLOSE, at: (COUNT + i) * MS, results: `[{"close":${i}}]` }));

const tape = (scene, events) => makeTape(scene, 'market.db',
	{ events: events.map((event) => ({ ...event, params: JSON.stringify(event.params) })) });

// The text of an event's argument, as its feed wrote it.
const textOf = ({ path, params, at, timestamp = at, results }) => `{"path":"${path}","params":${JSON.stringify(params)},`
	+ `"timestamp":"${new Date((T0 + timestamp) / MS).toISOString()}","results":${results}}`;
const TEXTS = [...ticks, ...closes].map(textOf);

// A client with what it has been given, as values and as text.
class Client {
	got = [];
	wire = '';
	refusal = null; // [event, what it was told]
	isConnected = false;

	constructor(scene, server, { version, way }, token) {
		this.version = version;
		this.name = `${version} on ${way}`;
		this.socket = connect(version, server.url, { transports: WAYS[way], reconnection: false, query: { token } });
		this.socket.on('data', (event) => this.got.push(event));
		this.socket.on('connect', () => {
			this.isConnected = true;
			overhear(version, this.socket, (text) => { this.wire += text; });
		});
		for (const event of ['error', 'connect_error'])
			this.socket.on(event, (reason) => { this.refusal ??= [event, reason]; });
		scene.loads.push({ stop: () => this.close() });
	}

	ask(event, request) {
		return new Promise((resolve) => this.socket.emit(event, request, (...answer) => resolve(answer)));
	}

	waitFor(predicate, what) {
		return waitFor(() => predicate(this), `${what} (client ${this.name}, which was told ${this.refusal})`);
	}

	close() {
		if (this.isConnected || this.version !== '0.9') // which cannot be closed if it never was open
			this.socket.disconnect();
	}
}

const newToken = async (scene, server) => {
	const token = await fetchToken(server, scene.key);

	scene.secrets.push(token);
	return token;
};

async function checkRefused(scene, server, cell) {
	const client = new Client(scene, server, cell, 'not.a.token');

	await client.waitFor(({ refusal }) => refusal !== null, 'a refusal');
	const [event, reason] = client.refusal;
	const data = { code: 401, message: 'invalid token' };

	if (cell.version === '0.9')
		assert.deepEqual([event, reason], ['error', 'handshake unauthorized'], client.name);
	else if (generationOf(cell.version) === 'eio3')
		assert.deepEqual([event, reason], ['error', data], client.name);
	else
		assert.deepEqual([event, reason.message, reason.data], ['connect_error', data.message, data], client.name);
	assert.equal(client.isConnected, false);
	client.close();
}

function checkEvents(client, way) {
	let end = 0;

	assert.deepEqual(client.got, TEXTS.map((text) => JSON.parse(text)), client.name);
	if (way === 'polling' && generationOf(client.version) === 'eio3') {
		assert.match(client.wire, /^[\0-\x7f]*$/, client.name); // which 1.x and 2.x read alike
		return;
	}
	for (const text of TEXTS) {
		const at = client.wire.indexOf(text, end);

		assert.ok(at >= 0, `client ${client.name} did not get the bytes ${text}`);
		end = at + text.length;
	}
}

// Up to where the client has left the ticks.
async function play(scene, server, cell) {
	const client = new Client(scene, server, cell, await newToken(scene, server));
	const [[path], [params], [gone]] = await Promise.all([
		client.ask('subscribe', { path: 'nöwhere', params: {} }),
		client.ask('subscribe', { path: 'ticks', params: { ticker: 'ß', also: 1 } }),
		client.ask('unsubscribe', CLOSE),
	]);

	assert.equal(path, "unknown path 'nöwhere'");
	assert.equal(params, `unknown params {"also":1,"ticker":"ß"} of path 'ticks'`);
	assert.equal(gone, 'not subscribed');
	assert.deepEqual(await client.ask('subscribe', TICKS), [null]);
	await client.waitFor(() => clientTransportOf(cell.version, client.socket) === (cell.way === 'polling' ? 'polling' : 'websocket'),
		'its transport');
	assert.deepEqual(client.got, []); // the clock waits for the other stream
	assert.deepEqual(await client.ask('subscribe', CLOSE), [null]);
	await client.waitFor(({ got }) => got.length >= TEXTS.length, 'all events');
	checkEvents(client, cell.way);
	assert.deepEqual(await client.ask('unsubscribe', TICKS), [null]);
	assert.deepEqual(await client.ask('unsubscribe', TICKS), ['not subscribed']);
	client.got.length = 0;
	return client;
}

e2e('every client gets its token, is answered, and gets every event in order and unchanged', async (scene) => {
	tape(scene, [...ticks, ...closes]);
	const server = await scene.serve(['--speed', 'max', '--settle', '1m', '--api-key-file', scene.file('api-key')]);

	await Promise.all(CELLS.map((cell) => checkRefused(scene, server, cell)));
	const clients = await Promise.all(CELLS.map((cell) => play(scene, server, cell)));

	// Everything once more, of which they have left the most.
	await control(server, { do: 'seek', to: T0 });
	for (const client of clients) {
		await client.waitFor(({ got }) => got.length >= closes.length, 'what it has not left');
		assert.deepEqual(client.got, closes.map((event) => JSON.parse(textOf(event))), client.name);
		client.close();
	}
	await waitFor(async () => (await stateOf(server)).clients === 0, 'all clients to leave');
	await server.stop();
});

e2e('every client that is sent away at the end has been given everything', async (scene) => {
	tape(scene, closes);
	const server = await scene.serve(['--speed', 'max', '--at-end', 'close', '--ping-timeout', '5s']);

	// One after the other, as the end comes while a client upgrades or does not.
	for (const cell of [...CELLS, ...CELLS.filter(({ way }) => way !== 'websocket')]) {
		const client = new Client(scene, server, cell, '');
		let reason = null;

		client.socket.on('connect', () => client.socket.emit('subscribe', CLOSE));
		client.socket.on('disconnect', (why) => { reason = why; });
		await client.waitFor(() => reason !== null, 'the end');
		assert.equal(reason, cell.version === '0.9' ? 'booted' : 'io server disconnect', client.name);
		assert.deepEqual(client.got, closes.map((event) => JSON.parse(textOf(event))), client.name);
	}
	await server.stop();
});
