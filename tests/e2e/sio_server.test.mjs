// The server's side of Socket.IO, spoken with by the real clients of every year on every transport.
import assert from 'node:assert/strict';
import { clientTransportOf, connect, generationOf } from '../peers/sockets.mjs';
import { waitFor } from './support.mjs';
import { served } from './sio_peer.mjs';

const WAYS = {
	websocket: ['websocket'],
	polling: ['polling'],
	upgrade: ['polling', 'websocket'],
};
// A client of 1.0 encodes texts on a WebSocket twice, and has no binary that works on a Node of today.
const CELLS = ['0.9', '1.0', '1.3', '1.7', '2', '3', '4'].flatMap((version) => Object.keys(WAYS)
	.filter((way) => version === '0.9' ? way !== 'upgrade' : version !== '1.0' || way === 'polling')
	.map((way) => ({ version, way })));
const ARGS = [1, 'é \u{1F600} ÿ', { a: [null, 1.5, true], 'ключ': '' }];

// A client with what it has seen: [event, ...arguments].
function join(server, { version, way }, nsp = '', options = {}) {
	const socket = connect(version, server.url + nsp, { transports: WAYS[way], reconnection: false, ...options });
	const client = { server, socket, version, seen: [] };

	for (const event of ['connect', 'disconnect', 'error', 'connect_error', 'connect_failed', 'auth', 'message-back', 'flood'])
		socket.on(event, (...args) => client.seen.push([event, ...args]));
	client.saw = async (event) => {
		await server.waitFor(() => client.seen.some(([name]) => name === event), `'${event}'`);
		return client.seen.find(([name]) => name === event).slice(1);
	};
	client.ask = (...args) => new Promise((resolve) => socket.emit('message-with-ack', ...args, (...answer) => resolve(answer)));
	server.closers.push(() => socket.disconnect());
	return client;
}

// What a client was told when it was turned away.
async function refusal(client) {
	const names = ['error', 'connect_error', 'connect_failed'];

	await client.server.waitFor(() => client.seen.some(([name]) => names.includes(name)), 'a refusal');
	const [name, reason] = client.seen.find(([each]) => names.includes(each));

	return { name, text: typeof reason === 'string' ? reason : reason?.message, data: reason?.data ?? reason };
}

async function checkBinary(client) {
	const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);

	client.seen.length = 0;
	client.socket.emit('message', 'x', bytes, { deep: [bytes, Buffer.alloc(0)] });
	const [text, one, { deep }] = await client.saw('message-back');

	assert.equal(text, 'x');
	assert.deepEqual([one, ...deep].map((each) => Buffer.from(each)), [bytes, bytes, Buffer.alloc(0)]);
	const [acked] = await client.ask(bytes);

	assert.deepEqual(Buffer.from(acked), bytes);
}

async function checkTransport({ socket, version }, way) {
	const name = way === 'polling' ? 'polling' : 'websocket';

	await waitFor(() => clientTransportOf(version, socket) === name, `transport ${name}`);
}

const isModern = (version) => generationOf(version) === 'eio4';

for (const cell of CELLS) {
	const { version, way } = cell;

	served(`client ${version} over ${way}`, {}, async (server) => {
		const client = join(server, cell, '', { auth: { token: 'ü' } });

		await client.saw('connect');
		assert.deepEqual(await client.saw('auth'), [isModern(version) ? { token: 'ü' } : {}]);
		await checkTransport(client, way);
		client.socket.emit('message', ...ARGS);
		assert.deepEqual(await client.saw('message-back'), ARGS);
		assert.deepEqual(await client.ask(...ARGS), ARGS);
		assert.deepEqual(await client.ask(), []);
		if (Number(version) >= 1.3)
			await checkBinary(client);
		await checkNamespaces(server, cell);
		await checkFarewells(server, cell, client);
	});
}

async function checkNamespaces(server, cell) {
	const custom = join(server, cell, '/custom');

	assert.deepEqual(await custom.saw('auth'), [{}]);
	custom.socket.emit('message', 'in /custom');
	assert.deepEqual(await custom.saw('message-back'), ['in /custom']);
	custom.socket.disconnect();

	const { name, text } = await refusal(join(server, cell, '/nosuch'));

	if (cell.version === '0.9')
		assert.equal(name, 'connect_failed');
	else
		assert.equal(text, 'Invalid namespace');
}

// The client is refused, cut off, sent away, and leaves.
async function checkFarewells(server, cell, client) {
	const { version } = cell;
	const refused = await refusal(join(server, cell, '', { query: { refuse: 2 } }));

	if (isModern(version))
		assert.deepEqual([refused.text, refused.data], ['not authorized', { code: 401 }]);
	else if (version !== '0.9')
		assert.deepEqual(refused.data, { code: 401 });
	await refusal(join(server, cell, '', { query: { refuse: 1 } }));

	client.socket.disconnect();
	await server.says(/a socket has left how=client/);
	for (const args of [['kick'], ['kick', true], ['cut']]) {
		const again = join(server, cell);

		await again.saw('auth');
		if (args[0] === 'cut') // one that is cut off in the middle of its upgrade notices with its next ping
			await checkTransport(again, cell.way);
		again.socket.emit(...args);
		await again.saw('disconnect');
	}
	await server.says(/a socket has left how=server goodbye=yes/, 2);
	await server.says(/a socket has left how=server goodbye=no/, 1);
}

served('every client is kept by the heartbeat', { 'ping-interval': 200, 'ping-timeout': 400 }, async (server) => {
	const clients = CELLS.map((cell) => join(server, cell));

	await Promise.all(clients.map((client) => client.saw('auth')));
	// Nine intervals, three times what a silent client is allowed.
	await new Promise((resolve) => { setTimeout(resolve, 1800); });
	for (const [i, client] of clients.entries())
		assert.deepEqual(await client.ask(i), [i]);
	assert.deepEqual(clients.flatMap(({ seen }) => seen.filter(([name]) => name === 'disconnect')), []);
});

served('a flood arrives whole and in order, however it is taken', {}, async (server) => {
	const count = 10_000;
	const clients = CELLS.filter(({ version }) => ['0.9', '2', '4'].includes(version)).map((cell) => join(server, cell));

	for (const client of clients) {
		await client.saw('auth');
		client.socket.emit('flood', count);
	}
	for (const { seen } of clients) {
		const floods = () => seen.filter(([name]) => name === 'flood');

		await server.waitFor(() => floods().length >= count, 'the flood');
		assert.deepEqual(floods().map(([, n]) => n), Array.from({ length: count }, (_, n) => n));
	}
});
